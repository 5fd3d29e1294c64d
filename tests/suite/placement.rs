//! Placement: which plans go to a device, what is said of those that do not, and what happens when a device fails.

use std::sync::Arc;

use crate::simulator::kernel_folder;
use arrow::array::{
    ArrayRef, Date32Array, Decimal128Array, Float64Array, Int64Array, ListArray, StringArray, StringViewArray,
};
use arrow::datatypes::{DataType, Field, Int64Type, Schema};
use arrow::record_batch::RecordBatch;
use arrow::util::pretty::pretty_format_batches;
use datafusion::datasource::MemTable;
use datafusion::error::DataFusionError;
use datafusion::execution::session_state::SessionStateBuilder;
use datafusion::physical_plan::{ExecutionPlan, collect};
use datafusion::prelude::{SessionConfig, SessionContext};
use swath::config::{Config, Fallback, Placement};
use swath::observe::Receipt;
use swath::plan::{self, DeviceExec, Engine, QueryTimes};

/// A session over a simulated device, and its tables.
struct Fixture {
    simulator: cudasim::Simulator,
    engine: Arc<Engine>,
    context: SessionContext,
    /// The kernels of this fixture alone, where costs decide: what another test compiled would count.
    _kernels: Option<tempfile::TempDir>,
}

const ROWS: i64 = 20_000;
const PARTITIONS: usize = 3;

impl Fixture {
    fn new(placement: Placement, fallback: Fallback) -> Fixture {
        Fixture::with(Config { placement, fallback, ..Config::default() })
    }

    fn with(config: Config) -> Fixture {
        crate::simulator::use_device();
        let kernels = (config.placement == Placement::Auto).then(|| tempfile::tempdir().expect("a folder"));
        let cache_dir = kernels.as_ref().map_or_else(kernel_folder, |folder| folder.path().to_path_buf());
        Fixture::over(Config { cache_dir: Some(cache_dir), ..config }, kernels)
    }

    fn over(config: Config, kernels: Option<tempfile::TempDir>) -> Fixture {
        let simulator = crate::simulator::simulator();
        let engine = Engine::start(&config).expect("starts");
        assert_eq!(engine.absence(), None);
        let session = SessionConfig::new().with_target_partitions(PARTITIONS).with_batch_size(1000);
        let builder = SessionStateBuilder::new().with_config(session).with_default_features();
        let context = SessionContext::new_with_state(plan::install(builder, engine.clone()).build());
        context.register_table("t", table(ROWS)).expect("registers");
        context.register_table("nothing", table(0)).expect("registers");
        Fixture { simulator, engine, context, _kernels: kernels }
    }

    async fn plan(&self, sql: &str) -> Result<Arc<dyn ExecutionPlan>, DataFusionError> {
        self.context.sql(sql).await?.create_physical_plan().await
    }

    /// Runs a query; answers its rows as text, and the receipt.
    async fn run(&self, sql: &str) -> Result<(String, Receipt), DataFusionError> {
        let plan = self.plan(sql).await?;
        let batches = collect(plan.clone(), self.context.task_ctx()).await?;
        for batch in &batches {
            assert_eq!(batch.schema().fields(), plan.schema().fields());
        }
        let rows = batches.iter().map(RecordBatch::num_rows).sum::<usize>() as u64;
        let receipt = plan::receipt(&plan, &self.engine, QueryTimes { rows, ..QueryTimes::default() });
        Ok((pretty_format_batches(&batches)?.to_string(), receipt))
    }

    async fn set(&self, option: &str, value: &str) {
        self.context.sql(&format!("SET {option} = '{value}'")).await.expect("sets");
    }
}

/// Runs the calling test in a process of its own, since a fault hits everything on the device: answers whether this
/// is that process.
pub fn alone(test: &str) -> bool {
    const MARK: &str = "SWATH_TEST_ALONE";
    if std::env::var_os(MARK).is_some() {
        return true;
    }
    let program = std::env::current_exe().expect("the test binary");
    let output =
        std::process::Command::new(program).args([test, "--exact"]).env(MARK, "1").output().expect("starts");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && text.contains("1 passed"), "{text}");
    false
}

/// `t(id, k, s, v, x, m, d)`: some nulls, few groups in `k`, many in `id`.
fn table(rows: i64) -> Arc<MemTable> {
    let batches: Vec<RecordBatch> =
        (0..rows).step_by(777).map(|from| batch(from..(from + 777).min(rows))).collect();
    let schema = batch(0..0).schema();
    let per_partition = batches.len().div_ceil(PARTITIONS).max(1);
    let mut partitions: Vec<Vec<RecordBatch>> = batches.chunks(per_partition).map(<[_]>::to_vec).collect();
    if partitions.is_empty() {
        partitions.push(vec![]);
    }
    Arc::new(MemTable::try_new(schema, partitions).expect("batches fit"))
}

fn batch(ids: std::ops::Range<i64>) -> RecordBatch {
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("id", Arc::new(Int64Array::from_iter_values(ids.clone()))),
        ("k", Arc::new(ids.clone().map(|i| (i % 13 != 4).then_some(i % 7)).collect::<Int64Array>())),
        (
            "s",
            Arc::new(
                ids.clone().map(|i| (i % 11 != 0).then(|| format!("s{}", i % 5))).collect::<StringArray>(),
            ),
        ),
        (
            "v",
            Arc::new(
                ids.clone().map(|i| Some(format!("a rather long text {i}"))).collect::<StringViewArray>(),
            ),
        ),
        (
            "x",
            Arc::new(ids.clone().map(|i| (i % 9 != 0).then_some(i as f64 / 8.0)).collect::<Float64Array>()),
        ),
        (
            "m",
            Arc::new(
                ids.clone()
                    .map(|i| Some(i128::from(i) * 7 - 500))
                    .collect::<Decimal128Array>()
                    .with_precision_and_scale(15, 2)
                    .expect("15 digits"),
            ),
        ),
        ("d", Arc::new(Date32Array::from_iter_values(ids.clone().map(|i| (i % 3000) as i32)))),
        (
            "l",
            Arc::new(ListArray::from_iter_primitive::<Int64Type, _, _>(
                ids.map(|i| Some(vec![Some(i), None])),
            )),
        ),
    ];
    let fields: Vec<Field> = columns
        .iter()
        .map(|(name, array)| Field::new(*name, array.data_type().clone(), *name != "id"))
        .collect();
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns.into_iter().map(|(_, array)| array).collect())
        .expect("columns of equal length")
}

fn device_nodes(plan: &Arc<dyn ExecutionPlan>) -> usize {
    let below: usize = plan.children().into_iter().map(device_nodes).sum();
    below + usize::from(plan.is::<DeviceExec>())
}

/// Queries that a device takes whole, but for sorts of their results, with the device nodes that they need.
const WHOLE: &[(&str, usize)] = &[
    ("SELECT count(*) FROM t", 0),
    ("SELECT count(*), count(k), sum(m), avg(m), min(s), max(v), avg(x) FROM t WHERE k > 2", 1),
    (
        "SELECT k, s, count(*) AS n, sum(m) AS total FROM t WHERE d < DATE '1975-01-01' GROUP BY k, s ORDER BY k, s",
        1,
    ),
    ("SELECT id, m * 2 AS twice, upper(s) AS u FROM t WHERE s LIKE 's1%' AND id % 3 = 0 ORDER BY id", 1),
    ("SELECT id, v FROM t WHERE id BETWEEN 100 AND 300 ORDER BY id", 1),
    ("SELECT k, sum(m) / count(*) AS mean FROM t GROUP BY k HAVING count(*) > 100 ORDER BY k", 1),
    (
        "SELECT n, count(*) AS c FROM (SELECT id % 100 AS g, count(*) AS n FROM t GROUP BY id % 100) GROUP BY n ORDER BY n",
        1,
    ),
    ("SELECT count(DISTINCT s) AS c FROM t", 1),
    (
        "SELECT stddev(x) BETWEEN 721.67655 AND 721.67656 AS a, var_pop(x) > 520787.7456 AS b, bool_and(k < 100), bit_xor(id) FROM t",
        1,
    ),
    ("SELECT sum(m) FILTER (WHERE k = 1) AS a, count(*) FILTER (WHERE s IS NULL) AS b FROM t", 1),
    ("SELECT sum(m) AS a, count(*) AS b, max(s) AS c FROM nothing WHERE id > 5", 1),
    ("SELECT k, count(*) AS b FROM nothing WHERE id > 5 GROUP BY k ORDER BY k", 1),
    ("SELECT id FROM nothing WHERE k > 5 ORDER BY id", 1),
    ("SELECT id % 5000 AS g, max(v) AS v, sum(id) AS s FROM t GROUP BY id % 5000 ORDER BY g", 1),
];

#[tokio::test(flavor = "multi_thread")]
async fn device_and_host_agree_and_the_receipt_shows_kernels() {
    let device = Fixture::new(Placement::Device, Fallback::Error);
    let host = Fixture::new(Placement::Host, Fallback::Error);
    for (sql, nodes) in WHOLE {
        let plan = device.plan(sql).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
        let text = plan::explain(&plan, &device.engine);
        assert_eq!(device_nodes(&plan), *nodes, "{sql}\n{text}");
        let (rows, receipt) = device.run(sql).await.unwrap_or_else(|error| panic!("{sql}: {error}\n{text}"));
        let (expected, _) = host.run(sql).await.expect("the CPU does it");
        assert_eq!(rows, expected, "{sql}\n{text}");
        assert!(receipt.fallbacks.is_empty(), "{receipt}");
        // Without a row there is nothing for a kernel to do, but for the one group of an aggregate without keys.
        let idle = sql.contains("nothing") && sql.contains("SELECT id");
        let worked = if idle { 0 } else { *nodes };
        assert_eq!(receipt.device_operators().count(), worked, "{receipt}");
        assert_eq!(receipt.totals.kernels_launched > 0, worked > 0, "{receipt}");
        assert!(*nodes == 0 || receipt.totals.bytes_down > 0 || rows.lines().count() <= 4, "{receipt}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_has_no_device_form_stays_and_says_why() {
    let fixture = Fixture::new(Placement::Device, Fallback::Allow);
    let host = Fixture::new(Placement::Host, Fallback::Allow);
    let cases = [
        ("SELECT id FROM t WHERE md5(s) > 'f' ORDER BY id", "FilterExec", "md5"),
        (
            "SELECT k, array_length(array_agg(id)) AS m FROM t GROUP BY k ORDER BY k",
            "AggregateExec",
            "array_agg",
        ),
        ("SELECT id FROM t WHERE id < 10 ORDER BY l", "SortExec", "'l'"),
        (
            "WITH RECURSIVE r AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM r WHERE n < 5) SELECT sum(n) FROM r",
            "RecursiveQueryExec",
            "recursive",
        ),
    ];
    for (sql, operator, reason) in cases {
        let (rows, receipt) = fixture.run(sql).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
        let (expected, _) = host.run(sql).await.expect("the CPU does it");
        assert_eq!(rows, expected, "{sql}");
        let found = receipt
            .fallbacks
            .iter()
            .any(|fallback| fallback.operator.ends_with(operator) && fallback.reason.contains(reason));
        assert!(found, "{sql}: {:?}", receipt.fallbacks);
    }
    fixture.set("swath.fallback", "error").await;
    for (sql, operator, reason) in cases {
        let error = fixture.plan(sql).await.expect_err("is refused").to_string();
        assert!(error.contains("swath.fallback = error"), "{error}");
        assert!(error.contains(operator) && error.contains(reason), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn auto_keeps_small_work_on_the_cpu_and_says_so() {
    let fixture = Fixture::new(Placement::Auto, Fallback::Error);
    let sql = "SELECT k, sum(m) FROM t WHERE id > 10 GROUP BY k";
    let plan = fixture.plan(sql).await.expect("plans");
    assert_eq!(device_nodes(&plan), 0);
    let text = plan::explain(&plan, &fixture.engine);
    assert!(text.contains("device ") && text.contains("host ") && text.contains("takes"), "{text}");
    let (_, receipt) = fixture.run(sql).await.expect("runs");
    assert!(receipt.fallbacks.is_empty());
    assert_eq!(receipt.totals.kernels_launched, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn halves_of_an_aggregate_run_on_either_side() {
    use datafusion::datasource::memory::MemorySourceConfig;
    use datafusion::physical_plan::aggregates::{AggregateExec, AggregateMode};
    use datafusion::physical_plan::execution_plan::replace_children_if_necessary;

    fn find(plan: &Arc<dyn ExecutionPlan>, mode: AggregateMode) -> Option<Arc<dyn ExecutionPlan>> {
        match plan.downcast_ref::<AggregateExec>() {
            Some(aggregate) if *aggregate.mode() == mode => Some(plan.clone()),
            _ => plan.children().into_iter().find_map(|child| find(child, mode)),
        }
    }

    let device = Fixture::new(Placement::Device, Fallback::Error);
    let host = Fixture::new(Placement::Host, Fallback::Error);
    let state = device.context.state();
    let rule = state.physical_optimizers().last().expect("placement is there");
    let place = |plan: Arc<dyn ExecutionPlan>| rule.optimize(plan, state.config_options()).expect("places");
    for aggregates in [
        "count(*) AS a, count(k) AS b, sum(id) AS c, sum(m) AS d, min(s) AS e, max(v) AS f, sum(x) AS g",
        "avg(x) AS a, avg(m) AS b, bool_or(k = 1) AS c, bit_and(id) AS d, min(d) AS e, max(x) AS f",
        "round(var_pop(x) / 10) > 1 AS a, stddev(id) > 100 AS b",
    ] {
        for (keys, last) in [("", AggregateMode::Final), ("id % 19", AggregateMode::FinalPartitioned)] {
            let (select, group) = match keys {
                "" => (String::new(), String::new()),
                keys => (format!("{keys} AS key, "), format!(" GROUP BY {keys}")),
            };
            let sql = format!("SELECT {select}{aggregates} FROM t{group}");
            let plan = host.plan(&sql).await.expect("plans");
            let whole = find(&plan, last).expect("has a final half");
            let partial = find(&plan, AggregateMode::Partial).expect("has a partial half");
            let context = host.context.task_ctx();
            let sorted = |batches: &[RecordBatch]| {
                let text = pretty_format_batches(batches).expect("prints").to_string();
                let mut lines: Vec<String> = text.lines().map(str::to_string).collect();
                lines.sort();
                lines
            };
            // Sums of floats in another order differ in the last digits: those are compared elsewhere.
            let exact = !aggregates.contains("var");
            let expected = collect(whole.clone(), context.clone()).await.expect("runs");

            let states = place(partial.clone());
            assert_eq!(device_nodes(&states), 1);
            let merged_by_host = {
                let batches = collect(states, context.clone()).await.expect("runs");
                let source =
                    MemorySourceConfig::try_new_exec(&[batches], partial.schema(), None).expect("fits");
                replace_children_if_necessary(whole.clone(), vec![source]).expect("fits")
            };
            let rows =
                collect(merged_by_host, context.clone()).await.expect("the CPU merges a device's states");
            assert!(
                !exact || sorted(&rows) == sorted(&expected),
                "{sql}\n{:?}\n{:?}",
                sorted(&rows),
                sorted(&expected)
            );

            let batches = collect(partial.clone(), context.clone()).await.expect("runs");
            let source = MemorySourceConfig::try_new_exec(&[batches], partial.schema(), None).expect("fits");
            let merged_by_device =
                place(replace_children_if_necessary(whole.clone(), vec![source]).expect("fits"));
            assert_eq!(device_nodes(&merged_by_device), 1);
            let rows = collect(merged_by_device, device.context.task_ctx())
                .await
                .expect("a device merges the CPU's states");
            assert!(
                !exact || sorted(&rows) == sorted(&expected),
                "{sql}\n{:?}\n{:?}",
                sorted(&rows),
                sorted(&expected)
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn auto_compiles_what_comes_again_and_again() {
    let fixture = Fixture::new(Placement::Auto, Fallback::Error);
    let sql = "SELECT k, s, sum(m * 2), avg(m), min(id), max(id) FROM p \
               WHERE s NOT LIKE '%x%' AND s NOT LIKE '%y%' AND s NOT LIKE '%z%' GROUP BY k, s";
    fixture.set("datafusion.execution.target_partitions", "1").await;
    fixture
        .context
        .sql("CREATE TABLE p AS SELECT id, k, s, x, m FROM t")
        .await
        .expect("creates")
        .collect()
        .await
        .expect("creates");
    plan::pin(&fixture.engine, &fixture.context, "p").await.expect("pins");
    let first = fixture.plan(sql).await.expect("plans");
    assert_eq!(device_nodes(&first), 0);
    let mut runs = 0;
    while device_nodes(&fixture.plan(sql).await.expect("plans")) == 0 {
        runs += 1;
        assert!(runs < 5000, "{}", plan::explain(&first, &fixture.engine));
    }
    let (_, receipt) = fixture.run(sql).await.expect("runs");
    assert!(receipt.totals.kernels_launched > 0, "{receipt}");
    // What is kept on disk need not be compiled by another engine either.
    let config = Config { cache_dir: fixture.engine.config().cache_dir.clone(), ..Config::default() };
    let other = Fixture::over(config, None);
    let table = fixture.context.table_provider("p").await.expect("is there");
    other.context.register_table("p", table).expect("registers");
    other.set("datafusion.execution.target_partitions", "1").await;
    assert_eq!(device_nodes(&other.plan(sql).await.expect("plans")), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn explain_in_sql_shows_place_cost_and_reason() {
    let fixture = Fixture::new(Placement::Device, Fallback::Allow);
    let (text, _) =
        fixture.run("EXPLAIN SELECT k, sum(m) FROM t WHERE id > 10 GROUP BY k").await.expect("explains");
    assert!(text.contains("PlacementExec: placement=device, fallback=allow"), "{text}");
    assert!(text.contains("place=gpu:0") && text.contains("cost=") && text.contains("reason="), "{text}");
    assert!(text.contains("FilterExec: id@0 > 10"), "{text}");
    let (text, _) =
        fixture.run("EXPLAIN ANALYZE SELECT sum(m) FROM t WHERE id > 10").await.expect("explains");
    assert!(text.contains("kernels_launched="), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn options_are_set_in_sql_and_bad_values_are_named() {
    let fixture = Fixture::new(Placement::Host, Fallback::Allow);
    let sql = "SELECT sum(id) AS s FROM t WHERE k = 1";
    assert_eq!(device_nodes(&fixture.plan(sql).await.expect("plans")), 0);
    fixture.set("swath.placement", "device").await;
    assert_eq!(device_nodes(&fixture.plan(sql).await.expect("plans")), 1);
    let error =
        fixture.context.sql("SET swath.placement = 'moon'").await.expect_err("no such value").to_string();
    assert!(error.contains("'moon' is not a value of swath.placement"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn input_comes_in_chunks_and_gives_the_same() {
    let whole = Fixture::new(Placement::Device, Fallback::Error);
    let cut = Fixture::with(Config {
        placement: Placement::Device,
        fallback: Fallback::Error,
        chunk_bytes_target: Some(50_000),
        ..Config::default()
    });
    for sql in [
        "SELECT k, s, sum(x) AS a, avg(m) AS b, min(v) AS c FROM t GROUP BY k, s ORDER BY k, s",
        "SELECT id, v FROM t WHERE x > 100 ORDER BY id",
    ] {
        let (expected, _) = whole.run(sql).await.expect("runs");
        let (rows, receipt) = cut.run(sql).await.expect("runs");
        assert_eq!(rows, expected);
        assert!(receipt.totals.bytes_up > 100_000, "{receipt}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pinned_table_is_not_uploaded_again() {
    let fixture = Fixture::new(Placement::Device, Fallback::Allow);
    let flat = "CREATE TABLE p AS SELECT id, k, s, v, x, m, d FROM t";
    fixture.context.sql(flat).await.expect("creates").collect().await.expect("creates");
    let queries = [
        "SELECT k, sum(m) AS a, max(v) AS b FROM p WHERE id > 100 GROUP BY k ORDER BY k",
        "SELECT id, s FROM p WHERE k = 2 AND id < 400 ORDER BY id",
    ];
    let mut expected = vec![];
    for sql in queries {
        expected.push(fixture.run(sql).await.expect("runs").0);
    }
    let report = plan::pin(&fixture.engine, &fixture.context, "p").await.expect("pins");
    assert_eq!((report.rows, report.device.as_str()), (ROWS as u64, "gpu:0"));
    assert!(report.bytes > 100_000);
    for (sql, expected) in queries.iter().zip(&expected) {
        let (rows, receipt) = fixture.run(sql).await.expect("runs");
        assert_eq!(rows, *expected);
        assert!(receipt.totals.bytes_up < 10_000, "{receipt}");
        assert!(receipt.totals.kernels_launched > 0, "{receipt}");
    }
    // Evicted, it is loaded again; on the CPU, the original is read.
    let key = fixture.engine.worker().expect("there is one").residents()[0].key.clone();
    fixture.engine.worker().expect("there is one").drop_resident(&key);
    for placement in ["device", "host"] {
        fixture.set("swath.placement", placement).await;
        for (sql, expected) in queries.iter().zip(&expected) {
            assert_eq!(fixture.run(sql).await.expect("runs").0, *expected);
        }
    }
    plan::unpin(&fixture.engine, &fixture.context, "p").await.expect("unpins");
    assert!(fixture.engine.worker().expect("there is one").residents().is_empty());
    assert_eq!(fixture.run(queries[0]).await.expect("runs").0, expected[0]);
    let again = plan::unpin(&fixture.engine, &fixture.context, "p").await.expect_err("is not pinned");
    assert!(again.is_user() && again.to_string().contains("not pinned"));
    let unknown = plan::pin(&fixture.engine, &fixture.context, "q").await.expect_err("is unknown");
    assert!(unknown.is_user(), "{unknown:?}");
    let list = plan::pin(&fixture.engine, &fixture.context, "t").await.expect_err("has a list");
    assert!(list.is_unsupported() && list.to_string().contains("'l'"), "{list}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_launch_is_tried_again() {
    if !alone("placement::a_failed_launch_is_tried_again") {
        return;
    }
    let fixture = Fixture::new(Placement::Device, Fallback::Allow);
    let queries = [
        "SELECT k, sum(m) AS a FROM t WHERE id > 100 GROUP BY k ORDER BY k",
        "SELECT id, s FROM t WHERE k = 2 AND id < 400 ORDER BY id",
    ];
    for sql in queries {
        let (expected, _) = fixture.run(sql).await.expect("runs");
        fixture.simulator.fail_launch_in(0, 1);
        let (rows, receipt) = fixture.run(sql).await.expect("a second try helps");
        assert_eq!(rows, expected);
        assert!(receipt.fallbacks.is_empty(), "{receipt}");
    }
    // A resident table goes with the context, and is loaded again.
    let flat = "CREATE TABLE p AS SELECT id, k, s, m FROM t";
    fixture.context.sql(flat).await.expect("creates").collect().await.expect("creates");
    plan::pin(&fixture.engine, &fixture.context, "p").await.expect("pins");
    for sql in queries.map(|sql| sql.replace("FROM t", "FROM p")) {
        let (expected, _) = fixture.run(&sql).await.expect("runs");
        fixture.simulator.fail_launch_in(0, 1);
        let outcome = fixture.run(&sql).await;
        let (rows, receipt) =
            outcome.unwrap_or_else(|error| panic!("{error}: {:?}", fixture.simulator.last_fault()));
        assert_eq!(rows, expected);
        assert!(receipt.fallbacks.is_empty(), "{receipt}");
    }
    // A device that fails again and again is given up.
    fixture.simulator.lose_device(0);
    for sql in queries {
        let (rows, _) = fixture.run(sql).await.expect("the CPU does it");
        assert!(rows.lines().count() > 4, "{rows}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_fit_is_split_or_runs_on_the_cpu() {
    let fixture = Fixture::with(Config {
        placement: Placement::Device,
        fallback: Fallback::Allow,
        device_memory_limit: Some(1_300_000),
        chunk_bytes_target: Some(200_000),
        ..Config::default()
    });
    let host = Fixture::new(Placement::Host, Fallback::Allow);
    for (sql, fits) in [
        ("SELECT k, sum(m) AS a, max(v) AS b, sum(x) AS c FROM t WHERE id > 100 GROUP BY k ORDER BY k", true),
        ("SELECT id, s FROM t WHERE k = 2 ORDER BY id", true),
        ("SELECT id, v FROM t WHERE k <> 2 ORDER BY id", true),
        // A group for each row, in partitions.
        ("SELECT v, sum(m) AS a FROM t GROUP BY v ORDER BY v LIMIT 7", true),
        ("SELECT id, v, sum(m) OVER (ORDER BY id) AS a FROM t ORDER BY id", false),
    ] {
        let (rows, receipt) = fixture.run(sql).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
        assert_eq!(rows, host.run(sql).await.expect("the CPU does it").0, "{sql}\n{receipt}");
        assert_eq!(receipt.fallbacks.is_empty(), fits, "{sql}\n{receipt}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn dropping_a_query_frees_the_device() {
    use futures::StreamExt;
    let fixture = Fixture::with(Config {
        placement: Placement::Device,
        chunk_bytes_target: Some(10_000),
        ..Config::default()
    });
    let worker = fixture.engine.worker().expect("there is one").clone();
    let free = worker.free_bytes();
    let plan = fixture.plan("SELECT id, v FROM t WHERE id >= 0").await.expect("plans");
    let mut stream = plan.execute(0, fixture.context.task_ctx()).expect("executes");
    stream.next().await.expect("gives rows").expect("without error");
    drop(stream);
    for _ in 0..200 {
        if worker.free_bytes() == free {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    assert_eq!(worker.free_bytes(), free);
    let (rows, _) =
        fixture.run("SELECT count(*) AS n FROM t WHERE id >= 0").await.expect("the next one runs");
    assert!(rows.contains("20000"), "{rows}");
}

#[tokio::test(flavor = "multi_thread")]
async fn joins_above_keep_their_partitions_and_orders() {
    let fixture = Fixture::new(Placement::Device, Fallback::Allow);
    let host = Fixture::new(Placement::Host, Fallback::Allow);
    let queries = [
        // Both sides partitioned by their key: one an aggregate, one a filter.
        "SELECT a.g, a.n, b.id FROM (SELECT id % 50 AS g, count(*) AS n FROM t GROUP BY id % 50) a \
         JOIN t b ON a.g = b.id WHERE b.x > 1 ORDER BY a.g",
        "SELECT a.g, a.n, b.n AS m FROM (SELECT id % 50 AS g, count(*) AS n FROM t GROUP BY id % 50) a \
         JOIN (SELECT id % 70 AS g, count(*) AS n FROM t GROUP BY id % 70) b ON a.g = b.g ORDER BY a.g",
        "SELECT id, lag(id) OVER (PARTITION BY k ORDER BY id) AS before FROM t WHERE id % 10 = 1 ORDER BY id",
        "SELECT g, n FROM (SELECT id % 50 AS g, count(*) AS n FROM t GROUP BY id % 50) \
         UNION ALL SELECT id, k FROM t WHERE id < 20 ORDER BY g, n",
        "SELECT id FROM t WHERE id < 30 INTERSECT SELECT id FROM t WHERE id > 20 ORDER BY id",
        "SELECT id, m FROM t WHERE m = (SELECT max(m) FROM t WHERE k = 3)",
        "SELECT k, count(*) AS n FROM t GROUP BY k HAVING count(*) > (SELECT avg(id) / 5 FROM t) ORDER BY k",
        "SELECT id FROM t WHERE k IN (SELECT id FROM t WHERE id < 3) AND id < 50 ORDER BY id",
        "SELECT a.id, b.v FROM t a LEFT JOIN t b ON a.id = b.id * 2 AND b.k = 1 WHERE a.id < 40 ORDER BY a.id",
        "SELECT id FROM t WHERE id > 7 ORDER BY id LIMIT 5 OFFSET 2",
        "SELECT count(*) AS n FROM t a JOIN t b ON a.id = b.id + 1",
        "SELECT count(*) AS n, 'x' AS one FROM t a JOIN t b ON a.id = b.id + 1 GROUP BY 2",
        "SELECT DISTINCT k FROM t WHERE id > 3 ORDER BY k LIMIT 3",
        "SELECT k, max(id) AS m FROM t WHERE id > 3 GROUP BY k ORDER BY m DESC LIMIT 2",
    ];
    for prefer_hash_join in ["true", "false"] {
        for session in [&fixture, &host] {
            session.set("datafusion.optimizer.prefer_hash_join", prefer_hash_join).await;
            // Whatever the sizes: partitioned joins.
            session.set("datafusion.optimizer.hash_join_single_partition_threshold", "0").await;
            session.set("datafusion.optimizer.hash_join_single_partition_threshold_rows", "0").await;
        }
        for sql in queries {
            let plan = fixture.plan(sql).await.expect("plans");
            let text = plan::explain(&plan, &fixture.engine);
            let (rows, receipt) =
                fixture.run(sql).await.unwrap_or_else(|error| panic!("{sql}: {error}\n{text}"));
            assert_eq!(rows, host.run(sql).await.expect("the CPU does it").0, "{sql}\n{text}");
            assert!(device_nodes(&plan) > 0 && receipt.totals.kernels_launched > 0, "{sql}\n{text}");
            let invalid = receipt.fallbacks.iter().find(|fallback| fallback.operator == "query");
            assert_eq!(invalid, None, "{sql}\n{text}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_that_is_counted_on_is_kept() {
    let fixture = Fixture::new(Placement::Device, Fallback::Allow);
    let order = |column: &str| vec![vec![datafusion::prelude::col(column).sort(true, false)]];
    for (name, partitions) in [("one", 1), ("three", 3)] {
        let rows = 3000 / partitions;
        let partition = |number: i64| {
            vec![batch(number * rows..number * rows + 400), batch(number * rows + 400..(number + 1) * rows)]
        };
        let schema = batch(0..0).schema();
        let table = MemTable::try_new(schema, (0..partitions).map(partition).collect()).expect("batches fit");
        let sorted = table.with_sort_order(order("id"));
        fixture.context.register_table(name, Arc::new(sorted)).expect("registers");
    }
    for table in ["one", "three"] {
        for sql in [
            format!("SELECT id, m FROM {table} WHERE k = 3 ORDER BY id"),
            format!("SELECT id, count(*) AS n FROM {table} WHERE k = 3 GROUP BY id ORDER BY id"),
            format!("SELECT id, sum(m) OVER (ORDER BY id) AS n FROM {table} WHERE k = 3"),
        ] {
            let (rows, _) = fixture.run(&sql).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
            let ids: Vec<i64> =
                rows.lines().filter_map(|line| line.split('|').nth(1)?.trim().parse().ok()).collect();
            assert!(ids.len() > 300 && ids.is_sorted(), "{sql}\n{rows}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_value_that_needs_the_cpu_falls_back_while_running() {
    let fixture = Fixture::new(Placement::Device, Fallback::Allow);
    let text = "CREATE TABLE names AS SELECT id, CASE WHEN id = 1234 THEN 'ΟΔΟΣ' ELSE s END AS name FROM t";
    fixture.context.sql(text).await.expect("creates").collect().await.expect("creates");
    let host = Fixture::new(Placement::Host, Fallback::Allow);
    host.context.sql(text).await.expect("creates").collect().await.expect("creates");
    let queries = [
        "SELECT id, lower(name) AS u FROM names WHERE id BETWEEN 1200 AND 1300 ORDER BY id",
        "SELECT lower(name) AS u, count(*) AS n FROM names GROUP BY lower(name) ORDER BY u",
    ];
    for sql in queries {
        let (rows, receipt) = fixture.run(sql).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
        assert_eq!(rows, host.run(sql).await.expect("the CPU does it").0);
        assert_eq!(receipt.fallbacks.len(), 1, "{receipt}");
    }
    fixture.set("swath.fallback", "error").await;
    for sql in queries {
        let error = fixture.run(sql).await.expect_err("falling back is an error").to_string();
        assert!(error.contains("swath.fallback = error"), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn errors_of_rows_are_errors_of_the_query() {
    let fixture = Fixture::new(Placement::Device, Fallback::Allow);
    for sql in ["SELECT id / (k - 3) AS q FROM t WHERE k IS NOT NULL", "SELECT sum(id / (k - 3)) AS q FROM t"]
    {
        let error = fixture.run(sql).await.expect_err("divides by zero").to_string();
        assert!(error.to_lowercase().contains("zero"), "{error}");
        let (rows, _) =
            fixture.run("SELECT count(*) AS n FROM t WHERE id >= 0").await.expect("the next one runs");
        assert!(rows.contains("20000"), "{rows}");
    }
}

/// In a process of its own, where no test has loaded the simulated driver.
#[tokio::test(flavor = "multi_thread")]
async fn without_a_device_plans_stay_as_they_are() {
    if !alone("placement::without_a_device_plans_stay_as_they_are") {
        return;
    }
    let engine = Engine::start(&Config::default()).expect("starts");
    let Some(reason) = engine.absence() else {
        // The machine has a real device.
        return;
    };
    let builder = SessionStateBuilder::new().with_default_features();
    let context = SessionContext::new_with_state(plan::install(builder, engine.clone()).build());
    context.register_table("t", table(100)).expect("registers");
    let sql = "SELECT sum(id) AS s FROM t WHERE k = 1";
    let plan = async |placement: &str, fallback: &str| {
        for (option, value) in [("placement", placement), ("fallback", fallback)] {
            context.sql(&format!("SET swath.{option} = '{value}'")).await.expect("sets");
        }
        context.sql(sql).await.expect("plans").create_physical_plan().await
    };
    for placement in ["auto", "host"] {
        let untouched = plan(placement, "error").await.expect("plans");
        assert_ne!(untouched.name(), "PlacementExec");
    }
    let error = plan("device", "error").await.expect_err("is refused").to_string();
    assert!(error.contains("there is no device") && error.contains(reason), "{error}");
    let allowed = plan("device", "warn").await.expect("plans");
    collect(allowed.clone(), context.task_ctx()).await.expect("the CPU does it");
    let receipt = plan::receipt(&allowed, &engine, QueryTimes::default());
    assert_eq!(receipt.fallback_policy, "warn");
    assert!(receipt.warnings()[0].contains("there is no device"), "{receipt}");
    assert!(plan::explain(&allowed, &engine).starts_with("device: none ("));
    let error = plan::pin(&engine, &context, "t").await.expect_err("has nowhere to go");
    assert!(error.is_unsupported() && error.to_string().contains("there is no device"), "{error}");
}

#[test]
fn list_columns_have_no_device_form() {
    assert!(swath::column::Storage::of(&DataType::new_list(DataType::Int64, true)).is_none());
}
