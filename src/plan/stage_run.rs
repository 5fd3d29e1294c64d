//! The stages of a plan, run one after the other on a worker.

use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;
use datafusion::physical_plan::ExecutionPlan;

use super::device_run::{CHUNK_ROWS_MIN, DeviceRun, Failure};
use super::feed::{Feed, choose, join, split};
use super::stages::{Source, StageWork};
use crate::column::{DeviceChunk, StagedChunk};
use crate::error::{Error, Result};
use crate::operators::{self, Execution, JoinTable};
use crate::program::{self, CompiledPipeline, CompiledSink, Part};
use crate::worker::{Task, TaskStats};

/// What a stage left.
enum Made {
    Chunks(Vec<Arc<DeviceChunk>>),
    Table(Arc<JoinTable>),
    /// It was used for the last time.
    Gone,
}

/// A part of a pipeline at work, with what it wrote so far.
struct Running {
    execution: Execution,
    /// Takes the rows that met none.
    unmatched: Option<Execution>,
    outputs: Vec<Arc<DeviceChunk>>,
    /// The columns of the outputs.
    layout: SchemaRef,
}

/// A part of a pipeline, compiled.
#[derive(Clone)]
struct CompiledPart {
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
                    let tables = tables
                        .iter()
                        .map(|&table| match &made[table] {
                            Made::Table(table) => Ok(table.clone()),
                            _ => Err(Error::bug("a pipeline looks into what is no table")),
                        })
                        .collect::<Result<Vec<_>>>()?;
                    Made::Chunks(self.run_pipeline(number, compiled, tables, &mut made, inputs).await?)
                }
                work => {
                    let chunks = self.source_chunks(number, &mut made, inputs).await?;
                    self.run_whole(work.clone(), chunks).await?
                }
            };
            made.push(left);
            for (earlier, left) in made.iter_mut().enumerate() {
                if self.last_use(earlier) <= number && earlier != number {
                    *left = Made::Gone;
                }
            }
        }
        let chunks = self.chunks_of(usize::MAX, &self.plan.sources.clone(), &mut made).await?;
        let plan = self.plan.clone();
        Ok(self
            .on_task("download", move |task| {
                chunks.iter().map(|chunk| plan.download(task, chunk)).collect::<Result<Vec<_>>>()
            })
            .await?)
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
    async fn on_task<T: Send + 'static>(
        &self,
        label: &'static str,
        work: impl FnOnce(&mut Task<'_>) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let (made, stats) = self
            .worker
            .run(label, self.cancel.0.clone(), move |task| {
                let made = work(task)?;
                Ok((made, task.stats()))
            })
            .await?;
        self.metrics.add(&stats);
        Ok(made)
    }

    /// Takes the rows that stages left, for stage `number`: away, unless a later one needs them too.
    async fn chunks_of(
        &self,
        number: usize,
        sources: &[Source],
        made: &mut [Made],
    ) -> Result<Vec<Arc<DeviceChunk>>> {
        let mut chunks = vec![];
        for source in sources {
            match *source {
                Source::Stage(stage) => {
                    let Made::Chunks(left) = &mut made[stage] else {
                        return Err(Error::bug("a stage reads what another did not leave"));
                    };
                    if self.last_use(stage) > number {
                        chunks.extend(left.iter().cloned());
                    } else {
                        chunks.append(left);
                        made[stage] = Made::Gone;
                    }
                }
                Source::Met { build, by_group } => {
                    let Made::Table(table) = &made[build] else {
                        return Err(Error::bug("a stage reads the marks of what is no table"));
                    };
                    let table = table.clone();
                    chunks.push(
                        self.on_task("marks", move |task| table.with_marks(task, by_group)).await?.into(),
                    );
                }
                Source::Leaf(_) => return Err(Error::bug("a leaf is no stage")),
            }
        }
        Ok(chunks)
    }

    /// Takes the rows of a stage that needs all of them together, with the columns that it reads.
    async fn source_chunks(
        &self,
        number: usize,
        made: &mut [Made],
        inputs: &[Arc<dyn ExecutionPlan>],
    ) -> Result<Vec<Arc<DeviceChunk>>, Failure> {
        let stage = &self.plan.stages[number];
        let chunks = match stage.sources.as_slice() {
            [Source::Leaf(leaf)] => self.upload_leaf(*leaf, &inputs[*leaf]).await?,
            sources => self.chunks_of(number, sources, made).await?,
        };
        Ok(chunks.iter().map(|chunk| pick(chunk, &stage.read)).collect::<Result<_>>()?)
    }

    async fn upload_leaf(
        &self,
        number: usize,
        input: &Arc<dyn ExecutionPlan>,
    ) -> Result<Vec<Arc<DeviceChunk>>, Failure> {
        let mut feeds = self.feeds(number, input).await.map_err(Failure::Input)?;
        let leaf = &self.plan.leaves[number];
        let mut chunks = vec![];
        while let Some(feed) = feeds.next().await {
            match feed {
                Feed::Failed(error) => return Err(Failure::Input(error)),
                Feed::Resident { chunk } => {
                    self.metrics.rows_in.add(chunk.rows);
                    chunks.push(Arc::new(choose(&chunk, &leaf.read, &leaf.input)?));
                }
                Feed::Staged { batches, staged } => {
                    let staged = join(staged).await?;
                    self.metrics.rows_in.add(batches.iter().map(RecordBatch::num_rows).sum());
                    let uploaded = self.on_task("upload", move |task| {
                        staged
                            .into_iter()
                            .map(|staged| task.upload(staged).map(Arc::new))
                            .collect::<Result<Vec<_>>>()
                    });
                    chunks.extend(uploaded.await?);
                }
            }
        }
        if chunks.is_empty() {
            // Whoever needs all rows together needs their columns, even if there are none.
            let empty = self.stage(number, &[RecordBatch::new_empty(input.schema())]).await?;
            let uploaded = self.on_task("upload", move |task| {
                empty.into_iter().map(|staged| task.upload(staged).map(Arc::new)).collect::<Result<Vec<_>>>()
            });
            chunks.extend(uploaded.await?);
        }
        Ok(chunks)
    }

    /// Runs the work of a stage that needs all rows together.
    async fn run_whole(&self, work: StageWork, chunks: Vec<Arc<DeviceChunk>>) -> Result<Made> {
        match work {
            StageWork::Pipeline { .. } => Err(Error::bug("a pipeline takes rows as they come")),
            StageWork::Build { compiled, marks } => {
                let table = self.on_task("build", move |task| {
                    let chunk = Arc::new(operators::concat(task, &chunks)?);
                    drop(chunks);
                    operators::build(task, compiled, chunk, marks)
                });
                Ok(Made::Table(Arc::new(table.await?)))
            }
            StageWork::Sort { keys, fetch } => {
                let sorted = self.on_task("sort", move |task| {
                    let chunk = operators::concat(task, &chunks)?;
                    drop(chunks);
                    let sorted = operators::sort(task, &chunk, &keys, fetch)?;
                    operators::gather(task, &chunk, &sorted.rows, sorted.count, false)
                });
                Ok(Made::Chunks(vec![Arc::new(sorted.await?)]))
            }
            StageWork::Window { spec } => {
                let made = self.on_task("window", move |task| {
                    let chunk = operators::concat(task, &chunks)?;
                    drop(chunks);
                    operators::window::window(task, &chunk, &spec)
                });
                Ok(Made::Chunks(vec![Arc::new(made.await?)]))
            }
            StageWork::Limit { skip, fetch } => {
                let kept = self.on_task("limit", move |task| operators::limit(task, chunks, skip, fetch));
                Ok(Made::Chunks(kept.await?))
            }
        }
    }

    /// Runs a pipeline over the stage's sources: in one part, or in several where a table has several rows of a key.
    async fn run_pipeline(
        &self,
        number: usize,
        compiled: &Arc<CompiledPipeline>,
        tables: Vec<Arc<JoinTable>>,
        made: &mut [Made],
        inputs: &[Arc<dyn ExecutionPlan>],
    ) -> Result<Vec<Arc<DeviceChunk>>, Failure> {
        let stage = &self.plan.stages[number];
        let unique: Vec<bool> = tables.iter().map(|table| table.is_unique()).collect();
        let parts = match unique.contains(&false) {
            true => compile_parts(program::split(&compiled.pipeline, &unique))?,
            false => vec![CompiledPart { compiled: compiled.clone(), unmatched: None }],
        };
        let (first, others) = parts.split_first().ok_or_else(|| Error::bug("a pipeline without parts"))?;
        let mut chunks = match stage.sources.as_slice() {
            [Source::Leaf(leaf)] => self.run_over_leaf(*leaf, &inputs[*leaf], first, &tables).await?,
            sources => {
                let mut chunks = vec![];
                for chunk in self.chunks_of(number, sources, made).await? {
                    chunks.push(pick(&chunk, &stage.read)?);
                }
                self.run_over_chunks(chunks, first, &tables).await?
            }
        };
        for part in others {
            chunks = self.run_over_chunks(chunks, part, &tables).await?;
        }
        Ok(chunks)
    }

    /// Runs a part over rows in device memory.
    async fn run_over_chunks(
        &self,
        chunks: Vec<Arc<DeviceChunk>>,
        part: &CompiledPart,
        tables: &[Arc<JoinTable>],
    ) -> Result<Vec<Arc<DeviceChunk>>> {
        let running = Running::new(part, tables)?;
        match self.finish(running, chunks.clone(), false).await {
            // Chunk by chunk, what the groups take is all that is added to what is there anyway.
            Err(error) if error.is_out_of_memory() && chunks.len() > 1 && part.aggregates() => {
                self.finish(Running::new(part, tables)?, chunks, true).await
            }
            outcome => outcome,
        }
    }

    async fn run_over_leaf(
        &self,
        number: usize,
        input: &Arc<dyn ExecutionPlan>,
        part: &CompiledPart,
        tables: &[Arc<JoinTable>],
    ) -> Result<Vec<Arc<DeviceChunk>>, Failure> {
        let mut feeds = self.feeds(number, input).await.map_err(Failure::Input)?;
        let leaf = &self.plan.leaves[number];
        let mut running = Running::new(part, tables)?;
        let mut resident = vec![];
        while let Some(feed) = feeds.next().await {
            match feed {
                Feed::Failed(error) => return Err(Failure::Input(error)),
                Feed::Resident { chunk } => {
                    self.metrics.rows_in.add(chunk.rows);
                    resident.push(Arc::new(choose(&chunk, &leaf.read, &leaf.input)?));
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
        chunks: Vec<Arc<DeviceChunk>>,
        fold: bool,
    ) -> Result<Vec<Arc<DeviceChunk>>> {
        let layout = running.layout.clone();
        self.on_task("pipeline", move |task| {
            for chunk in chunks {
                running.push(task, chunk)?;
                if fold {
                    running.execution.relieve(task)?;
                }
            }
            running.outputs.extend(running.execution.finish(task)?.into_iter().map(Arc::new));
            if running.outputs.is_empty() {
                // Whoever needs all rows together needs their columns, even if there are none.
                running.outputs.push(Arc::new(operators::empty(task, &layout)?));
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
}

fn compile_parts(parts: Vec<Part>) -> Result<Vec<CompiledPart>> {
    let compile = |part: Part| {
        Ok(CompiledPart {
            compiled: Arc::new(program::compile(&part.pipeline)?),
            unmatched: part
                .unmatched
                .map(|pipeline| program::compile(&pipeline).map(Arc::new))
                .transpose()?,
        })
    };
    parts.into_iter().map(compile).collect()
}

impl Running {
    fn new(part: &CompiledPart, tables: &[Arc<JoinTable>]) -> Result<Running> {
        let unmatched =
            part.unmatched.as_ref().map(|compiled| Execution::new(compiled.clone(), vec![])).transpose()?;
        let execution = Execution::new(part.compiled.clone(), tables.to_vec())?;
        Ok(Running { execution, unmatched, outputs: vec![], layout: part.compiled.pipeline.output_layout() })
    }

    fn push(&mut self, task: &mut Task<'_>, chunk: Arc<DeviceChunk>) -> Result<()> {
        self.outputs.extend(self.execution.push(task, chunk.clone())?.into_iter().map(Arc::new));
        if let Some(unmatched) = &mut self.unmatched {
            let marks = self.execution.take_marks();
            let marks = marks.ok_or_else(|| Error::bug("an outer join without marks"))?;
            let marked = Arc::new(operators::with_bits(&chunk, marks)?);
            self.outputs.extend(unmatched.push(task, marked)?.into_iter().map(Arc::new));
        }
        Ok(())
    }
}

/// Answers the columns `indices` of a chunk.
fn pick(chunk: &Arc<DeviceChunk>, indices: &[usize]) -> Result<Arc<DeviceChunk>> {
    if indices.iter().copied().eq(0..chunk.columns.len()) {
        return Ok(chunk.clone());
    }
    let schema = chunk
        .schema
        .project(indices)
        .map_err(|error| Error::bug(format!("a stage reads columns that are not there: {error}")))?;
    Ok(Arc::new(choose(chunk, indices, &Arc::new(schema))?))
}
