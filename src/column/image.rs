//! A chunk's bytes as they lie on the device, for memory of another kind: what spilling copies down and back up.
//!
//! Nothing is converted: each buffer is copied as it is, as far as rows reach. Dictionaries are not copied down at all,
//! because the host keeps their values anyway.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use arrow::array::ArrayRef;
use arrow::datatypes::{DataType, SchemaRef};

use super::storage::Storage;
use super::table::{DeviceChunk, DeviceColumn, DeviceDictionary};
use crate::device::DeviceBuffer;
use crate::{Error, Result};

/// What buffers are multiples of, and at least.
const GRANULE_BYTES: usize = 16;

/// Where each buffer of a chunk lies in its image, and how the chunk is put together again.
#[derive(Clone, Debug)]
pub struct ChunkImage {
    schema: SchemaRef,
    rows: usize,
    /// One for each distinct column.
    columns: Vec<ImageColumn>,
    /// For each field its place in `columns`: fields may share a column.
    fields: Vec<usize>,
    /// For each distinct buffer its bytes in the image, without gaps.
    buffers: Vec<Range<usize>>,
}

#[derive(Clone, Debug)]
struct ImageColumn {
    data_type: DataType,
    storage: Storage,
    /// Places in [`ChunkImage::buffers`]: columns may share a buffer.
    values: usize,
    validity: Option<usize>,
    offsets: Option<usize>,
    /// The dictionary's values.
    dictionary: Option<ArrayRef>,
}

impl ChunkImage {
    /// Plans the image of `chunk`; answers the buffers to copy from too, in the order of
    /// [`buffers`](ChunkImage::buffers).
    ///
    /// # Memory     fixed-width buffers are cut behind their last row; the bytes of strings are copied whole, because
    /// only the device knows where they end.
    pub fn of(chunk: &DeviceChunk) -> (ChunkImage, Vec<Arc<DeviceBuffer>>) {
        let mut plan = Plan::default();
        let mut columns: Vec<ImageColumn> = Vec::new();
        let mut seen: BTreeMap<*const DeviceColumn, usize> = BTreeMap::new();
        let mut fields = Vec::with_capacity(chunk.columns.len());
        for column in &chunk.columns {
            let place = *seen.entry(Arc::as_ptr(column)).or_insert(columns.len());
            if place == columns.len() {
                columns.push(plan.column(column));
            }
            fields.push(place);
        }
        let mut end = 0;
        let ranges = plan.lens.iter().map(|len| {
            let range = end..end + len;
            end = range.end;
            range
        });
        let buffers = ranges.collect();
        let schema = SchemaRef::clone(&chunk.schema);
        (ChunkImage { schema, rows: chunk.rows, columns, fields, buffers }, plan.sources)
    }

    /// Bytes of the whole image.
    pub fn bytes(&self) -> usize {
        self.buffers.last().map_or(0, |range| range.end)
    }

    /// Where each buffer lies in the image.
    pub fn buffers(&self) -> &[Range<usize>] {
        &self.buffers
    }

    /// The parts of buffers that lie in `window` of the image: for each the buffer's place, where in the buffer the
    /// part begins, and where it lies within the window.
    pub fn parts(&self, window: Range<usize>) -> impl Iterator<Item = (usize, usize, Range<usize>)> {
        let first = self.buffers.partition_point(|range| range.end <= window.start);
        let buffers = self.buffers.iter().enumerate().skip(first);
        buffers.take_while(move |(_, range)| range.start < window.end).map(move |(place, range)| {
            let (start, end) = (range.start.max(window.start), range.end.min(window.end));
            (place, start - range.start, start - window.start..end - window.start)
        })
    }

    /// Puts the chunk together from buffers that the image was copied to; `dictionary` answers the device form of a
    /// dictionary's values.
    ///
    /// # Errors
    /// `bug` where there are too few buffers; what `dictionary` answers.
    pub fn rebuild(
        &self,
        buffers: &[Arc<DeviceBuffer>],
        mut dictionary: impl FnMut(&ArrayRef) -> Result<Arc<DeviceDictionary>>,
    ) -> Result<DeviceChunk> {
        let buffer = |place: usize| {
            buffers.get(place).map(Arc::clone).ok_or_else(|| Error::bug("a chunk's image lacks a buffer"))
        };
        let mut column = |column: &ImageColumn| {
            Ok(Arc::new(DeviceColumn {
                data_type: column.data_type.clone(),
                storage: column.storage,
                rows: self.rows,
                values: buffer(column.values)?,
                validity: column.validity.map(buffer).transpose()?,
                offsets: column.offsets.map(buffer).transpose()?,
                dictionary: column.dictionary.as_ref().map(&mut dictionary).transpose()?,
            }))
        };
        let distinct: Vec<Arc<DeviceColumn>> = self.columns.iter().map(&mut column).collect::<Result<_>>()?;
        let columns = self.fields.iter().map(|place| Arc::clone(&distinct[*place])).collect();
        DeviceChunk::new(SchemaRef::clone(&self.schema), columns, self.rows)
    }
}

/// Collects the distinct buffers of a chunk, and how much of each is copied.
#[derive(Default)]
struct Plan {
    sources: Vec<Arc<DeviceBuffer>>,
    lens: Vec<usize>,
    seen: BTreeMap<*const DeviceBuffer, usize>,
}

impl Plan {
    fn column(&mut self, column: &DeviceColumn) -> ImageColumn {
        let rows = column.rows;
        let values = match column.storage {
            Storage::Bits => rows.div_ceil(8),
            Storage::Bytes => usize::MAX,
            fixed => rows * fixed.width().unwrap_or(GRANULE_BYTES),
        };
        ImageColumn {
            data_type: column.data_type.clone(),
            storage: column.storage,
            values: self.buffer(&column.values, values),
            validity: column.validity.as_ref().map(|buffer| self.buffer(buffer, rows.div_ceil(8))),
            offsets: column.offsets.as_ref().map(|buffer| self.buffer(buffer, (rows + 1) * size_of::<i32>())),
            dictionary: column.dictionary.as_ref().map(|dictionary| ArrayRef::clone(&dictionary.host)),
        }
    }

    /// Notes that the first `need` bytes of `buffer` are wanted, as far as it has them.
    fn buffer(&mut self, buffer: &Arc<DeviceBuffer>, need: usize) -> usize {
        let granules = need.max(1).checked_next_multiple_of(GRANULE_BYTES).unwrap_or(usize::MAX);
        let len = granules.min(buffer.capacity());
        let place = *self.seen.entry(Arc::as_ptr(buffer)).or_insert(self.sources.len());
        if place == self.sources.len() {
            self.sources.push(Arc::clone(buffer));
            self.lens.push(len);
        }
        self.lens[place] = self.lens[place].max(len);
        place
    }
}
