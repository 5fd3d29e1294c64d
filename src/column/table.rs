//! Columns, chunks and tables in device memory.

use std::sync::Arc;

use arrow::array::ArrayRef;
use arrow::datatypes::{DataType, SchemaRef};

use super::storage::Storage;
use crate::device::DeviceBuffer;
use crate::{Error, Result};

/// A column of one chunk in device memory.
///
/// Every buffer holds a multiple of 16 bytes, at least 16, so that kernels may load 16 bytes at a time up to the last
/// row. Values under nulls are undefined, and so are bits and bytes behind the last row.
#[derive(Clone, Debug)]
pub struct DeviceColumn {
    /// What the values mean.
    pub data_type: DataType,
    /// How they lie.
    pub storage: Storage,
    /// How many there are; buffers may have room for more.
    pub rows: usize,
    /// The values; for [`Storage::Bytes`] the bytes that `offsets` cut, for dictionaries the keys.
    pub values: Arc<DeviceBuffer>,
    /// A bitmap, set where the value is valid; absent where all are.
    pub validity: Option<Arc<DeviceBuffer>>,
    /// For [`Storage::Bytes`]: `rows + 1` offsets of 4 bytes into `values`, from 0.
    pub offsets: Option<Arc<DeviceBuffer>>,
    /// For [`Storage::Dictionary`]: what the keys stand for.
    pub dictionary: Option<Arc<DeviceDictionary>>,
}

impl DeviceColumn {
    /// Makes a column of fixed width (or of bits) from buffers that an operator filled.
    ///
    /// # Errors
    /// `bug` where `storage` takes more than values, or `values` is too short for `rows`.
    pub fn fixed(
        data_type: DataType,
        storage: Storage,
        rows: usize,
        values: DeviceBuffer,
        validity: Option<DeviceBuffer>,
    ) -> Result<DeviceColumn> {
        if matches!(storage, Storage::Bytes | Storage::Dictionary { .. }) {
            return Err(Error::bug(format!("a column stored as {storage:?} needs more than values")));
        }
        DeviceColumn {
            data_type,
            storage,
            rows,
            values: Arc::new(values),
            validity: validity.map(Arc::new),
            offsets: None,
            dictionary: None,
        }
        .checked()
    }

    /// Makes a column of strings or binaries from `rows + 1` offsets of 4 bytes and the bytes that they cut.
    ///
    /// # Errors
    /// `bug` where `offsets` is too short for `rows`.
    pub fn bytes(
        data_type: DataType,
        rows: usize,
        offsets: DeviceBuffer,
        values: DeviceBuffer,
        validity: Option<DeviceBuffer>,
    ) -> Result<DeviceColumn> {
        DeviceColumn {
            data_type,
            storage: Storage::Bytes,
            rows,
            values: Arc::new(values),
            validity: validity.map(Arc::new),
            offsets: Some(Arc::new(offsets)),
            dictionary: None,
        }
        .checked()
    }

    /// Makes a column of keys, each of `key_bytes` bytes, into `dictionary`. Keys of valid rows must be in range,
    /// and none may be negative.
    ///
    /// # Errors
    /// `bug` where `keys` is too short for `rows`.
    pub fn dictionary(
        data_type: DataType,
        key_bytes: u8,
        rows: usize,
        keys: DeviceBuffer,
        dictionary: Arc<DeviceDictionary>,
        validity: Option<DeviceBuffer>,
    ) -> Result<DeviceColumn> {
        DeviceColumn {
            data_type,
            storage: Storage::Dictionary { key_bytes },
            rows,
            values: Arc::new(keys),
            validity: validity.map(Arc::new),
            offsets: None,
            dictionary: Some(dictionary),
        }
        .checked()
    }

    /// Returns the same buffers under another type of the same layout, such as an integer for a date.
    pub fn with_data_type(mut self, data_type: DataType) -> DeviceColumn {
        self.data_type = data_type;
        self
    }

    /// Bytes of device memory that the column takes, its dictionary included.
    pub fn device_bytes(&self) -> usize {
        let dictionary = self.dictionary.iter().flat_map(|d| [&d.values, &d.offsets]);
        self.buffers().chain(dictionary).map(|buffer| buffer.capacity()).sum()
    }

    /// Whether the context that the column lives in was not lost since.
    pub fn is_alive(&self) -> bool {
        self.values.is_alive()
    }

    /// The column's own buffers, without those of its dictionary.
    pub(crate) fn buffers(&self) -> impl Iterator<Item = &Arc<DeviceBuffer>> {
        [Some(&self.values), self.validity.as_ref(), self.offsets.as_ref()].into_iter().flatten()
    }

    fn checked(self) -> Result<DeviceColumn> {
        let values = match self.storage {
            Storage::Bits => self.rows.div_ceil(8),
            Storage::Bytes => 0,
            fixed => self.rows * fixed.width().unwrap_or(0),
        };
        let holds = |what: &str, buffer: Option<&Arc<DeviceBuffer>>, need: usize| match buffer {
            Some(buffer) if buffer.capacity() < need => Err(Error::bug(format!(
                "a column of {} rows stored as {:?}: {what} needs {need} bytes, the buffer has {}",
                self.rows,
                self.storage,
                buffer.capacity()
            ))),
            _ => Ok(()),
        };
        holds("values", Some(&self.values), values)?;
        holds("validity", self.validity.as_ref(), self.rows.div_ceil(8))?;
        holds("offsets", self.offsets.as_ref(), (self.rows + 1) * size_of::<i32>())?;
        Ok(self)
    }
}

/// The distinct values that a column's keys stand for, none of them null and no two alike.
///
/// They are few, so the host keeps them too: an operator can evaluate a predicate on them there, and a download does
/// not fetch them.
#[derive(Debug)]
pub struct DeviceDictionary {
    /// The values' bytes.
    pub values: Arc<DeviceBuffer>,
    /// `len + 1` offsets of 4 bytes into `values`.
    pub offsets: Arc<DeviceBuffer>,
    /// How many values there are.
    pub len: usize,
    /// The same values on the host, of the dictionary's value type.
    pub host: ArrayRef,
}

/// Some rows of a table in device memory.
#[derive(Clone, Debug)]
pub struct DeviceChunk {
    /// Names and types; what a download answers.
    pub schema: SchemaRef,
    /// One per field.
    pub columns: Vec<Arc<DeviceColumn>>,
    /// Rows of every column.
    pub rows: usize,
}

impl DeviceChunk {
    /// Puts columns together.
    ///
    /// # Errors
    /// `bug` where their number is not the schema's, or one has another number of rows.
    pub fn new(schema: SchemaRef, columns: Vec<Arc<DeviceColumn>>, rows: usize) -> Result<DeviceChunk> {
        if schema.fields().len() != columns.len() || columns.iter().any(|column| column.rows != rows) {
            return Err(Error::bug(format!(
                "a chunk of {rows} rows and {} fields from columns of {:?} rows",
                schema.fields().len(),
                columns.iter().map(|column| column.rows).collect::<Vec<_>>()
            )));
        }
        Ok(DeviceChunk { schema, columns, rows })
    }

    /// Bytes of device memory that the columns take; a dictionary that columns share counts with each.
    pub fn device_bytes(&self) -> usize {
        self.columns.iter().map(|column| column.device_bytes()).sum()
    }

    /// Whether the context that the chunk lives in was not lost since.
    pub fn is_alive(&self) -> bool {
        self.columns.iter().all(|column| column.is_alive())
    }
}

/// A table in device memory.
#[derive(Clone, Debug)]
pub struct DeviceTable {
    /// Names and types of every chunk.
    pub schema: SchemaRef,
    /// The rows, in order.
    pub chunks: Vec<Arc<DeviceChunk>>,
}

impl DeviceTable {
    /// Rows of all chunks.
    pub fn rows(&self) -> usize {
        self.chunks.iter().map(|chunk| chunk.rows).sum()
    }

    /// Bytes of device memory that the chunks take.
    pub fn device_bytes(&self) -> usize {
        self.chunks.iter().map(|chunk| chunk.device_bytes()).sum()
    }
}
