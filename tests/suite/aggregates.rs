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
use crate::generated::{Nulls, Rng, every_type};

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
    pair_within(None, batch, partitions, lazy, what)
}

/// As [`pair`], with a device of so much memory.
fn pair_within(
    device_memory_limit: Option<u64>,
    batch: RecordBatch,
    partitions: usize,
    lazy: bool,
    what: &str,
) -> Pair {
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
    Pair::partitioned(device_memory_limit, &parts, lazy, what)
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
    for (lazy, partitions, batch, what) in [
        (false, 1, rows(1, 700, 40, 12), "some"),
        (true, 1, rows(1, 700, 40, 12), "some"),
        (true, 2, rows(2, 1500, 200, 3), "two"),
        (false, 1, rows(3, 0, 40, 0), "none"),
        (false, 2, rows(4, 90, 9, 100), "nulls alone"),
        (true, 3, rows(5, 33, 1, 0), "one group"),
    ] {
        let pair = pair(batch, partitions, lazy, what);
        for keys in KEYS {
            for list in selected {
                check(&pair, &query(keys, list), tolerance);
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

#[test]
fn pairs() {
    run(
        &[
            "corr(x, y), covar_samp(x, y), covar_pop(y, x), count(*)",
            "regr_slope(y, x), regr_intercept(y, x), regr_r2(y, x), regr_count(y, x), regr_avgx(y, x)",
            "regr_avgy(y, x), regr_sxx(y, x), regr_syy(y, x), regr_sxy(y, x), sum(x), stddev(y)",
            "corr(x, id) FILTER (WHERE b), regr_count(i, id) FILTER (WHERE i > 9), count(DISTINCT s)",
        ],
        1e-6,
    );
}

#[test]
fn values_by_their_place() {
    run(
        &[
            "median(x), median(d), median(i), median(f), stddev(y)",
            "median(y) FILTER (WHERE b), median(wide), count(DISTINCT i), count(*)",
            "percentile_cont(0.3) WITHIN GROUP (ORDER BY x), percentile_cont(x, 0.99), \
             percentile_cont(0.25) WITHIN GROUP (ORDER BY y DESC), median(x), max(s)",
            "percentile_cont(0.5) WITHIN GROUP (ORDER BY f) FILTER (WHERE i > 5), min(x)",
        ],
        1e-6,
    );
}

#[test]
fn first_and_last_values() {
    run(
        &[
            "first_value(s ORDER BY id), last_value(s ORDER BY id), first_value(x ORDER BY id DESC)",
            "first_value(i ORDER BY y DESC NULLS LAST, id), last_value(d ORDER BY s, id), count(*), median(x)",
            "first_value(i ORDER BY id) IGNORE NULLS, last_value(s ORDER BY id) IGNORE NULLS",
            "first_value(y ORDER BY id) FILTER (WHERE b), last_value(b ORDER BY id) FILTER (WHERE i > 4)",
        ],
        1e-9,
    );
    // One partition: the order is that of the rows.
    for lazy in [false, true] {
        let pair = pair(rows(6, 900, 60, 20), 1, lazy, "in order");
        for keys in KEYS {
            check(&pair, &query(keys, "first_value(s), last_value(x), first_value(i)"), 1e-9);
        }
        check(&pair, "SELECT g, any_value(k * 0 + 7), count(*) FROM t WHERE k > 3 GROUP BY g", 0.0);
    }
}

#[test]
fn grouping_sets() {
    for lazy in [false, true] {
        for (partitions, batch) in [
            (1, rows(1, 700, 30, 12)),
            (2, rows(2, 1300, 60, 3)),
            (2, rows(3, 0, 9, 0)),
            (1, rows(4, 64, 9, 100)),
        ] {
            let pair = pair(batch, partitions, lazy, "sets");
            for sql in [
                "SELECT k, g, count(*), sum(x), min(s) FROM t GROUP BY CUBE (k, g)",
                "SELECT k, g, s, count(*), avg(d) FROM t WHERE i > 2 GROUP BY ROLLUP (k, g, s)",
                "SELECT k, g, grouping(k), grouping(g), sum(i) FROM t GROUP BY GROUPING SETS ((k, g), (g), (g), ())",
                "SELECT g, s, b, count(DISTINCT i), count(DISTINCT k), count(*), max(x) FROM t GROUP BY g, ROLLUP (s, b)",
                "SELECT g, b, median(x), count(DISTINCT s), corr(x, y), sum(id) FROM t GROUP BY CUBE (g, b)",
                "SELECT k + 1, g, count(*) FROM t GROUP BY ROLLUP (k + 1, g) HAVING count(*) > 3",
                "SELECT g, s FROM t GROUP BY GROUPING SETS ((g), (s))",
            ] {
                check(&pair, sql, 1e-6);
            }
        }
    }
}

#[test]
fn over_other_operators_and_below_them() {
    for lazy in [false, true] {
        let pair = pair(rows(7, 1200, 50, 8), 2, lazy, "between");
        for sql in [
            "SELECT a.g, count(DISTINCT a.i), count(DISTINCT b.s), count(*) FROM t a JOIN t b ON a.k = b.k AND b.id < 60 \
             GROUP BY a.g",
            "SELECT a.g, median(a.x), median(b.y) FROM t a JOIN t b ON a.id = b.id GROUP BY a.g",
            "SELECT m, count(*) FROM (SELECT k, median(i) AS m FROM t GROUP BY k) GROUP BY m",
            "SELECT k, count(DISTINCT i) AS n, count(DISTINCT s) AS o FROM t GROUP BY k ORDER BY n DESC, k LIMIT 7",
            "SELECT t.id, t.x FROM t JOIN (SELECT k, median(x) AS m FROM t GROUP BY k) s ON t.k = s.k WHERE t.x > s.m",
            "SELECT max(n) FROM (SELECT g, count(DISTINCT k) AS n, avg(x) AS a FROM t GROUP BY g)",
            "SELECT count(DISTINCT n), count(DISTINCT m) FROM (SELECT k, count(*) AS n, median(x) AS m FROM t GROUP BY k)",
            "SELECT g, corr(x, y) * corr(x, y) AS r2 FROM t GROUP BY g ORDER BY r2 DESC",
            "SELECT g, count(DISTINCT i), count(DISTINCT s) FROM t GROUP BY g UNION ALL SELECT g, k, i FROM t WHERE i < 0",
        ] {
            check(&pair, sql, 1e-6);
        }
    }
}

#[test]
fn limits_inside_aggregates() {
    for lazy in [false, true] {
        for partitions in [1, 2] {
            let pair = pair(rows(8, 1500, 300, 5), partitions, lazy, "limits");
            check(&pair, "SELECT k, max(id) AS m FROM t GROUP BY k ORDER BY m DESC LIMIT 10", 0.0);
            check(&pair, "SELECT k, min(id) AS m FROM t GROUP BY k ORDER BY m LIMIT 3", 0.0);
            check(&pair, "SELECT DISTINCT g FROM t LIMIT 4", 0.0);
            // Any 20 of the keys.
            let sql = "SELECT DISTINCT k FROM t LIMIT 20";
            let some = pair.query(&pair.device, sql).unwrap_or_else(|error| panic!("{}: {error}", pair.what));
            let all = pair.query(&pair.host, "SELECT DISTINCT k FROM t").expect("the CPU does it");
            let keys = |batch: &RecordBatch| {
                (0..batch.num_rows())
                    .map(|row| show(batch.column(0), row))
                    .collect::<std::collections::BTreeSet<_>>()
            };
            assert_eq!(keys(&some).len(), 20, "{}", pair.what);
            assert!(keys(&some).is_subset(&keys(&all)), "{}", pair.what);
        }
    }
}

#[test]
fn many_groups() {
    for lazy in [false, true] {
        let pair = pair(rows(9, 30_000, 10_000, 2), 2, lazy, "many");
        check(
            &pair,
            "SELECT k, count(DISTINCT i), count(DISTINCT s), count(*), sum(id) FROM t GROUP BY k",
            1e-9,
        );
        check(&pair, "SELECT k, median(x), stddev(y), corr(x, id) + 2 FROM t GROUP BY k", 1e-5);
        check(&pair, "SELECT k, g, count(*) FROM t GROUP BY ROLLUP (k, g)", 0.0);
    }
}

/// Approximations are exact on the device.
#[test]
fn approximations() {
    let pair = pair(rows(10, 4000, 20, 5), 2, true, "approximations");
    let same = |ours: &str, exact: &str| {
        let device = pair.query(&pair.device, ours).unwrap_or_else(|error| panic!("{ours}: {error}"));
        let host = pair.query(&pair.host, exact).expect("the CPU does it");
        let (device, host) = (sorted(&device), sorted(&host));
        assert_eq!(device.num_rows(), host.num_rows(), "{ours}");
        for column in 0..host.num_columns() {
            for row in 0..host.num_rows() {
                assert_eq!(
                    show(device.column(column), row),
                    show(host.column(column), row),
                    "{ours}: row {row}"
                );
            }
        }
    };
    same("SELECT k, approx_median(x) FROM t GROUP BY k", "SELECT k, median(x) FROM t GROUP BY k");
    same(
        "SELECT k, approx_percentile_cont(0.75) WITHIN GROUP (ORDER BY x) FROM t GROUP BY k",
        "SELECT k, percentile_cont(x, 0.75) FROM t GROUP BY k",
    );
    same(
        "SELECT k, approx_distinct(i), approx_distinct(s), count(*) FROM t GROUP BY k",
        "SELECT k, count(DISTINCT i), count(DISTINCT s), count(*) FROM t GROUP BY k",
    );
}

#[test]
fn values_that_are_not_numbers() {
    let specials = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 1.5, -2.0, 0.0];
    for seed in 1..4 {
        let mut random = Rng(seed);
        let plain = rows(seed, 300, 12, 5);
        let mut column = || -> ArrayRef {
            let value = |_| specials[random.below(specials.len() as u64) as usize];
            Arc::new((0..300).map(value).collect::<Float64Array>())
        };
        let mut columns = plain.columns().to_vec();
        let at = plain.schema().index_of("x").expect("there is x");
        (columns[at], columns[at + 1]) = (column(), column());
        let batch = RecordBatch::try_new(plain.schema(), columns).expect("the same schema");
        let pair = pair(batch, 1, seed % 2 == 0, "specials");
        check(&pair, "SELECT k, median(x), count(DISTINCT x), count(DISTINCT y) FROM t GROUP BY k", 1e-9);
        check(&pair, "SELECT x, median(y), count(*) FROM t GROUP BY x", 1e-9);
        check(&pair, "SELECT k, percentile_cont(x, 0.4), first_value(x ORDER BY id) FROM t GROUP BY k", 1e-9);
    }
}

/// What the h2o database benchmark and ClickBench ask, over tables like theirs.
#[test]
fn queries_of_benchmarks() {
    let pair = pair(rows(11, 3000, 40, 0), 2, true, "benchmarks");
    for sql in [
        "SELECT g, s, median(x) AS median, stddev(x) AS deviation FROM t GROUP BY g, s",
        "SELECT k, max(i) - min(i) AS range FROM t GROUP BY k",
        "SELECT k, x FROM (SELECT k, x, row_number() OVER (PARTITION BY k ORDER BY x DESC) AS place FROM t) WHERE place <= 2",
        "SELECT g, k, pow(corr(i, id), 2) AS r2 FROM t GROUP BY g, k",
        "SELECT k, sum(i), count(*) AS c, avg(id), count(DISTINCT s) FROM t GROUP BY k ORDER BY c DESC, k LIMIT 10",
        "SELECT count(DISTINCT s), count(DISTINCT k), count(DISTINCT g) FROM t",
        "SELECT s, count(DISTINCT k) AS u FROM t WHERE s <> '' GROUP BY s ORDER BY u DESC, s LIMIT 10",
        "SELECT s, min(g), min(s), count(*) AS c, count(DISTINCT id) FROM t WHERE s LIKE '%v%' GROUP BY s ORDER BY c DESC, s",
    ] {
        check(&pair, sql, 1e-6);
    }
}

#[test]
fn distinct_values_of_every_type() {
    for (lazy, nulls) in [(false, Nulls::Some), (true, Nulls::None)] {
        let pair = Pair::new(12, 400, nulls, lazy);
        for (name, data_type) in every_type().into_iter().step_by(2) {
            if data_type.is_floating() {
                continue;
            }
            let values = format!("count(DISTINCT {name}), count(DISTINCT i32_b), count(*)");
            check(&pair, &format!("SELECT k, {values} FROM t GROUP BY k"), 0.0);
            let keyed = format!("SELECT {name}, count(DISTINCT i8_b), avg(id) FROM t GROUP BY {name}");
            check(&pair, &keyed, 1e-9);
        }
        for name in ["bool_a", "d38_a", "view_a", "dict_a"] {
            let medians = "median(id), count(DISTINCT str_b)";
            check(
                &pair,
                &format!("SELECT {name}, i8_b, {medians} FROM t GROUP BY CUBE ({name}, i8_b)"),
                1e-9,
            );
        }
    }
}

/// Tables of groups, and rows that are sorted, that are larger than a device.
#[test]
fn more_than_a_device_holds() {
    for lazy in [false, true] {
        let pair = pair_within(Some(6 << 20), rows(13, 40_000, 9_000, 2), 2, lazy, "little memory");
        for sql in [
            "SELECT k, count(DISTINCT i), count(DISTINCT s), sum(id) FROM t GROUP BY k",
            "SELECT k, s, count(*), sum(x) FROM t GROUP BY ROLLUP (k, s)",
        ] {
            check(&pair, sql, 1e-9);
        }
    }
}
