//! Elements in another order, or several times.

use crate::build::axis::{normalize_axes, normalize_axis};
use crate::build::index::take;
use crate::build::manipulate::shape::{ravel, reshape_to, slice, slice_axis, swapaxes};
use crate::build::manipulate::{broadcast_to, concat};
use crate::dtype::DType;
use crate::error::{Error, Result, show_shape};
use crate::graph::Array;
use crate::run::Runner;
use crate::tensor::{Slice, Tensor};

/// Reverses axes; all of them for `None`.
///
/// # Errors
/// `Axis` for one that is not there, `Value` where one is named twice.
pub fn flip(x: &Array, axes: Option<&[i64]>) -> Result<Array> {
    let axes = normalize_axes(axes, x.ndim())?;
    let of = |(axis, &len): (usize, &usize)| match axes.contains(&axis) && len > 1 {
        true => Slice { start: len - 1, count: len, step: -1 },
        false => Slice::range(0, len),
    };
    Ok(slice(x, x.shape().iter().enumerate().map(of).collect()))
}

/// Reverses the second axis.
///
/// # Errors
/// `Axis` where there is none.
pub fn fliplr(x: &Array) -> Result<Array> {
    flip(x, Some(&[1]))
}

/// Reverses the first axis.
///
/// # Errors
/// `Axis` where there is none.
pub fn flipud(x: &Array) -> Result<Array> {
    flip(x, Some(&[0]))
}

/// Shifts elements along axes; what falls off one end comes back at the other. Without axes, those of the array as a
/// vector. A single shift, or a single axis, goes with each of the other; an axis named twice shifts by the sum.
///
/// # Errors
/// `Axis` for one that is not there, `Value` where the lists differ in length.
pub fn roll(x: &Array, shifts: &[i64], axes: Option<&[i64]>) -> Result<Array> {
    let Some(axes) = axes else {
        let flat = ravel(x);
        let shift = shifts.iter().sum();
        return Ok(reshape_to(&rolled(&flat, shift, 0)?, x.shape()));
    };
    let (shifts, axes): (Vec<i64>, Vec<i64>) = match (shifts.len(), axes.len()) {
        (1, n) => (vec![shifts[0]; n], axes.to_vec()),
        (n, 1) => (shifts.to_vec(), vec![axes[0]; n]),
        (n, m) if n == m => (shifts.to_vec(), axes.to_vec()),
        (n, m) => return Err(Error::value(format!("{n} shifts do not go with {m} axes"))),
    };
    let mut total = vec![0i64; x.ndim()];
    for (shift, axis) in shifts.into_iter().zip(axes) {
        let sum = &mut total[normalize_axis(axis, x.ndim())?];
        *sum = sum.wrapping_add(shift);
    }
    let mut result = x.clone();
    for (axis, shift) in total.into_iter().enumerate() {
        result = rolled(&result, shift, axis)?;
    }
    Ok(result)
}

fn rolled(x: &Array, shift: i64, axis: usize) -> Result<Array> {
    let len = x.shape()[axis];
    let shift = if len == 0 { 0 } else { shift.rem_euclid(len as i64) as usize };
    if shift == 0 {
        return Ok(x.clone());
    }
    let back = slice_axis(x, axis, Slice::range(len - shift, shift));
    let front = slice_axis(x, axis, Slice::range(0, len - shift));
    concat(&[back, front], Some(axis as i64))
}

/// Turns the plane of two axes by quarter turns, from the first towards the second.
///
/// # Errors
/// `Axis` for one that is not there, `Value` where they are one.
pub fn rot90(x: &Array, turns: i64, first: i64, second: i64) -> Result<Array> {
    normalize_axes(Some(&[first, second]), x.ndim())?;
    match turns.rem_euclid(4) {
        0 => Ok(x.clone()),
        1 => swapaxes(&flip(x, Some(&[second]))?, first, second),
        2 => flip(x, Some(&[first, second])),
        _ => flip(&swapaxes(x, first, second)?, Some(&[second])),
    }
}

/// Repeats the whole array along each axis; there may be more or fewer counts than axes, and the missing ones are 1.
///
/// # Errors
/// `Value` where the result has too many elements.
pub fn tile(x: &Array, counts: &[usize]) -> Result<Array> {
    let ndim = x.ndim().max(counts.len());
    let counts: Vec<usize> =
        std::iter::repeat_n(1, ndim - counts.len()).chain(counts.iter().copied()).collect();
    let shape: Vec<usize> =
        std::iter::repeat_n(1, ndim - x.ndim()).chain(x.shape().iter().copied()).collect();
    let single: Vec<usize> = shape.iter().flat_map(|&len| [1, len]).collect();
    let repeated: Vec<usize> = counts.iter().zip(&shape).flat_map(|(&count, &len)| [count, len]).collect();
    let result: Vec<usize> =
        counts.iter().zip(&shape).map(|(&count, &len)| count.saturating_mul(len)).collect();
    crate::tensor::count(&result)?;
    if counts.iter().all(|&count| count == 1) {
        return Ok(reshape_to(x, &shape));
    }
    Ok(reshape_to(&broadcast_to(&reshape_to(x, &single), &repeated)?, &result))
}

/// Repeats each element along an axis `count` times; without an axis, of the array as a vector.
///
/// # Errors
/// `Axis`; `Value` where the result has too many elements.
pub fn repeat(x: &Array, count: usize, axis: Option<i64>) -> Result<Array> {
    let (x, axis) = along(x, axis)?;
    let len = x.shape()[axis];
    let mut single = x.shape().to_vec();
    single.insert(axis + 1, 1);
    let mut repeated = single.clone();
    repeated[axis + 1] = count;
    let mut result = x.shape().to_vec();
    result[axis] = len.saturating_mul(count);
    crate::tensor::count(&result)?;
    Ok(reshape_to(&broadcast_to(&reshape_to(&x, &single), &repeated)?, &result))
}

/// Repeats each element along an axis as often as `counts` says, which is computed at once.
///
/// # Errors
/// `Type` where counts are not integers; `Value` where they are negative, or are not one for each element; `Axis`.
pub fn repeat_by(x: &Array, counts: &Array, axis: Option<i64>, runner: &Runner) -> Result<Array> {
    if !counts.dtype().is_integer() {
        return Err(Error::dtype(format!("counts of repeats are integers, not {}", counts.dtype())));
    }
    let (x, axis) = along(x, axis)?;
    let len = x.shape()[axis];
    if counts.ndim() > 1 || (counts.len() != 1 && counts.len() != len) {
        return Err(Error::value(format!(
            "counts of shape {} do not go with axis {axis} of shape {}",
            show_shape(counts.shape()),
            show_shape(x.shape())
        )));
    }
    let counts = runner.compute(&crate::build::index::as_i64(counts))?.to_vec::<i64>()?;
    if let Some(count) = counts.iter().find(|&&count| count < 0) {
        return Err(Error::value(format!("repeats may not be negative: {count}")));
    }
    if counts.len() == 1 {
        return repeat(&x, counts[0] as usize, Some(axis as i64));
    }
    let indices: Vec<i64> = counts
        .iter()
        .enumerate()
        .flat_map(|(i, &count)| std::iter::repeat_n(i as i64, count as usize))
        .collect();
    let total = indices.len();
    let indices = Array::from_tensor(Tensor::from_vec(indices, &[total])?);
    debug_assert_eq!(indices.dtype(), DType::I64);
    take(&x, &indices, Some(axis as i64))
}

fn along(x: &Array, axis: Option<i64>) -> Result<(Array, usize)> {
    match axis {
        Some(axis) => Ok((x.clone(), normalize_axis(axis, x.ndim())?)),
        None => Ok((ravel(x), 0)),
    }
}
