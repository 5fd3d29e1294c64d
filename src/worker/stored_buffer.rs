//! Single buffers in the store, such as the parts of a join table: each is kept as a chunk of one column of bytes.

use std::sync::{Arc, LazyLock};

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};

use super::store::StoredChunk;
use super::task::Task;
use crate::column::{DeviceChunk, DeviceColumn, Storage};
use crate::device::DeviceBuffer;
use crate::memory::Tier;
use crate::{Error, Result};

static SCHEMA: LazyLock<SchemaRef> =
    LazyLock::new(|| Arc::new(Schema::new(vec![Field::new("bytes", DataType::UInt8, false)])));

/// A buffer that a worker keeps, as it keeps a [`StoredChunk`]. Cheap to clone.
#[derive(Clone, Debug)]
pub struct StoredBuffer(StoredChunk);

impl StoredBuffer {
    /// Where the buffer lies now; `None` where it was lost with the device's context.
    pub fn tier(&self) -> Option<Tier> {
        self.0.tier()
    }
}

impl Task<'_> {
    /// Keeps `buffer` as [`store`](Task::store) keeps a chunk: as long as nobody holds it, it may be moved off the
    /// device to make room, with what was last written to it.
    ///
    /// # Errors
    /// A device fault.
    pub fn store_buffer(&mut self, buffer: DeviceBuffer) -> Result<StoredBuffer> {
        let bytes = buffer.capacity();
        let column = DeviceColumn::fixed(DataType::UInt8, Storage::U8, bytes, buffer, None)?;
        let chunk = DeviceChunk::new(SchemaRef::clone(&SCHEMA), vec![Arc::new(column)], bytes)?;
        self.store(chunk).map(StoredBuffer)
    }

    /// Returns a stored buffer, on the device, of the capacity that it had. As long as the answer is held, it stays
    /// there.
    ///
    /// # Errors
    /// As [`fetch`](Task::fetch).
    pub fn fetch_buffer(&mut self, stored: &StoredBuffer) -> Result<Arc<DeviceBuffer>> {
        let chunk = self.fetch(&stored.0)?;
        let column = chunk.columns.first().ok_or_else(|| Error::bug("a stored buffer is a column"))?;
        Ok(Arc::clone(&column.values))
    }
}
