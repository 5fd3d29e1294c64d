//! What is rare in queries: `NOT IN` over nulls, columns that kernels do not read, leftovers of functions.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, Int64Array, Int64Builder, ListBuilder, StringArray, StringBuilder, StructArray,
};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Schema};
use arrow::record_batch::RecordBatch;
use arrow::util::pretty::pretty_format_batches;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::datasource::MemTable;
use datafusion::physical_plan::sorts::sort::SortExec;
use datafusion::physical_plan::windows::BoundedWindowAggExec;
use datafusion::physical_plan::{ExecutionPlan, InputOrderMode, collect, displayable};
use swath::device::launch_count;

use crate::differential::Pair;
use crate::generated::{Nulls, Rng};
use crate::joins::lines;
use crate::simulator::mode;

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
    let key: Int64Array =
        (0..rows).map(|_| (null_of == 0 || rng.below(null_of) > 0).then(|| rng.below(keys) as i64)).collect();
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

fn pairs() -> Vec<Pair> {
    vec![Pair::new(91, 700, Nulls::Some, false), Pair::new(92, 129, Nulls::None, true)]
}

fn owned(expressions: &[&str]) -> Vec<String> {
    expressions.iter().map(|text| text.to_string()).collect()
}

#[test]
fn mathematics() {
    let exact = owned(&[
        "greatest(f64_a, f64_b)",
        "least(f32_a, f32_b, 0)",
        "greatest(i64_a, i64_b, 5, NULL)",
        "least(str_a, str_b, 'm')",
        "greatest(view_a, view_b)",
        "greatest(d15_a, d15_b)",
        "least(d38_a, d38_b)",
        "greatest(date_a, DATE '2000-01-01')",
        "least(bool_a, bool_b)",
        "isnan(f64_a)",
        "isnan(f32_a)",
        "isnan(i32_a)",
        "iszero(f64_a)",
        "iszero(d15_a)",
        "iszero(u32_a)",
        "nanvl(f64_a, f64_b)",
        "nanvl(f32_a, f32_b)",
        "degrees(f64_a)",
        "degrees(f32_a)",
        "radians(f64_a)",
        "radians(f32_a)",
        "pi() + f64_a",
        "trunc(f64_a)",
        "trunc(f64_a, 2)",
        "trunc(f64_a, -2)",
        "trunc(f32_a, 1)",
        "trunc(d15_a)",
        "trunc(d15_a, 1)",
        "trunc(d25_a, -3)",
        "trunc(d38_a, 1)",
        "gcd(i32_a, i32_b)",
        "gcd(i32_a, 0)",
        "gcd(i16_a, 36)",
        "lcm(i16_a, i16_b)",
        "factorial(abs(i32_a % 21))",
    ]);
    let close: Vec<String> = ["f64_a", "f32_a"]
        .iter()
        .flat_map(|x| {
            let names = [
                "sin", "cos", "tan", "cot", "asin", "acos", "atan", "sinh", "cosh", "tanh", "asinh", "acosh",
                "atanh", "cbrt",
            ];
            names.map(|name| format!("{name}({x})"))
        })
        .chain(owned(&["atan2(f64_a, f64_b)", "atan2(f32_a, f32_b)"]))
        .collect();
    for pair in pairs() {
        pair.expressions(&exact, 0.0);
        // 2 units in the last place of 24 bits.
        pair.expressions(&close, 2.4e-7);
    }
}

#[test]
fn integers_without_a_result_fail() {
    let pair = Pair::new(93, 40, Nulls::None, false);
    for (expression, reason) in [
        ("factorial(i8_a - 300)", "factorial"),
        ("lcm(9223372036854775807, 4 + abs(i8_a % 2) * 0)", "lcm"),
        ("make_date(2001, 2, 30 + i8_a % 1)", "2001"),
    ] {
        let error = pair.error(&format!("SELECT {expression} FROM t"));
        assert!(error.contains(reason), "{expression}: {error}");
    }
}

#[test]
fn times_and_text() {
    let expressions = owned(&[
        "date_a - date_b",
        "ts_us_a - ts_us_b",
        "ts_s_a - TIMESTAMP '2001-01-01'",
        "date_a + INTERVAL '49' HOUR",
        "date_a - INTERVAL '49' HOUR",
        "ts_us_a + INTERVAL '1 month 3 days 5 hours 7 seconds'",
        "ts_s_a + INTERVAL '1500 milliseconds'",
        "ts_s_a - INTERVAL '1500 milliseconds'",
        "make_date(1800 + i32_a % 200, 1 + abs(i32_a % 12), 1 + abs(i32_b % 28))",
        "date_part('isoyear', date_a)",
        "date_part('isodow', ts_us_a)",
        "to_unixtime(ts_us_a)",
        "to_unixtime(date_a)",
        "to_unixtime(i32_a)",
        "from_unixtime(CAST(i32_a AS BIGINT))",
        "to_timestamp_millis(CAST(i32_a AS BIGINT))",
        "to_timestamp_micros(ts_s_a)",
        "to_timestamp_nanos(ts_us_a)",
        "bit_length(str_a)",
        "str_a LIKE view_a",
        "view_a NOT LIKE str_b || '%'",
        "large_a LIKE '%' || str_a || '_'",
        "bool_a IS TRUE",
        "bool_a IS NOT FALSE",
        "(bool_a AND bool_b) IS UNKNOWN",
        "bool_a IS NOT TRUE",
        "CASE WHEN bool_a THEN NULL ELSE i32_a END",
        "nvl2(i32_a, 'there', 'missing')",
        "arrow_typeof(i32_a) || str_a",
    ]);
    for pair in pairs() {
        pair.expressions(&expressions, 0.0);
        check_rows(&pair, "SELECT a.i64_a FROM t a JOIN t b ON a.str_a LIKE '%' || b.str_b AND b.i8_a > 90");
    }
}

#[test]
fn like_with_patterns_in_a_column() {
    let mut rng = Rng(94);
    let pieces = ["%", "_", "a", "ab", "é", "日", "\\%", "\\_", "\\\\", "b", "\n"];
    let mut text = |wild: bool| -> StringArray {
        (0..600)
            .map(|_| {
                let parts = rng.below(6);
                let from = if wild { 0 } else { 2 };
                let piece = |_| pieces[from + rng.below((pieces.len() - from) as u64) as usize];
                let text: String = (0..parts).map(piece).collect();
                (rng.below(12) > 0).then_some(text)
            })
            .collect()
    };
    let (s, p) = (text(false), text(true));
    let fields = ["s", "p"].map(|name| Field::new(name, DataType::Utf8, true));
    let batch = RecordBatch::try_new(Arc::new(Schema::new(fields.to_vec())), vec![Arc::new(s), Arc::new(p)]);
    let batch = batch.expect("columns fit the schema");
    for lazy in [false, true] {
        let pair = Pair::over(std::slice::from_ref(&batch), lazy, format!("patterns, seed 94, lazy {lazy}"));
        pair.expressions(&owned(&["s LIKE p", "s NOT LIKE p", "s LIKE '%' || p"]), 0.0);
        check_rows(&pair, "SELECT s, p FROM t WHERE s LIKE p");
    }
}

#[test]
fn windows_over_rows_in_another_order() {
    let mut rng = Rng(95);
    let rows = 500;
    let time: Int64Array = (0..rows as i64).map(|row| Some(row / 3)).collect();
    let key: Int64Array = (0..rows).map(|_| (rng.below(9) > 0).then(|| rng.below(7) as i64)).collect();
    let group: Int64Array = (0..rows).map(|_| Some(rng.below(3) as i64)).collect();
    let fields = [("ts", false), ("k", true), ("g", false)]
        .map(|(name, null)| Field::new(name, DataType::Int64, null));
    let schema = Arc::new(Schema::new(fields.to_vec()));
    let batch = RecordBatch::try_new(schema.clone(), vec![Arc::new(time), Arc::new(key), Arc::new(group)])
        .expect("columns fit the schema");
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let runtime = runtime.expect("a runtime starts");
    for lazy in [false, true] {
        let pair = Pair::over(std::slice::from_ref(&batch), lazy, format!("windows, seed 95, lazy {lazy}"));
        let _mode = mode(lazy);
        for sql in [
            "SELECT ts, k, count(*) OVER (PARTITION BY k ORDER BY ts ROWS 3 PRECEDING) AS n, \
             sum(g) OVER (PARTITION BY k ORDER BY ts ROWS 5 PRECEDING) AS s FROM t",
            "SELECT ts, g, row_number() OVER (PARTITION BY k, g ORDER BY ts) AS r FROM t WHERE g < 2",
            "SELECT lag(k) OVER (PARTITION BY g ORDER BY ts) AS l, ts FROM t",
        ] {
            let (host, device) = runtime.block_on(async {
                let plan = pair.host.sql(sql).await.expect("it parses");
                let plan = plan.create_physical_plan().await.expect("it is planned");
                let plan = without_sorts(plan);
                let state = pair.device.state();
                let mut rules = state.physical_optimizers().iter();
                let rule = rules.find(|rule| rule.name() == "swath_placement").expect("it is installed");
                let placed = rule.optimize(plan.clone(), state.config_options()).expect("it is placed");
                let shown = displayable(placed.as_ref()).indent(true).to_string();
                assert!(shown.contains("DeviceExec") && shown.contains("mode=[Linear]"), "{shown}");
                let host = collect(plan, pair.host.task_ctx()).await.expect("the CPU runs it");
                (host, collect(placed, pair.device.task_ctx()).await.expect("the device runs it"))
            });
            // In the order of the input, not only the same rows.
            let text = |batches: &[RecordBatch]| pretty_format_batches(batches).expect("text").to_string();
            assert_eq!(text(&device), text(&host), "{}: {sql}", pair.what);
        }
    }
}

/// Has windows take their input as it comes, by the order keys alone.
fn without_sorts(plan: Arc<dyn ExecutionPlan>) -> Arc<dyn ExecutionPlan> {
    let changed = plan.transform_up(|node| {
        let Some(window) = node.downcast_ref::<BoundedWindowAggExec>() else {
            return Ok(Transformed::no(node));
        };
        let sort = window.input().downcast_ref::<SortExec>().expect("its input is sorted");
        let input = sort.input().clone();
        let window = BoundedWindowAggExec::try_new(
            window.window_expr().to_vec(),
            input,
            InputOrderMode::Linear,
            true,
        )?;
        Ok(Transformed::yes(Arc::new(window) as Arc<dyn ExecutionPlan>))
    });
    changed.expect("the plan is rebuilt").data
}

/// A table with columns of types that devices do not take, nulls among them.
fn nested(seed: u64, rows: usize) -> RecordBatch {
    let mut rng = Rng(seed);
    let id: ArrayRef = Arc::new((0..rows as i64).map(Some).collect::<Int64Array>());
    let key: ArrayRef =
        Arc::new((0..rows).map(|_| (rng.below(8) > 0).then(|| rng.below(20) as i64)).collect::<Int64Array>());
    let mut numbers = ListBuilder::new(Int64Builder::new());
    let mut words = ListBuilder::new(StringBuilder::new());
    for _ in 0..rows {
        for _ in 0..rng.below(4) {
            numbers.values().append_option((rng.below(5) > 0).then(|| rng.below(100) as i64));
            words.values().append_value(["", "a", "längeres Wort", "日本"][rng.below(4) as usize]);
        }
        numbers.append(rng.below(6) > 0);
        words.append(rng.below(6) > 0);
    }
    let (numbers, words): (ArrayRef, ArrayRef) = (Arc::new(numbers.finish()), Arc::new(words.finish()));
    let parts = vec![
        Arc::new(Field::new("a", DataType::Int64, true)),
        Arc::new(Field::new("b", words.data_type().clone(), true)),
    ];
    let nulls = (0..rows).map(|_| rng.below(7) > 0).collect::<Vec<_>>();
    let text = cast(&id, &DataType::Utf8).expect("integers have a text");
    let inner = vec![Arc::new(Field::new("d", DataType::Utf8, false))];
    let inner = StructArray::new(inner.into(), vec![text], None);
    let parts = [parts, vec![Arc::new(Field::new("c", inner.data_type().clone(), false))]].concat();
    let children = vec![key.clone(), words.clone(), Arc::new(inner) as ArrayRef];
    let whole = StructArray::new(parts.into(), children, Some(nulls.into()));
    let wide = cast(&id, &DataType::Decimal256(50, 3)).expect("integers are decimals");
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("id", id),
        ("k", key),
        ("numbers", numbers),
        ("words", words),
        ("whole", Arc::new(whole)),
        ("wide", wide),
    ];
    let fields: Vec<Field> =
        columns.iter().map(|(name, one)| Field::new(*name, one.data_type().clone(), *name != "id")).collect();
    let columns = columns.into_iter().map(|(_, column)| column).collect();
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).expect("columns fit the schema")
}

#[test]
fn columns_that_devices_do_not_take_are_carried() {
    for lazy in [false, true] {
        let batch = nested(96, 900);
        let thirds: Vec<RecordBatch> = (0..3).map(|third| batch.slice(300 * third, 300)).collect();
        let pair = Pair::over(&thirds, lazy, format!("nested, seed 96, lazy {lazy}"));
        add(&pair, "u", &[nested(97, 130)]);
        add(&pair, "none", &[nested(98, 0)]);
        for sql in [
            "SELECT numbers, id FROM t WHERE id % 7 = 3",
            "SELECT numbers FROM t WHERE id < 10 ORDER BY id",
            "SELECT id + 1, words, whole, wide FROM t ORDER BY id DESC",
            "SELECT id, words, whole FROM t ORDER BY k DESC, id LIMIT 37",
            "SELECT whole, id FROM t WHERE numbers IS NOT NULL AND id > 40",
            "SELECT id, numbers IS NULL, whole IS NULL AND k > 3 FROM t",
            "SELECT wide FROM t WHERE whole IS NULL",
            "SELECT id, numbers, row_number() OVER (ORDER BY k, id) AS n FROM t ORDER BY id",
        ] {
            pair.check(sql, 0.0);
        }
        for sql in [
            "SELECT t.id, t.numbers, u.id, u.words, u.whole FROM t JOIN u ON t.k = u.k",
            "SELECT t.numbers, u.numbers, u.wide FROM t LEFT JOIN u ON t.k = u.k AND u.id < 20",
            "SELECT t.numbers, u.numbers, u.wide FROM t FULL JOIN u ON t.k = u.k AND u.id < 20",
            "SELECT t.whole, u.words FROM u RIGHT JOIN t ON t.id = u.id",
            "SELECT numbers, words FROM t WHERE k IN (SELECT k FROM u WHERE id < 5)",
            "SELECT id, numbers FROM t WHERE id < 50 UNION ALL SELECT k, numbers FROM u WHERE k > 3",
            "SELECT k, count(numbers), count(whole), sum(id) FROM t GROUP BY k",
            "SELECT t.numbers, none.numbers FROM t LEFT JOIN none ON t.k = none.k WHERE t.id < 40",
            "SELECT a.numbers, b.numbers, c.whole FROM t a JOIN u b ON a.k = b.k JOIN u c ON b.id = c.id WHERE a.id < 200",
        ] {
            check_rows(&pair, sql);
        }
    }
}

#[test]
fn a_batch_that_comes_again_is_carried_again() {
    let batch = nested(104, 3_000);
    let pair = Pair::over(&vec![batch; 9], false, "the same batch, seed 104".into());
    pair.check("SELECT id + 1, numbers, whole FROM t WHERE id % 5 < 3", 0.0);
    pair.check("SELECT id, words, wide FROM t ORDER BY k, id", 0.0);
}

#[test]
fn what_reads_a_carried_column_stays_on_the_cpu_and_says_so() {
    let pair = Pair::over(&[nested(99, 40)], false, "nested".into());
    for (sql, column) in [
        ("SELECT id FROM t WHERE array_length(numbers) > 1", "array_length"),
        ("SELECT DISTINCT numbers FROM t", "numbers"),
        ("SELECT id FROM t ORDER BY numbers", "numbers"),
        ("SELECT a.id FROM t a JOIN t b ON a.words = b.words", "words"),
        ("SELECT id FROM t WHERE wide > id", "wide"),
    ] {
        let error = pair.error(sql);
        assert!(error.contains("would run on the CPU") && error.contains(column), "{sql}: {error}");
    }
}

#[test]
fn fields_of_structs_are_columns() {
    for lazy in [false, true] {
        let batch = nested(102, 700);
        let pair = Pair::over(
            &[batch.slice(0, 301), batch.slice(301, 399)],
            lazy,
            format!("fields, seed 102, lazy {lazy}"),
        );
        add(&pair, "u", &[nested(103, 130)]);
        for sql in [
            "SELECT whole['a'] AS a, id FROM t",
            "SELECT whole['c']['d'] || '!' AS d, whole, numbers FROM t WHERE whole['a'] % 3 = 1",
            "SELECT id FROM t ORDER BY whole['a'] DESC, id LIMIT 50",
            "SELECT whole['a'] + 1, upper(whole['c']['d']) FROM t WHERE whole IS NOT NULL",
        ] {
            pair.check(sql, 0.0);
        }
        for sql in [
            "SELECT whole['a'], count(*), min(whole['c']['d']) FROM t GROUP BY whole['a']",
            "SELECT t.id, u.id, u.whole FROM t JOIN u ON t.whole['a'] = u.k AND u.id < 40",
            "SELECT t.id, u.id FROM t JOIN u ON t.whole['c']['d'] = u.whole['c']['d']",
        ] {
            check_rows(&pair, sql);
        }
    }
}

#[test]
fn lists_are_unnested() {
    for lazy in [false, true] {
        let batch = nested(100, 700);
        let pair = Pair::over(
            &[batch.slice(0, 301), batch.slice(301, 399)],
            lazy,
            format!("unnest, seed 100, lazy {lazy}"),
        );
        add(&pair, "u", &[nested(101, 130)]);
        for sql in [
            "SELECT id, unnest(numbers) AS n FROM t",
            "SELECT unnest(words) AS w, numbers, k FROM t WHERE id % 3 = 1",
            "SELECT id, n * 2 FROM (SELECT id, unnest(numbers) AS n FROM t) WHERE n > 50 ORDER BY id, n",
        ] {
            pair.check(sql, 0.0);
        }
        for sql in [
            "SELECT w, count(*), sum(id) FROM (SELECT id, unnest(words) AS w FROM t) GROUP BY w",
            "SELECT t.id, unnest(u.words), t.whole FROM t JOIN u ON t.k = u.k WHERE t.id < 100",
            "SELECT a.n, u.id FROM (SELECT unnest(numbers) AS n FROM t) a JOIN u ON a.n = u.id",
            "SELECT unnest(numbers) AS n FROM t WHERE id < 0 AND k > 100",
        ] {
            check_rows(&pair, sql);
        }
    }
}
