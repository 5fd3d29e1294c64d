//! One worker per device: a thread that owns the device's context, streams, memory and resident tables.
//!
//! Work comes to it as closures over a [`Task`], which is all that operators see of a device. A panic or a device
//! fault fails the task that it happens in; the worker makes a new context and goes on. Knows nothing of plans or
//! programs.

mod cancel;
mod engine;
mod kernels;
mod residents;
mod stats;
mod task;
mod timeline;
mod transfer;
mod workers;

pub use cancel::CancelToken;
pub use kernels::Kernel;
pub use residents::ResidentInfo;
pub use stats::TaskStats;
pub use task::Task;
pub use workers::{Worker, Workers};
