//! Finds the trees of a plan's operators that a device can take, and replaces those that it takes.
//!
//! One walk, from the leaves up. An operator that a device can do opens a tree over its inputs or grows those below it
//! together; anything else closes the trees of its inputs, which is where cost decides: a tree that the CPU does sooner
//! loses its root, and its branches are decided on by themselves. What stays on the CPU is the plan as it came.
//!
//! # What a device node keeps of the subtree it replaces
//!
//! It has one partition. Where the subtree was partitioned by keys and something above counts on that (the two sides
//! of a partitioned join), an exchange by the same keys is put on top; where an operator above gains from several
//! partitions, a round-robin exchange. Row order is kept by filters and projections over one partition, and by sorts; a
//! tree whose order is counted on above and would be lost stays on the CPU.
//!
//! # What counts as a fallback
//!
//! Under `swath.placement = device`: a filter, projection, aggregate, join, window, sort or any other operator that
//! stays on the CPU because it has no device form. Not: reading and decoding, exchanges, unions and limits of what the
//! host makes, and the final result, which are the host's part; and choosing and renaming columns, which moves nothing.
//! Under `auto`, staying on the CPU is a choice and no fallback.

use std::collections::HashMap;
use std::sync::Arc;

use datafusion::datasource::memory::MemorySourceConfig;
use datafusion::datasource::source::DataSourceExec;
use datafusion::error::{DataFusionError, Result as PlanResult};
use datafusion::physical_expr::{Distribution, Partitioning};
use datafusion::physical_plan::coalesce_partitions::CoalescePartitionsExec;
use datafusion::physical_plan::empty::EmptyExec;
use datafusion::physical_plan::execution_plan::replace_children_if_necessary;
use datafusion::physical_plan::placeholder_row::PlaceholderRowExec;
use datafusion::physical_plan::repartition::RepartitionExec;
use datafusion::physical_plan::sorts::sort_preserving_merge::SortPreservingMergeExec;
use datafusion::physical_plan::statistics::{StatisticsArgs, StatisticsContext};
use datafusion::physical_plan::{ExecutionPlan, ExecutionPlanProperties};

use super::aggregate::fuse;
use super::cost::{
    Certainty, CostModel, Decision, Estimate, GROUPS_SHARE_GUESS, InputSize, ROWS_GUESS, StepSize, TreeSize,
};
use super::device_exec::{DeviceExec, rebase};
use super::engine::{Engine, SwathOptions};
use super::resident::{ResidentScanExec, resident_scan};
use super::scan_projection;
use super::stages::{self, DevicePlan, row_bytes};
use super::tree::{Fragment, Leaf, Node, Operator, Tree, translate_node};
use crate::config::Placement;
use crate::error::{Error, Result};
use crate::observe::FallbackReceipt;

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
        model: engine.costs().model,
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

enum Visited {
    Plan(Arc<dyn ExecutionPlan>),
    /// A tree that may still grow.
    Open(Fragment),
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
                Visited::Open(mut fragment) => {
                    let exchange =
                        replace_children_if_necessary(node.clone(), vec![fragment.host().clone()])?;
                    fragment.exchanges.push(exchange);
                    Ok(Visited::Open(fragment))
                }
                Visited::Plan(child) => {
                    Ok(Visited::Plan(replace_children_if_necessary(node.clone(), vec![child])?))
                }
            };
        }
        let translated = translate_node(node);
        let mut children = vec![];
        for (index, child) in node.children().into_iter().enumerate() {
            let need = Need::of_child(node, need, index);
            children.push((self.visit(child, need)?, need));
        }
        let any_open = children.iter().any(|(child, _)| matches!(child, Visited::Open(_)));
        let reason = match translated {
            // What only hands rows on is no reason to bring rows to a device.
            Some(Ok((Operator::Limit { .. } | Operator::Union, _))) if !any_open => None,
            Some(Ok((Operator::Sort { .. }, _))) if node.is::<SortPreservingMergeExec>() && !any_open => None,
            Some(Ok((operator, pending))) => {
                let schemas: Vec<_> = node.children().iter().map(|child| child.schema()).collect();
                match operator.check(&schemas) {
                    Ok(()) => {
                        let children = children.into_iter().map(|(child, _)| child).collect();
                        return self.extend(node, operator, pending, children).map(Visited::Open);
                    }
                    Err(error) => Some(error),
                }
            }
            Some(Err(error)) => Some(error),
            None => None,
        };
        let mut closed = vec![];
        for (child, need) in children {
            closed.push(self.close(child, need)?);
        }
        let host = replace_children_if_necessary(node.clone(), closed)?;
        match reason {
            Some(error) => self.stays(&host, &error),
            None => self.note_host_operator(&host),
        }
        Ok(Visited::Plan(host))
    }

    /// Puts `operator`, which `node` became, on top of what its inputs became.
    fn extend(
        &mut self,
        node: &Arc<dyn ExecutionPlan>,
        mut operator: Operator,
        pending: bool,
        children: Vec<Visited>,
    ) -> PlanResult<Fragment> {
        let mut inputs: Vec<Fragment> = children
            .into_iter()
            .map(|child| match child {
                Visited::Open(fragment) => Ok(fragment),
                Visited::Plan(child) => self.leaf(child),
            })
            .collect::<PlanResult<_>>()?;
        let hosts = inputs.iter().map(|input| input.host().clone()).collect();
        let host = replace_children_if_necessary(node.clone(), hosts)?;
        match (&mut operator, inputs.as_slice()) {
            (Operator::Aggregate(merging), [Fragment { tree: Tree::Node(below), .. }]) => {
                if let Some(whole) = below.partial().and_then(|partial| fuse(partial, merging)) {
                    inputs = below.inputs.clone();
                    operator = Operator::Aggregate(whole);
                }
            }
            // A merge of sorted partitions: a device has one.
            (Operator::Sort { fetch, .. }, [input])
                if node.is::<SortPreservingMergeExec>() && input.tree.keeps_order() =>
            {
                let Some(fetch) = *fetch else {
                    let mut input = input.clone();
                    input.exchanges.push(host);
                    return Ok(input);
                };
                operator = Operator::Limit { skip: 0, fetch: Some(fetch) };
            }
            _ => {}
        }
        let rows = |index: usize| inputs.get(index).map_or(0.0, Fragment::rows_out);
        let (rows_built, rows_in) = match &operator {
            Operator::Join(_) => (rows(0), rows(1)),
            Operator::Union => (0.0, inputs.iter().map(Fragment::rows_out).sum()),
            _ => (0.0, rows(0)),
        };
        let size = StepSize {
            work: operator.work(),
            rows_built,
            rows_in,
            rows_out: self.rows_out(&operator, &host, rows_in),
            row_bytes_out: row_bytes(host.schema().fields()),
        };
        let node = Node { operator, pending, host, size, inputs };
        Ok(Fragment { tree: Tree::Node(Box::new(node)), exchanges: vec![] })
    }

    /// Makes an input of what the host makes.
    fn leaf(&mut self, child: Arc<dyn ExecutionPlan>) -> PlanResult<Fragment> {
        let mut plan = &child;
        let mut exchanges = vec![];
        // A device merges all partitions of its input: exchanges right below it are of no use to it.
        while is_exchange(plan) {
            exchanges.insert(0, plan.clone());
            plan = only_child(plan)?;
        }
        let leaf = Leaf { plan: plan.clone(), rows: self.estimate(plan) };
        Ok(Fragment { tree: Tree::Leaf(leaf), exchanges })
    }

    /// Ends a tree: decides where it runs and answers its plan.
    fn close(&mut self, visited: Visited, need: Need) -> PlanResult<Arc<dyn ExecutionPlan>> {
        match visited {
            Visited::Plan(plan) => Ok(plan),
            Visited::Open(fragment) => self.place(fragment, need),
        }
    }

    fn place(&mut self, fragment: Fragment, need: Need) -> PlanResult<Arc<dyn ExecutionPlan>> {
        let Fragment { tree: Tree::Node(root), exchanges } = &fragment else {
            return Ok(fragment.host().clone());
        };
        let leaves = fragment.tree.leaves();
        let empty = |leaf: &&Leaf| leaf.plan.is::<PlaceholderRowExec>() || leaf.plan.is::<EmptyExec>();
        if fragment.tree.nodes().iter().all(|node| node.operator.only_moves_columns())
            || leaves.iter().all(empty)
        {
            return Ok(fragment.host().clone());
        }
        if self.is_worth_little(root) && exchanges.is_empty() {
            let input = root.inputs.first().cloned();
            let input =
                input.ok_or_else(|| DataFusionError::Internal("an operator without inputs".into()))?;
            let below = self.place(input.clone(), Need::of_child(&root.host, need, 0))?;
            let host = rebase(&root.host, &[input.host().clone()], &[below])?;
            let reason = format!("about {:.0} rows: not worth a kernel", root.size.rows_in.max(1.0));
            let (host_s, device_s) = self.model.step_seconds(&root.size, self.cores);
            let (host_s, device_s) = (Some(host_s), Some(device_s));
            self.note(&host, NodeNote { place: "host".into(), host_s, device_s, reason });
            return Ok(host);
        }
        if let Err(error) = fits_device(&fragment, need) {
            return self.place_branches(&fragment, need, Err(&error));
        }
        let plan = match stages::compile(&fragment.tree) {
            Ok(plan) => plan,
            Err(error) => return self.place_branches(&fragment, need, Err(&error)),
        };
        let size = self.size(&fragment.tree, &plan);
        let decision = self.model.decide(self.options.placement, &size, self.cores);
        if !decision.on_device {
            if self.options.placement == Placement::Auto && !size.compiled {
                self.engine.miss(&plan, self.model.missed_seconds(&size, self.cores));
            }
            return self.place_branches(&fragment, need, Ok(&decision));
        }
        let device: Arc<dyn ExecutionPlan> =
            Arc::new(DeviceExec::new(plan, fragment.tree.clone(), decision.clone(), self.engine.clone()));
        self.note(
            &device,
            NodeNote {
                place: self.engine.place(),
                host_s: Some(decision.host_s),
                device_s: Some(decision.device_s),
                reason: decision.reason.clone(),
            },
        );
        self.restore_partitions(device, &fragment, need)
    }

    /// Leaves the root of a tree on the CPU, by decision or because a device cannot do it, and places what is below.
    fn place_branches(
        &mut self,
        fragment: &Fragment,
        need: Need,
        why: std::result::Result<&Decision, &Error>,
    ) -> PlanResult<Arc<dyn ExecutionPlan>> {
        let Fragment { tree: Tree::Node(root), exchanges } = fragment else {
            return Ok(fragment.host().clone());
        };
        let (mut old, mut new) = (vec![], vec![]);
        for (index, input) in root.inputs.iter().enumerate() {
            let need = Need::of_child(&root.host, need, index.min(root.host.children().len() - 1));
            old.push(input.host().clone());
            new.push(self.place(input.clone(), need)?);
        }
        let host = rebase(&root.host, &old, &new)?;
        match why {
            Ok(decision) => {
                let (host_s, device_s) = (Some(decision.host_s), Some(decision.device_s));
                let reason = decision.reason.clone();
                self.note(&host, NodeNote { place: "host".into(), host_s, device_s, reason });
            }
            Err(error) if !root.operator.only_moves_columns() => self.stays(&host, error),
            Err(_) => {}
        }
        match exchanges.last() {
            Some(exchange) => rebase(exchange, std::slice::from_ref(&root.host), &[host]),
            None => Ok(host),
        }
    }

    /// Whether an operator takes a few rows that come out of an aggregate: they are not worth a kernel of their own.
    fn is_worth_little(&self, node: &Node) -> bool {
        self.options.placement == Placement::Auto
            && matches!(
                node.operator,
                Operator::Filter { .. }
                    | Operator::Project { .. }
                    | Operator::Sort { .. }
                    | Operator::Limit { .. }
            )
            && !node.operator.only_moves_columns()
            && node.size.rows_in < FAN_OUT_ROWS
            && node.inputs.iter().any(|input| {
                input.tree.nodes().iter().any(|below| matches!(below.operator, Operator::Aggregate(_)))
            })
    }

    fn size(&self, tree: &Tree, plan: &DevicePlan) -> TreeSize {
        let input = |(leaf, read): (&Leaf, &stages::LeafPlan)| InputSize {
            rows: leaf.rows,
            row_bytes: row_bytes(read.input.fields()),
            resident: resident_scan(&leaf.plan).is_some_and(|scan| scan.is_loaded()),
            spilled_share: resident_scan(&leaf.plan).map_or(0.0, ResidentScanExec::spilled_share),
            decoded: reads_files(&leaf.plan),
        };
        TreeSize {
            inputs: tree.leaves().into_iter().zip(&plan.leaves).map(input).collect(),
            compiled: self.engine.is_compiled(plan),
            missed_s: self.engine.missed_seconds(plan),
            chunk_bytes: self.options.chunk_bytes_target as f64,
            steps: tree.nodes().into_iter().map(|node| node.size.clone()).collect(),
        }
    }

    /// Puts the exchanges back that something above counts on or gains from.
    fn restore_partitions(
        &mut self,
        mut plan: Arc<dyn ExecutionPlan>,
        fragment: &Fragment,
        need: Need,
    ) -> PlanResult<Arc<dyn ExecutionPlan>> {
        let whole = fragment.host();
        for exchange in &fragment.exchanges {
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
            _ if need.fans_out && !need.ordered && fragment.rows_out() >= FAN_OUT_ROWS => {
                Ok(Arc::new(RepartitionExec::try_new(plan, Partitioning::RoundRobinBatch(partitions))?))
            }
            _ => Ok(plan),
        }
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
        if scan_projection::computes(host) {
            self.stays(host, &Error::unsupported("the file reader computes a projection"));
        } else if !is_hosts_part(host) {
            self.stays(host, &Error::unsupported("no device form of this operator"));
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

    fn rows_out(&mut self, operator: &Operator, host: &Arc<dyn ExecutionPlan>, rows_in: f64) -> f64 {
        match operator {
            Operator::Project { .. } | Operator::Window(_) | Operator::Unnest(_) | Operator::Union => rows_in,
            Operator::Limit { fetch, .. } | Operator::Sort { fetch, .. } => {
                fetch.map_or(rows_in, |fetch| rows_in.min(fetch as f64))
            }
            Operator::Aggregate(aggregation) if aggregation.keys.is_empty() => 1.0,
            Operator::Aggregate(_) => {
                let estimated = self.estimate(host);
                // Without the number of distinct keys DataFusion answers the number of rows.
                match estimated.certainty {
                    Certainty::Guessed => (rows_in * GROUPS_SHARE_GUESS).max(1.0),
                    _ if estimated.rows >= rows_in => (rows_in * GROUPS_SHARE_GUESS).max(1.0),
                    _ => estimated.rows,
                }
            }
            Operator::Filter { .. } => {
                let estimated = self.estimate(host);
                match estimated.certainty {
                    Certainty::Guessed => rows_in * 0.2,
                    _ => estimated.rows.min(rows_in),
                }
            }
            Operator::Join(_) => {
                let estimated = self.estimate(host);
                match estimated.certainty {
                    Certainty::Guessed => rows_in,
                    _ => estimated.rows,
                }
            }
        }
    }
}

/// Finds out whether the rows around a tree allow a device node in its place.
fn fits_device(fragment: &Fragment, need: Need) -> Result<()> {
    if fragment.tree.leaves().iter().any(|leaf| leaf.plan.boundedness().is_unbounded()) {
        return Err(Error::unsupported("its input never ends"));
    }
    if need.ordered && fragment.tree.host().output_ordering().is_some() && !fragment.tree.keeps_order() {
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

fn only_child(node: &Arc<dyn ExecutionPlan>) -> PlanResult<&Arc<dyn ExecutionPlan>> {
    match node.children().as_slice() {
        [child] => Ok(*child),
        children => {
            Err(DataFusionError::Internal(format!("{} has {} inputs, not one", node.name(), children.len())))
        }
    }
}

/// Whether the rows of a leaf come out of files, which have to be decoded.
fn reads_files(plan: &Arc<dyn ExecutionPlan>) -> bool {
    match plan.downcast_ref::<DataSourceExec>() {
        Some(scan) => !scan.data_source().is::<MemorySourceConfig>(),
        None => plan.children().into_iter().any(reads_files),
    }
}

/// Tells nodes apart for as long as they live.
fn address(node: &Arc<dyn ExecutionPlan>) -> usize {
    Arc::as_ptr(node) as *const () as usize
}
