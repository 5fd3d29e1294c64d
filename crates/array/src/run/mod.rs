//! Evaluation on the CPU: a graph is cut into stages, a stage into blocks, and a block is evaluated by region.
//!
//! Nothing here depends on how many chunks an array has: stages are nodes, blocks are numbers, and any region of any
//! array can be asked for, so that rechunking moves nothing by itself.

pub mod accelerate;
pub mod block;
pub mod evaluate;
mod execute;
pub mod fuse;
pub mod memory;
pub mod region;
pub mod stages;
pub mod store;
#[cfg(test)]
mod tests;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use rayon::{ThreadPool, ThreadPoolBuilder};

use crate::error::{Error, Result};
use crate::graph::{Array, Op, Region};
use crate::tensor::Tensor;
use accelerate::{Accelerator, Expectation, Expected, StageReport};
use evaluate::Values;
use execute::Execution;
use memory::{Budget, Memory, Unlimited};
use stages::Stage;
use store::Stored;

/// Bytes of the stack of each thread: graphs of views are walked by recursion.
const STACK_BYTES: usize = 16 << 20;

/// Evaluates arrays: with how many threads, within how much memory. Cheap to clone; nothing is started before it is
/// needed.
#[derive(Clone)]
pub struct Runner {
    threads: usize,
    memory: Arc<dyn Memory>,
    spill_folder: Option<PathBuf>,
    may_spill_results: bool,
    cancelled: Arc<AtomicBool>,
    progress: Arc<Progress>,
    accelerator: Option<Arc<dyn Accelerator>>,
}

/// How far a run has come, in blocks; the total grows as stages begin.
#[derive(Debug, Default)]
pub struct Progress {
    done: AtomicUsize,
    expected: AtomicUsize,
}

impl Progress {
    /// Blocks that are done, and those that are expected so far.
    pub fn now(&self) -> (usize, usize) {
        (self.done.load(Ordering::Relaxed), self.expected.load(Ordering::Relaxed))
    }
}

/// Where an array is written to, block by block; calls come from many threads, for regions that do not overlap.
pub trait Sink: Send + Sync {
    /// The chunk lengths that regions have to be whole multiples of, but at an axis's end; `None` where any will do.
    fn chunks(&self) -> Option<Vec<usize>>;
    /// Writes a region.
    ///
    /// # Errors
    /// `Io`, naming the file.
    fn write(&self, region: &Region, values: &Tensor) -> Result<()>;
}

/// An array of which any region can be computed, from any thread.
pub struct Prepared {
    array: Array,
    execution: Execution,
}

impl Prepared {
    /// The values of a region.
    ///
    /// # Errors
    /// As [`Runner::compute`].
    pub fn region(&self, region: &Region) -> Result<Tensor> {
        self.execution.runner.check_cancelled()?;
        self.execution.values.region(&self.array, region)
    }

    /// What the stages that ran did.
    pub fn take_reports(&self) -> Vec<StageReport> {
        self.execution.take_reports()
    }
}

impl Default for Runner {
    fn default() -> Self {
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        Runner {
            threads,
            memory: Arc::new(Unlimited),
            spill_folder: None,
            may_spill_results: false,
            cancelled: Arc::default(),
            progress: Arc::default(),
            accelerator: None,
        }
    }
}

impl fmt::Debug for Runner {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Runner({} threads, {:?})", self.threads, self.memory)
    }
}

impl Runner {
    /// All cores, no limit of memory, nothing spilled.
    pub fn new() -> Runner {
        Runner::default()
    }

    /// With this many threads; one at least.
    pub fn with_threads(mut self, threads: usize) -> Runner {
        self.threads = threads.max(1);
        self
    }

    /// Within this many bytes for results and what stages leave for others; what does not fit is spilled to the folder,
    /// the system's temporary one by default, but for results that are asked for in memory.
    pub fn with_memory_limit(self, bytes: u64) -> Runner {
        self.with_memory(Arc::new(Budget::new(bytes)))
    }

    /// Within a budget that others share.
    pub fn with_memory(mut self, memory: Arc<dyn Memory>) -> Runner {
        self.memory = memory;
        self.spill_folder.get_or_insert_with(std::env::temp_dir);
        self
    }

    /// With files of what does not fit in this folder.
    pub fn with_spill_folder(mut self, folder: impl Into<PathBuf>) -> Runner {
        self.spill_folder = Some(folder.into());
        self
    }

    /// With a flag that stops the work when it is raised.
    pub fn with_cancel(mut self, flag: Arc<AtomicBool>) -> Runner {
        self.cancelled = flag;
        self
    }

    /// With counters of its own, to be watched while it runs.
    pub fn with_progress(mut self, progress: Arc<Progress>) -> Runner {
        self.progress = progress;
        self
    }

    /// With something that may run stages in place of the CPU.
    pub fn with_accelerator(mut self, accelerator: Arc<dyn Accelerator>) -> Runner {
        self.accelerator = Some(accelerator);
        self
    }

    /// What may run stages in place of the CPU.
    pub fn accelerator(&self) -> Option<&Arc<dyn Accelerator>> {
        self.accelerator.as_ref()
    }

    pub fn threads(&self) -> usize {
        self.threads
    }

    pub fn memory(&self) -> &Arc<dyn Memory> {
        &self.memory
    }

    /// Computes an array whole. A small result stays with its node.
    ///
    /// # Errors
    /// What its operators' values do not allow; out of memory; files that cannot be read.
    pub fn compute(&self, array: &Array) -> Result<Tensor> {
        let mut values = self.compute_all(std::slice::from_ref(array))?;
        values.pop().ok_or_else(|| Error::bug("an array without a value".to_string()))
    }

    /// Computes several arrays; what they share is computed once.
    ///
    /// # Errors
    /// As [`compute`](Runner::compute).
    pub fn compute_all(&self, arrays: &[Array]) -> Result<Vec<Tensor>> {
        Ok(self.compute_reported(arrays)?.0)
    }

    /// As [`compute_all`](Runner::compute_all), and says what each stage did.
    ///
    /// # Errors
    /// As [`compute`](Runner::compute).
    pub fn compute_reported(&self, arrays: &[Array]) -> Result<(Vec<Tensor>, Vec<StageReport>)> {
        if arrays.iter().all(|array| array.value().is_some()) {
            return Ok((arrays.iter().filter_map(Array::value).cloned().collect(), vec![]));
        }
        let execution = Execution::new(self, self.plan(arrays));
        execution.run()?;
        let whole = |array: &Array| {
            let region = Region::whole(array.shape());
            execution.values.region(array, &region)
        };
        let values = arrays.iter().map(whole).collect::<Result<_>>()?;
        Ok((values, execution.take_reports()))
    }

    /// The stages in which some arrays would be computed.
    pub fn plan(&self, arrays: &[Array]) -> stages::Plan {
        stages::plan(arrays, self.kept_bytes_max(), self.accelerator.is_some())
    }

    /// The stages in which some arrays would be computed, and where each would run by the costs of `accelerator`. Nothing
    /// is read or computed.
    pub fn expectations(&self, arrays: &[Array], accelerator: &dyn Accelerator) -> Vec<(Stage, Expectation)> {
        let values = Values::default();
        let each = |stage: Stage| {
            let expectation = accelerator.expect(&stage, &values, self);
            let outputs = match stage.array.op() {
                Op::Block(operator) => operator.outputs().len(),
                _ => 1,
            };
            let left = |_| Stored::Remote {
                origin: stage.region.start.clone(),
                values: Arc::new(Expected { on_device: expectation.stays }),
            };
            values.insert(stage.array.id(), (0..outputs).map(left).collect());
            (stage, expectation)
        };
        self.plan(arrays).stages.into_iter().map(each).collect()
    }

    /// Runs what has to be whole before regions of an array can be computed.
    ///
    /// # Errors
    /// As [`compute`](Runner::compute).
    pub fn prepare(&self, array: &Array) -> Result<Prepared> {
        let mut runner = self.clone();
        runner.may_spill_results = true;
        let plan = runner.plan(std::slice::from_ref(array));
        let execution = Execution::new(&runner, plan);
        match runner.is_kept_whole(array) {
            true => execution.run()?,
            false => execution.prepare()?,
        }
        Ok(Prepared { array: array.clone(), execution })
    }

    /// Computes an array and keeps its values with a node of their own; what does not fit in memory lies on disk. One that
    /// was kept already stays where it lies.
    ///
    /// # Errors
    /// As [`compute`](Runner::compute).
    pub fn persist(&self, array: &Array) -> Result<Array> {
        if store::Persisted::is(array) {
            return Ok(array.clone());
        }
        let mut runner = self.clone();
        runner.may_spill_results = true;
        let execution = Execution::new(&runner, runner.plan(std::slice::from_ref(array)));
        execution.run()?;
        if let Some(value) = array.value() {
            return Ok(Array::from_tensor(value.clone()).with_chunks(array.chunks().to_vec()));
        }
        let persisted = store::Persisted::of(&execution.values, array)?;
        if let store::Stored::Memory { tensor, .. } = persisted.stored() {
            return Ok(Array::from_tensor(tensor.clone()).with_chunks(array.chunks().to_vec()));
        }
        Ok(Array::from_source(Arc::new(persisted)).with_chunks(array.chunks().to_vec()))
    }

    /// Computes an array block by block into `sink`; it never lies whole in memory.
    ///
    /// # Errors
    /// As [`compute`](Runner::compute), and those of the sink.
    pub fn write(&self, array: &Array, sink: &dyn Sink) -> Result<()> {
        let mut runner = self.clone();
        runner.may_spill_results = true;
        let execution = Execution::new(&runner, runner.plan(std::slice::from_ref(array)));
        if runner.is_kept_whole(array) {
            execution.run()?;
        }
        execution.run_into(array, sink)
    }

    /// Whether an array that is read block by block is made whole before, because an accelerator may make it: its blocks
    /// are the CPU's to compute.
    fn is_kept_whole(&self, array: &Array) -> bool {
        self.accelerator.is_some() && array.bytes() <= self.kept_bytes_max()
    }

    /// Bytes up to which work that stages share is kept rather than repeated: a quarter of the memory.
    fn kept_bytes_max(&self) -> u128 {
        static SYSTEM: OnceLock<u64> = OnceLock::new();
        let system = *SYSTEM.get_or_init(system_memory);
        u128::from(self.memory.limit().min(system) / 4)
    }

    /// Whether the flag that stops the work was raised, as an error.
    ///
    /// # Errors
    /// `Cancelled`.
    pub fn check_cancelled(&self) -> Result<()> {
        if self.cancelled.load(Ordering::Relaxed) {
            return Err(Error::cancelled());
        }
        Ok(())
    }

    fn expect(&self, blocks: usize) {
        self.progress.expected.fetch_add(blocks, Ordering::Relaxed);
    }

    fn advance(&self) {
        self.progress.done.fetch_add(1, Ordering::Relaxed);
    }

    fn spill_folder(&self) -> Option<&Path> {
        self.spill_folder.as_deref()
    }

    /// Whether results may lie elsewhere than in memory.
    pub fn may_spill_results(&self) -> bool {
        self.may_spill_results
    }

    /// The threads, which all runners of as many share.
    fn pool(&self) -> Result<Arc<ThreadPool>> {
        static POOLS: std::sync::Mutex<Vec<(usize, Arc<ThreadPool>)>> = std::sync::Mutex::new(Vec::new());
        let mut pools = POOLS.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some((_, pool)) = pools.iter().find(|(threads, _)| *threads == self.threads) {
            return Ok(Arc::clone(pool));
        }
        let named = |number| format!("swath-array-{number}");
        let built = ThreadPoolBuilder::new()
            .num_threads(self.threads)
            .stack_size(STACK_BYTES)
            .thread_name(named)
            .build()
            .map_err(|error| Error::io(format!("cannot start {} threads: {error}", self.threads)))?;
        let pool = Arc::new(built);
        pools.push((self.threads, Arc::clone(&pool)));
        Ok(pool)
    }
}

/// Bytes of the machine's memory, as Linux says; 8 GiB where it does not.
fn system_memory() -> u64 {
    let read = std::fs::read_to_string("/proc/meminfo").ok();
    let line = read.as_deref().and_then(|text| text.lines().find_map(|line| line.strip_prefix("MemTotal:")));
    let kilobytes = line.and_then(|rest| rest.trim().trim_end_matches("kB").trim().parse::<u64>().ok());
    kilobytes.map_or(8 << 30, |kilobytes| kilobytes << 10)
}
