//! The logical node of an array in a query, and how it is planned.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow::datatypes::{Field, Schema};
use async_trait::async_trait;
use datafusion::catalog::Session;
use datafusion::common::{DFSchema, DFSchemaRef};
use datafusion::error::{DataFusionError, Result as PlanResult};
use datafusion::execution::context::QueryPlanner;
use datafusion::logical_expr::physical_planning_context::PhysicalPlanningContext;
use datafusion::logical_expr::{
    Expr, Extension, LogicalPlan, UserDefinedLogicalNode, UserDefinedLogicalNodeCore,
};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_planner::{DefaultPhysicalPlanner, ExtensionPlanner, PhysicalPlanner};
use swath_array::Array;
use swath_array::run::Runner;

use super::exec::ArrayExec;
use super::frame_source::{FrameSource, column_type};
use super::sources_of;
use crate::error::{Error, Result};

/// The rows of an array of one or two axes, as a relation.
#[derive(Clone)]
pub struct ArrayNode {
    array: Array,
    runner: Runner,
    sources: Vec<Arc<FrameSource>>,
    inputs: Vec<LogicalPlan>,
    schema: DFSchemaRef,
}

impl ArrayNode {
    /// An array `[rows]` with one name, or `[rows, columns]` with as many names as columns.
    ///
    /// # Errors
    /// Another number of axes or names; a type that no column has.
    pub fn new(array: &Array, names: &[String], runner: Runner) -> Result<ArrayNode> {
        let shape = swath_array::error::show_shape(array.shape());
        let columns = match array.shape() {
            [_] => 1,
            [_, columns] => *columns,
            _ => {
                let message =
                    format!("an array of shape {shape} is no table: one or two axes are rows and columns");
                return Err(Error::user(message));
            }
        };
        if columns != names.len() {
            let message = format!(
                "an array of shape {shape} has {columns} columns, and there are {} names",
                names.len()
            );
            return Err(Error::user(message));
        }
        let data_type = column_type(array.dtype()).ok_or_else(|| {
            Error::user(format!("no column holds {}: cast the array, or take its parts", array.dtype()))
        })?;
        let fields: Vec<Field> =
            names.iter().map(|name| Field::new(name, data_type.clone(), false)).collect();
        let schema =
            DFSchema::try_from(Schema::new(fields)).map_err(|error| Error::user(error.strip_backtrace()))?;
        let sources = sources_of(std::slice::from_ref(array));
        let inputs = sources.iter().map(|source| source.plan().clone()).collect();
        Ok(ArrayNode { array: array.clone(), runner, sources, inputs, schema: Arc::new(schema) })
    }

    /// As a logical plan.
    pub fn into_plan(self) -> LogicalPlan {
        LogicalPlan::Extension(Extension { node: Arc::new(self) })
    }
}

impl fmt::Debug for ArrayNode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Array: {:?}", self.array)
    }
}

// An array is itself by its number, whatever its names.
impl PartialEq for ArrayNode {
    fn eq(&self, other: &Self) -> bool {
        self.array.id() == other.array.id() && self.schema == other.schema
    }
}

impl Eq for ArrayNode {}

impl PartialOrd for ArrayNode {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        self.array.id().partial_cmp(&other.array.id())
    }
}

impl Hash for ArrayNode {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.array.id().hash(state);
    }
}

impl UserDefinedLogicalNodeCore for ArrayNode {
    fn name(&self) -> &str {
        "Array"
    }

    fn inputs(&self) -> Vec<&LogicalPlan> {
        self.inputs.iter().collect()
    }

    fn schema(&self) -> &DFSchemaRef {
        &self.schema
    }

    fn expressions(&self) -> Vec<Expr> {
        vec![]
    }

    fn fmt_for_explain(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let shape = swath_array::error::show_shape(self.array.shape());
        write!(f, "Array: {}{shape}", self.array.dtype())
    }

    fn with_exprs_and_inputs(&self, _: Vec<Expr>, inputs: Vec<LogicalPlan>) -> PlanResult<Self> {
        Ok(ArrayNode { inputs, ..self.clone() })
    }

    /// All columns of the frames: an array has read them as they are.
    fn necessary_children_exprs(&self, _: &[usize]) -> Option<Vec<Vec<usize>>> {
        Some(self.inputs.iter().map(|input| (0..input.schema().fields().len()).collect()).collect())
    }
}

/// DataFusion's planner, which knows arrays too.
#[derive(Debug)]
pub struct ArrayPlanner;

#[async_trait]
impl QueryPlanner for ArrayPlanner {
    async fn create_physical_plan(
        &self,
        plan: &LogicalPlan,
        session: &dyn Session,
    ) -> PlanResult<Arc<dyn ExecutionPlan>> {
        let planner = DefaultPhysicalPlanner::with_extension_planners(vec![Arc::new(ArrayPlanner)]);
        planner.create_physical_plan(plan, session).await
    }
}

#[async_trait]
impl ExtensionPlanner for ArrayPlanner {
    async fn plan_extension(
        &self,
        _: &dyn PhysicalPlanner,
        node: &dyn UserDefinedLogicalNode,
        _: &[&LogicalPlan],
        inputs: &[Arc<dyn ExecutionPlan>],
        _: &dyn Session,
        _: &PhysicalPlanningContext,
    ) -> PlanResult<Option<Arc<dyn ExecutionPlan>>> {
        let Some(node) = node.as_any().downcast_ref::<ArrayNode>() else { return Ok(None) };
        if inputs.len() != node.sources.len() {
            return Err(DataFusionError::Internal("an array without one of its frames".to_string()));
        }
        let schema = Arc::clone(node.schema.inner());
        let (array, sources) = (node.array.clone(), node.sources.clone());
        Ok(Some(Arc::new(ArrayExec::new(array, schema, sources, inputs.to_vec(), node.runner.clone()))))
    }
}
