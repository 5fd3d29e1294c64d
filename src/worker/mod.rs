//! One worker per device: a thread that owns the device's context, streams, memory, and the chunks kept there.
//!
//! Work comes to it as closures over a [`Task`], which is all that operators see of a device. A panic or a device
//! fault fails the task that it happens in; the worker makes a new context and goes on. Knows nothing of plans or
//! programs.

mod cancel;
mod dictionaries;
mod engine;
mod kernels;
mod resident;
mod spill;
mod stats;
mod store;
mod stored_buffer;
mod task;
mod tier_limits;
mod timeline;
mod transfer;
mod workers;

pub use cancel::CancelToken;
pub use kernels::Kernel;
pub use resident::ResidentInfo;
pub use stats::{TaskStats, TierTraffic};
pub use store::StoredChunk;
pub use stored_buffer::StoredBuffer;
pub use task::Task;
pub use workers::{Worker, Workers};
