//! Finds the chains of a plan and replaces those that a device takes.
//!
//! One walk, from the leaves up. An operator that a device can do opens a chain over its input or extends the one
//! below it; anything else closes the chains of its inputs, which is where cost decides. What stays on the CPU is the
//! plan as it came.
//!
//! # What a device node keeps of the subtree it replaces
//!
//! It has one partition. Where the subtree was partitioned by keys and something above counts on that (the two sides
//! of a partitioned join), an exchange by the same keys is put on top; where an operator above gains from several
//! partitions, a round-robin exchange. Row order is kept by chains without aggregates over one partition; a chain
//! whose order is counted on above and would be lost stays on the CPU.
//!
//! # What counts as a fallback
//!
//! Under `swath.placement = device`: a filter, projection, aggregate, join, window, sort or any other operator that
//! stays on the CPU because it has no device form. Not: reading and decoding, exchanges, unions, limits and the final
//! result, which are the host's part; choosing and renaming columns, which moves nothing; and sorts of an aggregate's
//! result or of at most [`SMALL_SORT_ROWS`] rows, which cost less than a launch would save. Under `auto`, staying on
//! the CPU is a choice and no fallback.

use std::collections::HashMap;
use std::sync::Arc;

use datafusion::error::{DataFusionError, Result as PlanResult};
use datafusion::physical_expr::{Distribution, Partitioning};
use datafusion::physical_plan::aggregates::AggregateExec;
use datafusion::physical_plan::coalesce_partitions::CoalescePartitionsExec;
use datafusion::physical_plan::empty::EmptyExec;
use datafusion::physical_plan::execution_plan::replace_children_if_necessary;
use datafusion::physical_plan::filter::FilterExec;
use datafusion::physical_plan::placeholder_row::PlaceholderRowExec;
use datafusion::physical_plan::projection::ProjectionExec;
use datafusion::physical_plan::repartition::RepartitionExec;
use datafusion::physical_plan::sorts::partial_sort::PartialSortExec;
use datafusion::physical_plan::sorts::sort::SortExec;
use datafusion::physical_plan::sorts::sort_preserving_merge::SortPreservingMergeExec;
use datafusion::physical_plan::statistics::{StatisticsArgs, StatisticsContext};
use datafusion::physical_plan::{ExecutionPlan, ExecutionPlanProperties};

use super::aggregate::fuse;
use super::chain::{self, ChainStep, Step, ends_in_partial, row_bytes, translate_step};
use super::cost::{
    Certainty, ChainSize, CostModel, Decision, Estimate, GROUPS_SHARE_GUESS, ROWS_GUESS, StepSize,
};
use super::device_exec::DeviceExec;
use super::engine::{Engine, SwathOptions};
use super::resident::{ResidentScanExec, resident_scan};
use super::scan_projection;
use crate::config::Placement;
use crate::error::{Error, Result};
use crate::observe::FallbackReceipt;

/// Sorts of at most this many rows stay on the CPU even under `swath.placement = device`.
pub const SMALL_SORT_ROWS: f64 = 1048576.0;

/// Rows from which an operator above a device node gains from several partitions.
const FAN_OUT_ROWS: f64 = 100_000.0;

/// Where a node of a plan runs, and why.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct NodeNote {
    /// `host`, or the device.
    pub place: String,
    /// Estimated seconds on the CPU and on the device, where both can do it.
    pub host_s: Option<f64>,
    pub device_s: Option<f64>,
    pub reason: String,
}

/// A plan with its placement.
#[derive(Debug)]
pub struct Lowered {
    pub plan: Arc<dyn ExecutionPlan>,
    /// Notes on the nodes of `plan`, in pre-order; empty ones for nodes that only move rows.
    pub notes: Vec<NodeNote>,
    /// What was to run on a device and will not.
    pub fallbacks: Vec<FallbackReceipt>,
}

/// Places `plan` on the devices of `engine`.
///
/// # Errors
/// DataFusion's own, from rebuilding the plan; none of ours: what cannot be placed stays and is noted.
pub fn lower(
    plan: Arc<dyn ExecutionPlan>,
    engine: &Arc<Engine>,
    options: &SwathOptions,
    cores: usize,
) -> PlanResult<Lowered> {
    let mut lowering = Lowering {
        engine,
        options,
        cores,
        model: CostModel::default(),
        statistics: StatisticsContext::new(),
        alive: vec![],
        notes: HashMap::new(),
        fallbacks: vec![],
    };
    let need = Need { ordered: plan.output_ordering().is_some(), keyed: false, fans_out: false };
    let visited = lowering.visit(&plan, need)?;
    let plan = lowering.close(visited, need)?;
    let mut notes = vec![];
    collect_notes(&plan, &lowering.notes, &mut notes);
    Ok(Lowered { plan, notes, fallbacks: lowering.fallbacks })
}

fn collect_notes(
    plan: &Arc<dyn ExecutionPlan>,
    by_node: &HashMap<usize, NodeNote>,
    notes: &mut Vec<NodeNote>,
) {
    notes.push(by_node.get(&address(plan)).cloned().unwrap_or_default());
    for child in plan.children() {
        collect_notes(child, by_node, notes);
    }
}

/// What the operators above count on in a subtree.
#[derive(Clone, Copy, Debug)]
struct Need {
    /// The order of its rows.
    ordered: bool,
    /// Its partitioning by keys.
    keyed: bool,
    /// The operator right above gains from several partitions.
    fans_out: bool,
}

impl Need {
    fn of_child(parent: &Arc<dyn ExecutionPlan>, above: Need, index: usize) -> Need {
        let at = |flags: Vec<bool>| flags.get(index).copied().unwrap_or(false);
        let exchange = is_exchange(parent) || parent.is::<SortPreservingMergeExec>();
        let requirements = parent.input_distribution_requirements();
        #[allow(deprecated)]
        // HashPartitioned: the old name of KeyPartitioned, which other crates may still use.
        let by_keys = matches!(
            requirements.child_distribution(index),
            Some(Distribution::KeyPartitioned(_) | Distribution::HashPartitioned(_))
        );
        let siblings = parent.children().len() > 1;
        let required = parent.required_input_ordering().into_iter().nth(index).flatten();
        let demands_order = required
            .is_some_and(|order| matches!(order, datafusion::physical_expr::OrderingRequirements::Hard(_)));
        Need {
            ordered: demands_order
                || parent.is::<SortPreservingMergeExec>()
                || (above.ordered && at(parent.maintains_input_order())),
            keyed: (siblings && by_keys) || parent.name() == "InterleaveExec" || (above.keyed && !exchange),
            fans_out: !exchange && at(parent.benefits_from_input_partitioning()),
        }
    }
}

/// A chain that may still grow.
#[derive(Debug)]
struct Chain {
    /// What feeds it; stays as it is.
    leaf: Arc<dyn ExecutionPlan>,
    steps: Vec<ChainStep>,
    /// Exchanges above the last step, the innermost first. They vanish if a step follows.
    exchanges: Vec<Arc<dyn ExecutionPlan>>,
    input: Estimate,
}

impl Chain {
    /// Returns the CPU plan of the whole chain.
    fn host(&self) -> &Arc<dyn ExecutionPlan> {
        let last_step = self.steps.last().map_or(&self.leaf, |step| &step.host);
        self.exchanges.last().unwrap_or(last_step)
    }

    fn rows_out(&self) -> f64 {
        self.steps.last().map_or(self.input.rows, |step| step.size.rows_out)
    }
}

enum Visited {
    Plan(Arc<dyn ExecutionPlan>),
    Open(Chain),
}

struct Lowering<'a> {
    engine: &'a Arc<Engine>,
    options: &'a SwathOptions,
    cores: usize,
    model: CostModel,
    /// Caches by address: every node that it has seen is kept in `alive`.
    statistics: StatisticsContext,
    alive: Vec<Arc<dyn ExecutionPlan>>,
    notes: HashMap<usize, NodeNote>,
    fallbacks: Vec<FallbackReceipt>,
}

impl Lowering<'_> {
    fn visit(&mut self, node: &Arc<dyn ExecutionPlan>, need: Need) -> PlanResult<Visited> {
        // The recursive part of a recursive query is run again and again with another input put into it.
        if node.name() == "RecursiveQueryExec" {
            self.stays(node, &Error::unsupported("no device form of recursive queries"));
            return Ok(Visited::Plan(node.clone()));
        }
        if is_exchange(node) {
            return match self.visit(only_child(node)?, Need::of_child(node, need, 0))? {
                Visited::Open(mut chain) => {
                    let exchange = replace_children_if_necessary(node.clone(), vec![chain.host().clone()])?;
                    chain.exchanges.push(exchange);
                    Ok(Visited::Open(chain))
                }
                Visited::Plan(child) => {
                    Ok(Visited::Plan(replace_children_if_necessary(node.clone(), vec![child])?))
                }
            };
        }
        if let Some(translated) = translate_step(node) {
            let child_need = Need::of_child(node, need, 0);
            let input = only_child(node)?.schema();
            let child = self.visit(only_child(node)?, child_need)?;
            return match translated.and_then(|(step, pending)| step.check(&input).map(|()| (step, pending))) {
                Ok((step, pending)) => self.extend(node, step, pending, child).map(Visited::Open),
                Err(error) => {
                    let child = self.close(child, child_need)?;
                    let host = replace_children_if_necessary(node.clone(), vec![child])?;
                    self.stays(&host, &error);
                    Ok(Visited::Plan(host))
                }
            };
        }
        let mut children = vec![];
        for (index, child) in node.children().into_iter().enumerate() {
            let need = Need::of_child(node, need, index);
            let visited = self.visit(child, need)?;
            children.push(self.close(visited, need)?);
        }
        let host = replace_children_if_necessary(node.clone(), children)?;
        self.note_host_operator(&host);
        Ok(Visited::Plan(host))
    }

    /// Puts `step`, which `node` became, on top of what its input became.
    fn extend(
        &mut self,
        node: &Arc<dyn ExecutionPlan>,
        mut step: Step,
        pending: bool,
        child: Visited,
    ) -> PlanResult<Chain> {
        let mut chain = match child {
            Visited::Open(chain) => chain,
            Visited::Plan(child) => {
                let mut leaf = &child;
                let mut exchanges = vec![];
                // A device merges all partitions of its input: exchanges right below a chain are of no use to it.
                while is_exchange(leaf) {
                    exchanges.insert(0, leaf.clone());
                    leaf = only_child(leaf)?;
                }
                let input = self.estimate(leaf);
                Chain { leaf: leaf.clone(), steps: vec![], exchanges, input }
            }
        };
        let host = replace_children_if_necessary(node.clone(), vec![chain.host().clone()])?;
        if let (Step::Aggregate(merging), Some(partial)) = (&step, ends_in_partial(&chain.steps))
            && let Some(whole) = fuse(partial, merging)
        {
            step = Step::Aggregate(whole);
            chain.steps.pop();
        }
        let rows_in = chain.rows_out();
        let size = StepSize {
            work: step.work(),
            rows_in,
            rows_out: self.rows_out(&step, &host, rows_in),
            row_bytes_out: row_bytes(host.schema().fields()),
        };
        chain.exchanges.clear();
        chain.steps.push(ChainStep { step, pending, host, size });
        Ok(chain)
    }

    /// Ends a chain: decides where it runs and answers its plan.
    fn close(&mut self, visited: Visited, need: Need) -> PlanResult<Arc<dyn ExecutionPlan>> {
        let mut chain = match visited {
            Visited::Plan(plan) => return Ok(plan),
            Visited::Open(chain) => chain,
        };
        if chain.steps.iter().all(|step| step.step.only_moves_columns())
            || chain.leaf.is::<PlaceholderRowExec>()
            || chain.leaf.is::<EmptyExec>()
        {
            return Ok(chain.host().clone());
        }
        if let Err(error) = fits_device(&chain, need) {
            return Ok(self.keep_on_host(&chain, &error));
        }
        let whole = chain.host().clone();
        // A few rows that come out of an aggregate are not worth a kernel of their own.
        let mut on_top = vec![];
        if self.options.placement == Placement::Auto && chain.exchanges.is_empty() {
            while chain.steps.len() > 1
                && chain.steps.iter().rev().skip(1).any(|step| matches!(step.step, Step::Aggregate(_)))
                && chain.steps.last().is_some_and(|last| {
                    !matches!(last.step, Step::Aggregate(_))
                        && !last.step.only_moves_columns()
                        && last.size.rows_in < FAN_OUT_ROWS
                })
            {
                on_top.extend(chain.steps.pop());
            }
        }
        let plan = match chain::compile(&chain.leaf.schema(), &chain.steps) {
            Ok(plan) => plan,
            Err(error) => {
                chain.steps.extend(on_top.into_iter().rev());
                return Ok(self.keep_on_host(&chain, &error));
            }
        };
        let size = ChainSize {
            input: chain.input,
            row_bytes_in: row_bytes(plan.input.fields()),
            resident: resident_scan(&chain.leaf).is_some_and(|scan| scan.is_loaded()),
            compiled: self.engine.is_compiled(&plan),
            missed_s: self.engine.missed_seconds(&plan),
            chunk_bytes: self.options.chunk_bytes_target as f64,
            steps: chain.steps.iter().map(|step| step.size.clone()).collect(),
        };
        let decision = self.model.decide(self.options.placement, &size, self.cores);
        if !decision.on_device {
            if !size.compiled {
                self.engine.miss(&plan, self.model.missed_seconds(&size, self.cores));
            }
            chain.steps.extend(on_top.into_iter().rev());
            self.note_chain(&chain, &decision);
            return Ok(whole);
        }
        let rows_out = chain.rows_out();
        let last = chain.steps.last().map(|step| step.host.clone()).unwrap_or_else(|| whole.clone());
        let device: Arc<dyn ExecutionPlan> = Arc::new(DeviceExec::new(
            plan,
            chain.steps.clone(),
            chain.leaf.clone(),
            last,
            decision.clone(),
            self.engine.clone(),
        ));
        self.note(
            &device,
            NodeNote {
                place: self.engine.place(),
                host_s: Some(decision.host_s),
                device_s: Some(decision.device_s),
                reason: decision.reason.clone(),
            },
        );
        let mut top = device;
        for step in on_top.iter().rev() {
            let unary = replace_children_if_necessary(step.host.clone(), vec![top])?;
            self.note(
                &unary,
                NodeNote {
                    place: "host".into(),
                    reason: format!("about {:.0} rows: not worth a kernel", step.size.rows_in.max(1.0)),
                    ..NodeNote::default()
                },
            );
            top = unary;
        }
        self.restore_partitions(top, &chain, &whole, need, rows_out)
    }

    /// Puts the exchanges back that something above counts on or gains from.
    fn restore_partitions(
        &mut self,
        mut plan: Arc<dyn ExecutionPlan>,
        chain: &Chain,
        whole: &Arc<dyn ExecutionPlan>,
        need: Need,
        rows_out: f64,
    ) -> PlanResult<Arc<dyn ExecutionPlan>> {
        for exchange in &chain.exchanges {
            if exchange.is::<RepartitionExec>() {
                plan = replace_children_if_necessary(exchange.clone(), vec![plan])?;
            }
        }
        let partitions = whole.output_partitioning().partition_count();
        let as_before = plan.output_partitioning().partition_count() == partitions;
        if partitions == 1 || as_before {
            return Ok(plan);
        }
        match whole.output_partitioning() {
            by_keys @ Partitioning::Hash(_, _) if need.keyed => {
                Ok(Arc::new(RepartitionExec::try_new(plan, by_keys.clone())?))
            }
            _ if need.fans_out && !need.ordered && rows_out >= FAN_OUT_ROWS => {
                Ok(Arc::new(RepartitionExec::try_new(plan, Partitioning::RoundRobinBatch(partitions))?))
            }
            _ => Ok(plan),
        }
    }

    fn keep_on_host(&mut self, chain: &Chain, error: &Error) -> Arc<dyn ExecutionPlan> {
        for step in &chain.steps {
            if !step.step.only_moves_columns() {
                self.stays(&step.host, error);
            }
        }
        chain.host().clone()
    }

    /// Notes that `host` has no device form, which is a fallback where the user wanted the device.
    fn stays(&mut self, host: &Arc<dyn ExecutionPlan>, error: &Error) {
        self.note(host, NodeNote { place: "host".into(), reason: error.to_string(), ..NodeNote::default() });
        if self.options.placement == Placement::Device {
            self.fallbacks
                .push(FallbackReceipt { operator: host.name().to_string(), reason: error.to_string() });
        }
    }

    fn note_host_operator(&mut self, host: &Arc<dyn ExecutionPlan>) {
        if host.is::<SortExec>() || host.is::<PartialSortExec>() {
            let rows = only_child(host).map(|child| self.estimate(child));
            let of_groups = only_child(host).is_ok_and(is_aggregate_result);
            match rows {
                Ok(rows)
                    if of_groups || (rows.certainty > Certainty::Guessed && rows.rows <= SMALL_SORT_ROWS) =>
                {
                    self.note(
                        host,
                        NodeNote {
                            place: "host".into(),
                            reason: "by cost: few rows to sort".into(),
                            ..NodeNote::default()
                        },
                    );
                }
                _ => self.stays(host, &Error::unsupported("no device form of sorts")),
            }
        } else if host.name().ends_with("JoinExec") {
            self.stays(host, &Error::unsupported("no device form of joins"));
        } else if scan_projection::computes(host) {
            self.stays(host, &Error::unsupported("the file reader computes a projection"));
        } else if !is_hosts_part(host) {
            self.stays(host, &Error::unsupported("no device form of this operator"));
        }
    }

    fn note_chain(&mut self, chain: &Chain, decision: &Decision) {
        for (index, step) in chain.steps.iter().enumerate() {
            // The chain's cost stands on its last operator, the others refer to it.
            let last = index + 1 == chain.steps.len();
            let note = NodeNote {
                place: "host".into(),
                host_s: last.then_some(decision.host_s),
                device_s: last.then_some(decision.device_s),
                reason: decision.reason.clone(),
            };
            self.note(&step.host, note);
        }
    }

    fn note(&mut self, node: &Arc<dyn ExecutionPlan>, note: NodeNote) {
        self.alive.push(node.clone());
        self.notes.insert(address(node), note);
    }

    fn estimate(&mut self, node: &Arc<dyn ExecutionPlan>) -> Estimate {
        self.alive.push(node.clone());
        let statistics = self.statistics.compute(node.as_ref(), &StatisticsArgs::new());
        let rows = statistics.map(|statistics| statistics.num_rows);
        match rows {
            Ok(rows) => match (rows.get_value(), rows.is_exact()) {
                (Some(rows), Some(true)) => Estimate { rows: *rows as f64, certainty: Certainty::Exact },
                (Some(rows), _) => Estimate { rows: *rows as f64, certainty: Certainty::Estimated },
                (None, _) => Estimate { rows: ROWS_GUESS, certainty: Certainty::Guessed },
            },
            Err(_) => Estimate { rows: ROWS_GUESS, certainty: Certainty::Guessed },
        }
    }

    fn rows_out(&mut self, step: &Step, host: &Arc<dyn ExecutionPlan>, rows_in: f64) -> f64 {
        match step {
            Step::Project { .. } => rows_in,
            Step::Aggregate(aggregation) if aggregation.keys.is_empty() => 1.0,
            Step::Aggregate(_) => {
                let estimated = self.estimate(host);
                // Without the number of distinct keys DataFusion answers the number of rows.
                match estimated.certainty {
                    Certainty::Guessed => (rows_in * GROUPS_SHARE_GUESS).max(1.0),
                    _ if estimated.rows >= rows_in => (rows_in * GROUPS_SHARE_GUESS).max(1.0),
                    _ => estimated.rows,
                }
            }
            Step::Filter { .. } => {
                let estimated = self.estimate(host);
                match estimated.certainty {
                    Certainty::Guessed => rows_in * 0.2,
                    _ => estimated.rows.min(rows_in),
                }
            }
        }
    }
}

/// Finds out whether the rows around `chain` allow a device node in its place.
fn fits_device(chain: &Chain, need: Need) -> Result<()> {
    if chain.leaf.boundedness().is_unbounded() {
        return Err(Error::unsupported("its input never ends"));
    }
    let keeps_order = chain.leaf.output_partitioning().partition_count() == 1
        && chain.steps.iter().all(|step| !matches!(step.step, Step::Aggregate(_)));
    if need.ordered && chain.host().output_ordering().is_some() && !keeps_order {
        return Err(Error::unsupported("the order of its rows is used above, and a device would lose it"));
    }
    Ok(())
}

/// Whether `node` hands rows on as they are, to other partitions or in other batches, without promising an order.
fn is_exchange(node: &Arc<dyn ExecutionPlan>) -> bool {
    if let Some(repartition) = node.downcast_ref::<RepartitionExec>() {
        return !repartition.preserve_order();
    }
    #[allow(deprecated)] // DataFusion plans none itself any more; others may.
    let coalesces_batches = node.is::<datafusion::physical_plan::coalesce_batches::CoalesceBatchesExec>();
    (coalesces_batches || node.is::<CoalescePartitionsExec>()) && node.fetch().is_none()
}

/// Whether the work of `node` is the host's wherever the rest runs: reading, writing, and handing rows on.
fn is_hosts_part(node: &Arc<dyn ExecutionPlan>) -> bool {
    const HANDS_ON: [&str; 12] = [
        "AnalyzeExec",
        "BufferExec",
        "CooperativeExec",
        "DataSinkExec",
        "ExplainExec",
        "GlobalLimitExec",
        "InterleaveExec",
        "LocalLimitExec",
        "OutputRequirementExec",
        "ScalarSubqueryExec",
        "SortPreservingMergeExec",
        "UnionExec",
    ];
    // A leaf reads. What is an exchange but for an order or a limit that it keeps still is one.
    node.children().is_empty()
        || node.is::<ResidentScanExec>()
        || HANDS_ON.contains(&node.name())
        || node.is::<RepartitionExec>()
        || node.is::<CoalescePartitionsExec>()
        || node.name() == "CoalesceBatchesExec"
}

/// Whether the rows of `node` are the groups of an aggregate, or some of them.
fn is_aggregate_result(node: &Arc<dyn ExecutionPlan>) -> bool {
    if let Some(device) = node.downcast_ref::<DeviceExec>() {
        return !device.streams();
    }
    if node.is::<AggregateExec>() {
        return true;
    }
    (is_exchange(node) || node.is::<ProjectionExec>() || node.is::<FilterExec>())
        && only_child(node).is_ok_and(is_aggregate_result)
}

fn only_child(node: &Arc<dyn ExecutionPlan>) -> PlanResult<&Arc<dyn ExecutionPlan>> {
    match node.children().as_slice() {
        [child] => Ok(*child),
        children => {
            Err(DataFusionError::Internal(format!("{} has {} inputs, not one", node.name(), children.len())))
        }
    }
}

/// Tells nodes apart for as long as they live.
fn address(node: &Arc<dyn ExecutionPlan>) -> usize {
    Arc::as_ptr(node) as *const () as usize
}
