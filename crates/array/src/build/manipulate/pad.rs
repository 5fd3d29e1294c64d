//! Edges around an array.

use std::str::FromStr;

use crate::build::manipulate::concat;
use crate::build::manipulate::shape::slice_axis;
use crate::dtype::Scalar;
use crate::error::{Error, Result, show_shape};
use crate::graph::{Array, Op};
use crate::tensor::Slice;

/// What an edge is filled with; names and rules are those of `numpy.pad`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum PadMode {
    /// One value.
    Constant(Scalar),
    /// The outermost element.
    Edge,
    /// The mirror image without the outermost element.
    Reflect,
    /// The mirror image with it.
    Symmetric,
    /// The other end.
    Wrap,
}

impl FromStr for PadMode {
    type Err = Error;

    /// By its name; `constant` is zeros.
    fn from_str(name: &str) -> Result<Self> {
        Ok(match name {
            "constant" => PadMode::Constant(Scalar::Int(0)),
            "edge" => PadMode::Edge,
            "reflect" => PadMode::Reflect,
            "symmetric" => PadMode::Symmetric,
            "wrap" => PadMode::Wrap,
            _ => {
                let modes = "constant, edge, reflect, symmetric, wrap";
                return Err(Error::value(format!("'{name}' is not a mode of pad; there are {modes}")));
            }
        })
    }
}

/// Adds elements before and behind each axis: `widths` has a pair for each.
///
/// # Errors
/// `Value` where there is not a pair for each axis, and where an empty axis would have to be extended from its own
/// elements.
pub fn pad(x: &Array, widths: &[(usize, usize)], mode: PadMode) -> Result<Array> {
    if widths.len() != x.ndim() {
        return Err(Error::value(format!(
            "{} pairs of widths do not go with the {} axes of shape {}",
            widths.len(),
            x.ndim(),
            show_shape(x.shape())
        )));
    }
    let mut result = x.clone();
    for (axis, &(before, after)) in widths.iter().enumerate() {
        result = pad_axis(&result, axis, before, after, mode)?;
    }
    Ok(result)
}

fn pad_axis(x: &Array, axis: usize, before: usize, after: usize, mode: PadMode) -> Result<Array> {
    if before == 0 && after == 0 {
        return Ok(x.clone());
    }
    let len = x.shape()[axis];
    if len == 0 && !matches!(mode, PadMode::Constant(_)) {
        return Err(Error::value(format!(
            "cannot extend empty axis {axis} of shape {} but by a constant",
            show_shape(x.shape())
        )));
    }
    let constant = |width: usize, value: Scalar| {
        let mut shape = x.shape().to_vec();
        shape[axis] = width;
        Array::new(Op::Full(value.cast(x.dtype())), vec![], x.dtype(), shape)
    };
    let edge = |width: usize, at: usize| -> Result<Array> {
        let single = slice_axis(x, axis, Slice::range(at, 1));
        let mut shape = x.shape().to_vec();
        shape[axis] = width;
        super::broadcast_to(&single, &shape)
    };
    let parts = match mode {
        PadMode::Constant(value) => vec![constant(before, value), x.clone(), constant(after, value)],
        PadMode::Edge => vec![edge(before, 0)?, x.clone(), edge(after, len - 1)?],
        PadMode::Reflect | PadMode::Symmetric | PadMode::Wrap => {
            let mut parts = runs(len, before, after, mode);
            parts.drain(..).map(|run| slice_axis(x, axis, run)).collect()
        }
    };
    concat(&parts, Some(axis as i64))
}

/// The slices of an axis that follow each other in the padded one: the pattern of the mode is periodic, and a run ends
/// where it turns around.
fn runs(len: usize, before: usize, after: usize, mode: PadMode) -> Vec<Slice> {
    let (forth, back) = match mode {
        PadMode::Wrap => (Slice::range(0, len), None),
        _ if len == 1 => (Slice::range(0, 1), None),
        PadMode::Reflect => {
            // A turn leaves out both outermost elements: they belong to the runs forth.
            let back = (len > 2).then(|| Slice { start: len - 2, count: len - 2, step: -1 });
            (Slice::range(0, len), back)
        }
        _ => (Slice::range(0, len), Some(Slice { start: len - 1, count: len, step: -1 })),
    };
    let period = forth.count + back.map_or(0, |run| run.count);
    let mut position = (period - before % period) % period;
    let mut left = before + len + after;
    let mut runs = Vec::new();
    while left > 0 {
        let (run, within) = match back {
            Some(back) if position >= forth.count => (back, position - forth.count),
            _ => (forth, position),
        };
        let count = (run.count - within).min(left);
        let start = (run.start as isize + within as isize * run.step) as usize;
        runs.push(Slice { start, count, step: run.step });
        left -= count;
        position = (position + count) % period;
    }
    runs
}
