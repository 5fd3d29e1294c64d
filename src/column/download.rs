//! Arrow down: arrays made of a column's bytes in host memory.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayData, ArrayRef, BinaryArray, BooleanArray, Decimal128Array, StringArray, make_array,
};
use arrow::buffer::{BooleanBuffer, Buffer, NullBuffer, OffsetBuffer};
use arrow::compute::{cast, take};
use arrow::datatypes::{DataType, SchemaRef};
use arrow::record_batch::{RecordBatch, RecordBatchOptions};

use super::bytes_source::checked_offsets;
use super::storage::Storage;
use crate::{Error, Result};

/// A column's bytes as they came from the device.
pub(crate) struct HostColumn<'a> {
    pub(crate) data_type: &'a DataType,
    pub(crate) storage: Storage,
    pub(crate) values: &'a [u8],
    pub(crate) validity: Option<&'a [u8]>,
    pub(crate) offsets: Option<&'a [u8]>,
    /// What keys stand for.
    pub(crate) dictionary: Option<&'a ArrayRef>,
}

/// Makes a batch of exactly `schema` from `rows` rows of `columns`, copying them.
///
/// A column comes as its field's type even if it is stored as another: strings of any flavour and dictionaries are
/// converted, decimals widened.
///
/// # Errors
/// `bug` where the bytes are no values of the type (not UTF-8, offsets that fall, keys out of range) or a null is in a
/// field that takes none: a kernel wrote them.
pub(crate) fn assemble(schema: &SchemaRef, rows: usize, columns: &[HostColumn<'_>]) -> Result<RecordBatch> {
    let fields = schema.fields();
    let arrays = columns.iter().zip(fields).map(|(column, field)| {
        column
            .array(rows, field.data_type())
            .map_err(|error| error.context(format!("column '{}'", field.name())))
    });
    let arrays = arrays.collect::<Result<Vec<_>>>()?;
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    RecordBatch::try_new_with_options(SchemaRef::clone(schema), arrays, &options)
        .map_err(|error| Error::bug(format!("a downloaded chunk is no batch of its schema: {error}")))
}

impl HostColumn<'_> {
    fn array(&self, rows: usize, target: &DataType) -> Result<ArrayRef> {
        let nulls = self.validity.map(|bits| NullBuffer::new(bit_buffer(bits, rows)));
        let nulls = nulls.filter(|nulls| nulls.null_count() > 0);
        let natural: ArrayRef = match self.storage {
            Storage::Bits => Arc::new(BooleanArray::new(bit_buffer(self.values, rows), nulls)),
            Storage::Bytes => self.bytes(rows, nulls, target)?,
            Storage::Dictionary { key_bytes } => self.keyed(rows, key_bytes, nulls, target)?,
            Storage::I64 if matches!(target, DataType::Decimal128(..)) => {
                let (wide, _) = self.values[..rows * 8].as_chunks::<8>();
                let wide: Vec<i128> =
                    wide.iter().map(|value| i128::from(i64::from_le_bytes(*value))).collect();
                Arc::new(Decimal128Array::new(wide.into(), nulls).with_data_type(target.clone()))
            }
            fixed => fixed_width(fixed, self.values, rows, nulls, target)?,
        };
        if natural.data_type() == target {
            return Ok(natural);
        }
        cast(&natural, target).map_err(|error| Error::bug(format!("stored as {:?}: {error}", self.storage)))
    }

    fn bytes(&self, rows: usize, nulls: Option<NullBuffer>, target: &DataType) -> Result<ArrayRef> {
        let offsets = self.offsets.ok_or_else(|| Error::bug("strings without offsets"))?;
        let (offsets, _) = offsets[..(rows + 1) * 4].as_chunks::<4>();
        let offsets: Vec<i32> = offsets.iter().map(|offset| i32::from_le_bytes(*offset)).collect();
        let offsets = checked_offsets(&offsets, self.values.len())
            .ok_or_else(|| Error::bug("the offsets of strings fall or leave the bytes"))?;
        let values = Buffer::from(&self.values[..offsets.last().map_or(0, |end| *end as usize)]);
        let value_type = match target {
            DataType::Dictionary(_, value_type) => value_type,
            other => other,
        };
        if matches!(value_type, DataType::Binary | DataType::LargeBinary | DataType::BinaryView) {
            return Ok(Arc::new(BinaryArray::new(offsets, values, nulls)));
        }
        match StringArray::try_new(offsets.clone(), values.clone(), nulls.clone()) {
            Ok(strings) => Ok(Arc::new(strings)),
            // What lies beneath nulls is undefined: it may be what is not UTF-8.
            Err(_) if let Some(nulls) = nulls => {
                let (offsets, values) = without_null_bytes(&offsets, &values, &nulls);
                let strings = StringArray::try_new(offsets, values, Some(nulls));
                Ok(Arc::new(strings.map_err(|error| Error::bug(error.to_string()))?))
            }
            Err(error) => Err(Error::bug(error.to_string())),
        }
    }

    fn keyed(
        &self,
        rows: usize,
        key_bytes: u8,
        nulls: Option<NullBuffer>,
        target: &DataType,
    ) -> Result<ArrayRef> {
        let host = self.dictionary.ok_or_else(|| Error::bug("keys without a dictionary"))?;
        if let (DataType::Dictionary(key_type, value_type), true) = (target, self.data_type == target)
            && host.data_type() == value_type.as_ref()
            && key_type.primitive_width() == Some(usize::from(key_bytes))
        {
            let data = ArrayData::builder(target.clone())
                .len(rows)
                .nulls(nulls)
                .add_buffer(Buffer::from(&self.values[..rows * usize::from(key_bytes)]))
                .add_child_data(host.to_data())
                .build()
                .map_err(|error| Error::bug(error.to_string()))?;
            return Ok(make_array(data));
        }
        // Keys are never negative, so unsigned integers of their width read them whatever their type was.
        let (storage, key_type) = match key_bytes {
            1 => (Storage::U8, DataType::UInt8),
            2 => (Storage::U16, DataType::UInt16),
            4 => (Storage::U32, DataType::UInt32),
            _ => (Storage::U64, DataType::UInt64),
        };
        let keys = fixed_width(storage, self.values, rows, nulls, &key_type)?;
        take(host, &keys, Some(arrow::compute::TakeOptions { check_bounds: true }))
            .map_err(|error| Error::bug(format!("dictionary keys: {error}")))
    }
}

fn bit_buffer(bits: &[u8], rows: usize) -> BooleanBuffer {
    BooleanBuffer::new(Buffer::from(&bits[..rows.div_ceil(8)]), 0, rows)
}

fn fixed_width(
    storage: Storage,
    values: &[u8],
    rows: usize,
    nulls: Option<NullBuffer>,
    target: &DataType,
) -> Result<ArrayRef> {
    let width = storage.width().ok_or_else(|| Error::bug(format!("{storage:?} has no width")))?;
    if target.primitive_width() != Some(width) {
        return Err(Error::bug(format!("a column stored as {storage:?} cannot be read as {target}")));
    }
    let data = ArrayData::builder(target.clone())
        .len(rows)
        .nulls(nulls)
        .add_buffer(Buffer::from(&values[..rows * width]))
        .build()
        .map_err(|error| Error::bug(error.to_string()))?;
    Ok(make_array(data))
}

/// Copies strings, leaving nothing beneath nulls.
fn without_null_bytes(
    offsets: &OffsetBuffer<i32>,
    values: &[u8],
    nulls: &NullBuffer,
) -> (OffsetBuffer<i32>, Buffer) {
    let mut kept = Vec::with_capacity(values.len());
    let mut lengths = Vec::with_capacity(nulls.len());
    for (row, range) in offsets.windows(2).enumerate() {
        let bytes = if nulls.is_valid(row) { &values[range[0] as usize..range[1] as usize] } else { &[] };
        kept.extend_from_slice(bytes);
        lengths.push(bytes.len());
    }
    (OffsetBuffer::from_lengths(lengths), Buffer::from_vec(kept))
}
