//! Window functions on the simulated device, against DataFusion's own over the same sorted rows.

use std::sync::Arc;

use arrow::array::*;
use arrow::compute::concat_batches;
use arrow::datatypes::*;
use arrow::record_batch::RecordBatch;
use datafusion::datasource::MemTable;
use datafusion::physical_plan::{ExecutionPlan, collect};
use datafusion::prelude::{SessionConfig, SessionContext};
use swath::column::StagedChunk;
use swath::operators::Execution;
use swath::operators::gather::gather;
use swath::operators::sort::{SortKey, sort};
use swath::operators::window::{
    FrameBound, FrameUnits, WindowFrame, WindowFunction, WindowKind, WindowSpec, window,
};
use swath::plan::{WindowStep, translate_window};
use swath::program::{Literal, Pipeline, compile};
use swath::worker::CancelToken;

use crate::generated::{Nulls, Rng, column};
use crate::simulator::exclusive;

/// The rows of a table that has partitions, ties, every kind of key, and values that break things.
fn table(seed: u64, rows: usize, partitions: u64, kind: Nulls) -> RecordBatch {
    let mut rng = Rng(seed);
    let nulls = |rng: &mut Rng| kind == Nulls::All || (kind == Nulls::Some && rng.below(5) == 0);
    let mut fields = vec![Field::new("id", DataType::Int64, false)];
    let mut arrays: Vec<ArrayRef> = vec![Arc::new(Int64Array::from_iter_values(0..rows as i64))];
    let mut add = |name: &str, array: ArrayRef| {
        fields.push(Field::new(name, array.data_type().clone(), true));
        arrays.push(array);
    };
    let few = |rng: &mut Rng, n: u64| {
        let array: Int64Array = (0..rows)
            .map(|_| {
                let value = rng.below(n) as i64 - n as i64 / 2;
                (!nulls(rng)).then_some(value)
            })
            .collect();
        Arc::new(array) as ArrayRef
    };
    let specials = [f64::NAN, -f64::NAN, -0.0, 0.0, 1.5, f64::INFINITY, f64::NEG_INFINITY, 2.5];
    let special = |rng: &mut Rng| {
        let array: Float64Array = (0..rows)
            .map(|_| {
                let value = specials[rng.below(8) as usize];
                (!nulls(rng)).then_some(value)
            })
            .collect();
        Arc::new(array) as ArrayRef
    };
    let cast =
        |array: &ArrayRef, to: DataType| arrow::compute::cast(array, &to).expect("small integers cast");
    let p = few(&mut rng, partitions);
    add("p", p.clone());
    add("ps", cast(&p, DataType::Utf8));
    add("pf", special(&mut rng));
    let o = few(&mut rng, 1 + rows as u64 / 4);
    add("o", o.clone());
    add("o32", cast(&o, DataType::Int32));
    add("od", cast(&cast(&o, DataType::Int32), DataType::Date32));
    add("ots", cast(&o, DataType::Timestamp(TimeUnit::Microsecond, None)));
    add("odec", cast(&o, DataType::Decimal128(12, 2)));
    add("of", special(&mut rng));
    add("of32", cast(&special(&mut rng), DataType::Float32));
    let narrow: UInt8Array = (0..rows)
        .map(|_| (!nulls(&mut rng)).then(|| [0, 1, 2, 3, 128, 254, 255][rng.below(7) as usize]))
        .collect();
    add("ou", Arc::new(narrow));
    let x: Float64Array =
        (0..rows).map(|_| (!nulls(&mut rng)).then(|| (rng.below(2_000_001) as f64 - 1e6) / 128.0)).collect();
    add("x", Arc::new(x));
    add("fs", special(&mut rng));
    for (name, data_type) in [
        ("oi", DataType::Int64),
        ("i8", DataType::Int8),
        ("i64", DataType::Int64),
        ("u64", DataType::UInt64),
        ("f32", DataType::Float32),
        ("f64", DataType::Float64),
        ("b", DataType::Boolean),
        ("d10", DataType::Decimal128(8, 2)),
        ("d15", DataType::Decimal128(15, 2)),
        ("d30", DataType::Decimal128(25, 4)),
        ("date", DataType::Date32),
        ("ts", DataType::Timestamp(TimeUnit::Millisecond, None)),
        ("s", DataType::Utf8),
        ("v", DataType::Utf8View),
        ("dict", DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8))),
    ] {
        add(name, column(&mut rng, name, &data_type, rows, kind));
    }
    RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays).expect("columns fit the schema")
}

struct Case {
    context: SessionContext,
    runtime: tokio::runtime::Runtime,
}

impl Case {
    fn new(batch: &RecordBatch) -> Case {
        let context = SessionContext::new_with_config(SessionConfig::new().with_target_partitions(1));
        let table = MemTable::try_new(batch.schema(), vec![vec![batch.clone()]]).expect("one schema");
        context.register_table("t", Arc::new(table)).expect("a new name");
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
        Case { context, runtime }
    }

    fn plan(&self, sql: &str) -> Arc<dyn ExecutionPlan> {
        self.runtime.block_on(async {
            let frame = self.context.sql(sql).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
            frame.create_physical_plan().await.unwrap_or_else(|error| panic!("{sql}: {error}"))
        })
    }

    fn collect(&self, plan: &Arc<dyn ExecutionPlan>) -> RecordBatch {
        let batches = self.runtime.block_on(collect(plan.clone(), self.context.task_ctx()));
        concat_batches(&plan.schema(), &batches.expect("the host answers")).expect("one schema")
    }
}

/// Runs a translated window over `input`; answers the node's output and the kernels that the window launched.
fn on_device(step: &WindowStep, input: &RecordBatch, lazy: bool) -> swath::Result<(RecordBatch, u64)> {
    let device = exclusive(0, lazy);
    let worker = device.worker();
    let pool = worker.pinned_pool().clone();
    let (step, input) = (step.clone(), input.clone());
    let task = worker.run("test", CancelToken::new(), move |task| {
        let staged = StagedChunk::stage(&input.schema(), std::slice::from_ref(&input), &pool)?;
        let mut chunk = Arc::new(task.upload(staged)?);
        if step.projection.len() > input.num_columns() {
            let program = Pipeline::scan(input.schema()).project(&step.projection);
            let mut execution =
                Execution::new(Arc::new(compile(&program.materialize(step.projected.clone()))?), vec![])?;
            // The pipeline writes dictionaries out; the columns of the input stay as they are.
            let computed = execution.push(task, chunk.clone())?.remove(0);
            let mut columns = chunk.columns.clone();
            columns.extend(computed.columns[chunk.columns.len()..].iter().cloned());
            chunk = Arc::new(swath::column::DeviceChunk::new(step.projected.clone(), columns, chunk.rows)?);
        }
        let before = task.stats().kernels_launched;
        let mut result = window(task, &chunk, &step.spec)?;
        let launches = task.stats().kernels_launched - before;
        result.columns = step.output.iter().map(|column| result.columns[*column].clone()).collect();
        result.schema = step.schema.clone();
        Ok((task.download(&result)?, launches))
    });
    let answer = futures::executor::block_on(task);
    assert_eq!(device.simulator.last_fault(), None);
    answer
}

fn windows(plan: &Arc<dyn ExecutionPlan>, found: &mut Vec<Arc<dyn ExecutionPlan>>) {
    if translate_window(plan.as_ref()).is_some() {
        found.push(plan.clone());
    }
    plan.children().into_iter().for_each(|child| windows(child, found));
}

/// Compares every window node of `sql`'s plan.
fn check(case: &Case, what: &str, sql: &str, lazy: bool) {
    let mut nodes = vec![];
    windows(&case.plan(sql), &mut nodes);
    assert!(!nodes.is_empty(), "no window in {sql}");
    for node in nodes {
        let what = format!("{what}\n{sql}");
        let step = translate_window(node.as_ref())
            .expect("it is a window")
            .unwrap_or_else(|error| panic!("{what}\n{error}"));
        let input = case.collect(node.children()[0]);
        let expected = case.collect(&node);
        let (output, launches) =
            on_device(&step, &input, lazy).unwrap_or_else(|error| panic!("{what}\n{error:?}"));
        if input.num_rows() > 0 {
            let functions = step.spec.functions.len() as u64;
            assert!(launches > 0, "no kernel was launched");
            assert!(launches <= 6 + 8 * functions, "{launches} launches for {functions} functions\n{what}");
        }
        assert_eq!(output.num_rows(), expected.num_rows(), "{what}");
        let appended = output.num_columns() - step.spec.functions.len();
        for (index, function) in step.spec.functions.iter().enumerate() {
            let (got, want) = (output.column(appended + index), expected.column(appended + index));
            same(function, &input, got, want, &what);
        }
    }
}

fn same(function: &WindowFunction, input: &RecordBatch, got: &ArrayRef, want: &ArrayRef, what: &str) {
    use WindowKind::*;
    let rounded = matches!(
        function.kind,
        Sum | Avg | VarianceSample | VariancePopulation | StddevSample | StddevPopulation
    ) && want.data_type() == &DataType::Float64;
    if !rounded {
        if got != want {
            let at = (0..got.len()).find(|row| got.slice(*row, 1) != want.slice(*row, 1)).unwrap_or(0);
            panic!(
                "{what}\n{function:?}\nrow {at}: {:?} is not {:?}\nof {:?}",
                got.slice(at, 1),
                want.slice(at, 1),
                input.slice(at, 1)
            );
        }
        return;
    }
    let (got, want) = (got.as_primitive::<Float64Type>(), want.as_primitive::<Float64Type>());
    for (row, (got, want)) in got.iter().zip(want).enumerate() {
        let close = match (got, want) {
            (Some(got), Some(want)) if want.is_finite() => (got - want).abs() <= 1e-3 + want.abs() * 1e-9,
            (Some(got), Some(want)) => got == want || (got.is_nan() && want.is_nan()),
            (got, want) => got.is_none() && want.is_none(),
        };
        assert!(close, "{what}\n{function:?}\nrow {row}: {got:?} is not {want:?}");
    }
}

/// Tables of many shapes: (rows, partitions).
const SHAPES: [(usize, u64); 10] =
    [(0, 1), (1, 1), (31, 4), (32, 1), (33, 40), (65, 3), (257, 100), (1023, 2), (1025, 1_000), (2500, 1)];

fn check_all(seed: u64, queries: &[String]) {
    for (index, (rows, partitions)) in SHAPES.into_iter().enumerate() {
        for (kind, lazy) in [(Nulls::Some, index % 2 == 0), (Nulls::None, index % 2 == 1), (Nulls::All, true)]
        {
            if kind == Nulls::All && rows > 300 {
                continue;
            }
            let seed = seed + index as u64;
            let what =
                format!("seed {seed}, {rows} rows, {partitions} partitions, {kind:?} nulls, lazy {lazy}");
            let case = Case::new(&table(seed, rows, partitions, kind));
            queries.iter().for_each(|sql| check(&case, &what, sql, lazy));
        }
    }
}

#[test]
fn ranks_are_those_of_the_host() {
    let functions = "row_number() over w, rank() over w, dense_rank() over w, percent_rank() over w, \
                     cume_dist() over w, ntile(1) over w, ntile(3) over w, ntile(1000) over w";
    let windows = [
        "partition by p order by o, id",
        "partition by p order by o desc nulls last",
        "partition by ps, b order by of",
        "partition by pf order by of32 desc",
        "partition by d30 order by s",
        "order by odec, v desc",
        "partition by p",
        "partition by dict order by date",
    ];
    let queries: Vec<String> =
        windows.iter().map(|window| format!("select {functions} from t window w as ({window})")).collect();
    check_all(100, &queries);
}

#[test]
fn values_of_other_rows_are_those_of_the_host() {
    let mut queries = vec![];
    for column in ["i8", "u64", "f64", "b", "d10", "d30", "date", "s", "v", "dict"] {
        queries.push(format!(
            "select lag({column}) over w, lead({column}, 2) over w, lag({column}, 0) over w, lag({column}, -3) over w, \
             first_value({column}) over w, last_value({column}) over w, nth_value({column}, 2) over w, \
             nth_value({column}, -2) over (partition by p order by o, id rows between 3 preceding and 1 following), \
             lag({column}, 2) ignore nulls over w, first_value({column}) ignore nulls over w, \
             last_value({column}) ignore nulls over (partition by p order by o, id rows between 2 preceding and 2 following), \
             nth_value({column}, 2) ignore nulls over (partition by p order by o, id rows between 4 preceding and 4 following) \
             from t window w as (partition by p order by o, id)"
        ));
    }
    for (column, default) in [
        ("i8", "7"),
        ("f32", "1.5"),
        ("b", "true"),
        ("d10", "1.25"),
        ("d30", "-3"),
        ("s", "'none'"),
        ("date", "date '2020-02-29'"),
    ] {
        queries.push(format!(
            "select lag({column}, 1, {default}) over w, lead({column}, 5, {default}) over w \
             from t window w as (partition by p order by o, id)"
        ));
    }
    // Over the whole partition, so that the whole-partition operator does it.
    queries.push(
        "select lag(s, 2) ignore nulls over w, lead(s, 3) ignore nulls over w, lead(i64, 1, 9) ignore nulls over w, \
         percent_rank() over w from t window w as (partition by p order by o, id)"
            .into(),
    );
    check_all(200, &queries);
}

const FRAMES: [&str; 14] = [
    "",
    "rows unbounded preceding",
    "rows between unbounded preceding and unbounded following",
    "rows between current row and unbounded following",
    "rows between 3 preceding and 2 following",
    "rows between 5 preceding and 2 preceding",
    "rows between 2 following and 70 following",
    "rows between unbounded preceding and 2 preceding",
    "rows between 1 following and unbounded following",
    "range between current row and current row",
    "range between current row and unbounded following",
    "groups between 2 preceding and 1 following",
    "groups between 3 preceding and 2 preceding",
    "groups between 1 following and 2 following",
];

#[test]
fn aggregates_over_all_frames_are_those_of_the_host() {
    let queries: Vec<String> = (FRAMES.iter())
        .map(|frame| {
            format!(
                "select count(*) over w, count(s) over w, sum(i64) over w, sum(u64) over w, sum(i8) over w, \
                 sum(d10) over w, sum(d15) over w, sum(d30) over w, avg(d10) over w, avg(i8) over w, sum(x) over w, \
                 avg(x) over w, min(i64) over w, max(i64) over w, min(x) over w, max(d30) over w, min(d10) over w, \
                 max(date) over w, min(u64) over w, max(ts) over w from t window w as (partition by p order by o, id {frame})"
            )
        })
        .collect();
    check_all(300, &queries);
}

#[test]
fn extremes_of_text_and_floats_and_variances_are_those_of_the_host() {
    let mut queries: Vec<String> = [0, 2, 4, 5, 11]
        .into_iter()
        .map(|frame: usize| {
            format!(
                "select min(s) over w, max(s) over w, max(v) over w, min(b) over w, max(b) over w, \
                 var(x) over w, var_pop(x) over w, stddev(x) over w, stddev_pop(x) over w \
                 from t window w as (partition by p order by o, id {})",
                FRAMES[frame]
            )
        })
        .collect();
    // Frames that only grow: the host's sums of others keep infinities and NaN for ever.
    queries.extend(FRAMES[..3].iter().map(|frame| {
        format!(
            "select sum(fs) over w, avg(fs) over w, min(f64) over w, max(f64) over w, min(fs) over w, max(f32) over w \
             from t window w as (partition by p order by o, id {frame})"
        )
    }));
    queries.push("select sum(i64) over (), max(s) over (), avg(x) over (partition by ps) from t".into());
    check_all(400, &queries);
}

#[test]
fn ranges_of_values_are_those_of_the_host() {
    let mut queries = vec![];
    for (key, near, far) in [
        ("o", "1", "7"),
        ("o32", "0", "5"),
        ("oi", "10", "9223372036854775807"),
        ("ou", "1", "200"),
        ("odec", "1.50", "4"),
        ("of", "0.5", "1"),
        ("of32", "1", "1"),
        ("od", "interval '2' day", "interval '9' day"),
        ("ots", "interval '1' microsecond", "interval '1' day"),
    ] {
        for order in ["", "desc", "nulls first", "desc nulls last"] {
            for frame in [
                format!("between {near} preceding and {far} following"),
                format!("between {far} preceding and {near} preceding"),
                format!("between {near} following and {far} following"),
                format!("between unbounded preceding and {near} following"),
                format!("between {near} preceding and current row"),
            ] {
                queries.push(format!(
                    "select count(*) over w, sum(i8) over w, first_value(id) over w \
                     from t window w as (partition by p order by {key} {order} range {frame})"
                ));
            }
        }
    }
    for (index, (rows, partitions)) in [(1, 1), (33, 3), (257, 5), (400, 1)].into_iter().enumerate() {
        for kind in [Nulls::Some, Nulls::None] {
            let seed = 500 + index as u64;
            let what = format!("seed {seed}, {rows} rows, {partitions} partitions, {kind:?} nulls");
            let case = Case::new(&table(seed, rows, partitions, kind));
            queries.iter().for_each(|sql| check(&case, &what, sql, index % 2 == 0));
        }
    }
}

#[test]
fn floats_outside_a_frame_do_not_touch_it() {
    let mut rng = Rng(600);
    let values: Vec<f64> = (0..3_000)
        .map(|_| match rng.below(12) {
            0 => f64::NAN,
            1 => f64::INFINITY,
            2 => f64::NEG_INFINITY,
            3 => 1e300,
            4 => -1e300,
            _ => rng.below(1_000) as f64 / 1e6,
        })
        .collect();
    let schema =
        Schema::new(vec![Field::new("id", DataType::Int64, false), Field::new("f", DataType::Float64, true)]);
    let id = Int64Array::from_iter_values(0..values.len() as i64);
    let f = Float64Array::from(values.clone());
    let batch = RecordBatch::try_new(Arc::new(schema), vec![Arc::new(id), Arc::new(f)]).expect("it fits");
    let case = Case::new(&batch);
    for (before, after) in [(0, 0), (1, 2), (9, 0), (70, 3)] {
        let sql = format!(
            "select sum(f) over (order by id rows between {before} preceding and {after} following) from t"
        );
        let mut nodes = vec![];
        windows(&case.plan(&sql), &mut nodes);
        let step = translate_window(nodes[0].as_ref()).expect("a window").expect("it is supported");
        let input = case.collect(nodes[0].children()[0]);
        let f =
            input.column_by_name("f").expect("it is read").as_primitive::<Float64Type>().values().to_vec();
        let (output, launches) = on_device(&step, &input, true).expect("it runs");
        assert!(launches > 0);
        let sums = output.column(output.num_columns() - 1).as_primitive::<Float64Type>();
        for row in 0usize..f.len() {
            let frame = &f[row.saturating_sub(before)..(row + after + 1).min(f.len())];
            let (want, got) = (frame.iter().sum::<f64>(), sums.value(row));
            let bound = frame.iter().map(|x| x.abs()).sum::<f64>() * frame.len() as f64 * f64::EPSILON;
            let close = (got - want).abs() <= bound || got == want || (got.is_nan() && want.is_nan());
            assert!(close, "seed 600, row {row}, {before} to {after}: {got} is not {want}");
        }
    }
}

#[test]
fn long_partitions_cross_many_tiles() {
    // More than 2²⁰ rows, so that a tree takes three launches, and hundreds of tiles for the look-back.
    let rows = 1_100_000;
    let mut rng = Rng(650);
    let n: Vec<i64> = (0..rows).map(|_| rng.below(1_000) as i64 - 500).collect();
    let x: Vec<f64> = n.iter().map(|n| *n as f64).collect();
    let schema = Arc::new(Schema::new(vec![
        Field::new("n", DataType::Int64, false),
        Field::new("x", DataType::Float64, false),
    ]));
    let arrays: Vec<ArrayRef> = vec![Arc::new(Int64Array::from(n.clone())), Arc::new(Float64Array::from(x))];
    let batch = RecordBatch::try_new(schema.clone(), arrays).expect("it fits");
    let frame = WindowFrame {
        units: FrameUnits::Rows,
        start: FrameBound::UnboundedPreceding,
        end: FrameBound::CurrentRow,
    };
    let sliding = WindowFrame {
        start: FrameBound::Preceding(Literal::UInt(400_000)),
        end: FrameBound::Preceding(Literal::UInt(1)),
        ..frame.clone()
    };
    let functions = [
        (WindowKind::Sum, 0, &frame, DataType::Int64),
        (WindowKind::Sum, 1, &frame, DataType::Float64),
        (WindowKind::Sum, 1, &sliding, DataType::Float64),
        (WindowKind::Max, 0, &frame, DataType::Int64),
    ]
    .into_iter()
    .map(|(kind, arg, frame, output)| WindowFunction {
        kind,
        args: vec![arg],
        frame: frame.clone(),
        ignore_nulls: false,
        output: Arc::new(Field::new("w", output, true)),
    })
    .collect();
    let spec = WindowSpec { partition: vec![], order: vec![], functions };
    let mut fields = schema.fields().to_vec();
    fields.extend(spec.functions.iter().map(|function| function.output.clone()));
    let step = WindowStep {
        is_sorted: true,
        projection: vec![],
        projected: schema,
        output: (0..fields.len()).collect(),
        schema: Arc::new(Schema::new(fields)),
        spec,
    };
    let (output, launches) = on_device(&step, &batch, true).expect("it runs");
    // Partitions 3, frames 2, sums of integers 2, sums of floats 3 + 1 + 1, the largest 3 + 1.
    assert_eq!(launches, 3 + 2 + 2 + 5 + 4);
    let column = |index: usize| output.column(2 + index).clone();
    let (sums, largest) = (column(0), column(3));
    let (sums, largest) = (sums.as_primitive::<Int64Type>(), largest.as_primitive::<Int64Type>());
    let (floats, slid) = (column(1), column(2));
    let (floats, slid) = (floats.as_primitive::<Float64Type>(), slid.as_primitive::<Float64Type>());
    let (mut sum, mut most) = (0, i64::MIN);
    for (row, n) in n.iter().enumerate() {
        sum += n;
        most = most.max(*n);
        assert_eq!((sums.value(row), largest.value(row)), (sum, most), "seed 650, row {row}");
        assert_eq!(floats.value(row), sum as f64, "seed 650, row {row}");
        let before = |row: usize| if row == 0 { 0 } else { sums.value(row - 1) };
        let want = (before(row) - before(row.saturating_sub(400_000))) as f64;
        assert!(if row == 0 { slid.is_null(0) } else { slid.value(row) == want }, "seed 650, row {row}");
    }
}

#[test]
fn windows_follow_a_sort_on_the_device() {
    let batch = table(670, 3_000, 7, Nulls::Some);
    let case = Case::new(&batch);
    let sql = "select rank() over w, sum(d15) over w, max(v) over w, lead(s) over w, avg(x) over w \
               from t window w as (partition by dict, p order by od desc, id)";
    let mut nodes = vec![];
    windows(&case.plan(sql), &mut nodes);
    let step = translate_window(nodes[0].as_ref()).expect("a window").expect("it is supported");
    let expected = case.collect(&nodes[0]);
    // The host sorts partitions upwards with nulls last, so that the rows come in the same order.
    let unsorted = nodes[0].children()[0].children()[0].clone();
    assert!(nodes[0].children()[0].name() == "SortExec", "the host sorts for itself");
    let input = case.collect(&unsorted);
    let device = exclusive(0, true);
    let worker = device.worker();
    let pool = worker.pinned_pool().clone();
    let (spec, staged) = (step.spec.clone(), input.clone());
    let task = worker.run("test", CancelToken::new(), move |task| {
        let staged = StagedChunk::stage(&staged.schema(), std::slice::from_ref(&staged), &pool)?;
        let chunk = task.upload(staged)?;
        let partition = |column: &usize| SortKey { column: *column, descending: false, nulls_first: false };
        let mut keys: Vec<SortKey> = spec.partition.iter().map(partition).collect();
        keys.extend(&spec.order);
        let order = sort(task, &chunk, &keys, None)?;
        let sorted = gather(task, &chunk, &order.rows, order.count, false)?;
        let result = window(task, &sorted, &spec)?;
        task.download(&result)
    });
    let output = futures::executor::block_on(task).expect("it runs");
    assert_eq!(output.num_rows(), expected.num_rows());
    let appended = output.num_columns() - step.spec.functions.len();
    for (index, function) in step.spec.functions.iter().enumerate() {
        let (got, want) = (output.column(appended + index), expected.column(appended + index));
        same(function, &expected, got, want, "seed 670");
    }
}

#[test]
fn functions_that_the_optimizer_turned_round_keep_their_meaning() {
    let case = Case::new(&table(680, 300, 3, Nulls::Some));
    let all = "rows between unbounded preceding and unbounded following";
    let sql = format!(
        "select sum(i64) over v, lag(i8, 2) over v, nth_value(i8, 3) over v, lag(i64, 2) over w, lead(s, 1, 'none') over w, \
         first_value(s) over w, nth_value(i64, 2) over (partition by p order by id desc {all}), \
         last_value(i64) ignore nulls over (partition by p order by id desc rows between 2 preceding and 1 following), \
         sum(i64) over (partition by p order by id desc rows between 2 preceding and 1 following) \
         from t window v as (partition by p order by id {all}), w as (partition by p order by id desc)"
    );
    let mut nodes = vec![];
    windows(&case.plan(&sql), &mut nodes);
    assert!(
        nodes.iter().any(|node| format!("{node:?}").contains("is_reversed: true")),
        "nothing was turned round"
    );
    check(&case, "seed 680", &sql, true);
    check(&case, "seed 680", &sql, false);
}

#[test]
fn an_average_of_decimals_that_does_not_fit_fails_on_both_sides() {
    let schema = Schema::new(vec![Field::new("d", DataType::Decimal128(38, 0), true)]);
    let large = Decimal128Array::from(vec![10i128.pow(37) * 9; 3])
        .with_precision_and_scale(38, 0)
        .expect("38 digits");
    let batch = RecordBatch::try_new(Arc::new(schema), vec![Arc::new(large)]).expect("it fits");
    let case = Case::new(&batch);
    let mut nodes = vec![];
    windows(&case.plan("select avg(d) over () from t"), &mut nodes);
    let step = translate_window(nodes[0].as_ref()).expect("a window").expect("it is supported");
    let host = case.runtime.block_on(collect(nodes[0].clone(), case.context.task_ctx()));
    assert!(host.expect_err("the host fails").to_string().contains("Overflow"));
    let error = on_device(&step, &case.collect(nodes[0].children()[0]), true).expect_err("the device fails");
    assert!(error.is_user() && error.to_string().contains("arithmetic overflow in avg(t.d)"), "{error}");
}

#[test]
fn what_the_device_does_not_do_is_refused_by_name() {
    let case = Case::new(&table(700, 10, 2, Nulls::Some));
    for (sql, reason) in [
        ("select sum(i64) filter (where b) over (partition by p) from t", "FILTER"),
        ("select count(distinct i64) over (partition by p) from t", "distinct"),
        (
            "select max(i64) over (order by od range between interval '1' month preceding and current row) from t",
            "RANGE with an offset",
        ),
        ("select median(x) over (partition by p) from t", "median"),
    ] {
        let mut nodes = vec![];
        windows(&case.plan(sql), &mut nodes);
        let error = translate_window(nodes[0].as_ref()).expect("a window").expect_err("it is refused");
        assert!(error.is_unsupported() && error.to_string().contains(reason), "{sql}: {error}");
    }
}
