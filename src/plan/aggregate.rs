//! DataFusion's aggregates as aggregates of a device program.

use std::sync::Arc;

use arrow::datatypes::{DataType, Schema, SchemaRef};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::aggregate::AggregateFunctionExpr;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::aggregates::{AggregateExec, AggregateMode};

use super::expression;
use crate::error::{Error, Result};
use crate::program::{Aggregate, AggregateFunction, Expr, Literal, Op, Phase};

/// An [`AggregateExec`] in the terms of a device program.
#[derive(Clone, Debug)]
pub struct Aggregation {
    pub phase: Phase,
    pub keys: Vec<Expr>,
    pub aggregates: Vec<Aggregate>,
    pub output: SchemaRef,
}

/// The aggregate functions that have a device form, by DataFusion's name of the function.
const FUNCTIONS: &[(&str, AggregateFunction)] = &[
    ("avg", AggregateFunction::Avg),
    ("bit_and", AggregateFunction::BitAnd),
    ("bit_or", AggregateFunction::BitOr),
    ("bit_xor", AggregateFunction::BitXor),
    ("bool_and", AggregateFunction::BoolAnd),
    ("bool_or", AggregateFunction::BoolOr),
    ("count", AggregateFunction::Count),
    ("exact_avg", AggregateFunction::ExactAvg),
    ("exact_sum", AggregateFunction::ExactSum),
    ("max", AggregateFunction::Max),
    ("min", AggregateFunction::Min),
    ("stddev", AggregateFunction::StddevSample),
    ("stddev_pop", AggregateFunction::StddevPopulation),
    ("sum", AggregateFunction::Sum),
    ("var", AggregateFunction::VarianceSample),
    ("var_pop", AggregateFunction::VariancePopulation),
];

/// Translates `node` over the columns of its input.
///
/// # Errors
/// Unsupported, naming what and why: grouping sets, ordered and distinct aggregates, limits inside the aggregate,
/// functions and expressions without a device form.
pub fn translate_aggregate(node: &AggregateExec) -> Result<Aggregation> {
    let refuse = |reason: &str| Err(Error::unsupported(format!("no device form of {reason}")));
    let phase = match node.mode() {
        AggregateMode::Single | AggregateMode::SinglePartitioned => Phase::Single,
        AggregateMode::Partial => Phase::Partial,
        AggregateMode::Final | AggregateMode::FinalPartitioned => Phase::Final,
        AggregateMode::PartialReduce => return refuse("merging partial states into partial states"),
    };
    if node.group_expr().has_grouping_set() {
        return refuse("grouping sets");
    }
    if node.limit_options().is_some() {
        return refuse("a limit inside an aggregate");
    }
    let input = node.input().schema();
    let keys =
        node.group_expr().expr().iter().map(|(key, _)| translate(key, &input)).collect::<Result<Vec<_>>>()?;
    let mut states = keys.len();
    let mut aggregates = vec![];
    for (expr, filter) in node.aggr_expr().iter().zip(node.filter_expr()) {
        let function = function(expr)?;
        let input_type = input_type(expr, &node.input_schema())?;
        let (args, filter) = if phase == Phase::Final {
            let fields = expr.state_fields().map_err(|error| unsupported(expr, error))?;
            let args =
                (states..states + fields.len()).map(|index| column(index, &input)).collect::<Result<_>>()?;
            states += fields.len();
            (args, None)
        } else {
            let filter = filter.as_ref().map(|filter| translate(filter, &input)).transpose()?;
            (arguments(expr, &input)?, filter)
        };
        aggregates.push(Aggregate {
            function,
            phase,
            args,
            filter,
            input_type,
            output_type: expr.field().data_type().clone(),
        });
    }
    Ok(Aggregation { phase, keys, aggregates, output: node.schema() })
}

/// Makes one aggregate of a partial one and the final one that merges its states, or answers `None` where they are
/// not two halves of the same.
pub fn fuse(partial: &Aggregation, merging: &Aggregation) -> Option<Aggregation> {
    let halves = partial.phase == Phase::Partial
        && merging.phase == Phase::Final
        && partial.keys.len() == merging.keys.len()
        && partial.aggregates.len() == merging.aggregates.len()
        && (merging.keys.iter().enumerate()).all(|(index, key)| key.op == Op::Column(index))
        && (partial.aggregates.iter().zip(&merging.aggregates))
            .all(|(a, b)| a.function == b.function && a.input_type == b.input_type);
    halves.then(|| Aggregation {
        phase: Phase::Single,
        keys: partial.keys.clone(),
        aggregates: (partial.aggregates.iter().zip(&merging.aggregates))
            .map(|(partial, merging)| Aggregate {
                phase: Phase::Single,
                output_type: merging.output_type.clone(),
                ..partial.clone()
            })
            .collect(),
        output: merging.output.clone(),
    })
}

/// Translates an expression whose value does not wait for a subquery.
fn translate(expr: &Arc<dyn PhysicalExpr>, input: &Schema) -> Result<Expr> {
    let translated = expression::translate(expr, input)?;
    if translated.pending {
        return Err(Error::unsupported(format!(
            "'{expr}': no device form of a subquery inside an aggregate"
        )));
    }
    Ok(translated.expr)
}

fn function(expr: &AggregateFunctionExpr) -> Result<AggregateFunction> {
    if expr.is_distinct() {
        return Err(unsupported(expr, "distinct aggregates"));
    }
    if !expr.order_bys().is_empty() {
        return Err(unsupported(expr, "ordered aggregates"));
    }
    let name = expr.fun().name();
    FUNCTIONS
        .iter()
        .find(|(known, _)| *known == name)
        .map(|(_, function)| *function)
        .ok_or_else(|| unsupported(expr, format_args!("the aggregate {name}")))
}

/// Answers the argument; none where every row counts, as in `count(*)`, which is planned as the count of a constant.
fn arguments(expr: &AggregateFunctionExpr, input: &Schema) -> Result<Vec<Expr>> {
    let exprs = expr.expressions();
    let [arg] = exprs.as_slice() else {
        return Err(unsupported(expr, "aggregates of several arguments"));
    };
    let arg = translate(arg, input)?;
    let counts_rows =
        expr.fun().name() == "count" && matches!(&arg.op, Op::Literal(value) if *value != Literal::Null);
    Ok(if counts_rows { vec![] } else { vec![arg] })
}

fn input_type(expr: &AggregateFunctionExpr, raw_input: &Schema) -> Result<DataType> {
    let exprs = expr.expressions();
    let arg = exprs.first().ok_or_else(|| unsupported(expr, "aggregates without arguments"))?;
    arg.data_type(raw_input).map_err(|error| unsupported(expr, error))
}

fn column(index: usize, schema: &Schema) -> Result<Expr> {
    let field = schema.fields().get(index).ok_or_else(|| {
        Error::bug(format!("state column {index} is not in an input of {}", schema.fields().len()))
    })?;
    Ok(Expr::column(index, field.data_type().clone(), field.is_nullable()))
}

fn unsupported(expr: &AggregateFunctionExpr, reason: impl std::fmt::Display) -> Error {
    Error::unsupported(format!("'{}': no device form of {reason}", expr.name()))
}
