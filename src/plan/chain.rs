//! Chains of operators over one input, and the device programs that they become.
//!
//! A chain is what one device node replaces: filters, projections and aggregates that follow each other, with the
//! exchanges between them, which a device has no use for. It is cut into stages at its aggregates: each stage is one
//! pipeline, and what one leaves in device memory the next reads there.

use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use datafusion::physical_plan::aggregates::AggregateExec;
use datafusion::physical_plan::filter::FilterExec;
use datafusion::physical_plan::projection::ProjectionExec;
use datafusion::physical_plan::{ExecutionPlan, displayable};

use super::aggregate::{Aggregation, translate_aggregate};
use super::cost::{StepSize, Work};
use super::expression::translate;
use crate::column::Storage;
use crate::error::{Error, Result};
use crate::program::{self, CompiledPipeline, Expr, Op, Phase, Pipeline, Sink};

/// One operator of a chain, over the columns that the one before leaves.
#[derive(Clone, Debug)]
pub enum Step {
    /// Keeps the rows where the predicate is true, and of them the columns `kept`, or all.
    Filter {
        predicate: Expr,
        kept: Option<Vec<Expr>>,
    },
    Project {
        exprs: Vec<Expr>,
    },
    Aggregate(Aggregation),
}

impl Step {
    /// Whether the step only chooses and renames columns.
    pub fn only_moves_columns(&self) -> bool {
        match self {
            Step::Project { exprs } => exprs.iter().all(|expr| matches!(expr.op, Op::Column(_))),
            _ => false,
        }
    }

    /// Returns the work of the step, for the cost model.
    pub fn work(&self) -> Work {
        match self {
            Step::Filter { predicate, .. } => Work::Filter { nodes: nodes([predicate]) },
            Step::Project { exprs } => Work::Project { nodes: nodes(exprs) },
            Step::Aggregate(aggregation) => {
                Work::Aggregate {
                    nodes: nodes(aggregation.keys.iter().chain(
                        aggregation.aggregates.iter().flat_map(|one| one.args.iter().chain(&one.filter)),
                    )),
                    keys: aggregation.keys.len(),
                    aggregates: aggregation.aggregates.len(),
                }
            }
        }
    }

    /// Finds out whether the device can do every expression of the step.
    ///
    /// # Errors
    /// Unsupported, naming the expression and why.
    pub fn check(&self, input: &SchemaRef) -> Result<()> {
        let check = |expr: &Expr| program::check(input, expr);
        match self {
            Step::Filter { predicate, .. } => check(predicate),
            Step::Project { exprs } => {
                // A column that is passed on unread needs a device form only where it is read in the end.
                exprs.iter().filter(|expr| !matches!(expr.op, Op::Column(_))).try_for_each(check)
            }
            Step::Aggregate(aggregation) => {
                let of_aggregates =
                    aggregation.aggregates.iter().flat_map(|one| one.args.iter().chain(&one.filter));
                aggregation.keys.iter().chain(of_aggregates).try_for_each(check)
            }
        }
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

/// A step with the operator that it came from.
#[derive(Clone, Debug)]
pub struct ChainStep {
    pub step: Step,
    /// Whether the step waits for the value of a subquery.
    pub pending: bool,
    /// The CPU plan up to and with this operator, over the chain's input.
    pub host: Arc<dyn ExecutionPlan>,
    pub size: StepSize,
}

/// Answers `node` as a step and whether that waits for a subquery, the reason why it has no device form, or `None`
/// where no step is like it.
pub fn translate_step(node: &Arc<dyn ExecutionPlan>) -> Option<Result<(Step, bool)>> {
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
        return Some(exprs.map(|exprs| (Step::Project { exprs }, pending)));
    }
    if let Some(aggregate) = node.downcast_ref::<AggregateExec>() {
        return Some(translate_aggregate(aggregate).map(|aggregation| (Step::Aggregate(aggregation), false)));
    }
    None
}

fn translate_filter(filter: &FilterExec) -> Result<(Step, bool)> {
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
    Ok((Step::Filter { predicate: predicate.expr, kept }, pending))
}

impl ChainStep {
    /// Writes the operator on one line, for `EXPLAIN`.
    pub fn describe(&self) -> String {
        let Some(aggregate) = self.host.downcast_ref::<AggregateExec>() else {
            return displayable(self.host.as_ref()).one_line().to_string().trim_end().to_string();
        };
        let keys: Vec<_> = aggregate.group_expr().expr().iter().map(|(_, name)| name.as_str()).collect();
        let aggregates: Vec<_> = aggregate.aggr_expr().iter().map(|aggregate| aggregate.name()).collect();
        let phase = match &self.step {
            Step::Aggregate(Aggregation { phase: Phase::Partial, .. }) => ", partial",
            Step::Aggregate(Aggregation { phase: Phase::Final, .. }) => ", final",
            _ => "",
        };
        format!("AggregateExec: gby=[{}], aggr=[{}]{phase}", keys.join(", "), aggregates.join(", "))
    }
}

/// Compiles `steps` with the values of their subqueries, which have run by now.
///
/// # Errors
/// As [`compile`].
pub fn resolve(input: &SchemaRef, steps: &[ChainStep]) -> Result<DevicePlan> {
    let mut resolved = steps.to_vec();
    for step in resolved.iter_mut().filter(|step| step.pending) {
        let (ready, pending) = translate_step(&step.host)
            .unwrap_or_else(|| Err(Error::bug(format!("{} became no step", step.host.name()))))?;
        if pending {
            return Err(Error::bug("a subquery has not run before the operator that needs its value"));
        }
        step.step = ready;
    }
    compile(input, &resolved)
}

/// What a device runs: the stages in order, and how their result becomes the node's.
#[derive(Clone, Debug)]
pub struct DevicePlan {
    /// The columns of the input that are read, ascending; the first stage's input has these alone.
    pub read: Vec<usize>,
    pub stages: Vec<Arc<CompiledPipeline>>,
    /// The last stage's output, by index; `None` where it is the node's as it stands.
    pub output: Option<Vec<usize>>,
    pub input: SchemaRef,
    pub schema: SchemaRef,
    /// Whether the plan is one pass that keeps rows in order, so that each chunk gives its result at once.
    pub streams: bool,
}

/// Compiles `steps` over an input of `input` into stages.
///
/// # Errors
/// Unsupported where the device cannot do some of it, naming what.
pub fn compile(input: &SchemaRef, steps: &[ChainStep]) -> Result<DevicePlan> {
    let last = steps.last().ok_or_else(|| Error::bug("a chain without steps"))?;
    let schema = last.host.schema();
    let mut pipelines: Vec<Pipeline> = vec![];
    let mut builder = Pipeline::scan(input.clone());
    // Steps since the last aggregate that a host could not do by choosing columns.
    let mut open_work = steps.iter().all(|step| !matches!(step.step, Step::Aggregate(_)));
    for step in steps {
        match &step.step {
            Step::Filter { predicate, kept } => {
                builder = builder.filter(predicate);
                if let Some(kept) = kept {
                    builder = builder.project(kept);
                }
                open_work = true;
            }
            Step::Project { exprs } => {
                builder = builder.project(exprs);
                open_work |= !step.step.only_moves_columns();
            }
            Step::Aggregate(Aggregation { keys, aggregates, output, .. }) => {
                let pipeline = builder.aggregate(output.clone(), keys, aggregates);
                builder = Pipeline::scan(pipeline.output_layout());
                pipelines.push(pipeline);
                open_work = false;
            }
        }
    }
    let mut output = None;
    if open_work {
        pipelines.push(builder.materialize(schema.clone()));
    } else {
        let chosen: Vec<usize> = builder
            .columns()
            .iter()
            .map(|column| match column.op {
                Op::Column(index) => Ok(index),
                _ => Err(Error::bug("a choice of columns that computes")),
            })
            .collect::<Result<_>>()?;
        let stage_output = pipelines.last().map(|pipeline| pipeline.output().clone());
        if stage_output.as_ref() != Some(&schema) || chosen.iter().copied().ne(0..schema.fields().len()) {
            output = Some(chosen);
        }
    }
    let (first, read) = pipelines[0].narrow();
    for &index in &read {
        let field = input.field(index);
        if Storage::of(field.data_type()).is_none() {
            return Err(Error::unsupported(format!(
                "column '{}': no device form of type {}",
                field.name(),
                field.data_type()
            )));
        }
    }
    pipelines[0] = first;
    let streams = matches!(pipelines.as_slice(), [Pipeline { sink: Sink::Materialize { .. }, .. }]);
    let input = pipelines[0].input.clone();
    let stages =
        pipelines.iter().map(|pipeline| program::compile(pipeline).map(Arc::new)).collect::<Result<_>>()?;
    Ok(DevicePlan { read, stages, output, input, schema, streams })
}

/// Returns the bytes of one row of `fields`; strings are taken at 16 bytes and their offset.
pub fn row_bytes<'a>(fields: impl IntoIterator<Item = &'a arrow::datatypes::FieldRef>) -> f64 {
    fields
        .into_iter()
        .map(|field| match Storage::of(field.data_type()) {
            Some(Storage::Bits) => 0.125,
            Some(Storage::Bytes) | None => 20.0,
            Some(fixed) => fixed.width().unwrap_or(8) as f64,
        })
        .sum()
}

/// Whether the last step leaves states that a final aggregate may be fused with.
pub fn ends_in_partial(steps: &[ChainStep]) -> Option<&Aggregation> {
    match &steps.last()?.step {
        Step::Aggregate(aggregation) if aggregation.phase == Phase::Partial => Some(aggregation),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use arrow::datatypes::{DataType, Field, Schema};

    use super::*;
    use crate::program::{BinaryOp, Literal};

    fn input() -> SchemaRef {
        let field = |name: &str| Field::new(name, DataType::Int64, false);
        Arc::new(Schema::new(vec![field("a"), field("b"), field("c"), field("d")]))
    }

    fn column(index: usize) -> Expr {
        Expr::column(index, DataType::Int64, false)
    }

    #[test]
    fn only_the_columns_that_are_read_are_uploaded() {
        let positive = Expr::binary(
            BinaryOp::Gt,
            column(3),
            Expr::literal(Literal::Int(0), DataType::Int64),
            DataType::Boolean,
        );
        let output = Arc::new(Schema::new(vec![Field::new("b", DataType::Int64, false)]));
        let pipeline = Pipeline::scan(input()).filter(&positive).project(&[column(1)]).materialize(output);
        let (narrow, read) = pipeline.narrow();
        assert_eq!(read, [1, 3]);
        let names: Vec<_> = narrow.input.fields().iter().map(|field| field.name().as_str()).collect();
        assert_eq!(names, ["b", "d"]);
        let crate::program::Step::Filter(filter) = &narrow.steps[0] else { panic!("another step") };
        assert_eq!(filter.to_string(), "(#1 > 0)");
        let Sink::Materialize { columns, .. } = &narrow.sink else { panic!("another sink") };
        assert_eq!(columns, &[column(0)]);
    }

    #[test]
    fn moving_columns_is_no_work() {
        let moves = Step::Project { exprs: vec![column(2), column(0)] };
        assert!(moves.only_moves_columns());
        assert_eq!(moves.work(), Work::Project { nodes: 0 });
        let sum = Expr::binary(BinaryOp::Add, column(0), column(1), DataType::Int64);
        let computes = Step::Project { exprs: vec![column(2), sum] };
        assert!(!computes.only_moves_columns());
        assert_eq!(computes.work(), Work::Project { nodes: 1 });
    }

    #[test]
    fn a_row_is_as_wide_as_its_columns_on_the_device() {
        let fields = [
            Arc::new(Field::new("flag", DataType::Boolean, false)),
            Arc::new(Field::new("price", DataType::Decimal128(15, 2), false)),
            Arc::new(Field::new("text", DataType::Utf8View, false)),
        ];
        assert_eq!(row_bytes(&fields), 0.125 + 8.0 + 20.0);
    }
}
