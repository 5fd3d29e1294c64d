//! Vectors as sets.

use crate::build::elementwise::{binary, cast, filled};
use crate::build::index::{Index, get, take};
use crate::build::manipulate::{concat, ravel};
use crate::build::sort::{searchsorted, sort};
use crate::build::unique::values::unique_values;
use crate::dtype::{DType, Scalar};
use crate::error::Result;
use crate::graph::Array;
use crate::program::BinaryOp;
use crate::run::Runner;

/// Whether each element is among `elements`, or, with `invert`, is not; NaN is among none.
///
/// # Errors
/// `Value` for too many elements.
pub fn isin(x: &Array, elements: &Array, invert: bool) -> Result<Array> {
    if elements.is_empty() {
        return Ok(filled(Scalar::Bool(invert), DType::Bool, x.shape()));
    }
    let dtype = x.dtype().promote(elements.dtype());
    let x = cast(x, dtype);
    let sorted = sort(&ravel(&cast(elements, dtype)), 0, false, false)?;
    let place = searchsorted(&sorted, &x, false, None)?;
    let last = filled(Scalar::Int(sorted.len() as i128 - 1), DType::I64, &[]);
    let found = take(&sorted, &binary(BinaryOp::Minimum, &place, &last)?, Some(0))?;
    binary(if invert { BinaryOp::NotEqual } else { BinaryOp::Equal }, &found, &x)
}

/// The distinct elements of `a` that fulfil a condition.
fn kept(a: &Array, condition: &Array, runner: &Runner) -> Result<Array> {
    get(a, &[Index::Array(condition.clone())], runner)
}

/// The distinct elements that both have, in ascending order; computed at once.
///
/// # Errors
/// Those of the arrays' evaluation.
pub fn intersect1d(a: &Array, b: &Array, runner: &Runner) -> Result<Array> {
    let dtype = a.dtype().promote(b.dtype());
    let values = unique_values(&cast(a, dtype), runner)?;
    kept(&values, &isin(&values, b, false)?, runner)
}

/// The distinct elements that one of them has, in ascending order; computed at once.
///
/// # Errors
/// Those of the arrays' evaluation.
pub fn union1d(a: &Array, b: &Array, runner: &Runner) -> Result<Array> {
    unique_values(&concat(&[a.clone(), b.clone()], None)?, runner)
}

/// The distinct elements of `a` that `b` has not, in ascending order; computed at once.
///
/// # Errors
/// Those of the arrays' evaluation.
pub fn setdiff1d(a: &Array, b: &Array, runner: &Runner) -> Result<Array> {
    let values = unique_values(a, runner)?;
    kept(&values, &isin(&values, b, true)?, runner)
}

/// The distinct elements that one alone has, in ascending order; computed at once.
///
/// # Errors
/// Those of the arrays' evaluation.
pub fn setxor1d(a: &Array, b: &Array, runner: &Runner) -> Result<Array> {
    let (only_a, only_b) = (setdiff1d(a, b, runner)?, setdiff1d(b, a, runner)?);
    unique_values(&concat(&[only_a, only_b], None)?, runner)
}
