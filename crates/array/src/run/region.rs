//! Which part of its inputs a part of an array is made of.

use crate::graph::{Array, Op, Region};
use crate::tensor::Slice;

/// The region of each input that `region` of `array` is computed from.
///
/// A reshape answers with what covers the region's first to last element; a strided slice with what lies between.
pub fn input_regions(array: &Array, region: &Region) -> Vec<Region> {
    let inputs = array.inputs();
    match array.op() {
        Op::Full(_) | Op::Index(_) | Op::Data(_) | Op::Source(_) => vec![],
        Op::Random(_) | Op::Unary(_) | Op::Binary(_) | Op::Where | Op::Cast => {
            vec![region.clone(); inputs.len()]
        }
        Op::Slice(slices) => vec![sliced(slices, region)],
        Op::Permute(axes) => {
            let mut start = vec![0; axes.len()];
            let mut shape = vec![0; axes.len()];
            for (own, &axis) in axes.iter().enumerate() {
                start[axis] = region.start[own];
                shape[axis] = region.shape[own];
            }
            vec![Region { start, shape }]
        }
        Op::Broadcast => vec![broadcast(array.shape(), inputs[0].shape(), region)],
        Op::Reshape => vec![covering(array.shape(), inputs[0].shape(), region)],
        Op::Concat(axis) => {
            let mut before = 0;
            let mut parts = Vec::new();
            for input in inputs {
                let len = input.shape()[*axis];
                let first = region.start[*axis].clamp(before, before + len);
                let end = (region.start[*axis] + region.shape[*axis]).clamp(first, before + len);
                let mut part = region.clone();
                part.start[*axis] = first - before;
                part.shape[*axis] = end - first;
                parts.push(part);
                before += len;
            }
            parts
        }
        Op::Reduce(_, axes) => {
            let mut part = region.clone();
            for &axis in axes {
                part.start[axis] = 0;
                part.shape[axis] = inputs[0].shape()[axis];
            }
            vec![part]
        }
        Op::MatMul => {
            let last = region.ndim() - 1;
            let (mut left, mut right) = (region.clone(), region.clone());
            left.start[last] = 0;
            left.shape[last] = inputs[0].shape()[last];
            right.start[last - 1] = 0;
            right.shape[last - 1] = inputs[1].shape()[last - 1];
            vec![left, right]
        }
        Op::Block(operator) => {
            let cuttable = operator.cuttable();
            let block =
                Region { start: region.start[..cuttable].into(), shape: region.shape[..cuttable].into() };
            (0..inputs.len()).map(|i| operator.needs(&block, i, inputs[i].shape())).collect()
        }
        Op::Output(_) => {
            let shared = inputs[0].ndim();
            vec![Region { start: region.start[..shared].into(), shape: region.shape[..shared].into() }]
        }
    }
}

/// What lies between the first and the last element of a region of a slice.
fn sliced(slices: &[Slice], region: &Region) -> Region {
    let axis = |(slice, (&start, &count)): (&Slice, (&usize, &usize))| {
        if count == 0 {
            return (0, 0);
        }
        let first = slice.start as isize + slice.step * start as isize;
        let last = first + slice.step * (count as isize - 1);
        (first.min(last) as usize, first.abs_diff(last) + 1)
    };
    let (start, shape) = slices.iter().zip(region.start.iter().zip(&region.shape)).map(axis).unzip();
    Region { start, shape }
}

fn broadcast(shape: &[usize], of: &[usize], region: &Region) -> Region {
    let added = shape.len() - of.len();
    let axis = |(own, &len): (usize, &usize)| {
        let (start, count) = (region.start[added + own], region.shape[added + own]);
        if len == 1 && shape[added + own] != 1 { (0, count.min(1)) } else { (start, count) }
    };
    let (start, shape) = of.iter().enumerate().map(axis).unzip();
    Region { start, shape }
}

/// Whether two shapes differ in axes of one element alone.
pub fn differ_in_unit_axes(a: &[usize], b: &[usize]) -> bool {
    a.iter().filter(|&&len| len != 1).eq(b.iter().filter(|&&len| len != 1))
}

/// The region of an array of shape `of` that covers, in row-major order, a region of the same elements in `shape`.
fn covering(shape: &[usize], of: &[usize], region: &Region) -> Region {
    if region.is_empty() {
        return Region { start: vec![0; of.len()], shape: vec![0; of.len()] };
    }
    if differ_in_unit_axes(shape, of) {
        let mut kept = (0..shape.len()).filter(|&axis| shape[axis] != 1);
        let axis = |&len: &usize| match if len == 1 { None } else { kept.next() } {
            Some(own) => (region.start[own], region.shape[own]),
            None => (0, 1),
        };
        let (start, shape) = of.iter().map(axis).unzip();
        return Region { start, shape };
    }
    let (first, last) = flat_bounds(shape, region);
    cover(of, first, last)
}

/// The numbers, in row-major order, of the first and the last element of a region that is not empty.
pub fn flat_bounds(shape: &[usize], region: &Region) -> (usize, usize) {
    let flat = |index: &dyn Fn(usize) -> usize| {
        (0..shape.len()).fold(0, |flat, axis| flat * shape[axis] + index(axis))
    };
    (flat(&|axis| region.start[axis]), flat(&|axis| region.start[axis] + region.shape[axis] - 1))
}

/// The smallest region with whole trailing axes that has the elements of numbers `first` to `last`.
pub fn cover(shape: &[usize], first: usize, last: usize) -> Region {
    let mut region = Region::whole(shape);
    let (mut first, mut last) = (first, last);
    let mut below: usize = shape.iter().product();
    for (axis, &len) in shape.iter().enumerate() {
        below /= len.max(1);
        let (from, to) = (first / below, last / below);
        region.start[axis] = from;
        region.shape[axis] = to - from + 1;
        if from != to {
            break;
        }
        first -= from * below;
        last -= from * below;
    }
    region
}

/// The smallest region that has both.
pub fn hull(a: &Region, b: &Region) -> Region {
    if a.is_empty() {
        return b.clone();
    }
    if b.is_empty() {
        return a.clone();
    }
    let mut both = a.clone();
    for axis in 0..a.ndim() {
        let start = a.start[axis].min(b.start[axis]);
        let end = (a.start[axis] + a.shape[axis]).max(b.start[axis] + b.shape[axis]);
        both.start[axis] = start;
        both.shape[axis] = end - start;
    }
    both
}

/// The smallest region of whole tiles, or what the end of `shape` leaves of them, that has all of `region`.
pub fn whole_tiles(region: &Region, tile: &[usize], shape: &[usize]) -> Region {
    let mut tiles = region.clone();
    for (axis, &tile) in tile.iter().enumerate() {
        let end = (region.start[axis] + region.shape[axis]).next_multiple_of(tile).min(shape[axis]);
        tiles.start[axis] = region.start[axis] / tile * tile;
        tiles.shape[axis] = end - tiles.start[axis];
    }
    tiles
}

/// `region` as counted from the first index of `origin`, which has it.
pub fn relative(region: &Region, origin: &[usize]) -> Region {
    let start = region.start.iter().zip(origin).map(|(a, b)| a - b).collect();
    Region { start, shape: region.shape.clone() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn covers_ranges() {
        assert_eq!(cover(&[4, 5, 6], 31, 40), Region { start: vec![1, 0, 0], shape: vec![1, 2, 6] });
        assert_eq!(cover(&[4, 5, 6], 31, 33), Region { start: vec![1, 0, 1], shape: vec![1, 1, 3] });
        assert_eq!(cover(&[4, 5, 6], 29, 31), Region { start: vec![0, 0, 0], shape: vec![2, 5, 6] });
    }

    #[test]
    fn regions_grow_to_whole_tiles() {
        let region = Region { start: vec![5, 0, 9], shape: vec![2, 1, 2] };
        let tiles = whole_tiles(&region, &[4, 3, 5], &[20, 9, 11]);
        assert_eq!(tiles, Region { start: vec![4, 0, 5], shape: vec![4, 3, 6] });
    }

    #[test]
    fn strided_slices_are_covered() {
        let slices = [Slice { start: 8, count: 4, step: -2 }];
        let region = Region { start: vec![1], shape: vec![2] };
        assert_eq!(sliced(&slices, &region), Region { start: vec![4], shape: vec![3] });
    }
}
