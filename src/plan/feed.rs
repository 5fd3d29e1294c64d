//! The input of a device node, cut into chunks: gathered from the host and staged, or found in device memory.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef};
use arrow::datatypes::SchemaRef;
use arrow::record_batch::{RecordBatch, RecordBatchOptions};
use datafusion::common::runtime::SpawnedTask;
use datafusion::error::{DataFusionError, Result as PlanResult};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_plan::common::spawn_buffered;
use datafusion::physical_plan::{ExecutionPlan, ExecutionPlanProperties};
use futures::StreamExt;
use tokio::sync::mpsc;

use super::carried::{Carried, is_carried};
use super::resident::resident_scan;
use super::stages::LeafPlan;
use super::to_plan_error;
use crate::column::{DeviceChunk, DeviceTable, StagedChunk};
use crate::error::{Error, Result};
use crate::memory::PinnedPool;
use crate::worker::{CancelToken, Worker};

/// Batches of each input partition that are made ahead of the gathering.
pub const BATCHES_AHEAD: usize = 8;

/// A chunk of the input on its way to the device.
pub enum Feed {
    /// Batches of the node's input, and the columns that are read of them as they are being staged.
    Staged {
        batches: Vec<RecordBatch>,
        staged: SpawnedTask<Result<Vec<StagedChunk>>>,
    },
    /// Rows that are on the device already, all columns of the scan.
    Resident {
        chunk: Arc<DeviceChunk>,
    },
    Failed(DataFusionError),
}

/// The input of a node as chunks.
pub enum Feeds {
    Host { receiver: mpsc::Receiver<Feed>, _gathering: SpawnedTask<()> },
    Resident { table: Arc<DeviceTable>, columns: Vec<usize>, schema: SchemaRef, next: usize },
}

impl Feeds {
    /// Opens `input`, of which `leaf` is read: the table in device memory where it is the scan of one, else a gathering of its
    /// batches into chunks of about `chunk_bytes`.
    ///
    /// # Errors
    /// Those of starting the input.
    pub async fn open(
        leaf: &Arc<LeafPlan>,
        carried: &Carried,
        input: &Arc<dyn ExecutionPlan>,
        worker: &Worker,
        context: &Arc<TaskContext>,
        chunk_bytes: usize,
        cancel: &CancelToken,
    ) -> PlanResult<Feeds> {
        if let Some(scan) = resident_scan(input)
            && let Some(table) = scan.load(worker, context, cancel).await?
        {
            return Ok(Feeds::Resident {
                table,
                columns: scan.columns().to_vec(),
                schema: input.schema(),
                next: 0,
            });
        }
        let (sender, receiver) = mpsc::channel(1);
        let streams: Vec<_> = (0..input.output_partitioning().partition_count())
            .map(|partition| input.execute(partition, context.clone()))
            .collect::<PlanResult<_>>()?;
        let (leaf, carried, pool) = (leaf.clone(), carried.clone(), worker.pinned_pool().clone());
        let gather = Gather { leaf, carried, pool, chunk_bytes, sender };
        Ok(Feeds::Host { receiver, _gathering: SpawnedTask::spawn(gather.run(streams)) })
    }

    /// Answers the next chunk.
    pub async fn next(&mut self) -> Option<Feed> {
        match self {
            Feeds::Host { receiver, .. } => receiver.recv().await,
            Feeds::Resident { table, columns, schema, next } => {
                let chunk = table.chunks.get(*next)?;
                *next += 1;
                Some(match choose(chunk, columns, schema) {
                    Ok(chunk) => Feed::Resident { chunk: Arc::new(chunk) },
                    Err(error) => Feed::Failed(to_plan_error(error)),
                })
            }
        }
    }
}

/// The batches of several streams, which run at the same time, one from each in turn: in the same order run after run
/// if those of each stream are.
pub struct InTurn {
    streams: Vec<SendableRecordBatchStream>,
    turn: usize,
}

impl InTurn {
    pub fn new(streams: Vec<SendableRecordBatchStream>) -> Self {
        let streams = streams.into_iter().map(|stream| spawn_buffered(stream, BATCHES_AHEAD)).collect();
        InTurn { streams, turn: 0 }
    }

    /// Answers the next batch that has rows.
    pub async fn next(&mut self) -> Option<PlanResult<RecordBatch>> {
        while !self.streams.is_empty() {
            self.turn %= self.streams.len();
            match self.streams[self.turn].next().await {
                Some(Ok(batch)) if batch.num_rows() == 0 => self.turn += 1,
                Some(batch) => {
                    self.turn += 1;
                    return Some(batch);
                }
                // The streams behind move up, so that the turn is theirs.
                None => drop(self.streams.remove(self.turn)),
            }
        }
        None
    }
}

/// Cuts the batches of all partitions into chunks.
struct Gather {
    leaf: Arc<LeafPlan>,
    carried: Carried,
    pool: PinnedPool,
    chunk_bytes: usize,
    sender: mpsc::Sender<Feed>,
}

impl Gather {
    async fn run(self, streams: Vec<SendableRecordBatchStream>) {
        if let Err(error) = self.gather(streams).await {
            // Nobody left to tell: the query was dropped.
            let _ = self.sender.send(Feed::Failed(error)).await;
        }
    }

    async fn gather(&self, streams: Vec<SendableRecordBatchStream>) -> PlanResult<()> {
        let (mut batches, mut bytes) = (vec![], 0);
        let mut input = InTurn::new(streams);
        while let Some(batch) = input.next().await {
            let batch = batch?;
            let columns = self.leaf.read.iter().filter(|&&index| index < batch.num_columns());
            bytes += columns.map(|&index| host_bytes(batch.column(index))).sum::<usize>();
            batches.push(batch);
            if bytes >= self.chunk_bytes {
                if self.forward(std::mem::take(&mut batches)).await.is_err() {
                    return Ok(());
                }
                bytes = 0;
            }
        }
        if !batches.is_empty() {
            // An error says that the query was dropped.
            let _ = self.forward(batches).await;
        }
        Ok(())
    }

    async fn forward(&self, batches: Vec<RecordBatch>) -> Result<(), mpsc::error::SendError<Feed>> {
        let staged = stage(&self.leaf, &self.carried, &batches, &self.pool);
        self.sender.send(Feed::Staged { batches, staged }).await
    }
}

/// Begins to stage the columns of `batches` that are read.
pub fn stage(
    leaf: &Arc<LeafPlan>,
    carried: &Carried,
    batches: &[RecordBatch],
    pool: &PinnedPool,
) -> SpawnedTask<Result<Vec<StagedChunk>>> {
    let (leaf, carried, batches, pool) = (leaf.clone(), carried.clone(), batches.to_vec(), pool.clone());
    SpawnedTask::spawn_blocking(move || {
        let narrow =
            batches.iter().map(|batch| narrow(batch, &leaf, &carried)).collect::<Result<Vec<_>>>()?;
        StagedChunk::stage_all(&leaf.input, &narrow, pieces(&narrow), &pool)
    })
}

/// Pieces that a chunk is uploaded in, so that kernels over one run while the next is copied: of a chunk of 64 MiB each
/// takes a fraction of a millisecond, which is long beside the start of a copy.
const PIECES: usize = 4;
/// Rows under which a piece is not worth its launches.
const PIECE_ROWS_MIN: usize = 1 << 16;

fn pieces(batches: &[RecordBatch]) -> usize {
    let rows: usize = batches.iter().map(RecordBatch::num_rows).sum();
    (rows / PIECE_ROWS_MIN).clamp(1, PIECES)
}

fn narrow(batch: &RecordBatch, leaf: &LeafPlan, carried: &Carried) -> Result<RecordBatch> {
    let column = |&index: &usize| match batch.columns().get(index) {
        Some(column) if is_carried(column.data_type()) => carried.numbers(column),
        Some(column) => Ok(column.clone()),
        None => {
            let field = leaf.fields.get(index - batch.num_columns());
            let field = field.ok_or_else(|| Error::bug(format!("a leaf without column {index}")))?;
            field.of(batch.column(field.column))
        }
    };
    let columns = leaf.read.iter().map(column).collect::<Result<_>>()?;
    let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    RecordBatch::try_new_with_options(leaf.input.clone(), columns, &options)
        .map_err(|error| Error::bug(format!("an input batch is not of the input's schema: {error}")))
}

/// Waits for a blocking task; a panic in it is an error.
pub async fn join<T: Send + 'static>(task: SpawnedTask<Result<T>>) -> Result<T> {
    task.join().await.unwrap_or_else(|error| {
        Err(if error.is_panic() {
            Error::bug(format!("staging panicked: {error}"))
        } else {
            Error::cancelled()
        })
    })
}

/// Answers some columns of a chunk, in the order of `indices`, under the names of `schema`.
pub fn choose(chunk: &DeviceChunk, indices: &[usize], schema: &SchemaRef) -> Result<DeviceChunk> {
    let columns = indices.iter().map(|&index| chunk.columns[index].clone()).collect();
    DeviceChunk::new(schema.clone(), columns, chunk.rows)
}

/// Cuts rows in two at row `at`, without copying.
pub fn split(batches: &[RecordBatch], at: usize) -> (Vec<RecordBatch>, Vec<RecordBatch>) {
    let (mut head, mut tail, mut seen) = (vec![], vec![], 0);
    for batch in batches {
        let cut = at.saturating_sub(seen).min(batch.num_rows());
        if cut > 0 {
            head.push(batch.slice(0, cut));
        }
        if cut < batch.num_rows() {
            tail.push(batch.slice(cut, batch.num_rows() - cut));
        }
        seen += batch.num_rows();
    }
    (head, tail)
}

/// Bytes of an array's own rows: a slice of a large buffer counts for what it shows.
pub fn host_bytes(array: &ArrayRef) -> usize {
    array.to_data().get_slice_memory_size().unwrap_or_else(|_| array.get_array_memory_size())
}

#[cfg(test)]
mod tests {
    use arrow::array::Int64Array;
    use arrow::datatypes::{DataType, Field, Schema};

    use super::*;

    fn batch(values: std::ops::Range<i64>) -> RecordBatch {
        let schema = Arc::new(Schema::new(vec![Field::new("n", DataType::Int64, false)]));
        RecordBatch::try_new(schema, vec![Arc::new(Int64Array::from_iter_values(values))])
            .expect("one column")
    }

    fn values(batches: &[RecordBatch]) -> Vec<i64> {
        let column = |batch: &RecordBatch| {
            let column = batch.column(0).as_any().downcast_ref::<Int64Array>().expect("int64");
            column.values().to_vec()
        };
        batches.iter().flat_map(column).collect()
    }

    #[test]
    fn a_split_loses_and_repeats_nothing() {
        let batches = [batch(0..10), batch(10..11), batch(11..30)];
        for at in 0..=31 {
            let (head, tail) = split(&batches, at);
            assert_eq!(values(&head).len(), at.min(30));
            let both: Vec<i64> = values(&head).into_iter().chain(values(&tail)).collect();
            assert_eq!(both, (0..30).collect::<Vec<_>>());
        }
    }

    #[test]
    fn a_slice_counts_its_own_rows() {
        let whole = batch(0..1000);
        assert_eq!(host_bytes(whole.slice(10, 5).column(0)), 40);
    }
}
