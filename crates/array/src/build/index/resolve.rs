//! What each part of an index means for the axes of an array.

use crate::error::{Error, Result, show_shape};
use crate::graph::{Array, Op};
use crate::run::Runner;
use crate::tensor::{Slice, Tensor};

/// One part of an index: what stands between commas in brackets.
#[derive(Clone, Debug)]
pub enum Index {
    Int(i64),
    /// Python's `start:stop:step`.
    Slice {
        start: Option<i64>,
        stop: Option<i64>,
        step: Option<i64>,
    },
    /// An axis of one element.
    NewAxis,
    /// As many whole axes as are not named.
    Ellipsis,
    /// Integers, or a mask of one or several axes.
    Array(Array),
}

impl Index {
    /// A whole axis.
    pub const ALL: Index = Index::Slice { start: None, stop: None, step: None };
}

/// An index whose parts are counted: what it does to each axis, in order.
pub(super) enum Part {
    /// Elements of an axis.
    Slice(Slice),
    /// One element of an axis, which goes.
    Int(usize),
    /// An axis of one element, which comes.
    NewAxis,
    /// Elements by number.
    Integers(Array),
    /// Several axes, of which elements are chosen by a mask of the same shape.
    Mask(Array),
}

/// The elements of an axis of length `len` that Python's `start:stop:step` names.
///
/// # Errors
/// `Value` for a step of 0.
pub fn axis_slice(start: Option<i64>, stop: Option<i64>, step: Option<i64>, len: usize) -> Result<Slice> {
    let step = step.unwrap_or(1);
    if step == 0 {
        return Err(Error::value("slice step cannot be zero"));
    }
    let len = len as i64;
    let (least, most) = if step > 0 { (0, len) } else { (-1, len - 1) };
    let bound = |value: i64| (if value < 0 { value.saturating_add(len) } else { value }).clamp(least, most);
    let start = start.map_or(if step > 0 { least } else { most }, bound);
    let stop = stop.map_or(if step > 0 { most } else { least }, bound);
    let distance = if step > 0 { stop - start } else { start - stop };
    let count = if distance <= 0 { 0 } else { (distance as u64).div_ceil(step.unsigned_abs()) as usize };
    Ok(match count {
        0 => Slice::range(0, 0),
        1 => Slice::range(start as usize, 1),
        _ => Slice { start: start as usize, count, step: step as isize },
    })
}

/// The number of an element of an axis, from the front.
///
/// # Errors
/// `Index` where the axis has no such one.
pub(super) fn element(index: i64, axis: usize, len: usize) -> Result<usize> {
    let from_front = if index < 0 { index.saturating_add(len as i64) } else { index };
    if from_front < 0 || from_front >= len as i64 {
        return Err(out_of_bounds(index, axis, len));
    }
    Ok(from_front as usize)
}

pub(super) fn out_of_bounds(index: i64, axis: usize, len: usize) -> Error {
    Error::index(format!("index {index} is out of bounds for axis {axis} with size {len}"))
}

/// The parts of an index, one for each axis or, of masks, for several; whole axes are filled in.
pub(super) fn resolve(x: &Array, indices: &[Index]) -> Result<Vec<Part>> {
    let consumed = |index: &Index| match index {
        Index::Int(_) | Index::Slice { .. } => 1,
        Index::NewAxis | Index::Ellipsis => 0,
        Index::Array(array) if array.dtype().is_bool() => array.ndim(),
        Index::Array(_) => 1,
    };
    let named: usize = indices.iter().map(consumed).sum();
    let Some(unnamed) = x.ndim().checked_sub(named) else {
        return Err(Error::index(format!(
            "too many indices for array: array is {}-dimensional with shape {}, but {named} were indexed",
            x.ndim(),
            show_shape(x.shape())
        )));
    };
    let ellipses = indices.iter().filter(|index| matches!(index, Index::Ellipsis)).count();
    if ellipses > 1 {
        return Err(Error::index("an index can only have a single ellipsis ('...')"));
    }
    let mut parts = Vec::with_capacity(indices.len() + unnamed);
    let mut axis = 0;
    let whole = |axes: std::ops::Range<usize>| axes.map(|axis| Part::Slice(Slice::range(0, x.shape()[axis])));
    for index in indices {
        match index {
            Index::Int(i) => parts.push(Part::Int(element(*i, axis, x.shape()[axis])?)),
            Index::Slice { start, stop, step } => {
                parts.push(Part::Slice(axis_slice(*start, *stop, *step, x.shape()[axis])?));
            }
            Index::NewAxis => parts.push(Part::NewAxis),
            Index::Ellipsis => {
                parts.extend(whole(axis..axis + unnamed));
                axis += unnamed;
            }
            Index::Array(array) if array.dtype().is_bool() => {
                parts.push(Part::Mask(fitted_mask(array, x, axis)?));
            }
            Index::Array(array) if array.dtype().is_integer() => parts.push(Part::Integers(array.clone())),
            Index::Array(array) => {
                return Err(Error::index(format!(
                    "arrays used as indices must be of integer (or boolean) type, not {}",
                    array.dtype()
                )));
            }
        }
        axis += consumed(index);
    }
    if ellipses == 0 {
        parts.extend(whole(axis..x.ndim()));
    }
    Ok(parts)
}

/// A mask with the lengths of the axes from `first` on. One that has an axis of length 0 names nothing, whatever the
/// length of the array's own.
///
/// # Errors
/// `Index` where a length is neither 0 nor the array's.
fn fitted_mask(mask: &Array, x: &Array, first: usize) -> Result<Array> {
    let own = &x.shape()[first..first + mask.ndim()];
    if mask.shape() == own {
        return Ok(mask.clone());
    }
    for (i, (&len, &own)) in mask.shape().iter().zip(own).enumerate() {
        if own != len && len != 0 {
            return Err(Error::index(format!(
                "boolean index did not match indexed array along axis {}; size of axis is {own} but size of \
                 corresponding boolean axis is {len}",
                first + i
            )));
        }
    }
    let none = Op::Full(crate::dtype::Scalar::Bool(false));
    Ok(Array::new(none, vec![], crate::dtype::DType::Bool, own.to_vec()))
}

/// The numbers, in row-major order, of the true elements of a mask, which is computed.
pub(super) fn true_numbers(mask: &Array, runner: &Runner) -> Result<Array> {
    let numbers = crate::build::unique::nonzero_numbers(mask, runner)?;
    let count = numbers.len();
    Ok(Array::from_tensor(Tensor::from_vec(numbers, &[count])?))
}

/// The array with slices and new axes applied and the axes of integers removed.
pub(super) fn apply_basic(x: &Array, parts: &[Part]) -> Array {
    let mut slices = Vec::with_capacity(x.ndim());
    let mut shape = Vec::with_capacity(parts.len());
    for part in parts {
        match part {
            Part::Slice(slice) => {
                slices.push(*slice);
                shape.push(slice.count);
            }
            Part::Int(i) => slices.push(Slice::range(*i, 1)),
            Part::NewAxis => shape.push(1),
            // Whole: their turn comes later.
            Part::Integers(_) => {
                let len = x.shape()[slices.len()];
                slices.push(Slice::range(0, len));
                shape.push(len);
            }
            Part::Mask(mask) => {
                slices.extend(mask.shape().iter().map(|&len| Slice::range(0, len)));
                shape.push(mask.len());
            }
        }
    }
    crate::build::manipulate::reshape_to(&crate::build::manipulate::slice(x, slices), &shape)
}

/// An array of one integer.
pub(super) fn integer(value: i64) -> Array {
    let scalar = crate::dtype::Scalar::Int(value as i128);
    Array::new(Op::Full(scalar), vec![], crate::dtype::DType::I64, vec![])
}
