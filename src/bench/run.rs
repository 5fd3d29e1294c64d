//! Timed runs of queries: plain DataFusion and Swath, cold and hot, every answer checked.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use datafusion::catalog::TableProvider;
use datafusion::datasource::MemTable;
use datafusion::execution::options::ParquetReadOptions;
use datafusion::prelude::{SessionConfig, SessionContext};
use indicatif::ProgressBar;
use serde::Serialize;

use super::question::Question;
use super::reference::{Outcome, Reference};
use crate::config::{Config, Placement};
use crate::error::{Error, Result};
use crate::observe::receipt::Receipt;
use crate::session::{Session, TableSource};

/// Once the hot runs of a query have taken that long, there is no further one: some take a minute each.
const HOT_MS_MAX: f64 = 30_000.0;

/// What is run.
#[derive(Clone, Debug)]
pub struct Bench {
    pub tables: Vec<TableFile>,
    pub questions: Vec<Question>,
    /// Hot runs of each query, fewer of those that take long; the best counts.
    pub iterations: usize,
    /// Placements of Swath to run.
    pub placements: Vec<Placement>,
    /// Everything else of the sessions.
    pub config: Config,
    /// Whether tables are pinned in device memory for the hot runs of placements other than the host's.
    pub pin: bool,
    /// Whether all rows that an answer under `LIMIT` may be cut from are computed and looked through; else only the
    /// columns that order them are compared.
    pub check_candidates: bool,
}

/// A table and its Parquet file.
#[derive(Clone, Debug)]
pub struct TableFile {
    pub name: &'static str,
    pub path: PathBuf,
}

impl Bench {
    /// Steps that `run` advances its bar by.
    pub fn steps(&self) -> u64 {
        (self.questions.len() * (self.placements.len() + 1)) as u64
    }
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
    /// What tables call the query.
    pub name: String,
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
pub async fn run(bench: &Bench, bar: &ProgressBar) -> Result<Vec<Run>> {
    let mut runs = Vec::new();
    let mut references = Vec::new();
    let partitions = bench.config.target_partitions;
    let peer = peer_context(&bench.tables, partitions).await?;
    let memory = load(&peer, &bench.tables, bar).await?;
    let peer_hot = memory_context(partitions, &memory)?;
    for question in &bench.questions {
        bar.set_message(format!("datafusion {}", question.name));
        let mut run = Run::new(question, Runner::DataFusion);
        let (cold, rows) = timed(collect_peer(&peer, &question.text))
            .await
            .map_err(|error| error.context(&question.name))?;
        run.cold_ms = cold;
        run.rows = rows.rows();
        let candidates = match &question.cut {
            Some(cut) if bench.check_candidates => {
                bar.set_message(format!("candidates of {}", question.name));
                Some(collect_peer(&peer_hot, &cut.candidates).await?)
            }
            _ => None,
        };
        // Where there is no kept answer, this run is the reference.
        let (reference, fault) = Reference::of(question, &rows, candidates)?;
        run.fault = fault;
        run.check(question, &reference, &rows)?;
        while run.hot_goes_on(bench) {
            let (hot, rows) = timed(collect_peer(&peer_hot, &question.text)).await?;
            run.hot_ms.push(hot);
            run.check(question, &reference, &rows)?;
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
    bench: &Bench,
    placement: Placement,
    memory: &[(&'static str, Arc<MemTable>)],
    references: &[Reference],
    bar: &ProgressBar,
) -> Result<Vec<Run>> {
    let session = Session::with_config(Config { placement, ..bench.config.clone() })?;
    register(&session, &bench.tables).await?;
    let runner = Runner::from(placement);
    let mut runs = Vec::new();
    for (question, reference) in bench.questions.iter().zip(references) {
        bar.set_message(format!("{} {}, cold", runner.name(), question.name));
        let mut run = Run::new(question, runner);
        if let Some((elapsed, work)) = run.once(&session, question, reference).await {
            run.cold_ms = elapsed;
            run.cold = work;
        }
        runs.push(run);
    }
    for (table, provider) in memory {
        bar.set_message(format!("{} loads {table}", runner.name()));
        let context = session.context();
        context.deregister_table(*table).map_err(failed)?;
        context.register_table(*table, Arc::clone(provider) as Arc<dyn TableProvider>).map_err(failed)?;
        if bench.pin && placement != Placement::Host {
            match session.pin(table).await {
                // What does not fit stays on the host: the receipts show what it costs.
                Err(error) if error.is_out_of_memory() || error.is_unsupported() => {}
                pinned => drop(pinned?),
            }
        }
    }
    for (run, (question, reference)) in runs.iter_mut().zip(bench.questions.iter().zip(references)) {
        bar.set_message(format!("{} {}, hot", runner.name(), question.name));
        while run.hot_goes_on(bench) {
            match run.once(&session, question, reference).await {
                Some((elapsed, work)) => {
                    run.hot_ms.push(elapsed);
                    run.hot = work;
                }
                // What fails once is reported, and need not fail again.
                None => break,
            }
        }
        bar.inc(1);
    }
    Ok(runs)
}

/// Registers tables with a session.
///
/// # Errors
/// A table file that is missing or cannot be read.
pub async fn register(session: &Session, tables: &[TableFile]) -> Result<()> {
    for table in tables {
        session.register(table.name, &TableSource::path(table.path.display().to_string())).await?;
    }
    Ok(())
}

/// Runs questions on plain DataFusion over the table files, and makes the references of their answers.
///
/// # Errors
/// What fails, and an answer that differs from the kept one.
pub async fn references(tables: &[TableFile], questions: &[Question]) -> Result<Vec<Reference>> {
    let peer = peer_context(tables, None).await?;
    let mut references = Vec::new();
    for question in questions {
        let rows = collect_peer(&peer, &question.text).await?;
        let candidates = match &question.cut {
            Some(cut) => Some(collect_peer(&peer, &cut.candidates).await?),
            None => None,
        };
        references.push(match Reference::of(question, &rows, candidates)? {
            (reference, None) => reference,
            (_, Some(fault)) => {
                return Err(Error::bug(format!("{}: DataFusion answers wrong: {fault}", question.name)));
            }
        });
    }
    Ok(references)
}

impl Run {
    fn new(question: &Question, runner: Runner) -> Self {
        Run {
            query: question.number,
            name: question.name.clone(),
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

    /// Whether another hot run is due.
    fn hot_goes_on(&self, bench: &Bench) -> bool {
        self.hot_ms.len() < bench.iterations && self.hot_ms.iter().sum::<f64>() < HOT_MS_MAX
    }

    /// Runs the query once and checks its answer; `None`, and a fault, where it fails.
    async fn once(
        &mut self,
        session: &Session,
        question: &Question,
        reference: &Reference,
    ) -> Option<(f64, DeviceWork)> {
        let outcome = timed(async { session.sql(&question.text).await?.collect().await }).await;
        let checked = outcome.and_then(|(elapsed, result)| {
            let rows = Outcome { schema: Arc::clone(&result.schema), batches: result.batches };
            self.rows = rows.rows();
            self.check(question, reference, &rows)?;
            Ok((elapsed, result.receipt))
        });
        match checked {
            Ok((elapsed, receipt)) => {
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

    fn check(&mut self, question: &Question, reference: &Reference, rows: &Outcome) -> Result<()> {
        if let Err(difference) = reference.check(question, rows)? {
            self.fault.get_or_insert(difference);
        }
        Ok(())
    }
}

impl DeviceWork {
    pub fn of(receipt: &Receipt) -> Self {
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

async fn collect_peer(context: &SessionContext, text: &str) -> Result<Outcome> {
    let frame = context.sql(text).await.map_err(failed)?;
    let schema = Arc::clone(frame.schema().inner());
    let batches = frame.collect().await.map_err(failed)?;
    Ok(Outcome { schema, batches })
}

/// Milliseconds that `work` took, and what it gave.
pub async fn timed<T>(work: impl Future<Output = Result<T>>) -> Result<(f64, T)> {
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
async fn peer_context(tables: &[TableFile], partitions: Option<usize>) -> Result<SessionContext> {
    let context = SessionContext::new_with_config(peer_config(partitions));
    for table in tables {
        let path = table.path.display().to_string();
        context.register_parquet(table.name, path, ParquetReadOptions::default()).await.map_err(failed)?;
    }
    Ok(context)
}

/// A DataFusion context over tables in memory.
fn memory_context(
    partitions: Option<usize>,
    memory: &[(&'static str, Arc<MemTable>)],
) -> Result<SessionContext> {
    let context = SessionContext::new_with_config(peer_config(partitions));
    for (table, provider) in memory {
        context.register_table(*table, Arc::clone(provider) as Arc<dyn TableProvider>).map_err(failed)?;
    }
    Ok(context)
}

/// Reads all tables into host memory.
async fn load(
    context: &SessionContext,
    tables: &[TableFile],
    bar: &ProgressBar,
) -> Result<Vec<(&'static str, Arc<MemTable>)>> {
    let mut memory = Vec::new();
    for table in tables {
        bar.set_message(format!("loading {}", table.name));
        let frame = context.table(table.name).await.map_err(failed)?;
        let schema = Arc::clone(frame.schema().inner());
        let partitions = frame.collect_partitioned().await.map_err(failed)?;
        memory.push((table.name, Arc::new(MemTable::try_new(schema, partitions).map_err(failed)?)));
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
pub async fn overhead(bench: &Bench, bar: &ProgressBar) -> Result<Vec<OverheadRun>> {
    let peer = peer_context(&bench.tables, bench.config.target_partitions).await?;
    let session = Session::with_config(bench.config.clone())?;
    register(&session, &bench.tables).await?;
    let mut runs: Vec<OverheadRun> = bench
        .questions
        .iter()
        .map(|question| OverheadRun {
            query: question.number,
            datafusion_ms: Vec::new(),
            session_ms: Vec::new(),
        })
        .collect();
    // Round 0 warms caches up and is not kept.
    for round in 0..=bench.iterations {
        for (question, run) in bench.questions.iter().zip(&mut runs) {
            bar.set_message(format!("round {round}, {}", question.name));
            let text = &question.text;
            for turn in 0..2 {
                let ours = (round + turn) % 2 == 0;
                let elapsed = match ours {
                    true => timed(async { session.sql(text).await?.collect().await }).await?.0,
                    false => timed(collect_peer(&peer, text)).await?.0,
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
