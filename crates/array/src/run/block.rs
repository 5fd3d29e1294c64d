//! How regions are cut into blocks. Cuts depend on shapes and types alone, never on threads or memory in use, where a
//! result depends on them.

use crate::graph::Region;

/// The shape of a block of at most `elements`, whole in the last axes, whose lengths are multiples of `unit` where an
/// axis is cut.
pub fn block_shape(shape: &[usize], elements: usize, unit: &[usize]) -> Vec<usize> {
    let mut block = vec![1; shape.len()];
    let mut room = elements.max(1);
    for axis in (0..shape.len()).rev() {
        let len = shape[axis].max(1);
        let unit = unit.get(axis).copied().unwrap_or(1).clamp(1, len);
        block[axis] = if len <= room { len } else { (room / unit * unit).max(unit) };
        room = (room / block[axis]).max(1);
    }
    block
}

/// The blocks of a region, in row-major order, by number.
#[derive(Clone, Debug)]
pub struct Grid {
    region: Region,
    block: Vec<usize>,
    counts: Vec<usize>,
}

impl Grid {
    pub fn new(region: &Region, block: Vec<usize>) -> Grid {
        let counts =
            region.shape.iter().zip(&block).map(|(len, block)| len.div_ceil((*block).max(1))).collect();
        Grid { region: region.clone(), block, counts }
    }

    /// Blocks.
    pub fn len(&self) -> usize {
        self.counts.iter().product()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What is cut.
    pub fn region(&self) -> &Region {
        &self.region
    }

    /// Blocks along each axis.
    pub fn counts(&self) -> &[usize] {
        &self.counts
    }

    /// A block by its number.
    pub fn block(&self, number: usize) -> Region {
        let mut rest = number;
        let mut start = self.region.start.clone();
        let mut shape = self.region.shape.clone();
        for axis in (0..shape.len()).rev() {
            let index = rest % self.counts[axis].max(1);
            rest /= self.counts[axis].max(1);
            let before = index * self.block[axis];
            start[axis] += before;
            shape[axis] = self.block[axis].min(shape[axis] - before);
        }
        Region { start, shape }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_tile_a_region() {
        let region = Region { start: vec![3, 1], shape: vec![7, 10] };
        let grid = Grid::new(&region, block_shape(&region.shape, 20, &[]));
        let total: usize = (0..grid.len()).map(|number| grid.block(number).len()).sum();
        assert_eq!(total, 70);
        assert_eq!(grid.block(grid.len() - 1), Region { start: vec![9, 1], shape: vec![1, 10] });
        assert_eq!(block_shape(&[100, 100], 1000, &[8, 64]), [8, 100]);
        assert_eq!(block_shape(&[], 10, &[]), Vec::<usize>::new());
    }
}
