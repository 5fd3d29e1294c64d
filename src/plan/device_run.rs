//! One execution of a device node: gather, upload, run, download, and what to do when that fails.
//!
//! ```text
//! input partitions ─► gather: batches in turn, up to a chunk ─► stage: pinned memory, on a blocking thread
//!                                                                  │ at most one chunk waits here
//!                     output ◄─ download ◄─ operators ◄─ upload ◄──┘ on the worker's thread
//! ```
//!
//! While the worker has one chunk, the next is being staged and the one after it gathered.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Instant;

use arrow::record_batch::RecordBatch;
use datafusion::datasource::memory::MemorySourceConfig;
use datafusion::error::{DataFusionError, Result as PlanResult};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_plan::common::spawn_buffered;
use datafusion::physical_plan::execution_plan::reset_plan_states;
use datafusion::physical_plan::metrics::{Count, ExecutionPlanMetricsSet, Gauge, MetricBuilder, Time};
use datafusion::physical_plan::sorts::sort_preserving_merge::SortPreservingMergeExec;
use datafusion::physical_plan::stream::{RecordBatchReceiverStream, RecordBatchStreamAdapter};
use datafusion::physical_plan::{ExecutionPlan, ExecutionPlanProperties, execute_stream_partitioned};
use futures::StreamExt;
use tokio::sync::mpsc;

use super::carried::{Carried, with_numbers};
use super::device_exec::{Incidents, rebase};
use super::engine::{Engine, SwathOptions};
use super::feed::{BATCHES_AHEAD, Feed, Feeds, choose, join, split, stage};
use super::stages::{DevicePlan, LeafPlan};
use super::tier_metrics::TierMetrics;
use super::to_plan_error;
use crate::column::{DeviceChunk, StagedChunk};
use crate::config::Fallback;
use crate::error::{Error, Result};
use crate::operators::Execution;
use crate::worker::{CancelToken, Task, TaskStats, Worker};

/// Rows of the smallest chunk: where this many do not fit a device's memory, fewer will not help.
pub(super) const CHUNK_ROWS_MIN: usize = 1024;

/// The share of a device's memory that a chunk of the input may take, and the bytes that it may take in any case.
const CHUNK_SHARE: usize = 16;
const CHUNK_BYTES_MIN: usize = 64 << 10;

/// Sends results on; closed when nobody wants them any more.
type Output = mpsc::Sender<PlanResult<RecordBatch>>;

/// One execution of a device node.
pub struct DeviceRun {
    pub(super) plan: Arc<DevicePlan>,
    inputs: Vec<Arc<dyn ExecutionPlan>>,
    host: Arc<dyn ExecutionPlan>,
    engine: Arc<Engine>,
    pub(super) worker: Worker,
    context: Arc<TaskContext>,
    options: SwathOptions,
    pub(super) metrics: RunMetrics,
    incidents: Incidents,
    pub(super) carried: Carried,
    pub(super) cancel: CancelOnDrop,
}

/// Cancels the work on the device when the stream is dropped.
#[derive(Default)]
pub(super) struct CancelOnDrop(pub(super) CancelToken);

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        self.0.cancel();
    }
}

/// Counts that the receipt is made of.
#[derive(Clone)]
pub(super) struct RunMetrics {
    pub(super) rows_in: Count,
    rows_out: Count,
    bytes_up: Count,
    bytes_down: Count,
    kernels_launched: Count,
    kernels_compiled: Count,
    cache_hits: Count,
    peak_bytes: Gauge,
    compile_time: Time,
    kernel_time: Time,
    upload_time: Time,
    download_time: Time,
    device_elapsed: Time,
    tiers: TierMetrics,
}

impl RunMetrics {
    fn new(metrics: &ExecutionPlanMetricsSet) -> Self {
        let counter = |name: &'static str| MetricBuilder::new(metrics).counter(name, 0);
        let time = |name: &'static str| MetricBuilder::new(metrics).subset_time(name, 0);
        RunMetrics {
            rows_in: counter("rows_in"),
            rows_out: MetricBuilder::new(metrics).output_rows(0),
            bytes_up: counter("bytes_up"),
            bytes_down: counter("bytes_down"),
            kernels_launched: counter("kernels_launched"),
            kernels_compiled: counter("kernels_compiled"),
            cache_hits: counter("cache_hits"),
            peak_bytes: MetricBuilder::new(metrics).gauge("peak_bytes", 0),
            compile_time: time("compile_time"),
            kernel_time: time("kernel_time"),
            upload_time: time("upload_time"),
            download_time: time("download_time"),
            device_elapsed: time("device_elapsed"),
            tiers: TierMetrics::new(metrics),
        }
    }

    pub(super) fn add(&self, stats: &TaskStats) {
        self.bytes_up.add(stats.bytes_up as usize);
        self.bytes_down.add(stats.bytes_down as usize);
        self.kernels_launched.add(stats.kernels_launched as usize);
        self.kernels_compiled.add(stats.kernels_compiled as usize);
        self.cache_hits.add(stats.cache_hits as usize);
        self.peak_bytes.set_max(stats.peak_bytes as usize);
        self.compile_time.add_duration(stats.compile_time);
        self.kernel_time.add_duration(stats.kernel_time);
        self.upload_time.add_duration(stats.upload_time);
        self.download_time.add_duration(stats.download_time);
        self.tiers.add(stats);
    }
}

impl DeviceRun {
    /// Prepares an execution; nothing runs before the stream is polled.
    ///
    /// # Errors
    /// Where there is no device.
    pub fn new(
        plan: Arc<DevicePlan>,
        inputs: Vec<Arc<dyn ExecutionPlan>>,
        host: Arc<dyn ExecutionPlan>,
        engine: Arc<Engine>,
        context: Arc<TaskContext>,
        metrics: &ExecutionPlanMetricsSet,
        incidents: Incidents,
    ) -> PlanResult<Self> {
        let worker = engine
            .worker()
            .ok_or_else(|| to_plan_error(Error::bug("a device node without a device")))?
            .clone();
        let options = SwathOptions::of(context.session_config().options());
        Ok(DeviceRun {
            plan,
            inputs,
            host,
            engine,
            worker,
            options,
            context,
            metrics: RunMetrics::new(metrics),
            incidents,
            carried: Carried::default(),
            cancel: CancelOnDrop::default(),
        })
    }

    /// Returns the node's result. The input is first asked for rows when the stream is: a join above may narrow the
    /// scan below before that.
    pub fn stream(self) -> SendableRecordBatchStream {
        let schema = self.plan.schema.clone();
        let started = schema.clone();
        let stream = futures::stream::once(async move {
            let mut builder = RecordBatchReceiverStream::builder(started, 2);
            let output = builder.tx();
            builder.spawn(async move { self.drive(output).await });
            builder.build()
        })
        .flatten();
        Box::pin(RecordBatchStreamAdapter::new(schema, stream))
    }

    async fn drive(self, output: Output) -> PlanResult<()> {
        let begin = Instant::now();
        let result = if self.plan.streams {
            self.drive_streaming(&output).await
        } else {
            self.drive_blocking(&output).await
        };
        self.metrics.device_elapsed.add_duration(begin.elapsed());
        if result.is_ok() && self.metrics.kernels_launched.value() > 0 {
            self.engine.remember(&self.plan);
        }
        result
    }

    /// Each chunk on its own: what fails for one chunk is done again for that chunk alone.
    async fn drive_streaming(&self, output: &Output) -> PlanResult<()> {
        let [input] = self.inputs.as_slice() else {
            return Err(to_plan_error(Error::bug("one pass over several inputs")));
        };
        let mut feeds = self.feeds(0, input).await?;
        let (mut given, mut reloaded) = (false, false);
        while let Some(feed) = feeds.next().await {
            let batches = match feed {
                Feed::Failed(error) => return Err(error),
                Feed::Resident { chunk } => match self.resident_chunk(chunk).await {
                    // The table went with the context. It can be loaded again, but perhaps not in the same chunks:
                    // only where no row was given yet.
                    Err(Failure::Device(error)) if error.is_device_fault() && !given && !reloaded => {
                        reloaded = true;
                        feeds = self.feeds(0, input).await?;
                        continue;
                    }
                    made => made.map_err(Failure::into_plan_error)?,
                },
                Feed::Staged { batches, staged } => {
                    let staged = join(staged).await;
                    self.host_chunk(batches, staged).await?
                }
            };
            for batch in batches {
                given = true;
                if self.send(output, batch).await.is_break() {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// Runs one chunk of host rows; where that fails for want of memory in halves, and in the end on the CPU.
    async fn host_chunk(
        &self,
        batches: Vec<RecordBatch>,
        staged: Result<Vec<StagedChunk>>,
    ) -> PlanResult<Vec<RecordBatch>> {
        let rows: usize = batches.iter().map(RecordBatch::num_rows).sum();
        self.metrics.rows_in.add(rows);
        let mut results = vec![];
        let mut waiting = vec![(batches, Some(staged))];
        while let Some((batches, staged)) = waiting.pop() {
            let staged = match staged {
                Some(staged) => staged,
                None => self.stage(0, &batches).await,
            };
            let mut outcome = match staged {
                Ok(staged) => self.materialize(staged).await,
                Err(error) => Err(error),
            };
            self.carried.release(&batches);
            if outcome.as_ref().is_err_and(Error::is_device_fault) {
                outcome = match self.stage(0, &batches).await {
                    Ok(staged) => self.materialize(staged).await,
                    Err(error) => Err(error),
                };
                self.carried.release(&batches);
            }
            match outcome {
                Ok(made) => results.extend(made),
                Err(error) => {
                    let rows: usize = batches.iter().map(RecordBatch::num_rows).sum();
                    if error.is_out_of_memory() && rows > CHUNK_ROWS_MIN {
                        let (head, tail) = split(&batches, rows / 2);
                        waiting.push((tail, None));
                        waiting.push((head, None));
                    } else {
                        self.allow_fallback(error)?;
                        results.extend(self.run_on_host(batches).await?);
                    }
                }
            }
        }
        Ok(results)
    }

    async fn materialize(&self, staged: Vec<StagedChunk>) -> Result<Vec<RecordBatch>> {
        let plan = self.plan.clone();
        let (batches, stats) = self
            .worker
            .run("materialize", self.cancel.0.clone(), move |task| {
                // All copies are under way before the first kernel, which waits for its own chunk alone.
                let chunks =
                    staged.into_iter().map(|staged| task.upload(staged)).collect::<Result<Vec<_>>>()?;
                let mut batches = vec![];
                for chunk in chunks {
                    batches.extend(materialize_chunk(task, &plan, Arc::new(chunk))?);
                }
                Ok((batches, task.stats()))
            })
            .await?;
        self.metrics.add(&stats);
        self.restore(batches)
    }

    /// Puts what stayed on the host in its place in results.
    pub(super) fn restore(&self, batches: Vec<RecordBatch>) -> Result<Vec<RecordBatch>> {
        let restore = |batch| self.carried.restore(batch, &self.plan.schema);
        batches.into_iter().map(restore).collect()
    }

    async fn resident_chunk(&self, chunk: Arc<DeviceChunk>) -> Result<Vec<RecordBatch>, Failure> {
        let (plan, whole, rows) = (self.plan.clone(), chunk.clone(), chunk.rows);
        let made = self
            .worker
            .run("materialize", self.cancel.0.clone(), move |task| {
                let leaf = &plan.leaves[0];
                let chunk = Arc::new(choose(&chunk, &leaf.read, &leaf.input)?);
                let batches = materialize_chunk(task, &plan, chunk)?;
                Ok((batches, task.stats()))
            })
            .await;
        match made {
            Ok((batches, stats)) => {
                self.metrics.rows_in.add(rows);
                self.metrics.add(&stats);
                Ok(batches)
            }
            Err(error) if error.is_out_of_memory() || error.is_unsupported() => {
                // The rows are on the device only: fetch them, and go on as with rows of the host, which can be split
                // and which the CPU can take.
                let fetch = move |task: &mut Task<'_>| task.download(&whole);
                let batches = vec![self.worker.run("fetch", self.cancel.0.clone(), fetch).await?];
                let staged = if error.is_unsupported() { Err(error) } else { self.stage(0, &batches).await };
                self.host_chunk(batches, staged).await.map_err(Failure::Input)
            }
            Err(error) => Err(Failure::Device(error)),
        }
    }

    /// All inputs, then the result. Nothing is given before the end, so that all of it can be done again.
    async fn drive_blocking(&self, output: &Output) -> PlanResult<()> {
        let mut outcome = self.run_stages(&self.inputs).await;
        if matches!(&outcome, Err(Failure::Device(error)) if error.is_device_fault()) {
            let again = self
                .inputs
                .iter()
                .map(|input| reset_plan_states(input.clone()))
                .collect::<PlanResult<Vec<_>>>()?;
            self.carried.clear();
            outcome = self.run_stages(&again).await;
        }
        match outcome {
            Ok(batches) => {
                for batch in batches {
                    if self.send(output, batch).await.is_break() {
                        break;
                    }
                }
                Ok(())
            }
            Err(Failure::Input(error)) => Err(error),
            Err(Failure::Device(error)) => {
                self.allow_fallback(error)?;
                let host = reset_plan_states(self.host.clone())?;
                self.merge_partitions(&host, output).await
            }
        }
    }

    /// Stages rows of leaf `number`.
    pub(super) async fn stage(&self, number: usize, batches: &[RecordBatch]) -> Result<Vec<StagedChunk>> {
        join(stage(&self.leaf(number), &self.carried, batches, &self.worker.pinned_pool().clone())).await
    }

    /// Opens leaf `number`.
    pub(super) async fn feeds(&self, number: usize, input: &Arc<dyn ExecutionPlan>) -> PlanResult<Feeds> {
        let leaf = self.leaf(number);
        let chunk_bytes = self.chunk_bytes();
        Feeds::open(&leaf, &self.carried, input, &self.worker, &self.context, chunk_bytes, &self.cancel.0)
            .await
    }

    /// About how many bytes a chunk has: several, and what is made of them, have to fit the device at a time.
    pub(super) fn chunk_bytes(&self) -> usize {
        let share = (self.worker.memory_limit() as usize / CHUNK_SHARE).max(CHUNK_BYTES_MIN);
        self.options.chunk_bytes_target.clamp(1, share)
    }

    fn leaf(&self, number: usize) -> Arc<LeafPlan> {
        Arc::new(self.plan.leaves[number].clone())
    }

    /// Notes that the work goes to the CPU, or fails where that is not wanted.
    fn allow_fallback(&self, error: Error) -> PlanResult<()> {
        if !error.is_retryable() {
            return Err(to_plan_error(error));
        }
        if self.options.fallback == Fallback::Error {
            return Err(to_plan_error(error.context("swath.fallback = error: DeviceExec")));
        }
        self.incidents.add("DeviceExec", error.to_string());
        Ok(())
    }

    /// Runs the CPU plan on `batches` alone.
    async fn run_on_host(&self, batches: Vec<RecordBatch>) -> PlanResult<Vec<RecordBatch>> {
        let source: Arc<dyn ExecutionPlan> =
            MemorySourceConfig::try_new_exec(&[batches], self.inputs[0].schema(), None)?;
        let host = rebase(&self.host, &self.inputs[..1], &[source])?;
        let mut results = vec![];
        for mut stream in execute_stream_partitioned(host, self.context.clone())? {
            while let Some(batch) = stream.next().await {
                results.push(batch?);
            }
        }
        Ok(results)
    }

    /// Sends the rows of all partitions of `plan`, which run at the same time, in their order if they have one.
    async fn merge_partitions(&self, plan: &Arc<dyn ExecutionPlan>, output: &Output) -> PlanResult<()> {
        // A device node has one partition, and the order of the rows of all: so must have what stands in for it.
        let plan = match plan.output_ordering() {
            Some(order) if plan.output_partitioning().partition_count() > 1 => {
                &(Arc::new(SortPreservingMergeExec::new(order.clone(), plan.clone()))
                    as Arc<dyn ExecutionPlan>)
            }
            _ => plan,
        };
        let streams = execute_stream_partitioned(plan.clone(), self.context.clone())?;
        let mut merged = futures::stream::select_all(
            streams.into_iter().map(|stream| spawn_buffered(stream, BATCHES_AHEAD)),
        );
        while let Some(batch) = merged.next().await {
            if self.send(output, batch?).await.is_break() {
                break;
            }
        }
        Ok(())
    }

    /// Sends a result in batches of the size that the operators above expect.
    async fn send(&self, output: &Output, batch: RecordBatch) -> ControlFlow<()> {
        let size = self.context.session_config().batch_size().max(1);
        self.metrics.rows_out.add(batch.num_rows());
        let mut begin = 0;
        while begin < batch.num_rows() {
            let rows = size.min(batch.num_rows() - begin);
            if output.send(Ok(batch.slice(begin, rows))).await.is_err() {
                return ControlFlow::Break(());
            }
            begin += rows;
        }
        ControlFlow::Continue(())
    }
}

/// Why a device did not come to its end.
pub(super) enum Failure {
    /// The input failed, or falling back did: doing it again elsewhere would fail again.
    Input(DataFusionError),
    /// The device did not do it.
    Device(Error),
}

impl Failure {
    fn into_plan_error(self) -> DataFusionError {
        match self {
            Failure::Input(error) => error,
            Failure::Device(error) => to_plan_error(error),
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Failure::Device(error)
    }
}

fn materialize_chunk(
    task: &mut Task<'_>,
    plan: &DevicePlan,
    chunk: Arc<DeviceChunk>,
) -> Result<Vec<RecordBatch>> {
    let compiled = plan.pipelines().next().ok_or_else(|| Error::bug("one pass without a pipeline"))?;
    let mut execution = Execution::new(compiled.clone(), vec![])?;
    let mut chunks = execution.push(task, chunk)?;
    chunks.extend(execution.finish(task)?);
    chunks.iter().map(|chunk| plan.download(task, chunk)).collect()
}

impl DevicePlan {
    /// Makes a batch of the node's result of a chunk that the last stage left, with numbers for what is on the host.
    pub(super) fn download(&self, task: &mut Task<'_>, chunk: &DeviceChunk) -> Result<RecordBatch> {
        let all: Vec<usize> = (0..chunk.columns.len()).collect();
        let chosen = choose(chunk, self.output.as_deref().unwrap_or(&all), &with_numbers(&self.schema))?;
        task.download(&chosen)
    }
}
