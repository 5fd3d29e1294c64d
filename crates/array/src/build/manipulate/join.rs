//! Several arrays to one, and one to several.

use crate::build::axis::normalize_axis;
use crate::build::elementwise::cast;
use crate::build::manipulate::expand_dims;
use crate::build::manipulate::shape::{
    atleast_1d, atleast_2d, atleast_3d, ravel, reshape_to, slice_axis, swapaxes,
};
use crate::error::{Error, Result, show_shape};
use crate::graph::{Array, Op};
use crate::tensor::Slice;

/// Joins arrays along an axis; without one, all their elements as a vector. Types promote.
///
/// # Errors
/// `Value` for no arrays, and where lengths of other axes differ (both shapes are named); `Axis`.
pub fn concat(arrays: &[Array], axis: Option<i64>) -> Result<Array> {
    let Some(axis) = axis else {
        let flat: Vec<Array> = arrays.iter().map(ravel).collect();
        return concat(&flat, Some(0));
    };
    let Some(first) = arrays.first() else {
        return Err(Error::value("need at least one array to concatenate"));
    };
    if first.ndim() == 0 {
        return Err(Error::value("zero-dimensional arrays cannot be concatenated"));
    }
    let axis = normalize_axis(axis, first.ndim())?;
    for (number, other) in arrays.iter().enumerate() {
        let same = other.ndim() == first.ndim()
            && (0..first.ndim()).all(|i| i == axis || first.shape()[i] == other.shape()[i]);
        if !same {
            return Err(Error::value(format!(
                "arrays to concatenate along axis {axis} differ in another axis: array 0 has shape {}, array \
                 {number} has shape {}",
                show_shape(first.shape()),
                show_shape(other.shape())
            )));
        }
    }
    let dtype = arrays.iter().fold(first.dtype(), |dtype, array| dtype.promote(array.dtype()));
    let mut shape = first.shape().to_vec();
    shape[axis] = arrays.iter().map(|array| array.shape()[axis]).sum();
    let mut parts: Vec<Array> =
        arrays.iter().filter(|array| array.shape()[axis] > 0).map(|array| cast(array, dtype)).collect();
    match parts.len() {
        0 => Ok(cast(first, dtype)),
        1 => Ok(parts.remove(0)),
        _ => Ok(Array::new(Op::Concat(axis), parts, dtype, shape)),
    }
}

/// Joins arrays of one shape along a new axis.
///
/// # Errors
/// `Value` for no arrays, and where shapes differ; `Axis`.
pub fn stack(arrays: &[Array], axis: i64) -> Result<Array> {
    let Some(first) = arrays.first() else {
        return Err(Error::value("need at least one array to stack"));
    };
    if let Some(other) = arrays.iter().find(|other| other.shape() != first.shape()) {
        return Err(Error::value(format!(
            "arrays to stack must have one shape, and there are {} and {}",
            show_shape(first.shape()),
            show_shape(other.shape())
        )));
    }
    let axis = normalize_axis(axis, first.ndim() + 1)? as i64;
    let rows = arrays.iter().map(|array| expand_dims(array, &[axis])).collect::<Result<Vec<_>>>()?;
    concat(&rows, Some(axis))
}

/// The arrays that lie along an axis, without it.
///
/// # Errors
/// `Axis`.
pub fn unstack(x: &Array, axis: i64) -> Result<Vec<Array>> {
    let axis = normalize_axis(axis, x.ndim())?;
    let mut shape = x.shape().to_vec();
    let count = shape.remove(axis);
    Ok((0..count).map(|i| reshape_to(&slice_axis(x, axis, Slice::range(i, 1)), &shape)).collect())
}

/// Joins along the first axis; vectors are rows.
///
/// # Errors
/// As [`concat`].
pub fn vstack(arrays: &[Array]) -> Result<Array> {
    concat(&arrays.iter().map(atleast_2d).collect::<Vec<_>>(), Some(0))
}

/// Joins along the second axis; vectors along their only one.
///
/// # Errors
/// As [`concat`].
pub fn hstack(arrays: &[Array]) -> Result<Array> {
    let arrays: Vec<Array> = arrays.iter().map(atleast_1d).collect();
    let axis = if arrays.first().is_some_and(|array| array.ndim() == 1) { 0 } else { 1 };
    concat(&arrays, Some(axis))
}

/// Joins along the third axis.
///
/// # Errors
/// As [`concat`].
pub fn dstack(arrays: &[Array]) -> Result<Array> {
    concat(&arrays.iter().map(atleast_3d).collect::<Vec<_>>(), Some(2))
}

/// Joins along the second axis; vectors are columns.
///
/// # Errors
/// As [`concat`].
pub fn column_stack(arrays: &[Array]) -> Result<Array> {
    let columns = arrays.iter().map(|array| match array.ndim() {
        0 | 1 => swapaxes(&atleast_2d(array), 0, 1),
        _ => Ok(array.clone()),
    });
    concat(&columns.collect::<Result<Vec<_>>>()?, Some(1))
}

/// Cuts an axis into parts of one length.
///
/// # Errors
/// `Value` where the length does not divide into so many; `Axis`.
pub fn split(x: &Array, parts: usize, axis: i64) -> Result<Vec<Array>> {
    let len = x.shape()[normalize_axis(axis, x.ndim())?];
    if parts == 0 || !len.is_multiple_of(parts) {
        return Err(Error::value(format!(
            "axis {axis} of shape {} does not divide into {parts} equal parts",
            show_shape(x.shape())
        )));
    }
    array_split(x, parts, axis)
}

/// Cuts an axis into parts, of which the first are one longer where the length does not divide.
///
/// # Errors
/// `Value` for no parts; `Axis`.
pub fn array_split(x: &Array, parts: usize, axis: i64) -> Result<Vec<Array>> {
    let len = x.shape()[normalize_axis(axis, x.ndim())?];
    if parts == 0 {
        return Err(Error::value("cannot split into 0 parts"));
    }
    let (least, longer) = (len / parts, len % parts);
    let borders: Vec<i64> = (1..parts).map(|part| (part * least + part.min(longer)) as i64).collect();
    split_at(x, &borders, axis)
}

/// Cuts an axis at borders, which may be negative and need not be within it.
///
/// # Errors
/// `Axis`.
pub fn split_at(x: &Array, borders: &[i64], axis: i64) -> Result<Vec<Array>> {
    let axis = normalize_axis(axis, x.ndim())?;
    let len = x.shape()[axis] as i64;
    let bounded = |border: i64| (if border < 0 { border + len } else { border }).clamp(0, len) as usize;
    let ends = borders.iter().map(|&border| bounded(border)).chain([len as usize]);
    let mut start = 0;
    let mut parts = Vec::with_capacity(borders.len() + 1);
    for end in ends {
        parts.push(slice_axis(x, axis, Slice::range(start, end.saturating_sub(start))));
        start = end;
    }
    Ok(parts)
}

/// Cuts the first axis into parts of one length.
///
/// # Errors
/// As [`split`].
pub fn vsplit(x: &Array, parts: usize) -> Result<Vec<Array>> {
    split(x, parts, 0)
}

/// Cuts the second axis, or a vector's only one, into parts of one length.
///
/// # Errors
/// As [`split`].
pub fn hsplit(x: &Array, parts: usize) -> Result<Vec<Array>> {
    split(x, parts, if x.ndim() == 1 { 0 } else { 1 })
}
