//! Aggregates that take several stages — distinct values, grouping sets, medians, percentiles, first and last values —
//! and those over pairs, against DataFusion's CPU operators. Rows are compared as a multiset.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, BooleanArray, Decimal128Array, Float32Array, Float64Array, Int32Array, Int64Array,
    StringArray,
};
use arrow::datatypes::{Field, Schema};
use arrow::record_batch::RecordBatch;
use swath::device::launch_count;

use crate::differential::{Pair, same};
use crate::generated::Rng;

/// Rows with skewed keys and values that come again; `null_share` in a hundred is null.
fn rows(seed: u64, rows: usize, keys: u64, null_share: u64) -> RecordBatch {
    let mut random = Rng(seed);
    let mut column = |of: u64| -> Vec<Option<i64>> {
        (0..rows)
            .map(|_| {
                let value = if random.below(2) == 0 { random.below(of.min(4)) } else { random.below(of) };
                (random.below(100) >= null_share).then_some(value as i64)
            })
            .collect()
    };
    let (k, g, i, x, y) = (column(keys), column(3), column(50), column(200), column(900));
    let text = |value: i64| match value % 4 {
        0 => String::new(),
        1 => format!("v{value}"),
        2 => format!("a value that is longer than eight bytes, {value}"),
        _ => format!("größe-{value}"),
    };
    let decimal = |precision, scale| {
        let column: Decimal128Array = x.iter().map(|x| x.map(|x| x as i128 * 33 - 700)).collect();
        Arc::new(column.with_precision_and_scale(precision, scale).expect("a precision that there is"))
    };
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("id", Arc::new((0..rows as i64).collect::<Int64Array>())),
        ("k", Arc::new(k.iter().copied().collect::<Int64Array>())),
        ("g", Arc::new(g.iter().map(|g| g.map(|g| format!("g{g}"))).collect::<StringArray>())),
        ("b", Arc::new(i.iter().map(|i| i.map(|i| i % 3 == 0)).collect::<BooleanArray>())),
        ("i", Arc::new(i.iter().map(|i| i.map(|i| i as i32 - 9)).collect::<Int32Array>())),
        ("s", Arc::new(i.iter().map(|i| i.map(text)).collect::<StringArray>())),
        ("d", decimal(12, 2)),
        ("wide", decimal(30, 3)),
        ("x", Arc::new(x.iter().map(|x| x.map(|x| (x as f64 - 90.0) / 8.0)).collect::<Float64Array>())),
        ("y", Arc::new(y.iter().map(|y| y.map(|y| y as f64 * 0.37 + 3.0)).collect::<Float64Array>())),
        ("f", Arc::new(x.iter().map(|x| x.map(|x| x as f32 / 16.0)).collect::<Float32Array>())),
    ];
    let fields: Vec<Field> = columns
        .iter()
        .map(|(name, column)| Field::new(*name, column.data_type().clone(), *name != "id"))
        .collect();
    let columns = columns.into_iter().map(|(_, column)| column).collect();
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).expect("columns fit the schema")
}

/// The rows in `partitions` parts of several batches each, one of them empty.
fn pair(batch: RecordBatch, partitions: usize, lazy: bool, what: &str) -> Pair {
    let part = batch.num_rows().div_ceil(partitions);
    let parts: Vec<Vec<RecordBatch>> = (0..partitions)
        .map(|index| {
            let begin = (index * part).min(batch.num_rows());
            let of_part = batch.slice(begin, part.min(batch.num_rows() - begin));
            let half = of_part.num_rows() / 2;
            vec![
                of_part.slice(0, half),
                of_part.slice(half, 0),
                of_part.slice(half, of_part.num_rows() - half),
            ]
        })
        .collect();
    let what = format!("{what}, {} rows, {partitions} partitions, lazy {lazy}", batch.num_rows());
    Pair::partitioned(&parts, lazy, what)
}

/// Runs `sql` on both and compares the rows, brought into one order.
fn check(pair: &Pair, sql: &str, tolerance: f64) {
    let before = launch_count();
    let device =
        pair.query(&pair.device, sql).unwrap_or_else(|error| panic!("{}: {sql}\n{error}", pair.what));
    assert!(launch_count() > before, "{}: {sql}\nlaunched no kernel", pair.what);
    let host = pair.query(&pair.host, sql).unwrap_or_else(|error| panic!("{}: {sql}\n{error}", pair.what));
    let (device, host) = (sorted(&device), sorted(&host));
    assert_eq!(device.num_rows(), host.num_rows(), "{}: {sql}: rows", pair.what);
    for column in 0..host.num_columns() {
        let (ours, theirs) = (device.column(column), host.column(column));
        assert_eq!(ours.data_type(), theirs.data_type(), "{}: {sql}: type of column {column}", pair.what);
        for row in 0..host.num_rows() {
            assert!(
                same(ours, theirs, row, tolerance),
                "{}: {sql}\nrow {row} column {column}: {} on the device, {} on the CPU\n{:?}\n{:?}",
                pair.what,
                show(ours, row),
                show(theirs, row),
                device.slice(row, 1),
                host.slice(row, 1)
            );
        }
    }
}

fn show(column: &ArrayRef, row: usize) -> String {
    match column.is_null(row) {
        true => "NULL".into(),
        false => arrow::util::display::array_value_to_string(column, row).expect("every value has a text"),
    }
}

/// The rows in the order of the texts of all columns but floats, then of those.
fn sorted(batch: &RecordBatch) -> RecordBatch {
    let (mut exact, mut floats) = (vec![], vec![]);
    for column in batch.columns() {
        match column.data_type().is_floating() {
            true => floats.push(column),
            false => exact.push(column),
        }
    }
    let key =
        |row: usize| -> Vec<String> { exact.iter().chain(&floats).map(|column| show(column, row)).collect() };
    let mut order: Vec<u64> = (0..batch.num_rows() as u64).collect();
    order.sort_by_cached_key(|&row| key(row as usize));
    let order = arrow::array::UInt64Array::from(order);
    arrow::compute::take_record_batch(batch, &order).expect("the rows are there")
}

/// What is grouped by; `*` in a query stands for it, with a comma behind in what is selected.
const KEYS: [&str; 4] = ["", "k", "g, k", "s"];

/// Runs queries `SELECT [keys,] … FROM t [GROUP BY keys]` for all keys, over tables of all kinds.
fn run(selected: &[&str], tolerance: f64) {
    for lazy in [false, true] {
        for (partitions, batch, what) in [
            (1, rows(1, 700, 40, 12), "some"),
            (2, rows(2, 1500, 200, 3), "two"),
            (1, rows(3, 0, 40, 0), "none"),
            (2, rows(4, 90, 9, 100), "nulls alone"),
            (3, rows(5, 33, 1, 0), "one group"),
        ] {
            let pair = pair(batch, partitions, lazy, what);
            for keys in KEYS {
                for list in selected {
                    check(&pair, &query(keys, list), tolerance);
                }
            }
        }
    }
}

fn query(keys: &str, list: &str) -> String {
    match keys {
        "" => format!("SELECT {list} FROM t"),
        keys => format!("SELECT {keys}, {list} FROM t GROUP BY {keys}"),
    }
}

#[test]
fn distinct_values() {
    run(
        &[
            "count(DISTINCT i)",
            "count(DISTINCT s), count(*), avg(x), stddev(y)",
            "count(DISTINCT i), count(DISTINCT s), count(DISTINCT d)",
            "sum(DISTINCT i), avg(DISTINCT d), max(DISTINCT s), min(d), sum(x), count(DISTINCT i), count(id), var_pop(x)",
            "count(DISTINCT i) FILTER (WHERE b), count(DISTINCT i), sum(id) FILTER (WHERE i > 3), bool_and(b)",
            "count(DISTINCT i + 1), count(DISTINCT b), bit_xor(i), min(s), corr(x, y)",
        ],
        1e-9,
    );
}
