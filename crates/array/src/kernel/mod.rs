//! The CPU's kernels: typed loops over strided memory, one file a family. They know nothing of graphs.

pub mod elementwise;
pub mod fft;
pub mod linalg;
pub mod matmul;
pub mod random;
pub mod reduce;
pub mod scan;
pub mod sort;
mod vectors;
