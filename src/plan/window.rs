//! DataFusion's window operators as a step on the device.
//!
//! # Where the translation is not one to one
//!
//! | DataFusion | device |
//! |---|---|
//! | arguments, partition and order expressions | columns that are projected before the window |
//! | `count(1)`, `count(*)` | a count of rows |
//! | `FILTER (WHERE …)` | unsupported |
//! | offsets of ROWS and GROUPS | rows, groups |
//! | offsets of RANGE | distances in the units that the key is stored in: intervals of days and less become days or ticks |
//! | intervals of months, keys in a time zone other than UTC | unsupported: their distance depends on the key |
//! | a function that the optimizer turned round to save a sort | the same function, counting the other way |
//! | input that is not sorted by all partition keys (`Linear`, `PartiallySorted`) | a sort before, and one back after |

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, FieldRef, Schema, SchemaRef, TimeUnit};
use datafusion::logical_expr::{WindowFrameBound, WindowFrameUnits};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::aggregate::AggregateFunctionExpr;
use datafusion::physical_expr::expressions::Literal as LiteralExpr;
use datafusion::physical_expr::window::{PlainAggregateWindowExpr, SlidingAggregateWindowExpr};
use datafusion::physical_plan::windows::{
    BoundedWindowAggExec, StandardWindowExpr, WindowAggExec, WindowExpr, WindowUDFExpr,
};
use datafusion::physical_plan::{ExecutionPlan, InputOrderMode};
use datafusion::scalar::ScalarValue;

use super::expression;
use crate::error::{Error, Result};
use crate::operators::sort::SortKey;
use crate::operators::window::{FrameBound, FrameUnits, WindowFrame, WindowFunction, WindowKind, WindowSpec};
use crate::program::{Expr, Literal, Op};

/// A window operator in the device's terms: project, (the input is sorted,) append the functions' columns, choose.
#[derive(Clone, Debug)]
pub struct WindowStep {
    /// What the window reads: the input's columns, then what is computed for it.
    pub projection: Vec<Expr>,
    /// Names and types of `projection`.
    pub projected: SchemaRef,
    /// The window over `projected`; its input has to be sorted by the partition columns and then by the order keys, as
    /// DataFusion's node requires of its own input.
    pub spec: WindowSpec,
    /// Whether the node requires its input to be sorted by all partition columns too; if not, it may come in the order
    /// of the order keys alone, and the node keeps it.
    pub is_sorted: bool,
    /// The columns of the window's result that make the node's output: the input's and the functions'.
    pub output: Vec<usize>,
    /// The node's output.
    pub schema: SchemaRef,
}

/// Translates a [`WindowAggExec`] or [`BoundedWindowAggExec`]; `None` for any other node.
///
/// # Errors
/// Unsupported, naming the function and why.
pub fn translate_window(node: &dyn ExecutionPlan) -> Option<Result<WindowStep>> {
    if let Some(node) = node.downcast_ref::<WindowAggExec>() {
        return Some(translate(node.window_expr(), &node.input().schema(), node.schema()));
    }
    let node = node.downcast_ref::<BoundedWindowAggExec>()?;
    let is_sorted = node.input_order_mode == InputOrderMode::Sorted;
    let step = translate(node.window_expr(), &node.input().schema(), node.schema());
    Some(step.map(|step| WindowStep { is_sorted, ..step }))
}

fn translate(windows: &[Arc<dyn WindowExpr>], input: &SchemaRef, schema: SchemaRef) -> Result<WindowStep> {
    let first = windows.first().ok_or_else(|| Error::bug("a window operator without functions"))?;
    let same = |window: &Arc<dyn WindowExpr>| {
        let alike = |a: &[Arc<dyn PhysicalExpr>], b: &[Arc<dyn PhysicalExpr>]| {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a == b)
        };
        alike(window.partition_by(), first.partition_by()) && window.order_by() == first.order_by()
    };
    if !windows.iter().all(same) {
        return Err(Error::unsupported("no device form of windows of different order in one operator"));
    }
    let mut columns = Columns::new(input);
    let partition =
        first.partition_by().iter().map(|expr| columns.of(expr)).collect::<Result<Vec<usize>>>()?;
    let order = (first.order_by().iter())
        .map(|key| {
            let (descending, nulls_first) = (key.options.descending, key.options.nulls_first);
            Ok(SortKey { column: columns.of(&key.expr)?, descending, nulls_first })
        })
        .collect::<Result<Vec<_>>>()?;
    let mut functions = vec![];
    for (window, field) in windows.iter().zip(&schema.fields()[input.fields().len()..]) {
        let key_type = order.first().map(|key| columns.exprs[key.column].data_type.clone());
        let frame = frame(window, key_type.as_ref())?;
        functions.push(function(window, frame, field, &mut columns)?);
    }
    let (inputs, computed) = (input.fields().len(), columns.exprs.len());
    let spec = WindowSpec { partition, order, functions };
    let projected = Arc::new(Schema::new(columns.fields));
    spec.check(&projected)?;
    Ok(WindowStep {
        projection: columns.exprs,
        projected,
        spec,
        is_sorted: true,
        output: (0..inputs).chain(computed..computed + windows.len()).collect(),
        schema,
    })
}

/// The columns that the window reads.
struct Columns<'a> {
    input: &'a Schema,
    exprs: Vec<Expr>,
    fields: Vec<FieldRef>,
}

impl<'a> Columns<'a> {
    fn new(input: &'a Schema) -> Columns<'a> {
        let column = |(index, field): (usize, &FieldRef)| {
            Expr::column(index, field.data_type().clone(), field.is_nullable())
        };
        let exprs = input.fields().iter().enumerate().map(column).collect();
        Columns { input, exprs, fields: input.fields().to_vec() }
    }

    /// The column that holds the value of `expr`, a new one where none does.
    fn of(&mut self, expr: &Arc<dyn PhysicalExpr>) -> Result<usize> {
        let expr = self.translate(expr)?;
        Ok(self.add(expr))
    }

    fn add(&mut self, expr: Expr) -> usize {
        if let Some(known) = self.exprs.iter().position(|known| *known == expr) {
            return known;
        }
        let name = format!("window argument {}", self.exprs.len());
        self.fields.push(Arc::new(Field::new(name, expr.data_type.clone(), expr.nullable)));
        self.exprs.push(expr);
        self.exprs.len() - 1
    }

    fn translate(&self, expr: &Arc<dyn PhysicalExpr>) -> Result<Expr> {
        let translated = expression::translate(expr, self.input)?;
        match translated.pending {
            true => {
                Err(Error::unsupported(format!("'{expr}': no device form of a subquery inside a window")))
            }
            false => Ok(translated.expr),
        }
    }
}

fn function(
    window: &Arc<dyn WindowExpr>,
    frame: WindowFrame,
    output: &FieldRef,
    columns: &mut Columns<'_>,
) -> Result<WindowFunction> {
    let any = window.as_any();
    let output = Arc::clone(output);
    if let Some(standard) = any.downcast_ref::<StandardWindowExpr>() {
        let udf = standard.get_standard_func_expr();
        let udf = udf
            .as_any()
            .downcast_ref::<WindowUDFExpr>()
            .ok_or_else(|| unsupported(window, "a window function of unknown kind"))?;
        let (is_reversed, ignore_nulls) = modes(udf).ok_or_else(|| unsupported(window, "its modes"))?;
        let kind = standard_kind(window, udf, is_reversed)?;
        use WindowKind::*;
        let args = match kind {
            Lag { .. } | Lead { .. } | FirstValue | LastValue | NthValue(_) => {
                let arg =
                    udf.args().first().ok_or_else(|| unsupported(window, "a call without arguments"))?;
                vec![columns.of(arg)?]
            }
            _ => vec![],
        };
        return Ok(WindowFunction { kind, args, frame, ignore_nulls, output });
    }
    let aggregate = match any.downcast_ref::<PlainAggregateWindowExpr>() {
        Some(plain) => plain.get_aggregate_expr(),
        None => any
            .downcast_ref::<SlidingAggregateWindowExpr>()
            .map(SlidingAggregateWindowExpr::get_aggregate_expr)
            .ok_or_else(|| unsupported(window, "a window expression of unknown kind"))?,
    };
    if !has_no_filter(window) {
        return Err(unsupported(window, "FILTER in a window"));
    }
    let kind = aggregate_kind(window, aggregate)?;
    let exprs = aggregate.expressions();
    let [arg] = exprs.as_slice() else {
        return Err(unsupported(window, "aggregates of several arguments"));
    };
    let arg = columns.translate(arg)?;
    let counts_rows =
        kind == WindowKind::Count && matches!(&arg.op, Op::Literal(value) if *value != Literal::Null);
    let args = if counts_rows { vec![] } else { vec![columns.add(arg)] };
    Ok(WindowFunction { kind, args, frame, ignore_nulls: false, output })
}

/// Whether a function was turned round, and whether it ignores nulls. Nothing but their debug form says so; where that
/// changes, nothing is known.
fn modes(udf: &WindowUDFExpr) -> Option<(bool, bool)> {
    let text = format!("{udf:?}");
    [(false, false), (false, true), (true, false), (true, true)].into_iter().find(|(reversed, ignore)| {
        text.ends_with(&format!(", is_reversed: {reversed}, ignore_nulls: {ignore} }}"))
    })
}

/// Whether an aggregate sees every row of its frame; as with [`modes`], only the debug form says so.
fn has_no_filter(window: &Arc<dyn WindowExpr>) -> bool {
    format!("{window:?}").ends_with(", filter: None }")
}

fn standard_kind(window: &Arc<dyn WindowExpr>, udf: &WindowUDFExpr, is_reversed: bool) -> Result<WindowKind> {
    use WindowKind::*;
    let turned = |n: i64| if is_reversed { n.wrapping_neg() } else { n };
    Ok(match udf.fun().name() {
        "row_number" => RowNumber,
        "rank" => Rank,
        "dense_rank" => DenseRank,
        "percent_rank" => PercentRank,
        "cume_dist" => CumeDist,
        "first_value" => FirstValue,
        "last_value" => LastValue,
        "nth_value" => {
            let n =
                integer_argument(window, udf, 1)?.ok_or_else(|| unsupported(window, "nth_value of no n"))?;
            NthValue(turned(n))
        }
        "ntile" => {
            let n = constant(udf, 0).and_then(|n| match n.cast_to(&DataType::UInt64) {
                Ok(ScalarValue::UInt64(n)) => n,
                _ => None,
            });
            Ntile(n.filter(|n| *n > 0).ok_or_else(|| unsupported(window, "ntile of that number"))?)
        }
        name @ ("lag" | "lead") => {
            let offset = integer_argument(window, udf, 1)?.unwrap_or(1);
            let default = default_value(window, udf)?;
            match name {
                "lag" => Lag { offset: turned(offset), default },
                _ => Lead { offset: turned(offset), default },
            }
        }
        name => return Err(unsupported(window, format_args!("the window function {name}"))),
    })
}

fn aggregate_kind(window: &Arc<dyn WindowExpr>, aggregate: &AggregateFunctionExpr) -> Result<WindowKind> {
    if aggregate.is_distinct() {
        return Err(unsupported(window, "distinct aggregates"));
    }
    if !aggregate.order_bys().is_empty() {
        return Err(unsupported(window, "ordered aggregates"));
    }
    Ok(match aggregate.fun().name() {
        "avg" => WindowKind::Avg,
        "count" => WindowKind::Count,
        "max" => WindowKind::Max,
        "min" => WindowKind::Min,
        "stddev" => WindowKind::StddevSample,
        "stddev_pop" => WindowKind::StddevPopulation,
        "sum" => WindowKind::Sum,
        "var" => WindowKind::VarianceSample,
        "var_pop" => WindowKind::VariancePopulation,
        name => return Err(unsupported(window, format_args!("the aggregate {name} over a window"))),
    })
}

fn constant(udf: &WindowUDFExpr, index: usize) -> Option<&ScalarValue> {
    udf.args().get(index)?.downcast_ref::<LiteralExpr>().map(LiteralExpr::value)
}

/// An integer constant; a null counts as 0, as DataFusion has it. `None` where there is no such argument.
fn integer_argument(window: &Arc<dyn WindowExpr>, udf: &WindowUDFExpr, index: usize) -> Result<Option<i64>> {
    if udf.args().len() <= index {
        return Ok(None);
    }
    let value = constant(udf, index).ok_or_else(|| unsupported(window, "an offset that is not constant"))?;
    if value.is_null() {
        return Ok(Some(0));
    }
    match value.cast_to(&DataType::Int64) {
        Ok(ScalarValue::Int64(Some(value))) => Ok(Some(value)),
        _ => Err(unsupported(window, "an offset that is not an integer")),
    }
}

/// What lag and lead answer where there is no row: a constant of the argument's type.
fn default_value(window: &Arc<dyn WindowExpr>, udf: &WindowUDFExpr) -> Result<Literal> {
    if udf.args().len() <= 2 {
        return Ok(Literal::Null);
    }
    let value = constant(udf, 2).ok_or_else(|| unsupported(window, "a default that is not constant"))?;
    if value.is_null() {
        return Ok(Literal::Null);
    }
    let field = window.field().map_err(|error| unsupported(window, error))?;
    let value = value.cast_to(field.data_type()).map_err(|error| unsupported(window, error))?;
    literal(window, &value)
}

fn frame(window: &Arc<dyn WindowExpr>, key: Option<&DataType>) -> Result<WindowFrame> {
    let frame = window.get_window_frame();
    let units = match frame.units {
        WindowFrameUnits::Rows => FrameUnits::Rows,
        WindowFrameUnits::Range => FrameUnits::Range,
        WindowFrameUnits::Groups => FrameUnits::Groups,
    };
    let offset = |value: &ScalarValue| match units {
        FrameUnits::Range => distance(window, value, key),
        FrameUnits::Rows | FrameUnits::Groups => literal(window, value),
    };
    let bound = |bound: &WindowFrameBound| -> Result<FrameBound> {
        Ok(match bound {
            WindowFrameBound::Preceding(value) if value.is_null() => FrameBound::UnboundedPreceding,
            WindowFrameBound::Preceding(value) => FrameBound::Preceding(offset(value)?),
            WindowFrameBound::CurrentRow => FrameBound::CurrentRow,
            WindowFrameBound::Following(value) if value.is_null() => FrameBound::UnboundedFollowing,
            WindowFrameBound::Following(value) => FrameBound::Following(offset(value)?),
        })
    };
    Ok(WindowFrame { units, start: bound(&frame.start_bound)?, end: bound(&frame.end_bound)? })
}

/// A distance from a key, in the units in which the key is stored.
fn distance(window: &Arc<dyn WindowExpr>, value: &ScalarValue, key: Option<&DataType>) -> Result<Literal> {
    let key = key.ok_or_else(|| unsupported(window, "a RANGE with offsets without an order"))?;
    let refuse = || {
        let of = value.data_type();
        unsupported(
            window,
            format_args!("RANGE with an offset {value} of type {of} from a key of type {key}"),
        )
    };
    let (months, days, nanoseconds) = match value {
        ScalarValue::IntervalMonthDayNano(Some(interval)) => {
            (interval.months, i128::from(interval.days), i128::from(interval.nanoseconds))
        }
        ScalarValue::IntervalDayTime(Some(interval)) => {
            (0, i128::from(interval.days), i128::from(interval.milliseconds) * 1_000_000)
        }
        ScalarValue::IntervalYearMonth(Some(months)) => (*months, 0, 0),
        number => {
            let alike = match (number.data_type(), key) {
                (DataType::Decimal128(_, of), DataType::Decimal128(_, scale)) => of == *scale,
                (of, key) => of == *key,
            };
            return match literal(window, number)? {
                distance @ Literal::Int(0..) if alike => Ok(distance),
                distance @ Literal::UInt(_) if alike => Ok(distance),
                Literal::Float(distance) if alike && distance >= 0.0 => Ok(Literal::Float(distance)),
                _ => Err(refuse()),
            };
        }
    };
    let tick = match key {
        DataType::Date32 => DAY,
        DataType::Timestamp(unit, zone) if zone.as_deref().is_none_or(is_utc) => match unit {
            TimeUnit::Second => 1_000_000_000,
            TimeUnit::Millisecond => 1_000_000,
            TimeUnit::Microsecond => 1_000,
            TimeUnit::Nanosecond => 1,
        },
        _ => return Err(refuse()),
    };
    let total = days * DAY + nanoseconds;
    match months == 0 && days >= 0 && nanoseconds >= 0 && total % tick == 0 {
        true => Ok(Literal::Int(total / tick)),
        false => Err(refuse()),
    }
}

/// Nanoseconds of a day.
const DAY: i128 = 86_400_000_000_000;

fn is_utc(zone: &str) -> bool {
    matches!(zone, "UTC" | "+00:00" | "Z")
}

fn literal(window: &Arc<dyn WindowExpr>, value: &ScalarValue) -> Result<Literal> {
    let expr: Arc<dyn PhysicalExpr> = Arc::new(LiteralExpr::new(value.clone()));
    match expression::translate(&expr, &Schema::empty())?.expr.op {
        Op::Literal(literal) => Ok(literal),
        _ => Err(unsupported(window, format_args!("the constant {value}"))),
    }
}

fn unsupported(window: &Arc<dyn WindowExpr>, reason: impl std::fmt::Display) -> Error {
    Error::unsupported(format!("'{}': no device form of {reason}", window.name()))
}
