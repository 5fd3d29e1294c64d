//! Chunks are put together on the simulated device as Arrow does on the host.

use std::sync::Arc;

use arrow::array::*;
use arrow::datatypes::*;
use arrow::record_batch::RecordBatch;
use swath::operators::concat::concat;

use crate::column::{Nulls, Random, assert_same, batch, schema};
use crate::gather::oversized;
use crate::task::{on_device, upload};

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
fn strings_of_two_gigabytes_are_out_of_memory() {
    on_device(|task| {
        let half = oversized(task, 1 << 30)?;
        let error = concat(task, &[Arc::clone(&half), half]).expect_err("offsets have 31 bits");
        assert!(error.is_out_of_memory() && error.to_string().contains("'s'"), "{error:?}");
        Ok(())
    })
    .unwrap();
}
