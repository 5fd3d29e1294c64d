//! The functions that make array expressions: one file a family, with its rules of shape and type.
//!
//! They check everything that can be checked without values, and compute nothing. Those whose shape depends on values
//! take a [`Runner`](crate::run::Runner) and compute their input at once; their documentation says so.

pub mod axis;
pub mod blocks;
pub mod creation;
pub mod elementwise;
pub mod fft;
pub mod index;
pub mod linalg;
pub mod manipulate;
pub mod random;
pub mod reduce;
pub mod scan;
pub mod sort;
pub mod unique;
