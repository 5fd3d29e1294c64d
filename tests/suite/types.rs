//! What is rare in queries: `NOT IN` over nulls, columns that kernels do not read, leftovers of functions.

use std::sync::Arc;

use arrow::array::Int64Array;
use arrow::datatypes::{DataType, Field, Schema};
use arrow::record_batch::RecordBatch;
use datafusion::datasource::MemTable;
use swath::device::launch_count;

use crate::differential::Pair;
use crate::generated::Rng;
use crate::joins::lines;

/// Registers `batches` as table `name` with both contexts.
fn add(pair: &Pair, name: &str, batches: &[RecordBatch]) {
    for context in [&pair.device, &pair.host] {
        let table = MemTable::try_new(batches[0].schema(), vec![batches.to_vec()]).expect("one schema");
        context.register_table(name, Arc::new(table)).expect("the name is free");
    }
}

/// Runs `sql` on both and compares the rows as a multiset.
fn check_rows(pair: &Pair, sql: &str) {
    let before = launch_count();
    let device =
        pair.query(&pair.device, sql).unwrap_or_else(|error| panic!("{}: {sql}\n{error}", pair.what));
    assert!(launch_count() > before, "{}: {sql}\nlaunched no kernel", pair.what);
    let host = pair.query(&pair.host, sql).unwrap_or_else(|error| panic!("{}: {sql}\n{error}", pair.what));
    assert_eq!(lines(&device), lines(&host), "{}: {sql}", pair.what);
}

/// A table of a key, of which one in `null_of` is null, and a number for each row.
fn keyed(seed: u64, rows: usize, keys: u64, null_of: u64) -> RecordBatch {
    let mut rng = Rng(seed);
    let key: Int64Array = (0..rows)
        .map(|_| (null_of == 0 || rng.below(null_of) > 0).then(|| rng.below(keys) as i64))
        .collect();
    let number: Int64Array = (0..rows as i64).map(Some).collect();
    let fields = [("k", true), ("n", false)].map(|(name, null)| Field::new(name, DataType::Int64, null));
    RecordBatch::try_new(Arc::new(Schema::new(fields.to_vec())), vec![Arc::new(key), Arc::new(number)])
        .expect("columns fit the schema")
}

#[test]
fn not_in_over_values_that_can_be_null() {
    // Rows and the share of nulls, of the left and of the right side.
    let cases = [
        ((300, 9), (50, 0)),
        ((300, 9), (50, 10)),
        ((300, 9), (0, 0)),
        ((300, 9), (30, 1)),
        ((65, 1), (30, 0)),
        ((0, 0), (30, 3)),
        ((33, 0), (1, 0)),
    ];
    for lazy in [false, true] {
        for (number, ((left, left_nulls), (right, right_nulls))) in cases.into_iter().enumerate() {
            let seed = 80 + number as u64;
            let l = keyed(seed, left, 70, left_nulls);
            let r = keyed(seed + 20, right, 70, right_nulls);
            let what = format!("NOT IN, case {number}, seed {seed}, lazy {lazy}");
            let pair = Pair::over(&[keyed(seed, 40, 9, 4)], lazy, what);
            add(&pair, "l", &[l.slice(0, left / 2), l.slice(left / 2, left - left / 2)]);
            add(&pair, "r", &[r.slice(0, right / 3), r.slice(right / 3, right - right / 3)]);
            for sql in [
                "SELECT n, k FROM l WHERE k NOT IN (SELECT k FROM r)",
                "SELECT n FROM l WHERE k NOT IN (SELECT k FROM r WHERE n < 5)",
                "SELECT n FROM l WHERE k NOT IN (SELECT k FROM r WHERE n < 0)",
                "SELECT n FROM l WHERE k + 1 NOT IN (SELECT k * 2 FROM r WHERE k IS NOT NULL)",
                "SELECT count(*), sum(n) FROM l WHERE n > 3 AND k NOT IN (SELECT k FROM r)",
                "SELECT n FROM l WHERE k NOT IN (SELECT k FROM r WHERE r.n < l.n)",
            ] {
                check_rows(&pair, sql);
            }
        }
    }
}
