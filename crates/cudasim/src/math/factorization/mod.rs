//! Factorizations of dense matrices, plainly: they are LAPACK's in what they answer, not in how they get there.

pub mod cholesky;
pub mod eigen;
pub mod lu;
pub mod qr;
pub mod svd;

/// How often iterations go over all pairs of columns before they give up.
const SWEEPS_MAX: usize = 60;
