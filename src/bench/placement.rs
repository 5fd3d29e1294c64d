//! Each query under every placement in turns: whether the choice between CPU and device was the better one.

use std::sync::Arc;

use datafusion::catalog::TableProvider;
use datafusion::datasource::MemTable;
use datafusion::error::DataFusionError;
use indicatif::ProgressBar;
use serde::Serialize;

use super::question::Question;
use super::reference::{Outcome, Reference};
use super::run::{Bench, references, register, timed};
use crate::config::Placement;
use crate::error::{Error, Result};
use crate::session::Session;

/// Where tables are when a query starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Heat {
    /// In Parquet files.
    Files,
    /// In host memory, and with a device also in its memory.
    Memory,
}

/// A query under every placement. Times are of each round, in milliseconds, from the text to the last row.
#[derive(Clone, Debug, Serialize)]
pub struct PlacementRun {
    pub name: String,
    pub heat: Heat,
    pub host_ms: Vec<f64>,
    /// Empty where there is no device.
    pub device_ms: Vec<f64>,
    pub auto_ms: Vec<f64>,
    /// Operators that ran on the device under `auto`, in the last round.
    pub auto_on_device: usize,
    /// Where an answer differs from the reference, or what failed.
    pub fault: Option<String>,
}

impl PlacementRun {
    fn times(&mut self, placement: Placement) -> &mut Vec<f64> {
        match placement {
            Placement::Host => &mut self.host_ms,
            Placement::Device => &mut self.device_ms,
            Placement::Auto => &mut self.auto_ms,
        }
    }
}

/// Steps that [`run`] advances its bar by.
pub fn steps(bench: &Bench) -> u64 {
    2 * bench.questions.len() as u64
}

/// Runs the bench's questions under its placements, from files and then from memory, with `bench.iterations` rounds
/// after one that is not counted: it compiles kernels and warms caches up. In each round the placements take turns, and
/// who goes first changes, so that a change of the machine's speed meets all.
///
/// # Errors
/// What keeps the bench from running at all. A query that fails or answers wrong is part of its run.
pub async fn run(bench: &Bench, bar: &ProgressBar) -> Result<Vec<PlacementRun>> {
    bar.set_message("reference");
    let references = references(&bench.tables, &bench.questions).await?;
    let session = Session::with_config(bench.config.clone())?;
    register(&session, &bench.tables).await?;
    let mut runs = of_heat(bench, &session, Heat::Files, &references, bar).await?;
    for table in &bench.tables {
        bar.set_message(format!("loading {}", table.name));
        let context = session.context();
        let frame = context.table(table.name).await.map_err(failed)?;
        let schema = Arc::clone(frame.schema().inner());
        let partitions = frame.collect_partitioned().await.map_err(failed)?;
        let memory = Arc::new(MemTable::try_new(schema, partitions).map_err(failed)?);
        context.deregister_table(table.name).map_err(failed)?;
        context.register_table(table.name, memory as Arc<dyn TableProvider>).map_err(failed)?;
        if bench.pin && bench.placements.contains(&Placement::Device) {
            match session.pin(table.name).await {
                // What does not fit stays on the host: placement has to know.
                Err(error) if error.is_out_of_memory() || error.is_unsupported() => {}
                pinned => drop(pinned?),
            }
        }
    }
    runs.extend(of_heat(bench, &session, Heat::Memory, &references, bar).await?);
    Ok(runs)
}

async fn of_heat(
    bench: &Bench,
    session: &Session,
    heat: Heat,
    references: &[Reference],
    bar: &ProgressBar,
) -> Result<Vec<PlacementRun>> {
    let mut runs = Vec::new();
    for (question, reference) in bench.questions.iter().zip(references) {
        bar.set_message(question.name.clone());
        let mut run = PlacementRun {
            name: question.name.clone(),
            heat,
            host_ms: Vec::new(),
            device_ms: Vec::new(),
            auto_ms: Vec::new(),
            auto_on_device: 0,
            fault: None,
        };
        let turns = bench.placements.len();
        for round in 0..=bench.iterations {
            for turn in 0..turns {
                let placement = bench.placements[(round + turn) % turns];
                match once(session, placement, question, reference).await {
                    Ok((elapsed, on_device)) => {
                        if placement == Placement::Auto {
                            run.auto_on_device = on_device;
                        }
                        if round > 0 {
                            run.times(placement).push(elapsed);
                        }
                    }
                    Err(error) => {
                        run.fault.get_or_insert(format!("{placement}: {error}"));
                    }
                }
            }
        }
        runs.push(run);
        bar.inc(1);
    }
    Ok(runs)
}

/// Runs a query once and checks its answer; says how long it took, and how many operators ran on the device.
async fn once(
    session: &Session,
    placement: Placement,
    question: &Question,
    reference: &Reference,
) -> Result<(f64, usize)> {
    session.set("swath.placement", &placement.to_string()).await?;
    let (elapsed, result) = timed(async { session.sql(&question.text).await?.collect().await }).await?;
    let on_device = result.receipt.device_operators().count();
    let rows = Outcome { schema: result.schema, batches: result.batches };
    reference.check(question, &rows)?.map_err(Error::bug)?;
    Ok((elapsed, on_device))
}

fn failed(error: DataFusionError) -> Error {
    Error::io(format!("DataFusion: {}", error.strip_backtrace()))
}
