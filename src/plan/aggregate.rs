//! DataFusion's aggregates as aggregates of a device program.

use std::sync::Arc;

use arrow::datatypes::{DataType, Schema, SchemaRef};
use datafusion::physical_expr::aggregate::AggregateFunctionExpr;
use datafusion::physical_expr::expressions::Literal as LiteralExpr;
use datafusion::physical_expr::{PhysicalExpr, PhysicalSortExpr};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::aggregates::{AggregateExec, AggregateMode};
use datafusion::scalar::ScalarValue;

use super::expression;
use super::tree::SortExpr;
use crate::error::{Error, Result};
use crate::program::{Aggregate, AggregateFunction, Expr, Literal, Op, Phase, Regression};

/// An [`AggregateExec`] in the terms of a device program.
#[derive(Clone, Debug)]
pub struct Aggregation {
    pub phase: Phase,
    pub keys: Vec<Expr>,
    /// Of `GROUPING SETS`, `ROLLUP` and `CUBE`: what to group by, one after the other. Empty where all keys are used once.
    pub sets: Vec<GroupingSet>,
    pub calls: Vec<Call>,
    /// The keys, the id of the grouping set if there are any, then the results.
    pub output: SchemaRef,
}

/// One of several groupings of the same rows.
#[derive(Clone, Debug)]
pub struct GroupingSet {
    /// Of each key, whether it is null here and not grouped by.
    pub absent: Vec<bool>,
    /// What tells the set's groups from those of others.
    pub id: Expr,
}

/// One aggregate of an operator.
#[derive(Clone, Debug)]
pub struct Call {
    /// What is done with the rows that `method` leaves; its argument and filter.
    pub aggregate: Aggregate,
    pub method: Method,
}

/// Which values of a group's rows an aggregate takes.
#[derive(Clone, Debug, PartialEq)]
pub enum Method {
    /// Every row's, as it comes.
    Plain,
    /// Each different value once.
    Distinct,
    /// The mean of the two in the middle of their order, or the one.
    Median,
    /// What lies at this share of their order, between two of them if need be.
    Percentile(f64),
    /// That of the first row in this order.
    First { order: Vec<SortExpr>, ignore_nulls: bool },
    /// That of the last row in this order.
    Last { order: Vec<SortExpr>, ignore_nulls: bool },
}

impl Aggregation {
    /// Returns all its expressions.
    pub fn exprs(&self) -> impl Iterator<Item = &Expr> {
        self.keys.iter().chain(self.calls.iter().flat_map(Call::exprs))
    }

    /// Returns how often rows are grouped, for the cost model.
    pub fn passes(&self) -> usize {
        let anew = self.calls.iter().filter(|call| call.method != Method::Plain).count();
        self.sets.len().max(1) * (1 + anew)
    }
}

impl Call {
    /// Returns all its expressions.
    pub fn exprs(&self) -> impl Iterator<Item = &Expr> {
        let order: &[SortExpr] = match &self.method {
            Method::First { order, .. } | Method::Last { order, .. } => order,
            _ => &[],
        };
        self.aggregate.args.iter().chain(&self.aggregate.filter).chain(order.iter().map(|key| &key.expr))
    }
}

/// The aggregate functions that have a device form, by DataFusion's name of the function.
const FUNCTIONS: &[(&str, AggregateFunction)] = &[
    ("avg", AggregateFunction::Avg),
    ("bit_and", AggregateFunction::BitAnd),
    ("bit_or", AggregateFunction::BitOr),
    ("bit_xor", AggregateFunction::BitXor),
    ("bool_and", AggregateFunction::BoolAnd),
    ("bool_or", AggregateFunction::BoolOr),
    ("corr", AggregateFunction::Correlation),
    ("count", AggregateFunction::Count),
    ("covar_pop", AggregateFunction::CovariancePopulation),
    ("covar_samp", AggregateFunction::CovarianceSample),
    ("exact_avg", AggregateFunction::ExactAvg),
    ("exact_sum", AggregateFunction::ExactSum),
    ("max", AggregateFunction::Max),
    ("min", AggregateFunction::Min),
    ("regr_avgx", AggregateFunction::Regression(Regression::MeanX)),
    ("regr_avgy", AggregateFunction::Regression(Regression::MeanY)),
    ("regr_count", AggregateFunction::Regression(Regression::Count)),
    ("regr_intercept", AggregateFunction::Regression(Regression::Intercept)),
    ("regr_r2", AggregateFunction::Regression(Regression::R2)),
    ("regr_slope", AggregateFunction::Regression(Regression::Slope)),
    ("regr_sxx", AggregateFunction::Regression(Regression::SquaresX)),
    ("regr_sxy", AggregateFunction::Regression(Regression::Products)),
    ("regr_syy", AggregateFunction::Regression(Regression::SquaresY)),
    ("stddev", AggregateFunction::StddevSample),
    ("stddev_pop", AggregateFunction::StddevPopulation),
    ("sum", AggregateFunction::Sum),
    ("var", AggregateFunction::VarianceSample),
    ("var_pop", AggregateFunction::VariancePopulation),
];

/// Translates `node` over the columns of its input.
///
/// # Errors
/// Unsupported, naming what and why: functions and expressions without a device form.
///
/// A limit inside the aggregate is an optimization of DataFusion's: what is above limits the groups anyway.
pub fn translate_aggregate(node: &AggregateExec) -> Result<Aggregation> {
    let refuse = |reason: &str| Err(Error::unsupported(format!("no device form of {reason}")));
    let phase = match node.mode() {
        AggregateMode::Single | AggregateMode::SinglePartitioned => Phase::Single,
        AggregateMode::Partial => Phase::Partial,
        AggregateMode::Final | AggregateMode::FinalPartitioned => Phase::Final,
        AggregateMode::PartialReduce => return refuse("merging partial states into partial states"),
    };
    let input = node.input().schema();
    let group_by = node.group_expr();
    let keys = group_by.expr().iter().map(|(key, _)| translate(key, &input)).collect::<Result<Vec<_>>>()?;
    let sets = match group_by.has_grouping_set() {
        true => grouping_sets(group_by.groups(), node.schema().field(keys.len()).data_type())?,
        false => vec![],
    };
    let mut states = keys.len();
    let mut calls = vec![];
    for (expr, filter) in node.aggr_expr().iter().zip(node.filter_expr()) {
        let (function, method) = function(expr, &input, phase)?;
        let input_type = input_type(expr, &node.input_schema())?;
        let fields = expr.state_fields().map_err(|error| unsupported(expr, error))?.len();
        let (args, filter) = match (phase, &method) {
            (Phase::Final, Method::Plain) => {
                let args =
                    (states..states + fields).map(|index| column(index, &input)).collect::<Result<_>>()?;
                (args, None)
            }
            // States of the CPU's, which nothing but a CPU reads. Where both halves are here there are none.
            (Phase::Final, _) => (vec![], None),
            _ => {
                let filter = filter.as_ref().map(|filter| translate(filter, &input)).transpose()?;
                (arguments(expr, function, &method, &input)?, filter)
            }
        };
        states += fields;
        let aggregate = Aggregate {
            function,
            phase,
            args,
            filter,
            input_type,
            output_type: expr.field().data_type().clone(),
        };
        calls.push(Call { aggregate, method });
    }
    Ok(Aggregation { phase, keys, sets, calls, output: node.schema() })
}

/// The grouping sets with their ids, as DataFusion numbers them: a bit for each key that is absent, the last key's the
/// lowest, and above those how often the same set came before.
fn grouping_sets(groups: &[Vec<bool>], id_type: &DataType) -> Result<Vec<GroupingSet>> {
    let id = |(number, absent): (usize, &Vec<bool>)| {
        let bits = absent.iter().fold(0u64, |bits, &absent| (bits << 1) | u64::from(absent));
        let repeats = groups[..number].iter().filter(|before| *before == absent).count() as u64;
        let above = repeats.checked_shl(absent.len() as u32).filter(|_| absent.len() < 64 || repeats == 0);
        let id = above.map(|above| above | bits);
        let id = id.ok_or_else(|| Error::unsupported("no device form of so many grouping columns"))?;
        let id = Expr::literal(Literal::UInt(id), id_type.clone());
        Ok(GroupingSet { absent: absent.clone(), id })
    };
    groups.iter().enumerate().map(id).collect()
}

/// Makes one aggregate of a partial one and the final one that merges its states, or answers `None` where they are
/// not two halves of the same.
pub fn fuse(partial: &Aggregation, merging: &Aggregation) -> Option<Aggregation> {
    let keys = partial.keys.len() + usize::from(!partial.sets.is_empty());
    let halves = partial.phase == Phase::Partial
        && merging.phase == Phase::Final
        && keys == merging.keys.len()
        && merging.sets.is_empty()
        && partial.calls.len() == merging.calls.len()
        && (merging.keys.iter().enumerate()).all(|(index, key)| key.op == Op::Column(index))
        && partial.calls.iter().zip(&merging.calls).all(|(a, b)| same_function(a, b));
    halves.then(|| Aggregation {
        phase: Phase::Single,
        keys: partial.keys.clone(),
        sets: partial.sets.clone(),
        calls: (partial.calls.iter().zip(&merging.calls))
            .map(|(partial, merging)| Call {
                aggregate: Aggregate {
                    phase: Phase::Single,
                    output_type: merging.aggregate.output_type.clone(),
                    ..partial.aggregate.clone()
                },
                method: partial.method.clone(),
            })
            .collect(),
        output: merging.output.clone(),
    })
}

/// Whether two halves are of the same function; what it is of only the partial one knows.
fn same_function(partial: &Call, merging: &Call) -> bool {
    let method = match (&partial.method, &merging.method) {
        (Method::Percentile(a), Method::Percentile(b)) => a == b,
        (a, b) => std::mem::discriminant(a) == std::mem::discriminant(b),
    };
    method
        && partial.aggregate.function == merging.aggregate.function
        && partial.aggregate.input_type == merging.aggregate.input_type
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

/// The function that is done with the values that a method takes. A value that a method picks is the greatest of one.
fn function(
    expr: &AggregateFunctionExpr,
    input: &Schema,
    phase: Phase,
) -> Result<(AggregateFunction, Method)> {
    use AggregateFunction::*;
    let name = expr.fun().name();
    let order = || -> Result<Vec<SortExpr>> {
        if phase == Phase::Final {
            return Ok(vec![]);
        }
        let key = |key: &PhysicalSortExpr| {
            Ok(SortExpr {
                expr: translate(&key.expr, input)?,
                descending: key.options.descending,
                nulls_first: key.options.nulls_first,
            })
        };
        expr.order_bys().iter().map(key).collect()
    };
    let method = match name {
        "median" | "approx_median" => Method::Median,
        "percentile_cont" | "approx_percentile_cont" => Method::Percentile(percentile(expr)?),
        "first_value" => Method::First { order: order()?, ignore_nulls: expr.ignore_nulls() },
        "last_value" => Method::Last { order: order()?, ignore_nulls: expr.ignore_nulls() },
        "approx_distinct" => return Ok((Count, Method::Distinct)),
        // Any value will do, so one that does not depend on the order does.
        "any_value" => return Ok((Min, Method::Plain)),
        _ => {
            // None of these depends on an order that is asked for.
            let known = FUNCTIONS.iter().find(|(known, _)| *known == name);
            let function = known.ok_or_else(|| unsupported(expr, format_args!("the aggregate {name}")))?.1;
            // To these a value that comes again is no news.
            let once = matches!(function, Min | Max | BoolAnd | BoolOr | BitAnd | BitOr);
            return match expr.is_distinct() && !once {
                true if function.is_of_pairs() => {
                    Err(unsupported(expr, format_args!("{name} of distinct pairs")))
                }
                true => Ok((function, Method::Distinct)),
                false => Ok((function, Method::Plain)),
            };
        }
    };
    if expr.is_distinct() && !matches!(method, Method::First { .. } | Method::Last { .. }) {
        return Err(unsupported(expr, format_args!("{name} of distinct values")));
    }
    Ok((Max, method))
}

/// The constant share of a percentile, counted from the smallest value.
fn percentile(expr: &AggregateFunctionExpr) -> Result<f64> {
    let exprs = expr.expressions();
    let share = exprs.get(1).and_then(|share| share.downcast_ref::<LiteralExpr>());
    let share = share.and_then(|share| share.value().cast_to(&DataType::Float64).ok());
    match share {
        Some(ScalarValue::Float64(Some(share))) if (0.0..=1.0).contains(&share) => {
            let descending = expr.order_bys().first().is_some_and(|key| key.options.descending);
            Ok(if descending { 1.0 - share } else { share })
        }
        _ => Err(unsupported(expr, "a percentile that is not a constant between 0 and 1")),
    }
}

/// Answers the arguments; none where every row counts, as in `count(*)`, which is planned as the count of a constant.
fn arguments(
    expr: &AggregateFunctionExpr,
    function: AggregateFunction,
    method: &Method,
    input: &Schema,
) -> Result<Vec<Expr>> {
    let exprs = expr.expressions();
    if function.is_of_pairs() {
        let [a, b] = exprs.as_slice() else {
            return Err(Error::bug(format!("{} is not of two arguments", expr.name())));
        };
        return Ok(vec![translate(a, input)?, translate(b, input)?]);
    }
    let [arg, others @ ..] = exprs.as_slice() else {
        return Err(unsupported(expr, "aggregates without arguments"));
    };
    if !others.is_empty() && !matches!(method, Method::Percentile(_)) {
        return Err(unsupported(expr, "aggregates of several arguments"));
    }
    let arg = translate(arg, input)?;
    match (method, &arg.data_type) {
        (Method::Percentile(_), DataType::Float32 | DataType::Float64) => {}
        (Method::Median, DataType::Float32 | DataType::Float64 | DataType::Decimal128(..=37, _)) => {}
        (Method::Percentile(_) | Method::Median, other) => {
            return Err(unsupported(expr, format_args!("{} of type {other}", expr.fun().name())));
        }
        _ => {}
    }
    let counts_rows = function == AggregateFunction::Count
        && *method == Method::Plain
        && matches!(&arg.op, Op::Literal(value) if *value != Literal::Null);
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
