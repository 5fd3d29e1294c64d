//! One GPU: context, streams, events, memory, modules, run-time compilation and its cache on disk, and
//! cuBLAS, cuSOLVER and cuFFT where they are installed.
//!
//! The only module that names cudarc, or CUDA at all. Everything above asks it through safe types: a buffer frees
//! itself in stream order, a result code becomes an [`Error`](crate::Error), and a missing or old driver is an
//! error too, never a panic. It decides nothing: what is allocated, when, and in which order streams wait is up to
//! [`worker`](crate::worker).
//!
//! There is no default stream and no current device here: both are arguments.

mod bandwidth;
mod blas;
mod buffer;
mod compile;
mod context;
mod driver;
mod fft;
mod kernel_cache;
mod library;
mod math_library;
mod module;
mod probe;
mod solver;
mod stream;

pub use bandwidth::{CopyBandwidth, TransferBandwidth, copy_bandwidth, transfer_bandwidth};
pub use blas::{BLAS_WORKSPACE_BYTES, Blas, Gemm, GemmMatrix, GemmType, LuBatch, LuStep};
pub use buffer::{DeviceBuffer, PinnedBuffer};
pub use compile::{Architecture, Image, KernelSource, compile};
pub use context::{Device, DeviceInfo, devices};
pub use fft::{FFT_ALIGNMENT, Fft, FftKind, FftRows};
pub use kernel_cache::{CacheOutcome, KernelCache};
pub use library::available;
pub use math_library::MathLibrary;
pub use module::{Function, Module, launch_count};
pub use probe::{DriverReport, cpu_cores, probe};
pub use solver::{Solver, SolverStep, SolverType, SolverWorkspace, SvdVectors};
pub use stream::{Event, Stream};
