//! The optimizer rule that places a plan, and the node that keeps what it decided.

use std::fmt;
use std::sync::Arc;

use datafusion::common::Statistics;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::error::Result as PlanResult;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_optimizer::sanity_checker::SanityCheckPlan;
use datafusion::physical_plan::execution_plan::{ChildrenPropertiesMode, ReplaceChildrenOptions};
use datafusion::physical_plan::statistics::{ChildStats, StatisticsArgs};
use datafusion::physical_plan::{DisplayAs, DisplayFormatType, ExecutionPlan, PlanProperties};

use super::engine::{Engine, SwathOptions};
use super::lower::{Lowered, NodeNote, lower};
use super::{only_input, to_plan_error};
use crate::config::{Fallback, Placement};
use crate::error::Error;
use crate::observe::FallbackReceipt;

/// Places plans on the devices of an engine. Runs after all of DataFusion's rules, on a plan that could run as it is.
#[derive(Debug)]
pub struct PlacementRule {
    engine: Arc<Engine>,
}

impl PlacementRule {
    pub fn new(engine: Arc<Engine>) -> Self {
        PlacementRule { engine }
    }

    fn without_device(
        &self,
        plan: Arc<dyn ExecutionPlan>,
        options: &SwathOptions,
    ) -> PlanResult<Arc<dyn ExecutionPlan>> {
        if options.placement != Placement::Device {
            return Ok(plan);
        }
        let reason = format!("there is no device: {}", self.engine.absence().unwrap_or("none was started"));
        if options.fallback == Fallback::Error {
            return Err(to_plan_error(Error::unsupported(format!("swath.fallback = error: {reason}"))));
        }
        let fallbacks = vec![FallbackReceipt { operator: "query".into(), reason }];
        Ok(Arc::new(PlacementExec::new(Lowered { plan, notes: vec![], fallbacks }, options)))
    }
}

impl PhysicalOptimizerRule for PlacementRule {
    fn optimize(
        &self,
        plan: Arc<dyn ExecutionPlan>,
        config: &ConfigOptions,
    ) -> PlanResult<Arc<dyn ExecutionPlan>> {
        let options = SwathOptions::of(config);
        if self.engine.worker().is_none() {
            return self.without_device(plan, &options);
        }
        if options.placement == Placement::Host {
            return Ok(plan);
        }
        let cores = config.execution.target_partitions;
        let mut lowered = lower(plan.clone(), &self.engine, &options, cores)?;
        // DataFusion's own check of orders and distributions. Should a plan of ours not pass it, the plan as it came
        // still runs.
        if let Err(error) = SanityCheckPlan::new().optimize(lowered.plan.clone(), config) {
            let reason = format!("the placed plan is not valid, please report it: {error}");
            let fallback = FallbackReceipt { operator: "query".into(), reason };
            lowered = Lowered { plan, notes: vec![], fallbacks: vec![fallback] };
        }
        if let (Fallback::Error, Some(fallback)) = (options.fallback, lowered.fallbacks.first()) {
            return Err(to_plan_error(Error::unsupported(format!(
                "swath.fallback = error: {} would run on the CPU: {}",
                fallback.operator, fallback.reason
            ))));
        }
        Ok(Arc::new(PlacementExec::new(lowered, &options)))
    }

    fn name(&self) -> &str {
        "swath_placement"
    }

    fn schema_check(&self) -> bool {
        true
    }
}

/// The root of a placed plan: passes its input on, and keeps what placement decided for `EXPLAIN` and the receipt.
#[derive(Clone, Debug)]
pub struct PlacementExec {
    input: Arc<dyn ExecutionPlan>,
    placement: Placement,
    fallback: Fallback,
    notes: Arc<Vec<NodeNote>>,
    fallbacks: Arc<Vec<FallbackReceipt>>,
}

impl PlacementExec {
    fn new(lowered: Lowered, options: &SwathOptions) -> Self {
        PlacementExec {
            input: lowered.plan,
            placement: options.placement,
            fallback: options.fallback,
            notes: Arc::new(lowered.notes),
            fallbacks: Arc::new(lowered.fallbacks),
        }
    }

    /// Returns the plan below.
    pub fn input(&self) -> &Arc<dyn ExecutionPlan> {
        &self.input
    }

    /// Returns what a fallback was to do when the plan was made.
    pub fn fallback(&self) -> Fallback {
        self.fallback
    }

    /// Returns a note for each node of the plan below, in pre-order.
    pub fn notes(&self) -> &[NodeNote] {
        &self.notes
    }

    /// Returns what was to run on a device and will not.
    pub fn fallbacks(&self) -> &[FallbackReceipt] {
        &self.fallbacks
    }
}

impl DisplayAs for PlacementExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "PlacementExec: placement={}, fallback={}", self.placement, self.fallback)?;
        let mut nodes = vec![];
        names(&self.input, &mut nodes);
        let on_host: Vec<_> = nodes
            .iter()
            .zip(self.notes.iter())
            .filter(|(_, note)| note.place == "host")
            .map(|(name, note)| format!("{name} ({})", note.reason))
            .collect();
        if !on_host.is_empty() {
            write!(f, ", on host: [{}]", on_host.join(", "))?;
        }
        Ok(())
    }
}

/// Lists the names of a plan's nodes in pre-order.
fn names(plan: &Arc<dyn ExecutionPlan>, into: &mut Vec<String>) {
    into.push(plan.name().to_string());
    for child in plan.children() {
        names(child, into);
    }
}

impl ExecutionPlan for PlacementExec {
    fn name(&self) -> &str {
        "PlacementExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        self.input.properties()
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.input]
    }

    fn maintains_input_order(&self) -> Vec<bool> {
        vec![true]
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
        Ok(Arc::new(PlacementExec { input, ..self.as_ref().clone() }))
    }

    fn with_new_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn ExecutionPlan>>,
    ) -> PlanResult<Arc<dyn ExecutionPlan>> {
        self.replace_children(children, ReplaceChildrenOptions::new(ChildrenPropertiesMode::Recompute))
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> PlanResult<SendableRecordBatchStream> {
        self.input.execute(partition, context)
    }

    fn child_stats_requests(&self, partition: Option<usize>) -> Vec<ChildStats> {
        vec![ChildStats::At(partition)]
    }

    fn statistics_from_inputs(
        &self,
        inputs: &[Arc<Statistics>],
        _: &StatisticsArgs,
    ) -> PlanResult<Arc<Statistics>> {
        Ok(inputs[0].clone())
    }
}
