//! Accumulators: what an aggregate keeps, and which rows count for it.

use arrow::datatypes::DataType;

use crate::column::Storage;
use crate::error::{Error, Result};
use crate::program::codegen::emitter::Emitter;
use crate::program::codegen::value::{I128_BOUND, Kind, ten_to};
use crate::program::expr::{BinaryOp, Expr, Op};
use crate::program::pipeline::{Aggregate, AggregateFunction, Phase, Regression as Of};

/// Rows of one aggregation that cannot overflow any accumulator.
const ROWS_MAX: u128 = 1 << 40;

/// One accumulator; equal ones are kept once.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Accumulator {
    pub update: Update,
    pub filter: Option<Expr>,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Update {
    /// Rows where the expression is not null; all rows without one.
    Count(Option<Expr>),
    /// 64-bit wrapping sum.
    Add(Expr),
    /// 128-bit wrapping sum.
    AddWide(Expr),
    /// Order-independent sum of doubles.
    AddFloat(Box<FloatTerms>),
    /// Exact sum of doubles.
    AddExact(Expr),
    Extreme {
        of: Expr,
        max: bool,
    },
    Bits {
        of: Expr,
        op: AggregateFunction,
    },
}

/// The doubles that one row adds to a float sum, exactly, as a sum of rounded products and their errors.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum FloatTerms {
    Value(Expr),
    Square(Expr),
    Product(Expr, Expr),
    /// count·mean
    Weighted {
        count: Expr,
        mean: Expr,
    },
    /// m2 + count·mean²
    Moment {
        count: Expr,
        mean: Expr,
        m2: Expr,
    },
}

fn float_sum(terms: FloatTerms) -> Update {
    Update::AddFloat(Box::new(terms))
}

/// The accumulators of an aggregate: the count of what is not null first where there is one, then the rest.
pub(super) fn accumulators(aggregate: &Aggregate) -> Result<Vec<Accumulator>> {
    use AggregateFunction::*;
    let with_filter = |update| Accumulator { update, filter: aggregate.filter.clone() };
    let count_of = |arg: Option<&Expr>| {
        // Of an argument that is never null all rows count, whatever it is: those share one accumulator.
        with_filter(Update::Count(arg.filter(|arg| arg.nullable).cloned()))
    };
    let args = &aggregate.args;
    let arg = |index: usize| {
        args.get(index)
            .cloned()
            .ok_or_else(|| Error::bug(format!("{:?} lacks an argument", aggregate.function)))
    };
    let merges = aggregate.phase == Phase::Final;
    let sum_of = |expr: Expr| -> Result<Update> {
        Ok(match &expr.data_type {
            DataType::Decimal128(..) => Update::AddWide(expr),
            DataType::Float64 | DataType::Float32 => float_sum(FloatTerms::Value(expr)),
            data_type if data_type.is_integer() => Update::Add(expr),
            other => return Err(Error::unsupported(format!("sum({expr}) of type {other}"))),
        })
    };
    let updates = match aggregate.function {
        Count if merges => vec![with_filter(Update::Add(arg(0)?))],
        Count => vec![count_of(args.first())],
        Sum => vec![count_of(args.first()), with_filter(sum_of(arg(0)?)?)],
        ExactSum | ExactAvg => {
            let of = arg(0)?;
            if aggregate.phase != Phase::Single || of.data_type != DataType::Float64 {
                return Err(Error::unsupported(format!(
                    "no device form of half an exact sum ({:?} of {}, phase {:?})",
                    aggregate.function, of.data_type, aggregate.phase
                )));
            }
            vec![count_of(Some(&of)), with_filter(Update::AddExact(of))]
        }
        Min | Max | BoolAnd | BoolOr => {
            let of = arg(0)?;
            if matches!(Storage::of(&of.data_type), Some(Storage::Dictionary { .. })) {
                return Err(Error::unsupported(format!(
                    "{:?}({of}) of type {}",
                    aggregate.function, of.data_type
                )));
            }
            let max = matches!(aggregate.function, Max | BoolOr);
            vec![count_of(Some(&of)), with_filter(Update::Extreme { of, max })]
        }
        BitAnd | BitOr | BitXor => {
            let of = arg(0)?;
            vec![count_of(Some(&of)), with_filter(Update::Bits { of, op: aggregate.function })]
        }
        Avg if merges => vec![with_filter(Update::Add(arg(0)?)), with_filter(sum_of(arg(1)?)?)],
        Avg => {
            let of = arg(0)?;
            if of.data_type.is_integer() {
                return Err(Error::unsupported(format!("avg({of}) of type {}", of.data_type)));
            }
            vec![count_of(Some(&of)), with_filter(sum_of(of)?)]
        }
        VarianceSample | VariancePopulation | StddevSample | StddevPopulation if merges => {
            let (count, mean, m2) = (arg(0)?, arg(1)?, arg(2)?);
            vec![
                with_filter(Update::Add(count.clone())),
                with_filter(float_sum(FloatTerms::Weighted { count: count.clone(), mean: mean.clone() })),
                with_filter(float_sum(FloatTerms::Moment { count, mean, m2 })),
            ]
        }
        VarianceSample | VariancePopulation | StddevSample | StddevPopulation => {
            let of = arg(0)?;
            if of.data_type != DataType::Float64 {
                return Err(Error::unsupported(format!(
                    "{:?}({of}) of type {}",
                    aggregate.function, of.data_type
                )));
            }
            vec![
                count_of(Some(&of)),
                with_filter(float_sum(FloatTerms::Value(of.clone()))),
                with_filter(float_sum(FloatTerms::Square(of))),
            ]
        }
        CovarianceSample | CovariancePopulation | Correlation | Regression(_) => of_pairs(aggregate)?,
    };
    // DataFusion averages wide decimals in 256 bits: the device does only those that 128 bits hold.
    if aggregate.function == Avg
        && let DataType::Decimal128(precision, _) = aggregate.input_type
        && ten_to(precision as u32).saturating_mul(ROWS_MAX) > I128_BOUND
    {
        return Err(Error::unsupported(format!(
            "an average of {}: its sum can exceed 128 bits",
            aggregate.input_type
        )));
    }
    Ok(updates)
}

/// Which sums an aggregate of pairs keeps, in this order: of a, of b, of a·b, of a², of b².
pub(super) fn sums_of_pairs(function: AggregateFunction) -> [bool; 5] {
    use AggregateFunction::*;
    match function {
        Correlation | Regression(Of::R2) => [true; 5],
        Regression(Of::Slope | Of::Intercept) => [true, true, true, false, true],
        Regression(Of::MeanY) => [true, false, false, false, false],
        Regression(Of::MeanX) => [false, true, false, false, false],
        Regression(Of::SquaresY) => [true, false, false, true, false],
        Regression(Of::SquaresX) => [false, true, false, false, true],
        Regression(Of::Count) => [false; 5],
        _ => [true, true, true, false, false],
    }
}

/// The count of pairs and the sums that are kept. A pair with a null part counts for none.
fn of_pairs(aggregate: &Aggregate) -> Result<Vec<Accumulator>> {
    if aggregate.phase != Phase::Single {
        return Err(Error::unsupported(format!("{:?} in two phases", aggregate.function)));
    }
    let [a, b] = aggregate.args.as_slice() else {
        return Err(Error::bug(format!("{:?} is not of two arguments", aggregate.function)));
    };
    for arg in [a, b] {
        if arg.data_type != DataType::Float64 {
            let function = aggregate.function;
            return Err(Error::unsupported(format!("{function:?}({arg}) of type {}", arg.data_type)));
        }
    }
    let some = [a, b].into_iter().filter(|arg| arg.nullable);
    let some = some.map(|arg| Expr::new(Op::IsNotNull, vec![arg.clone()], DataType::Boolean));
    let filter = (aggregate.filter.iter().cloned().chain(some))
        .reduce(|left, right| Expr::binary(BinaryOp::And, left, right, DataType::Boolean));
    let terms = [
        FloatTerms::Value(a.clone()),
        FloatTerms::Value(b.clone()),
        FloatTerms::Product(a.clone(), b.clone()),
        FloatTerms::Square(a.clone()),
        FloatTerms::Square(b.clone()),
    ];
    let kept = terms.into_iter().zip(sums_of_pairs(aggregate.function)).filter(|(_, kept)| *kept);
    let sums = kept.map(|(terms, _)| float_sum(terms));
    let updates = [Update::Count(None)].into_iter().chain(sums);
    Ok(updates.map(|update| Accumulator { update, filter: filter.clone() }).collect())
}

/// The code that says whether a row counts for an accumulator.
pub(super) fn condition(emitter: &mut Emitter, accumulator: &Accumulator) -> Result<String> {
    let mut parts = vec![];
    if let Some(filter) = &accumulator.filter {
        parts.push(emitter.value(filter)?.is_true());
    }
    let exprs: Vec<&Expr> = match &accumulator.update {
        Update::Count(of) => of.iter().collect(),
        Update::Add(of)
        | Update::AddWide(of)
        | Update::AddExact(of)
        | Update::Extreme { of, .. }
        | Update::Bits { of, .. } => {
            vec![of]
        }
        Update::AddFloat(terms) => match terms.as_ref() {
            FloatTerms::Value(of) | FloatTerms::Square(of) => vec![of],
            FloatTerms::Product(a, b) => vec![a, b],
            FloatTerms::Weighted { count, mean } => vec![count, mean],
            FloatTerms::Moment { count, mean, m2 } => vec![count, mean, m2],
        },
    };
    for expr in exprs {
        parts.extend(emitter.value(expr)?.ok);
    }
    if parts.is_empty() {
        return Ok("true".into());
    }
    Ok(emitter.bind_ok(Some(parts.join(" && "))).unwrap_or_else(|| "true".into()))
}

/// Emits the terms of a float sum; the first carries infinities and NaN.
pub(super) fn float_terms(e: &mut Emitter, terms: &FloatTerms) -> Result<Vec<String>> {
    Ok(match terms {
        FloatTerms::Value(of) => vec![format!("(f64){}", e.value(of)?.code)],
        FloatTerms::Square(of) => {
            let x = e.value(of)?.code;
            product(e, &x, &x)
        }
        FloatTerms::Product(a, b) => {
            let (a, b) = (e.value(a)?.code, e.value(b)?.code);
            product(e, &a, &b)
        }
        FloatTerms::Weighted { count, mean } => {
            let (count, mean) = (e.value(count)?.code, e.value(mean)?.code);
            let count = e.bind(Kind::F64, &format!("(f64){count}"));
            product(e, &count, &mean)
        }
        FloatTerms::Moment { count, mean, m2 } => {
            let (count, mean, m2) = (e.value(count)?.code, e.value(mean)?.code, e.value(m2)?.code);
            let count = e.bind(Kind::F64, &format!("(f64){count}"));
            let square = product(e, &mean, &mean);
            let mut terms = product(e, &count, &square[0]);
            terms.push(e.bind(Kind::F64, &format!("{count} * {}", square[1])));
            terms.push(m2);
            terms
        }
    })
}

/// A product and its rounding error; infinities and NaN have none.
fn product(e: &mut Emitter, a: &str, b: &str) -> Vec<String> {
    let high = e.bind(Kind::F64, &format!("__dmul_rn({a}, {b})"));
    let low = e.bind(Kind::F64, &format!("__fma_rn({a}, {b}, -{high})"));
    vec![high, low]
}
