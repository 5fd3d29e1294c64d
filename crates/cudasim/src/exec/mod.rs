//! Runs kernels on CPU threads. Knows nothing of devices, streams or memory: a [`KernelRun`] goes in,
//! and its end or its first [`Fault`] comes out.

pub mod abi;
mod block;
pub mod fault;
mod fiber;
mod launch;
mod runtime;
mod warp;

pub use abi::Dim3;
pub use fault::{Fault, FaultKind};
pub use launch::{KernelRun, SharedLayout, set_threads, set_timeout};
pub use runtime::RUNTIME;
