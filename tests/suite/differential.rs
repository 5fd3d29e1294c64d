//! Every expression and aggregate on every type: the device against DataFusion's CPU operators.
//!
//! A failure names the seed, the query, the row and the column.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Int64Array, StringArray};
use arrow::compute::concat_batches;
use arrow::datatypes::{DataType, Field, Float32Type, Float64Type, Int64Type, Schema};
use arrow::record_batch::RecordBatch;
use datafusion::datasource::MemTable;
use datafusion::execution::SessionStateBuilder;
use datafusion::prelude::{SessionConfig, SessionContext};
use swath::config::{Config, Fallback, Placement};
use swath::device::launch_count;
use swath::plan::{Engine, install};

use crate::generated::{Nulls, table};
use crate::simulator::{kernel_folder, mode, use_device};

/// A context with device 0 and a plain one, with the same table `t`.
pub struct Pair {
    lazy: bool,
    pub device: SessionContext,
    pub host: SessionContext,
    runtime: tokio::runtime::Runtime,
    pub what: String,
}

impl Pair {
    pub fn new(seed: u64, rows: usize, nulls: Nulls, lazy: bool) -> Pair {
        let batches = table(seed, rows, nulls);
        Pair::over(&batches, lazy, format!("seed {seed}, {rows} rows, nulls {nulls:?}, lazy {lazy}"))
    }

    pub fn over(batches: &[RecordBatch], lazy: bool, what: String) -> Pair {
        Pair::within(None, batches, lazy, what)
    }

    /// As [`over`](Pair::over), with a device of so much memory.
    pub fn within(
        device_memory_limit: Option<u64>,
        batches: &[RecordBatch],
        lazy: bool,
        what: String,
    ) -> Pair {
        Pair::partitioned(device_memory_limit, &[batches.to_vec()], lazy, what)
    }

    /// Over a table of several partitions, planned for as many.
    pub fn partitioned(
        device_memory_limit: Option<u64>,
        partitions: &[Vec<RecordBatch>],
        lazy: bool,
        what: String,
    ) -> Pair {
        use_device();
        let config = Config {
            device_memory_limit,
            placement: Placement::Device,
            fallback: Fallback::Error,
            cache_dir: Some(kernel_folder()),
            // Small chunks, so that there are several.
            chunk_bytes_target: Some(64 << 10),
            ..Default::default()
        };
        let engine = Engine::start(&config).expect("the engine starts");
        let session = || SessionConfig::new().with_target_partitions(partitions.len());
        let builder = SessionStateBuilder::new().with_default_features().with_config(session());
        let device = SessionContext::new_with_state(install(builder, engine).build());
        let host = SessionContext::new_with_config(session());
        for context in [&device, &host] {
            let provider =
                MemTable::try_new(partitions[0][0].schema(), partitions.to_vec()).expect("one schema");
            context.register_table("t", Arc::new(provider)).expect("the name is free");
        }
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
        Pair { lazy, device, host, runtime: runtime.expect("a runtime starts"), what }
    }

    pub fn query(&self, context: &SessionContext, sql: &str) -> Result<RecordBatch, String> {
        let _mode = mode(self.lazy);
        self.runtime.block_on(async {
            let frame = context.sql(sql).await.map_err(|error| error.to_string())?;
            let schema = Arc::new(frame.schema().as_arrow().clone());
            let batches = frame.collect().await.map_err(|error| error.to_string())?;
            let schema = batches.first().map_or(schema, |batch| batch.schema());
            concat_batches(&schema, &batches).map_err(|error| error.to_string())
        })
    }

    /// Runs `sql` on both and compares, with a relative tolerance for floats.
    pub fn check(&self, sql: &str, tolerance: f64) {
        let before = launch_count();
        let device = self.query(&self.device, sql).unwrap_or_else(|error| {
            panic!("{}: {sql}\n{error}\non the CPU: {:?}", self.what, self.query(&self.host, sql).err())
        });
        assert!(launch_count() > before, "{}: {sql}\nlaunched no kernel", self.what);
        let host = self
            .query(&self.host, sql)
            .unwrap_or_else(|error| panic!("{}: {sql} on the CPU\n{error}", self.what));
        assert_eq!(device.num_rows(), host.num_rows(), "{}: {sql}: rows", self.what);
        for (column, field) in host.schema().fields().iter().enumerate() {
            let (d, h) = (device.column(column), host.column(column));
            assert_eq!(d.data_type(), h.data_type(), "{}: {sql}: type of {}", self.what, field.name());
            for row in 0..host.num_rows() {
                assert!(
                    same(d, h, row, tolerance),
                    "{}: {sql}\ncolumn {} row {row}: device {}, CPU {}",
                    self.what,
                    field.name(),
                    show(d, row),
                    show(h, row),
                );
            }
        }
    }

    /// Runs `sql` on the device and returns its error.
    pub fn error(&self, sql: &str) -> String {
        self.query(&self.device, sql).expect_err("it must fail")
    }

    /// Checks expressions over the table, some at a time.
    pub fn expressions(&self, expressions: &[String], tolerance: f64) {
        for some in expressions.chunks(6) {
            let list: Vec<String> = some.iter().enumerate().map(|(i, e)| format!("{e} AS c{i}")).collect();
            self.check(&format!("SELECT {} FROM t", list.join(", ")), tolerance);
        }
    }
}

fn show(array: &ArrayRef, row: usize) -> String {
    arrow::util::display::array_value_to_string(array, row).unwrap_or_else(|error| error.to_string())
}

/// Whether row `row` of both is the same: exactly, or for floats within the relative tolerance; NaN is NaN.
pub fn same(a: &ArrayRef, b: &ArrayRef, row: usize, tolerance: f64) -> bool {
    if a.is_null(row) || b.is_null(row) {
        return a.is_null(row) == b.is_null(row);
    }
    let close = |x: f64, y: f64| {
        x == y || (x.is_nan() && y.is_nan()) || (x - y).abs() <= tolerance * x.abs().max(y.abs())
    };
    match a.data_type() {
        DataType::Float64 => {
            close(a.as_primitive::<Float64Type>().value(row), b.as_primitive::<Float64Type>().value(row))
        }
        DataType::Float32 => close(
            a.as_primitive::<Float32Type>().value(row) as f64,
            b.as_primitive::<Float32Type>().value(row) as f64,
        ),
        _ => a.slice(row, 1).to_data() == b.slice(row, 1).to_data() || show(a, row) == show(b, row),
    }
}

const NUMBERS: [&str; 10] = ["i8", "i16", "i32", "i64", "u8", "u16", "u32", "u64", "f32", "f64"];
const ORDERED: [&str; 22] = [
    "bool", "i8", "i16", "i32", "i64", "u8", "u16", "u32", "u64", "f32", "f64", "d5", "d15", "d18", "d25",
    "d38", "date", "ts_s", "ts_us", "ts_ns", "str", "view",
];

fn each(names: &[&str], templates: &[&str]) -> Vec<String> {
    names
        .iter()
        .flat_map(|name| {
            templates.iter().map(move |template| {
                template.replace("{a}", &format!("{name}_a")).replace("{b}", &format!("{name}_b"))
            })
        })
        .collect()
}

fn pairs() -> Vec<Pair> {
    vec![Pair::new(1, 1_000, Nulls::Some, false), Pair::new(2, 257, Nulls::None, true)]
}

#[test]
fn comparisons() {
    let templates = ["{a} = {b}", "{a} <> {b}", "{a} < {b}", "{a} >= {b}", "{a} IS DISTINCT FROM {b}"];
    for pair in pairs() {
        pair.expressions(&each(&ORDERED, &templates), 0.0);
        pair.expressions(&each(&["large", "dict", "time", "ts_ms"], &["{a} = {b}", "{a} > {b}"]), 0.0);
    }
}

#[test]
fn integer_and_float_arithmetic() {
    let templates = ["{a} + {b}", "{a} - {b}", "{a} * {b}"];
    for pair in pairs() {
        pair.expressions(&each(&NUMBERS, &templates), 0.0);
        let guarded = ["CASE WHEN {b} > 0 THEN {a} / {b} END", "CASE WHEN {b} > 0 THEN {a} % {b} END"];
        pair.expressions(&each(&NUMBERS, &guarded), 0.0);
        pair.expressions(&each(&["i8", "i32", "i64", "u16"], &["{a} & {b}", "{a} | {b}", "{a} ^ {b}"]), 0.0);
        pair.expressions(&each(&["f32", "f64"], &["{a} / {b}", "-{a}"]), 0.0);
    }
}

#[test]
fn decimal_arithmetic() {
    for pair in pairs() {
        let small = ["{a} + {b}", "{a} - {b}", "{a} * {b}", "-{a}", "{a} + 1", "1 - {a}", "{a} * (1 - {b})"];
        pair.expressions(&each(&["d5", "d15"], &small), 0.0);
        let wide = ["{a} + {b}", "{a} - {b}", "{a} / nullif({b}, 0)", "{a} % nullif({b}, 0)"];
        pair.expressions(&each(&["d5", "d15", "d18"], &wide), 0.0);
        pair.expressions(
            &each(&["d38"], &["-{a}", "abs({a})", "{a} % nullif({b}, 0)", "{a} < {b}", "{a} IS NULL"]),
            0.0,
        );
        pair.expressions(&each(&["d25"], &["{a} + {b}", "{a} - {b}", "{a} + d5_a", "d5_a * {a}"]), 0.0);
    }
}

#[test]
fn logic_and_conditionals() {
    let expressions: Vec<String> = [
        "bool_a AND bool_b",
        "bool_a OR bool_b",
        "NOT bool_a",
        "(i32_a > 0 AND f64_a < 5) OR bool_a",
        "i64_a IS NULL",
        "str_a IS NOT NULL AND i64_a IS NOT NULL",
        "CASE WHEN i32_a > 0 THEN 'positive' WHEN i32_a < 0 THEN view_a ELSE view_b END",
        "CASE i32_a WHEN 0 THEN 1 WHEN 1 THEN 2 END",
        "CASE WHEN bool_a THEN d15_a ELSE 0 END",
        "coalesce(i64_a, i64_b, 7)",
        "coalesce(str_a, str_b)",
        "nullif(i32_a, 0)",
        "i32_a IN (1, 2, 3, -5)",
        "i32_a NOT IN (1, NULL)",
        "f64_a IN (0.5, -2.5, 1)",
        "view_a IN ('a', 'abc', '', 'special')",
        "dict_a IN ('a', 'green')",
        "d15_a IN (0.01, 0.02, 0)",
        "d38_a IN (0, 1)",
        "date_a BETWEEN DATE '1994-01-01' AND DATE '1995-01-01'",
    ]
    .map(String::from)
    .to_vec();
    for pair in pairs() {
        pair.expressions(&expressions, 0.0);
    }
}

#[test]
fn strings() {
    let mut expressions = vec![];
    for name in ["str_a", "view_a", "large_a", "dict_a"] {
        for pattern in
            ["a%", "%a", "%special%requests%", "a_c", "%\\%%", "", "%", "_", "%日本%", "abc", "%ü%é%"]
        {
            expressions.push(format!("{name} LIKE '{pattern}'"));
        }
        expressions.push(format!("{name} NOT LIKE '%green%'"));
    }
    for name in ["str_a", "view_a"] {
        expressions.extend([
            format!("character_length({name})"),
            format!("octet_length({name})"),
            format!("starts_with({name}, 'ab')"),
            format!("ends_with({name}, 'c')"),
            format!("contains({name}, 'green')"),
            format!("substr({name}, 2)"),
            format!("substr({name}, 2, 3)"),
            format!("substr({name}, -1, 4)"),
            format!("substr({name}, 0)"),
            format!("substring({name} FROM 1 FOR 2) IN ('ab', 'gr')"),
        ]);
    }
    expressions.extend(
        ["upper(ascii_a)", "lower(ascii_a)", "upper(ascii_a) = upper(ascii_b)", "ascii_a ILIKE '%ALPHA%'"]
            .map(String::from),
    );
    for pair in pairs() {
        pair.expressions(&expressions, 0.0);
    }
}

#[test]
fn dates_and_timestamps() {
    let mut expressions = vec![];
    for name in ["date_a", "ts_s_a", "ts_ms_a", "ts_us_a", "ts_ns_a"] {
        for part in ["year", "quarter", "month", "week", "day", "doy", "dow"] {
            expressions.push(format!("date_part('{part}', {name})"));
        }
        for unit in ["year", "quarter", "month", "week", "day"] {
            if name != "date_a" {
                expressions.push(format!("date_trunc('{unit}', {name})"));
            }
        }
    }
    for name in ["ts_s_a", "ts_ms_a", "ts_us_a", "ts_ns_a"] {
        for part in ["hour", "minute", "second", "millisecond", "microsecond", "nanosecond", "epoch"] {
            expressions.push(format!("date_part('{part}', {name})"));
        }
        for unit in ["hour", "minute", "second", "millisecond", "microsecond"] {
            expressions.push(format!("date_trunc('{unit}', {name})"));
        }
    }
    expressions.extend(
        [
            "date_a + INTERVAL '3' MONTH",
            "date_a - INTERVAL '1' YEAR",
            "date_a + INTERVAL '90' DAY",
            "ts_us_a + INTERVAL '1' MONTH",
            "ts_s_a - INTERVAL '2' HOUR",
            "date_a < DATE '1998-12-01' - INTERVAL '90' DAY",
            "date_bin(INTERVAL '15 minutes', ts_us_a)",
            "date_bin(INTERVAL '1 day', ts_s_a)",
            "date_bin(INTERVAL '7 milliseconds', ts_ns_a)",
            "to_timestamp(CAST(ts_ms_a AS VARCHAR))",
            "extract(minute FROM to_timestamp_seconds(CAST(i32_a AS BIGINT)))",
            "date_trunc('minute', to_timestamp_seconds(CAST(i32_a AS BIGINT)))",
        ]
        .map(String::from),
    );
    for pair in pairs() {
        pair.expressions(&expressions, 0.0);
    }
}

#[test]
fn casts() {
    let mut expressions = vec![];
    for from in
        ["i8", "i16", "i32", "i64", "u8", "u16", "u32", "u64", "f32", "f64", "d5", "d15", "d25", "d38"]
    {
        for to in [
            "TINYINT",
            "INT",
            "BIGINT",
            "BIGINT UNSIGNED",
            "REAL",
            "DOUBLE",
            "DECIMAL(10, 2)",
            "DECIMAL(38, 4)",
        ] {
            expressions.push(format!("TRY_CAST({from}_a AS {to})"));
        }
    }
    for from in ["i8", "i32", "u16"] {
        expressions.push(format!("CAST({from}_a AS BIGINT)"));
        expressions.push(format!("CAST({from}_a AS DECIMAL(20, 2))"));
    }
    expressions.extend(
        [
            "CAST(bool_a AS INT)",
            "CAST(i32_a AS BOOLEAN)",
            "CAST(CASE WHEN date_a > DATE '1900-01-01' AND date_a < DATE '2200-01-01' THEN date_a END AS TIMESTAMP)",
            "CAST(ts_ns_a AS DATE)",
            "CAST(ts_s_a AS DATE)",
            "arrow_cast(ts_ns_a, 'Timestamp(Second, None)')",
            "arrow_cast(ts_s_a, 'Timestamp(Millisecond, None)')",
            "CAST(date_a AS INT)",
            "arrow_cast(str_a, 'Utf8View')",
            "arrow_cast(dict_a, 'Utf8')",
        ]
        .map(String::from),
    );
    for pair in pairs() {
        pair.expressions(&expressions, 1e-15);
    }
}

#[test]
fn mathematics() {
    for pair in pairs() {
        let exact = [
            "abs({a})",
            "ceil({a})",
            "floor({a})",
            "round({a})",
            "trunc({a})",
            "signum({a})",
            "sqrt(abs({a}))",
        ];
        pair.expressions(&each(&["f32", "f64"], &exact), 0.0);
        pair.expressions(&each(&["f64"], &["round({a}, 2)", "round({a}, -1)"]), 0.0);
        let f32s =
            ["round(f32_a, 1)", "round(i32_a, 3)", "round(d15_a, 1)", "round(d25_a, 2)", "round(d5_a, 7)"];
        pair.expressions(&f32s.map(String::from), 0.0);
        let close = ["exp({a} / 1e6)", "ln(abs({a}))", "log2(abs({a}))", "log10(abs({a}))"];
        pair.expressions(&each(&["f64"], &close), 1e-14);
        pair.expressions(&["power(f64_a, 2.0)".into()], 1e-14);
    }
}

#[test]
fn filters_keep_the_same_rows() {
    let filters = [
        "i32_a > 0",
        "bool_a",
        "view_a LIKE '%a%' AND f64_a > 0",
        "i64_a IS NULL OR d15_a < 0",
        "i64_a > 0 AND i64_a < 0",
        "id >= 0",
        "date_a < DATE '1950-01-01' AND NOT bool_b",
    ];
    for (seed, rows) in [(4, 1), (5, 33), (6, 1_024), (7, 5_000)] {
        let pair = Pair::new(seed, rows, Nulls::Some, rows % 2 == 0);
        for filter in filters {
            pair.check(
                &format!("SELECT id, str_a, view_b, dict_a, bool_a, d38_a, f32_a FROM t WHERE {filter}"),
                0.0,
            );
        }
    }
}

#[test]
fn aggregates_of_every_type() {
    for (seed, rows, nulls) in [(11, 3_000, Nulls::Some), (12, 500, Nulls::All), (13, 64, Nulls::None)] {
        let pair = Pair::new(seed, rows, nulls, seed == 12);
        for name in ORDERED {
            let a = format!("{name}_a");
            let extremes = match name {
                "bool" => format!("bool_and({a}), bool_or({a})"),
                // The CPU's grouped extremes of floats depend on where NaN comes in, and do not know infinities
                // (a group of -inf alone has the smallest finite number as its maximum): both are left out.
                "f32" | "f64" => {
                    let number = format!("CASE WHEN abs({a}) < 1e30 THEN {a} END");
                    format!("min({number}), max({number})")
                }
                _ => format!("min({a}), max({a})"),
            };
            pair.check(&format!("SELECT count({a}), {extremes}, count(*) FROM t"), 0.0);
            pair.check(&format!("SELECT k, count({a}), {extremes} FROM t GROUP BY k"), 0.0);
            // As a key: every value is a group.
            pair.check(&format!("SELECT {a}, count(*), min(id) FROM t GROUP BY {a}"), 0.0);
        }
    }
}

#[test]
fn sums_and_averages() {
    for (seed, rows, nulls) in [(21, 3_000, Nulls::Some), (22, 200, Nulls::All), (23, 1, Nulls::None)] {
        let pair = Pair::new(seed, rows, nulls, seed == 21);
        for name in ["i8", "i32", "i64", "u32", "u64", "d5", "d15", "d18", "d25"] {
            let a = format!("{name}_a");
            pair.check(&format!("SELECT sum({a}), count(*) FROM t"), 0.0);
            pair.check(&format!("SELECT k, sum({a}), sum({a}) FILTER (WHERE bool_a) FROM t GROUP BY k"), 0.0);
        }
        for name in ["d5", "d15"] {
            pair.check(&format!("SELECT k, avg({name}_a) FROM t GROUP BY k"), 0.0);
        }
        // Extremes would drown what is to be compared.
        let tame = "CASE WHEN abs(f64_a) < 1e7 THEN f64_a END";
        for list in ["sum(x)", "avg(x)", "stddev(x), var_pop(x)", "stddev_pop(x), var_samp(x), count(x)"] {
            pair.check(&format!("SELECT {list} FROM (SELECT {tame} AS x FROM t)"), 1e-9);
            pair.check(&format!("SELECT k, {list} FROM (SELECT k, {tame} AS x FROM t) GROUP BY k"), 1e-9);
        }
        pair.check("SELECT k, sum(f32_b), avg(f64_b) FROM t GROUP BY k", 1e-6);
        pair.check("SELECT bit_and(i32_a), bit_or(i64_a), bit_xor(u16_a) FROM t", 0.0);
        pair.check("SELECT k, bit_and(i32_a), bit_or(i64_a), bit_xor(u16_a) FROM t GROUP BY k", 0.0);
        pair.check("SELECT k, dict_a, date_a, count(DISTINCT i8_a) FROM t GROUP BY k, dict_a, date_a", 0.0);
    }
}

#[test]
fn float_sums_do_not_depend_on_the_order() {
    let batches = table(31, 4_000, Nulls::Some);
    let sql = "SELECT sum(x), avg(x), stddev(x) FROM (SELECT CASE WHEN abs(f64_a) < 1e300 THEN f64_a END AS x FROM t)";
    let reversed: Vec<RecordBatch> = batches.iter().rev().cloned().collect();
    let forward = Pair::over(&batches, false, "forward".into());
    let backward = Pair::over(&reversed, false, "backward".into());
    let (a, b) = (forward.query(&forward.device, sql), backward.query(&backward.device, sql));
    assert_eq!(a.expect("it runs").columns(), b.expect("it runs").columns());
}

#[test]
fn errors_name_the_expression() {
    let pair = Pair::new(41, 500, Nulls::None, false);
    for sql in ["SELECT i32_a / 0 FROM t", "SELECT i64_a % (i64_a - i64_a) FROM t", "SELECT d5_a / 0 FROM t"]
    {
        let error = pair.error(sql);
        assert!(error.to_lowercase().contains("division by zero"), "{sql}: {error}");
    }
    let error = pair.error("SELECT d38_a * d25_a FROM t");
    assert!(error.contains("overflow"), "{error}");
    let error = pair.error("SELECT CAST(i64_a AS TINYINT) FROM t");
    assert!(error.contains("range") && error.contains("i64_a"), "{error}");
}

#[test]
fn a_filter_its_negation_and_its_nulls_make_the_table() {
    let pair = Pair::new(51, 2_000, Nulls::Some, false);
    for filter in
        ["i32_a > i32_b", "view_a LIKE 'a%' OR bool_a", "d15_a + d15_b < 0", "NOT (bool_a AND bool_b)"]
    {
        let ids = |condition: &str| {
            let rows =
                pair.query(&pair.device, &format!("SELECT id FROM t WHERE {condition}")).expect("it runs");
            rows.column(0).as_primitive::<Int64Type>().values().to_vec()
        };
        let mut all = ids(filter);
        all.extend(ids(&format!("NOT ({filter})")));
        all.extend(ids(&format!("({filter}) IS NULL")));
        all.sort();
        assert_eq!(all, (0..2_000).collect::<Vec<i64>>(), "{filter}");
    }
}

#[test]
fn strings_of_any_length() {
    let lengths = [0usize, 1, 7, 8, 9, 31, 32, 33, 1_000, 100_000];
    let text: StringArray = (0..200)
        .map(|i| (i % 13 != 5).then(|| format!("{}{}", "x".repeat(lengths[i % lengths.len()]), i % 3)))
        .collect();
    let n: Int64Array = (0..200).map(Some).collect();
    let schema =
        Schema::new(vec![Field::new("s", DataType::Utf8, true), Field::new("n", DataType::Int64, false)]);
    let batch = RecordBatch::try_new(Arc::new(schema), vec![Arc::new(text), Arc::new(n)]).expect("it fits");
    let pair = Pair::over(&[batch], true, "long strings".into());
    pair.check("SELECT s, n, substr(s, 3, 40) FROM t WHERE s LIKE '%x1' OR s IS NULL", 0.0);
    pair.check("SELECT s, count(*), min(n) FROM t GROUP BY s", 0.0);
    pair.check("SELECT min(s), max(s), count(s) FROM t", 0.0);
    pair.check("SELECT n % 7, min(s), max(s) FROM t GROUP BY n % 7", 0.0);
}
