//! Means and sums of squared deviations: two passes over what fits the cache, merged (Chan, Golub and LeVeque 1979).

use crate::dtype::DType;
use crate::error::{Error, Result};
use crate::kernel::vectors::vectorized;
use crate::tensor::{Tensor, TensorMut, for_each_offset};

use super::fold::{Fold, Foldable, Loops, cut, row_at, widened};
use super::same_shape;

/// Elements of a row that are read twice at once.
const PIECE: usize = 8192;
/// Rows and columns that are read twice at once, where results lie along rows.
const ROWS: usize = 32;
const COLUMNS: usize = 1024;

trait Moment: Foldable {
    fn zero() -> Self;
    /// The mean and the sum of squared deviations of a piece of a row.
    fn piece(x: &[Self]) -> [Self; 2];
    /// The same of some rows, element by element.
    ///
    /// # Safety
    /// As many elements as `mean` has lie at each offset from `from`.
    unsafe fn moments(from: *const Self, offsets: &[isize], mean: &mut [Self], deviations: &mut [Self]);
    /// Merges what was seen of `counts` values.
    fn merge(counts: [f64; 2], mean: &mut [Self], deviations: &mut [Self], later: [&[Self]; 2]);
}

macro_rules! moments {
    ($($type:ident $module:ident $lanes:literal;)*) => {
        $(
            mod $module {
                use super::*;

                const LANES: usize = $lanes;

                impl Moment for $type {
                    fn zero() -> $type {
                        0.0
                    }

                    fn piece(x: &[$type]) -> [$type; 2] {
                        // SAFETY: slices are checked.
                        unsafe {
                            let mean = <$type as Foldable>::row(Fold::Sum, x) / x.len() as $type;
                            [mean, squares(x, mean)]
                        }
                    }

                    unsafe fn moments(
                        from: *const $type,
                        offsets: &[isize],
                        mean: &mut [$type],
                        deviations: &mut [$type],
                    ) {
                        mean.fill(-0.0);
                        // SAFETY: as for the trait.
                        unsafe {
                            <$type as Foldable>::rows(Fold::Sum, from, offsets, mean);
                            let count = offsets.len() as $type;
                            mean.iter_mut().for_each(|mean| *mean /= count);
                            row_squares(from, offsets, mean, deviations);
                        }
                    }

                    fn merge(counts: [f64; 2], mean: &mut [$type], deviations: &mut [$type], later: [&[$type]; 2]) {
                        // SAFETY: slices are checked.
                        unsafe { merge_slices(counts, mean, deviations, later) }
                    }
                }

                vectorized! {
                    unsafe fn squares(x: &[$type], mean: $type) -> $type = squares_any;
                }

                #[inline(always)]
                unsafe fn squares_any(x: &[$type], mean: $type) -> $type {
                    let (chunks, rest) = x.as_chunks::<LANES>();
                    let mut lanes = [0.0 as $type; LANES];
                    for chunk in chunks {
                        for (lane, &x) in lanes.iter_mut().zip(chunk) {
                            *lane += (x - mean) * (x - mean);
                        }
                    }
                    let mut width = LANES;
                    while width > 1 {
                        width /= 2;
                        for i in 0..width {
                            lanes[i] += lanes[i + width];
                        }
                    }
                    rest.iter().fold(lanes[0], |sum, &x| sum + (x - mean) * (x - mean))
                }

                vectorized! {
                    unsafe fn row_squares(from: *const $type, offsets: &[isize], mean: &[$type], to: &mut [$type]) -> () =
                        row_squares_any;
                }

                #[inline(always)]
                unsafe fn row_squares_any(from: *const $type, offsets: &[isize], mean: &[$type], to: &mut [$type]) {
                    to.fill(0.0);
                    let (groups, rest) = offsets.as_chunks::<4>();
                    for group in groups {
                        // SAFETY: as for the trait.
                        let rows = group.map(|offset| unsafe { std::slice::from_raw_parts(from.offset(offset), to.len()) });
                        add_squares(rows, mean, to);
                    }
                    for &offset in rest {
                        // SAFETY: as for the trait.
                        let row = unsafe { std::slice::from_raw_parts(from.offset(offset), to.len()) };
                        for ((to, &x), &mean) in to.iter_mut().zip(row).zip(mean) {
                            *to += (x - mean) * (x - mean);
                        }
                    }
                }

                #[inline(always)]
                fn add_squares(rows: [&[$type]; 4], mean: &[$type], to: &mut [$type]) {
                    let rows = rows.map(|row| &row[..to.len()]);
                    let mean = &mean[..to.len()];
                    for (i, to) in to.iter_mut().enumerate() {
                        let square = |row: &[$type]| (row[i] - mean[i]) * (row[i] - mean[i]);
                        *to += (square(rows[0]) + square(rows[1])) + (square(rows[2]) + square(rows[3]));
                    }
                }

                vectorized! {
                    unsafe fn merge_slices(counts: [f64; 2], mean: &mut [$type], deviations: &mut [$type], later: [&[$type]; 2]) -> () =
                        merge_any;
                }

                #[inline(always)]
                unsafe fn merge_any(
                    [own, more]: [f64; 2],
                    mean: &mut [$type],
                    deviations: &mut [$type],
                    [later_mean, later_deviations]: [&[$type]; 2],
                ) {
                    let share = (more / (own + more)) as $type;
                    let weight = (own * more / (own + more)) as $type;
                    let own = mean.iter_mut().zip(deviations);
                    for ((mean, deviations), (&later_mean, &later)) in own.zip(later_mean.iter().zip(later_deviations)) {
                        let distance = later_mean - *mean;
                        *mean += distance * share;
                        *deviations += later + distance * distance * weight;
                    }
                }
            }
        )*
    };
}

moments! {
    f32 of_f32 128;
    f64 of_f64 64;
}

/// How many values there are at each place of the result, their means, and the sums of their squared deviations.
pub fn of(block: &Tensor, axes: &[usize]) -> Result<(f64, Tensor, Tensor)> {
    if let Some(wide) = widened(block, axes) {
        let (mut count, mut mean, mut deviations) = of(&wide.rows, &[wide.axis])?;
        for halves in wide.halvings() {
            let [a, b] = halves.map(|half| cut(&mean, wide.axis + 1, half));
            let [c, d] = halves.map(|half| cut(&deviations, wide.axis + 1, half));
            (mean, deviations) = merge([count, count], [&a, &b], [&c, &d])?;
            count *= 2.0;
        }
        let (mean, deviations) = (mean.reshape(&wide.result)?, deviations.reshape(&wide.result)?);
        let Some(rest) = wide.rest else { return Ok((count, mean, deviations)) };
        let (more, later_mean, later_deviations) = of(&rest, axes)?;
        let (mean, deviations) =
            merge([count, more], [&mean, &later_mean], [&deviations, &later_deviations])?;
        return Ok((count + more, mean, deviations));
    }
    match block.dtype() {
        DType::F32 => of_type::<f32>(block, axes),
        DType::F64 => of_type::<f64>(block, axes),
        other => Err(Error::bug(format!("deviations of {other} are not defined"))),
    }
}

fn of_type<T: Moment>(block: &Tensor, axes: &[usize]) -> Result<(f64, Tensor, Tensor)> {
    let loops = Loops::new(block, axes);
    let mut means = TensorMut::uninit(T::DTYPE, &[loops.len()])?;
    let mut sums = TensorMut::uninit(T::DTYPE, &[loops.len()])?;
    let (mean, deviations) = (means.as_mut_slice::<T>(), sums.as_mut_slice::<T>());
    let from = block.as_ptr().cast::<T>();
    let (inner, kept, reduced) = loops.split();
    let mut gathered = Vec::new();
    let mut later = [vec![T::zero(); COLUMNS], vec![T::zero(); COLUMNS]];
    for_each_offset(&kept, |at| {
        // SAFETY: offsets of indices within the block.
        unsafe {
            let from = from.offset(at[0]);
            let to = at[1] as usize;
            if inner.strides[1] == 0 {
                let mut seen = 0.0;
                for &offset in &reduced {
                    for piece in row_at(from.offset(offset), inner, &mut gathered).chunks(PIECE) {
                        let [piece_mean, piece_deviations] = T::piece(piece);
                        let count = piece.len() as f64;
                        if seen == 0.0 {
                            (mean[to], deviations[to]) = (piece_mean, piece_deviations);
                        } else {
                            T::merge(
                                [seen, count],
                                &mut mean[to..to + 1],
                                &mut deviations[to..to + 1],
                                [&[piece_mean], &[piece_deviations]],
                            );
                        }
                        seen += count;
                    }
                }
                return;
            }
            for start in (0..inner.len).step_by(COLUMNS) {
                let width = COLUMNS.min(inner.len - start);
                let place = to + start..to + start + width;
                let (mean, deviations) = (&mut mean[place.clone()], &mut deviations[place]);
                let mut seen = 0.0;
                for group in reduced.chunks(ROWS) {
                    let (first, local);
                    let local_offsets: Vec<isize>;
                    let offsets = if inner.strides[0] == 1 {
                        first = from.add(start);
                        group
                    } else {
                        // Rows of a group are copied into order.
                        gathered.clear();
                        for &offset in group {
                            let row = from.offset(offset + start as isize * inner.strides[0]);
                            gathered.extend((0..width as isize).map(|i| *row.offset(i * inner.strides[0])));
                        }
                        local_offsets = (0..group.len()).map(|row| (row * width) as isize).collect();
                        local = gathered.as_ptr();
                        first = local;
                        &local_offsets
                    };
                    if seen == 0.0 {
                        T::moments(first, offsets, mean, deviations);
                    } else {
                        let [later_mean, later_deviations] = &mut later;
                        let parts = (&mut later_mean[..width], &mut later_deviations[..width]);
                        T::moments(first, offsets, parts.0, parts.1);
                        T::merge([seen, group.len() as f64], mean, deviations, [parts.0, parts.1]);
                    }
                    seen += group.len() as f64;
                }
            }
        }
    });
    let count = (block.len() / loops.len()) as f64;
    let means = loops.result(T::DTYPE, means)?;
    Ok((count, means, loops.result(T::DTYPE, sums)?))
}

/// Merges two blocks' means and sums of squared deviations, of so many values each.
pub fn merge(counts: [f64; 2], means: [&Tensor; 2], deviations: [&Tensor; 2]) -> Result<(Tensor, Tensor)> {
    same_shape(means[0], means[1])?;
    match means[0].dtype() {
        DType::F32 => merge_type::<f32>(counts, means, deviations),
        _ => merge_type::<f64>(counts, means, deviations),
    }
}

fn merge_type<T: Moment>(
    counts: [f64; 2],
    means: [&Tensor; 2],
    deviations: [&Tensor; 2],
) -> Result<(Tensor, Tensor)> {
    let copy = |tensor: &Tensor| -> Result<TensorMut> {
        let mut copy = TensorMut::uninit(T::DTYPE, tensor.shape())?;
        crate::tensor::copy(tensor, &mut copy.target());
        Ok(copy)
    };
    let (mut mean, mut sum) = (copy(means[0])?, copy(deviations[0])?);
    let (later_mean, later_sum) = (means[1].contiguous()?, deviations[1].contiguous()?);
    let later = [later_mean.as_slice::<T>(), later_sum.as_slice::<T>()];
    let [Some(later_mean), Some(later_sum)] = later else {
        return Err(Error::bug("means of two types meet"));
    };
    T::merge(counts, mean.as_mut_slice(), sum.as_mut_slice(), [later_mean, later_sum]);
    Ok((mean.freeze(), sum.freeze()))
}
