//! The physical node that runs the stages of an array, and gives its values as rows.

use std::fmt;
use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, PrimitiveArray, RecordBatch};
use arrow::datatypes::{self, ArrowPrimitiveType, SchemaRef};
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::error::Result as PlanResult;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::{EquivalenceProperties, PhysicalExpr};
use datafusion::physical_plan::execution_plan::{
    Boundedness, ChildrenPropertiesMode, EmissionType, ReplaceChildrenOptions,
};
use datafusion::physical_plan::metrics::{BaselineMetrics, ExecutionPlanMetricsSet, MetricsSet};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, Partitioning, PlanProperties, collect_partitioned,
};
use futures::{StreamExt, TryStreamExt, stream};
use swath_array::graph::{Region, automatic_chunks};
use swath_array::run::accelerate::name;
use swath_array::run::{Prepared, Runner};
use swath_array::tensor::Slice;
use swath_array::{Array, DType, Tensor};
use tokio::sync::OnceCell;

use super::frame_source::FrameSource;
use crate::error::Error;
use crate::plan::cost::Seconds;
use crate::plan::to_plan_error;

/// Rows of a batch that is made at once.
const BATCH_ROWS: usize = 64 << 10;

/// Runs the stages of an array of one or two axes, and gives its rows. Its children are the frames that it reads, in
/// the order in which their rows are.
pub struct ArrayExec {
    array: Array,
    schema: SchemaRef,
    sources: Vec<Arc<FrameSource>>,
    children: Vec<Arc<dyn ExecutionPlan>>,
    runner: Runner,
    properties: Arc<PlanProperties>,
    metrics: ExecutionPlanMetricsSet,
    prepared: Arc<OnceCell<Arc<Prepared>>>,
}

impl ArrayExec {
    /// A node that gives the rows of `array` as columns of `schema`; `children` are the plans of `sources`.
    pub fn new(
        array: Array,
        schema: SchemaRef,
        sources: Vec<Arc<FrameSource>>,
        children: Vec<Arc<dyn ExecutionPlan>>,
        runner: Runner,
    ) -> ArrayExec {
        let properties = PlanProperties::new(
            EquivalenceProperties::new(schema.clone()),
            Partitioning::UnknownPartitioning(1),
            EmissionType::Incremental,
            Boundedness::Bounded,
        );
        let prepared = Arc::default();
        let metrics = ExecutionPlanMetricsSet::new();
        ArrayExec {
            array,
            schema,
            sources,
            children,
            runner,
            properties: Arc::new(properties),
            metrics,
            prepared,
        }
    }
}

/// Runs the plans of frames that arrays read, so that they can be read.
///
/// # Errors
/// Those of the plans, and of [`FrameSource::load`].
pub async fn load_sources(
    sources: &[Arc<FrameSource>],
    plans: &[Arc<dyn ExecutionPlan>],
    context: &Arc<TaskContext>,
) -> PlanResult<()> {
    for (source, plan) in sources.iter().zip(plans).filter(|(source, _)| !source.is_loaded()) {
        // Partition after partition: for a scan that is the order of its files.
        let partitions = collect_partitioned(Arc::clone(plan), Arc::clone(context)).await?;
        let batches: Vec<RecordBatch> = partitions.into_iter().flatten().collect();
        source.load(&batches).map_err(to_plan_error)?;
    }
    Ok(())
}

impl fmt::Debug for ArrayExec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ArrayExec({:?})", self.array)
    }
}

impl DisplayAs for ArrayExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let arrays = std::slice::from_ref(&self.array);
        let shape = swath_array::error::show_shape(self.array.shape());
        write!(f, "ArrayExec: {}{shape}", self.array.dtype())?;
        let Some(accelerator) = self.runner.accelerator() else {
            return write!(f, ", {} stages", self.runner.plan(arrays).stages.len());
        };
        let stages = self.runner.expectations(arrays, accelerator.as_ref());
        write!(f, ", {} stages", stages.len())?;
        for (number, (stage, expected)) in stages.iter().enumerate() {
            let before = if number == 0 { ": " } else { ", " };
            write!(f, "{before}{} on {}", name(&stage.array), expected.place)?;
            if let (Some(device), Some(host)) = (expected.device_s, expected.host_s) {
                write!(f, " (device {}, host {})", Seconds(device), Seconds(host))?;
            }
        }
        Ok(())
    }
}

impl ExecutionPlan for ArrayExec {
    fn name(&self) -> &str {
        "ArrayExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        self.children.iter().collect()
    }

    /// Rows are found by their number: nothing may put them in another order.
    fn benefits_from_input_partitioning(&self) -> Vec<bool> {
        vec![false; self.children.len()]
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
        let (array, schema) = (self.array.clone(), self.schema.clone());
        Ok(Arc::new(ArrayExec::new(array, schema, self.sources.clone(), children, self.runner.clone())))
    }

    fn with_new_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn ExecutionPlan>>,
    ) -> PlanResult<Arc<dyn ExecutionPlan>> {
        self.replace_children(children, ReplaceChildrenOptions::new(ChildrenPropertiesMode::Recompute))
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> PlanResult<SendableRecordBatchStream> {
        let metrics = BaselineMetrics::new(&self.metrics, partition);
        let (array, runner, prepared) = (self.array.clone(), self.runner.clone(), self.prepared.clone());
        let (sources, children, schema) = (self.sources.clone(), self.children.clone(), self.schema.clone());
        let threads = runner.threads();
        let batches = stream::once(async move {
            let made = prepared
                .get_or_try_init(|| async {
                    load_sources(&sources, &children, &context).await?;
                    let array = array.clone();
                    let made = tokio::task::spawn_blocking(move || runner.prepare(&array)).await;
                    let made = made.map_err(|error| to_plan_error(Error::bug(error.to_string())))?;
                    made.map(Arc::new).map_err(|error| to_plan_error(error.into()))
                })
                .await?;
            Ok::<_, datafusion::error::DataFusionError>(row_batches(array, Arc::clone(made), schema, threads))
        });
        let counted = batches.try_flatten().inspect(move |batch| {
            if let Ok(batch) = batch {
                metrics.record_output(batch.num_rows());
            }
        });
        Ok(Box::pin(RecordBatchStreamAdapter::new(self.schema.clone(), counted)))
    }

    fn metrics(&self) -> Option<MetricsSet> {
        Some(self.metrics.clone_inner())
    }
}

/// The rows of an array in order, some batches ahead.
fn row_batches(
    array: Array,
    prepared: Arc<Prepared>,
    schema: SchemaRef,
    ahead: usize,
) -> impl futures::Stream<Item = PlanResult<RecordBatch>> {
    let shape = array.shape().to_vec();
    let rows = automatic_chunks(array.dtype(), &shape)[0].clamp(1, BATCH_ROWS);
    let starts = (0..shape[0]).step_by(rows);
    let batch = move |start: usize| {
        let (prepared, schema) = (Arc::clone(&prepared), schema.clone());
        let mut region = Region::whole(&shape);
        (region.start[0], region.shape[0]) = (start, rows.min(shape[0] - start));
        async move {
            let made = tokio::task::spawn_blocking(move || {
                let values = prepared.region(&region)?;
                to_batch(&values, schema)
            });
            let made = made.await.map_err(|error| to_plan_error(Error::bug(error.to_string())))?;
            made.map_err(to_plan_error)
        }
    };
    stream::iter(starts.map(batch)).buffered(ahead)
}

/// Values of one or two axes as columns.
fn to_batch(values: &Tensor, schema: SchemaRef) -> crate::Result<RecordBatch> {
    let rows = values.shape()[0];
    let column = |index: usize| {
        let one = match values.ndim() {
            1 => values.clone(),
            _ => {
                let part = values.slice(&[Slice::range(0, rows), Slice::range(index, 1)]);
                part.reshape(&[rows])?
            }
        };
        to_column(&one)
    };
    let columns = (0..schema.fields().len()).map(column).collect::<crate::Result<Vec<_>>>()?;
    RecordBatch::try_new(schema, columns).map_err(|error| Error::bug(error.to_string()))
}

fn to_column(values: &Tensor) -> crate::Result<ArrayRef> {
    fn primitive<T: ArrowPrimitiveType>(values: &Tensor) -> crate::Result<ArrayRef>
    where
        T::Native: swath_array::dtype::Element,
    {
        let values = values.to_vec::<T::Native>()?;
        Ok(Arc::new(PrimitiveArray::<T>::from_iter_values(values)))
    }
    match values.dtype() {
        DType::Bool => Ok(Arc::new(BooleanArray::from(values.to_vec::<bool>()?))),
        DType::I8 => primitive::<datatypes::Int8Type>(values),
        DType::I16 => primitive::<datatypes::Int16Type>(values),
        DType::I32 => primitive::<datatypes::Int32Type>(values),
        DType::I64 => primitive::<datatypes::Int64Type>(values),
        DType::U8 => primitive::<datatypes::UInt8Type>(values),
        DType::U16 => primitive::<datatypes::UInt16Type>(values),
        DType::U32 => primitive::<datatypes::UInt32Type>(values),
        DType::U64 => primitive::<datatypes::UInt64Type>(values),
        DType::F16 => primitive::<datatypes::Float16Type>(values),
        DType::F32 => primitive::<datatypes::Float32Type>(values),
        DType::F64 => primitive::<datatypes::Float64Type>(values),
        other => Err(Error::bug(format!("no column has type {other}"))),
    }
}
