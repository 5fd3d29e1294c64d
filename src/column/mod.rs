//! Device columns and tables; Arrow up and down.
//!
//! Knows Arrow and device memory; knows nothing of plans or programs.
//!
//! Up: [`StagedChunk::stage`] lays Arrow batches out in pinned host memory the way the device wants them (on any host
//! thread), and a worker's task copies that over. Down: the task copies into pinned memory and `assemble` makes
//! Arrow arrays of it. Both halves are plain functions over byte slices, tested without a device.
//!
//! Aside: a [`ChunkImage`] says how a chunk's buffers lie one behind the other in memory of another kind, as they are.

mod bytes_source;
mod dictionary;
mod download;
mod image;
mod stage;
mod storage;
mod table;

pub(crate) use dictionary::MergedDictionary;
pub(crate) use download::{HostColumn, assemble};
pub use image::ChunkImage;
pub use stage::{CHUNK_ROWS_MAX, StagedChunk};
pub(crate) use stage::{StagedColumn, stage_dictionary};
pub use storage::Storage;
pub use table::{DeviceChunk, DeviceColumn, DeviceDictionary, DeviceTable};
