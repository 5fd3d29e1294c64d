//! DataFusion's physical expressions as expressions of a device program.
//!
//! Types come from DataFusion and are not derived again. What has no device form is an `unsupported` error that names
//! the expression and the reason; the operator around it then stays on the CPU.
//!
//! # Where the translation is not one to one
//!
//! | DataFusion | device program |
//! |---|---|
//! | `CASE x WHEN v THEN …` | `CASE WHEN x = v THEN …`: a null `x` or `v` matches nothing, as there |
//! | date or timestamp ± constant interval | [`Op::AddInterval`]; subtraction negates months, days, nanoseconds |
//! | dictionary constants | constants of the dictionary's value type |
//! | `IN` over constants | [`Op::InList`]; over expressions: unsupported |
//! | `LIKE` with a constant pattern | [`Op::Like`]; with another [`Function::Like`], `ILIKE`: unsupported |
//! | `degrees`, `radians` | a product; `iszero`: a comparison; `nanvl`: a `CASE`; `bit_length`: bytes times 8 |
//! | fields of structs | [`Op::Field`], which becomes a column of the leaf that the struct comes from |
//! | regular expressions | [`Function::RegexpLike`] and [`Function::RegexpReplace`] of a constant pattern, flags in it |
//! | `regexp_match(…) IS [NOT] NULL` | whether there is a match; other uses, which make lists: unsupported |
//! | `round` of a decimal to a constant count of digits | a cast to the scale that DataFusion gives the result |
//! | `date_bin` by a constant interval without months | [`Function::DateBin`] of the interval's ticks |
//! | `to_timestamp` of text | a cast |
//! | dates and times in a zone other than UTC | unsupported: calendars need the zone's rules |
//! | dynamic filters | their value at planning time; they only prune, so that a later, narrower value is not needed |
//! | volatile functions, `random()` | unsupported: the CPU plan promises one value per row |
//! | scalar subqueries | a constant whose value is put in when the query runs ([`Translated::pending`]) |

mod regexp;

use std::cell::Cell;
use std::f64::consts::PI;
use std::sync::Arc;

use arrow::datatypes::{DataType, IntervalUnit, Schema, TimeUnit};
use arrow::record_batch::RecordBatch;
use datafusion::logical_expr::{ColumnarValue, Operator, Volatility};
use datafusion::physical_expr::expressions::{
    BinaryExpr, CaseExpr, CastExpr, Column, DynamicFilterPhysicalExpr, InListExpr, IsNotNullExpr, IsNullExpr,
    LikeExpr, Literal as LiteralExpr, NegativeExpr, NotExpr, TryCastExpr,
};
use datafusion::physical_expr::scalar_subquery::ScalarSubqueryExpr;
use datafusion::physical_expr::{PhysicalExpr, ScalarFunctionExpr};
use datafusion::scalar::ScalarValue;

use crate::error::{Error, Result};
use crate::program::{BinaryOp, DatePart, Ends, Expr, Function, Literal, Op};

/// A translated expression.
#[derive(Clone, Debug)]
pub struct Translated {
    pub expr: Expr,
    /// Whether some constant stands in for a subquery that has not run yet: translate again when it has. Constants
    /// are parameters of a kernel, so that the kernel is the same then.
    pub pending: bool,
}

/// Translates `expr` over the columns of `schema`.
///
/// # Errors
/// Unsupported, naming the expression and why, where the device has no form of it.
pub fn translate(expr: &Arc<dyn PhysicalExpr>, schema: &Schema) -> Result<Translated> {
    let translator = Translator { schema, pending: Cell::new(false) };
    let expr = translator.expr(expr)?;
    Ok(Translated { expr, pending: translator.pending.get() })
}

struct Translator<'a> {
    schema: &'a Schema,
    pending: Cell<bool>,
}

impl Translator<'_> {
    fn expr(&self, expr: &Arc<dyn PhysicalExpr>) -> Result<Expr> {
        let translated = self.shape(expr)?;
        let nullable = expr.nullable(self.schema).unwrap_or(true);
        Ok(Expr { nullable, ..translated })
    }

    fn shape(&self, expr: &Arc<dyn PhysicalExpr>) -> Result<Expr> {
        let data_type = expr
            .data_type(self.schema)
            .map_err(|error| unsupported(expr, format_args!("its type is not known: {error}")))?;
        if let Some(column) = expr.downcast_ref::<Column>() {
            let field = self.schema.fields().get(column.index()).ok_or_else(|| {
                Error::bug(format!("column {column} is not in an input of {}", self.schema.fields().len()))
            })?;
            return Ok(Expr::column(column.index(), field.data_type().clone(), field.is_nullable()));
        }
        if let Some(literal) = expr.downcast_ref::<LiteralExpr>() {
            return literal_expr(literal.value())
                .ok_or_else(|| unsupported(expr, format_args!("constants of type {data_type}")));
        }
        if let Some(binary) = expr.downcast_ref::<BinaryExpr>() {
            return self.binary(expr, binary, data_type);
        }
        if let Some(case) = expr.downcast_ref::<CaseExpr>() {
            return self.case(case, data_type);
        }
        if let Some(cast) = expr.downcast_ref::<CastExpr>() {
            return self.cast(expr, cast.expr(), data_type, cast.cast_options().safe);
        }
        if let Some(cast) = expr.downcast_ref::<TryCastExpr>() {
            return self.cast(expr, cast.expr(), data_type, true);
        }
        if let Some(in_list) = expr.downcast_ref::<InListExpr>() {
            let value = self.expr(in_list.expr())?;
            let list = in_list.list().iter().map(|item| self.constant(expr, item)).collect::<Result<_>>()?;
            return Ok(Expr::new(Op::InList { list, negated: in_list.negated() }, vec![value], data_type));
        }
        if let Some(is_null) = expr.downcast_ref::<IsNullExpr>() {
            if let Some(found) = regexp::has_match(self, is_null.arg())? {
                return Ok(Expr::new(Op::Not, vec![found], data_type));
            }
            return Ok(Expr::new(Op::IsNull, vec![self.expr(is_null.arg())?], data_type));
        }
        if let Some(is_not_null) = expr.downcast_ref::<IsNotNullExpr>() {
            if let Some(found) = regexp::has_match(self, is_not_null.arg())? {
                return Ok(found);
            }
            return Ok(Expr::new(Op::IsNotNull, vec![self.expr(is_not_null.arg())?], data_type));
        }
        if let Some(not) = expr.downcast_ref::<NotExpr>() {
            return Ok(Expr::new(Op::Not, vec![self.expr(not.arg())?], data_type));
        }
        if let Some(negative) = expr.downcast_ref::<NegativeExpr>() {
            return Ok(Expr::new(Op::Negative, vec![self.expr(negative.arg())?], data_type));
        }
        if let Some(like) = expr.downcast_ref::<LikeExpr>() {
            let (value, pattern) = (self.expr(like.expr())?, self.expr(like.pattern())?);
            let pattern = match pattern.op {
                Op::Literal(Literal::Bytes(pattern)) => pattern,
                Op::Literal(_) => return Err(unsupported(expr, "a null pattern")),
                _ if like.case_insensitive() => {
                    return Err(unsupported(expr, "ILIKE with a pattern that is no constant"));
                }
                _ => {
                    let function = Function::Like { negated: like.negated() };
                    return Ok(Expr::new(Op::Call(function), vec![value, pattern], data_type));
                }
            };
            let pattern =
                String::from_utf8(pattern).map_err(|_| unsupported(expr, "a pattern that is not text"))?;
            let op = Op::Like { pattern, negated: like.negated(), case_insensitive: like.case_insensitive() };
            return Ok(Expr::new(op, vec![value], data_type));
        }
        if let Some(function) = expr.downcast_ref::<ScalarFunctionExpr>() {
            return self.function(expr, function, data_type);
        }
        if let Some(dynamic) = expr.downcast_ref::<DynamicFilterPhysicalExpr>() {
            let current = dynamic
                .current()
                .map_err(|error| unsupported(expr, format_args!("its value is not known: {error}")))?;
            return self.expr(&current);
        }
        if expr.is::<ScalarSubqueryExpr>() {
            return self.subquery(expr, data_type);
        }
        Err(unsupported(expr, "expressions of this kind"))
    }

    fn binary(&self, expr: &Arc<dyn PhysicalExpr>, binary: &BinaryExpr, data_type: DataType) -> Result<Expr> {
        if let Some(moved) = self.interval(expr, binary, &data_type)? {
            return Ok(moved);
        }
        let op = match binary.op() {
            Operator::Plus => BinaryOp::Add,
            Operator::Minus => BinaryOp::Sub,
            Operator::Multiply => BinaryOp::Mul,
            Operator::Divide => BinaryOp::Div,
            Operator::Modulo => BinaryOp::Rem,
            Operator::Eq => BinaryOp::Eq,
            Operator::NotEq => BinaryOp::Ne,
            Operator::Lt => BinaryOp::Lt,
            Operator::LtEq => BinaryOp::Le,
            Operator::Gt => BinaryOp::Gt,
            Operator::GtEq => BinaryOp::Ge,
            Operator::IsNotDistinctFrom => BinaryOp::IsNotDistinctFrom,
            Operator::IsDistinctFrom => BinaryOp::IsDistinctFrom,
            Operator::And => BinaryOp::And,
            Operator::Or => BinaryOp::Or,
            Operator::BitwiseAnd => BinaryOp::BitAnd,
            Operator::BitwiseOr => BinaryOp::BitOr,
            Operator::BitwiseXor => BinaryOp::BitXor,
            Operator::BitwiseShiftLeft => BinaryOp::ShiftLeft,
            Operator::BitwiseShiftRight => BinaryOp::ShiftRight,
            Operator::StringConcat => {
                let args = vec![self.expr(binary.left())?, self.expr(binary.right())?];
                return Ok(Expr::new(Op::Call(Function::ConcatStrict), args, data_type));
            }
            Operator::RegexMatch
            | Operator::RegexIMatch
            | Operator::RegexNotMatch
            | Operator::RegexNotIMatch => return regexp::operator(self, expr, binary),
            other => return Err(unsupported(expr, format_args!("the operator {other}"))),
        };
        let (left, right) = (self.expr(binary.left())?, self.expr(binary.right())?);
        Ok(Expr::binary(op, left, right, data_type))
    }

    /// Answers a date or timestamp moved by a constant interval, or `None` where `binary` is not that.
    fn interval(
        &self,
        expr: &Arc<dyn PhysicalExpr>,
        binary: &BinaryExpr,
        data_type: &DataType,
    ) -> Result<Option<Expr>> {
        let interval = |side: &Arc<dyn PhysicalExpr>| {
            side.downcast_ref::<LiteralExpr>().and_then(|literal| interval_parts(literal.value()))
        };
        let (moved, parts, negate) = match binary.op() {
            Operator::Plus => match (interval(binary.left()), interval(binary.right())) {
                (_, Some(parts)) => (binary.left(), parts, false),
                (Some(parts), _) => (binary.right(), parts, false),
                _ => return Ok(None),
            },
            Operator::Minus => match interval(binary.right()) {
                Some(parts) => (binary.left(), parts, true),
                None => return Ok(None),
            },
            _ => return Ok(None),
        };
        let moved = self.expr(moved)?;
        if !moved.data_type.is_temporal()
            || matches!(moved.data_type, DataType::Interval(_) | DataType::Duration(_))
            || moved.data_type != *data_type
        {
            return Err(unsupported(expr, format_args!("{} ± an interval", moved.data_type)));
        }
        refuse_zone(expr, &moved.data_type)?;
        let (months, days, nanoseconds) = if negate {
            let negated = parts.0.checked_neg().zip(parts.1.checked_neg()).zip(parts.2.checked_neg());
            let ((months, days), nanoseconds) =
                negated.ok_or_else(|| unsupported(expr, "an interval that cannot be negated"))?;
            (months, days, nanoseconds)
        } else {
            parts
        };
        let op = Op::AddInterval { months, days, nanoseconds };
        Ok(Some(Expr::new(op, vec![moved], data_type.clone())))
    }

    fn case(&self, case: &CaseExpr, data_type: DataType) -> Result<Expr> {
        let base = case.expr().map(|base| self.expr(base)).transpose()?;
        let mut args = vec![];
        for (when, then) in case.when_then_expr() {
            let when = self.expr(when)?;
            args.push(match &base {
                Some(base) => Expr::binary(BinaryOp::Eq, base.clone(), when, DataType::Boolean),
                None => when,
            });
            args.push(self.expr(then)?);
        }
        let otherwise = case.else_expr().map(|otherwise| self.expr(otherwise)).transpose()?;
        let has_else = otherwise.is_some();
        args.extend(otherwise);
        Ok(Expr::new(Op::Case { has_else }, args, data_type))
    }

    fn cast(
        &self,
        expr: &Arc<dyn PhysicalExpr>,
        arg: &Arc<dyn PhysicalExpr>,
        data_type: DataType,
        safe: bool,
    ) -> Result<Expr> {
        let arg = self.expr(arg)?;
        if arg.data_type == data_type {
            return Ok(arg);
        }
        // Between two timestamps the instant stays; to and from anything else the zone shows.
        let both_instants = matches!(
            (&arg.data_type, &data_type),
            (DataType::Timestamp(_, Some(_)), DataType::Timestamp(_, Some(_)))
        );
        if !both_instants {
            refuse_zone(expr, &arg.data_type)?;
            refuse_zone(expr, &data_type)?;
        }
        Ok(Expr::new(Op::Cast { safe }, vec![arg], data_type))
    }

    fn function(
        &self,
        expr: &Arc<dyn PhysicalExpr>,
        function: &ScalarFunctionExpr,
        data_type: DataType,
    ) -> Result<Expr> {
        if function.fun().signature().volatility == Volatility::Volatile {
            return Err(unsupported(expr, "volatile functions"));
        }
        let name = function.fun().name();
        let (_, build) = FUNCTIONS
            .iter()
            .find(|(known, _)| *known == name)
            .ok_or_else(|| unsupported(expr, format_args!("the function {name}")))?;
        build(&Call { translator: self, expr, args: function.args(), data_type })
    }

    /// Answers the value of a subquery that has run, or a stand-in of its type.
    fn subquery(&self, expr: &Arc<dyn PhysicalExpr>, data_type: DataType) -> Result<Expr> {
        let nothing = RecordBatch::new_empty(Arc::new(self.schema.clone()));
        if let Ok(ColumnarValue::Scalar(value)) = expr.evaluate(&nothing) {
            return literal_expr(&value)
                .ok_or_else(|| unsupported(expr, format_args!("constants of type {data_type}")));
        }
        self.pending.set(true);
        ScalarValue::new_default(&data_type)
            .ok()
            .and_then(|value| literal_expr(&value))
            .ok_or_else(|| unsupported(expr, format_args!("constants of type {data_type}")))
    }

    /// Answers the value of a constant argument.
    fn constant(&self, expr: &Arc<dyn PhysicalExpr>, arg: &Arc<dyn PhysicalExpr>) -> Result<Literal> {
        match self.expr(arg)?.op {
            Op::Literal(value) => Ok(value),
            _ => Err(unsupported(expr, format_args!("'{arg}' where a constant is needed"))),
        }
    }
}

/// A scalar function being translated.
struct Call<'a> {
    translator: &'a Translator<'a>,
    expr: &'a Arc<dyn PhysicalExpr>,
    args: &'a [Arc<dyn PhysicalExpr>],
    data_type: DataType,
}

type Builder = fn(&Call) -> Result<Expr>;

/// The scalar functions that have a device form, by DataFusion's name of the function (not its aliases).
const FUNCTIONS: &[(&str, Builder)] = &[
    ("abs", |call| call.to(Function::Abs)),
    ("acos", |call| call.to(Function::Acos)),
    ("acosh", |call| call.to(Function::Acosh)),
    ("arrow_typeof", constant_of_types),
    ("ascii", |call| call.to(Function::Ascii)),
    ("asin", |call| call.to(Function::Asin)),
    ("asinh", |call| call.to(Function::Asinh)),
    ("atan", |call| call.to(Function::Atan)),
    ("atan2", |call| call.to(Function::Atan2)),
    ("atanh", |call| call.to(Function::Atanh)),
    ("bit_length", bit_length),
    ("btrim", |call| call.to(Function::Trim(Ends::Both))),
    ("cbrt", |call| call.to(Function::Cbrt)),
    ("ceil", |call| call.to(Function::Ceil)),
    ("character_length", |call| call.to(Function::CharacterLength)),
    ("chr", |call| call.to(Function::Chr)),
    ("coalesce", |call| call.op(Op::Coalesce)),
    ("concat", |call| call.to(Function::Concat)),
    ("concat_ws", |call| call.to(Function::ConcatWithSeparator)),
    ("contains", |call| call.to(Function::Contains)),
    ("cos", |call| call.to(Function::Cos)),
    ("cosh", |call| call.to(Function::Cosh)),
    ("cot", |call| call.to(Function::Cot)),
    ("date_bin", date_bin),
    ("date_part", date_part),
    ("date_trunc", date_trunc),
    ("degrees", |call| product(call, 180.0f64 / PI, 57.295_78_f32)),
    ("ends_with", |call| call.to(Function::EndsWith)),
    ("exp", |call| call.to(Function::Exp)),
    ("factorial", |call| call.to(Function::Factorial)),
    ("floor", |call| call.to(Function::Floor)),
    ("from_unixtime", to_timestamp_unit),
    ("gcd", |call| call.to(Function::Gcd)),
    ("get_field", get_field),
    ("greatest", |call| call.to(Function::Greatest)),
    ("initcap", |call| call.to(Function::InitCap)),
    ("isnan", |call| call.to(Function::IsNan)),
    ("iszero", is_zero),
    ("lcm", |call| call.to(Function::Lcm)),
    ("least", |call| call.to(Function::Least)),
    ("left", |call| call.to(Function::Left)),
    ("ln", |call| call.to(Function::Ln)),
    ("log10", |call| call.to(Function::Log10)),
    ("log2", |call| call.to(Function::Log2)),
    ("lower", |call| call.to(Function::Lower)),
    ("lpad", |call| call.to(Function::PadLeft)),
    ("ltrim", |call| call.to(Function::Trim(Ends::Left))),
    ("make_date", |call| call.to(Function::MakeDate)),
    ("nanvl", nanvl),
    ("nullif", |call| call.op(Op::NullIf)),
    ("nvl", |call| call.op(Op::Coalesce)),
    ("octet_length", |call| call.to(Function::OctetLength)),
    ("power", |call| call.to(Function::Power)),
    ("radians", |call| product(call, PI / 180.0, 0.017_453_292_f32)),
    ("regexp_like", regexp::like),
    ("regexp_replace", regexp::replace),
    ("repeat", |call| call.to(Function::Repeat)),
    ("replace", |call| call.to(Function::Replace)),
    ("reverse", |call| call.to(Function::Reverse)),
    ("right", |call| call.to(Function::Right)),
    ("round", round),
    ("rpad", |call| call.to(Function::PadRight)),
    ("rtrim", |call| call.to(Function::Trim(Ends::Right))),
    ("signum", |call| call.to(Function::Signum)),
    ("sin", |call| call.to(Function::Sin)),
    ("sinh", |call| call.to(Function::Sinh)),
    ("split_part", |call| call.to(Function::SplitPart)),
    ("sqrt", |call| call.to(Function::Sqrt)),
    ("starts_with", |call| call.to(Function::StartsWith)),
    ("strpos", |call| call.to(Function::StrPos)),
    ("substr", |call| call.to(Function::Substring)),
    ("substr_index", |call| call.to(Function::SubstrIndex)),
    ("tan", |call| call.to(Function::Tan)),
    ("tanh", |call| call.to(Function::Tanh)),
    ("to_timestamp", to_timestamp),
    ("to_timestamp_micros", to_timestamp_unit),
    ("to_timestamp_millis", to_timestamp_unit),
    ("to_timestamp_nanos", to_timestamp_unit),
    ("to_timestamp_seconds", to_timestamp_unit),
    ("to_unixtime", to_unixtime),
    ("translate", |call| call.to(Function::Translate)),
    ("trunc", trunc),
    ("upper", |call| call.to(Function::Upper)),
];

impl Call<'_> {
    /// Answers `op` over all arguments.
    fn op(&self, op: Op) -> Result<Expr> {
        let args = self.args.iter().map(|arg| self.translator.expr(arg)).collect::<Result<_>>()?;
        Ok(Expr::new(op, args, self.data_type.clone()))
    }

    fn to(&self, function: Function) -> Result<Expr> {
        self.op(Op::Call(function))
    }

    fn refuse<T>(&self, reason: impl std::fmt::Display) -> Result<T> {
        Err(unsupported(self.expr, reason))
    }

    /// Splits `(part, date or timestamp)`.
    fn part_and_source(&self) -> Result<(String, Expr)> {
        let [part, source] = self.args else { return self.refuse("another number of arguments") };
        let Literal::Bytes(part) = self.translator.constant(self.expr, part)? else {
            return self.refuse("a null part");
        };
        let part = String::from_utf8_lossy(&part).trim_matches(['\'', '"']).to_ascii_lowercase();
        let source = self.translator.expr(source)?;
        refuse_zone(self.expr, &source.data_type)?;
        Ok((part, source))
    }
}

fn date_part(call: &Call) -> Result<Expr> {
    let (part, source) = call.part_and_source()?;
    let of_date = matches!(source.data_type, DataType::Date32 | DataType::Date64 | DataType::Timestamp(_, _));
    let field = match part.as_str() {
        "year" | "years" | "y" | "yr" | "yrs" => DatePart::Year,
        "qtr" | "quarter" => DatePart::Quarter,
        "month" | "months" | "mon" | "mons" => DatePart::Month,
        "week" | "weeks" | "w" => DatePart::Week,
        "day" | "days" | "d" => DatePart::Day,
        "doy" => DatePart::DayOfYear,
        "dow" => DatePart::DayOfWeek,
        "isoyear" => DatePart::IsoYear,
        "isodow" => DatePart::IsoDayOfWeek,
        "hour" | "hours" | "h" | "hr" | "hrs" => DatePart::Hour,
        "minute" | "minutes" | "min" | "mins" => DatePart::Minute,
        "second" | "seconds" | "s" | "sec" | "secs" => DatePart::Second,
        "millisecond" | "milliseconds" | "ms" => DatePart::Millisecond,
        "microsecond" | "microseconds" | "us" => DatePart::Microsecond,
        "nanosecond" | "nanoseconds" | "ns" => DatePart::Nanosecond,
        "epoch" => DatePart::Epoch,
        other => return call.refuse(format_args!("the part '{other}'")),
    };
    if !of_date {
        return call.refuse(format_args!("parts of {}", source.data_type));
    }
    Ok(Expr::new(Op::Call(Function::DatePart(field)), vec![source], call.data_type.clone()))
}

fn date_trunc(call: &Call) -> Result<Expr> {
    let (part, source) = call.part_and_source()?;
    let field = match part.as_str() {
        "year" => DatePart::Year,
        "quarter" => DatePart::Quarter,
        "month" => DatePart::Month,
        "week" => DatePart::Week,
        "day" => DatePart::Day,
        "hour" => DatePart::Hour,
        "minute" => DatePart::Minute,
        "second" => DatePart::Second,
        "millisecond" => DatePart::Millisecond,
        "microsecond" => DatePart::Microsecond,
        other => return call.refuse(format_args!("the part '{other}'")),
    };
    if !matches!(source.data_type, DataType::Timestamp(_, _)) || source.data_type != call.data_type {
        return call.refuse(format_args!("truncation of {}", source.data_type));
    }
    Ok(Expr::new(Op::Call(Function::DateTrunc(field)), vec![source], call.data_type.clone()))
}

/// The beginning of the step of an interval, counted from 1970, that a timestamp is in.
fn date_bin(call: &Call) -> Result<Expr> {
    let [interval, source] = call.args else { return call.refuse("an origin") };
    let parts = interval.downcast_ref::<LiteralExpr>().and_then(|literal| interval_parts(literal.value()));
    let Some((0, days, nanoseconds)) = parts else {
        return call.refuse("months, or an interval that varies");
    };
    let source = call.translator.expr(source)?;
    let DataType::Timestamp(unit, None) = source.data_type else {
        return call.refuse(format_args!("steps of {}", source.data_type));
    };
    let tick = match unit {
        TimeUnit::Second => 1_000_000_000,
        TimeUnit::Millisecond => 1_000_000,
        TimeUnit::Microsecond => 1_000,
        TimeUnit::Nanosecond => 1,
    };
    let step = i64::from(days) as i128 * 86_400_000_000_000 + i128::from(nanoseconds);
    if step <= 0 || step % tick != 0 || step > i64::MAX as i128 || source.data_type != call.data_type {
        return call.refuse("an interval that is no count of the timestamp's ticks");
    }
    let step = Expr::literal(Literal::Int(step / tick), DataType::Int64);
    Ok(Expr::new(Op::Call(Function::DateBin), vec![source, step], call.data_type.clone()))
}

/// To a constant count of digits behind the point; none without one.
fn round(call: &Call) -> Result<Expr> {
    let [value, digits] = call.args else { return call.to(Function::Round) };
    let value = call.translator.expr(value)?;
    let digits = match call.translator.constant(call.expr, digits)? {
        Literal::Int(digits) => digits,
        _ => return call.refuse("a count of digits that is null"),
    };
    match (&value.data_type, &call.data_type) {
        (from, to) if from.is_integer() && from == to && digits >= 0 => Ok(value),
        (DataType::Float64 | DataType::Float32, to) if value.data_type == *to && digits.abs() < 300 => {
            let factor = Literal::Float(10f64.powi(digits as i32));
            let factor = Expr::literal(factor, call.data_type.clone());
            Ok(Expr::new(Op::Call(Function::Round), vec![value, factor], call.data_type.clone()))
        }
        (DataType::Decimal128(_, from), DataType::Decimal128(_, to))
            if digits >= 0 && i128::from(*to) == digits.min((*from).into()) =>
        {
            Ok(Expr::new(Op::Cast { safe: false }, vec![value], call.data_type.clone()))
        }
        (from, _) => call.refuse(format_args!("rounding {from} to {digits} digits")),
    }
}

/// Text in the form of ISO 8601.
fn to_timestamp(call: &Call) -> Result<Expr> {
    let [arg] = call.args else { return call.refuse("formats") };
    let arg = call.translator.expr(arg)?;
    let is_text = matches!(arg.data_type, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View);
    if !is_text || !matches!(call.data_type, DataType::Timestamp(_, None)) {
        return call.refuse(format_args!("an argument of type {}", arg.data_type));
    }
    Ok(Expr::new(Op::Cast { safe: false }, vec![arg], call.data_type.clone()))
}

/// Ticks since 1970 as they stand, or a timestamp of another unit: text and floats have rules of their own.
fn to_timestamp_unit(call: &Call) -> Result<Expr> {
    let [arg] = call.args else { return call.refuse("formats and time zones") };
    let arg = call.translator.expr(arg)?;
    if !matches!(arg.data_type, DataType::Int64 | DataType::Timestamp(_, None)) {
        return call.refuse(format_args!("an argument of type {}", arg.data_type));
    }
    refuse_zone(call.expr, &call.data_type)?;
    Ok(cast(arg, call.data_type.clone()))
}

/// Seconds since 1970.
fn to_unixtime(call: &Call) -> Result<Expr> {
    let [arg] = call.args else { return call.refuse("formats") };
    let arg = call.translator.expr(arg)?;
    let seconds = match &arg.data_type {
        from if from.is_integer() || from.is_floating() => arg,
        DataType::Date32 => cast(arg, DataType::Timestamp(TimeUnit::Second, None)),
        DataType::Timestamp(_, zone) => {
            let zone = zone.clone();
            cast(arg, DataType::Timestamp(TimeUnit::Second, zone))
        }
        from => return call.refuse(format_args!("an argument of type {from}")),
    };
    Ok(cast(seconds, call.data_type.clone()))
}

/// What depends on the types of the arguments alone, and no row's values.
fn constant_of_types(call: &Call) -> Result<Expr> {
    let nothing = RecordBatch::new_empty(Arc::new(call.translator.schema.clone()));
    match call.expr.evaluate(&nothing) {
        Ok(ColumnarValue::Scalar(value)) => literal_expr(&value)
            .ok_or_else(|| unsupported(call.expr, format_args!("constants of type {}", call.data_type))),
        _ => call.refuse("what is no constant"),
    }
}

/// A field of a column that is a struct.
fn get_field(call: &Call) -> Result<Expr> {
    let [base, names @ ..] = call.args else { return call.refuse("fields of nothing") };
    let base = call.translator.expr(base)?;
    if !matches!(base.op, Op::Column(_)) || !matches!(base.data_type, DataType::Struct(_)) {
        return call.refuse(format_args!("fields of {}", base.data_type));
    }
    let name = |name: &Arc<dyn PhysicalExpr>| match call.translator.constant(call.expr, name)? {
        Literal::Bytes(name) => Ok(String::from_utf8_lossy(&name).into_owned()),
        _ => call.refuse("a field without a name"),
    };
    let path = names.iter().map(name).collect::<Result<_>>()?;
    Ok(Expr::new(Op::Field(path), vec![base], call.data_type.clone()))
}

fn cast(arg: Expr, to: DataType) -> Expr {
    if arg.data_type == to { arg } else { Expr::new(Op::Cast { safe: false }, vec![arg], to) }
}

/// A float times a constant, given for either width.
fn product(call: &Call, wide: f64, narrow: f32) -> Result<Expr> {
    let [arg] = call.args else { return call.refuse("another number of arguments") };
    let arg = call.translator.expr(arg)?;
    let factor = if arg.data_type == DataType::Float32 { f64::from(narrow) } else { wide };
    let factor = Expr::literal(Literal::Float(factor), arg.data_type.clone());
    Ok(Expr::binary(BinaryOp::Mul, arg, factor, call.data_type.clone()))
}

fn is_zero(call: &Call) -> Result<Expr> {
    let [arg] = call.args else { return call.refuse("another number of arguments") };
    let arg = call.translator.expr(arg)?;
    let zero = ScalarValue::new_zero(&arg.data_type).ok().and_then(|zero| literal_expr(&zero));
    let zero = zero.ok_or_else(|| unsupported(call.expr, format_args!("zeros of {}", arg.data_type)))?;
    Ok(Expr::binary(BinaryOp::Eq, arg, zero, call.data_type.clone()))
}

/// The second where the first is NaN, else the first, null or not.
fn nanvl(call: &Call) -> Result<Expr> {
    let [value, other] = call.args else { return call.refuse("another number of arguments") };
    let (value, other) = (call.translator.expr(value)?, call.translator.expr(other)?);
    let is_nan = Expr::new(Op::Call(Function::IsNan), vec![value.clone()], DataType::Boolean);
    Ok(Expr::new(Op::Case { has_else: true }, vec![is_nan, other, value], call.data_type.clone()))
}

fn bit_length(call: &Call) -> Result<Expr> {
    let bytes = call.to(Function::OctetLength)?;
    let bits = Expr::literal(Literal::Int(8), call.data_type.clone());
    Ok(Expr::binary(BinaryOp::Mul, bytes, bits, call.data_type.clone()))
}

/// To a constant count of digits behind the point; none without one.
fn trunc(call: &Call) -> Result<Expr> {
    let (value, digits) = match call.args {
        [value] => (call.translator.expr(value)?, None),
        [value, digits] => match call.translator.constant(call.expr, digits)? {
            Literal::Int(digits) => (call.translator.expr(value)?, Some(digits as i32)),
            _ => return call.refuse("a count of digits that is null"),
        },
        _ => return call.refuse("another number of arguments"),
    };
    let factor = match (&value.data_type, digits) {
        (DataType::Decimal128(_, scale), digits) => {
            let cleared = i64::from(*scale) - i64::from(digits.unwrap_or(0));
            if cleared <= 0 {
                return Ok(value);
            }
            let power = u32::try_from(cleared).ok().and_then(|cleared| 10i128.checked_pow(cleared));
            let Some(power) = power else { return call.refuse("so many digits") };
            Expr::literal(Literal::Int(power), DataType::Decimal128(38, 0))
        }
        (_, None) => return call.to(Function::Trunc),
        (DataType::Float32, Some(digits)) => {
            Expr::literal(Literal::Float(10f32.powi(digits).into()), DataType::Float32)
        }
        (DataType::Float64, Some(digits)) => {
            Expr::literal(Literal::Float(10f64.powi(digits)), DataType::Float64)
        }
        (from, _) => return call.refuse(format_args!("truncating {from}")),
    };
    Ok(Expr::new(Op::Call(Function::Trunc), vec![value, factor], call.data_type.clone()))
}

/// Refuses timestamps whose calendar is not UTC's.
fn refuse_zone(expr: &Arc<dyn PhysicalExpr>, data_type: &DataType) -> Result<()> {
    match data_type {
        DataType::Timestamp(_, Some(zone))
            if !matches!(zone.as_ref(), "UTC" | "utc" | "Z" | "+00:00" | "+00" | "Etc/UTC") =>
        {
            Err(unsupported(expr, format_args!("the time zone {zone}")))
        }
        _ => Ok(()),
    }
}

fn unsupported(expr: &Arc<dyn PhysicalExpr>, reason: impl std::fmt::Display) -> Error {
    Error::unsupported(format!("'{expr}': no device form of {reason}"))
}

/// Answers months, days and nanoseconds of a constant interval that is not null.
fn interval_parts(value: &ScalarValue) -> Option<(i32, i32, i64)> {
    match value {
        ScalarValue::IntervalYearMonth(Some(months)) => Some((*months, 0, 0)),
        ScalarValue::IntervalDayTime(Some(interval)) => {
            Some((0, interval.days, i64::from(interval.milliseconds) * 1_000_000))
        }
        ScalarValue::IntervalMonthDayNano(Some(interval)) => {
            Some((interval.months, interval.days, interval.nanoseconds))
        }
        _ => None,
    }
}

/// Answers a constant as a program's literal, or `None` where programs have no such type.
fn literal_expr(value: &ScalarValue) -> Option<Expr> {
    let mut data_type = value.data_type();
    if let DataType::Dictionary(_, value_type) = data_type {
        data_type = *value_type;
    }
    if matches!(
        data_type,
        DataType::Interval(IntervalUnit::YearMonth | IntervalUnit::DayTime | IntervalUnit::MonthDayNano)
    ) {
        return None;
    }
    Some(Expr::literal(literal(value)?, data_type))
}

fn literal(value: &ScalarValue) -> Option<Literal> {
    if value.is_null() {
        return Some(Literal::Null);
    }
    Some(match value {
        ScalarValue::Boolean(Some(value)) => Literal::Boolean(*value),
        ScalarValue::Int8(Some(value)) => Literal::Int((*value).into()),
        ScalarValue::Int16(Some(value)) => Literal::Int((*value).into()),
        ScalarValue::Int32(Some(value))
        | ScalarValue::Date32(Some(value))
        | ScalarValue::Time32Second(Some(value))
        | ScalarValue::Time32Millisecond(Some(value)) => Literal::Int((*value).into()),
        ScalarValue::Int64(Some(value))
        | ScalarValue::Date64(Some(value))
        | ScalarValue::Time64Microsecond(Some(value))
        | ScalarValue::Time64Nanosecond(Some(value))
        | ScalarValue::TimestampSecond(Some(value), _)
        | ScalarValue::TimestampMillisecond(Some(value), _)
        | ScalarValue::TimestampMicrosecond(Some(value), _)
        | ScalarValue::TimestampNanosecond(Some(value), _)
        | ScalarValue::DurationSecond(Some(value))
        | ScalarValue::DurationMillisecond(Some(value))
        | ScalarValue::DurationMicrosecond(Some(value))
        | ScalarValue::DurationNanosecond(Some(value)) => Literal::Int((*value).into()),
        ScalarValue::Decimal128(Some(value), _, _) => Literal::Int(*value),
        ScalarValue::UInt8(Some(value)) => Literal::UInt((*value).into()),
        ScalarValue::UInt16(Some(value)) => Literal::UInt((*value).into()),
        ScalarValue::UInt32(Some(value)) => Literal::UInt((*value).into()),
        ScalarValue::UInt64(Some(value)) => Literal::UInt(*value),
        ScalarValue::Float32(Some(value)) => Literal::Float((*value).into()),
        ScalarValue::Float64(Some(value)) => Literal::Float(*value),
        ScalarValue::Utf8(Some(text))
        | ScalarValue::LargeUtf8(Some(text))
        | ScalarValue::Utf8View(Some(text)) => Literal::Bytes(text.clone().into_bytes()),
        ScalarValue::Binary(Some(bytes))
        | ScalarValue::LargeBinary(Some(bytes))
        | ScalarValue::BinaryView(Some(bytes)) => Literal::Bytes(bytes.clone()),
        ScalarValue::Dictionary(_, value) => return literal(value),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use arrow::datatypes::Field;
    use datafusion::common::DFSchema;
    use datafusion::prelude::SessionContext;

    use super::*;

    fn schema() -> Schema {
        Schema::new(vec![
            Field::new("i", DataType::Int64, true),
            Field::new("s", DataType::Utf8, true),
            Field::new("d", DataType::Date32, false),
            Field::new("t", DataType::Timestamp(TimeUnit::Nanosecond, None), true),
            Field::new("z", DataType::Timestamp(TimeUnit::Nanosecond, Some("Europe/Rome".into())), true),
            Field::new("m", DataType::Decimal128(15, 2), true),
        ])
    }

    /// Plans SQL text over `schema()` the way a query would, without the optimizer, and translates it.
    fn translated(sql: &str) -> Result<Expr> {
        let context = SessionContext::new();
        let schema = schema();
        let df_schema = DFSchema::try_from(schema.clone()).expect("distinct names");
        let logical = context.parse_sql_expr(sql, &df_schema).expect("valid SQL");
        let physical = context.create_physical_expr(logical, &df_schema).expect("plannable");
        translate(&physical, &schema).map(|translated| translated.expr)
    }

    fn text(sql: &str) -> String {
        translated(sql).expect("supported").to_string()
    }

    fn refusal(sql: &str) -> String {
        let error = translated(sql).expect_err("unsupported");
        assert!(error.is_unsupported(), "{error:?}");
        error.to_string()
    }

    #[test]
    fn comparisons_and_logic_keep_their_shape() {
        assert_eq!(text("i > 5 AND s = 'x'"), "((#0 > 5) AND (#1 = 'x'))");
        assert_eq!(text("i IS NULL OR NOT (s IS NOT NULL)"), "(#0 IS NULL OR NOT #1 IS NOT NULL)");
        assert_eq!(text("s LIKE 'a%'"), "#1 LIKE 'a%'");
        assert_eq!(text("i IN (1, 2, 3)"), "#0 IN (3 values)");
        assert_eq!(text("i IS DISTINCT FROM 3"), "(#0 IS DISTINCT FROM 3)");
    }

    #[test]
    fn types_and_nullability_are_datafusions() {
        let sum = translated("m + m").expect("supported");
        assert_eq!(sum.data_type, DataType::Decimal128(16, 2));
        assert!(sum.nullable);
        let part = translated("date_part('year', d)").expect("supported");
        assert_eq!((part.data_type, part.nullable), (DataType::Int32, false));
    }

    #[test]
    fn base_case_becomes_comparisons() {
        assert_eq!(text("CASE i WHEN 1 THEN 'a' ELSE 'b' END"), "CASE((#0 = 1), 'a', 'b')");
    }

    #[test]
    fn intervals_move_dates_both_ways() {
        assert_eq!(text("d - INTERVAL '3' MONTH"), "(#2 + INTERVAL -3 mons 0 days 0 ns)");
        assert_eq!(text("t + INTERVAL '1 day 2 hours'"), "(#3 + INTERVAL 0 mons 1 days 7200000000000 ns)");
        assert_eq!(translated("d - INTERVAL '90' DAY").expect("supported").data_type, DataType::Date32);
    }

    #[test]
    fn functions_are_found_by_their_own_name_whatever_alias_was_written() {
        assert_eq!(text("length(s)"), "characterlength(#1)");
        assert_eq!(text("substring(s, 2, 3)"), "substring(#1, 2, 3)");
        assert_eq!(text("extract(year from d)"), "datepart(year)(#2)");
        assert_eq!(text("to_timestamp_seconds(i)"), "CAST(#0 AS Timestamp(s))");
    }

    #[test]
    fn refusals_name_the_expression_and_the_reason() {
        assert!(refusal("md5(s) = 'x'").contains("no device form of the function md5"));
        assert!(refusal("random() > 0.5").contains("volatile"));
        assert!(refusal("s ~ s").contains("constant"));
        assert!(refusal("date_part('hour', z)").contains("Europe/Rome"));
        assert!(refusal("i IN (i + 1, 2, 3, 4)").contains("constant"));
        assert!(refusal("to_char(t, '%Y')").contains("to_char"));
    }
}
