//! Nodes whose shapes and types are right by construction: what the functions beside make their graphs of.

use crate::dtype::{DType, Scalar};
use crate::error::{Error, Result, show_shape};
use crate::graph::{Array, Op};
use crate::program::{BinaryOp, ReduceOp, UnaryOp};
use crate::tensor::Slice;

pub(super) fn cast(x: &Array, dtype: DType) -> Array {
    if x.dtype() == dtype {
        return x.clone();
    }
    Array::new(Op::Cast, vec![x.clone()], dtype, x.shape().to_vec())
}

pub(super) fn reshape(x: &Array, shape: &[usize]) -> Array {
    if x.shape() == shape {
        return x.clone();
    }
    Array::new(Op::Reshape, vec![x.clone()], x.dtype(), shape.to_vec())
}

pub(super) fn permute(x: &Array, axes: &[usize]) -> Array {
    if axes.iter().enumerate().all(|(i, &axis)| i == axis) {
        return x.clone();
    }
    let shape = axes.iter().map(|&axis| x.shape()[axis]).collect();
    Array::new(Op::Permute(axes.to_vec()), vec![x.clone()], x.dtype(), shape)
}

/// The last two axes exchanged.
pub(super) fn transpose(x: &Array) -> Array {
    let mut axes: Vec<usize> = (0..x.ndim()).collect();
    axes.swap(x.ndim() - 2, x.ndim() - 1);
    permute(x, &axes)
}

/// The axis moved to the end.
pub(super) fn axis_last(x: &Array, axis: usize) -> Array {
    let axes: Vec<usize> = (0..x.ndim()).filter(|&i| i != axis).chain([axis]).collect();
    permute(x, &axes)
}

pub(super) fn broadcast(x: &Array, shape: &[usize]) -> Array {
    if x.shape() == shape {
        return x.clone();
    }
    Array::new(Op::Broadcast, vec![x.clone()], x.dtype(), shape.to_vec())
}

pub(super) fn slice(x: &Array, slices: Vec<Slice>) -> Array {
    let shape = slices.iter().map(|slice| slice.count).collect();
    Array::new(Op::Slice(slices), vec![x.clone()], x.dtype(), shape)
}

pub(super) fn unary(op: UnaryOp, x: &Array) -> Array {
    Array::new(Op::Unary(op), vec![x.clone()], op.result(x.dtype()), x.shape().to_vec())
}

/// The conjugate; of real numbers they themselves.
pub(super) fn conj(x: &Array) -> Array {
    if x.dtype().is_complex() { unary(UnaryOp::Conj, x) } else { x.clone() }
}

/// Conjugated and transposed.
pub(super) fn adjoint(x: &Array) -> Array {
    transpose(&conj(x))
}

/// Of operands of one type, broadcast to one shape.
pub(super) fn binary(op: BinaryOp, a: &Array, b: &Array) -> Result<Array> {
    let shape = broadcast_shapes(a.shape(), b.shape())?;
    let inputs = vec![broadcast(a, &shape), broadcast(b, &shape)];
    Ok(Array::new(Op::Binary(op), inputs, op.result(a.dtype()), shape))
}

/// One value everywhere.
pub(super) fn full(value: Scalar, dtype: DType, shape: &[usize]) -> Array {
    Array::new(Op::Full(value.cast(dtype)), vec![], dtype, shape.to_vec())
}

/// Reduces axes, which then are gone.
pub(super) fn reduce(op: ReduceOp, x: &Array, axes: &[usize]) -> Array {
    if axes.is_empty() {
        return x.clone();
    }
    let kept: Vec<usize> =
        x.shape().iter().enumerate().map(|(i, &len)| if axes.contains(&i) { 1 } else { len }).collect();
    let left: Vec<usize> =
        (0..x.ndim()).filter(|axis| !axes.contains(axis)).map(|axis| x.shape()[axis]).collect();
    let reduced = Array::new(Op::Reduce(op, axes.to_vec()), vec![x.clone()], op.result(x.dtype()), kept);
    reshape(&reduced, &left)
}

/// The sum along axes in the operand's type; of booleans whether any is true.
pub(super) fn sum(x: &Array, axes: &[usize]) -> Array {
    reduce(if x.dtype().is_bool() { ReduceOp::Any } else { ReduceOp::Sum }, x, axes)
}

/// The elementwise product in the operands' type; of booleans "and".
pub(super) fn multiply(a: &Array, b: &Array) -> Result<Array> {
    binary(if a.dtype().is_bool() { BinaryOp::LogicalAnd } else { BinaryOp::Multiply }, a, b)
}

/// The shape that both are broadcast to.
pub(super) fn broadcast_shapes(a: &[usize], b: &[usize]) -> Result<Vec<usize>> {
    let ndim = a.len().max(b.len());
    let len =
        |shape: &[usize], axis: usize| (axis + shape.len()).checked_sub(ndim).map_or(1, |own| shape[own]);
    let one = |axis| match (len(a, axis), len(b, axis)) {
        (left, right) if left == right || right == 1 => Ok(left),
        (1, right) => Ok(right),
        _ => Err(Error::value(format!(
            "shapes {} and {} cannot be broadcast together",
            show_shape(a),
            show_shape(b)
        ))),
    };
    (0..ndim).map(one).collect()
}

/// Both in the type that they promote to.
pub(super) fn promoted(a: &Array, b: &Array) -> (Array, Array) {
    let dtype = a.dtype().promote(b.dtype());
    (cast(a, dtype), cast(b, dtype))
}
