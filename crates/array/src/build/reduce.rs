//! Reductions.

use crate::dtype::DType;
use crate::error::Result;
use crate::graph::{Array, Op};
use crate::program::ReduceOp;

use super::axis::normalize_axes;
use super::elementwise::cast;

/// Whether all elements along the axes are true, that is not 0; true of none.
///
/// # Errors
/// `Axis` where there is no such axis, `Value` where one is named twice.
pub fn all(x: &Array, axes: Option<&[i64]>, keepdims: bool) -> Result<Array> {
    reduce(ReduceOp::All, &cast(x, DType::Bool), axes, keepdims)
}

fn reduce(op: ReduceOp, x: &Array, axes: Option<&[i64]>, keepdims: bool) -> Result<Array> {
    let axes = normalize_axes(axes, x.ndim())?;
    let mut kept = x.shape().to_vec();
    axes.iter().for_each(|&axis| kept[axis] = 1);
    let dropped: Vec<usize> =
        (0..x.ndim()).filter(|axis| !axes.contains(axis)).map(|axis| x.shape()[axis]).collect();
    let reduced = Array::new(Op::Reduce(op, axes), vec![x.clone()], op.result(x.dtype()), kept);
    if keepdims {
        return Ok(reduced);
    }
    let dtype = reduced.dtype();
    Ok(Array::new(Op::Reshape, vec![reduced], dtype, dropped))
}
