//! Axes as users give them: negative ones count from the end.

use crate::error::{Error, Result};

/// The axis from the front.
///
/// # Errors
/// `Axis` where an array of `ndim` axes has no such one.
pub fn normalize_axis(axis: i64, ndim: usize) -> Result<usize> {
    let from_front = if axis < 0 { axis + ndim as i64 } else { axis };
    if from_front < 0 || from_front >= ndim as i64 {
        return Err(Error::axis(format!("axis {axis} is out of bounds for array of dimension {ndim}")));
    }
    Ok(from_front as usize)
}

/// The axes from the front, in ascending order; all of them for `None`.
///
/// # Errors
/// `Axis` where there is no such axis, `Value` where one is named twice.
pub fn normalize_axes(axes: Option<&[i64]>, ndim: usize) -> Result<Vec<usize>> {
    let Some(axes) = axes else { return Ok((0..ndim).collect()) };
    let mut all = axes.iter().map(|&axis| normalize_axis(axis, ndim)).collect::<Result<Vec<_>>>()?;
    all.sort_unstable();
    match all.windows(2).find(|pair| pair[0] == pair[1]) {
        Some(pair) => Err(Error::value(format!("axis {} is named twice", pair[0]))),
        None => Ok(all),
    }
}
