//! Reading by index.

use crate::build::index::gather::{Gather, as_i64, gather};
use crate::build::index::resolve::{Index, Part, apply_basic, integer, resolve, true_numbers};
use crate::build::manipulate::{broadcast_shapes, broadcast_to, permute_dims, reshape_to};
use crate::error::{Error, Result, show_shape};
use crate::graph::Array;
use crate::run::Runner;

/// Reads what an index names, by NumPy's rules; masks are computed at once, everything else is lazy.
///
/// # Shape
/// Slices give a view. Where integer arrays and masks (and integers beside them) follow each other, the axes they give
/// stand in their place; where they do not, in front.
///
/// # Errors
/// `Index` for an integer out of range (of arrays whose values are not known, when they are evaluated), too many
/// indices, arrays that are neither integers nor booleans, masks whose lengths are neither the array's nor 0; `Value` for
/// a step of 0.
pub fn get(x: &Array, indices: &[Index], runner: &Runner) -> Result<Array> {
    let parts = resolve(x, indices)?;
    if !parts.iter().any(|part| matches!(part, Part::Integers(_) | Part::Mask(_))) {
        return Ok(apply_basic(x, &parts));
    }
    let advanced = Advanced::of(x, parts, runner)?;
    let order: Vec<usize> =
        advanced.before.iter().chain(&advanced.axes).chain(&advanced.behind).copied().collect();
    let x = permute_dims(&advanced.base, &order)?;
    let spec = Gather { outer: advanced.before.len(), axis_names: advanced.axis_names };
    gather(&x, spec, &advanced.indices)
}

/// An index with arrays in it, taken apart.
pub(super) struct Advanced {
    /// What is left when slices and new axes are applied: a mask's axes are one.
    pub base: Array,
    /// The axes of `base` in front of the indexed ones in the result, the indexed ones, and those behind.
    pub before: Vec<usize>,
    pub axes: Vec<usize>,
    pub behind: Vec<usize>,
    /// For each indexed axis its numbers, all of one shape.
    pub indices: Vec<Array>,
    /// For each indexed axis which one of the array it is, for messages.
    pub axis_names: Vec<usize>,
}

impl Advanced {
    pub fn of(x: &Array, parts: Vec<Part>, runner: &Runner) -> Result<Advanced> {
        // Integers count as arrays here, so that their axes have to be kept.
        let mut kept = Vec::with_capacity(parts.len());
        let mut indices = Vec::new();
        let mut axes = Vec::new();
        let mut axis_names = Vec::new();
        let mut own_axis = 0;
        for part in parts {
            let index = match &part {
                Part::Slice(_) | Part::NewAxis => None,
                Part::Int(i) => Some(integer(*i as i64)),
                Part::Integers(array) => Some(as_i64(array)),
                Part::Mask(mask) => Some(true_numbers(mask, runner)?),
            };
            if let Some(index) = index {
                axes.push(kept.len());
                axis_names.push(own_axis);
                indices.push(index);
            }
            own_axis += match &part {
                Part::NewAxis => 0,
                Part::Mask(mask) => mask.ndim(),
                _ => 1,
            };
            kept.push(match part {
                Part::Int(i) => Part::Integers(integer(i as i64)),
                other => other,
            });
        }
        let shapes: Vec<&[usize]> = indices.iter().map(Array::shape).collect();
        let shape = broadcast_shapes(&shapes).map_err(|_| {
            let shapes: Vec<String> = shapes.iter().map(|shape| show_shape(shape)).collect();
            Error::index(format!(
                "shape mismatch: indexing arrays could not be broadcast together with shapes {}",
                shapes.join(" ")
            ))
        })?;
        let indices = indices.iter().map(|index| broadcast_to(index, &shape)).collect::<Result<Vec<_>>>()?;
        let adjacent = axes.windows(2).all(|pair| pair[0] + 1 == pair[1]);
        let is_indexed = |axis: &usize| axes.contains(axis);
        let first = if adjacent { axes[0] } else { 0 };
        let before: Vec<usize> = (0..first).filter(|axis| !is_indexed(axis)).collect();
        let behind: Vec<usize> = (first..kept.len()).filter(|axis| !is_indexed(axis)).collect();
        let base = apply_basic(x, &kept);
        Ok(Advanced { base, before, axes, behind, indices, axis_names })
    }

    /// The shape of what the index names.
    pub fn shape(&self) -> Vec<usize> {
        let own = |axes: &[usize]| axes.iter().map(|&axis| self.base.shape()[axis]).collect::<Vec<_>>();
        [own(&self.before), self.indices[0].shape().to_vec(), own(&self.behind)].concat()
    }
}

/// An array without the axes of one element in front that it has more than `ndim`.
pub(super) fn without_leading_units(x: &Array, ndim: usize) -> Array {
    let extra = x.ndim().saturating_sub(ndim);
    let units = x.shape().iter().take(extra).take_while(|&&len| len == 1).count();
    reshape_to(x, &x.shape()[units..])
}
