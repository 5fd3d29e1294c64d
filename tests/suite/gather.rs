//! Rows are gathered on the simulated device as Arrow takes them on the host.

use std::sync::Arc;

use arrow::array::*;
use arrow::compute::{cast, concat_batches, take};
use arrow::datatypes::*;
use arrow::record_batch::{RecordBatch, RecordBatchOptions};
use swath::column::{DeviceChunk, DeviceColumn};
use swath::operators::concat::concat;
use swath::operators::gather::gather;
use swath::worker::Task;

use crate::column::{Nulls, Random, assert_same, batch, schema};
use crate::task::{on_device, upload, write_index};

#[test]
fn rows_are_gathered() {
    let schema = schema();
    for seed in 0..24 {
        let random = &mut Random(seed);
        let nulls = [Nulls::None, Nulls::All, Nulls::Random][random.below(3)];
        let rows = [0, 1, 31, 33, 300][random.below(5)];
        let count = [0, 1, 31, 32, 33, 1023, 1024, 1025, 2049][random.below(9)];
        let with_nulls = rows == 0 || random.below(2) == 0;
        let source = batch(&schema, rows, nulls, random);
        let index: Vec<u32> = (0..count)
            .map(|_| match rows == 0 || (with_nulls && random.below(4) == 0) {
                true => u32::MAX,
                false => random.below(rows) as u32,
            })
            .collect();
        let expected = taken(&source, &index);
        let (actual, launched) = on_device(move |task| {
            let chunk = upload(task, &source)?;
            let rows = write_index(task, &index)?;
            let output = gather(task, &chunk, &rows, index.len(), with_nulls)?;
            Ok((task.download(&output)?, task.stats().kernels_launched))
        })
        .unwrap_or_else(|error| panic!("seed {seed}: {error:?}"));
        assert!(launched <= 3 && (launched > 0 || count == 0), "seed {seed}: {launched} kernels");
        assert_same(&actual, &[expected], seed);
    }
}

/// Takes rows on the host; `u32::MAX` gives nulls.
fn taken(batch: &RecordBatch, index: &[u32]) -> RecordBatch {
    let index: UInt32Array = index.iter().map(|row| (*row != u32::MAX).then_some(*row)).collect();
    let columns = batch.columns().iter().map(|column| take(column, &index, None).unwrap()).collect();
    let options = RecordBatchOptions::new().with_row_count(Some(index.len()));
    RecordBatch::try_new_with_options(batch.schema(), columns, &options).unwrap()
}

#[test]
fn long_strings_among_short_and_empty_ones_are_gathered() {
    let texts: Vec<Option<String>> = (0..600)
        .map(|row| match row % 150 {
            0 => Some("é".repeat(50_000)),
            1..=90 => Some(String::new()),
            91 => None,
            _ => Some("x".repeat(row % 23)),
        })
        .collect();
    let strings: ArrayRef = Arc::new(StringArray::from(texts));
    let source = RecordBatch::try_from_iter_with_nullable([
        ("s", Arc::clone(&strings), true),
        ("v", cast(&strings, &DataType::BinaryView).unwrap(), true),
    ])
    .unwrap();
    let random = &mut Random(9);
    let index: Vec<u32> = (0..900).map(|_| random.below(600) as u32).collect();
    let expected = taken(&source, &index);
    let input = source.clone();
    let actual = on_device(move |task| {
        let chunk = upload(task, &input)?;
        let rows = write_index(task, &index)?;
        let output = gather(task, &chunk, &rows, index.len(), false)?;
        // The rows twice, so that offsets of the second half are rebased.
        let output = Arc::new(output);
        let twice = concat(task, &[Arc::clone(&output), output])?;
        task.download(&twice)
    })
    .unwrap();
    assert_eq!(actual, concat_batches(&source.schema(), [&expected, &expected]).unwrap());
}

/// A column of strings that claims bytes which nobody allocated.
pub fn oversized(task: &mut Task<'_>, bytes: i32) -> swath::Result<Arc<DeviceChunk>> {
    let schema = Arc::new(Schema::new(vec![Field::new("s", DataType::Utf8, false)]));
    let offsets = task.write(&[0, bytes].map(i32::to_le_bytes).concat())?;
    let values = task.alloc(0)?;
    let column = Arc::new(DeviceColumn::bytes(DataType::Utf8, 1, offsets, values, None)?);
    Ok(Arc::new(DeviceChunk::new(schema, vec![column], 1)?))
}

#[test]
fn strings_of_two_gigabytes_are_out_of_memory() {
    on_device(|task| {
        let chunk = oversized(task, 1 << 20)?;
        let rows = write_index(task, &[0; 2048])?;
        let error = gather(task, &chunk, &rows, 2048, false).expect_err("offsets have 31 bits");
        assert!(error.is_out_of_memory() && error.to_string().contains("'s'"), "{error:?}");
        Ok(())
    })
    .unwrap();
}
