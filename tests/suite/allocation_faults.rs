//! Every allocation of a query made to fail in turn: the answer stays right or the error is clean, and nothing is left.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use arrow::array::RecordBatch;
use arrow::util::pretty::pretty_format_batches;
use cudasim::Simulator;
use datafusion::datasource::MemTable;
use datafusion::error::DataFusionError;
use datafusion::execution::SessionStateBuilder;
use datafusion::physical_plan::collect;
use datafusion::prelude::{SessionConfig, SessionContext};
use swath::Error;
use swath::config::{Config, Fallback, Placement};
use swath::memory::Tier;
use swath::plan::{Engine, install};
use swath::worker::CancelToken;

use crate::generated::{Nulls, Rng, table};
use crate::placement::alone;
use crate::simulator::{kernel_folder, mode, simulator, use_device};

/// The device that sessions run on.
const DEVICE: usize = 0;
/// How many allocations are made to fail in turn where a query makes more: then they are drawn.
const PLACES_MAX: u64 = 24;
/// Longer than any of these queries takes.
const HANG: Duration = Duration::from_secs(60);

/// How many allocations fail from the first on: one, which trying again gets over; several; all that follow.
const RUNS_OF_FAILURES: [u64; 3] = [1, 6, u64::MAX];

/// A session on the simulated device, and one on the CPU, with the same tables.
pub struct AllocationFaults {
    simulator: Simulator,
    engine: Arc<Engine>,
    device: SessionContext,
    host: SessionContext,
}

impl AllocationFaults {
    /// Opens both over `tables`. With [`Fallback::Allow`] every answer has to be right; with [`Fallback::Error`] what
    /// does not fit fails. The test must be [`alone`] in its process: what it breaks is everybody's.
    pub fn new(tables: &[(&str, Vec<RecordBatch>)], fallback: Fallback) -> AllocationFaults {
        use_device();
        let config = Config {
            placement: Placement::Device,
            fallback,
            cache_dir: Some(kernel_folder()),
            chunk_bytes_target: Some(64 << 10),
            ..Config::default()
        };
        let engine = Engine::start(&config).expect("the engine starts");
        assert_eq!(engine.absence(), None);
        let session = || SessionConfig::new().with_target_partitions(1);
        let builder = SessionStateBuilder::new().with_default_features().with_config(session());
        let device = SessionContext::new_with_state(install(builder, engine.clone()).build());
        let host = SessionContext::new_with_config(session());
        for (name, batches) in tables {
            for context in [&device, &host] {
                let provider =
                    MemTable::try_new(batches[0].schema(), vec![batches.clone()]).expect("one schema");
                context.register_table(*name, Arc::new(provider)).expect("the name is free");
            }
        }
        AllocationFaults { simulator: simulator(), engine, device, host }
    }

    /// Runs `sql`, whose answer must have an order, with each of its allocations failing in turn, alone and with those
    /// that follow.
    pub async fn every_allocation_fails_in_turn(&self, sql: &str) {
        let expected = self.run(&self.host, sql).await.expect("the CPU does it");
        // The first run compiles and fills pools; the second is counted.
        let launched = self.simulator.launches(DEVICE);
        assert_eq!(self.run(&self.device, sql).await.expect("nothing fails yet"), expected, "{sql}");
        assert!(self.simulator.launches(DEVICE) > launched, "{sql}: launched no kernel");
        let (free, live) = self.settle(sql).await;
        let before = self.simulator.allocations(DEVICE);
        self.run(&self.device, sql).await.expect("nothing fails yet");
        let count = self.simulator.allocations(DEVICE) - before;
        assert!(count > 0, "{sql}: allocated nothing");
        let seed = sql.bytes().fold(count, |seed, byte| seed.wrapping_mul(31).wrapping_add(u64::from(byte)));
        let (mut failed, mut right) = (0, 0);
        for failing in RUNS_OF_FAILURES {
            for place in places(count, seed) {
                let what = format!("{sql}\nallocation {place} of {count} fails, {failing} in turn");
                self.simulator.fail_allocations_in(DEVICE, place, failing);
                let outcome = tokio::time::timeout(HANG, self.run(&self.device, sql)).await;
                self.simulator.fail_allocations_in(DEVICE, 0, 0);
                match outcome.unwrap_or_else(|_| panic!("{what}: it hangs")) {
                    Ok(rows) => {
                        right += 1;
                        assert_eq!(rows, expected, "{what}");
                    }
                    Err(error) => {
                        failed += 1;
                        assert!(failing > 1, "{what}: one failure is got over by trying again: {error}");
                        assert_eq!(self.engine.config().fallback, Fallback::Error, "{what}: {error}");
                        let ours = ours(&error).unwrap_or_else(|| panic!("{what}: {error}"));
                        assert!(ours.is_out_of_memory(), "{what}: {ours:?}");
                        for part in ["device", "bytes asked", "free", "swath.device_memory_limit"] {
                            assert!(ours.to_string().contains(part), "{what}: no '{part}' in: {ours}");
                        }
                    }
                }
                assert_eq!(self.settle(&what).await, (free, live), "{what}: something is left");
            }
        }
        println!("{sql}: {count} allocations, {failed} runs failed cleanly, {right} were right");
        assert_eq!(self.run(&self.device, sql).await.expect("nothing fails any more"), expected, "{sql}");
        let worker = self.engine.worker().expect("there is one");
        assert_eq!(worker.generation(), 0, "{sql}: want of memory is no fault");
        assert_eq!(self.simulator.last_fault(), None, "{sql}");
    }

    async fn run(&self, context: &SessionContext, sql: &str) -> Result<String, DataFusionError> {
        let plan = context.sql(sql).await?.create_physical_plan().await?;
        let batches = collect(plan, context.task_ctx()).await?;
        Ok(pretty_format_batches(&batches)?.to_string())
    }

    /// Waits until everything that a query held is given back; answers the device's free bytes by the budget and the
    /// allocations that live.
    async fn settle(&self, what: &str) -> (u64, usize) {
        let worker = self.engine.worker().expect("there is one");
        // A task behind all others: what they freed in stream order is free when it is done.
        for _ in 0..3 {
            worker
                .run("settle", CancelToken::new(), |task| task.synchronize())
                .await
                .expect("the device works");
            tokio::task::yield_now().await;
        }
        for tier in Tier::BELOW_DEVICE {
            assert_eq!(worker.tier_bytes(tier).0, 0, "{what}: chunks are left in {tier}");
        }
        (worker.free_bytes(), self.simulator.live_allocations(DEVICE))
    }
}

/// The allocations to fail at: all of `count`, or some of them.
fn places(count: u64, seed: u64) -> BTreeSet<u64> {
    if count <= PLACES_MAX {
        return (1..=count).collect();
    }
    let mut random = Rng(seed);
    let ends = [1, 2, count - 1, count];
    (0..PLACES_MAX).map(|_| 1 + random.below(count)).chain(ends).collect()
}

fn ours(error: &DataFusionError) -> Option<&Error> {
    match error.find_root() {
        DataFusionError::External(inner) => inner.downcast_ref::<Error>(),
        _ => None,
    }
}

const QUERIES: [&str; 12] = [
    "SELECT id, i64_a, str_a FROM t WHERE k > 2 ORDER BY id",
    "SELECT k, count(*) AS n, sum(i32_a) AS s, max(view_a) AS m FROM t GROUP BY k ORDER BY k",
    "SELECT dict_a, min(d15_a) AS a, avg(i16_a) AS b FROM t WHERE id % 3 = 0 GROUP BY dict_a ORDER BY dict_a",
    "SELECT sum(i64_a % 1000) AS s, count(str_a) AS n FROM t",
    "SELECT t.id, u.str_a FROM t JOIN u ON t.k = u.k AND t.i8_a < u.i8_b ORDER BY t.id, u.id, u.str_a LIMIT 500",
    "SELECT t.dict_a, count(*) AS n FROM t LEFT JOIN u ON t.id = u.id WHERE t.k > 1 GROUP BY t.dict_a ORDER BY 1",
    "SELECT id, str_a FROM t ORDER BY str_a DESC NULLS LAST, id",
    "SELECT id, upper(ascii_a) AS u FROM t WHERE ascii_a LIKE '%e%' ORDER BY id",
    "SELECT id, row_number() OVER w AS r, sum(i32_a) OVER w AS s FROM t WINDOW w AS (PARTITION BY k ORDER BY id) ORDER BY id",
    "SELECT t.id AS a, u.id AS b FROM t FULL JOIN u ON t.i8_a = u.i8_b AND t.id < u.id ORDER BY a, b",
    "SELECT id FROM t WHERE k IN (SELECT k FROM u WHERE id < 100) ORDER BY id LIMIT 70",
    "SELECT k, id FROM t WHERE id < 40 UNION ALL SELECT k, id FROM u WHERE id > 200 ORDER BY id, k",
];

async fn in_turn(fallback: Fallback, lazy: bool) {
    let _mode = mode(lazy);
    let tables = [("t", table(7, 3000, Nulls::Some)), ("u", table(8, 300, Nulls::Some))];
    let faults = AllocationFaults::new(&tables, fallback);
    for sql in QUERIES {
        faults.every_allocation_fails_in_turn(sql).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_fallback_the_error_is_clean() {
    if alone("allocation_faults::without_fallback_the_error_is_clean") {
        in_turn(Fallback::Error, false).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn with_fallback_every_answer_is_right() {
    if alone("allocation_faults::with_fallback_every_answer_is_right") {
        in_turn(Fallback::Allow, true).await;
    }
}
