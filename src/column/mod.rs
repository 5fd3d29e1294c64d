//! Device columns and tables; Arrow up and down.
//!
//! Knows Arrow and device memory; knows nothing of plans or programs.
//!
//! Up: [`StagedChunk::stage`] lays Arrow batches out in pinned host memory the way the device wants them (on any host
//! thread), and a worker's task copies that over. Down: the task copies into pinned memory and [`HostChunk`] makes
//! Arrow arrays of it. Both halves are plain functions over byte slices, tested without a device.

mod dictionary;
mod download;
mod stage;
mod storage;
mod table;

pub use download::HostChunk;
pub use stage::{CHUNK_ROWS_MAX, StagedChunk, StagedColumn, StagedDictionary};
pub use storage::Storage;
pub use table::{DeviceChunk, DeviceColumn, DeviceDictionary, DeviceTable};
