//! Trees of operators that a device takes, and the parts of a plan that they stand for.

use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use datafusion::physical_expr::LexOrdering;
use datafusion::physical_plan::aggregates::AggregateExec;
use datafusion::physical_plan::coalesce_partitions::CoalescePartitionsExec;
use datafusion::physical_plan::filter::FilterExec;
use datafusion::physical_plan::limit::{GlobalLimitExec, LocalLimitExec};
use datafusion::physical_plan::projection::ProjectionExec;
use datafusion::physical_plan::sorts::sort::SortExec;
use datafusion::physical_plan::sorts::sort_preserving_merge::SortPreservingMergeExec;
use datafusion::physical_plan::union::{InterleaveExec, UnionExec};
use datafusion::physical_plan::unnest::UnnestExec;
use datafusion::physical_plan::{ExecutionPlan, displayable};

use super::aggregate::{Aggregation, Call, Method, translate_aggregate};
use super::carried::{column_of_field, is_carried, with_fields};
use super::cost::{Estimate, StepSize, Work};
use super::device_exec::rebase;
use super::exact_sum;
use super::expression::translate;
use super::join::{Join, translate_join};
use super::unnest::{Unnest, translate_unnest};
use super::window::{WindowStep, translate_window};
use crate::error::{Error, Result};
use crate::program::{self, AggregateFunction, Expr, Op, Phase};

/// What one operator does to the rows of its inputs; expressions are over the columns of the input.
#[derive(Clone, Debug)]
pub enum Operator {
    /// Keeps the rows where the predicate is true, and of them the columns `kept`, or all.
    Filter {
        predicate: Expr,
        kept: Option<Vec<Expr>>,
    },
    Project {
        exprs: Vec<Expr>,
    },
    Aggregate(Aggregation),
    /// Two inputs: the one that is built, and the one that looks up.
    Join(Join),
    /// Orders the rows, stably, and keeps the first `fetch`.
    Sort {
        keys: Vec<SortExpr>,
        fetch: Option<usize>,
    },
    /// Adds columns computed over the rows around each, in the order that the node's input has.
    Window(Box<WindowStep>),
    /// Makes a row of each value of a list.
    Unnest(Unnest),
    /// Keeps `fetch` rows behind the first `skip`.
    Limit {
        skip: usize,
        fetch: Option<usize>,
    },
    /// The rows of all inputs.
    Union,
}

/// One key of an order.
#[derive(Clone, Debug, PartialEq)]
pub struct SortExpr {
    pub expr: Expr,
    pub descending: bool,
    pub nulls_first: bool,
}

impl Operator {
    /// Whether the operator only chooses and renames columns.
    pub fn only_moves_columns(&self) -> bool {
        match self {
            Operator::Project { exprs } => exprs.iter().all(|expr| matches!(expr.op, Op::Column(_))),
            _ => false,
        }
    }

    /// Returns the work of the operator, for the cost model.
    pub fn work(&self) -> Work {
        match self {
            Operator::Filter { predicate, .. } => Work::Filter { nodes: nodes([predicate]) },
            Operator::Project { exprs } => Work::Project { nodes: nodes(exprs) },
            Operator::Aggregate(aggregation) => Work::Aggregate {
                nodes: nodes(aggregation.exprs()),
                keys: aggregation.keys.len(),
                aggregates: aggregation.calls.len(),
                passes: aggregation.passes(),
            },
            Operator::Join(join) => {
                let exprs = join.left_keys.iter().chain(&join.right_keys).chain(&join.residual);
                Work::Join { nodes: nodes(exprs), keys: join.left_keys.len() }
            }
            Operator::Sort { keys, fetch } => Work::Sort { keys: keys.len(), fetch: *fetch },
            Operator::Window(step) => {
                Work::Window { nodes: nodes(&step.projection), functions: step.spec.functions.len() }
            }
            Operator::Unnest(_) | Operator::Limit { .. } | Operator::Union => Work::Project { nodes: 0 },
        }
    }

    /// Finds out whether the device can do every expression of the operator over inputs of `inputs`.
    ///
    /// # Errors
    /// Unsupported, naming the expression and why.
    pub fn check(&self, inputs: &[SchemaRef]) -> Result<()> {
        let input = inputs.first().ok_or_else(|| Error::bug("an operator without inputs"))?;
        let check = |expr: &Expr| check(input, expr);
        match self {
            Operator::Filter { predicate, .. } => check(predicate),
            Operator::Project { exprs } => {
                // A column that is passed on unread needs a device form only where it is read in the end.
                exprs.iter().filter(|expr| !matches!(expr.op, Op::Column(_))).try_for_each(check)
            }
            Operator::Aggregate(aggregation) => {
                // A count needs to know no more than which values are null.
                let is_read = |call: &Call, expr: &Expr| {
                    let counts = call.aggregate.function == AggregateFunction::Count
                        && call.method == Method::Plain
                        && call.aggregate.filter.as_ref() != Some(expr);
                    !(counts && matches!(expr.op, Op::Column(_)))
                };
                let of_call =
                    |call: &Call| call.exprs().filter(|expr| is_read(call, expr)).try_for_each(check);
                aggregation.keys.iter().try_for_each(check)?;
                aggregation.calls.iter().try_for_each(of_call)
            }
            Operator::Join(join) => {
                let [left, right] = inputs else { return Err(Error::bug("a join has two inputs")) };
                join.left_keys.iter().try_for_each(|key| self::check(left, key))?;
                join.right_keys.iter().try_for_each(|key| self::check(right, key))?;
                let fields: Vec<_> = left.fields().iter().chain(right.fields()).cloned().collect();
                let both = Arc::new(arrow::datatypes::Schema::new(fields));
                join.residual.iter().try_for_each(|residual| self::check(&both, residual))
            }
            Operator::Sort { keys, .. } => keys.iter().try_for_each(|key| check(&key.expr)),
            Operator::Window(step) => {
                step.projection.iter().filter(|expr| !matches!(expr.op, Op::Column(_))).try_for_each(check)
            }
            Operator::Unnest(_) | Operator::Limit { .. } | Operator::Union => Ok(()),
        }
    }
}

/// Finds out whether the device can do `expr`. Of a column that stays on the host it knows which values are null.
fn check(input: &SchemaRef, expr: &Expr) -> Result<()> {
    let expr = &expr.replace(&|expr| column_of_field(input, expr));
    match carried_read(expr) {
        Some(Expr { op: Op::Column(index), data_type, .. }) => {
            let name = input.fields().get(*index).map_or("", |field| field.name());
            Err(Error::unsupported(format!("column '{name}': no device form of type {data_type}")))
        }
        _ => program::check(&with_fields(input), expr),
    }
}

/// The first column of which `expr` needs values that stay on the host.
fn carried_read(expr: &Expr) -> Option<&Expr> {
    let is_carried = |expr: &Expr| matches!(expr.op, Op::Column(_)) && is_carried(&expr.data_type);
    match expr.op {
        Op::IsNull | Op::IsNotNull if expr.args.iter().all(is_carried) => None,
        _ if is_carried(expr) => Some(expr),
        _ => expr.args.iter().find_map(carried_read),
    }
}

/// Counts the expression nodes that do work.
fn nodes<'a>(exprs: impl IntoIterator<Item = &'a Expr>) -> usize {
    let mut count = 0;
    for expr in exprs {
        expr.walk(&mut |part| {
            count += match &part.op {
                Op::Column(_) | Op::Literal(_) => 0,
                // String searches cost what several comparisons do.
                Op::Like { .. } => 10,
                Op::InList { list, .. } => list.len().clamp(1, 8),
                _ => 1,
            }
        });
    }
    count
}

/// A part of a plan: rows that the host makes, or an operator over such parts.
#[derive(Clone, Debug)]
pub enum Tree {
    Leaf(Leaf),
    Node(Box<Node>),
}

/// Rows that the host makes, or that are in device memory.
#[derive(Clone, Debug)]
pub struct Leaf {
    pub plan: Arc<dyn ExecutionPlan>,
    pub rows: Estimate,
}

/// An operator with the one of the plan that it came from.
#[derive(Clone, Debug)]
pub struct Node {
    pub operator: Operator,
    /// Whether it waits for the value of a subquery.
    pub pending: bool,
    /// The CPU plan up to and with this operator.
    pub host: Arc<dyn ExecutionPlan>,
    pub size: StepSize,
    pub inputs: Vec<Fragment>,
}

/// A tree with the exchanges above it, the innermost first, of which a device has no need.
#[derive(Clone, Debug)]
pub struct Fragment {
    pub tree: Tree,
    pub exchanges: Vec<Arc<dyn ExecutionPlan>>,
}

impl Fragment {
    /// Returns the CPU plan of all of it.
    pub fn host(&self) -> &Arc<dyn ExecutionPlan> {
        self.exchanges.last().unwrap_or_else(|| self.tree.host())
    }

    pub fn rows_out(&self) -> f64 {
        match &self.tree {
            Tree::Leaf(leaf) => leaf.rows.rows,
            Tree::Node(node) => node.size.rows_out,
        }
    }
}

impl Tree {
    /// Returns the CPU plan of the tree.
    pub fn host(&self) -> &Arc<dyn ExecutionPlan> {
        match self {
            Tree::Leaf(leaf) => &leaf.plan,
            Tree::Node(node) => &node.host,
        }
    }

    /// Returns the leaves, from left to right: their place is their number.
    pub fn leaves(&self) -> Vec<&Leaf> {
        match self {
            Tree::Leaf(leaf) => vec![leaf],
            Tree::Node(node) => node.inputs.iter().flat_map(|input| input.tree.leaves()).collect(),
        }
    }

    /// Returns the operators, inputs before what is over them.
    pub fn nodes(&self) -> Vec<&Node> {
        match self {
            Tree::Leaf(_) => vec![],
            Tree::Node(node) => {
                let below = node.inputs.iter().flat_map(|input| input.tree.nodes());
                below.chain([node.as_ref()]).collect()
            }
        }
    }

    /// Whether rows come out in an order: that of one input partition, or a sort's.
    pub fn keeps_order(&self) -> bool {
        use datafusion::physical_plan::ExecutionPlanProperties;
        match self {
            Tree::Leaf(leaf) => leaf.plan.output_partitioning().partition_count() == 1,
            Tree::Node(node) => match node.operator {
                Operator::Filter { .. }
                | Operator::Project { .. }
                | Operator::Unnest(_)
                | Operator::Limit { .. }
                | Operator::Window(_) => node.inputs.iter().all(|input| input.tree.keeps_order()),
                Operator::Sort { .. } => true,
                Operator::Aggregate(_) | Operator::Join(_) | Operator::Union => false,
            },
        }
    }

    /// Answers the tree over other leaves: each of `old` becomes that of `new`.
    ///
    /// # Errors
    /// DataFusion's own, from rebuilding the CPU plan.
    pub fn rebase(
        &self,
        old: &[Arc<dyn ExecutionPlan>],
        new: &[Arc<dyn ExecutionPlan>],
    ) -> datafusion::error::Result<Tree> {
        let move_plan = |plan: &Arc<dyn ExecutionPlan>| rebase(plan, old, new);
        Ok(match self {
            Tree::Leaf(leaf) => Tree::Leaf(Leaf { plan: move_plan(&leaf.plan)?, rows: leaf.rows }),
            Tree::Node(node) => {
                let mut node = node.clone();
                node.host = move_plan(&node.host)?;
                for input in &mut node.inputs {
                    input.tree = input.tree.rebase(old, new)?;
                    for exchange in &mut input.exchanges {
                        *exchange = move_plan(exchange)?;
                    }
                }
                Tree::Node(node)
            }
        })
    }

    /// Answers the tree with the values of its subqueries, which have run by now.
    ///
    /// # Errors
    /// `bug` where one has not.
    pub fn resolve(&self) -> Result<Tree> {
        let Tree::Node(node) = self else { return Ok(self.clone()) };
        let mut node = node.clone();
        for input in &mut node.inputs {
            input.tree = input.tree.resolve()?;
        }
        if node.pending {
            let (ready, pending) = translate_node(&node.host)
                .unwrap_or_else(|| Err(Error::bug(format!("{} became no operator", node.host.name()))))?;
            if pending {
                return Err(Error::bug("a subquery has not run before the operator that needs its value"));
            }
            node.operator = ready;
        }
        Ok(Tree::Node(node))
    }
}

impl Node {
    /// Writes the operator on one line, for `EXPLAIN`.
    pub fn describe(&self) -> String {
        let Some(aggregate) = self.host.downcast_ref::<AggregateExec>() else {
            return displayable(self.host.as_ref()).one_line().to_string().trim_end().to_string();
        };
        let keys: Vec<_> = aggregate.group_expr().expr().iter().map(|(_, name)| name.as_str()).collect();
        let aggregates: Vec<_> =
            aggregate.aggr_expr().iter().map(|aggregate| exact_sum::shown_name(aggregate)).collect();
        let phase = match &self.operator {
            Operator::Aggregate(Aggregation { phase: Phase::Partial, .. }) => ", partial",
            Operator::Aggregate(Aggregation { phase: Phase::Final, .. }) => ", final",
            _ => "",
        };
        format!("AggregateExec: gby=[{}], aggr=[{}]{phase}", keys.join(", "), aggregates.join(", "))
    }

    /// Whether the operator leaves states that a final aggregate may be fused with.
    pub fn partial(&self) -> Option<&Aggregation> {
        match &self.operator {
            Operator::Aggregate(aggregation) if aggregation.phase == Phase::Partial => Some(aggregation),
            _ => None,
        }
    }
}

/// Answers `node` as an operator and whether that waits for a subquery, the reason why it has no device form, or `None`
/// where no operator is like it.
pub fn translate_node(node: &Arc<dyn ExecutionPlan>) -> Option<Result<(Operator, bool)>> {
    if let Some(filter) = node.downcast_ref::<FilterExec>() {
        return Some(translate_filter(filter));
    }
    if let Some(projection) = node.downcast_ref::<ProjectionExec>() {
        let input = projection.input().schema();
        let mut pending = false;
        let exprs = projection.expr().iter().map(|projected| {
            let translated = translate(&projected.expr, &input)?;
            pending |= translated.pending;
            Ok(translated.expr)
        });
        let exprs = exprs.collect::<Result<_>>();
        return Some(exprs.map(|exprs| (Operator::Project { exprs }, pending)));
    }
    if let Some(aggregate) = node.downcast_ref::<AggregateExec>() {
        return Some(
            translate_aggregate(aggregate).map(|aggregation| (Operator::Aggregate(aggregation), false)),
        );
    }
    if let Some(join) = translate_join(node) {
        return Some(join.map(|(join, pending)| (Operator::Join(join), pending)));
    }
    if let Some(sort) = node.downcast_ref::<SortExec>() {
        return Some(translate_sort(sort.expr(), &sort.input().schema(), sort.fetch()));
    }
    if let Some(merge) = node.downcast_ref::<SortPreservingMergeExec>() {
        return Some(translate_sort(merge.expr(), &merge.input().schema(), merge.fetch()));
    }
    if let Some(window) = translate_window(node.as_ref()) {
        return Some(window.map(|step| (Operator::Window(Box::new(step)), false)));
    }
    if let Some(unnest) = node.downcast_ref::<UnnestExec>() {
        return Some(translate_unnest(unnest).map(|unnest| (Operator::Unnest(unnest), false)));
    }
    let limit = |skip, fetch| Some(Ok((Operator::Limit { skip, fetch }, false)));
    if let Some(global) = node.downcast_ref::<GlobalLimitExec>() {
        return limit(global.skip(), global.fetch());
    }
    if let Some(local) = node.downcast_ref::<LocalLimitExec>() {
        return limit(0, Some(local.fetch()));
    }
    if node.is::<CoalescePartitionsExec>() && node.fetch().is_some() {
        return limit(0, node.fetch());
    }
    if node.is::<UnionExec>() || node.is::<InterleaveExec>() {
        return Some(Ok((Operator::Union, false)));
    }
    None
}

fn translate_filter(filter: &FilterExec) -> Result<(Operator, bool)> {
    if filter.fetch().is_some() {
        return Err(Error::unsupported("no device form of a limit inside a filter"));
    }
    let input = filter.input().schema();
    let predicate = translate(filter.predicate(), &input)?;
    let pending = predicate.pending;
    let kept = filter.projection().as_ref().map(|kept| {
        let column = |&index: &usize| {
            let field = input.field(index);
            Expr::column(index, field.data_type().clone(), field.is_nullable())
        };
        kept.iter().map(column).collect()
    });
    Ok((Operator::Filter { predicate: predicate.expr, kept }, pending))
}

fn translate_sort(order: &LexOrdering, input: &SchemaRef, fetch: Option<usize>) -> Result<(Operator, bool)> {
    let mut pending = false;
    let keys = order.iter().map(|key| {
        let translated = translate(&key.expr, input)?;
        pending |= translated.pending;
        Ok(SortExpr {
            expr: translated.expr,
            descending: key.options.descending,
            nulls_first: key.options.nulls_first,
        })
    });
    let keys = keys.collect::<Result<Vec<_>>>()?;
    Ok((Operator::Sort { keys, fetch }, pending))
}
