//! Joins of every kind on the device, against DataFusion's CPU operators. Rows are compared as a multiset: a join
//! promises no order.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, BooleanArray, Decimal128Array, DictionaryArray, Float64Array, Int32Array, Int64Array,
    StringArray,
};
use arrow::datatypes::{Field, Int32Type, Schema};
use arrow::record_batch::RecordBatch;
use datafusion::datasource::MemTable;
use swath::device::launch_count;

use crate::differential::Pair;
use crate::generated::Rng;

/// A table of keys of several types with many or few repeats, and a number of its own for each row.
fn side(seed: u64, rows: usize, keys: u64, null_share: u64) -> RecordBatch {
    let mut random = Rng(seed);
    // Skewed: half of the rows have one of four keys.
    let numbers: Vec<Option<i64>> = (0..rows)
        .map(|_| {
            let key = if random.below(2) == 0 { random.below(keys.min(4)) } else { random.below(keys) };
            (random.below(100) >= null_share).then_some(key as i64)
        })
        .collect();
    let text = |key: i64| match key % 5 {
        0 => String::new(),
        1 => format!("k{key}"),
        2 => format!("a key that is longer than eight bytes, {key}"),
        3 => format!("schlüssel-{key}"),
        _ => "x".repeat((key % 300) as usize) + &key.to_string(),
    };
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("k", Arc::new(Int64Array::from(numbers.clone()))),
        ("i", Arc::new(numbers.iter().map(|key| key.map(|key| (key / 3) as i32)).collect::<Int32Array>())),
        ("s", Arc::new(numbers.iter().map(|key| key.map(text)).collect::<StringArray>())),
        (
            "d",
            Arc::new(
                numbers
                    .iter()
                    .map(|key| key.map(|key| key as i128 * 100))
                    .collect::<Decimal128Array>()
                    .with_precision_and_scale(25, 2)
                    .expect("a precision that there is"),
            ),
        ),
        (
            "f",
            Arc::new(
                numbers
                    .iter()
                    .map(|key| key.map(|key| if key == 0 { -0.0 } else { key as f64 }))
                    .collect::<Float64Array>(),
            ),
        ),
        (
            "c",
            // Values of a dictionary of the table's own.
            Arc::new(
                numbers
                    .iter()
                    .map(|key| key.map(|key| text((key + seed as i64) % 40)))
                    .collect::<Vec<_>>()
                    .iter()
                    .map(Option::as_deref)
                    .collect::<DictionaryArray<Int32Type>>(),
            ),
        ),
        ("b", Arc::new(numbers.iter().map(|key| key.map(|key| key % 2 == 0)).collect::<BooleanArray>())),
        ("n", Arc::new((0..rows as i64).collect::<Int64Array>())),
        (
            "v",
            Arc::new((0..rows).map(|row| (row % 7 != 2).then(|| format!("v{row}"))).collect::<StringArray>()),
        ),
    ];
    let fields: Vec<Field> = columns
        .iter()
        .map(|(name, column)| Field::new(*name, column.data_type().clone(), *name != "n"))
        .collect();
    let columns = columns.into_iter().map(|(_, column)| column).collect();
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).expect("columns fit the schema")
}

fn pair(left: RecordBatch, right: RecordBatch, lazy: bool, what: String) -> Pair {
    pair_within(None, left, right, lazy, what)
}

fn pair_within(
    device_memory_limit: Option<u64>,
    left: RecordBatch,
    right: RecordBatch,
    lazy: bool,
    what: String,
) -> Pair {
    let pair = Pair::within(device_memory_limit, std::slice::from_ref(&left), lazy, what);
    for (name, batch) in [("l", left), ("r", right)] {
        // Several batches, one of them empty.
        let half = batch.num_rows() / 2;
        let batches =
            vec![batch.slice(0, half), batch.slice(half, 0), batch.slice(half, batch.num_rows() - half)];
        for context in [&pair.device, &pair.host] {
            let table = MemTable::try_new(batch.schema(), vec![batches.clone()]).expect("one schema");
            context.register_table(name, Arc::new(table)).expect("the name is free");
        }
    }
    pair
}

/// Runs `sql` on both and compares the rows as a multiset.
fn check(pair: &Pair, sql: &str) {
    let before = launch_count();
    let device =
        pair.query(&pair.device, sql).unwrap_or_else(|error| panic!("{}: {sql}\n{error}", pair.what));
    // Without rows on one side there may be nothing to do.
    assert!(launch_count() > before || pair.what.contains(" 0 "), "{}: {sql}\nlaunched no kernel", pair.what);
    let host = pair.query(&pair.host, sql).unwrap_or_else(|error| panic!("{}: {sql}\n{error}", pair.what));
    assert_eq!(lines(&device), lines(&host), "{}: {sql}", pair.what);
}

/// The rows as text, sorted.
pub fn lines(batch: &RecordBatch) -> Vec<String> {
    let show = |column: &ArrayRef, row| {
        arrow::util::display::array_value_to_string(column, row).expect("every value has a text")
    };
    let mut lines: Vec<String> = (0..batch.num_rows())
        .map(|row| {
            let cells: Vec<String> = (0..batch.num_columns())
                .map(|column| match batch.column(column).is_null(row) {
                    true => "NULL".into(),
                    false => show(batch.column(column), row),
                })
                .collect();
            cells.join("|")
        })
        .collect();
    lines.sort();
    lines
}

/// The kinds of joins over a condition.
fn kinds(condition: &str) -> Vec<String> {
    let both = "l.n, l.v, r.n, r.v, l.k, r.s, l.c, r.c";
    let mut queries: Vec<String> = ["JOIN", "LEFT JOIN", "RIGHT JOIN", "FULL JOIN"]
        .iter()
        .map(|kind| format!("SELECT {both} FROM l {kind} r ON {condition}"))
        .collect();
    for kind in ["LEFT SEMI", "LEFT ANTI"] {
        queries.push(format!("SELECT l.n, l.c FROM l {kind} JOIN r ON {condition}"));
    }
    for kind in ["RIGHT SEMI", "RIGHT ANTI"] {
        queries.push(format!("SELECT r.n, r.v FROM l {kind} JOIN r ON {condition}"));
    }
    queries
        .push(format!("SELECT l.n FROM l WHERE EXISTS (SELECT 1 FROM r WHERE {condition}) OR l.n % 3 = 0"));
    queries.push(format!(
        "SELECT l.k, count(*), sum(r.n), min(r.v), max(l.v) FROM l JOIN r ON {condition} GROUP BY l.k"
    ));
    queries
}

fn run(seed: u64, left: RecordBatch, right: RecordBatch, conditions: &[&str], lazy: bool) {
    let what = format!("seed {seed}, rows: {} and {} , lazy {lazy}", left.num_rows(), right.num_rows());
    let pair = pair(left, right, lazy, what);
    for condition in conditions {
        for query in kinds(condition) {
            check(&pair, &query);
        }
    }
}

const KEYS: [&str; 9] = [
    "l.k = r.k",
    "l.c = r.c",
    "l.s = r.s",
    "l.d = r.d",
    "l.f = r.f",
    "l.k = r.k AND l.b = r.b AND l.s = r.s",
    "l.k IS NOT DISTINCT FROM r.k",
    "l.k = r.k AND l.n < r.n",
    "l.i = r.i AND l.v < r.v",
];

#[test]
fn keys_of_every_type_that_repeat() {
    for lazy in [false, true] {
        run(1, side(1, 300, 90, 10), side(2, 220, 90, 10), &KEYS, lazy);
    }
}

#[test]
fn keys_that_do_not_repeat_on_one_side() {
    for lazy in [false, true] {
        let mut unique = side(3, 200, 1, 0);
        let mut columns = unique.columns().to_vec();
        let keys: Int64Array = (0..200).map(|key| (key % 17 != 5).then_some(key)).collect();
        columns[0] = Arc::new(keys);
        unique = RecordBatch::try_new(unique.schema(), columns).expect("the same schema");
        let keys = ["l.k = r.k", "l.k = r.k AND l.n < r.n", "l.k IS NOT DISTINCT FROM r.k"];
        run(3, unique.clone(), side(4, 700, 300, 5), &keys, lazy);
        run(4, side(5, 700, 300, 5), unique, &keys, lazy);
    }
}

#[test]
fn pairs_without_equal_keys() {
    for lazy in [false, true] {
        let conditions = ["l.n < r.n", "l.k < r.k AND l.s <> r.s", "l.n + r.n = 17", "l.b OR r.b"];
        run(6, side(6, 60, 20, 10), side(7, 41, 20, 10), &conditions, lazy);
    }
    let pair = pair(side(8, 33, 5, 0), side(9, 65, 5, 0), true, "cross".into());
    check(&pair, "SELECT l.n, r.n, l.s, r.v FROM l CROSS JOIN r");
    check(&pair, "SELECT l.n, m FROM l CROSS JOIN (SELECT max(n) AS m FROM r)");
    check(&pair, "SELECT count(*), sum(l.n * r.n) FROM l CROSS JOIN r");
}

#[test]
fn sides_without_rows_or_of_null_keys_alone() {
    for lazy in [false, true] {
        let conditions =
            ["l.k = r.k", "l.s = r.s AND l.n < r.n", "l.n < r.n", "l.k IS NOT DISTINCT FROM r.k"];
        run(10, side(10, 0, 5, 0), side(11, 50, 5, 0), &conditions, lazy);
        run(11, side(10, 50, 5, 0), side(11, 0, 5, 0), &conditions, lazy);
        run(12, side(10, 0, 5, 0), side(11, 0, 5, 0), &conditions[..1], lazy);
        run(13, side(10, 40, 5, 100), side(11, 60, 5, 100), &conditions, lazy);
        run(14, side(10, 1, 5, 0), side(11, 1, 5, 0), &conditions, lazy);
    }
}

#[test]
fn one_huge_group_and_many_groups() {
    for lazy in [false, true] {
        let what = format!("skew, lazy {lazy}");
        let pair_of = |left, right| pair(left, right, lazy, what.clone());
        let huge = pair_of(side(20, 3000, 1, 0), side(21, 500, 2, 0));
        check(&huge, "SELECT count(*), sum(l.n), sum(r.n) FROM l JOIN r ON l.k = r.k");
        let many = pair_of(side(22, 20_000, 10_000, 2), side(23, 30_000, 10_000, 2));
        check(
            &many,
            "SELECT l.k, count(*), sum(r.n) FROM l JOIN r ON l.s = r.s WHERE l.k > 3 AND r.k > 3 GROUP BY l.k",
        );
    }
}

/// What is larger than the device's memory is joined, sorted and grouped there, piece by piece.
#[test]
fn tables_larger_than_memory() {
    for lazy in [false, true] {
        let (left, right) = (side(40, 12_000, 9000, 5), side(41, 9000, 9000, 5));
        let bytes = left.get_array_memory_size() + right.get_array_memory_size();
        let what = format!("seeds 40 and 41, {bytes} bytes in 1.2 MB, lazy {lazy}");
        let pair = pair_within(Some(1_200_000), left, right, lazy, what);
        let few = "l.k > 40 AND r.k > 40";
        for kind in ["JOIN", "LEFT JOIN", "RIGHT JOIN", "FULL JOIN"] {
            check(&pair, &format!("SELECT l.n, l.s, r.n, r.v FROM l {kind} r ON l.k = r.k AND {few}"));
        }
        for kind in ["LEFT SEMI", "LEFT ANTI", "RIGHT SEMI", "RIGHT ANTI"] {
            let side = if kind.starts_with("LEFT") { "l" } else { "r" };
            check(
                &pair,
                &format!("SELECT {side}.n, {side}.s FROM l {kind} JOIN r ON l.s = r.s AND l.n < r.n"),
            );
        }
        check(&pair, "SELECT s, count(*), sum(n), min(v) FROM l GROUP BY s");
        check(&pair, "SELECT DISTINCT s, v, n FROM l");
        for query in [
            "SELECT s, n, v FROM l ORDER BY s, n DESC",
            "SELECT k, s, n, v FROM l ORDER BY k DESC NULLS LAST, n",
            "SELECT n, s FROM l ORDER BY s DESC NULLS FIRST, n LIMIT 20 OFFSET 3",
        ] {
            pair.check(query, 0.0);
        }
    }
}

#[test]
fn several_joins_in_one_pipeline() {
    for lazy in [false, true] {
        let pair = pair(side(30, 400, 50, 5), side(31, 90, 50, 5), lazy, format!("several, lazy {lazy}"));
        check(
            &pair,
            "SELECT a.n, b.n, c.v, d.n FROM l a JOIN r b ON a.k = b.k AND b.n < 40 LEFT JOIN r c ON a.i = c.i AND c.n < 9 \
             JOIN (SELECT k, max(n) AS n FROM l GROUP BY k) d ON d.k = a.k WHERE a.n > 3",
        );
        check(
            &pair,
            "SELECT a.i, count(*), sum(b.n), max(c.n) FROM l a FULL JOIN r b ON a.k = b.k \
             LEFT JOIN r c ON b.s = c.s GROUP BY a.i",
        );
        check(&pair, "SELECT k FROM l INTERSECT SELECT k FROM r");
        check(&pair, "SELECT c, n FROM l WHERE c LIKE '%k%' UNION ALL SELECT c, n FROM r WHERE n > 20");
        check(
            &pair,
            "SELECT a.c, b.c, row_number() OVER (PARTITION BY b.c ORDER BY a.n, b.n) AS o FROM l a JOIN r b ON a.k = b.k",
        );
        pair.check(
            "SELECT a.c, b.c, a.n FROM l a JOIN r b ON a.k = b.k ORDER BY a.c DESC, b.c, a.n, b.n LIMIT 99",
            0.0,
        );
        check(&pair, "SELECT k FROM l EXCEPT SELECT k FROM r");
        check(&pair, "SELECT n, v FROM l WHERE k IN (SELECT k FROM r WHERE n < 50)");
        check(&pair, "SELECT n, v FROM l WHERE NOT EXISTS (SELECT 1 FROM r WHERE r.k = l.k AND r.n > l.n)");
        check(&pair, "SELECT n, v FROM l WHERE n > (SELECT avg(n) FROM r WHERE r.k = l.k)");
        check(
            &pair,
            "SELECT k, n FROM l UNION ALL SELECT k, n FROM (SELECT k, n + 1 AS n FROM r WHERE n < 7)",
        );
    }
}
