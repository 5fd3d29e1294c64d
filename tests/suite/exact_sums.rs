//! `swath.float_sums = exact`: the same bits on the CPU and the device, however the rows are cut, and the right ones.
//!
//! What is right comes from arithmetic on big integers and the standard library's reading of decimals, which rounds
//! correctly: neither knows of the sums under test.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Float32Array, Float64Array, Int64Array, RecordBatch,
};
use arrow::compute::concat_batches;
use arrow::datatypes::{DataType, Field, Float64Type, Int64Type, Schema, SchemaRef};
use datafusion::datasource::MemTable;
use datafusion::execution::SessionStateBuilder;
use datafusion::prelude::{SessionConfig, SessionContext};
use swath::config::{Config, Fallback, FloatSums, Placement};
use swath::device::launch_count;
use swath::plan::{Engine, explain, install};
use swath::program::{Aggregate, AggregateFunction, Expr, Phase, Pipeline};

use crate::generated::Rng;
use crate::operators;
use crate::simulator::{kernel_folder, mode, use_device};

/// The float columns of the table, each with what is hard in its own way.
const COLUMNS: [&str; 6] = ["plain", "wide", "cancels", "tiny", "halves", "special"];

fn value(rng: &mut Rng, column: &str, before: f64) -> f64 {
    let sign = if rng.below(2) == 0 { 1.0 } else { -1.0 };
    match column {
        "plain" => (rng.below(2_000_001) as f64 - 1e6) / 100.0,
        // Any finite double.
        "wide" => Some(f64::from_bits(rng.next())).filter(|value| value.is_finite()).unwrap_or(-0.0),
        // Most of the values are taken away again by the next.
        "cancels" if rng.below(3) > 0 => -before,
        "cancels" => sign * 2f64.powi(rng.below(1900) as i32 - 950) * (1.0 + rng.below(1000) as f64 / 7.0),
        "tiny" if rng.below(4) == 0 => sign * f64::MIN_POSITIVE,
        "tiny" => sign * f64::from_bits(rng.below(1 << 52)),
        // Sums that lie in the middle between two doubles, or next to it.
        "halves" => {
            let half = f64::EPSILON / 2.0;
            sign * [1.0, 1.0, half, half, half / 2.0, half * half, f64::from_bits(1)][rng.below(7) as usize]
        }
        _ => match rng.below(200) {
            0 => f64::NAN,
            1 => f64::INFINITY,
            2 => f64::NEG_INFINITY,
            3 => -f64::NAN,
            4..=20 => -0.0,
            _ => sign * f64::MAX / rng.below(9).max(1) as f64,
        },
    }
}

/// The table of a seed: keys with nulls, the float columns with nulls over garbage, a float of 32 bits, a filter.
fn table(seed: u64, rows: usize, keys: u64) -> RecordBatch {
    let mut rng = Rng(seed);
    let mut fields = vec![Field::new("k", DataType::Int64, true)];
    let key = |rng: &mut Rng| (rng.below(30) > 0).then(|| rng.below(keys) as i64);
    let mut columns: Vec<ArrayRef> = vec![Arc::new((0..rows).map(|_| key(&mut rng)).collect::<Int64Array>())];
    for name in COLUMNS {
        let mut before = 1.0;
        let values: Vec<f64> = (0..rows)
            .map(|_| {
                before = value(&mut rng, name, before);
                before
            })
            .collect();
        // Without any null the column still says that it could have some.
        let nulls = (name != "wide").then(|| (0..rows).map(|_| rng.below(9) > 0).collect());
        fields.push(Field::new(name, DataType::Float64, true));
        columns.push(Arc::new(Float64Array::new(values.into(), nulls)));
    }
    let narrow: Float32Array = (0..rows).map(|_| Some(f32::from_bits(rng.next() as u32))).collect();
    let kept: BooleanArray = (0..rows).map(|_| (rng.below(5) > 0).then(|| rng.below(2) == 0)).collect();
    fields
        .extend([Field::new("narrow", DataType::Float32, true), Field::new("kept", DataType::Boolean, true)]);
    columns.extend([Arc::new(narrow) as ArrayRef, Arc::new(kept) as ArrayRef]);
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).expect("columns fit the schema")
}

/// A whole number without bounds, in units of 2^-1074: digits of 32 bits, the least first.
#[derive(Clone, Default)]
struct Big(Vec<u32>);

impl Big {
    fn digit(&mut self, at: usize) -> &mut u32 {
        self.0.resize(self.0.len().max(at + 1), 0);
        &mut self.0[at]
    }

    /// Adds the magnitude of a double.
    fn add(&mut self, value: f64) {
        let (exponent, fraction) = (value.to_bits() >> 52 & 0x7ff, value.to_bits() & ((1 << 52) - 1));
        let (significand, place) = match exponent {
            0 => (fraction, 0),
            exponent => (fraction | 1 << 52, exponent as usize - 1),
        };
        let mut carry = (significand as u128) << (place % 32);
        let mut at = place / 32;
        while carry > 0 {
            let digit = self.digit(at);
            carry += u128::from(*digit);
            *digit = carry as u32;
            carry >>= 32;
            at += 1;
        }
    }

    /// This without `other`, which is not larger.
    fn minus(mut self, other: &Big) -> Big {
        let mut borrow = 0i64;
        for at in 0..self.0.len() {
            let digit = i64::from(self.0[at]) - i64::from(other.0.get(at).copied().unwrap_or(0)) + borrow;
            self.0[at] = digit as u32;
            borrow = digit >> 32;
        }
        assert_eq!(borrow, 0);
        self
    }

    fn is_less_than(&self, other: &Big) -> bool {
        let digit = |big: &Big, at: usize| big.0.get(at).copied().unwrap_or(0);
        let first =
            (0..self.0.len().max(other.0.len())).rev().find(|&at| digit(self, at) != digit(other, at));
        first.is_some_and(|at| digit(self, at) < digit(other, at))
    }

    /// The nearest double, by way of decimals: n·2^-1074 = n·5^1074·10^-1074.
    fn round(mut self) -> f64 {
        for _ in 0..1074 {
            let mut carry = 0u64;
            for digit in &mut self.0 {
                carry += u64::from(*digit) * 5;
                *digit = carry as u32;
                carry >>= 32;
            }
            if carry > 0 {
                self.0.push(carry as u32);
            }
        }
        let mut groups = vec![];
        while self.0.iter().any(|&digit| digit != 0) {
            let mut rest = 0u64;
            for digit in self.0.iter_mut().rev() {
                rest = rest << 32 | u64::from(*digit);
                *digit = (rest / 1_000_000_000) as u32;
                rest %= 1_000_000_000;
            }
            groups.push(format!("{rest:09}"));
        }
        groups.push("0".to_string());
        groups.reverse();
        format!("{}e-1074", groups.concat()).parse().expect("it is a number")
    }
}

/// The sum that values must have, and their number.
fn expected(values: impl IntoIterator<Item = f64>) -> (f64, u64) {
    let (mut positive, mut negative, mut specials, mut count) = (Big::default(), Big::default(), 0.0, 0);
    for value in values {
        count += 1;
        match value {
            value if !value.is_finite() => specials += value,
            value if value < 0.0 => negative.add(value),
            value => positive.add(value),
        }
    }
    let sum = match specials {
        0.0 if positive.is_less_than(&negative) => -negative.minus(&positive).round(),
        0.0 => positive.minus(&negative).round(),
        specials => specials,
    };
    (sum, count)
}

fn bits(value: Option<f64>) -> Option<u64> {
    // The one NaN that an exact sum is.
    value.map(|value| if value.is_nan() { 0x7ff8 << 48 } else { value.to_bits() })
}

/// What the queries below must answer for the rows: sum and average of each column, then of the narrow one, then the
/// sum and average of `plain` where `kept`.
fn expected_row(table: &RecordBatch, rows: &[usize]) -> Vec<Option<u64>> {
    let mut answers = vec![];
    let mut push = |values: Vec<f64>| {
        let (sum, count) = expected(values);
        let average = if sum.is_finite() { sum / count as f64 } else { sum };
        answers.extend([bits((count > 0).then_some(sum)), bits((count > 0).then_some(average))]);
    };
    let column = |name: &str| table.column_by_name(name).expect("the column is there");
    for name in COLUMNS {
        let values = column(name).as_primitive::<Float64Type>();
        push(rows.iter().filter(|&&row| values.is_valid(row)).map(|&row| values.value(row)).collect());
    }
    let narrow = column("narrow").as_primitive::<arrow::datatypes::Float32Type>();
    push(rows.iter().map(|&row| f64::from(narrow.value(row))).collect());
    let (plain, kept) = (column("plain").as_primitive::<Float64Type>(), column("kept").as_boolean());
    let is_kept = |row: usize| kept.is_valid(row) && kept.value(row) && plain.is_valid(row);
    push(rows.iter().filter(|&&row| is_kept(row)).map(|&row| plain.value(row)).collect());
    answers
}

fn aggregates() -> String {
    let each = |name: &str| format!("sum({name}), avg({name})");
    let columns: Vec<String> = COLUMNS.iter().copied().chain(["narrow"]).map(each).collect();
    format!("{}, sum(plain) FILTER (WHERE kept), avg(plain) FILTER (WHERE kept)", columns.join(", "))
}

/// How a session is set up.
#[derive(Clone, Copy, Debug)]
struct Setup {
    placement: Placement,
    partitions: usize,
    batch_rows: usize,
    chunk_bytes: usize,
    /// DataFusion skips partial aggregation where it hardly merges rows; `true` makes it try that at once.
    skips_partial: bool,
    device_memory_limit: Option<u64>,
}

const HOST: Setup = Setup {
    placement: Placement::Host,
    partitions: 1,
    batch_rows: 8192,
    chunk_bytes: 64 << 10,
    skips_partial: false,
    device_memory_limit: None,
};

const DEVICE: Setup = Setup { placement: Placement::Device, ..HOST };

impl Setup {
    fn session(&self, table: &RecordBatch) -> SessionContext {
        use_device();
        let config = Config {
            placement: self.placement,
            fallback: Fallback::Error,
            float_sums: FloatSums::Exact,
            cache_dir: Some(kernel_folder()),
            chunk_bytes_target: Some(self.chunk_bytes),
            device_memory_limit: self.device_memory_limit,
            ..Default::default()
        };
        let mut session = SessionConfig::new()
            .with_information_schema(true)
            .with_target_partitions(self.partitions)
            .with_batch_size(self.batch_rows);
        if self.skips_partial {
            let options = &mut session.options_mut().execution;
            options.skip_partial_aggregation_probe_rows_threshold = 1;
            options.skip_partial_aggregation_probe_ratio_threshold = 0.0;
        }
        let builder = SessionStateBuilder::new().with_default_features().with_config(session);
        let engine = Engine::start(&config).expect("the engine starts");
        let context = SessionContext::new_with_state(install(builder, engine).build());
        let step = table.num_rows().div_ceil(self.partitions).max(1);
        let parts = (0..self.partitions).map(|part| {
            let begin = (part * step).min(table.num_rows());
            let part = table.slice(begin, step.min(table.num_rows() - begin));
            let batches = (0..part.num_rows()).step_by(self.batch_rows);
            batches.map(|at| part.slice(at, self.batch_rows.min(part.num_rows() - at))).collect()
        });
        let provider = MemTable::try_new(table.schema(), parts.collect()).expect("one schema");
        context.register_table("t", Arc::new(provider)).expect("the name is free");
        context
    }
}

async fn query(context: &SessionContext, sql: &str) -> RecordBatch {
    let frame = context.sql(sql).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
    let schema = Arc::new(frame.schema().as_arrow().clone());
    let batches = frame.collect().await.unwrap_or_else(|error| panic!("{sql}: {error}"));
    let schema = batches.first().map_or(schema, |batch| batch.schema());
    concat_batches(&schema, &batches).expect("batches of one query")
}

/// The bits of the float columns of a row, from the column `first` on; NaN stays the NaN that it is.
fn row_bits(batch: &RecordBatch, row: usize, first: usize) -> Vec<Option<u64>> {
    let of = |column: &ArrayRef| {
        let column = column.as_primitive::<Float64Type>();
        column.is_valid(row).then(|| column.value(row).to_bits())
    };
    batch.columns()[first..].iter().map(of).collect()
}

/// A table, and what the queries below must answer.
struct Case {
    table: RecordBatch,
    what: String,
    whole: Vec<Option<u64>>,
    groups: BTreeMap<Option<i64>, Vec<Option<u64>>>,
}

impl Case {
    fn new(seed: u64, rows: usize, keys: u64) -> Case {
        let table = table(seed, rows, keys);
        let mut groups: BTreeMap<Option<i64>, Vec<usize>> = BTreeMap::new();
        for (row, key) in table.column(0).as_primitive::<Int64Type>().iter().enumerate() {
            groups.entry(key).or_default().push(row);
        }
        let groups = groups.into_iter().map(|(key, rows)| (key, expected_row(&table, &rows))).collect();
        let rows: Vec<usize> = (0..rows).collect();
        let whole = expected_row(&table, &rows);
        Case { whole, groups, what: format!("seed {seed}, {} rows", rows.len()), table }
    }

    /// Runs the queries in a session of `setup` and compares every bit.
    async fn check(&self, setup: Setup) {
        let what = format!("{}, {setup:?}", self.what);
        let context = setup.session(&self.table);
        let before = launch_count();
        let whole = query(&context, &format!("SELECT {} FROM t", aggregates())).await;
        assert_eq!(row_bits(&whole, 0, 0), self.whole, "{what}: without keys");
        let grouped = query(&context, &format!("SELECT k, {} FROM t GROUP BY k", aggregates())).await;
        assert_eq!(grouped.num_rows(), self.groups.len(), "{what}: groups");
        for (row, key) in grouped.column(0).as_primitive::<Int64Type>().iter().enumerate() {
            assert_eq!(row_bits(&grouped, row, 1), self.groups[&key], "{what}: key {key:?}");
        }
        let launched = launch_count() - before;
        assert_eq!(launched > 0, setup.placement == Placement::Device, "{what}: {launched} launches");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_cpu_is_right_however_rows_are_cut() {
    for (seed, rows, keys) in [(1, 0, 1), (2, 1, 1), (3, 33, 4), (4, 1_500, 40), (5, 1_500, 1_000)] {
        let case = Case::new(seed, rows, keys);
        for partitions in [1, 2, 7] {
            for batch_rows in [1, 100, 8192] {
                let skips_partial = batch_rows == 100;
                let setup = Setup { partitions, batch_rows, skips_partial, ..HOST };
                case.check(setup).await;
            }
        }
    }
}

async fn check_device(lazy: bool) {
    let _mode = mode(lazy);
    for (seed, rows, keys) in [(11, 1, 1), (12, 257, 3), (13, 1_500, 30)] {
        let case = Case::new(seed, rows, keys);
        for (partitions, chunk_bytes) in [(1, 4 << 10), (7, 1 << 20)] {
            let setup = Setup { partitions, chunk_bytes, batch_rows: 100, ..DEVICE };
            case.check(setup).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_device_is_right_however_rows_are_cut() {
    check_device(false).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_device_is_right_lazily_too() {
    check_device(true).await;
}

/// The table takes more than the device has: an aggregate that did not fold what it holds could not end.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_device_is_right_in_little_memory() {
    let _mode = mode(true);
    let case = Case::new(14, 20_000, 20);
    let device_memory_limit = Some(case.table.get_array_memory_size() as u64 / 2);
    case.check(Setup { device_memory_limit, ..DEVICE }).await;
}

/// A pipeline that sums every float column exactly.
fn sums(input: &SchemaRef, keyed: bool) -> Pipeline {
    let column = |index: usize| Expr::column(index, input.field(index).data_type().clone(), true);
    let mut fields = vec![Field::new("k", DataType::Int64, true)];
    fields.extend(COLUMNS.map(|name| Field::new(name, DataType::Float64, true)));
    let aggregate = |index: usize| Aggregate {
        function: AggregateFunction::ExactSum,
        phase: Phase::Single,
        args: vec![column(index)],
        filter: None,
        input_type: DataType::Float64,
        output_type: DataType::Float64,
    };
    let aggregates: Vec<Aggregate> = (1..=COLUMNS.len()).map(aggregate).collect();
    let (keys, skipped) = if keyed { (vec![column(0)], 0) } else { (vec![], 1) };
    Pipeline::scan(input.clone()).aggregate(
        Arc::new(Schema::new(fields[skipped..].to_vec())),
        &keys,
        &aggregates,
    )
}

#[test]
fn folded_state_keeps_every_bit() {
    let table = table(21, 2_000, 50);
    let chunks: Vec<RecordBatch> = (0..5).map(|part| table.slice(part * 400, 400)).collect();
    for keyed in [false, true] {
        let pipeline = sums(&table.schema(), keyed);
        let results = [(&chunks[..], true), (&chunks[..], false), (std::slice::from_ref(&table), false)]
            .map(|(chunks, folds)| operators::run(&pipeline, chunks, folds).expect("it runs"));
        let bits = |batch: &RecordBatch| -> Vec<_> {
            (0..batch.num_rows()).map(|row| row_bits(batch, row, usize::from(keyed))).collect()
        };
        assert_eq!(bits(&results[0][0]), bits(&results[2][0]), "folded, keyed {keyed}");
        assert_eq!(bits(&results[1][0]), bits(&results[2][0]), "in chunks, keyed {keyed}");
        if !keyed {
            let rows: Vec<usize> = (0..table.num_rows()).collect();
            let expected = expected_row(&table, &rows).into_iter().step_by(2).take(COLUMNS.len());
            assert_eq!(bits(&results[0][0]), vec![expected.collect::<Vec<_>>()]);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn distinct_values_and_sliding_frames_are_exact_on_the_cpu() {
    let table = table(31, 400, 3);
    let context = Setup { partitions: 2, batch_rows: 50, ..HOST }.session(&table);
    for name in COLUMNS {
        let values = table.column_by_name(name).expect("the column is there").as_primitive::<Float64Type>();
        let distinct: BTreeMap<u64, f64> =
            values.iter().flatten().map(|value| (bits(Some(value + 0.0)).unwrap_or(0), value)).collect();
        let sql = format!("SELECT sum(DISTINCT {name}), count(DISTINCT {name}), sum({name}) FROM t");
        let answer = query(&context, &sql).await;
        let sum = answer.column(0).as_primitive::<Float64Type>().value(0);
        assert_eq!(Some(sum.to_bits()), bits(Some(expected(distinct.into_values()).0)), "{sql}");
    }
    let context = HOST.session(&table);
    for name in COLUMNS {
        let values = table.column_by_name(name).expect("the column is there").as_primitive::<Float64Type>();
        let sql = format!("SELECT sum({name}) OVER (ROWS BETWEEN 5 PRECEDING AND 2 FOLLOWING) FROM t");
        let answer = query(&context, &sql).await;
        for row in 0..table.num_rows() {
            let frame = row.saturating_sub(5)..(row + 3).min(table.num_rows());
            let (sum, count) = expected(frame.filter(|&at| values.is_valid(at)).map(|at| values.value(at)));
            assert_eq!(row_bits(&answer, row, 0), vec![bits((count > 0).then_some(sum))], "{sql}: row {row}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_option_is_set_and_shown() {
    let table = table(41, 100, 3);
    let context = HOST.session(&table);
    let plan = |sql: &'static str| {
        let context = context.clone();
        async move {
            arrow::util::pretty::pretty_format_batches(&[query(&context, sql).await])
                .expect("it prints")
                .to_string()
        }
    };
    let explained = "EXPLAIN SELECT k, sum(plain), avg(narrow), sum(k) FROM t GROUP BY k";
    let exact = plan(explained).await;
    assert!(exact.contains("exact_sum(") && exact.contains("exact_avg("), "{exact}");
    // Only floats are concerned, and columns keep their names.
    assert!(!exact.contains("exact_sum(t.k)"), "{exact}");
    let answer = query(&context, "SELECT sum(plain) FROM t").await;
    assert_eq!(answer.schema().field(0).name(), "sum(t.plain)");
    let shown = plan("SHOW swath.float_sums").await;
    assert!(shown.contains("exact"), "{shown}");
    let engine = Engine::start(&Config::default()).expect("the engine starts");
    for setup in [HOST, DEVICE] {
        let context = setup.session(&table);
        let frame = context.sql("SELECT sum(plain), sum(k) FROM t GROUP BY k").await.expect("it plans");
        let plan = frame.create_physical_plan().await.expect("it plans");
        let text = explain(&plan, &engine);
        assert!(text.contains("aggr=[exact sum(t.plain), sum(t.k)]"), "{text}");
    }
    query(&context, "SET swath.float_sums = fast").await;
    let fast = plan(explained).await;
    assert!(!fast.contains("exact_"), "{fast}");
    let error = context.sql("SET swath.float_sums = roughly").await.expect_err("it must fail").to_string();
    assert!(error.contains("use one of: fast, exact"), "{error}");
}
