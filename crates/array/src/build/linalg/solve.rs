//! Determinants, inverses, linear systems, ranks, powers.
//!
//! Types are those of [`decompose`](super::decompose).

use super::decompose::{Svd, svd, svdvals};
use super::nodes::{
    adjoint, binary, broadcast, broadcast_shapes, cast, full, multiply, promoted, reduce, reshape, slice,
    sum, unary,
};
use super::operator::{Inexact, decompose};
use super::products::{matmul, matrices};
use super::{matrix_shape, square};
use crate::build::creation::eye;
use crate::build::elementwise::where_;
use crate::dtype::{DType, Scalar};
use crate::error::{Error, Result, show_shape};
use crate::graph::Array;
use crate::kernel::linalg::Decomposition;
use crate::program::{BinaryOp, ReduceOp, UnaryOp};
use crate::tensor::Slice;

/// The determinants of square matrices.
///
/// # Shape      a […, n, n] → […]; of 0 × 0 matrices 1.
/// # NaN        spreads.
/// # Errors     `LinearAlgebra` where matrices are not square.
/// # Source     LU with partial pivoting; the product is kept as mantissa and exponent, so that nothing overflows in between.
pub fn det(a: &Array) -> Result<Array> {
    square("det", a)?;
    let a = Inexact::of(a);
    Ok(a.decompose(Decomposition::Determinant, &[(a.array.dtype(), &[])]).remove(0))
}

/// The sign of a determinant (of complex matrices a number of magnitude 1; 0 of singular ones), and the logarithm of its
/// magnitude.
#[derive(Clone, Debug)]
pub struct SignAndLogarithm {
    pub sign: Array,
    pub logabsdet: Array,
}

/// Signs and logarithms of determinants, which themselves may be out of range.
///
/// # Shape      a […, n, n] → […], […].
/// # Errors     as [`det`].
pub fn slogdet(a: &Array) -> Result<SignAndLogarithm> {
    square("slogdet", a)?;
    let a = Inexact::of(a);
    let dtype = a.array.dtype();
    let mut made = a.decompose(Decomposition::SignAndLogarithm, &[(dtype, &[]), (dtype.real(), &[])]);
    let logabsdet = made.remove(1);
    Ok(SignAndLogarithm { sign: made.remove(0), logabsdet })
}

/// The inverses of square matrices.
///
/// # Shape      a […, n, n] → the same.
/// # NaN        spreads.
/// # Errors     `LinearAlgebra` where matrices are not square; when computed, where one is singular.
pub fn inv(a: &Array) -> Result<Array> {
    let n = square("inv", a)?;
    let a = Inexact::of(a);
    Ok(a.decompose(Decomposition::Inverse, &[(a.array.dtype(), &[n, n])]).remove(0))
}

/// Solves a·x = b.
///
/// # Shape      a […, n, n]; b [n] → x […, n], or b […, n, k] → x […, n, k]; the axes in front are broadcast.
/// # NaN        spreads.
/// # Errors     `LinearAlgebra` where matrices are not square; `Value` where `b` does not have as many rows; when computed,
/// `LinearAlgebra` where a matrix is singular.
pub fn solve(a: &Array, b: &Array) -> Result<Array> {
    let n = square("solve", a)?;
    let rows = if b.ndim() == 1 { b.shape().first() } else { b.shape().iter().nth_back(1) };
    if rows != Some(&n) {
        return Err(Error::value(format!(
            "solve of matrices of shape {}: the right-hand side of shape {} does not have {n} rows",
            show_shape(a.shape()),
            show_shape(b.shape())
        )));
    }
    let (a, b) = promoted(a, b);
    let columns = if b.ndim() == 1 { reshape(&b, &[n, 1]) } else { b.clone() };
    let k = columns.shape()[columns.ndim() - 1];
    let a = Inexact::of(&a);
    let columns = Inexact::of(&columns);
    let front = broadcast_shapes(a.front(), columns.front())?;
    let inputs = vec![
        broadcast(&a.array, &[&front, &[n, n][..]].concat()),
        broadcast(&columns.array, &[&front, &[n, k][..]].concat()),
    ];
    let x = decompose(Decomposition::Solve, inputs, &front, &[(a.array.dtype(), &[n, k])]).remove(0);
    let x = a.restored(&x);
    Ok(if b.ndim() == 1 { reshape(&x, &x.shape()[..x.ndim() - 1]) } else { x })
}

/// What singular values have to exceed to count as not 0: `rtol` times the greatest, by default max(n, m)·ε.
fn threshold(s: &Array, n: usize, m: usize, rtol: Option<&Array>) -> Result<Array> {
    let dtype = s.dtype();
    let epsilon = match dtype {
        DType::F16 => half::f16::EPSILON.to_f64(),
        DType::BF16 => half::bf16::EPSILON.to_f64(),
        DType::F32 => f64::from(f32::EPSILON),
        _ => f64::EPSILON,
    };
    let rtol = match rtol {
        Some(rtol) => cast(rtol, dtype),
        None => full(Scalar::Float(n.max(m) as f64 * epsilon), dtype, &[]),
    };
    let greatest = reduce(ReduceOp::Max, s, &[s.ndim() - 1]);
    let threshold = binary(BinaryOp::Multiply, &greatest, &rtol)?;
    Ok(reshape(&threshold, &[threshold.shape(), &[1]].concat()))
}

/// 1/s where s exceeds the threshold, else 0.
fn reciprocals(s: &Array, threshold: &Array) -> Result<Array> {
    let zero = full(Scalar::Float(0.0), s.dtype(), &[]);
    where_(&binary(BinaryOp::Greater, s, threshold)?, &unary(UnaryOp::Reciprocal, s), &zero)
}

/// The pseudo-inverses (Moore and Penrose) of matrices.
///
/// Singular values of at most `rtol` times the greatest count as 0; by default max(n, m)·ε.
///
/// # Shape      a […, n, m] → […, m, n]; rtol is broadcast to the axes in front.
/// # Errors     as [`svd`].
pub fn pinv(a: &Array, rtol: Option<&Array>) -> Result<Array> {
    let (n, m) = matrix_shape("pinv", a)?;
    let dtype = a.dtype().inexact();
    if n == 0 || m == 0 {
        let shape = [&a.shape()[..a.ndim() - 2], &[m, n]].concat();
        return Ok(full(Scalar::Float(0.0), dtype, &shape));
    }
    let a = Inexact::of(a);
    let Svd { u, s, vh } = svd(&a.array, false)?;
    let inverse = reciprocals(&s, &threshold(&s, n, m, rtol)?)?;
    let inverse = cast(&reshape(&inverse, &[inverse.shape(), &[1]].concat()), a.array.dtype());
    let product = matrices(&adjoint(&multiply(&inverse, &vh)?), &adjoint(&u))?;
    Ok(a.restored(&product))
}

/// The ranks of matrices: how many singular values exceed `rtol` times the greatest, by default max(n, m)·ε.
///
/// # Shape      a […, n, m] → […], `int64`; rtol is broadcast to the axes in front.
/// # Errors     as [`svd`].
pub fn matrix_rank(a: &Array, rtol: Option<&Array>) -> Result<Array> {
    let (n, m) = matrix_shape("matrix_rank", a)?;
    if n == 0 || m == 0 {
        return Ok(full(Scalar::Int(0), DType::I64, &a.shape()[..a.ndim() - 2]));
    }
    let a = Inexact::of(a);
    let s = svdvals(&a.array)?;
    let counted = binary(BinaryOp::Greater, &s, &threshold(&s, n, m, rtol)?)?;
    Ok(sum(&cast(&counted, DType::I64), &[counted.ndim() - 1]))
}

/// Multiplies square matrices with themselves; a negative exponent inverts them, 0 gives the identity.
///
/// # Shape      a […, n, n] → the same.
/// # Errors     `LinearAlgebra` where matrices are not square; for negative exponents as [`inv`].
/// # Source     squaring, log₂ of the exponent times.
pub fn matrix_power(a: &Array, exponent: i64) -> Result<Array> {
    let n = square("matrix_power", a)?;
    let mut rest = exponent.unsigned_abs();
    if rest == 0 {
        return Ok(broadcast(&eye(n, n, 0, a.dtype())?, a.shape()));
    }
    let mut square = if exponent < 0 { inv(a)? } else { a.clone() };
    let mut power: Option<Array> = None;
    loop {
        if rest & 1 == 1 {
            power = Some(match power {
                Some(power) => matrices(&power, &square)?,
                None => square.clone(),
            });
        }
        rest >>= 1;
        match power {
            Some(power) if rest == 0 => return Ok(power),
            _ => square = matrices(&square, &square)?,
        }
    }
}

/// What [`lstsq`] finds.
#[derive(Clone, Debug)]
pub struct LeastSquares {
    /// […, m] or […, m, k]: of all best solutions the shortest.
    pub x: Array,
    /// The squared lengths of b - a·x, [] or [k].
    pub residuals: Array,
    /// `int64`, [].
    pub rank: Array,
    /// [min(n, m)], descending.
    pub singular_values: Array,
}

/// Finds x for which a·x is next to b, in the sense of least squares.
///
/// Singular values of at most `rcond` times the greatest count as 0; by default max(n, m)·ε. Unlike NumPy's, residuals are
/// there whatever the rank is.
///
/// # Shape      a [n, m]; b [n] → x [m], or b [n, k] → x [m, k].
/// # Errors     `LinearAlgebra` where `a` is no matrix or `b` does not have as many rows; when computed, as [`svd`].
pub fn lstsq(a: &Array, b: &Array, rcond: Option<f64>) -> Result<LeastSquares> {
    let (n, m) = matrix_shape("lstsq", a)?;
    if a.ndim() != 2 || !matches!(b.ndim(), 1 | 2) || b.shape()[0] != n {
        return Err(Error::linear_algebra(format!(
            "lstsq takes a matrix and as many rows beside it, not shapes {} and {}",
            show_shape(a.shape()),
            show_shape(b.shape())
        )));
    }
    let (a, b) = promoted(a, b);
    let (a, b) = (Inexact::of(&a), Inexact::of(&b).array);
    let columns = reshape(&b, &[n, b.len().checked_div(n).unwrap_or(b.shape().get(1).copied().unwrap_or(1))]);
    let k = columns.shape()[1];
    let rtol = rcond.map(|rcond| full(Scalar::Float(rcond), a.array.dtype().real(), &[]));
    let (x, rank, s) = if n == 0 || m == 0 {
        let zero = |shape: &[usize], dtype| full(Scalar::Float(0.0), dtype, shape);
        (zero(&[m, k], b.dtype()), zero(&[], DType::I64), zero(&[0], b.dtype().real()))
    } else {
        let Svd { u, s, vh } = svd(&a.array, false)?;
        let threshold = threshold(&s, n, m, rtol.as_ref())?;
        let inverse = reciprocals(&s, &threshold)?;
        let along = matrices(&adjoint(&u), &columns)?;
        let scaled = multiply(&cast(&reshape(&inverse, &[s.len(), 1]), along.dtype()), &along)?;
        let counted = cast(&binary(BinaryOp::Greater, &s, &threshold)?, DType::I64);
        (matrices(&adjoint(&vh), &scaled)?, sum(&counted, &[0]), s)
    };
    let off = binary(BinaryOp::Subtract, &columns, &matmul(&a.array, &x)?)?;
    let residuals = sum(&super::norms::squared_magnitudes(&off)?, &[0]);
    let of_vector = b.ndim() == 1;
    let x =
        if of_vector { reshape(&slice(&x, vec![Slice::range(0, m), Slice::range(0, 1)]), &[m]) } else { x };
    let residuals = if of_vector { reshape(&residuals, &[]) } else { residuals };
    Ok(LeastSquares {
        x: a.restored(&x),
        residuals: a.restored(&residuals),
        rank,
        singular_values: a.restored(&s),
    })
}
