//! Batches of matrices in tensors, and the loop over them.

use std::marker::PhantomData;

use faer::{MatMut, MatRef, Par};
use rayon::prelude::*;

use super::{Failure, Place};
use crate::dtype::{DType, Element};
use crate::error::Result;
use crate::tensor::{Target, Tensor, TensorMut};

/// Matrices of one shape, one for each index of the axes in front.
pub(super) struct Matrices<'a, T> {
    pointer: *mut T,
    /// Elements from the pointer to each matrix.
    offsets: Vec<isize>,
    pub rows: usize,
    pub columns: usize,
    strides: [isize; 2],
    of: PhantomData<&'a T>,
}

// SAFETY: matrices that are read are only read; those that are written do not overlap, and `matrix_mut` is called for one
// index by one thread.
unsafe impl<T: Sync> Sync for Matrices<'_, T> {}

impl<'a, T: Element> Matrices<'a, T> {
    /// Those of a tensor; of one axis behind the front they are columns, of none single elements.
    pub fn of(tensor: &'a Tensor, front: usize) -> Matrices<'a, T> {
        assert_eq!(tensor.dtype(), T::DTYPE);
        Self::new(tensor.as_ptr().cast_mut(), tensor.shape(), tensor.strides(), front)
    }

    /// Those of memory to be filled.
    pub fn to_fill(target: &'a Target, front: usize) -> Matrices<'a, T> {
        assert_eq!(target.dtype, T::DTYPE);
        Self::new(target.pointer, &target.shape, &target.strides, front)
    }

    fn new(pointer: *mut u8, shape: &[usize], strides: &[isize], front: usize) -> Matrices<'a, T> {
        let mut offsets = vec![0];
        for (&len, &stride) in shape[..front].iter().zip(strides) {
            offsets = offsets.iter().flat_map(|o| (0..len as isize).map(move |i| o + i * stride)).collect();
        }
        let of = |axis: usize| shape.get(front + axis).map_or((1, 0), |&len| (len, strides[front + axis]));
        let ((rows, row), (columns, column)) = (of(0), of(1));
        Matrices { pointer: pointer.cast(), offsets, rows, columns, strides: [row, column], of: PhantomData }
    }

    pub fn matrix(&self, index: usize) -> MatRef<'a, T> {
        let pointer = self.pointer.wrapping_offset(self.offsets[index]);
        // SAFETY: the tensor's elements.
        unsafe { MatRef::from_raw_parts(pointer, self.rows, self.columns, self.strides[0], self.strides[1]) }
    }

    /// # Safety
    /// Nobody else looks at this matrix meanwhile, which is one to be filled.
    pub unsafe fn matrix_mut(&self, index: usize) -> MatMut<'_, T> {
        let pointer = self.pointer.wrapping_offset(self.offsets[index]);
        // SAFETY: the target's elements, ours by the caller's word.
        unsafe {
            MatMut::from_raw_parts_mut(pointer, self.rows, self.columns, self.strides[0], self.strides[1])
        }
    }
}

/// A tensor that is being filled with matrices whose columns lie in a piece, which is what faer works best on.
pub(super) struct Filling {
    tensor: TensorMut,
    /// Where to write.
    pub target: Target,
    axes: Vec<usize>,
}

impl Filling {
    pub fn columns(dtype: DType, front: &[usize], rows: usize, columns: usize) -> Result<Filling> {
        Self::new(dtype, &[front, &[columns, rows]].concat(), true)
    }

    /// Matrices whose rows lie in a piece.
    pub fn rows(dtype: DType, front: &[usize], rows: usize, columns: usize) -> Result<Filling> {
        Self::new(dtype, &[front, &[rows, columns]].concat(), false)
    }

    pub fn vectors(dtype: DType, front: &[usize], len: usize) -> Result<Filling> {
        Self::new(dtype, &[front, &[len]].concat(), false)
    }

    pub fn scalars(dtype: DType, front: &[usize]) -> Result<Filling> {
        Self::new(dtype, front, false)
    }

    fn new(dtype: DType, shape: &[usize], turned: bool) -> Result<Filling> {
        // Zeros, so that every element is initialized whatever a decomposition leaves out.
        let mut tensor = TensorMut::zeroed(dtype, shape)?;
        let mut axes: Vec<usize> = (0..shape.len()).collect();
        if turned {
            axes.swap(shape.len() - 2, shape.len() - 1);
        }
        let target = tensor.target().permute(&axes);
        Ok(Filling { tensor, target, axes })
    }

    pub fn finish(self) -> Tensor {
        self.tensor.freeze().permute(&self.axes)
    }
}

/// Operations of a batch below which threads cost more than they bring.
const PARALLEL_WORK: usize = 1 << 21;

/// Calls `one` for each matrix of a batch, `work` operations each, with scratch that `start` makes once per thread.
/// The error is that of the first matrix that fails.
pub(super) fn for_each<S>(
    place: &Place<'_>,
    work: usize,
    start: impl Fn(Par) -> Result<S> + Sync,
    one: impl Fn(&mut S, usize, Par) -> Result<(), Failure> + Sync,
) -> Result<()> {
    let count: usize = place.front.iter().product();
    let threads = rayon::current_num_threads();
    let fail = |index, failure| place.error(index, failure);
    if count == 0 {
        return Ok(());
    }
    if threads == 1 || count < threads || count.saturating_mul(work) < PARALLEL_WORK {
        let within = threads > 1 && work >= PARALLEL_WORK;
        let par = if within { Par::rayon(threads) } else { Par::Seq };
        let mut scratch = start(par)?;
        return (0..count).try_for_each(|i| one(&mut scratch, i, par).map_err(|failure| fail(i, failure)));
    }
    let least = count.div_ceil(threads * 8).max(PARALLEL_WORK / 16 / work.max(1));
    let run = |scratch: &mut Result<S>, i| match scratch {
        Ok(scratch) => one(scratch, i, Par::Seq).err().map(|failure| (i, failure)),
        Err(error) => Some((i, Failure::Other(error.clone()))),
    };
    let first = (0..count)
        .into_par_iter()
        .with_min_len(least.max(1))
        .map_init(|| start(Par::Seq), run)
        .flatten()
        .min_by_key(|&(i, _)| i);
    first.map_or(Ok(()), |(i, failure)| Err(fail(i, failure)))
}

/// The matrix or its transpose: the one whose columns are closer together in memory.
fn along_memory<T>(matrix: MatRef<'_, T>) -> MatRef<'_, T> {
    let upright = matrix.row_stride().unsigned_abs() <= matrix.col_stride().unsigned_abs();
    if upright { matrix } else { matrix.transpose() }
}

/// Whether all elements are finite.
pub(super) fn all_finite<T: super::Field>(matrix: MatRef<'_, T>) -> bool {
    along_memory(matrix).col_iter().all(|column| column.iter().all(T::is_finite_impl))
}

/// The greatest magnitude of a real or imaginary part, 0 of no elements.
pub(super) fn greatest_part<T: super::Field>(matrix: MatRef<'_, T>) -> f64 {
    let part = |x: &T| {
        let x = x.widened();
        x.re.abs().max(x.im.abs())
    };
    along_memory(matrix).col_iter().flat_map(|column| column.iter().map(part)).fold(0.0, f64::max)
}
