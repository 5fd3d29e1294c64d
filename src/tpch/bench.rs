//! Timed runs of the queries: plain DataFusion and Swath, cold and hot, every answer checked.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use datafusion::catalog::TableProvider;
use datafusion::datasource::MemTable;
use datafusion::execution::options::ParquetReadOptions;
use datafusion::prelude::{SessionConfig, SessionContext};
use indicatif::ProgressBar;
use serde::Serialize;

use super::answer::{self, Answer};
use super::compare::compare;
use super::query::Query;
use super::table::{self, Table};
use crate::config::{Config, Placement};
use crate::error::{Error, Result};
use crate::observe::receipt::Receipt;
use crate::session::Session;

/// What is run.
#[derive(Clone, Debug)]
pub struct Bench<'a> {
    /// The folder with the table files.
    pub folder: &'a Path,
    pub scale_factor: f64,
    pub queries: Vec<Query>,
    /// Hot runs of each query; the best counts.
    pub iterations: usize,
    /// Placements of Swath to run.
    pub placements: Vec<Placement>,
    /// Everything else of the sessions.
    pub config: Config,
    /// Whether tables are pinned in device memory for the hot runs of placements other than the host's.
    pub pin: bool,
}

/// Who ran a query.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Runner {
    /// A DataFusion context as it comes: the peer.
    DataFusion,
    /// A session, with its placement.
    Host,
    Auto,
    Device,
}

impl Runner {
    /// The name in tables.
    pub fn name(self) -> &'static str {
        match self {
            Runner::DataFusion => "datafusion",
            Runner::Host => "host",
            Runner::Auto => "auto",
            Runner::Device => "device",
        }
    }
}

impl From<Placement> for Runner {
    fn from(placement: Placement) -> Self {
        match placement {
            Placement::Auto => Runner::Auto,
            Placement::Device => Runner::Device,
            Placement::Host => Runner::Host,
        }
    }
}

/// One query on one runner.
#[derive(Clone, Debug, Serialize)]
pub struct Run {
    pub query: usize,
    pub runner: Runner,
    /// The first run, from the files.
    pub cold_ms: f64,
    /// The later runs, from memory: the host's, or the device's where tables were pinned.
    pub hot_ms: Vec<f64>,
    pub rows: usize,
    /// Where an answer differs from the reference, or what failed.
    pub fault: Option<String>,
    /// What fell back to the CPU and why, cold or hot.
    pub fallbacks: Vec<String>,
    pub cold: DeviceWork,
    /// That of the last hot run.
    pub hot: DeviceWork,
}

/// What a device did in a run.
#[derive(Clone, Debug, Default, Serialize)]
pub struct DeviceWork {
    pub operators: usize,
    pub bytes_up: u64,
    pub bytes_down: u64,
    pub kernels_launched: u64,
    pub kernels_compiled: u64,
    pub compile_ms: f64,
    pub kernel_ms: f64,
}

impl Run {
    /// The best hot run.
    pub fn best_ms(&self) -> Option<f64> {
        self.hot_ms.iter().copied().min_by(f64::total_cmp)
    }
}

/// Runs the bench: each runner in turn, each query cold then hot. `bar` advances by one for each query of a runner.
///
/// # Errors
/// What keeps the bench from running at all. A query that fails or answers wrong is part of its run.
pub async fn run(bench: &Bench<'_>, bar: &ProgressBar) -> Result<Vec<Run>> {
    let mut runs = Vec::new();
    let mut references = Vec::new();
    let partitions = bench.config.target_partitions;
    let peer = peer_context(bench.folder, partitions).await?;
    let memory = load(&peer, bar).await?;
    let peer_hot = memory_context(partitions, &memory)?;
    for &query in &bench.queries {
        bar.set_message(format!("datafusion {query}"));
        let text = query.text(bench.scale_factor);
        let mut run = Run::new(query, Runner::DataFusion);
        let (cold, rows) = timed(collect_peer(&peer, &text)).await.map_err(|error| error.context(query))?;
        run.cold_ms = cold;
        let answered = rows.answer()?;
        run.rows = answered.rows.len();
        // Where there is no kept answer, this run is the reference.
        let reference = match answer::kept(query, bench.scale_factor) {
            Some(kept) => kept?,
            None => answered.clone(),
        };
        run.check(&reference, &answered, query);
        for _ in 0..bench.iterations {
            let (hot, rows) = timed(collect_peer(&peer_hot, &text)).await?;
            run.hot_ms.push(hot);
            run.check(&reference, &rows.answer()?, query);
        }
        references.push(reference);
        runs.push(run);
        bar.inc(1);
    }
    drop((peer, peer_hot));
    for &placement in &bench.placements {
        runs.extend(run_placement(bench, placement, &memory, &references, bar).await?);
    }
    Ok(runs)
}

async fn run_placement(
    bench: &Bench<'_>,
    placement: Placement,
    memory: &[(Table, Arc<MemTable>)],
    references: &[Answer],
    bar: &ProgressBar,
) -> Result<Vec<Run>> {
    let session = Session::with_config(Config { placement, ..bench.config.clone() })?;
    table::register(&session, bench.folder).await?;
    let runner = Runner::from(placement);
    let mut runs = Vec::new();
    for (&query, reference) in bench.queries.iter().zip(references) {
        bar.set_message(format!("{} {query}, cold", runner.name()));
        let mut run = Run::new(query, runner);
        let text = query.text(bench.scale_factor);
        if let Some((elapsed, work)) = run.once(&session, &text, reference, query).await {
            run.cold_ms = elapsed;
            run.cold = work;
        }
        runs.push(run);
    }
    for (table, provider) in memory {
        bar.set_message(format!("{} loads {}", runner.name(), table.name()));
        let context = session.context();
        context.deregister_table(table.name()).map_err(failed)?;
        context
            .register_table(table.name(), Arc::clone(provider) as Arc<dyn TableProvider>)
            .map_err(failed)?;
        if bench.pin && placement != Placement::Host {
            match session.pin(table.name()).await {
                // What does not fit stays on the host: the receipts show what it costs.
                Err(error) if error.is_out_of_memory() || error.is_unsupported() => {}
                pinned => drop(pinned?),
            }
        }
    }
    for (run, (&query, reference)) in runs.iter_mut().zip(bench.queries.iter().zip(references)) {
        bar.set_message(format!("{} {query}, hot", runner.name()));
        let text = query.text(bench.scale_factor);
        for _ in 0..bench.iterations {
            if let Some((elapsed, work)) = run.once(&session, &text, reference, query).await {
                run.hot_ms.push(elapsed);
                run.hot = work;
            }
        }
        bar.inc(1);
    }
    Ok(runs)
}

impl Run {
    fn new(query: Query, runner: Runner) -> Self {
        Run {
            query: query.number(),
            runner,
            cold_ms: 0.0,
            hot_ms: Vec::new(),
            rows: 0,
            fault: None,
            fallbacks: Vec::new(),
            cold: DeviceWork::default(),
            hot: DeviceWork::default(),
        }
    }

    /// Runs the query once and checks its answer; `None`, and a fault, where it fails.
    async fn once(
        &mut self,
        session: &Session,
        text: &str,
        reference: &Answer,
        query: Query,
    ) -> Option<(f64, DeviceWork)> {
        let timed = timed(async { session.sql(text).await?.collect().await }).await;
        let outcome = timed.and_then(|(elapsed, result)| {
            let answered = answer::of_batches(&result.schema, &result.batches)?;
            Ok((elapsed, result.receipt, answered))
        });
        match outcome {
            Ok((elapsed, receipt, answered)) => {
                self.rows = answered.rows.len();
                self.check(reference, &answered, query);
                for warning in receipt.warnings() {
                    if !self.fallbacks.contains(&warning) {
                        self.fallbacks.push(warning);
                    }
                }
                Some((elapsed, DeviceWork::of(&receipt)))
            }
            Err(error) => {
                self.fault.get_or_insert(error.to_string());
                None
            }
        }
    }

    fn check(&mut self, reference: &Answer, answered: &Answer, query: Query) {
        if let Err(difference) = compare(reference, answered, query.partial_order()) {
            self.fault.get_or_insert(difference);
        }
    }
}

impl DeviceWork {
    pub(super) fn of(receipt: &Receipt) -> Self {
        DeviceWork {
            operators: receipt.device_operators().count(),
            bytes_up: receipt.totals.bytes_up,
            bytes_down: receipt.totals.bytes_down,
            kernels_launched: receipt.totals.kernels_launched,
            kernels_compiled: receipt.totals.kernels_compiled,
            compile_ms: receipt.totals.compile_ms,
            kernel_ms: receipt.device_operators().map(|operator| operator.kernel_ms).sum(),
        }
    }
}

/// Rows of the peer.
struct PeerRows {
    schema: SchemaRef,
    batches: Vec<RecordBatch>,
}

impl PeerRows {
    fn answer(&self) -> Result<Answer> {
        answer::of_batches(&self.schema, &self.batches)
    }
}

async fn collect_peer(context: &SessionContext, text: &str) -> Result<PeerRows> {
    let frame = context.sql(text).await.map_err(failed)?;
    let schema = Arc::clone(frame.schema().inner());
    let batches = frame.collect().await.map_err(failed)?;
    Ok(PeerRows { schema, batches })
}

/// Milliseconds that `work` took, and what it gave.
pub(super) async fn timed<T>(work: impl Future<Output = Result<T>>) -> Result<(f64, T)> {
    let started = Instant::now();
    let value = work.await?;
    Ok((milliseconds(started.elapsed()), value))
}

fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

fn peer_config(partitions: Option<usize>) -> SessionConfig {
    match partitions {
        Some(partitions) => SessionConfig::new().with_target_partitions(partitions),
        None => SessionConfig::new(),
    }
}

/// A DataFusion context over the table files, without anything of ours.
async fn peer_context(folder: &Path, partitions: Option<usize>) -> Result<SessionContext> {
    let context = SessionContext::new_with_config(peer_config(partitions));
    for table in Table::ALL {
        let path = table.file(folder).display().to_string();
        context.register_parquet(table.name(), path, ParquetReadOptions::default()).await.map_err(failed)?;
    }
    Ok(context)
}

/// A DataFusion context over tables in memory.
fn memory_context(partitions: Option<usize>, memory: &[(Table, Arc<MemTable>)]) -> Result<SessionContext> {
    let context = SessionContext::new_with_config(peer_config(partitions));
    for (table, provider) in memory {
        context
            .register_table(table.name(), Arc::clone(provider) as Arc<dyn TableProvider>)
            .map_err(failed)?;
    }
    Ok(context)
}

/// Reads all tables into host memory.
async fn load(context: &SessionContext, bar: &ProgressBar) -> Result<Vec<(Table, Arc<MemTable>)>> {
    let mut memory = Vec::new();
    for table in Table::ALL {
        bar.set_message(format!("loading {}", table.name()));
        let frame = context.table(table.name()).await.map_err(failed)?;
        let schema = Arc::clone(frame.schema().inner());
        let partitions = frame.collect_partitioned().await.map_err(failed)?;
        memory.push((table, Arc::new(MemTable::try_new(schema, partitions).map_err(failed)?)));
    }
    Ok(memory)
}

fn failed(error: datafusion::error::DataFusionError) -> Error {
    Error::io(format!("DataFusion: {}", error.strip_backtrace()))
}

/// A query on plain DataFusion and on a session that places on the host, run alternately.
#[derive(Clone, Debug, Serialize)]
pub struct OverheadRun {
    pub query: usize,
    pub datafusion_ms: Vec<f64>,
    pub session_ms: Vec<f64>,
}

/// Measures what a session costs over plain DataFusion, from the files. The two take turns, so that a change of the
/// machine's speed meets both; who goes first changes too.
pub async fn overhead(bench: &Bench<'_>, bar: &ProgressBar) -> Result<Vec<OverheadRun>> {
    let peer = peer_context(bench.folder, bench.config.target_partitions).await?;
    let session = Session::with_config(bench.config.clone())?;
    table::register(&session, bench.folder).await?;
    let mut runs: Vec<OverheadRun> = bench
        .queries
        .iter()
        .map(|query| OverheadRun { query: query.number(), datafusion_ms: Vec::new(), session_ms: Vec::new() })
        .collect();
    // Round 0 warms caches up and is not kept.
    for round in 0..=bench.iterations {
        for (query, run) in bench.queries.iter().zip(&mut runs) {
            bar.set_message(format!("round {round}, {query}"));
            let text = query.text(bench.scale_factor);
            for turn in 0..2 {
                let ours = (round + turn) % 2 == 0;
                let elapsed = match ours {
                    true => timed(async { session.sql(&text).await?.collect().await }).await?.0,
                    false => timed(collect_peer(&peer, &text)).await?.0,
                };
                match (round, ours) {
                    (0, _) => {}
                    (_, true) => run.session_ms.push(elapsed),
                    (_, false) => run.datafusion_ms.push(elapsed),
                }
            }
            bar.inc(1);
        }
    }
    Ok(runs)
}
