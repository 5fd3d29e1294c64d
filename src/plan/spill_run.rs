//! Stages that do not fit a device's memory at once: in partitions of the keys, in runs, in ranges.
//!
//! Rows with equal keys are in the same partition, on both sides of a join and in an aggregate; so the partitions can be
//! done one after the other, and what waits lies in the tiers below (Grace hash join: Kitsuregawa, Tanaka and Moto-oka,
//! 1983).

use std::sync::Arc;

use datafusion::physical_plan::execution_plan::reset_plan_states;

use super::device_run::{DeviceRun, Failure};
use super::stage_run::{Made, Rows, build_bytes, whole};
use super::stages::{Source, StageWork};
use crate::error::{Error, Result};
use crate::operators::{self, SortKey, Tables};
use crate::program::{self, CompiledPipeline, Expr, Pipeline, Probe, Sink, Step, cut_at, with_partition};
use crate::worker::{StoredChunk, Task};

/// The share of a device's memory that one table, or the rows of one sort, may take.
const SHARE: usize = 4;
/// The most partitions of one stage.
const PARTITIONS_MAX: usize = 64;

impl DeviceRun {
    /// Whether `bytes` are more than a stage should take of the device's memory.
    pub(super) fn is_too_much(&self, bytes: usize) -> bool {
        bytes > self.share()
    }

    pub(super) fn share(&self) -> usize {
        (self.worker.memory_limit() as usize / SHARE).max(1)
    }

    fn partitions(&self, bytes: usize) -> u8 {
        bytes.div_ceil(self.share() / 2 + 1).next_power_of_two().clamp(2, PARTITIONS_MAX) as u8
    }

    /// Runs a pipeline over what its stage reads. Tables that were too large are built in partitions, each looked into
    /// by its share of the rows.
    pub(super) async fn run_pipeline(
        &self,
        compiled: &Arc<CompiledPipeline>,
        stages: &[usize],
        made: &mut [Made],
        rows: Rows,
    ) -> Result<Vec<StoredChunk>, Failure> {
        let mut tables: Tables = vec![];
        for &stage in stages {
            tables.push(match &made[stage] {
                Made::Table(table) => Some(table.clone()),
                Made::Unbuilt(_) => None,
                _ => return Err(Error::bug("a pipeline looks into what is no table").into()),
            });
        }
        let (mut compiled, mut rows) = (compiled.clone(), rows);
        while let Some(at) = first_missing(&compiled.pipeline, &tables) {
            let (before, rest) = cut_at(&compiled.pipeline, at);
            let Some(Step::Probe(probe)) = rest.steps.first().cloned() else {
                return Err(Error::bug("a table is missing where none is looked into").into());
            };
            let (alone, later) = match rest.steps.len() == 1 && matches!(rest.sink, Sink::Materialize { .. })
            {
                true => (rest, None),
                false => {
                    let (alone, later) = cut_at(&rest, 1);
                    (alone, Some(later))
                }
            };
            let stage = stages[probe.table];
            let Made::Unbuilt(chunks) = std::mem::replace(&mut made[stage], Made::Gone) else {
                return Err(Error::bug("a table is missing that was not put off").into());
            };
            let (joined, met) =
                self.join_in_partitions(stage, chunks, &probe, (&before, &alone), &tables, rows).await?;
            made[stage] = Made::Met(met);
            tables[probe.table] = None;
            rows = Rows::Chunks(joined);
            match later {
                Some(later) => compiled = Arc::new(program::compile(&later)?),
                None => {
                    let Rows::Chunks(chunks) = rows else { return Ok(vec![]) };
                    return Ok(chunks);
                }
            }
        }
        self.run_parts(&compiled, &tables, rows).await
    }

    /// Joins in partitions: what `before` writes looks into the table by `alone`. Answers what that writes, and the
    /// table's rows with their marks where somebody reads those.
    async fn join_in_partitions(
        &self,
        stage: usize,
        chunks: Vec<StoredChunk>,
        probe: &Probe,
        (before, alone): (&Pipeline, &Pipeline),
        tables: &Tables,
        rows: Rows,
    ) -> Result<(Vec<StoredChunk>, Vec<StoredChunk>), Failure> {
        let StageWork::Build { compiled: Some(build), marks } = &self.plan.stages[stage].work else {
            return Err(Error::bug("a table without keys is not built in partitions").into());
        };
        let Sink::Build { keys, .. } = &build.pipeline.sink else {
            return Err(Error::bug("a build was given another sink").into());
        };
        let count = self.partitions(build_bytes(&chunks));
        let layout = &build.pipeline.input;
        let all = Pipeline::scan(layout.clone()).materialize(layout.clone());
        let built = self.partition(&all, keys, count, &vec![], Rows::Chunks(chunks)).await?;
        let looking = self.partition(before, &probe.keys, count, tables, rows).await?;
        let alone = Arc::new(program::compile(alone)?);
        let build = build.clone();
        let by_group =
            self.plan.stages.iter().flat_map(|stage| &stage.sources).find_map(|source| match source {
                Source::Met { build, by_group } if *build == stage => Some(*by_group),
                _ => None,
            });
        let (mut joined, mut met) = (vec![], vec![]);
        for (built, looking) in built.into_iter().zip(looking) {
            let table = self.build(Some(build.clone()), built, *marks).await?;
            let mut tables = tables.clone();
            tables[probe.table] = Some(table.clone());
            joined.extend(self.run_parts(&alone, &tables, Rows::Chunks(looking)).await?);
            if let Some(by_group) = by_group {
                let with_marks = move |task: &mut Task<'_>| {
                    let marked = table.with_marks(task, by_group)?;
                    task.store(marked)
                };
                met.push(self.on_task("marks", with_marks).await?);
            }
        }
        Ok((joined, met))
    }

    /// Aggregates in partitions of the keys, after it failed with `error` at once.
    pub(super) async fn aggregate_in_partitions(
        &self,
        pipeline: &Pipeline,
        tables: &Tables,
        rows: Rows,
        error: Error,
    ) -> Result<Vec<StoredChunk>, Failure> {
        let (before, grouping) = cut_at(pipeline, pipeline.steps.len());
        let Sink::Aggregate { keys, .. } = &grouping.sink else { return Err(error.into()) };
        let rows = match rows {
            // The input was read; it is made once more.
            Rows::Leaf(number, input) => {
                Rows::Leaf(number, reset_plan_states(input).map_err(Failure::Input)?)
            }
            rows => rows,
        };
        // How many groups there are is not known: enough partitions that even a group for each row would fit in most
        // cases; memory that is shorter than that fails again.
        let parted = self.partition(&before, keys, PARTITIONS_MAX as u8, tables, rows).await?;
        let grouping = Arc::new(program::compile(&grouping)?);
        let mut groups = vec![];
        for chunks in parted {
            if chunks.iter().any(|chunk| chunk.rows() > 0) {
                groups.extend(self.aggregate_whole(&grouping, chunks).await?);
            }
        }
        Ok(groups)
    }

    /// Has `pipeline` write its rows in `count` partitions of `keys`, which are over what it writes.
    async fn partition(
        &self,
        pipeline: &Pipeline,
        keys: &[Expr],
        count: u8,
        tables: &Tables,
        rows: Rows,
    ) -> Result<Vec<Vec<StoredChunk>>, Failure> {
        let compiled = Arc::new(program::compile(&with_partition(pipeline, keys, count)?)?);
        let written = Box::pin(self.run_parts(&compiled, tables, rows)).await?;
        let mut partitions: Vec<Vec<StoredChunk>> = (0..count).map(|_| vec![]).collect();
        for chunks in together(written, self.share() / 2) {
            let parts = self.on_task("partition", move |task| {
                let whole = whole(task, chunks)?;
                let parts = operators::partition(task, &whole, count.into())?;
                drop(whole);
                parts.into_iter().map(|part| task.store(part)).collect::<Result<Vec<_>>>()
            });
            for (partition, part) in partitions.iter_mut().zip(parts.await?) {
                // The first stays for its columns, even without rows.
                if part.rows() > 0 || partition.is_empty() {
                    partition.push(part);
                }
            }
        }
        Ok(partitions)
    }

    /// Orders the rows of all `chunks`: at once where they fit, else in runs and ranges.
    pub(super) async fn sort(
        &self,
        chunks: Vec<StoredChunk>,
        keys: &[SortKey],
        fetch: Option<usize>,
    ) -> Result<Vec<StoredChunk>> {
        let mut chunks = chunks;
        if fetch.is_some() && chunks.len() > 1 {
            let mut first = vec![];
            for chunk in chunks {
                first.push(self.sort_whole(vec![chunk], keys, fetch).await?);
            }
            chunks = first;
        }
        let bytes: usize = chunks.iter().map(StoredChunk::device_bytes).sum();
        // The rows, the rows in order, and what the sort itself takes.
        if !self.is_too_much(bytes) {
            match self.sort_whole(chunks.clone(), keys, fetch).await {
                Err(error) if error.is_out_of_memory() && chunks.len() > 1 => {}
                outcome => return Ok(vec![outcome?]),
            }
        }
        let (keys, range) = (keys.to_vec(), self.share() / 2);
        let sorted = self.on_task("sort", move |task| operators::sort_runs(task, chunks, &keys, range));
        let sorted = sorted.await?;
        match fetch {
            None => Ok(sorted),
            Some(_) => self.on_task("limit", move |task| operators::limit(task, sorted, 0, fetch)).await,
        }
    }

    async fn sort_whole(
        &self,
        chunks: Vec<StoredChunk>,
        keys: &[SortKey],
        fetch: Option<usize>,
    ) -> Result<StoredChunk> {
        let keys = keys.to_vec();
        self.on_task("sort", move |task| {
            let chunk = whole(task, chunks)?;
            let order = operators::sort(task, &chunk, &keys, fetch)?;
            let sorted = operators::gather(task, &chunk, &order.rows, order.count, false)?;
            drop((chunk, order));
            task.store(sorted)
        })
        .await
    }
}

/// Puts neighbours among `chunks` together until they are about `bytes`: a launch over little costs what one over more
/// does.
pub(super) fn together(chunks: Vec<StoredChunk>, bytes: usize) -> Vec<Vec<StoredChunk>> {
    let mut groups: Vec<Vec<StoredChunk>> = vec![];
    let mut open = 0;
    for chunk in chunks {
        let more = chunk.device_bytes();
        match groups.last_mut() {
            Some(group) if open + more <= bytes => {
                group.push(chunk);
                open += more;
            }
            _ => {
                groups.push(vec![chunk]);
                open = more;
            }
        }
    }
    groups
}

/// The first step of `pipeline` that looks into a table that is not there.
fn first_missing(pipeline: &Pipeline, tables: &Tables) -> Option<usize> {
    pipeline.steps.iter().position(|step| match step {
        Step::Probe(probe) => tables.get(probe.table).is_none_or(Option::is_none),
        _ => false,
    })
}
