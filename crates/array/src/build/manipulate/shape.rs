//! Axes: added, removed, reordered, repeated, split and joined.

use crate::build::axis::{normalize_axes, normalize_axis};
use crate::build::elementwise;
use crate::error::{Error, Result, show_shape};
use crate::graph::{Array, Op};
use crate::tensor::{Slice, count};

/// Shows the elements in row-major order in another shape; one length may be −1: what is left.
///
/// # Errors
/// `Value`, naming both shapes, where the new one does not have as many elements.
pub fn reshape(x: &Array, shape: &[i64]) -> Result<Array> {
    let asked = || format!("({})", shape.iter().map(i64::to_string).collect::<Vec<_>>().join(", "));
    let cannot = |why: &str| Error::value(format!("cannot reshape {} into {}{why}", describe(x), asked()));
    if let Some(&len) = shape.iter().find(|&&len| len < -1) {
        return Err(cannot(&format!(": {len} is not a length")));
    }
    let unknown = shape.iter().filter(|&&len| len == -1).count();
    if unknown > 1 {
        return Err(cannot(": only one length can be -1"));
    }
    let known: Vec<usize> = shape.iter().filter(|&&len| len >= 0).map(|&len| len as usize).collect();
    let known = count(&known)?;
    let rest = match unknown {
        1 if known == 0 || !x.len().is_multiple_of(known) => return Err(cannot("")),
        1 => x.len() / known,
        _ if known != x.len() => return Err(cannot("")),
        _ => 0,
    };
    let shape: Vec<usize> = shape.iter().map(|&len| if len == -1 { rest } else { len as usize }).collect();
    Ok(reshape_to(x, &shape))
}

fn describe(x: &Array) -> String {
    format!("array of size {} and shape {}", x.len(), show_shape(x.shape()))
}

/// The elements in a shape that is known to have as many.
pub(crate) fn reshape_to(x: &Array, shape: &[usize]) -> Array {
    if x.shape() == shape {
        return x.clone();
    }
    Array::new(Op::Reshape, vec![x.clone()], x.dtype(), shape.to_vec())
}

/// The elements as a vector.
pub fn ravel(x: &Array) -> Array {
    reshape_to(x, &[x.len()])
}

/// Slices of all axes, which are within the shape; the array itself where they show all of it.
pub(crate) fn slice(x: &Array, slices: Vec<Slice>) -> Array {
    let shape: Vec<usize> = slices.iter().map(|slice| slice.count).collect();
    let is_all = slices
        .iter()
        .zip(x.shape())
        .all(|(slice, &len)| slice.count == len && (len < 2 || (slice.start == 0 && slice.step == 1)));
    if is_all {
        return x.clone();
    }
    Array::new(Op::Slice(slices), vec![x.clone()], x.dtype(), shape)
}

/// The elements of an axis that a slice names, and all of the other axes.
pub(crate) fn slice_axis(x: &Array, axis: usize, of_axis: Slice) -> Array {
    let mut slices: Vec<Slice> = x.shape().iter().map(|&len| Slice::range(0, len)).collect();
    slices[axis] = of_axis;
    slice(x, slices)
}

/// Reorders axes: axis `i` of the result is axis `axes[i]` of `x`.
///
/// # Errors
/// `Value` where `axes` does not name each axis once.
pub fn permute_dims(x: &Array, axes: &[usize]) -> Result<Array> {
    let mut seen = vec![false; x.ndim()];
    let each_once = axes.len() == x.ndim()
        && axes.iter().all(|&axis| seen.get_mut(axis).is_some_and(|seen| !std::mem::replace(seen, true)));
    if !each_once {
        return Err(Error::value(format!(
            "axes {axes:?} do not name each of the {} axes of shape {} once",
            x.ndim(),
            show_shape(x.shape())
        )));
    }
    if axes.is_sorted() {
        return Ok(x.clone());
    }
    let shape = axes.iter().map(|&axis| x.shape()[axis]).collect();
    Ok(Array::new(Op::Permute(axes.to_vec()), vec![x.clone()], x.dtype(), shape))
}

/// Reorders axes, which may be negative; without them, reverses their order.
///
/// # Errors
/// `Axis` for one that is not there, `Value` where one is not named once.
pub fn transpose(x: &Array, axes: Option<&[i64]>) -> Result<Array> {
    let axes = match axes {
        Some(axes) => axes.iter().map(|&axis| normalize_axis(axis, x.ndim())).collect::<Result<Vec<_>>>()?,
        None => (0..x.ndim()).rev().collect(),
    };
    permute_dims(x, &axes)
}

/// Swaps the last two axes.
///
/// # Errors
/// `Value` where there are not two.
pub fn matrix_transpose(x: &Array) -> Result<Array> {
    if x.ndim() < 2 {
        let shape = show_shape(x.shape());
        return Err(Error::value(format!("a matrix has at least 2 axes, an array of shape {shape} has not")));
    }
    swapaxes(x, -1, -2)
}

/// Swaps two axes.
///
/// # Errors
/// `Axis` for one that is not there.
pub fn swapaxes(x: &Array, first: i64, second: i64) -> Result<Array> {
    let mut axes: Vec<usize> = (0..x.ndim()).collect();
    axes.swap(normalize_axis(first, x.ndim())?, normalize_axis(second, x.ndim())?);
    permute_dims(x, &axes)
}

/// Moves axes to other places; the rest keep their order.
///
/// # Errors
/// `Axis` for one that is not there, `Value` where one is named twice or the lists differ in length.
pub fn moveaxis(x: &Array, source: &[i64], destination: &[i64]) -> Result<Array> {
    if source.len() != destination.len() {
        return Err(Error::value(format!(
            "{} axes cannot move to {} places: {source:?} to {destination:?}",
            source.len(),
            destination.len()
        )));
    }
    let distinct = |axes: &[i64]| normalize_axes(Some(axes), x.ndim());
    let (moved, _) = (distinct(source)?, distinct(destination)?);
    let mut rest = (0..x.ndim()).filter(|axis| !moved.contains(axis));
    let mut places = vec![None; x.ndim()];
    for (&from, &to) in source.iter().zip(destination) {
        places[normalize_axis(to, x.ndim())?] = Some(normalize_axis(from, x.ndim())?);
    }
    let axes: Vec<usize> = places.into_iter().filter_map(|place| place.or_else(|| rest.next())).collect();
    permute_dims(x, &axes)
}

/// Moves an axis back to just before where `start` is, as `numpy.rollaxis` does.
///
/// # Errors
/// `Axis` for places that are not there.
pub fn rollaxis(x: &Array, axis: i64, start: i64) -> Result<Array> {
    let axis = normalize_axis(axis, x.ndim())?;
    let start = if start == x.ndim() as i64 { x.ndim() } else { normalize_axis(start, x.ndim())? };
    let place = if axis < start { start - 1 } else { start };
    moveaxis(x, &[axis as i64], &[place as i64])
}

/// Adds axes of one element where `axes` has them in the result.
///
/// # Errors
/// `Axis` for one that the result would not have, `Value` where one is named twice.
pub fn expand_dims(x: &Array, axes: &[i64]) -> Result<Array> {
    let ndim = x.ndim() + axes.len();
    let added = normalize_axes(Some(axes), ndim)?;
    let mut own = x.shape().iter();
    let shape: Vec<usize> = (0..ndim)
        .filter_map(|axis| if added.contains(&axis) { Some(1) } else { own.next().copied() })
        .collect();
    Ok(reshape_to(x, &shape))
}

/// Removes axes of one element; without `axes`, all of them.
///
/// # Errors
/// `Axis` for one that is not there, `Value` for one that has not one element, or is named twice.
pub fn squeeze(x: &Array, axes: Option<&[i64]>) -> Result<Array> {
    let removed = match axes {
        Some(axes) => normalize_axes(Some(axes), x.ndim())?,
        None => (0..x.ndim()).filter(|&axis| x.shape()[axis] == 1).collect(),
    };
    if let Some(&axis) = removed.iter().find(|&&axis| x.shape()[axis] != 1) {
        return Err(Error::value(format!(
            "cannot squeeze axis {axis} of shape {}: it has {} elements, not one",
            show_shape(x.shape()),
            x.shape()[axis]
        )));
    }
    let kept = (0..x.ndim()).filter(|axis| !removed.contains(axis)).map(|axis| x.shape()[axis]);
    Ok(reshape_to(x, &kept.collect::<Vec<_>>()))
}

/// The shape that arrays of these shapes broadcast to.
///
/// # Errors
/// `Value`, naming the shapes, where they do not fit.
pub fn broadcast_shapes<S: AsRef<[usize]>>(shapes: &[S]) -> Result<Vec<usize>> {
    elementwise::broadcast_shape(&shapes.iter().map(AsRef::as_ref).collect::<Vec<_>>())
}

/// Repeats axes of one element, and adds axes in front, until the array has this shape.
///
/// # Errors
/// `Value`, naming both shapes, where it cannot have.
pub fn broadcast_to(x: &Array, shape: &[usize]) -> Result<Array> {
    if x.shape() == shape {
        return Ok(x.clone());
    }
    let added = shape.len().checked_sub(x.ndim());
    let fits = added.is_some_and(|added| {
        x.shape().iter().zip(&shape[added..]).all(|(&own, &len)| own == len || own == 1)
    });
    if !fits {
        return Err(Error::value(format!(
            "an array of shape {} cannot be broadcast to shape {}",
            show_shape(x.shape()),
            show_shape(shape)
        )));
    }
    Ok(elementwise::broadcast(x, shape))
}

/// The arrays, each broadcast to the shape that all of them have together.
///
/// # Errors
/// `Value`, naming the shapes, where they do not fit.
pub fn broadcast_arrays(arrays: &[Array]) -> Result<Vec<Array>> {
    let shapes: Vec<&[usize]> = arrays.iter().map(Array::shape).collect();
    let shape = broadcast_shapes(&shapes)?;
    arrays.iter().map(|array| broadcast_to(array, &shape)).collect()
}

/// The array with at least one axis.
pub fn atleast_1d(x: &Array) -> Array {
    if x.ndim() == 0 { reshape_to(x, &[1]) } else { x.clone() }
}

/// The array with at least two axes: a vector becomes a row.
pub fn atleast_2d(x: &Array) -> Array {
    match x.shape() {
        [] => reshape_to(x, &[1, 1]),
        &[len] => reshape_to(x, &[1, len]),
        _ => x.clone(),
    }
}

/// The array with at least three axes: a vector lies along the second, a matrix along the first two.
pub fn atleast_3d(x: &Array) -> Array {
    match x.shape() {
        [] => reshape_to(x, &[1, 1, 1]),
        &[len] => reshape_to(x, &[1, len, 1]),
        &[rows, columns] => reshape_to(x, &[rows, columns, 1]),
        _ => x.clone(),
    }
}

/// The same array in chunks of other lengths; nothing is moved until chunks are asked for.
///
/// # Errors
/// `Value` where there is not one length for each axis, or one is 0.
pub fn rechunk(x: &Array, chunks: &[usize]) -> Result<Array> {
    if chunks.len() != x.ndim() || chunks.contains(&0) {
        return Err(Error::value(format!(
            "chunks {} do not fit shape {}: each axis takes a length of at least 1",
            show_shape(chunks),
            show_shape(x.shape())
        )));
    }
    Ok(x.with_chunks(chunks.to_vec()))
}
