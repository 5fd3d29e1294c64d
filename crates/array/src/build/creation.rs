//! Arrays made of nothing: constants, ranges, grids. All are arithmetic on indices, so none takes memory.

use crate::dtype::{DType, Scalar};
use crate::error::{Error, Result, show_shape};
use crate::graph::{Array, Op};
use crate::program::{BinaryOp, UnaryOp};
use crate::tensor::count;

use super::elementwise::{binary, broadcast, cast, filled, unary, where_};

/// One value everywhere, in chunks of the given lengths.
///
/// # Errors
/// `Value` where the shape has more elements than can be counted, or `chunks` another number of axes.
pub fn full(shape: &[usize], value: Scalar, dtype: DType, chunks: Option<&[usize]>) -> Result<Array> {
    count(shape)?;
    let array = filled(value, dtype, shape);
    match chunks {
        None => Ok(array),
        Some(chunks) if chunks.len() == shape.len() => Ok(array.with_chunks(chunks.to_vec())),
        Some(chunks) => Err(Error::value(format!(
            "chunks {} do not have as many axes as shape {}",
            show_shape(chunks),
            show_shape(shape)
        ))),
    }
}

/// Zeros.
///
/// # Errors
/// Those of [`full`].
pub fn zeros(shape: &[usize], dtype: DType) -> Result<Array> {
    full(shape, Scalar::Int(0), dtype, None)
}

/// Ones.
///
/// # Errors
/// Those of [`full`].
pub fn ones(shape: &[usize], dtype: DType) -> Result<Array> {
    full(shape, Scalar::Int(1), dtype, None)
}

/// The index along an axis of an array of this shape, `int64`.
pub fn index(shape: &[usize], axis: usize) -> Array {
    Array::new(Op::Index(axis), vec![], DType::I64, shape.to_vec())
}

/// `start, start + step, …` below `stop` (above it, for negative steps). Without `dtype`, `int64` where all three are
/// integers, else `float64`. Integers are exact; floats are `start + i·step` in `float64`.
///
/// # Errors
/// `Value` where `step` is 0, a bound is NaN or the array too long; `Type` for complex or boolean arrays.
pub fn arange(start: Scalar, stop: Scalar, step: Scalar, dtype: Option<DType>) -> Result<Array> {
    let integer = |scalar: Scalar| matches!(scalar, Scalar::Int(_) | Scalar::Bool(_));
    let whole = [start, stop, step].into_iter().all(integer);
    if [start, stop, step].iter().any(|scalar| matches!(scalar, Scalar::Complex(_))) {
        return Err(Error::dtype("arange does not take complex numbers: it takes real ones"));
    }
    let dtype = dtype.unwrap_or(if whole { DType::I64 } else { DType::F64 });
    if dtype.is_bool() || dtype.is_complex() {
        return Err(Error::dtype(format!("arange does not make {dtype}: it makes real numbers")));
    }
    if !step.is_nonzero() {
        return Err(Error::value("arange cannot go on in steps of 0"));
    }
    let too_long = || Error::value(format!("arange from {start:?} to {stop:?} by {step:?} is too long"));
    let len = if whole {
        let (start, stop, step) = (start.as_int(), stop.as_int(), step.as_int());
        let distance = if step > 0 { stop - start } else { start - stop };
        let steps = step.abs();
        usize::try_from((distance.max(0) + steps - 1) / steps).map_err(|_| too_long())?
    } else {
        let len = ((stop.as_float() - start.as_float()) / step.as_float()).ceil();
        if len.is_nan() || len >= isize::MAX as f64 {
            return Err(too_long());
        }
        len.max(0.0) as usize
    };
    count(&[len]).map_err(|_| too_long())?;
    let positions = index(&[len], 0);
    if dtype.is_integer() && whole {
        let value = |scalar: Scalar| filled(scalar, dtype, &[]);
        let scaled = binary(BinaryOp::Multiply, &cast(&positions, dtype), &value(step))?;
        return binary(BinaryOp::Add, &scaled, &value(start));
    }
    let value = |scalar: Scalar| filled(scalar, DType::F64, &[]);
    let scaled = binary(BinaryOp::Multiply, &cast(&positions, DType::F64), &value(step))?;
    Ok(cast(&binary(BinaryOp::Add, &scaled, &value(start))?, dtype))
}

/// `num` values at equal distances from `start` to `stop`, which is the last of them if `endpoint`, exactly. Without
/// `dtype`, `float64`, or `complex128` where a bound is complex. To integers it rounds toward minus infinity.
///
/// # Errors
/// `Type` where bounds are complex and `dtype` is not; `Value` where there are too many.
pub fn linspace(
    start: Scalar,
    stop: Scalar,
    num: usize,
    endpoint: bool,
    dtype: Option<DType>,
) -> Result<Array> {
    let complex = matches!(start, Scalar::Complex(_)) || matches!(stop, Scalar::Complex(_));
    let work = if complex { DType::C128 } else { DType::F64 };
    let dtype = dtype.unwrap_or(work);
    if complex && !dtype.is_complex() {
        return Err(Error::dtype(format!("linspace between complex numbers does not make {dtype}")));
    }
    count(&[num])?;
    let gaps = if endpoint { num.saturating_sub(1) } else { num };
    let value = |scalar: Scalar| filled(scalar, work, &[]);
    let position = cast(&index(&[num], 0), work);
    let (first, last) = (start.as_complex(), stop.as_complex());
    let distance = Scalar::Complex(last - first);
    let step = Scalar::Complex((last - first) / gaps.max(1) as f64);
    let offsets = if step.is_nonzero() {
        binary(BinaryOp::Multiply, &position, &value(step))?
    } else {
        // The step is less than the least number: divide first.
        let share = binary(BinaryOp::Divide, &position, &value(Scalar::Int(gaps.max(1) as i128)))?;
        binary(BinaryOp::Multiply, &share, &value(distance))?
    };
    let mut values = binary(BinaryOp::Add, &offsets, &value(start))?;
    if endpoint && num > 1 {
        let end = binary(
            BinaryOp::Equal,
            &index(&[num], 0),
            &filled(Scalar::Int(num as i128 - 1), DType::I64, &[]),
        )?;
        values = where_(&end, &value(stop), &values)?;
    }
    if dtype.is_integer() {
        values = unary(UnaryOp::Floor, &values)?;
    }
    Ok(cast(&values, dtype))
}

/// Ones on diagonal `k` (0 the main one, positive above it), zeros elsewhere.
///
/// # Errors
/// `Value` where the shape has more elements than can be counted.
pub fn eye(rows: usize, columns: usize, k: i64, dtype: DType) -> Result<Array> {
    let shape = [rows, columns];
    count(&shape)?;
    Ok(cast(&diagonal_order(BinaryOp::Equal, &shape, k)?, dtype))
}

/// How column numbers compare with row numbers plus `k`.
fn diagonal_order(op: BinaryOp, shape: &[usize], k: i64) -> Result<Array> {
    let (row, column) = (shape.len() - 2, shape.len() - 1);
    let shifted =
        binary(BinaryOp::Add, &index(shape, row), &filled(Scalar::Int(k as i128), DType::I64, &[]))?;
    binary(op, &index(shape, column), &shifted)
}

/// Keeps what is on and below diagonal `k` of the last two axes; zeros elsewhere.
///
/// # Errors
/// `Value` for arrays of less than two axes.
pub fn tril(x: &Array, k: i64) -> Result<Array> {
    triangle("tril", BinaryOp::LessEqual, x, k)
}

/// Keeps what is on and above diagonal `k` of the last two axes; zeros elsewhere.
///
/// # Errors
/// `Value` for arrays of less than two axes.
pub fn triu(x: &Array, k: i64) -> Result<Array> {
    triangle("triu", BinaryOp::GreaterEqual, x, k)
}

fn triangle(name: &str, op: BinaryOp, x: &Array, k: i64) -> Result<Array> {
    if x.ndim() < 2 {
        return Err(Error::value(format!("{name} needs two axes or more; shape {}", show_shape(x.shape()))));
    }
    where_(&diagonal_order(op, x.shape(), k)?, x, &filled(Scalar::Int(0), x.dtype(), &[]))
}

/// How [`meshgrid`] orders the first two axes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Indexing {
    /// The first array runs along columns: `"xy"`.
    Cartesian,
    /// The first array runs along the first axis: `"ij"`.
    Matrix,
}

/// Coordinates of the grid that one-axis arrays span: each of them broadcast to the grid's shape.
///
/// # Errors
/// `Value` where an array has more than one axis.
pub fn meshgrid(arrays: &[Array], indexing: Indexing) -> Result<Vec<Array>> {
    if let Some(array) = arrays.iter().find(|array| array.ndim() > 1) {
        let message =
            format!("meshgrid takes arrays of one axis; one has shape {}", show_shape(array.shape()));
        return Err(Error::value(message));
    }
    let turned = indexing == Indexing::Cartesian && arrays.len() >= 2;
    let axis_of = |i: usize| match i {
        0 | 1 if turned => 1 - i,
        _ => i,
    };
    let mut shape = vec![1; arrays.len()];
    for (i, array) in arrays.iter().enumerate() {
        shape[axis_of(i)] = array.len();
    }
    let grid = |(i, array): (usize, &Array)| {
        let mut own = vec![1; arrays.len()];
        own[axis_of(i)] = array.len();
        broadcast(&Array::new(Op::Reshape, vec![array.clone()], array.dtype(), own), &shape)
    };
    Ok(arrays.iter().enumerate().map(grid).collect())
}

#[cfg(test)]
mod tests;
