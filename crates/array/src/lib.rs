//! Lazy n-dimensional arrays: what an array expression is, by which rules it is typed and shaped, how it is cut into
//! stages, and the kernels that run it on a CPU.
//!
//! This crate is pure: it knows neither DataFusion nor devices. `swath::plan` puts its graphs into query plans and its
//! stages on devices.
//!
//! | module | what lives there |
//! |---|---|
//! | [`error`] | the error type, with the kinds that NumPy's users know |
//! | [`dtype`] | data types, promotion, scalars |
//! | [`tensor`] | strided n-dimensional values in host memory |
//! | [`graph`] | array expressions as data |
//! | [`build`] | the functions that make them, with their rules of shape and type: one file a family |
//! | [`program`] | fused elementwise programs: what one kernel does at each element |
//! | [`kernel`] | the CPU's kernels: one file a family |
//! | [`run`] | stages, regions, memory: evaluation on the CPU |
//! | [`storage`] | npy, npz, Zarr, safetensors |

pub mod build;
pub mod dtype;
pub mod error;
pub mod graph;
pub mod kernel;
pub mod program;
pub mod run;
pub mod storage;
pub mod tensor;

pub use dtype::{DType, Scalar};
pub use error::{Error, ErrorKind, Result};
pub use graph::Array;
pub use tensor::Tensor;
