//! Where the least and greatest values are.

use crate::dtype::DType;
use crate::error::{Error, Result};
use crate::graph::Region;
use crate::kernel::vectors::vectorized;
use crate::tensor::{Axis, Tensor, TensorMut, coalesce, for_each_offset};

use super::fold::{Fold, Foldable, row_at};
use super::same_shape;

trait Ordered: Foldable {
    /// Whether `b` comes before `a`: less, or greater; NaN before all others.
    fn before(greatest: bool, a: Self, b: Self) -> bool;
    /// The first position of a value, or of NaN.
    fn find(x: &[Self], value: Self) -> usize;
    /// Keeps the better of `best` and a row, whose index is `index`.
    fn keep(greatest: bool, x: &[Self], index: i64, best: &mut [Self], indices: &mut [i64]);
}

macro_rules! ordered {
    ($($type:ident $module:ident $kind:ident;)*) => {
        $(
            mod $module {
                use super::*;

                #[inline(always)]
                fn less(a: $type, b: $type) -> bool {
                    ordered!(@before $kind a, b, <)
                }

                #[inline(always)]
                fn greater(a: $type, b: $type) -> bool {
                    ordered!(@before $kind a, b, >)
                }

                impl Ordered for $type {
                    fn before(greatest: bool, a: $type, b: $type) -> bool {
                        if greatest { greater(a, b) } else { less(a, b) }
                    }

                    fn find(x: &[$type], value: $type) -> usize {
                        // SAFETY: slices are checked.
                        unsafe { find(x, value) }
                    }

                    fn keep(greatest: bool, x: &[$type], index: i64, best: &mut [$type], indices: &mut [i64]) {
                        // SAFETY: slices are checked.
                        unsafe { row(greatest, x, index, best, indices) }
                    }
                }

                vectorized! {
                    unsafe fn find(x: &[$type], value: $type) -> usize = find_any;
                }

                #[inline(always)]
                unsafe fn find_any(x: &[$type], value: $type) -> usize {
                    const CHUNK: usize = 128;
                    let same = |x: $type| x == value || ordered!(@nan $kind value) && ordered!(@nan $kind x);
                    for (number, chunk) in x.chunks(CHUNK).enumerate() {
                        if chunk.iter().fold(false, |found, &x| found | same(x)) {
                            return number * CHUNK + chunk.iter().position(|&x| same(x)).unwrap_or(0);
                        }
                    }
                    0
                }

                vectorized! {
                    unsafe fn row(greatest: bool, x: &[$type], index: i64, best: &mut [$type], indices: &mut [i64]) -> () =
                        row_any;
                }

                #[inline(always)]
                unsafe fn row_any(greatest: bool, x: &[$type], index: i64, best: &mut [$type], indices: &mut [i64]) {
                    if greatest {
                        keep(x, index, best, indices, greater);
                    } else {
                        keep(x, index, best, indices, less);
                    }
                }

                #[inline(always)]
                fn keep(
                    x: &[$type],
                    index: i64,
                    best: &mut [$type],
                    indices: &mut [i64],
                    before: impl Fn($type, $type) -> bool,
                ) {
                    for ((&x, best), place) in x.iter().zip(best).zip(indices) {
                        let better = before(*best, x);
                        *best = if better { x } else { *best };
                        *place = if better { index } else { *place };
                    }
                }
            }
        )*
    };
    (@before integer $a:ident, $b:ident, $order:tt) => { $b $order $a };
    (@before float $a:ident, $b:ident, $order:tt) => { ($b $order $a) | ($b.is_nan() & !$a.is_nan()) };
    (@nan integer $x:ident) => { false };
    (@nan float $x:ident) => { $x.is_nan() };
}

ordered! {
    i8 of_i8 integer;
    i16 of_i16 integer;
    i32 of_i32 integer;
    i64 of_i64 integer;
    u8 of_u8 integer;
    u16 of_u16 integer;
    u32 of_u32 integer;
    u64 of_u64 integer;
    f32 of_f32 float;
    f64 of_f64 float;
}

/// The first least (or greatest) values of a block along `axes`, and their indices among the reduced axes of `whole`.
pub fn of(
    greatest: bool,
    block: &Tensor,
    axes: &[usize],
    region: &Region,
    whole: &[usize],
) -> Result<(Tensor, Tensor)> {
    dispatch_real!(block.dtype(), T => of_type::<T>(greatest, block, axes, region, whole), other => Err(unordered(other)))
}

fn of_type<T: Ordered>(
    greatest: bool,
    block: &Tensor,
    axes: &[usize],
    region: &Region,
    whole: &[usize],
) -> Result<(Tensor, Tensor)> {
    let kept: Vec<usize> = (0..block.ndim()).filter(|axis| !axes.contains(axis)).collect();
    let mut reduced = axes.to_vec();
    reduced.sort_unstable();
    // What an index along each axis counts among the reduced ones.
    let mut counts = vec![0isize; whole.len()];
    let mut step = 1isize;
    for &axis in reduced.iter().rev() {
        counts[axis] = step;
        step *= whole[axis] as isize;
    }
    let first: i64 = reduced.iter().map(|&axis| region.start[axis] as i64 * counts[axis] as i64).sum();

    let mut shape = block.shape().to_vec();
    reduced.iter().for_each(|&axis| shape[axis] = 1);
    let own = crate::tensor::row_major(&shape);
    let of_axes = |axes: &[usize], counted: bool| -> Vec<Axis> {
        let lens: Vec<usize> = axes.iter().map(|&axis| block.shape()[axis]).collect();
        let strides: Vec<isize> = axes.iter().map(|&axis| block.strides()[axis]).collect();
        let second: Vec<isize> =
            axes.iter().map(|&axis| if counted { counts[axis] } else { own[axis] }).collect();
        coalesce(&lens, &[&strides, &second])
    };
    let (kept_loops, mut reduced_loops) = (of_axes(&kept, false), of_axes(&reduced, true));
    let mut values = TensorMut::uninit(T::DTYPE, &shape)?;
    let mut indices = TensorMut::uninit(DType::I64, &shape)?;
    let (best, places) = (values.as_mut_slice::<T>(), indices.as_mut_slice::<i64>());
    best.fill(T::identity(if greatest { Fold::Greatest } else { Fold::Least }));
    places.fill(i64::MAX);

    let from = block.as_ptr().cast::<T>();
    let mut gathered = Vec::new();
    let along_rows = match (kept_loops.last(), reduced_loops.last()) {
        (Some(kept), Some(reduced)) => {
            kept.strides[0].unsigned_abs() < reduced.strides[0].unsigned_abs()
                || reduced.len < 16 && kept.len >= 16
        }
        (Some(_), None) => true,
        (None, _) => false,
    };
    if along_rows {
        let (row, outer) = kept_loops.split_last().expect("there is a kept loop");
        for_each_offset(&outer.iter().collect::<Vec<_>>(), |at| {
            let (block_offset, to) = (at[0], at[1] as usize);
            let (best, places) = (&mut best[to..to + row.len], &mut places[to..to + row.len]);
            let mut begun = false;
            for_each_offset(&reduced_loops.iter().collect::<Vec<_>>(), |at| {
                // SAFETY: offsets of indices within the block.
                let x = unsafe { row_at(from.offset(block_offset + at[0]), row, &mut gathered) };
                let index = first + at[1] as i64;
                if begun {
                    T::keep(greatest, x, index, best, places);
                } else {
                    best.copy_from_slice(x);
                    places.fill(index);
                    begun = true;
                }
            });
        });
    } else {
        let row = reduced_loops.pop().unwrap_or(Axis { len: 1, strides: vec![1, 0] });
        let how = if greatest { Fold::Greatest } else { Fold::Least };
        for_each_offset(&kept_loops.iter().collect::<Vec<_>>(), |at| {
            let (block_offset, to) = (at[0], at[1] as usize);
            for_each_offset(&reduced_loops.iter().collect::<Vec<_>>(), |at| {
                // SAFETY: offsets of indices within the block; the machine has its vectors.
                let (x, value) = unsafe {
                    let x = row_at(from.offset(block_offset + at[0]), &row, &mut gathered);
                    (x, <T as Foldable>::row(how, x))
                };
                if places[to] == i64::MAX || T::before(greatest, best[to], value) {
                    best[to] = value;
                    let position = T::find(x, value) as i64;
                    places[to] = first + at[1] as i64 + position * row.strides[1] as i64;
                }
            });
        });
    }
    Ok((values.freeze(), indices.freeze()))
}

fn unordered(dtype: DType) -> Error {
    Error::bug(format!("{dtype} has no order"))
}

/// The better of two blocks' values, the first of equals.
pub fn merge(greatest: bool, values: [&Tensor; 2], indices: [&Tensor; 2]) -> Result<(Tensor, Tensor)> {
    same_shape(values[0], values[1])?;
    dispatch_real!(values[0].dtype(), T => merge_type::<T>(greatest, values, indices), other => Err(unordered(other)))
}

fn merge_type<T: Ordered>(
    greatest: bool,
    [a, b]: [&Tensor; 2],
    [i, j]: [&Tensor; 2],
) -> Result<(Tensor, Tensor)> {
    let (mut values, mut indices) = (a.to_vec::<T>()?, i.to_vec::<i64>()?);
    let (later, later_indices) = (b.to_vec::<T>()?, j.to_vec::<i64>()?);
    for ((value, index), (later, later_index)) in
        values.iter_mut().zip(&mut indices).zip(later.into_iter().zip(later_indices))
    {
        let better = T::before(greatest, *value, later);
        if better || (!T::before(greatest, later, *value) && later_index < *index) {
            (*value, *index) = (later, later_index);
        }
    }
    Ok((Tensor::from_vec(values, a.shape())?, Tensor::from_vec(indices, i.shape())?))
}
