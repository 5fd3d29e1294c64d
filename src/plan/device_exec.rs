//! The node that runs a chain on a device.

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

use super::chain::{self, ChainStep, DevicePlan};
use super::cost::{Decision, Seconds};
use super::device_run::DeviceRun;
use super::engine::Engine;
use super::{only_input, to_plan_error};
use crate::observe::FallbackReceipt;

/// Runs a chain of filters, projections and aggregates on a device, over one input that it uploads or finds there.
///
/// It keeps the CPU plan that it replaced and can run that instead: on the rows of one chunk, where the chain gives
/// each chunk's result at once, or on the whole input, where nothing has been given yet. So no row is ever given
/// twice.
///
/// # Shape
/// Any number of input partitions, merged in turn; one output partition.
/// # Guarantee
/// Order: input order for chains without aggregates, groups by first occurrence for aggregates; the same
/// run after run if the input partitions are.
#[derive(Debug)]
pub struct DeviceExec {
    plan: Arc<DevicePlan>,
    /// The operators of the chain, the first to run first.
    steps: Arc<Vec<ChainStep>>,
    input: Arc<dyn ExecutionPlan>,
    /// The same chain as a CPU plan over `input`.
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
    /// Puts a device in the place of `host`, a chain over `input`.
    pub fn new(
        plan: DevicePlan,
        steps: Vec<ChainStep>,
        input: Arc<dyn ExecutionPlan>,
        host: Arc<dyn ExecutionPlan>,
        decision: Decision,
        engine: Arc<Engine>,
    ) -> Self {
        let properties = Arc::new(properties(&plan, &input, &host));
        DeviceExec {
            plan: Arc::new(plan),
            steps: Arc::new(steps),
            input,
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

    /// Returns the operators of the chain on one line each, the first to run first.
    pub fn operators(&self) -> Vec<String> {
        self.steps.iter().map(ChainStep::describe).collect()
    }

    /// Returns why the chain runs on a device, and the estimated cost of both places.
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

/// Rows come in one partition; they keep their order where there is one partition to merge and no aggregate.
fn properties(
    plan: &DevicePlan,
    input: &Arc<dyn ExecutionPlan>,
    host: &Arc<dyn ExecutionPlan>,
) -> PlanProperties {
    let mut equivalences = host.equivalence_properties().clone();
    if !plan.streams || input.output_partitioning().partition_count() > 1 {
        equivalences.clear_orderings();
        equivalences.clear_per_partition_constants();
    }
    let emission = if plan.streams { EmissionType::Incremental } else { EmissionType::Final };
    PlanProperties::new(equivalences, Partitioning::UnknownPartitioning(1), emission, host.boundedness())
}

/// Answers `plan`, a line of operators down to `old`, over `new` instead.
pub fn rebase(
    plan: &Arc<dyn ExecutionPlan>,
    old: &Arc<dyn ExecutionPlan>,
    new: &Arc<dyn ExecutionPlan>,
) -> PlanResult<Arc<dyn ExecutionPlan>> {
    if Arc::ptr_eq(plan, old) {
        return Ok(new.clone());
    }
    match plan.children().as_slice() {
        [child] => replace_children_if_necessary(plan.clone(), vec![rebase(child, old, new)?]),
        _ => {
            Err(DataFusionError::Internal(format!("{} does not lie on the device node's input", plan.name())))
        }
    }
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
        vec![&self.input]
    }

    fn maintains_input_order(&self) -> Vec<bool> {
        vec![self.plan.streams && self.input.output_partitioning().partition_count() == 1]
    }

    fn benefits_from_input_partitioning(&self) -> Vec<bool> {
        vec![false]
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
        let input = only_input(self.name(), children)?;
        let host = rebase(&self.host, &self.input, &input)?;
        let properties = Arc::new(properties(&self.plan, &input, &host));
        Ok(Arc::new(DeviceExec {
            plan: self.plan.clone(),
            steps: self.steps.clone(),
            input,
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
        let plan = match self.steps.iter().any(|step| step.pending) {
            true => Arc::new(chain::resolve(&self.input.schema(), &self.steps).map_err(to_plan_error)?),
            false => self.plan.clone(),
        };
        let run = DeviceRun::new(
            plan,
            self.input.clone(),
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
