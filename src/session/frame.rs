//! A planned query, and its result with the receipt.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use datafusion::error::DataFusionError;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::logical_expr::LogicalPlan;
use datafusion::physical_plan::{ExecutionPlan, execute_stream};
use datafusion::prelude::DataFrame;
use futures::{Stream, StreamExt, TryStreamExt};

use super::{Tables, WholeFile, diagnose};
use crate::error::Result;
use crate::observe::receipt::Receipt;
use crate::plan;

/// A statement that is planned and not yet run.
pub struct Frame(Kind);

enum Kind {
    Query(Box<Query>),
    /// The answer of a statement that ran when it was planned.
    /// The rows of a statement that ran while it was planned, and what it did.
    Ready(RecordBatch, Box<Receipt>),
}

struct Query {
    data_frame: DataFrame,
    origin: Origin,
    /// The file that the query writes; it gets its name when the last row was written.
    output: Option<WholeFile>,
    planning: Duration,
}

/// What a frame keeps of the session it is from.
pub(super) struct Origin {
    /// The statement, for the receipt; `None` where a program composed the frame.
    pub text: Option<String>,
    pub engine: Arc<plan::Engine>,
    pub tables: Tables,
}

impl Frame {
    pub(super) fn query(
        data_frame: DataFrame,
        origin: Origin,
        output: Option<WholeFile>,
        planning: Duration,
    ) -> Self {
        Frame(Kind::Query(Box::new(Query { data_frame, origin, output, planning })))
    }

    pub(super) fn ready(batch: RecordBatch, receipt: Receipt) -> Self {
        Frame(Kind::Ready(batch, Box::new(receipt)))
    }

    /// The columns of the result; none for a statement such as `SET`.
    pub fn schema(&self) -> SchemaRef {
        match &self.0 {
            Kind::Query(query) => Arc::clone(query.data_frame.schema().inner()),
            Kind::Ready(batch, _) => batch.schema(),
        }
    }

    /// The logical plan as DataFusion made it; `None` for a statement that ran when it was planned.
    pub fn logical_plan(&self) -> Option<&LogicalPlan> {
        match &self.0 {
            Kind::Query(query) => Some(query.data_frame.logical_plan()),
            Kind::Ready(..) => None,
        }
    }

    /// The frame as DataFusion's, to compose further; `None` for a statement that ran when it was planned.
    pub fn data_frame(&self) -> Option<&DataFrame> {
        match &self.0 {
            Kind::Query(query) => Some(&query.data_frame),
            Kind::Ready(..) => None,
        }
    }

    /// The physical plan as text: for each node where it runs, the estimated cost of both places, and the reason.
    ///
    /// # Errors
    /// Those of planning: a type clash, an expression that cannot be evaluated.
    pub async fn explain(&self) -> Result<String> {
        match &self.0 {
            Kind::Query(query) => Ok(plan::explain(&query.physical_plan().await?, &query.origin.engine)),
            Kind::Ready(..) => Ok("done while planning\n".to_string()),
        }
    }

    /// Runs the query and gathers its rows. Dropping the future cancels the query.
    ///
    /// # Errors
    /// Input that cannot be read or computed on; out of memory; a device fault; a fallback where the
    /// policy forbids it.
    pub async fn collect(self) -> Result<QueryResult> {
        let mut stream = self.stream().await?;
        let mut batches = Vec::new();
        while let Some(batch) = stream.try_next().await? {
            batches.push(batch);
        }
        Ok(QueryResult { schema: stream.schema(), batches, receipt: stream.receipt() })
    }

    /// Starts the query and hands out its rows as they come. Dropping the stream cancels the query.
    ///
    /// # Errors
    /// Those of [`Frame::collect`]; some come from the stream.
    pub async fn stream(self) -> Result<ResultStream> {
        let started = Instant::now();
        match self.0 {
            Kind::Query(query) => {
                let plan = query.physical_plan().await?;
                let planning = query.planning + started.elapsed();
                let task_context = Arc::new(query.data_frame.task_ctx());
                let batches = execute_stream(Arc::clone(&plan), task_context)
                    .map_err(|error| query.translate(error))?;
                Ok(ResultStream {
                    schema: batches.schema(),
                    running: Some(Running { query, plan, planning, batches }),
                    ready: None,
                    done: Receipt::default(),
                    rows: 0,
                    started,
                    elapsed: None,
                })
            }
            Kind::Ready(batch, receipt) => Ok(ResultStream {
                schema: batch.schema(),
                running: None,
                ready: Some(batch),
                done: *receipt,
                rows: 0,
                started,
                elapsed: None,
            }),
        }
    }
}

impl Query {
    async fn physical_plan(&self) -> Result<Arc<dyn ExecutionPlan>> {
        self.data_frame.create_physical_plan().await.map_err(|error| self.translate(error))
    }

    fn translate(&self, error: DataFusionError) -> crate::Error {
        diagnose::translate(error, self.data_frame.logical_plan(), &self.origin.tables)
    }
}

/// The rows of a query as they come, and the receipt of what ran so far.
pub struct ResultStream {
    schema: SchemaRef,
    running: Option<Running>,
    ready: Option<RecordBatch>,
    /// The receipt where nothing is running.
    done: Receipt,
    rows: u64,
    started: Instant,
    elapsed: Option<Duration>,
}

struct Running {
    /// Before the query, which removes the file that is written here: fields are dropped in their order.
    batches: SendableRecordBatchStream,
    query: Box<Query>,
    plan: Arc<dyn ExecutionPlan>,
    planning: Duration,
}

impl ResultStream {
    /// The columns of every batch.
    pub fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    /// Counts the rows that the scans of the query have read so far; may be called while the stream is polled.
    pub fn rows_read(&self) -> impl Fn() -> u64 + Send + 'static {
        let plan = self.running.as_ref().map(|running| Arc::clone(&running.plan));
        move || plan.as_deref().map_or(0, rows_from_leaves)
    }

    /// What ran where; whole once the stream has ended.
    pub fn receipt(&self) -> Receipt {
        match &self.running {
            Some(running) => {
                let times = plan::QueryTimes {
                    query: running.query.origin.text.clone(),
                    wall: running.query.planning + self.elapsed.unwrap_or_else(|| self.started.elapsed()),
                    planning: running.planning,
                    rows: self.rows,
                };
                plan::receipt(&running.plan, &running.query.origin.engine, times)
            }
            None => self.done.clone(),
        }
    }
}

impl Stream for ResultStream {
    type Item = Result<RecordBatch>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        let Some(running) = &mut this.running else { return Poll::Ready(this.ready.take().map(Ok)) };
        let polled = std::task::ready!(running.batches.poll_next_unpin(context));
        match &polled {
            Some(Ok(batch)) => this.rows += batch.num_rows() as u64,
            Some(Err(_)) => {}
            None => {
                this.elapsed = this.elapsed.or_else(|| Some(this.started.elapsed()));
                if let Some(Err(error)) = running.query.output.take().map(WholeFile::finish) {
                    return Poll::Ready(Some(Err(error)));
                }
            }
        }
        // On an error the input may be read again to say where it is; nothing else waits for this task then.
        Poll::Ready(polled.map(|batch| batch.map_err(|error| running.query.translate(error))))
    }
}

fn rows_from_leaves(plan: &dyn ExecutionPlan) -> u64 {
    let children = plan.children();
    if children.is_empty() {
        return plan.metrics().and_then(|metrics| metrics.output_rows()).unwrap_or(0) as u64;
    }
    children.into_iter().map(|child| rows_from_leaves(child.as_ref())).sum()
}

/// The rows of a query and its receipt.
#[derive(Debug)]
pub struct QueryResult {
    pub schema: SchemaRef,
    pub batches: Vec<RecordBatch>,
    pub receipt: Receipt,
}

impl QueryResult {
    /// The number of rows.
    pub fn rows(&self) -> usize {
        self.batches.iter().map(RecordBatch::num_rows).sum()
    }
}
