//! Linear algebra: products, decompositions, solvers, norms.
//!
//! Matrices are the last two axes; the axes in front are batches, and may be cut into blocks anywhere.

mod nodes;
mod products;

pub use products::{matmul, matrix_transpose, outer, tensordot, vecdot};

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
