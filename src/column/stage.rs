//! Arrow up: batches laid out in pinned host memory the way the device wants them.

use std::ops::Range;

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::buffer::{BooleanBuffer, NullBuffer};
use arrow::datatypes::{DataType, Decimal128Type, SchemaRef};
use arrow::record_batch::RecordBatch;
use arrow::util::bit_mask::set_bits;

use super::bytes_source::BytesSource;
use super::dictionary::MergedDictionary;
use super::download::{HostColumn, assemble};
use super::storage::Storage;
use crate::memory::{PinnedLease, PinnedPool};
use crate::{Error, Result};

/// Rows of the largest chunk: kernels count a chunk's rows in 31 bits.
pub const CHUNK_ROWS_MAX: usize = i32::MAX as usize;
/// Bytes of strings of one column in the largest chunk: offsets have 31 bits.
const COLUMN_BYTES_MAX: usize = i32::MAX as usize;
/// Where a part of a chunk's memory may begin.
const PART_ALIGNMENT_BYTES: usize = 16;

/// Rows laid out in pinned memory, ready to be copied to a device.
#[derive(Debug)]
pub struct StagedChunk {
    pub(crate) schema: SchemaRef,
    pub(crate) rows: usize,
    pub(crate) columns: Vec<StagedColumn>,
    /// Every part of every column, each at a multiple of 16 bytes.
    pub(crate) memory: PinnedLease,
}

/// Where a column's parts lie in its chunk's memory.
#[derive(Debug)]
pub(crate) struct StagedColumn {
    pub(crate) data_type: DataType,
    pub(crate) storage: Storage,
    pub(crate) values: Range<usize>,
    pub(crate) validity: Option<Range<usize>>,
    pub(crate) offsets: Option<Range<usize>>,
    pub(crate) dictionary: Option<StagedDictionary>,
}

/// Where a dictionary's parts lie in its chunk's memory.
#[derive(Debug)]
pub(crate) struct StagedDictionary {
    pub(crate) values: Range<usize>,
    pub(crate) offsets: Range<usize>,
    /// The values themselves.
    pub(crate) host: ArrayRef,
}

impl StagedChunk {
    /// Lays `batches`, all of `schema`, out as one chunk.
    ///
    /// Sliced arrays come to lie at offset 0; validity that excludes nothing is dropped; decimals of up to 18 digits
    /// are narrowed to 8 bytes; the dictionaries of the batches become one, without repeated or null values. Runs on
    /// any thread.
    ///
    /// # Errors
    /// `unsupported` where devices do not take a column's type, or a chunk would have more than 2³¹−1 rows or bytes
    /// of strings in a column, or a decimal has more digits than its type says, naming column and row;
    /// `out_of_memory` where the host has no memory to stage in.
    pub fn stage(schema: &SchemaRef, batches: &[RecordBatch], pool: &PinnedPool) -> Result<StagedChunk> {
        let rows = batches.iter().map(RecordBatch::num_rows).sum();
        if rows > CHUNK_ROWS_MAX {
            return Err(Error::unsupported(format!("a chunk of {rows} rows: {CHUNK_ROWS_MAX} is the limit")));
        }
        let mut layout = Layout::default();
        let mut plans = Vec::with_capacity(schema.fields().len());
        for (index, field) in schema.fields().iter().enumerate() {
            let arrays = column_arrays(schema, batches, index)?;
            let plan = ColumnPlan::new(field.data_type(), arrays, rows, &mut layout)
                .map_err(|error| error.context(format!("column '{}'", field.name())))?;
            plans.push(plan);
        }
        let mut memory = pool.lease(layout.end)?;
        for (plan, field) in plans.iter().zip(schema.fields()) {
            plan.fill(&mut memory).map_err(|error| error.context(format!("column '{}'", field.name())))?;
        }
        let columns = plans.into_iter().map(|plan| plan.column).collect();
        Ok(StagedChunk { schema: SchemaRef::clone(schema), rows, columns, memory })
    }

    /// Lays `batches` out as at least `pieces` chunks, if there are as many rows, and more where one would be too large;
    /// an input of no rows gives one chunk. Several let kernels over one run while the next is copied.
    ///
    /// # Errors
    /// As [`stage`](StagedChunk::stage), but for sizes, unless a single row is too large.
    pub fn stage_all(
        schema: &SchemaRef,
        batches: &[RecordBatch],
        pieces: usize,
        pool: &PinnedPool,
    ) -> Result<Vec<StagedChunk>> {
        let rows: usize = batches.iter().map(RecordBatch::num_rows).sum();
        let piece_rows = rows.div_ceil(pieces.max(1)).clamp(1, CHUNK_ROWS_MAX);
        split(batches, piece_rows, COLUMN_BYTES_MAX)
            .iter()
            .map(|batches| StagedChunk::stage(schema, batches, pool))
            .collect()
    }

    /// Returns the rows as a batch again, as a download of them would: for work that turns back to the CPU.
    ///
    /// # Errors
    /// `bug`: staged values are valid.
    pub fn to_batch(&self) -> Result<RecordBatch> {
        let host: Vec<HostColumn> = self.columns.iter().map(|column| column.on_host(&self.memory)).collect();
        assemble(&self.schema, self.rows, &host)
    }

    /// Names and types.
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
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

impl StagedColumn {
    fn on_host<'a>(&'a self, memory: &'a [u8]) -> HostColumn<'a> {
        let part = |range: &Range<usize>| &memory[range.clone()];
        HostColumn {
            data_type: &self.data_type,
            storage: self.storage,
            values: part(&self.values),
            validity: self.validity.as_ref().map(part),
            offsets: self.offsets.as_ref().map(part),
            dictionary: self.dictionary.as_ref().map(|dictionary| &dictionary.host),
        }
    }
}

/// Returns column `index` of every batch that has rows.
fn column_arrays<'a>(
    schema: &SchemaRef,
    batches: &'a [RecordBatch],
    index: usize,
) -> Result<Vec<&'a ArrayRef>> {
    let field = schema.field(index);
    let filled = batches.iter().filter(|batch| batch.num_rows() > 0);
    filled
        .map(|batch| match batch.columns().get(index) {
            Some(array) if array.data_type() == field.data_type() => Ok(array),
            other => Err(Error::bug(format!(
                "column '{}' is to be {}, but a batch has {}",
                field.name(),
                field.data_type(),
                other.map_or("no such column".to_string(), |array| array.data_type().to_string())
            ))),
        })
        .collect()
}

/// Halves `batches` until no part has more rows or, in any column, more bytes of strings than allowed.
fn split(batches: &[RecordBatch], rows_max: usize, column_bytes_max: usize) -> Vec<Vec<RecordBatch>> {
    let rows: usize = batches.iter().map(RecordBatch::num_rows).sum();
    let columns = batches.first().map_or(0, RecordBatch::num_columns);
    let column_bytes = |index: usize| -> usize {
        batches
            .iter()
            .filter_map(|batch| BytesSource::of(batch.column(index)))
            .map(|source| source.total_bytes())
            .sum()
    };
    if rows <= 1 || (rows <= rows_max && (0..columns).all(|index| column_bytes(index) <= column_bytes_max)) {
        return vec![batches.to_vec()];
    }
    let (mut left, mut right) = (Vec::new(), Vec::new());
    let mut missing = rows / 2;
    for batch in batches {
        let taken = batch.num_rows().min(missing);
        missing -= taken;
        if taken > 0 {
            left.push(batch.slice(0, taken));
        }
        if taken < batch.num_rows() {
            right.push(batch.slice(taken, batch.num_rows() - taken));
        }
    }
    let mut parts = split(&left, rows_max, column_bytes_max);
    parts.extend(split(&right, rows_max, column_bytes_max));
    parts
}

/// Hands out aligned parts of a chunk's memory.
#[derive(Default)]
struct Layout {
    end: usize,
}

impl Layout {
    fn part(&mut self, bytes: usize) -> Range<usize> {
        let part = self.end..self.end + bytes;
        self.end = part.end.next_multiple_of(PART_ALIGNMENT_BYTES);
        part
    }

    fn bits(&mut self, rows: usize) -> Range<usize> {
        self.part(rows.div_ceil(8))
    }

    fn offsets(&mut self, len: usize) -> Range<usize> {
        self.part((len + 1) * size_of::<i32>())
    }
}

/// A column's arrays, and where they will lie.
struct ColumnPlan<'a> {
    arrays: Vec<&'a ArrayRef>,
    merged: Option<MergedDictionary>,
    column: StagedColumn,
}

impl<'a> ColumnPlan<'a> {
    fn new(
        data_type: &DataType,
        arrays: Vec<&'a ArrayRef>,
        rows: usize,
        layout: &mut Layout,
    ) -> Result<ColumnPlan<'a>> {
        let storage = Storage::of(data_type)
            .ok_or_else(|| Error::unsupported(format!("devices do not take values of type {data_type}")))?;
        let mut merged = None;
        let (mut offsets, mut dictionary) = (None, None);
        let values = match (storage, data_type) {
            (Storage::Bits, _) => layout.bits(rows),
            (Storage::Bytes, _) => {
                offsets = Some(layout.offsets(rows));
                layout.part(checked_bytes(arrays.iter().copied())?)
            }
            (Storage::Dictionary { key_bytes }, DataType::Dictionary(key_type, value_type)) => {
                let all = MergedDictionary::merge(&arrays, key_type, value_type)?;
                dictionary = Some(plan_dictionary(&all.values, layout)?);
                merged = Some(all);
                layout.part(rows * usize::from(key_bytes))
            }
            (fixed, _) => {
                let width = fixed.width().ok_or_else(|| Error::bug(format!("{fixed:?} has no width")))?;
                layout.part(rows * width)
            }
        };
        let has_nulls = arrays.iter().enumerate().any(|(index, array)| {
            array.null_count() > 0 || merged.as_ref().is_some_and(|merged| merged.maps_to_null(index))
        });
        let validity = has_nulls.then(|| layout.bits(rows));
        let column =
            StagedColumn { data_type: data_type.clone(), storage, values, validity, offsets, dictionary };
        Ok(ColumnPlan { arrays, merged, column })
    }

    fn fill(&self, memory: &mut [u8]) -> Result<()> {
        if let Some(part) = &self.column.validity {
            fill_validity(&self.arrays, &mut memory[part.clone()]);
        }
        let values = self.column.values.clone();
        match (self.column.storage, &self.column.data_type) {
            (Storage::Bits, _) => fill_bits(&self.arrays, &mut memory[values]),
            (Storage::Bytes, _) => {
                let offsets =
                    self.column.offsets.clone().ok_or_else(|| Error::bug("strings without offsets"))?;
                fill_bytes(&self.arrays, memory, offsets, values);
            }
            (Storage::I64, DataType::Decimal128(..)) => {
                fill_narrowed(&self.arrays, as_i64s(&mut memory[values]))?;
            }
            (Storage::Dictionary { key_bytes }, _) => {
                let merged = self.merged.as_ref().ok_or_else(|| Error::bug("keys without a dictionary"))?;
                if let Some(dictionary) = &self.column.dictionary {
                    fill_dictionary(dictionary, memory);
                }
                let mut keys = &mut memory[values];
                for (index, array) in self.arrays.iter().enumerate() {
                    let (part, rest) = keys.split_at_mut(array.len() * usize::from(key_bytes));
                    merged.write_keys(index, array, part);
                    keys = rest;
                }
            }
            (fixed, _) => fill_fixed(&self.arrays, fixed.width().unwrap_or(0), &mut memory[values]),
        }
        Ok(())
    }
}

fn plan_dictionary(values: &ArrayRef, layout: &mut Layout) -> Result<StagedDictionary> {
    let host = ArrayRef::clone(values);
    // An empty dictionary still has an entry, of no bytes: what key 0 beneath a null leads to.
    let offsets = layout.offsets(host.len().max(1));
    let values = layout.part(checked_bytes([&host])?);
    Ok(StagedDictionary { values, offsets, host })
}

/// Lays the values of a dictionary out as the device wants them.
///
/// # Errors
/// `unsupported` where they are too many bytes; `out_of_memory` where the host has no memory to stage in.
pub(crate) fn stage_dictionary(
    host: &ArrayRef,
    pool: &PinnedPool,
) -> Result<(PinnedLease, StagedDictionary)> {
    let mut layout = Layout::default();
    let dictionary = plan_dictionary(host, &mut layout)?;
    let mut memory = pool.lease(layout.end)?;
    fill_dictionary(&dictionary, &mut memory);
    Ok((memory, dictionary))
}

fn fill_dictionary(dictionary: &StagedDictionary, memory: &mut [u8]) {
    let (offsets, bytes) = (dictionary.offsets.clone(), dictionary.values.clone());
    memory[offsets.clone()].fill(0);
    fill_bytes(&[&dictionary.host], memory, offsets, bytes);
}

/// Adds up the bytes of strings; fails where offsets of 31 bits could not reach them.
fn checked_bytes<'a>(arrays: impl IntoIterator<Item = &'a ArrayRef>) -> Result<usize> {
    let total = arrays.into_iter().filter_map(BytesSource::of).map(|source| source.total_bytes()).sum();
    if total > COLUMN_BYTES_MAX {
        return Err(Error::unsupported(format!("{total} bytes of strings in one chunk: 2³¹−1 is the limit")));
    }
    Ok(total)
}

fn fill_validity(arrays: &[&ArrayRef], target: &mut [u8]) {
    target.fill(0);
    let mut row = 0;
    for array in arrays {
        match array.logical_nulls() {
            Some(nulls) => append_bits(nulls.inner(), target, row),
            None => set_ones(target, row, array.len()),
        }
        row += array.len();
    }
}

fn fill_bits(arrays: &[&ArrayRef], target: &mut [u8]) {
    target.fill(0);
    let mut row = 0;
    for array in arrays {
        append_bits(array.as_boolean().values(), target, row);
        row += array.len();
    }
}

fn append_bits(source: &BooleanBuffer, target: &mut [u8], at: usize) {
    set_bits(target, source.values(), at, source.offset(), source.len());
}

/// Sets `len` bits from bit `start` on.
fn set_ones(target: &mut [u8], start: usize, len: usize) {
    let end = start + len;
    let (first_whole, last_whole) = (start.next_multiple_of(8).min(end), (end / 8 * 8).max(start));
    if first_whole <= last_whole {
        target[first_whole / 8..last_whole / 8].fill(0xff);
        (start..first_whole).chain(last_whole..end).for_each(|bit| target[bit / 8] |= 1 << (bit % 8));
    } else {
        (start..end).for_each(|bit| target[bit / 8] |= 1 << (bit % 8));
    }
}

fn fill_fixed(arrays: &[&ArrayRef], width: usize, target: &mut [u8]) {
    let mut at = 0;
    for array in arrays {
        let data = array.to_data();
        let len = array.len() * width;
        let start = data.offset() * width;
        target[at..at + len].copy_from_slice(&data.buffers()[0].as_slice()[start..start + len]);
        at += len;
    }
}

fn fill_bytes(arrays: &[&ArrayRef], memory: &mut [u8], offsets: Range<usize>, values: Range<usize>) {
    // Offsets are laid out before their values, so one split separates them.
    let (head, tail) = memory.split_at_mut(values.start);
    let ends = as_i32s(&mut head[offsets]);
    let bytes = &mut tail[..values.len()];
    ends[0] = 0;
    let (mut row, mut written) = (0, 0);
    for source in arrays.iter().filter_map(|array| BytesSource::of(array)) {
        let ends = &mut ends[1 + row..1 + row + source.len()];
        row += ends.len();
        written += source.write(written, ends, &mut bytes[written..]);
    }
}

fn fill_narrowed(arrays: &[&ArrayRef], target: &mut [i64]) -> Result<()> {
    let mut row = 0;
    for array in arrays {
        let decimals = array.as_primitive::<Decimal128Type>();
        let (values, nulls) = (decimals.values(), decimals.nulls());
        let limit = 10i64.pow(u32::from(decimals.precision()).min(NARROW_DIGITS_MAX));
        if let Some(index) = narrow(values, nulls, limit, &mut target[row..row + values.len()]) {
            return Err(Error::unsupported(format!(
                "row {}: {} has more digits than type {} allows",
                row + index,
                decimals.value_as_string(index),
                array.data_type()
            )));
        }
        row += values.len();
    }
    Ok(())
}

/// Digits that 8 bytes hold; decimals of more are stored with 16.
const NARROW_DIGITS_MAX: u32 = 18;

/// Writes `values` with 8 bytes each; returns the first valid one whose magnitude is not below `limit`.
///
/// Generated code relies on the limit: it is what bounds sums and products.
fn narrow(values: &[i128], nulls: Option<&NullBuffer>, limit: i64, target: &mut [i64]) -> Option<usize> {
    let (mut lost, mut least, mut greatest) = (0i128, 0i64, 0i64);
    for (value, narrow) in values.iter().zip(target) {
        *narrow = *value as i64;
        lost |= value ^ i128::from(*narrow);
        least = least.min(*narrow);
        greatest = greatest.max(*narrow);
    }
    if lost == 0 && -limit < least && greatest < limit {
        return None;
    }
    // What lies beneath a null may be anything.
    let is_valid = |index: usize| nulls.is_none_or(|nulls| nulls.is_valid(index));
    (0..values.len()).find(|index| values[*index].unsigned_abs() >= limit as u128 && is_valid(*index))
}

fn as_i32s(bytes: &mut [u8]) -> &mut [i32] {
    // SAFETY: every bit pattern is an integer.
    let (before, integers, after) = unsafe { bytes.align_to_mut::<i32>() };
    assert!(before.is_empty() && after.is_empty(), "parts are aligned to 16 bytes and hold whole offsets");
    integers
}

fn as_i64s(bytes: &mut [u8]) -> &mut [i64] {
    // SAFETY: every bit pattern is an integer.
    let (before, integers, after) = unsafe { bytes.align_to_mut::<i64>() };
    assert!(before.is_empty() && after.is_empty(), "parts are aligned to 16 bytes and hold whole values");
    integers
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{Decimal128Array, StringArray};
    use arrow::datatypes::{Field, Schema};

    use super::*;

    #[test]
    fn ones_are_set_where_they_belong() {
        for start in 0..20 {
            for len in 0..40 {
                let mut bits = [0u8; 8];
                set_ones(&mut bits, start, len);
                for bit in 0..64 {
                    let set = bits[bit / 8] >> (bit % 8) & 1 == 1;
                    assert_eq!(set, (start..start + len).contains(&bit), "{start}+{len} at {bit}");
                }
            }
        }
    }

    fn stage(array: ArrayRef) -> Result<StagedChunk> {
        let schema = Arc::new(Schema::new(vec![Field::new("price", array.data_type().clone(), true)]));
        let batch = RecordBatch::try_new(Arc::clone(&schema), vec![array]).unwrap();
        StagedChunk::stage(&schema, &[batch], &PinnedPool::new(None))
    }

    #[test]
    fn a_decimal_beyond_its_type_names_column_and_row() {
        for large in [10i128.pow(15), -10i128.pow(15), 1 << 64, i128::MIN] {
            let values = Decimal128Array::from(vec![Some(1), None, Some(large)]);
            let error = stage(Arc::new(values.with_precision_and_scale(15, 2).unwrap())).unwrap_err();
            assert!(error.is_unsupported());
            assert!(error.to_string().starts_with("column 'price': row 2:"), "{error}");
        }
        let largest = Decimal128Array::from(vec![10i128.pow(15) - 1, 1 - 10i128.pow(15)]);
        assert!(stage(Arc::new(largest.with_precision_and_scale(15, 2).unwrap())).is_ok());
    }

    #[test]
    fn what_lies_beneath_a_null_is_not_looked_at() {
        let values = vec![1i128, 1 << 70].into();
        let nulls = NullBuffer::from(vec![true, false]);
        let array = Decimal128Array::new(values, Some(nulls)).with_precision_and_scale(15, 2).unwrap();
        assert!(stage(Arc::new(array)).is_ok());
    }

    #[test]
    fn a_type_that_devices_do_not_take_is_named() {
        let error = stage(arrow::array::new_null_array(&DataType::Null, 3)).unwrap_err();
        assert!(error.is_unsupported());
        assert_eq!(error.to_string(), "column 'price': devices do not take values of type Null");
    }

    #[test]
    fn large_inputs_are_split_in_order() {
        let text: StringArray = (0..100).map(|row| Some("x".repeat(row % 7))).collect();
        let batch = RecordBatch::try_from_iter([("text", Arc::new(text) as ArrayRef)]).unwrap();
        let batches = [batch.slice(0, 33), batch.slice(33, 67)];
        for (rows_max, bytes_max) in [(100, 1000), (30, 1000), (100, 50), (1, 1), (7, 5)] {
            let parts = split(&batches, rows_max, bytes_max);
            for part in &parts {
                let rows: usize = part.iter().map(RecordBatch::num_rows).sum();
                assert!(rows > 0 && rows <= rows_max);
                let bytes: usize =
                    part.iter().map(|b| BytesSource::of(b.column(0)).unwrap().total_bytes()).sum();
                assert!(bytes <= bytes_max || rows == 1);
            }
            let flat: Vec<RecordBatch> = parts.concat();
            assert_eq!(arrow::compute::concat_batches(&batch.schema(), &flat).unwrap(), batch);
        }
    }
}
