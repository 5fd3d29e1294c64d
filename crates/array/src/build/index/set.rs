//! Writing by index: a new array with some elements replaced.

use crate::build::elementwise::cast;
use crate::build::index::get::{Advanced, without_leading_units};
use crate::build::index::resolve::{Index, Part, resolve};
use crate::build::index::scatter::{paste, permute_back, scatter};
use crate::build::manipulate::{broadcast_to, permute_dims, reshape_to};
use crate::error::{Error, Result, show_shape};
use crate::graph::{Array, Op};
use crate::run::Runner;
use crate::tensor::Slice;

/// The array with what an index names replaced by `value`, which is broadcast and converted to the array's type. Of
/// several values for one element the last stays.
///
/// Slices and masks with values that do not depend on which element is chosen are lazy; other masks are computed at
/// once.
///
/// # Errors
/// As [`get`](super::get()); `Value` where the value's shape does not fit.
pub fn set(x: &Array, indices: &[Index], value: &Array, runner: &Runner) -> Result<Array> {
    let parts = resolve(x, indices)?;
    let value = cast(value, x.dtype());
    let is_array = |part: &Part| matches!(part, Part::Integers(_) | Part::Mask(_));
    match parts.iter().filter(|part| is_array(part)).count() {
        0 => set_box(x, &parts, &value),
        1 => match masked(x, &parts, &value)? {
            Some(result) => Ok(result),
            None => set_numbered(x, parts, &value, runner),
        },
        _ => set_numbered(x, parts, &value, runner),
    }
}

fn fitted(value: &Array, shape: &[usize]) -> Result<Array> {
    broadcast_to(&without_leading_units(value, shape.len()), shape).map_err(|_| {
        Error::value(format!(
            "could not broadcast input array from shape {} into shape {}",
            show_shape(value.shape()),
            show_shape(shape)
        ))
    })
}

/// Replaces what slices, integers and new axes name.
fn set_box(x: &Array, parts: &[Part], value: &Array) -> Result<Array> {
    let mut shape = Vec::new();
    let mut slices = Vec::new();
    for part in parts {
        match part {
            Part::Slice(slice) => {
                shape.push(slice.count);
                slices.push(*slice);
            }
            Part::Int(i) => slices.push(Slice::range(*i, 1)),
            Part::NewAxis => shape.push(1),
            Part::Integers(_) | Part::Mask(_) => return Err(Error::bug("an array among slices")),
        }
    }
    let own: Vec<usize> = slices.iter().map(|slice| slice.count).collect();
    let value = reshape_to(&fitted(value, &shape)?, &own);
    if own == x.shape() && slices.iter().all(|slice| slice.step == 1) {
        return Ok(value);
    }
    Ok(paste(x, slices, &value))
}

/// Replaces the elements under a mask, where it is the only array, everything else is whole, and the value does not
/// say something for each true element.
fn masked(x: &Array, parts: &[Part], value: &Array) -> Result<Option<Array>> {
    let mut axis = 0;
    let mut found = None;
    for part in parts {
        match part {
            Part::Mask(mask) => {
                found = Some((axis, mask));
                axis += mask.ndim();
            }
            Part::Slice(slice) if slice.step == 1 && slice.count == x.shape()[axis] => axis += 1,
            _ => return Ok(None),
        }
    }
    let Some((first, mask)) = found else { return Ok(None) };
    let behind = x.ndim() - first - mask.ndim();
    let value = without_leading_units(value, behind);
    // The true elements are one axis of what is named: a value that has it has one row for each.
    let shape = match value.ndim() {
        ndim if ndim <= behind => value.shape().to_vec(),
        ndim if value.shape()[ndim - behind - 1] == 1 && first == ndim - behind - 1 => {
            let mut shape = value.shape().to_vec();
            let place = ndim - behind - 1;
            shape.splice(place..=place, std::iter::repeat_n(1, mask.ndim()));
            shape
        }
        _ => return Ok(None),
    };
    let value = fitted(&reshape_to(&value, &shape), x.shape())?;
    let mut mask_shape = vec![1; x.ndim()];
    mask_shape[first..first + mask.ndim()].copy_from_slice(mask.shape());
    let mask = broadcast_to(&reshape_to(mask, &mask_shape), x.shape())?;
    Ok(Some(Array::new(Op::Where, vec![mask, value, x.clone()], x.dtype(), x.shape().to_vec())))
}

/// Replaces elements by number, within the box that slices leave.
fn set_numbered(x: &Array, parts: Vec<Part>, value: &Array, runner: &Runner) -> Result<Array> {
    // The box: slices as they are, indexed axes whole.
    let mut slices = Vec::with_capacity(x.ndim());
    for part in &parts {
        match part {
            Part::Slice(slice) => slices.push(*slice),
            Part::NewAxis => {}
            Part::Mask(mask) => slices.extend(mask.shape().iter().map(|&len| Slice::range(0, len))),
            Part::Int(_) | Part::Integers(_) => slices.push(Slice::range(0, x.shape()[slices.len()])),
        }
    }
    let own: Vec<usize> = slices.iter().map(|slice| slice.count).collect();
    let advanced = Advanced::of(x, parts, runner)?;
    let value = fitted(value, &advanced.shape())?;
    let order: Vec<usize> =
        advanced.before.iter().chain(&advanced.axes).chain(&advanced.behind).copied().collect();
    let base = permute_dims(&advanced.base, &order)?;
    let replaced = scatter(&base, advanced.before.len(), advanced.axis_names, &advanced.indices, &value);
    let replaced = reshape_to(&permute_back(&replaced, &order)?, &own);
    if own == x.shape() && slices.iter().all(|slice| slice.step == 1) {
        return Ok(replaced);
    }
    Ok(paste(x, slices, &replaced))
}
