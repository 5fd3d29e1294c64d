//! How a kernel walks operands: which axes are left once neighbours are joined, and how many elements a thread takes.

use swath_array::tensor::{Axis, coalesce};

/// How one operand lies.
#[derive(Clone, Debug)]
pub struct Operand {
    /// Elements from one index to the next of each axis of the shape.
    pub strides: Vec<isize>,
    /// Bytes of an element; 0 of an index, which is computed and not read.
    pub size: usize,
    /// The address of the first element.
    pub address: u64,
}

/// Loops over a shape, in row-major order.
#[derive(Clone, Debug, PartialEq)]
pub struct Loops {
    /// At least one, outermost first, with a stride for each operand.
    pub axes: Vec<Axis>,
    /// Neighbours of the innermost axis that a thread takes: more than one only where every operand has innermost
    /// stride 0 or 1 and can be read so. Axes before the innermost then have their stride; only with a single axis
    /// may its length be no multiple.
    pub vector: usize,
    /// Whether an operand is the same along the innermost axis, of those that `vector` > 1 concerns.
    pub is_uniform: Vec<bool>,
}

/// Bytes that a thread reads or writes at once, at most.
pub(super) const VECTOR_BYTES: usize = 16;
/// Elements that 32-bit numbers and the division by prepared lengths can count.
pub(super) const NARROW_MAX: usize = 1 << 31;

impl Loops {
    /// Plans the walk over `shape`, which has elements; the result is written in row-major order from an address that
    /// is a multiple of 16, with `output_size` bytes an element; a thread takes `vector_max` elements at most.
    pub fn plan(shape: &[usize], operands: &[Operand], output_size: usize, vector_max: usize) -> Loops {
        let strides: Vec<&[isize]> = operands.iter().map(|operand| operand.strides.as_slice()).collect();
        let mut axes = coalesce(shape, &strides);
        if axes.is_empty() {
            axes.push(Axis { len: 1, strides: vec![0; operands.len()] });
        }
        let widest = operands.iter().map(|operand| operand.size).fold(output_size, usize::max);
        let mut vector = (VECTOR_BYTES / widest).clamp(1, vector_max);
        while vector > 1 && !fits(&axes, operands, vector) {
            vector /= 2;
        }
        let inner = &axes[axes.len() - 1];
        let is_uniform = inner.strides.iter().map(|&stride| stride == 0).collect();
        Loops { axes, vector, is_uniform }
    }

    /// Elements.
    pub fn len(&self) -> usize {
        self.axes.iter().map(|axis| axis.len).product()
    }

    /// Whether there are none: never.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether elements have to be counted in 64 bits.
    pub fn is_wide(&self) -> bool {
        self.len() > NARROW_MAX
    }

    /// What a kernel's text depends on.
    pub fn rank(&self) -> usize {
        self.axes.len()
    }

    /// Threads that have a whole vector, and elements behind the last.
    pub fn threads(&self) -> (usize, usize) {
        (self.len() / self.vector, self.len() % self.vector)
    }

    /// The lengths of the axes, counted in vectors.
    pub fn lengths(&self) -> impl Iterator<Item = usize> {
        let innermost = self.axes.len() - 1;
        let vector = self.vector;
        let lengths = self.axes.iter().enumerate();
        lengths.map(move |(i, axis)| if i == innermost { axis.len.div_ceil(vector) } else { axis.len })
    }

    /// An operand's strides along the axes, the innermost from one vector to the next.
    pub fn strides(&self, operand: usize) -> impl Iterator<Item = isize> {
        let innermost = self.axes.len() - 1;
        let vector = self.vector as isize;
        let strides = self.axes.iter().enumerate();
        strides.map(move |(i, axis)| axis.strides[operand] * if i == innermost { vector } else { 1 })
    }
}

/// Whether threads may take `vector` neighbours each.
fn fits(axes: &[Axis], operands: &[Operand], vector: usize) -> bool {
    let (inner, outer) = (&axes[axes.len() - 1], &axes[..axes.len() - 1]);
    let whole = outer.is_empty() || inner.len.is_multiple_of(vector);
    whole
        && inner.len >= vector
        && operands.iter().enumerate().all(|(i, operand)| match (inner.strides[i], operand.size) {
            (0, _) | (1, 0) => true,
            (1, size) => {
                operand.address.is_multiple_of((vector * size) as u64)
                    && outer.iter().all(|axis| axis.strides[i] % vector as isize == 0)
            }
            _ => false,
        })
}

/// The words of a `Length` in the kernels: a division by it is a multiplication and a shift.
pub fn length_words(length: usize) -> [u64; 2] {
    let length = length as u64;
    if length == 0 || length > NARROW_MAX as u64 {
        return [length, 0];
    }
    let shift = u64::BITS - (length - 1).leading_zeros();
    let magic = ((1u128 << 32) * ((1u128 << shift) - u128::from(length)) / u128::from(length)) as u64 + 1;
    // For a length of 1 the multiplier would be 2³²: a quotient is then the dividend itself, which 0 gives too.
    let magic = if length == 1 { 0 } else { magic };
    [length, magic | u64::from(shift) << 32]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn divide(n: u32, length: usize) -> u32 {
        let [_, magic] = length_words(length);
        let high = (u64::from(n) * (magic & 0xffff_ffff)) >> 32;
        ((high + u64::from(n)) >> (magic >> 32)) as u32
    }

    #[test]
    fn divides_by_multiplying() {
        let lengths =
            [1, 2, 3, 5, 7, 10, 255, 256, 257, 641, 65_535, 65_537, 1 << 30, (1 << 31) - 1, 1 << 31];
        for length in lengths {
            for n in [0u32, 1, 2, 3, 6, 7, 255, 256, 65_534, 65_535, 1 << 30, (1 << 31) - 1] {
                assert_eq!(divide(n, length), n / length as u32, "{n} / {length}");
            }
            for multiple in 1..20u64 {
                let n = multiple * length as u64;
                if n < 1 << 31 {
                    assert_eq!(divide(n as u32, length), multiple as u32);
                    assert_eq!(divide(n as u32 - 1, length), multiple as u32 - 1);
                }
            }
        }
    }

    #[test]
    fn joins_axes_and_takes_vectors() {
        let operand = |strides: &[isize], address| Operand { strides: strides.to_vec(), size: 4, address };
        let plan = |shape: &[usize], operands: &[Operand]| Loops::plan(shape, operands, 4, 16);
        let linear = plan(&[3, 4, 5], &[operand(&[20, 5, 1], 64), operand(&[0, 0, 0], 4)]);
        assert_eq!((linear.rank(), linear.vector, linear.threads()), (1, 4, (15, 0)));
        let row = plan(&[3, 8], &[operand(&[8, 1], 64), operand(&[0, 1], 64)]);
        assert_eq!((row.rank(), row.vector), (2, 4));
        let unaligned = plan(&[3, 8], &[operand(&[8, 1], 64), operand(&[0, 1], 72)]);
        assert_eq!(unaligned.vector, 2);
        let reversed = plan(&[30], &[operand(&[-1], 64)]);
        assert_eq!((reversed.rank(), reversed.vector), (1, 1));
        assert_eq!(plan(&[], &[operand(&[], 4)]).threads(), (1, 0));
    }
}
