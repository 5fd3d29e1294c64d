//! Diagonals and traces.

use super::matrix_shape;
use super::nodes::{binary, cast, full, reduce, reshape, slice, sum, unary};
use crate::build::creation::index;
use crate::build::elementwise::where_;
use crate::dtype::{DType, Scalar, integer_range};
use crate::error::Result;
use crate::graph::{Array, CHUNK_BYTES};
use crate::program::{BinaryOp, ReduceOp, UnaryOp};
use crate::tensor::Slice;

/// The diagonals of matrices; those above the main one by a positive offset, below by a negative one.
///
/// # Shape      x […, n, m] → […, k], as many as the diagonal has elements, which may be none.
/// # Errors     `LinearAlgebra` for arrays of fewer than two axes.
pub fn diagonal(x: &Array, offset: i64) -> Result<Array> {
    let (n, m) = matrix_shape("diagonal", x)?;
    let (first_row, first_column) =
        ((-offset).clamp(0, n as i64) as usize, offset.clamp(0, m as i64) as usize);
    let len = (n - first_row).min(m - first_column);
    let front = &x.shape()[..x.ndim() - 2];
    if len == 0 || x.is_empty() {
        return Ok(full(Scalar::Int(0), x.dtype(), &[front, &[len]].concat()));
    }
    let square = [Slice::range(first_row, len), Slice::range(first_column, len)];
    let all = front.iter().map(|&len| Slice::range(0, len));
    let square = slice(x, all.chain(square).collect());
    if x.value().is_some() || x.bytes() <= CHUNK_BYTES as u128 {
        // Of elements in row-major order, the diagonal's are as far from each other as a row is long, and one.
        let flat = reshape(&square, &[front, &[len * len]].concat());
        let every = Slice { start: 0, count: len, step: len as isize + 1 };
        return Ok(slice(&flat, front.iter().map(|&len| Slice::range(0, len)).chain([every]).collect()));
    }
    by_reduction(&square)
}

/// Reads the whole square, but has none of it in memory for longer than a block.
fn by_reduction(square: &Array) -> Result<Array> {
    let dtype = square.dtype();
    if dtype.is_complex() {
        let part = |op| by_reduction(&unary(op, square));
        return binary(BinaryOp::Complex, &part(UnaryOp::Real)?, &part(UnaryOp::Imag)?);
    }
    let ndim = square.ndim();
    let on = binary(BinaryOp::Equal, &index(square.shape(), ndim - 2), &index(square.shape(), ndim - 1))?;
    // The greatest of one value and many that none is below is that value: sums would lose the sign of zero.
    let (op, other) = match dtype {
        DType::Bool => (ReduceOp::Any, Scalar::Bool(false)),
        _ if dtype.is_integer() => (ReduceOp::Max, Scalar::Int(integer_range(dtype).0)),
        _ => (ReduceOp::Max, Scalar::Float(f64::NEG_INFINITY)),
    };
    Ok(reduce(op, &where_(&on, square, &full(other, dtype, &[]))?, &[ndim - 1]))
}

/// The sums of the diagonals of matrices.
///
/// By default, integers and booleans add as the widest integers of their kind, as in `sum`.
///
/// # Shape      x […, n, m] → […].
/// # Errors     `LinearAlgebra` for arrays of fewer than two axes.
pub fn trace(x: &Array, offset: i64, dtype: Option<DType>) -> Result<Array> {
    let diagonal = diagonal(x, offset)?;
    let of = x.dtype();
    let dtype = dtype.unwrap_or(match of {
        _ if of.is_unsigned() => DType::U64,
        _ if of.is_inexact() => of,
        _ => DType::I64,
    });
    Ok(sum(&cast(&diagonal, dtype), &[diagonal.ndim() - 1]))
}
