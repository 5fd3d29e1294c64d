//! Gather: the rows of a chunk that an index names (`kernels/gather_rows.cu`).

use std::sync::{Arc, LazyLock};

use arrow::datatypes::{Schema, SchemaRef};

use crate::column::{DeviceChunk, DeviceColumn, Storage};
use crate::device::{DeviceBuffer, KernelSource};
use crate::error::{Error, Result};
use crate::worker::Task;

use super::binding::BLOCK;
use super::fixed::{launch, read_words, write_words};

/// Rows of a block of each kernel, and bytes of the last one; as in the source.
const ROWS_TILE: usize = BLOCK * 4;
const OFFSETS_TILE: usize = BLOCK * 8;
const BYTES_TILE: usize = BLOCK * 16;
/// Widths that stand for what has none.
const BITS: u64 = 0;
const STRINGS: u64 = 32;

static SOURCE: LazyLock<KernelSource> = LazyLock::new(|| {
    let text = [
        include_str!("../../kernels/prelude.cuh"),
        include_str!("../../kernels/scan.cuh"),
        include_str!("../../kernels/bytes.cuh"),
        include_str!("../../kernels/gather_rows.cu"),
    ]
    .join("\n");
    let entries = ["gather_rows", "gather_offsets", "gather_bytes"].map(String::from).to_vec();
    KernelSource::new("gather_rows", text, entries)
});

/// Takes the rows of `chunk` that the first `count` 4-byte numbers of `rows` name, in their order; a row may be named
/// any number of times.
///
/// With `out_of_range_is_null`, a number that is no row of the chunk (`u32::MAX`, say) gives a row of nulls, and every
/// field of the result is nullable; without it, every number must be a row of the chunk. Dictionary columns keep their
/// dictionaries.
///
/// # Shape      chunk [n], rows [k] → chunk [k].
/// # Nulls      are kept; a null string has no bytes afterwards.
/// # Memory     the result; scratch ⌈k/2048⌉·8 bytes a string column.
/// # Traffic    reads k values of each column wherever they lie, writes k rows. One kernel, three where there are
/// strings, whatever the columns.
/// # Guarantee  deterministic.
/// # Errors     out of memory where a column's strings exceed 2 GiB: fewer rows at once will do.
/// # Source     offsets: single-pass prefix sums (Merrill and Garland, 2016).
pub fn gather(
    task: &mut Task<'_>,
    chunk: &DeviceChunk,
    rows: &DeviceBuffer,
    count: usize,
    out_of_range_is_null: bool,
) -> Result<DeviceChunk> {
    gather_from(task, chunk, rows, 0, count, out_of_range_is_null)
}

/// As [`gather`], of the numbers behind the `first`.
pub(super) fn gather_from(
    task: &mut Task<'_>,
    chunk: &DeviceChunk,
    rows: &DeviceBuffer,
    first: usize,
    count: usize,
    out_of_range_is_null: bool,
) -> Result<DeviceChunk> {
    if rows.capacity() < (first + count) * 4 {
        return Err(Error::bug(format!("gather of {count} rows by an index of {} bytes", rows.len())));
    }
    let numbers = rows.address() + 4 * first as u64;
    task.wait_for(chunk)?;
    let schema = if out_of_range_is_null { nullable(&chunk.schema) } else { chunk.schema.clone() };
    let targets = chunk
        .columns
        .iter()
        .map(|column| Target::alloc(task, column, count, out_of_range_is_null))
        .collect::<Result<Vec<_>>>()?;
    if count > 0 && !targets.is_empty() {
        let table: Vec<u64> = chunk
            .columns
            .iter()
            .zip(&targets)
            .flat_map(|(column, target)| {
                let address = |buffer: Option<&DeviceBuffer>| buffer.map_or(0, |buffer| buffer.address());
                [
                    column.values.address(),
                    address(column.validity.as_deref()),
                    address(column.offsets.as_deref()),
                    target.values.address(),
                    address(target.validity.as_ref()),
                    target.width,
                ]
            })
            .collect();
        let table = write_words(task, &table)?;
        let words = [count as u64, chunk.rows as u64, numbers, targets.len() as u64, table.address()];
        launch(task, &SOURCE, "gather_rows", count.div_ceil(ROWS_TILE), &words)?;
    }
    let mut strings = gather_strings(task, chunk, numbers, count, &targets)?.into_iter();
    let columns = chunk
        .columns
        .iter()
        .zip(targets)
        .map(|(column, target)| {
            let Target { values, validity, .. } = target;
            let data_type = column.data_type.clone();
            let column = match column.storage {
                Storage::Bytes => {
                    let bytes =
                        strings.next().ok_or_else(|| Error::bug("a string column was not gathered"))?;
                    DeviceColumn::bytes(data_type, count, values, bytes, validity)
                }
                Storage::Dictionary { key_bytes } => {
                    let dictionary =
                        column.dictionary.clone().ok_or_else(|| Error::bug("keys without a dictionary"))?;
                    DeviceColumn::dictionary(data_type, key_bytes, count, values, dictionary, validity)
                }
                storage => DeviceColumn::fixed(data_type, storage, count, values, validity),
            };
            column.map(Arc::new)
        })
        .collect::<Result<Vec<_>>>()?;
    DeviceChunk::new(schema, columns, count)
}

fn nullable(schema: &SchemaRef) -> SchemaRef {
    let fields: Vec<_> =
        schema.fields().iter().map(|field| field.as_ref().clone().with_nullable(true)).collect();
    Arc::new(Schema::new_with_metadata(fields, schema.metadata().clone()))
}

/// What a column is gathered into.
struct Target {
    /// For strings: offsets, which the first kernel writes as lengths.
    values: DeviceBuffer,
    validity: Option<DeviceBuffer>,
    width: u64,
}

impl Target {
    fn alloc(
        task: &mut Task<'_>,
        column: &DeviceColumn,
        count: usize,
        out_of_range_is_null: bool,
    ) -> Result<Target> {
        let (values, width) = match (column.storage, column.storage.width()) {
            (Storage::Bits, _) => (task.alloc(count.div_ceil(8))?, BITS),
            (_, Some(width)) if out_of_range_is_null && column.dictionary.is_some() => {
                // No kernel writes the keys of rows that are not there.
                (task.alloc_filled(count * width, 0)?, width as u64)
            }
            (_, Some(width)) => (task.alloc(count * width)?, width as u64),
            (_, None) if count == 0 => (task.alloc_filled(4, 0)?, STRINGS),
            (_, None) => (task.alloc((count + 1) * 4)?, STRINGS),
        };
        let validity = match out_of_range_is_null || column.validity.is_some() {
            true => Some(task.alloc(count.div_ceil(8))?),
            false => None,
        };
        Ok(Target { values, validity, width })
    }
}

/// Turns the lengths of every string column into offsets, and returns the bytes of each.
fn gather_strings(
    task: &mut Task<'_>,
    chunk: &DeviceChunk,
    numbers: u64,
    count: usize,
    targets: &[Target],
) -> Result<Vec<DeviceBuffer>> {
    let columns: Vec<(usize, &DeviceColumn, &Target)> = chunk
        .columns
        .iter()
        .zip(targets)
        .enumerate()
        .filter(|(_, (column, _))| column.storage == Storage::Bytes)
        .map(|(index, (column, target))| (index, column.as_ref(), target))
        .collect();
    if columns.is_empty() {
        return Ok(vec![]);
    }
    if count == 0 {
        return columns.iter().map(|_| task.alloc(0)).collect();
    }
    let tiles_each = count.div_ceil(OFFSETS_TILE);
    let of_columns: Vec<u64> = columns.iter().map(|(_, _, target)| target.values.address()).collect();
    let of_columns = write_words(task, &of_columns)?;
    let tiles = task.alloc_filled(columns.len() * tiles_each * 8, 0)?;
    let tickets = task.alloc_filled(columns.len() * 8, 0)?;
    let totals = task.alloc(columns.len() * 8)?;
    let words = [
        count as u64,
        tiles_each as u64,
        of_columns.address(),
        tiles.address(),
        tickets.address(),
        totals.address(),
    ];
    launch(task, &SOURCE, "gather_offsets", columns.len() * tiles_each, &words)?;
    let totals = read_words(task, &totals, columns.len())?;
    let mut blocks = 0;
    let mut table = vec![];
    let mut outputs = vec![];
    for ((index, column, target), total) in columns.into_iter().zip(totals) {
        if total > i32::MAX as u64 {
            return Err(Error::out_of_memory(format!(
                "column '{}': a chunk's strings take {total} bytes; 2 GiB is the most",
                chunk.schema.field(index).name()
            )));
        }
        let bytes = task.alloc(total as usize)?;
        table.extend([
            blocks as u64,
            total,
            column.values.address(),
            column.offsets.as_ref().map_or(0, |offsets| offsets.address()),
            target.values.address(),
            bytes.address(),
        ]);
        blocks += (total as usize).div_ceil(BYTES_TILE);
        outputs.push(bytes);
    }
    let column_count = outputs.len() as u64;
    let table = write_words(task, &table)?;
    let words = [count as u64, numbers, column_count, table.address()];
    launch(task, &SOURCE, "gather_bytes", blocks, &words)?;
    Ok(outputs)
}
