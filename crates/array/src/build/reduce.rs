//! Reductions along axes: sums, products, extremes and their places, means, deviations; the same without NaN.
//!
//! Axes may be negative; `None` is all of them. `keepdims` keeps reduced axes with one element.

use crate::dtype::{DType, Scalar};
use crate::error::{Error, Result};
use crate::graph::{Array, Op};
use crate::program::{BinaryOp, ReduceOp, UnaryOp};

use super::axis::{normalize_axes, normalize_axis};
use super::elementwise::{binary, cast, filled, unary, where_};

/// Reduces along axes, in the array's own type.
fn reduce(op: ReduceOp, x: &Array, axes: Option<&[i64]>, keepdims: bool) -> Result<Array> {
    let axes = normalize_axes(axes, x.ndim())?;
    let mut kept = x.shape().to_vec();
    axes.iter().for_each(|&axis| kept[axis] = 1);
    let needs = matches!(op, ReduceOp::Min | ReduceOp::Max | ReduceOp::ArgMin | ReduceOp::ArgMax);
    if needs && !kept.contains(&0) && axes.iter().any(|&axis| x.shape()[axis] == 0) {
        let name = match op {
            ReduceOp::Min => "minimum",
            ReduceOp::Max => "maximum",
            ReduceOp::ArgMin => "argmin",
            _ => "argmax",
        };
        return Err(Error::value(format!(
            "zero-size array to reduction operation {name} which has no identity: shape {}",
            crate::error::show_shape(x.shape())
        )));
    }
    let dropped: Vec<usize> =
        (0..x.ndim()).filter(|axis| !axes.contains(axis)).map(|axis| x.shape()[axis]).collect();
    let reduced = Array::new(Op::Reduce(op, axes), vec![x.clone()], op.result(x.dtype()), kept);
    if keepdims || dropped.len() == x.ndim() {
        return Ok(reduced);
    }
    let dtype = reduced.dtype();
    Ok(Array::new(Op::Reshape, vec![reduced], dtype, dropped))
}

/// How many values each result is made of.
fn group_len(x: &Array, axes: Option<&[i64]>) -> Result<f64> {
    Ok(normalize_axes(axes, x.ndim())?.iter().map(|&axis| x.shape()[axis] as f64).product())
}

fn scalar(value: f64, dtype: DType) -> Array {
    filled(Scalar::Float(value), dtype, &[])
}

/// The type that sums and products of a type have where none is asked for: integers at least 64 bits.
pub fn accumulator(dtype: DType) -> DType {
    match dtype {
        DType::Bool | DType::I8 | DType::I16 | DType::I32 => DType::I64,
        DType::U8 | DType::U16 | DType::U32 => DType::U64,
        other => other,
    }
}

/// Adds along axes: of integers in 64 bits, wrapping; of floats in their own type, pairwise. 0 of nothing.
///
/// # Errors
/// `Axis` where there is no such axis, `Value` where one is named twice.
pub fn sum(x: &Array, axes: Option<&[i64]>, dtype: Option<DType>, keepdims: bool) -> Result<Array> {
    total(ReduceOp::Sum, x, axes, dtype, keepdims)
}

/// Multiplies along axes; types as for [`sum`]. 1 of nothing.
///
/// # Errors
/// Those of [`sum`].
pub fn prod(x: &Array, axes: Option<&[i64]>, dtype: Option<DType>, keepdims: bool) -> Result<Array> {
    total(ReduceOp::Product, x, axes, dtype, keepdims)
}

fn total(
    op: ReduceOp,
    x: &Array,
    axes: Option<&[i64]>,
    dtype: Option<DType>,
    keepdims: bool,
) -> Result<Array> {
    let dtype = dtype.unwrap_or(accumulator(x.dtype()));
    if dtype.is_bool() {
        // NumPy's: "or" and "and".
        let op = if op == ReduceOp::Sum { ReduceOp::Any } else { ReduceOp::All };
        return reduce(op, &cast(x, DType::Bool), axes, keepdims);
    }
    reduce(op, &cast(x, dtype), axes, keepdims)
}

fn real_only(name: &str, x: &Array) -> Result<()> {
    if x.dtype().is_complex() {
        return Err(Error::dtype(format!("{name} does not take {}: it takes real numbers", x.dtype())));
    }
    Ok(())
}

/// The least value along axes; NaN where there is one.
///
/// # Errors
/// `Value` for no values, `Type` for complex numbers; `Axis`.
pub fn min(x: &Array, axes: Option<&[i64]>, keepdims: bool) -> Result<Array> {
    real_only("min", x)?;
    reduce(ReduceOp::Min, x, axes, keepdims)
}

/// The greatest value along axes; NaN where there is one.
///
/// # Errors
/// Those of [`min`].
pub fn max(x: &Array, axes: Option<&[i64]>, keepdims: bool) -> Result<Array> {
    real_only("max", x)?;
    reduce(ReduceOp::Max, x, axes, keepdims)
}

/// Whether all elements along the axes are true, that is not 0 (NaN is true); true of none.
///
/// # Errors
/// `Axis` where there is no such axis, `Value` where one is named twice.
pub fn all(x: &Array, axes: Option<&[i64]>, keepdims: bool) -> Result<Array> {
    reduce(ReduceOp::All, &cast(x, DType::Bool), axes, keepdims)
}

/// Whether an element along the axes is true, that is not 0 (NaN is true); false of none.
///
/// # Errors
/// `Axis` where there is no such axis, `Value` where one is named twice.
pub fn any(x: &Array, axes: Option<&[i64]>, keepdims: bool) -> Result<Array> {
    reduce(ReduceOp::Any, &cast(x, DType::Bool), axes, keepdims)
}

/// The index of the first least value along an axis, or in row-major order among all; of the first NaN if any.
///
/// # Errors
/// `Value` for no values, `Type` for complex numbers; `Axis`.
pub fn argmin(x: &Array, axis: Option<i64>, keepdims: bool) -> Result<Array> {
    real_only("argmin", x)?;
    reduce(ReduceOp::ArgMin, x, axis.as_ref().map(std::slice::from_ref), keepdims)
}

/// The index of the first greatest value along an axis, or in row-major order among all; of the first NaN if any.
///
/// # Errors
/// Those of [`argmin`].
pub fn argmax(x: &Array, axis: Option<i64>, keepdims: bool) -> Result<Array> {
    real_only("argmax", x)?;
    reduce(ReduceOp::ArgMax, x, axis.as_ref().map(std::slice::from_ref), keepdims)
}

/// The sum divided by the number of values; of integers in `float64`, of 16-bit floats through `float32`. NaN of nothing.
///
/// # Errors
/// `Axis` where there is no such axis, `Value` where one is named twice.
pub fn mean(x: &Array, axes: Option<&[i64]>, keepdims: bool) -> Result<Array> {
    let dtype = x.dtype().inexact();
    let wide = widened(dtype);
    let count = group_len(x, axes)?;
    let sum = sum(&cast(x, wide), axes, None, keepdims)?;
    Ok(cast(&binary(BinaryOp::Divide, &sum, &scalar(count, wide))?, dtype))
}

/// The type in which means and deviations of a type are computed.
fn widened(dtype: DType) -> DType {
    if matches!(dtype, DType::F16 | DType::BF16) { DType::F32 } else { dtype }
}

/// The variance: squared deviations from the mean, divided by the number of values less `correction`. Of integers in
/// `float64`; of complex numbers real. NaN or infinite where no more than `correction` values are there.
///
/// # Errors
/// `Axis` where there is no such axis, `Value` where one is named twice.
pub fn var(x: &Array, axes: Option<&[i64]>, correction: f64, keepdims: bool) -> Result<Array> {
    let dtype = x.dtype().inexact();
    let deviations = reduce(ReduceOp::SquaredDeviations, &cast(x, widened(dtype)), axes, keepdims)?;
    let degrees = (group_len(x, axes)? - correction).max(0.0);
    let variance = binary(BinaryOp::Divide, &deviations, &scalar(degrees, deviations.dtype()))?;
    Ok(cast(&variance, dtype.real()))
}

/// The standard deviation, the root of [`var`].
///
/// # Errors
/// Those of [`var`].
pub fn std(x: &Array, axes: Option<&[i64]>, correction: f64, keepdims: bool) -> Result<Array> {
    let dtype = x.dtype().inexact();
    let wide = cast(x, widened(dtype));
    Ok(cast(&unary(UnaryOp::Sqrt, &var(&wide, axes, correction, keepdims)?)?, dtype.real()))
}

/// How many elements along the axes are not 0; `int64`.
///
/// # Errors
/// `Axis` where there is no such axis, `Value` where one is named twice.
pub fn count_nonzero(x: &Array, axes: Option<&[i64]>, keepdims: bool) -> Result<Array> {
    sum(&cast(x, DType::Bool), axes, Some(DType::I64), keepdims)
}

/// The greatest less the least value along axes.
///
/// # Errors
/// Those of [`min`]; `Type` for booleans.
pub fn ptp(x: &Array, axes: Option<&[i64]>, keepdims: bool) -> Result<Array> {
    binary(BinaryOp::Subtract, &max(x, axes, keepdims)?, &min(x, axes, keepdims)?)
}

/// The mean weighted by `weights`, of the shape of `x` or of that of the axes alone, in their order.
///
/// # Errors
/// `Value` where weights have another shape; `Axis`.
pub fn average(x: &Array, axes: Option<&[i64]>, weights: Option<&Array>, keepdims: bool) -> Result<Array> {
    match weights {
        None => mean(x, axes, keepdims),
        Some(weights) => Ok(weighted_average(x, axes, weights, keepdims)?.0),
    }
}

/// As [`average`], with the sums of the weights beside it, in the type and shape of the average.
///
/// # Errors
/// Those of [`average`].
pub fn weighted_average(
    x: &Array,
    axes: Option<&[i64]>,
    weights: &Array,
    keepdims: bool,
) -> Result<(Array, Array)> {
    let weights = weights_of(x, axes, weights)?;
    let weighted = binary(BinaryOp::Multiply, &cast(x, x.dtype().inexact()), &weights)?;
    let weights = super::elementwise::broadcast(&cast(&weights, weighted.dtype()), x.shape());
    let total = sum(&weights, axes, None, keepdims)?;
    Ok((binary(BinaryOp::Divide, &sum(&weighted, axes, None, keepdims)?, &total)?, total))
}

/// Weights with as many axes as `x`.
fn weights_of(x: &Array, axes: Option<&[i64]>, weights: &Array) -> Result<Array> {
    if weights.shape() == x.shape() {
        return Ok(weights.clone());
    }
    let ascending = normalize_axes(axes, x.ndim())?;
    let axes = match axes {
        Some(axes) => axes.iter().map(|&axis| normalize_axis(axis, x.ndim())).collect::<Result<Vec<_>>>()?,
        None => ascending,
    };
    let along: Vec<usize> = axes.iter().map(|&axis| x.shape()[axis]).collect();
    if weights.shape() != along {
        return Err(Error::value(format!(
            "weights of shape {} fit neither an array of shape {} nor its axes {axes:?}, of shape {}",
            crate::error::show_shape(weights.shape()),
            crate::error::show_shape(x.shape()),
            crate::error::show_shape(&along)
        )));
    }
    let mut order: Vec<usize> = (0..axes.len()).collect();
    order.sort_by_key(|&place| axes[place]);
    let ordered = super::manipulate::permute_dims(weights, &order)?;
    let shape: Vec<usize> =
        (0..x.ndim()).map(|axis| if axes.contains(&axis) { x.shape()[axis] } else { 1 }).collect();
    Ok(Array::new(Op::Reshape, vec![ordered], weights.dtype(), shape))
}

/// `ln Σ e^x` along axes, without overflow; -∞ of nothing.
///
/// # Errors
/// `Type` for complex numbers; `Axis`.
pub fn logsumexp(x: &Array, axes: Option<&[i64]>, keepdims: bool) -> Result<Array> {
    real_only("logsumexp", x)?;
    let x = cast(x, x.dtype().inexact());
    let dtype = x.dtype();
    if normalize_axes(axes, x.ndim())?.iter().any(|&axis| x.shape()[axis] == 0) {
        return unary(UnaryOp::Log, &sum(&x, axes, None, keepdims)?);
    }
    let greatest = max(&x, axes, true)?;
    let finite = unary(UnaryOp::IsFinite, &greatest)?;
    let shift = where_(&finite, &greatest, &scalar(0.0, dtype))?;
    let powers = unary(UnaryOp::Exp, &binary(BinaryOp::Subtract, &x, &shift)?)?;
    let logarithm = unary(UnaryOp::Log, &sum(&powers, axes, None, true)?)?;
    let result = binary(BinaryOp::Add, &logarithm, &shift)?;
    if keepdims { Ok(result) } else { without_axes(&result, axes) }
}

/// Drops axes of one element.
fn without_axes(x: &Array, axes: Option<&[i64]>) -> Result<Array> {
    let axes = normalize_axes(axes, x.ndim())?;
    let shape: Vec<usize> =
        (0..x.ndim()).filter(|axis| !axes.contains(axis)).map(|axis| x.shape()[axis]).collect();
    Ok(Array::new(Op::Reshape, vec![x.clone()], x.dtype(), shape))
}

/// `x` with a value in the place of NaN; as it is where its type has none.
fn without_nan(x: &Array, value: f64) -> Result<Array> {
    if !x.dtype().is_inexact() {
        return Ok(x.clone());
    }
    where_(&unary(UnaryOp::IsNan, x)?, &scalar(value, x.dtype()), x)
}

/// How many values along the axes are not NaN, `float64`.
fn count_numbers(x: &Array, axes: Option<&[i64]>, keepdims: bool) -> Result<Array> {
    let numbers = unary(UnaryOp::LogicalNot, &unary(UnaryOp::IsNan, x)?)?;
    sum(&numbers, axes, Some(DType::F64), keepdims)
}

/// [`sum`] of what is not NaN.
///
/// # Errors
/// Those of [`sum`].
pub fn nansum(x: &Array, axes: Option<&[i64]>, dtype: Option<DType>, keepdims: bool) -> Result<Array> {
    sum(&without_nan(x, 0.0)?, axes, dtype, keepdims)
}

/// [`prod`] of what is not NaN.
///
/// # Errors
/// Those of [`prod`].
pub fn nanprod(x: &Array, axes: Option<&[i64]>, dtype: Option<DType>, keepdims: bool) -> Result<Array> {
    prod(&without_nan(x, 1.0)?, axes, dtype, keepdims)
}

/// [`min`] of what is not NaN; NaN where there is nothing else.
///
/// # Errors
/// Those of [`min`].
pub fn nanmin(x: &Array, axes: Option<&[i64]>, keepdims: bool) -> Result<Array> {
    extreme(ReduceOp::Min, x, axes, keepdims)
}

/// [`max`] of what is not NaN; NaN where there is nothing else.
///
/// # Errors
/// Those of [`max`].
pub fn nanmax(x: &Array, axes: Option<&[i64]>, keepdims: bool) -> Result<Array> {
    extreme(ReduceOp::Max, x, axes, keepdims)
}

fn extreme(op: ReduceOp, x: &Array, axes: Option<&[i64]>, keepdims: bool) -> Result<Array> {
    real_only(if op == ReduceOp::Min { "nanmin" } else { "nanmax" }, x)?;
    if !x.dtype().is_float() {
        return reduce(op, x, axes, keepdims);
    }
    let worst = if op == ReduceOp::Min { f64::INFINITY } else { f64::NEG_INFINITY };
    let found = reduce(op, &without_nan(x, worst)?, axes, keepdims)?;
    let none = all(&unary(UnaryOp::IsNan, x)?, axes, keepdims)?;
    where_(&none, &scalar(f64::NAN, x.dtype()), &found)
}

/// [`mean`] of what is not NaN; NaN where there is nothing else.
///
/// # Errors
/// Those of [`mean`].
pub fn nanmean(x: &Array, axes: Option<&[i64]>, keepdims: bool) -> Result<Array> {
    let dtype = x.dtype().inexact();
    let wide = widened(dtype);
    let total = sum(&without_nan(&cast(x, wide), 0.0)?, axes, None, keepdims)?;
    let count = cast(&count_numbers(x, axes, keepdims)?, wide);
    Ok(cast(&binary(BinaryOp::Divide, &total, &count)?, dtype))
}

/// [`var`] of what is not NaN; NaN where no more than `correction` values are left.
///
/// # Errors
/// Those of [`var`].
pub fn nanvar(x: &Array, axes: Option<&[i64]>, correction: f64, keepdims: bool) -> Result<Array> {
    let dtype = x.dtype().inexact();
    let wide = cast(x, widened(dtype));
    let mean = nanmean(&wide, axes, true)?;
    let distance = binary(BinaryOp::Subtract, &wide, &mean)?;
    // Of complex numbers too: squared magnitudes.
    let squares = unary(UnaryOp::Square, &unary(UnaryOp::Abs, &distance)?)?;
    let total = sum(&without_nan(&squares, 0.0)?, axes, None, keepdims)?;
    let real = total.dtype();
    let degrees =
        binary(BinaryOp::Subtract, &count_numbers(x, axes, keepdims)?, &scalar(correction, DType::F64))?;
    let enough = binary(BinaryOp::Greater, &degrees, &scalar(0.0, DType::F64))?;
    let variance = binary(BinaryOp::Divide, &total, &cast(&degrees, real))?;
    Ok(cast(&where_(&enough, &variance, &scalar(f64::NAN, real))?, dtype.real()))
}

/// The root of [`nanvar`].
///
/// # Errors
/// Those of [`nanvar`].
pub fn nanstd(x: &Array, axes: Option<&[i64]>, correction: f64, keepdims: bool) -> Result<Array> {
    let dtype = x.dtype().inexact();
    let wide = cast(x, widened(dtype));
    Ok(cast(&unary(UnaryOp::Sqrt, &nanvar(&wide, axes, correction, keepdims)?)?, dtype.real()))
}

/// [`argmin`] of what is not NaN; 0 where there is nothing else.
///
/// # Errors
/// Those of [`argmin`].
pub fn nanargmin(x: &Array, axis: Option<i64>, keepdims: bool) -> Result<Array> {
    argmin(&without_nan_beside(x, f64::INFINITY, axis)?, axis, keepdims)
}

/// [`argmax`] of what is not NaN; 0 where there is nothing else.
///
/// # Errors
/// Those of [`argmax`].
pub fn nanargmax(x: &Array, axis: Option<i64>, keepdims: bool) -> Result<Array> {
    argmax(&without_nan_beside(x, f64::NEG_INFINITY, axis)?, axis, keepdims)
}

fn without_nan_beside(x: &Array, worst: f64, axis: Option<i64>) -> Result<Array> {
    axis.map(|axis| normalize_axis(axis, x.ndim())).transpose()?;
    without_nan(x, worst)
}

#[cfg(test)]
mod tests;
