//! Arrays in a session: computed within its memory and on its devices, made of frames and into frames.
//!
//! The arrays themselves are those of [`swath_array`]; here they meet tables. An array that reads frames and the frames
//! are one plan, and so are queries over an array's rows.

pub mod device;
mod explain;
pub mod storage;

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use datafusion::prelude::DataFrame;
use swath_array::graph::Array;
use swath_array::run::accelerate::{StageReport, TierMoves};
use swath_array::run::{Progress, Runner};
use swath_array::{Error, Result, Tensor};

use crate::config::Placement;
use crate::observe::receipt::{OperatorReceipt, Receipt, TierReceipt, Totals, sum_tiers};
use crate::plan::SwathOptions;
use crate::plan::array::{ArrayNode, DeviceStages, FrameSource, load_sources, pool_memory, sources_of};
use crate::session::Session;

pub use explain::{explain, stage_line};

/// Values with the receipt of what made them.
#[derive(Debug)]
pub struct Computed {
    pub values: Vec<Tensor>,
    pub receipt: Receipt,
}

/// How a run is watched and stopped.
#[derive(Clone, Debug, Default)]
pub struct Watch {
    /// Stops the run when it is raised.
    pub cancel: Arc<AtomicBool>,
    /// How far it has come.
    pub progress: Arc<Progress>,
}

/// Computes arrays; what they share is computed once, and the frames that they read are part of the plan.
///
/// # Errors
/// What values do not allow, files that cannot be read, out of memory; those of the frames' plans.
pub fn compute(session: &Session, arrays: &[Array], watch: &Watch) -> Result<Computed> {
    let started = Instant::now();
    load_frames(session, arrays)?;
    let planned = started.elapsed();
    let (values, reports) = runner(session, watch).compute_reported(arrays)?;
    let receipt =
        receipt(&reports, started.elapsed(), planned, arrays.iter().map(|array| array.len() as u64).sum());
    Ok(Computed { values, receipt })
}

/// Computes an array and keeps it: in memory, on a device where it was made there, on disk where it does not fit.
///
/// # Errors
/// As [`compute`].
pub fn persist(session: &Session, array: &Array, watch: &Watch) -> Result<Array> {
    load_frames(session, std::slice::from_ref(array))?;
    runner(session, watch).persist(array)
}

/// Where the arrays of a session are to run.
pub fn placement(session: &Session) -> Placement {
    let state = session.context().state_ref();
    let state = state.read();
    let options = state.config_options().extensions.get::<SwathOptions>();
    options.map(|options| options.placement).unwrap_or_default()
}

/// What runs the arrays of a session: its threads, its memory, its devices.
pub fn runner(session: &Session, watch: &Watch) -> Runner {
    let state = session.context().state_ref();
    let state = state.read();
    let threads = state.config().target_partitions();
    let pool = &state.runtime_env().memory_pool;
    let options = state.config_options().extensions.get::<SwathOptions>().cloned().unwrap_or_default();
    let runner = Runner::new()
        .with_threads(threads)
        .with_memory(pool_memory(pool))
        .with_cancel(Arc::clone(&watch.cancel))
        .with_progress(Arc::clone(&watch.progress));
    let runner = match &options.spill_dir {
        Some(folder) => runner.with_spill_folder(folder),
        None => runner,
    };
    if options.placement == Placement::Host || session.engine().worker().is_none() {
        return runner;
    }
    runner.with_accelerator(Arc::new(device_stages(session, &options)))
}

/// How the stages of a session's arrays are placed, whether there is a device or not.
fn stages_of(session: &Session) -> DeviceStages {
    let state = session.context().state_ref();
    let state = state.read();
    let options = state.config_options().extensions.get::<SwathOptions>().cloned().unwrap_or_default();
    device_stages(session, &options)
}

fn device_stages(session: &Session, options: &SwathOptions) -> DeviceStages {
    DeviceStages {
        engine: Arc::clone(session.engine()),
        placement: options.placement,
        fallback: options.fallback,
        chunk_bytes_target: options.chunk_bytes_target,
    }
}

/// The columns of a frame as an array, `[rows]` of one column and `[rows, columns]` of several; of one, too, where
/// `as_matrix`. The rows are counted here and computed with the array; nulls of floats become NaN.
///
/// # Errors
/// A column that is not there or whose type no array has, by name; those of counting.
pub fn from_frame(
    session: &Session,
    frame: DataFrame,
    columns: Option<&[&str]>,
    as_matrix: bool,
) -> Result<Array> {
    let frame = match columns {
        Some(columns) => {
            frame.select_columns(columns).map_err(|error| Error::value(error.strip_backtrace()))?
        }
        None => frame,
    };
    let rows =
        block_on(session, frame.clone().count())?.map_err(|error| Error::value(error.strip_backtrace()))?;
    let source = FrameSource::new(frame.logical_plan().clone(), rows, as_matrix)?;
    Ok(Array::from_source(Arc::new(source)))
}

/// The rows of an array `[rows]` or `[rows, columns]` as a frame with these column names. Nothing is computed before the
/// frame is.
///
/// # Errors
/// Another number of axes or names; a type that no column has.
pub fn to_frame(session: &Session, array: &Array, names: &[String]) -> Result<DataFrame> {
    let node = ArrayNode::new(array, names, runner(session, &Watch::default()))?;
    Ok(DataFrame::new(session.context().state(), node.into_plan()))
}

/// Runs the plans of the frames that arrays read and that have not run yet; a runner of its own may then compute them.
///
/// # Errors
/// Those of the frames' plans.
pub fn load_frames(session: &Session, arrays: &[Array]) -> Result<()> {
    let sources: Vec<Arc<FrameSource>> =
        sources_of(arrays).into_iter().filter(|source| !source.is_loaded()).collect();
    if sources.is_empty() {
        return Ok(());
    }
    let load = async {
        let mut state = session.context().state();
        // One partition: the rows of an array have an order, and it is to be the same every time.
        state.config_mut().options_mut().execution.target_partitions = 1;
        let mut plans = Vec::new();
        for source in &sources {
            plans.push(state.create_physical_plan(source.plan()).await?);
        }
        load_sources(&sources, &plans, &session.context().task_ctx()).await
    };
    block_on(session, load)?.map_err(|error| crate::session::translate(error).into())
}

/// Waits for what DataFusion does, on a runtime of its own where the caller has none.
fn block_on<T: Send>(_: &Session, work: impl Future<Output = T> + Send) -> Result<T> {
    let failed = |error: std::io::Error| Error::io(format!("cannot start a runtime: {error}"));
    std::thread::scope(|scope| {
        let joined = scope
            .spawn(|| {
                let runtime =
                    tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(failed)?;
                Ok(runtime.block_on(work))
            })
            .join();
        joined.map_err(|_| Error::bug("a query of an array's frame panicked"))?
    })
}

fn receipt(reports: &[StageReport], wall: Duration, planning: Duration, rows: u64) -> Receipt {
    let tier = |moves: &TierMoves| TierReceipt {
        tier: moves.tier.clone(),
        spilled_bytes: moves.spilled_bytes,
        fetched_bytes: moves.fetched_bytes,
    };
    let operator = |report: &StageReport| OperatorReceipt {
        depth: 1,
        name: report.name.clone(),
        detail: report.detail.clone(),
        place: report.place.clone(),
        device_name: report.device_name.clone(),
        rows_out: report.elements,
        bytes_up: report.bytes_up,
        bytes_down: report.bytes_down,
        kernels_launched: report.kernels_launched,
        kernels_compiled: report.kernels_compiled,
        elapsed_ms: report.seconds * 1e3,
        tiers: report.tiers.iter().map(tier).collect(),
        note: report.note.clone(),
        ..OperatorReceipt::default()
    };
    let root = OperatorReceipt {
        name: "ArrayExec".into(),
        place: "host".into(),
        rows_out: rows,
        ..Default::default()
    };
    let operators: Vec<OperatorReceipt> =
        std::iter::once(root).chain(reports.iter().rev().map(operator)).collect();
    let sum = |field: fn(&OperatorReceipt) -> u64| operators.iter().map(field).sum();
    let totals = Totals {
        wall_ms: wall.as_secs_f64() * 1e3,
        planning_ms: planning.as_secs_f64() * 1e3,
        bytes_up: sum(|operator| operator.bytes_up),
        bytes_down: sum(|operator| operator.bytes_down),
        kernels_launched: sum(|operator| operator.kernels_launched),
        kernels_compiled: sum(|operator| operator.kernels_compiled),
        tiers: sum_tiers(&operators),
        rows,
        ..Totals::default()
    };
    Receipt { operators, totals, ..Receipt::default() }
}
