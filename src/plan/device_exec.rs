//! The node that runs a tree of operators on a device.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use datafusion::common::Statistics;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::error::{DataFusionError, Result as PlanResult};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::{Partitioning, PhysicalExpr};
use datafusion::physical_plan::execution_plan::{
    EmissionType, ReplaceChildrenOptions, replace_children_if_necessary,
};
use datafusion::physical_plan::metrics::{ExecutionPlanMetricsSet, MetricsSet};
use datafusion::physical_plan::statistics::{StatisticsArgs, StatisticsContext};
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, ExecutionPlanProperties, PlanProperties,
};

use super::cost::{Decision, Seconds};
use super::device_run::DeviceRun;
use super::engine::Engine;
use super::stages::{self, DevicePlan};
use super::to_plan_error;
use super::tree::{Node, Tree};
use crate::observe::FallbackReceipt;

/// Runs a tree of operators on a device, over inputs that it uploads or finds there.
///
/// It keeps the CPU plan that it replaced and can run that instead: on the rows of one chunk, where the tree gives
/// each chunk's result at once, or on the whole inputs, where nothing has been given yet. So no row is ever given
/// twice.
///
/// # Shape
/// Any number of inputs, each of any number of partitions, merged in turn; one output partition.
/// # Guarantee
/// Order: input order for filters and projections, groups by first occurrence for aggregates, the order of the side
/// that looks up for joins; the same run after run if the input partitions are.
#[derive(Debug)]
pub struct DeviceExec {
    plan: Arc<DevicePlan>,
    tree: Arc<Tree>,
    inputs: Vec<Arc<dyn ExecutionPlan>>,
    /// The same operators as a CPU plan over `inputs`.
    host: Arc<dyn ExecutionPlan>,
    decision: Decision,
    engine: Arc<Engine>,
    properties: Arc<PlanProperties>,
    metrics: ExecutionPlanMetricsSet,
    incidents: Incidents,
}

/// What went otherwise than planned while a node ran. Clones share the list.
#[derive(Clone, Debug, Default)]
pub struct Incidents(Arc<Mutex<Vec<FallbackReceipt>>>);

impl Incidents {
    /// Notes one; the same one again is not noted twice.
    pub fn add(&self, operator: &str, reason: String) {
        let incident = FallbackReceipt { operator: operator.to_string(), reason };
        let mut incidents = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !incidents.contains(&incident) {
            incidents.push(incident);
        }
    }

    /// Returns what was noted so far.
    pub fn list(&self) -> Vec<FallbackReceipt> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl DeviceExec {
    /// Puts a device in the place of `tree`, which `plan` is compiled from.
    pub fn new(plan: DevicePlan, tree: Tree, decision: Decision, engine: Arc<Engine>) -> Self {
        let inputs = tree.leaves().into_iter().map(|leaf| leaf.plan.clone()).collect();
        let host = tree.host().clone();
        let properties = Arc::new(properties(&tree, &plan, &host));
        DeviceExec {
            plan: Arc::new(plan),
            tree: Arc::new(tree),
            inputs,
            host,
            decision,
            engine,
            properties,
            metrics: ExecutionPlanMetricsSet::new(),
            incidents: Incidents::default(),
        }
    }

    /// Whether each chunk gives its result at once, so that rows keep their order.
    pub fn streams(&self) -> bool {
        self.plan.streams
    }

    /// Returns the operators of the tree on one line each, inputs first.
    pub fn operators(&self) -> Vec<String> {
        self.tree.nodes().into_iter().map(Node::describe).collect()
    }

    /// Returns why the tree runs on a device, and the estimated cost of both places.
    pub fn decision(&self) -> &Decision {
        &self.decision
    }

    /// Returns what fell back to the CPU while the node ran.
    pub fn incidents(&self) -> Vec<FallbackReceipt> {
        self.incidents.list()
    }

    /// Returns the device that the node runs on.
    pub fn place(&self) -> String {
        self.engine.place()
    }

    /// Returns the name of the device that the node runs on.
    pub fn device_name(&self) -> Option<String> {
        self.engine.device_name()
    }
}

/// Rows come in one partition; they keep an order where the tree does.
fn properties(tree: &Tree, plan: &DevicePlan, host: &Arc<dyn ExecutionPlan>) -> PlanProperties {
    let mut equivalences = host.equivalence_properties().clone();
    if !tree.keeps_order() {
        equivalences.clear_orderings();
        equivalences.clear_per_partition_constants();
    }
    let emission = if plan.streams { EmissionType::Incremental } else { EmissionType::Final };
    PlanProperties::new(equivalences, Partitioning::UnknownPartitioning(1), emission, host.boundedness())
}

/// Answers `plan`, which lies on `old` plans, over `new` ones instead.
pub fn rebase(
    plan: &Arc<dyn ExecutionPlan>,
    old: &[Arc<dyn ExecutionPlan>],
    new: &[Arc<dyn ExecutionPlan>],
) -> PlanResult<Arc<dyn ExecutionPlan>> {
    if let Some(place) = old.iter().position(|old| Arc::ptr_eq(plan, old)) {
        return Ok(new[place].clone());
    }
    let children: PlanResult<Vec<_>> =
        plan.children().into_iter().map(|child| rebase(child, old, new)).collect();
    replace_children_if_necessary(plan.clone(), children?)
}

impl DisplayAs for DeviceExec {
    fn fmt_as(&self, format: DisplayFormatType, f: &mut fmt::Formatter) -> fmt::Result {
        let (place, operators) = (self.engine.place(), self.operators().join(" → "));
        let (device, host) = (Seconds(self.decision.device_s), Seconds(self.decision.host_s));
        match format {
            DisplayFormatType::TreeRender => {
                writeln!(f, "place={place}")?;
                write!(f, "{operators}")
            }
            _ => write!(
                f,
                "DeviceExec: {operators}; place={place}, cost={device} (host {host}), reason={}",
                self.decision.reason
            ),
        }
    }
}

impl ExecutionPlan for DeviceExec {
    fn name(&self) -> &str {
        "DeviceExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        self.inputs.iter().collect()
    }

    fn maintains_input_order(&self) -> Vec<bool> {
        let alone = self.plan.streams && self.tree.keeps_order();
        vec![alone; self.inputs.len()]
    }

    fn benefits_from_input_partitioning(&self) -> Vec<bool> {
        vec![false; self.inputs.len()]
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
        if children.len() != self.inputs.len() {
            return Err(DataFusionError::Internal(format!(
                "DeviceExec has {} inputs, not {}",
                self.inputs.len(),
                children.len()
            )));
        }
        let tree = self.tree.rebase(&self.inputs, &children)?;
        let host = tree.host().clone();
        let properties = Arc::new(properties(&tree, &self.plan, &host));
        Ok(Arc::new(DeviceExec {
            plan: self.plan.clone(),
            tree: Arc::new(tree),
            inputs: children,
            host,
            decision: self.decision.clone(),
            engine: self.engine.clone(),
            properties,
            metrics: ExecutionPlanMetricsSet::new(),
            incidents: Incidents::default(),
        }))
    }

    fn with_new_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn ExecutionPlan>>,
    ) -> PlanResult<Arc<dyn ExecutionPlan>> {
        let options = ReplaceChildrenOptions::new(
            datafusion::physical_plan::execution_plan::ChildrenPropertiesMode::Recompute,
        );
        self.replace_children(children, options)
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> PlanResult<SendableRecordBatchStream> {
        if partition != 0 {
            return Err(DataFusionError::Internal(format!(
                "DeviceExec has one partition, not {}",
                partition + 1
            )));
        }
        let plan = match self.tree.nodes().iter().any(|node| node.pending) {
            true => {
                let resolved = self.tree.resolve().and_then(|tree| stages::compile(&tree));
                Arc::new(resolved.map_err(to_plan_error)?)
            }
            false => self.plan.clone(),
        };
        let run = DeviceRun::new(
            plan,
            self.inputs.clone(),
            self.host.clone(),
            self.engine.clone(),
            context,
            &self.metrics,
            self.incidents.clone(),
        )?;
        Ok(run.stream())
    }

    fn metrics(&self) -> Option<MetricsSet> {
        Some(self.metrics.clone_inner())
    }

    fn statistics_from_inputs(
        &self,
        _: &[Arc<Statistics>],
        _: &StatisticsArgs,
    ) -> PlanResult<Arc<Statistics>> {
        StatisticsContext::new().compute(self.host.as_ref(), &StatisticsArgs::new())
    }
}
