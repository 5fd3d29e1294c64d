//! Linear algebra: products, decompositions, solvers, norms.
//!
//! Matrices are the last two axes; the axes in front are batches, and may be cut into blocks anywhere.

mod decompose;
mod diagonal;
mod einsum;
mod nodes;
mod norms;
mod operator;
mod products;
mod solve;
mod tall;

pub use decompose::{
    Eigen, Qr, Svd, cholesky, eig, eigh, eigvals, eigvalsh, matrix_adjoint, qr, svd, svdvals,
};
pub use diagonal::{diagonal, trace};
pub use einsum::einsum;
pub use norms::{MatrixOrder, matrix_norm, vector_norm};
pub use products::{cross, kron, matmul, matrix_transpose, multi_dot, outer, tensordot, vecdot};
pub use solve::{
    LeastSquares, SignAndLogarithm, det, inv, lstsq, matrix_power, matrix_rank, pinv, slogdet, solve,
};

use crate::error::{Error, Result, show_shape};
use crate::graph::Array;

/// Rows and columns of the matrices that an array holds.
///
/// # Errors
/// `LinearAlgebra` for arrays of fewer than two axes.
fn matrix_shape(function: &str, x: &Array) -> Result<(usize, usize)> {
    match x.shape() {
        &[.., n, m] => Ok((n, m)),
        shape => Err(Error::linear_algebra(format!(
            "{function} takes matrices: at least two axes, not shape {}",
            show_shape(shape)
        ))),
    }
}

/// The side of the square matrices that an array holds.
///
/// # Errors
/// `LinearAlgebra` where they are not square, or no matrices.
fn square(function: &str, x: &Array) -> Result<usize> {
    let (n, m) = matrix_shape(function, x)?;
    if n != m {
        return Err(Error::linear_algebra(format!(
            "{function} takes square matrices, not shape {}",
            show_shape(x.shape())
        )));
    }
    Ok(n)
}

#[cfg(test)]
mod tests;
