//! The stages of a plan, run one after the other on a worker.
//!
//! What a stage leaves is stored: it stays on the device while there is room, and is moved to the tiers below where
//! there is none. What does not fit even so is done in partitions ([`spill_run`](super::spill_run)).

use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;
use datafusion::physical_plan::ExecutionPlan;

use super::device_run::{CHUNK_ROWS_MIN, DeviceRun, Failure};
use super::feed::{Feed, choose, join, split};
use super::spill_run::together;
use super::stages::{Source, StageWork};
use crate::column::{DeviceChunk, StagedChunk};
use crate::error::{Error, Result};
use crate::operators::{self, Execution, JoinTable, Tables};
use crate::program::{self, CompiledPipeline, CompiledSink, Part, Pipeline};
use crate::worker::{StoredChunk, Task, TaskStats};

/// What a stage left.
pub(super) enum Made {
    Chunks(Vec<StoredChunk>),
    Table(Arc<JoinTable>),
    /// Rows that are too many for one table.
    Unbuilt(Vec<StoredChunk>),
    /// The rows of tables that were built one after the other, with their marks.
    Met(Vec<StoredChunk>),
    /// It was used for the last time.
    Gone,
}

/// Where the rows of a pipeline come from.
#[derive(Clone)]
pub(super) enum Rows {
    Leaf(usize, Arc<dyn ExecutionPlan>),
    Chunks(Vec<StoredChunk>),
}

/// A part of a pipeline at work, with what it wrote so far.
struct Running {
    execution: Execution,
    /// Takes the rows that met none.
    unmatched: Option<Execution>,
    outputs: Vec<StoredChunk>,
    /// The columns of the outputs.
    layout: SchemaRef,
}

/// A part of a pipeline, compiled.
#[derive(Clone)]
pub(super) struct CompiledPart {
    compiled: Arc<CompiledPipeline>,
    unmatched: Option<Arc<CompiledPipeline>>,
}

/// What a device made, or why not, with the state that survives a failure.
struct Attempt<T> {
    state: T,
    outcome: Result<()>,
    stats: TaskStats,
}

impl DeviceRun {
    /// Runs all stages and answers the result.
    pub(super) async fn run_stages(
        &self,
        inputs: &[Arc<dyn ExecutionPlan>],
    ) -> Result<Vec<RecordBatch>, Failure> {
        let mut made: Vec<Made> = vec![];
        for (number, stage) in self.plan.stages.iter().enumerate() {
            let left = match &stage.work {
                StageWork::Pipeline { compiled, tables } => {
                    let rows = self.rows_of(number, &mut made, inputs).await?;
                    Made::Chunks(self.run_pipeline(compiled, tables, &mut made, rows).await?)
                }
                work => {
                    let chunks = match self.rows_of(number, &mut made, inputs).await? {
                        Rows::Leaf(leaf, input) => self.upload_leaf(leaf, &input, &stage.read).await?,
                        Rows::Chunks(chunks) => chunks,
                    };
                    self.run_whole(work, chunks).await?
                }
            };
            made.push(left);
            for (earlier, left) in made.iter_mut().enumerate() {
                if self.last_use(earlier) <= number && earlier != number {
                    *left = Made::Gone;
                }
            }
        }
        let chunks = self.chunks_of(usize::MAX, &self.plan.sources, &mut made).await?;
        let mut batches = vec![];
        for chunk in chunks {
            let plan = self.plan.clone();
            let download = move |task: &mut Task<'_>| {
                let chunk = task.fetch(&chunk)?;
                plan.download(task, &chunk)
            };
            batches.push(self.on_task("download", download).await?);
        }
        Ok(self.restore(batches)?)
    }

    /// The last stage that uses what stage `number` left; the result is behind all.
    fn last_use(&self, number: usize) -> usize {
        let uses = |source: &Source| match source {
            Source::Stage(stage) => *stage == number,
            Source::Met { build, .. } => *build == number,
            Source::Leaf(_) => false,
        };
        if self.plan.sources.iter().any(uses) {
            return usize::MAX;
        }
        let user = self.plan.stages.iter().rposition(|stage| {
            stage.sources.iter().any(uses)
                || matches!(&stage.work, StageWork::Pipeline { tables, .. } if tables.contains(&number))
        });
        // What nobody reads is gone at once.
        user.unwrap_or(0)
    }

    /// Runs work on the worker and adds what it took to the receipt.
    pub(super) async fn on_task<T: Send + 'static>(
        &self,
        label: &'static str,
        work: impl FnOnce(&mut Task<'_>) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let (made, stats) = self
            .worker
            .run(label, self.cancel.0.clone(), move |task| {
                let made = work(task);
                Ok((made, task.stats()))
            })
            .await?;
        self.metrics.add(&stats);
        made
    }

    /// Takes the rows that stages left, for stage `number`: away, unless a later one reads them too.
    async fn chunks_of(
        &self,
        number: usize,
        sources: &[Source],
        made: &mut [Made],
    ) -> Result<Vec<StoredChunk>> {
        let mut chunks = vec![];
        for source in sources {
            let mut take = |earlier: usize, left: &mut Vec<StoredChunk>| match self.last_use(earlier) > number
            {
                true => chunks.extend(left.iter().cloned()),
                false => chunks.append(left),
            };
            match *source {
                Source::Stage(stage) => match &mut made[stage] {
                    Made::Chunks(left) => take(stage, left),
                    _ => return Err(Error::bug("a stage reads what another did not leave")),
                },
                Source::Met { build, by_group } => match &mut made[build] {
                    Made::Met(left) => take(build, left),
                    Made::Table(table) => {
                        let table = table.clone();
                        let marks = move |task: &mut Task<'_>| {
                            let met = table.with_marks(task, by_group)?;
                            task.store(met)
                        };
                        chunks.push(self.on_task("marks", marks).await?);
                    }
                    _ => return Err(Error::bug("a stage reads the marks of what is no table")),
                },
                Source::Leaf(_) => return Err(Error::bug("a leaf is no stage")),
            }
        }
        Ok(chunks)
    }

    /// Takes the rows of a stage; of those that are on the device, the columns that it reads.
    async fn rows_of(
        &self,
        number: usize,
        made: &mut [Made],
        inputs: &[Arc<dyn ExecutionPlan>],
    ) -> Result<Rows> {
        let stage = &self.plan.stages[number];
        if let [Source::Leaf(leaf)] = stage.sources.as_slice() {
            return Ok(Rows::Leaf(*leaf, inputs[*leaf].clone()));
        }
        let chunks = self.chunks_of(number, &stage.sources, made).await?;
        if chunks.iter().all(|chunk| stage.read.iter().copied().eq(0..chunk.schema().fields().len())) {
            return Ok(Rows::Chunks(chunks));
        }
        let read = stage.read.clone();
        let picked = self.on_task("choose", move |task| {
            let pick = |chunk: StoredChunk| {
                let whole = task.fetch(&chunk)?;
                drop(chunk);
                let chosen = pick(&whole, &read)?;
                drop(whole);
                task.store(chosen)
            };
            chunks.into_iter().map(pick).collect::<Result<Vec<_>>>()
        });
        Ok(Rows::Chunks(picked.await?))
    }

    /// Brings all rows of a leaf to the device, with the columns `read` of those that are there.
    async fn upload_leaf(
        &self,
        number: usize,
        input: &Arc<dyn ExecutionPlan>,
        read: &[usize],
    ) -> Result<Vec<StoredChunk>, Failure> {
        let mut feeds = self.feeds(number, input).await.map_err(Failure::Input)?;
        let leaf = &self.plan.leaves[number];
        let mut chunks = vec![];
        let upload = |staged: Vec<StagedChunk>| {
            let read = read.to_vec();
            self.on_task("upload", move |task| {
                let upload = |staged| {
                    let chunk = task.upload(staged)?;
                    let chosen = pick(&chunk, &read)?;
                    drop(chunk);
                    task.store(chosen)
                };
                staged.into_iter().map(upload).collect::<Result<Vec<_>>>()
            })
        };
        while let Some(feed) = feeds.next().await {
            match feed {
                Feed::Failed(error) => return Err(Failure::Input(error)),
                Feed::Resident { chunk } => {
                    self.metrics.rows_in.add(chunk.rows);
                    let chunk = pick(&choose(&chunk, &leaf.read, &leaf.input)?, read)?;
                    chunks.push(self.on_task("store", move |task| task.store(chunk)).await?);
                }
                Feed::Staged { batches, staged } => {
                    let staged = join(staged).await?;
                    self.metrics.rows_in.add(batches.iter().map(RecordBatch::num_rows).sum());
                    chunks.extend(upload(staged).await?);
                }
            }
        }
        if chunks.is_empty() {
            // Whoever needs all rows together needs their columns, even if there are none.
            let empty = self.stage(number, &[RecordBatch::new_empty(input.schema())]).await?;
            chunks.extend(upload(empty).await?);
        }
        Ok(chunks)
    }

    /// Runs the work of a stage that needs all rows together.
    async fn run_whole(&self, work: &StageWork, chunks: Vec<StoredChunk>) -> Result<Made> {
        match work {
            StageWork::Pipeline { .. } => Err(Error::bug("a pipeline takes rows as they come")),
            StageWork::Build { compiled, marks } => {
                if compiled.is_some() && self.is_too_much(build_bytes(&chunks)) {
                    return Ok(Made::Unbuilt(chunks));
                }
                match self.build(compiled.clone(), chunks.clone(), *marks).await {
                    Ok(table) => Ok(Made::Table(table)),
                    Err(error) if error.is_out_of_memory() && compiled.is_some() => Ok(Made::Unbuilt(chunks)),
                    Err(error) => Err(error),
                }
            }
            StageWork::Sort { keys, fetch } => Ok(Made::Chunks(self.sort(chunks, keys, *fetch).await?)),
            StageWork::Window { spec } => {
                let spec = spec.clone();
                let window = self.on_task("window", move |task| {
                    let chunk = whole(task, chunks)?;
                    let made = operators::window::window(task, &chunk, &spec)?;
                    drop(chunk);
                    task.store(made)
                });
                Ok(Made::Chunks(vec![window.await?]))
            }
            StageWork::Unnest(stage) => Ok(Made::Chunks(self.unnest(stage, chunks).await?)),
            StageWork::Limit { skip, fetch } => {
                let (skip, fetch) = (*skip, *fetch);
                let kept = self.on_task("limit", move |task| operators::limit(task, chunks, skip, fetch));
                Ok(Made::Chunks(kept.await?))
            }
        }
    }

    /// Builds a table of all rows of `chunks`.
    pub(super) async fn build(
        &self,
        compiled: Option<Arc<CompiledPipeline>>,
        chunks: Vec<StoredChunk>,
        marks: bool,
    ) -> Result<Arc<JoinTable>> {
        let table = self.on_task("build", move |task| {
            let chunk = whole(task, chunks)?;
            operators::build(task, compiled, chunk, marks)
        });
        Ok(Arc::new(table.await?))
    }

    /// Runs a pipeline in one part, or in several where a table has several rows of a key, over tables that are there.
    pub(super) async fn run_parts(
        &self,
        compiled: &Arc<CompiledPipeline>,
        tables: &Tables,
        rows: Rows,
    ) -> Result<Vec<StoredChunk>, Failure> {
        let unique: Vec<bool> =
            tables.iter().map(|table| table.as_ref().is_none_or(|table| table.is_unique())).collect();
        let parts = match unique.contains(&false) {
            true => compile_parts(program::split(&compiled.pipeline, &unique))?,
            false => vec![CompiledPart { compiled: compiled.clone(), unmatched: None }],
        };
        let (first, others) = parts.split_first().ok_or_else(|| Error::bug("a pipeline without parts"))?;
        let mut chunks = self.run_part(first, tables, rows).await?;
        for part in others {
            chunks = self.run_part(part, tables, Rows::Chunks(chunks)).await?;
        }
        Ok(chunks)
    }

    /// Runs a part; an aggregate whose groups do not fit in partitions of its keys.
    async fn run_part(
        &self,
        part: &CompiledPart,
        tables: &Tables,
        rows: Rows,
    ) -> Result<Vec<StoredChunk>, Failure> {
        let outcome = match rows.clone() {
            Rows::Leaf(number, input) => self.run_over_leaf(number, &input, part, tables).await,
            Rows::Chunks(chunks) => self.run_over_chunks(chunks, part, tables).await.map_err(Failure::Device),
        };
        match outcome {
            Err(Failure::Device(error)) if error.is_out_of_memory() && part.groups() => {
                self.aggregate_in_partitions(&part.compiled.pipeline, tables, rows, error).await
            }
            outcome => outcome,
        }
    }

    /// Runs a part over rows that a stage left.
    async fn run_over_chunks(
        &self,
        chunks: Vec<StoredChunk>,
        part: &CompiledPart,
        tables: &Tables,
    ) -> Result<Vec<StoredChunk>> {
        let running = Running::new(part, tables)?;
        match self.finish(running, chunks.clone(), false).await {
            // Chunk by chunk, what the groups take is all that is added to what is there anyway.
            Err(error) if error.is_out_of_memory() && chunks.len() > 1 && part.aggregates() => {
                self.finish(Running::new(part, tables)?, chunks, true).await
            }
            outcome => outcome,
        }
    }

    /// Runs an aggregate over rows that a stage left, and nothing else.
    pub(super) async fn aggregate_whole(
        &self,
        compiled: &Arc<CompiledPipeline>,
        chunks: Vec<StoredChunk>,
    ) -> Result<Vec<StoredChunk>> {
        let part = CompiledPart { compiled: compiled.clone(), unmatched: None };
        self.run_over_chunks(chunks, &part, &vec![]).await
    }

    async fn run_over_leaf(
        &self,
        number: usize,
        input: &Arc<dyn ExecutionPlan>,
        part: &CompiledPart,
        tables: &Tables,
    ) -> Result<Vec<StoredChunk>, Failure> {
        let mut feeds = self.feeds(number, input).await.map_err(Failure::Input)?;
        let leaf = &self.plan.leaves[number];
        let mut running = Running::new(part, tables)?;
        let mut resident = vec![];
        while let Some(feed) = feeds.next().await {
            match feed {
                Feed::Failed(error) => return Err(Failure::Input(error)),
                Feed::Resident { chunk } => {
                    self.metrics.rows_in.add(chunk.rows);
                    let chunk = choose(&chunk, &leaf.read, &leaf.input)?;
                    resident.push(self.on_task("store", move |task| task.store(chunk)).await?);
                }
                Feed::Staged { batches, staged } => {
                    let staged = join(staged).await?;
                    self.metrics.rows_in.add(batches.iter().map(RecordBatch::num_rows).sum());
                    running = self.push_host(number, running, batches, staged).await?;
                }
            }
        }
        if !resident.is_empty() {
            return Ok(self.run_over_chunks(resident, part, tables).await?);
        }
        Ok(self.finish(running, vec![], false).await?)
    }

    /// Adds `chunks`, folding each at once if `fold`, and ends the part.
    async fn finish(
        &self,
        mut running: Running,
        chunks: Vec<StoredChunk>,
        fold: bool,
    ) -> Result<Vec<StoredChunk>> {
        let bytes = self.chunk_bytes().min(self.share() / 4);
        let chunks = together(chunks, bytes);
        self.on_task("pipeline", move |task| {
            for chunks in chunks {
                let chunk = whole(task, chunks)?;
                running.push(task, chunk)?;
                if fold {
                    running.execution.relieve(task)?;
                }
            }
            for chunk in running.execution.finish(task)? {
                running.outputs.push(task.store(chunk)?);
            }
            if running.outputs.is_empty() {
                // Whoever needs all rows together needs their columns, even if there are none.
                let empty = operators::empty(task, &running.layout)?;
                running.outputs.push(task.store(empty)?);
            }
            Ok(running.outputs)
        })
        .await
    }

    /// Adds host rows. Where memory runs out, an aggregate first lets its input go, then the rows come in halves.
    async fn push_host(
        &self,
        number: usize,
        mut running: Running,
        batches: Vec<RecordBatch>,
        staged: Vec<StagedChunk>,
    ) -> Result<Running> {
        let held_bytes_max = self.worker.memory_limit() / 2;
        let mut waiting = vec![(batches, Some(staged), true)];
        while let Some((batches, staged, may_relieve)) = waiting.pop() {
            let staged = match staged {
                Some(staged) => staged,
                None => self.stage(number, &batches).await?,
            };
            let attempt = self
                .on_running(running, move |task, running| {
                    // Everything goes up before anything is added: a failure up to there leaves the state as it was.
                    let chunks =
                        staged.into_iter().map(|staged| task.upload(staged)).collect::<Result<Vec<_>>>()?;
                    for chunk in chunks {
                        running.push(task, Arc::new(chunk))?;
                    }
                    // The table of groups needs room too: do not wait until there is none. Where there is none, the
                    // rows are held, and the next chunk makes do.
                    if task.free_bytes() < held_bytes_max
                        && let Err(error) = running.execution.relieve(task)
                        && !error.is_out_of_memory()
                    {
                        return Err(error);
                    }
                    Ok(())
                })
                .await?;
            running = attempt.state;
            match attempt.outcome {
                Ok(()) => {}
                Err(error) if error.is_out_of_memory() => {
                    let rows: usize = batches.iter().map(RecordBatch::num_rows).sum();
                    let mut relieved = false;
                    if may_relieve {
                        (running, relieved) = self.relieve(running).await?;
                    }
                    if relieved {
                        waiting.push((batches, None, false));
                    } else if rows > CHUNK_ROWS_MIN {
                        let (head, tail) = split(&batches, rows / 2);
                        waiting.push((tail, None, true));
                        waiting.push((head, None, true));
                    } else {
                        return Err(error);
                    }
                }
                Err(error) => return Err(error),
            }
        }
        Ok(running)
    }

    /// Lets an aggregate fold the input that it holds; answers whether that freed anything.
    async fn relieve(&self, running: Running) -> Result<(Running, bool)> {
        let (sender, receiver) = std::sync::mpsc::channel();
        let attempt = self
            .on_running(running, move |task, running| {
                let relieved = running.execution.relieve(task)?;
                // The receiver outlives the task.
                let _ = sender.send(relieved);
                Ok(())
            })
            .await?;
        match attempt.outcome {
            // What was held is still held.
            Err(error) if error.is_out_of_memory() => Ok((attempt.state, false)),
            outcome => outcome.map(|()| (attempt.state, receiver.try_recv().unwrap_or(false))),
        }
    }

    /// Runs `work` on `running`, which survives a failure that is not the device's: what it wrote meanwhile is dropped.
    async fn on_running(
        &self,
        mut running: Running,
        work: impl FnOnce(&mut Task<'_>, &mut Running) -> Result<()> + Send + 'static,
    ) -> Result<Attempt<Running>> {
        let attempt = self
            .worker
            .run("pipeline", self.cancel.0.clone(), move |task| {
                let before = running.outputs.len();
                let outcome = work(task, &mut running);
                if outcome.is_err() {
                    running.outputs.truncate(before);
                }
                Ok(Attempt { state: running, outcome, stats: task.stats() })
            })
            .await?;
        self.metrics.add(&attempt.stats);
        Ok(attempt)
    }
}

impl CompiledPart {
    fn aggregates(&self) -> bool {
        matches!(self.compiled.sink, CompiledSink::Aggregate { .. })
    }

    fn groups(&self) -> bool {
        matches!(self.compiled.sink, CompiledSink::Aggregate { keyed: true, .. })
    }
}

fn compile_parts(parts: Vec<Part>) -> Result<Vec<CompiledPart>> {
    let compile = |pipeline: &Pipeline| program::compile(pipeline).map(Arc::new);
    let compile = |part: Part| {
        let unmatched = part.unmatched.as_ref().map(compile).transpose()?;
        Ok(CompiledPart { compiled: compile(&part.pipeline)?, unmatched })
    };
    parts.into_iter().map(compile).collect()
}

impl Running {
    fn new(part: &CompiledPart, tables: &Tables) -> Result<Running> {
        let unmatched =
            part.unmatched.as_ref().map(|compiled| Execution::new(compiled.clone(), vec![])).transpose()?;
        let execution = Execution::new(part.compiled.clone(), tables.clone())?;
        let layout = part.compiled.pipeline.output_layout();
        Ok(Running { execution, unmatched, outputs: vec![], layout })
    }

    fn push(&mut self, task: &mut Task<'_>, chunk: Arc<DeviceChunk>) -> Result<()> {
        let outputs = &mut self.outputs;
        let mut store = |task: &mut Task<'_>, made| {
            outputs.push(task.store(made)?);
            Ok(())
        };
        self.execution.push_into(task, chunk.clone(), &mut store)?;
        if let Some(unmatched) = &mut self.unmatched {
            let marks = self.execution.take_marks();
            let marks = marks.ok_or_else(|| Error::bug("an outer join without marks"))?;
            let marked = Arc::new(operators::with_bits(&chunk, marks)?);
            unmatched.push_into(task, marked, &mut store)?;
        }
        Ok(())
    }
}

/// Answers the columns `indices` of a chunk.
fn pick(chunk: &DeviceChunk, indices: &[usize]) -> Result<DeviceChunk> {
    let schema = chunk
        .schema
        .project(indices)
        .map_err(|error| Error::bug(format!("a stage reads columns that are not there: {error}")))?;
    choose(chunk, indices, &Arc::new(schema))
}

/// Puts the rows of all `chunks` into one.
pub(super) fn whole(task: &mut Task<'_>, chunks: Vec<StoredChunk>) -> Result<Arc<DeviceChunk>> {
    let fetched = chunks.iter().map(|chunk| task.fetch(chunk)).collect::<Result<Vec<_>>>()?;
    Ok(Arc::new(operators::concat(task, &fetched)?))
}

/// The bytes that building a table of all rows of `chunks` takes, about.
pub(super) fn build_bytes(chunks: &[StoredChunk]) -> usize {
    let rows = chunks.iter().map(StoredChunk::rows).sum();
    operators::build_bytes(rows, chunks.iter().map(StoredChunk::device_bytes).sum())
}
