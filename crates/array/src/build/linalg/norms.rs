//! Norms of vectors and of matrices.

use super::matrix_shape;
use super::nodes::{binary, cast, full, multiply, reduce, reshape, sum, unary};
use crate::build::axis::normalize_axes;
use crate::dtype::{DType, Scalar};
use crate::error::{Error, Result};
use crate::graph::Array;
use crate::program::{BinaryOp, ReduceOp, UnaryOp};

/// Which norm of a matrix.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum MatrixOrder {
    /// The root of the sum of squared magnitudes.
    Frobenius,
    /// The sum of singular values.
    Nuclear,
    /// 1, -1: the greatest and the least sum of magnitudes of a column; ±∞: of a row; 2, -2: the greatest and the least
    /// singular value.
    Number(f64),
}

/// |x|², real.
pub(super) fn squared_magnitudes(x: &Array) -> Result<Array> {
    if !x.dtype().is_complex() {
        return multiply(x, x);
    }
    let (re, im) = (unary(UnaryOp::Real, x), unary(UnaryOp::Imag, x));
    binary(BinaryOp::Add, &multiply(&re, &re)?, &multiply(&im, &im)?)
}

/// The type in which norms are found, and the real one in which they are given.
fn dtypes(x: &Array) -> (DType, DType) {
    let dtype = x.dtype().inexact();
    let wide = if matches!(dtype, DType::F16 | DType::BF16) { DType::F32 } else { dtype };
    (wide, dtype.real())
}

fn with_axes_kept(x: &Array, of: &Array, axes: &[usize], keepdims: bool) -> Array {
    if !keepdims {
        return x.clone();
    }
    let kept = |(axis, &len): (usize, &usize)| if axes.contains(&axis) { 1 } else { len };
    reshape(x, &of.shape().iter().enumerate().map(kept).collect::<Vec<_>>())
}

/// The greatest along axes; 0 of none.
fn greatest(x: &Array, axes: &[usize]) -> Array {
    if axes.iter().any(|&axis| x.shape()[axis] == 0) {
        let left: Vec<usize> =
            (0..x.ndim()).filter(|axis| !axes.contains(axis)).map(|axis| x.shape()[axis]).collect();
        return full(Scalar::Float(0.0), x.dtype(), &left);
    }
    reduce(ReduceOp::Max, x, axes)
}

/// The least along axes.
fn least(x: &Array, axes: &[usize]) -> Result<Array> {
    if axes.iter().any(|&axis| x.shape()[axis] == 0) {
        return Err(Error::value("the least of no magnitudes is not defined: a norm of an empty array"));
    }
    Ok(reduce(ReduceOp::Min, x, axes))
}

/// The norms of vectors, of any order p: the p-th root of the sum of p-th powers of magnitudes.
///
/// Of order ∞ the greatest magnitude, of -∞ the least, of 0 how many elements are not 0. Integers and booleans are taken
/// as `float64`; 16-bit floats are summed as `float32`.
///
/// # Shape      `axes` are gone, or of one element with `keepdims`; all of them for `None`.
/// # NaN        spreads.
/// # Errors     `Axis` where there is no such axis, `Value` where one is named twice, or for order -∞ of no elements.
pub fn vector_norm(x: &Array, axes: Option<&[i64]>, keepdims: bool, ord: f64) -> Result<Array> {
    let axes = normalize_axes(axes, x.ndim())?;
    let (wide, result) = dtypes(x);
    let x = cast(x, wide);
    let magnitudes = || unary(UnaryOp::Abs, &x);
    let real = wide.real();
    let norm = if ord == f64::INFINITY {
        greatest(&magnitudes(), &axes)
    } else if ord == f64::NEG_INFINITY {
        least(&magnitudes(), &axes)?
    } else if ord == 0.0 {
        let zero = full(Scalar::Float(0.0), wide, &[]);
        sum(&cast(&binary(BinaryOp::NotEqual, &x, &zero)?, real), &axes)
    } else if ord == 1.0 {
        sum(&magnitudes(), &axes)
    } else if ord == 2.0 {
        unary(UnaryOp::Sqrt, &sum(&squared_magnitudes(&x)?, &axes))
    } else {
        let exponent = |value: f64| full(Scalar::Float(value), real, &[]);
        let powers = binary(BinaryOp::Pow, &magnitudes(), &exponent(ord))?;
        binary(BinaryOp::Pow, &sum(&powers, &axes), &exponent(1.0 / ord))?
    };
    Ok(cast(&with_axes_kept(&norm, &x, &axes, keepdims), result))
}

/// The norms of matrices.
///
/// # Shape      x […, n, m] → […], or […, 1, 1] with `keepdims`.
/// # NaN        spreads, but for orders that take singular values, which fail.
/// # Errors     `LinearAlgebra` for arrays of fewer than two axes; `Value` for other orders, and for -1, -2, -∞ where they
/// are taken of nothing; when computed, for singular values, as [`svd`](super::svd).
pub fn matrix_norm(x: &Array, keepdims: bool, ord: MatrixOrder) -> Result<Array> {
    matrix_shape("matrix_norm", x)?;
    let axes = [x.ndim() - 2, x.ndim() - 1];
    let (wide, result) = dtypes(x);
    let x = cast(x, wide);
    // A sum takes the axis away that it is over.
    let sums = |over: usize| sum(&unary(UnaryOp::Abs, &x), &[axes[over]]);
    let last = [axes[0]];
    let norm = match ord {
        MatrixOrder::Frobenius => unary(UnaryOp::Sqrt, &sum(&squared_magnitudes(&x)?, &axes)),
        MatrixOrder::Nuclear => sum(&super::svdvals(&x)?, &last),
        MatrixOrder::Number(1.0) => greatest(&sums(0), &last),
        MatrixOrder::Number(-1.0) => least(&sums(0), &last)?,
        MatrixOrder::Number(f64::INFINITY) => greatest(&sums(1), &last),
        MatrixOrder::Number(f64::NEG_INFINITY) => least(&sums(1), &last)?,
        MatrixOrder::Number(2.0) => greatest(&super::svdvals(&x)?, &last),
        MatrixOrder::Number(-2.0) => least(&super::svdvals(&x)?, &last)?,
        MatrixOrder::Number(other) => {
            return Err(Error::value(format!(
                "{other} is not the order of a matrix norm; there are 'fro', 'nuc', 1, -1, 2, -2, inf, -inf"
            )));
        }
    };
    Ok(cast(&with_axes_kept(&norm, &x, &axes, keepdims), result))
}
