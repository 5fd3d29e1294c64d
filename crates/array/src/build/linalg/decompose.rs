//! Factorizations of matrices: Cholesky, QR, singular values, eigenvalues.
//!
//! Integers and booleans are taken as `float64`; of `float16` and `bfloat16` matrices, which are decomposed in `float32`,
//! the results are rounded back.

use super::nodes::{adjoint, transpose};
use super::operator::Inexact;
use super::{matrix_shape, square, tall};
use crate::error::Result;
use crate::graph::Array;
use crate::kernel::linalg::Decomposition;

/// Factors Hermitian positive definite matrices: a = L·Lᴴ, or Uᴴ·U.
///
/// Of `a`, the lower triangle is read, for `upper` the upper one.
///
/// # Shape      a […, n, n] → the same.
/// # Errors     `LinearAlgebra` where matrices are not square; when computed, where one is not positive definite.
pub fn cholesky(a: &Array, upper: bool) -> Result<Array> {
    let n = square("cholesky", a)?;
    let a = Inexact::of(a);
    let output = (a.array.dtype(), &[n, n][..]);
    Ok(a.decompose(Decomposition::Cholesky { upper }, &[output]).remove(0))
}

/// Q with orthonormal columns and R upper triangular, a = Q·R.
#[derive(Clone, Debug)]
pub struct Qr {
    pub q: Array,
    pub r: Array,
}

/// Factors matrices into Q·R by Householder reflections.
///
/// A single matrix of many rows is factored block of rows by block of rows (Demmel et al. 2012), so that it never
/// lies whole in memory.
///
/// # Shape      a […, n, m] → q […, n, k], r […, k, m], k = min(n, m); `complete` makes k = n.
/// # NaN        spreads.
/// # Errors     `LinearAlgebra` for arrays of fewer than two axes.
pub fn qr(a: &Array, complete: bool) -> Result<Qr> {
    let (n, m) = matrix_shape("qr", a)?;
    let a = Inexact::of(a);
    let dtype = a.array.dtype();
    if !complete && let Some(blocks) = tall::Blocks::of(&a.array) {
        let Qr { q, r } = blocks.qr();
        return Ok(Qr { q: a.restored(&q), r: a.restored(&r) });
    }
    let k = if complete { n } else { n.min(m) };
    let outputs = [(dtype, &[n, k][..]), (dtype, &[k, m][..])];
    let mut made = a.decompose(Decomposition::Qr { complete }, &outputs);
    let r = made.remove(1);
    Ok(Qr { q: made.remove(0), r })
}

/// a = U·diag(s)·Vᴴ: U and V with orthonormal columns, s real, not negative and descending.
#[derive(Clone, Debug)]
pub struct Svd {
    pub u: Array,
    pub s: Array,
    pub vh: Array,
}

/// Decomposes matrices into singular vectors and values.
///
/// # Shape      a […, n, m] → u […, n, k], s […, k], vh […, k, m], k = min(n, m); with `full_matrices` u […, n, n] and
/// vh […, m, m].
/// # Errors     `LinearAlgebra` for arrays of fewer than two axes; when computed, where there is NaN or an infinity.
/// # Source     QR first where one side is much longer (Chan 1982), of single matrices by blocks of rows.
pub fn svd(a: &Array, full_matrices: bool) -> Result<Svd> {
    let (n, m) = matrix_shape("svd", a)?;
    let a = Inexact::of(a);
    let dtype = a.array.dtype();
    if !full_matrices && let Some(blocks) = tall::Blocks::of(&a.array) {
        let Svd { u, s, vh } = blocks.svd();
        return Ok(Svd { u: a.restored(&u), s: a.restored(&s), vh: a.restored(&vh) });
    }
    if !full_matrices && let Some(blocks) = tall::Blocks::of(&transpose(&a.array)) {
        // aᵀ = U·S·Vᴴ, so a = conj(V)·S·Uᵀ.
        let Svd { u, s, vh } = blocks.svd();
        return Ok(Svd { u: a.restored(&transpose(&vh)), s: a.restored(&s), vh: a.restored(&transpose(&u)) });
    }
    let k = n.min(m);
    let (left, right) = if full_matrices { (n, m) } else { (k, k) };
    let outputs = [(dtype, &[n, left][..]), (dtype.real(), &[k][..]), (dtype, &[right, m][..])];
    let mut made = a.decompose(Decomposition::Svd { full: full_matrices }, &outputs);
    let (vh, s) = (made.remove(2), made.remove(1));
    Ok(Svd { u: made.remove(0), s, vh })
}

/// The singular values of matrices, descending.
///
/// # Shape      a […, n, m] → […, min(n, m)].
/// # Errors     as [`svd`].
pub fn svdvals(a: &Array) -> Result<Array> {
    let (n, m) = matrix_shape("svdvals", a)?;
    let mut a = Inexact::of(a);
    if let Some(blocks) = tall::Blocks::of(&a.array).or_else(|| tall::Blocks::of(&transpose(&a.array))) {
        a.array = blocks.r();
    }
    let output = (a.array.dtype().real(), &[n.min(m)][..]);
    Ok(a.decompose(Decomposition::SingularValues, &[output]).remove(0))
}

/// Eigenvalues, and a matrix whose columns are the eigenvectors, of length 1.
#[derive(Clone, Debug)]
pub struct Eigen {
    pub values: Array,
    pub vectors: Array,
}

/// Decomposes Hermitian matrices, of which the lower triangle is read: a·v = v·diag(w), w real and ascending.
///
/// # Shape      a […, n, n] → values […, n], vectors […, n, n].
/// # NaN        a matrix with NaN or infinities has NaN for all values and vectors.
/// # Errors     `LinearAlgebra` where matrices are not square; when computed, where the iteration does not converge.
pub fn eigh(a: &Array) -> Result<Eigen> {
    let n = square("eigh", a)?;
    let a = Inexact::of(a);
    let dtype = a.array.dtype();
    let outputs = [(dtype.real(), &[n][..]), (dtype, &[n, n][..])];
    let mut made = a.decompose(Decomposition::SelfAdjointEigen, &outputs);
    let vectors = made.remove(1);
    Ok(Eigen { values: made.remove(0), vectors })
}

/// The eigenvalues of Hermitian matrices, real and ascending; see [`eigh`].
///
/// # Errors
/// As [`eigh`].
pub fn eigvalsh(a: &Array) -> Result<Array> {
    let n = square("eigvalsh", a)?;
    let a = Inexact::of(a);
    let output = (a.array.dtype().real(), &[n][..]);
    Ok(a.decompose(Decomposition::SelfAdjointEigenvalues, &[output]).remove(0))
}

/// Decomposes square matrices: a·v = v·diag(w). Values and vectors are complex always, whatever the values are.
///
/// # Shape      a […, n, n] → values […, n], vectors […, n, n]; in no particular order.
/// # Errors     `LinearAlgebra` where matrices are not square; when computed, where there is NaN or an infinity, or the
/// iteration does not converge.
pub fn eig(a: &Array) -> Result<Eigen> {
    let n = square("eig", a)?;
    let a = Inexact::of(a);
    let dtype = a.array.dtype().complex();
    let mut made = a.decompose(Decomposition::Eigen, &[(dtype, &[n][..]), (dtype, &[n, n][..])]);
    let vectors = made.remove(1);
    Ok(Eigen { values: made.remove(0), vectors })
}

/// The eigenvalues of square matrices, complex always; see [`eig`].
///
/// # Errors
/// As [`eig`].
pub fn eigvals(a: &Array) -> Result<Array> {
    let n = square("eigvals", a)?;
    let a = Inexact::of(a);
    let dtype = a.array.dtype().complex();
    Ok(a.decompose(Decomposition::Eigenvalues, &[(dtype, &[n][..])]).remove(0))
}

/// The conjugate transpose of matrices.
///
/// # Errors
/// `LinearAlgebra` for arrays of fewer than two axes.
pub fn matrix_adjoint(a: &Array) -> Result<Array> {
    matrix_shape("matrix_adjoint", a)?;
    Ok(adjoint(a))
}
