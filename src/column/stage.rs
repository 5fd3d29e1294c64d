//! Arrow up: batches laid out in pinned host memory the way the device wants them.

use arrow::array::ArrayRef;
use arrow::datatypes::{DataType, SchemaRef};
use arrow::record_batch::RecordBatch;
use std::ops::Range;

use super::storage::Storage;
use crate::Result;
use crate::memory::{PinnedLease, PinnedPool};

/// Rows of the largest chunk: kernels count rows of a chunk in 32 bits, signed.
pub const CHUNK_ROWS_MAX: usize = i32::MAX as usize;

/// Rows laid out in pinned memory, ready to be copied to a device.
#[derive(Debug)]
pub struct StagedChunk {
    pub(crate) schema: SchemaRef,
    pub(crate) rows: usize,
    pub(crate) columns: Vec<StagedColumn>,
    /// Everything, each part at a multiple of 16 bytes.
    pub(crate) memory: PinnedLease,
}

/// Where a column's parts lie in the chunk's memory.
#[derive(Debug)]
pub struct StagedColumn {
    pub(crate) data_type: DataType,
    pub(crate) storage: Storage,
    pub(crate) values: Range<usize>,
    pub(crate) validity: Option<Range<usize>>,
    pub(crate) offsets: Option<Range<usize>>,
    pub(crate) dictionary: Option<StagedDictionary>,
}

/// Where a dictionary's parts lie in the chunk's memory.
#[derive(Debug)]
pub struct StagedDictionary {
    pub(crate) values: Range<usize>,
    pub(crate) offsets: Range<usize>,
    pub(crate) host: ArrayRef,
}

#[allow(unused_variables)]
impl StagedChunk {
    /// Lays `batches`, all of `schema`, out as one chunk.
    ///
    /// # Errors
    /// `unsupported` where devices do not take a column's type, or a chunk would exceed 2³¹−1 rows or bytes of
    /// strings in a column; `user` where a decimal has more digits than its type says, naming column and row.
    pub fn stage(schema: &SchemaRef, batches: &[RecordBatch], pool: &PinnedPool) -> Result<StagedChunk> {
        todo!()
    }

    /// Lays `batches` out as few chunks as hold them.
    ///
    /// # Errors
    /// As [`stage`](StagedChunk::stage), but for sizes.
    pub fn stage_all(
        schema: &SchemaRef,
        batches: &[RecordBatch],
        pool: &PinnedPool,
    ) -> Result<Vec<StagedChunk>> {
        todo!()
    }

    /// Rows there are.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Bytes that will be copied, which is what the chunk will take on the device.
    pub fn bytes(&self) -> usize {
        self.memory.len()
    }
}
