//! Tables pinned in device memory.
//!
//! A pinned table is registered in the place of the original under the same name. Its scan is a [`ResidentScanExec`]
//! over the scan of the original: device nodes above it read the table where it lies, everything else reads the
//! original. The device's copy is that of the moment of pinning.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::Statistics;
use datafusion::common::runtime::SpawnedTask;
use datafusion::common::stats::Precision;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::error::Result as PlanResult;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::{Expr, LogicalPlan, TableProviderFilterPushDown, TableType};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_plan::coop::CooperativeExec;
use datafusion::physical_plan::execution_plan::{
    ChildrenPropertiesMode, ReplaceChildrenOptions, reset_plan_states,
};
use datafusion::physical_plan::statistics::{ChildStats, StatisticsArgs};
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, ExecutionPlanProperties, PlanProperties,
};
use datafusion::prelude::SessionContext;
use serde::Serialize;

use super::engine::Engine;
use super::feed::{InTurn, host_bytes, join};
use super::{from_plan_error, only_input, to_plan_error};
use crate::column::{DeviceChunk, DeviceTable, StagedChunk, Storage};
use crate::error::{Error, Result};
use crate::observe::receipt::human_bytes;
use crate::worker::{CancelToken, Worker};

/// Bytes of the largest chunk of a resident table: large, so that a scan is a handful of launches, and a small share
/// of the device's memory, so that staging one does not take much of the host's.
const CHUNK_BYTES_MAX: u64 = 1 << 30;

/// What pinning a table did.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PinReport {
    pub table: String,
    pub rows: u64,
    /// Bytes of device memory that the table takes.
    pub bytes: u64,
    /// What each column takes of them, in the table's order.
    pub columns: Vec<PinnedColumn>,
    /// The device that holds it: `gpu:0`.
    pub device: String,
    pub elapsed: Duration,
}

/// A column of a pinned table.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PinnedColumn {
    pub name: String,
    /// Bytes of device memory over all chunks: values, and where there are any validity, offsets and dictionary.
    pub bytes: u64,
}

impl fmt::Display for PinReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "pinned '{}' on {}: {} rows, {} in {:.2} s",
            self.table,
            self.device,
            self.rows,
            human_bytes(self.bytes),
            self.elapsed.as_secs_f64()
        )
    }
}

/// Loads a table into device memory; scans of it then read it from there.
///
/// # Errors
/// A user error for an unknown table; unsupported without a device or for a column type that devices do not take;
/// out of memory where the table does not fit.
pub async fn pin(engine: &Arc<Engine>, context: &SessionContext, table: &str) -> Result<PinReport> {
    let begin = Instant::now();
    let provider = context.table_provider(table).await.map_err(from_plan_error)?;
    let worker = engine.worker().ok_or_else(|| {
        let absence = engine.absence().unwrap_or("none was started");
        Error::unsupported(format!("cannot pin table '{table}': there is no device: {absence}"))
    })?;
    let original = match provider.downcast_ref::<ResidentTable>() {
        Some(pinned) => pinned.original.clone(),
        None => provider,
    };
    let schema = original.schema();
    for field in schema.fields() {
        if Storage::of(field.data_type()).is_none() {
            return Err(Error::unsupported(format!(
                "cannot pin table '{table}': column '{}' is of type {}, which has no device form",
                field.name(),
                field.data_type()
            )));
        }
    }
    let state = context.state();
    let mut full_scan = original.scan(&state, None, &[], None).await.map_err(from_plan_error)?;
    let options = state.config_options();
    if full_scan.output_ordering().is_none()
        && let Some(finer) =
            full_scan.repartitioned(options.execution.target_partitions, options).map_err(from_plan_error)?
    {
        full_scan = finer;
    }
    let mut pinned = ResidentTable {
        key: fresh_key(table),
        original,
        full_scan,
        engine: engine.clone(),
        rows: 0,
        device_bytes: 0,
    };
    let loaded = pinned
        .upload(worker, context.task_ctx(), &CancelToken::new())
        .await
        .map_err(|error| error.context(format!("cannot pin table '{table}'")))?;
    pinned.rows = loaded.rows();
    pinned.device_bytes = loaded.device_bytes();
    let report = PinReport {
        table: table.to_string(),
        rows: pinned.rows as u64,
        bytes: pinned.device_bytes as u64,
        columns: pinned_columns(&loaded),
        device: engine.place(),
        elapsed: begin.elapsed(),
    };
    context.deregister_table(table).map_err(from_plan_error)?;
    context.register_table(table, Arc::new(pinned)).map_err(from_plan_error)?;
    Ok(report)
}

/// Adds up what each column takes.
fn pinned_columns(table: &DeviceTable) -> Vec<PinnedColumn> {
    let bytes =
        |index: usize| table.chunks.iter().map(|chunk| chunk.columns[index].device_bytes() as u64).sum();
    let fields = table.schema.fields().iter().enumerate();
    fields.map(|(index, field)| PinnedColumn { name: field.name().clone(), bytes: bytes(index) }).collect()
}

/// Frees a pinned table's device memory; scans of it read the original source again.
///
/// # Errors
/// A user error for a table that is unknown or not pinned.
pub async fn unpin(_engine: &Arc<Engine>, context: &SessionContext, table: &str) -> Result<()> {
    let provider = context.table_provider(table).await.map_err(from_plan_error)?;
    let Some(pinned) = provider.downcast_ref::<ResidentTable>() else {
        return Err(Error::user(format!("table '{table}' is not pinned")));
    };
    context.deregister_table(table).map_err(from_plan_error)?;
    context.register_table(table, pinned.original.clone()).map_err(from_plan_error)?;
    Ok(())
}

/// Makes a key that no table of this process had before, so that a query over an earlier pinning keeps its rows.
fn fresh_key(table: &str) -> String {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    format!("{table}#{}", NEXT.fetch_add(1, Ordering::Relaxed))
}

/// A table whose rows are in device memory, or were until others needed the room: then they are in host memory, or are
/// loaded again.
#[derive(Debug)]
struct ResidentTable {
    key: String,
    original: Arc<dyn TableProvider>,
    /// Reads every column and row of the original.
    full_scan: Arc<dyn ExecutionPlan>,
    engine: Arc<Engine>,
    rows: usize,
    device_bytes: usize,
}

impl Drop for ResidentTable {
    fn drop(&mut self) {
        if let Some(worker) = self.engine.worker() {
            worker.drop_resident(&self.key);
        }
    }
}

impl ResidentTable {
    /// Reads the original and keeps it in device memory under the table's key.
    async fn upload(
        &self,
        worker: &Worker,
        context: Arc<TaskContext>,
        cancel: &CancelToken,
    ) -> Result<Arc<DeviceTable>> {
        upload(&self.key, &self.full_scan, worker, context, cancel).await
    }
}

/// Reads all rows of `full_scan` and keeps them in device memory under `key`.
async fn upload(
    key: &str,
    full_scan: &Arc<dyn ExecutionPlan>,
    worker: &Worker,
    context: Arc<TaskContext>,
    cancel: &CancelToken,
) -> Result<Arc<DeviceTable>> {
    let scan = reset_plan_states(full_scan.clone()).map_err(from_plan_error)?;
    let schema = scan.schema();
    let chunk_bytes = (worker.memory_limit() / 16).clamp(1 << 20, CHUNK_BYTES_MAX) as usize;
    let partitions = scan.output_partitioning().partition_count();
    let execute = |partition| scan.execute(partition, context.clone()).map_err(from_plan_error);
    // Where the rows have an order, they keep it: one partition after the other.
    let inputs: Vec<InTurn> = if scan.output_ordering().is_some() {
        (0..partitions).map(|partition| Ok(InTurn::new(vec![execute(partition)?]))).collect::<Result<_>>()?
    } else {
        vec![InTurn::new((0..partitions).map(execute).collect::<Result<_>>()?)]
    };
    let mut chunks: Vec<Arc<DeviceChunk>> = vec![];
    // While one chunk is staged and copied, the next is gathered.
    let mut sending: Option<SpawnedTask<Result<Vec<Arc<DeviceChunk>>>>> = None;
    let (mut batches, mut bytes) = (vec![], 0);
    for mut input in inputs {
        while let Some(batch) = input.next().await {
            let batch = batch.map_err(from_plan_error)?;
            bytes += batch.columns().iter().map(host_bytes).sum::<usize>();
            batches.push(batch);
            if bytes >= chunk_bytes {
                let next = SpawnedTask::spawn(send(
                    schema.clone(),
                    std::mem::take(&mut batches),
                    worker.clone(),
                    cancel.clone(),
                ));
                if let Some(previous) = sending.replace(next) {
                    chunks.extend(join(previous).await?);
                }
                bytes = 0;
            }
        }
    }
    if let Some(last) = sending {
        chunks.extend(join(last).await?);
    }
    if !batches.is_empty() {
        chunks.extend(send(schema.clone(), batches, worker.clone(), cancel.clone()).await?);
    }
    let (key, table) = (key.to_string(), DeviceTable { schema, chunks });
    worker
        .run("pin", cancel.clone(), move |task| {
            task.synchronize()?;
            task.keep_resident(&key, table)
        })
        .await
}

/// Stages `batches` and copies them to the device.
async fn send(
    schema: SchemaRef,
    batches: Vec<RecordBatch>,
    worker: Worker,
    cancel: CancelToken,
) -> Result<Vec<Arc<DeviceChunk>>> {
    let pool = worker.pinned_pool().clone();
    let staged =
        join(SpawnedTask::spawn_blocking(move || StagedChunk::stage_all(&schema, &batches, 1, &pool)))
            .await?;
    worker
        .run("pin", cancel, move |task| {
            staged.into_iter().map(|staged| task.upload(staged).map(Arc::new)).collect()
        })
        .await
}

#[async_trait]
impl TableProvider for ResidentTable {
    fn schema(&self) -> SchemaRef {
        self.original.schema()
    }

    fn constraints(&self) -> Option<&datafusion::common::Constraints> {
        self.original.constraints()
    }

    fn table_type(&self) -> TableType {
        self.original.table_type()
    }

    fn get_table_definition(&self) -> Option<&str> {
        self.original.get_table_definition()
    }

    fn get_logical_plan(&'_ self) -> Option<Cow<'_, LogicalPlan>> {
        None
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> PlanResult<Arc<dyn ExecutionPlan>> {
        let host = self.original.scan(state, projection, filters, limit).await?;
        let columns = match projection {
            Some(columns) => columns.clone(),
            None => (0..self.schema().fields().len()).collect(),
        };
        Ok(Arc::new(ResidentScanExec {
            key: self.key.clone(),
            columns,
            rows: self.rows,
            full_scan: self.full_scan.clone(),
            engine: self.engine.clone(),
            host,
        }))
    }

    /// The original may use filters to read less; the device's copy has all rows, so that filters stay above.
    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> PlanResult<Vec<TableProviderFilterPushDown>> {
        let answers = self.original.supports_filters_pushdown(filters)?;
        Ok(answers
            .into_iter()
            .map(|answer| match answer {
                TableProviderFilterPushDown::Exact => TableProviderFilterPushDown::Inexact,
                other => other,
            })
            .collect())
    }

    fn statistics(&self) -> Option<Statistics> {
        self.original.statistics()
    }
}

/// Scans a pinned table: from device memory where a device node is right above, else from the original source.
#[derive(Clone, Debug)]
pub struct ResidentScanExec {
    key: String,
    /// The table's columns that the scan gives, in order.
    columns: Vec<usize>,
    rows: usize,
    full_scan: Arc<dyn ExecutionPlan>,
    engine: Arc<Engine>,
    /// The scan of the original.
    host: Arc<dyn ExecutionPlan>,
}

impl ResidentScanExec {
    /// Whether the table is in device memory now.
    pub fn is_loaded(&self) -> bool {
        self.engine.worker().is_some_and(|worker| worker.has_resident(&self.key))
    }

    /// Returns the share of the table's bytes that had to leave the device; 0 where all are there, 1 where none is.
    pub fn spilled_share(&self) -> f64 {
        self.engine.worker().map_or(0.0, |worker| worker.spilled_share(&self.key))
    }

    /// Returns the table's columns that the scan gives.
    pub fn columns(&self) -> &[usize] {
        &self.columns
    }

    /// Answers the table in device memory, loading it again where it was evicted; `None` where it does not fit any
    /// more, so that the caller reads the original.
    ///
    /// # Errors
    /// Those of reading the original, and of the device.
    pub async fn load(
        &self,
        worker: &Worker,
        context: &Arc<TaskContext>,
        cancel: &CancelToken,
    ) -> PlanResult<Option<Arc<DeviceTable>>> {
        let key = self.key.clone();
        let found = worker.run("resident", cancel.clone(), move |task| task.resident(&key)).await;
        match found {
            Ok(Some(table)) => return Ok(Some(table)),
            Ok(None) => {}
            // Parts of it had to leave the device, and others are in the way of their return.
            Err(error) if error.is_out_of_memory() => return Ok(None),
            Err(error) => return Err(to_plan_error(error)),
        }
        match upload(&self.key, &self.full_scan, worker, context.clone(), cancel).await {
            Ok(table) => Ok(Some(table)),
            Err(error) if error.is_retryable() => Ok(None),
            Err(error) => Err(to_plan_error(error)),
        }
    }
}

/// Answers the scan of a pinned table, where `leaf` is one.
pub fn resident_scan(leaf: &Arc<dyn ExecutionPlan>) -> Option<&ResidentScanExec> {
    match leaf.downcast_ref::<CooperativeExec>() {
        Some(cooperative) => resident_scan(cooperative.input()),
        None => leaf.downcast_ref::<ResidentScanExec>(),
    }
}

impl DisplayAs for ResidentScanExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter) -> fmt::Result {
        let table = self.key.split('#').next().unwrap_or(&self.key);
        let state = if self.is_loaded() { "resident" } else { "evicted" };
        write!(f, "ResidentScanExec: {table}, {state} on {}, rows={}", self.engine.place(), self.rows)
    }
}

impl ExecutionPlan for ResidentScanExec {
    fn name(&self) -> &str {
        "ResidentScanExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        self.host.properties()
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.host]
    }

    fn maintains_input_order(&self) -> Vec<bool> {
        vec![true]
    }

    fn apply_expressions(
        &self,
        _: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> PlanResult<TreeNodeRecursion>,
    ) -> PlanResult<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn replace_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn ExecutionPlan>>,
        _: ReplaceChildrenOptions,
    ) -> PlanResult<Arc<dyn ExecutionPlan>> {
        let host = only_input(self.name(), children)?;
        Ok(Arc::new(ResidentScanExec { host, ..self.as_ref().clone() }))
    }

    fn with_new_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn ExecutionPlan>>,
    ) -> PlanResult<Arc<dyn ExecutionPlan>> {
        self.replace_children(children, ReplaceChildrenOptions::new(ChildrenPropertiesMode::Recompute))
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> PlanResult<SendableRecordBatchStream> {
        self.host.execute(partition, context)
    }

    fn child_stats_requests(&self, partition: Option<usize>) -> Vec<ChildStats> {
        vec![ChildStats::At(partition)]
    }

    fn statistics_from_inputs(
        &self,
        inputs: &[Arc<Statistics>],
        args: &StatisticsArgs,
    ) -> PlanResult<Arc<Statistics>> {
        let mut statistics = inputs[0].as_ref().clone();
        if args.partition().is_none() && !matches!(statistics.num_rows, Precision::Exact(_)) {
            statistics.num_rows = Precision::Inexact(self.rows);
        }
        Ok(Arc::new(statistics))
    }
}
