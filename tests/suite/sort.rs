//! Concat, gather and sort on the simulated device, against Arrow's kernels on the host.
//!
//! A failure names the seed of its input.

use std::sync::Arc;

use arrow::array::*;
use arrow::compute::{cast, concat_batches, take};
use arrow::datatypes::*;
use arrow::record_batch::{RecordBatch, RecordBatchOptions};
use futures::executor::block_on;
use swath::column::{DeviceChunk, StagedChunk};
use swath::config::Config;
use swath::device::DeviceBuffer;
use swath::operators::concat::concat;
use swath::operators::gather::gather;
use swath::operators::sort::{KeyWidth, radix_sort};
use swath::worker::{CancelToken, Task, Workers};

use crate::column::{Nulls, Random, assert_same, batch, schema};
use crate::simulator::{kernel_folder, mode, use_device};

/// Runs `work` on device 0, eagerly and lazily, and returns the last answer.
fn on_device<R: Send + 'static>(
    work: impl Fn(&mut Task<'_>) -> swath::Result<R> + Send + Sync + 'static,
) -> swath::Result<R> {
    use_device();
    let work = Arc::new(work);
    let run = |lazy| {
        let _mode = mode(lazy);
        let config = Config { cache_dir: Some(kernel_folder()), ..Default::default() };
        let workers = Workers::start(&[0], &config).expect("device 0 starts");
        let work = Arc::clone(&work);
        let worker = workers.first().expect("there is one");
        block_on(worker.run("test", CancelToken::new(), move |task| work(task)))
    };
    run(false)?;
    run(true)
}

fn upload(task: &mut Task<'_>, batch: &RecordBatch) -> swath::Result<Arc<DeviceChunk>> {
    let staged = StagedChunk::stage(&batch.schema(), std::slice::from_ref(batch), task.pinned_pool())?;
    Ok(Arc::new(task.upload(staged)?))
}

fn write_index(task: &mut Task<'_>, rows: &[u32]) -> swath::Result<DeviceBuffer> {
    task.write(&rows.iter().flat_map(|row| row.to_le_bytes()).collect::<Vec<u8>>())
}

#[test]
fn chunks_become_one() {
    let schema = schema();
    for seed in 0..14 {
        let random = &mut Random(seed);
        let parts = 2 + random.below(5);
        let batches: Vec<RecordBatch> = (0..parts)
            .map(|_| {
                let nulls = [Nulls::None, Nulls::All, Nulls::Random][random.below(3)];
                let rows = [0, 1, 31, 32, 33, 65, 300][random.below(7)];
                batch(&schema, rows, nulls, random)
            })
            .collect();
        let input = batches.clone();
        let (actual, launched) = on_device(move |task| {
            let chunks = input.iter().map(|batch| upload(task, batch)).collect::<swath::Result<Vec<_>>>()?;
            let whole = concat(task, &chunks)?;
            Ok((task.download(&whole)?, task.stats().kernels_launched))
        })
        .unwrap_or_else(|error| panic!("seed {seed}: {error:?}"));
        if batches.iter().filter(|batch| batch.num_rows() > 0).count() > 1 {
            assert_eq!(launched, 2, "seed {seed}");
        }
        let filled: Vec<RecordBatch> = batches.iter().filter(|batch| batch.num_rows() > 0).cloned().collect();
        let expected = if filled.is_empty() { &batches[..1] } else { &filled };
        assert_same(&actual, expected, seed);
    }
}

#[test]
fn one_chunk_is_not_copied() {
    let schema = schema();
    let seed = 5;
    let whole = batch(&schema, 40, Nulls::Random, &mut Random(seed));
    let empty = whole.slice(0, 0);
    on_device(move |task| {
        let (chunk, none) = (upload(task, &whole)?, upload(task, &empty)?);
        let before = task.stats().kernels_launched;
        for chunks in [vec![Arc::clone(&chunk)], vec![Arc::clone(&none), Arc::clone(&chunk), none]] {
            let same = concat(task, &chunks)?;
            for (left, right) in same.columns.iter().zip(&chunk.columns) {
                assert!(Arc::ptr_eq(left, right));
            }
        }
        assert_eq!(task.stats().kernels_launched, before);
        assert!(concat(task, &[]).is_err_and(|error| error.is_bug()));
        Ok(())
    })
    .unwrap();
}

#[test]
fn a_shared_dictionary_stays_and_others_are_merged() {
    let dictionary = |keys: Vec<Option<i8>>, values: Vec<&str>| -> ArrayRef {
        let values = Arc::new(StringArray::from(values));
        Arc::new(DictionaryArray::<Int8Type>::try_new(Int8Array::from(keys), values).unwrap())
    };
    let of = |array: ArrayRef| RecordBatch::try_from_iter_with_nullable([("d", array, true)]).unwrap();
    let left = of(dictionary(vec![Some(0), None, Some(1)], vec!["b", "a"]));
    let right = of(dictionary(vec![Some(1), Some(0), Some(0)], vec!["c", "b"]));
    let many = |from: usize| {
        let text: Vec<String> = (from..from + 100).map(|value| value.to_string()).collect();
        of(dictionary(vec![Some(0)], text.iter().map(String::as_str).collect()))
    };
    let (low, high) = (many(0), many(100));
    let (expected, input) = ([left.clone(), right.clone()], [left, right]);
    let actual = on_device(move |task| {
        let (left, right) = (upload(task, &input[0])?, upload(task, &input[1])?);
        let twice = concat(task, &[Arc::clone(&left), Arc::clone(&left)])?;
        let (kept, shared) = (&twice.columns[0].dictionary, &left.columns[0].dictionary);
        assert!(kept.as_ref().zip(shared.as_ref()).is_some_and(|(kept, shared)| Arc::ptr_eq(kept, shared)));
        let chunks = [upload(task, &low)?, upload(task, &high)?];
        assert!(concat(task, &chunks).is_err_and(|error| error.is_unsupported()));
        let both = concat(task, &[left, right])?;
        assert_eq!(both.columns[0].dictionary.as_ref().map(|dictionary| dictionary.len), Some(3));
        task.download(&both)
    })
    .unwrap();
    assert_same(&actual, &expected, 0);
}

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

fn read_rows(task: &mut Task<'_>, rows: &DeviceBuffer, count: usize) -> swath::Result<Vec<u32>> {
    let bytes = task.read(rows, 0, count * 4)?;
    Ok(bytes.chunks_exact(4).map(|row| u32::from_le_bytes(row.try_into().unwrap())).collect())
}

/// Sorts on the device and on the host by the low `bits` bits.
fn check_radix_sort(keys: Vec<u64>, width: KeyWidth, bits: u32, passes_max: u64, what: String) {
    let mask = if bits == 64 { u64::MAX } else { (1 << bits) - 1 };
    let mut expected: Vec<u32> = (0..keys.len() as u32).collect();
    expected.sort_by_key(|row| keys[*row as usize] & mask);
    let (rows, launched) = on_device(move |task| {
        let bytes: Vec<u8> =
            keys.iter().flat_map(|key| key.to_le_bytes()[..width.bytes()].to_vec()).collect();
        let words = task.write(&bytes)?;
        let rows = radix_sort(task, &words, width, bits, keys.len())?;
        Ok((read_rows(task, &rows, keys.len())?, task.stats().kernels_launched))
    })
    .unwrap_or_else(|error| panic!("{what}: {error:?}"));
    assert_eq!(rows, expected, "{what}");
    assert!(launched > 0 || rows.is_empty(), "{what}");
    assert!(launched <= passes_max + 1, "{what}: {launched} kernels");
}

#[test]
fn words_are_sorted() {
    for (seed, rows) in [0, 1, 2, 33, 4095, 4096, 4097, 9000].into_iter().enumerate() {
        for (width, bits) in [
            (KeyWidth::Bits32, 32u32),
            (KeyWidth::Bits32, 11),
            (KeyWidth::Bits64, 64),
            (KeyWidth::Bits64, 37),
            (KeyWidth::Bits64, 1),
        ] {
            let random = &mut Random(seed as u64);
            let keys = (0..rows).map(|_| random.next()).collect();
            let passes = u64::from(bits.div_ceil(8));
            check_radix_sort(keys, width, bits, passes, format!("seed {seed}, {rows} rows, {bits} bits"));
        }
    }
}

#[test]
fn digits_in_which_no_rows_differ_take_no_pass() {
    let random = &mut Random(3);
    let rows = 10_000u64;
    let equal = vec![0x1234_5678_9abc_def0; rows as usize];
    check_radix_sort(equal, KeyWidth::Bits64, 64, 1, "all equal".into());
    let skewed = (0..rows).map(|_| [7 << 40, 7 << 40, 9 << 40, u64::MAX >> 8][random.below(4)]).collect();
    check_radix_sort(skewed, KeyWidth::Bits64, 64, 7, "skewed".into());
    check_radix_sort((0..rows).collect(), KeyWidth::Bits64, 64, 2, "sorted".into());
    check_radix_sort(
        (0..rows).rev().map(|key| key << 20).collect(),
        KeyWidth::Bits64,
        64,
        3,
        "reversed".into(),
    );
}
