//! Random arrays by counter: an element's number decides its value, so any chunking and any device gives the same array.
//!
//! `stream` tells the independent sequences of one seed apart: a generator counts it up with every array it makes.

use crate::dtype::{DType, Scalar};
use crate::error::{Error, Result};
use crate::graph::{Array, Op};
use crate::program::{BinaryOp, Distribution, Random};
use crate::tensor::{count, row_major};

use super::creation::index;
use super::elementwise::{binary, cast, filled};

/// Which random numbers: the seed, and which of its sequences.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sequence {
    pub seed: u64,
    pub stream: u64,
}

/// The number of each element in row-major order, `uint64`.
fn numbers(shape: &[usize]) -> Result<Array> {
    count(shape)?;
    let mut number = filled(Scalar::Int(0), DType::U64, shape);
    for (axis, stride) in row_major(shape).into_iter().enumerate() {
        if shape[axis] == 1 {
            continue;
        }
        let along = cast(&index(shape, axis), DType::U64);
        let scaled = if stride == 1 {
            along
        } else {
            binary(BinaryOp::Multiply, &along, &filled(Scalar::Int(stride as i128), DType::U64, &[]))?
        };
        let first = matches!(number.op(), Op::Full(_));
        number = if first { scaled } else { binary(BinaryOp::Add, &number, &scaled)? };
    }
    Ok(number)
}

fn drawn(distribution: Distribution, sequence: Sequence, shape: &[usize], dtype: DType) -> Result<Array> {
    let Sequence { seed, stream } = sequence;
    let random = Random { distribution, seed, stream };
    Ok(Array::new(Op::Random(random), vec![numbers(shape)?], dtype, shape.to_vec()))
}

/// The type that values are drawn in for a result of `dtype`.
fn drawn_type(name: &str, dtype: DType) -> Result<DType> {
    match dtype {
        DType::F16 | DType::BF16 | DType::F32 => Ok(DType::F32),
        DType::F64 => Ok(DType::F64),
        other => {
            Err(Error::dtype(format!("{name} does not draw {other}: it draws real floating-point numbers")))
        }
    }
}

/// `x·scale + shift`, which cost nothing where they change nothing.
fn scaled(x: Array, scale: f64, shift: f64) -> Result<Array> {
    let constant = |value: f64| filled(Scalar::Float(value), x.dtype(), &[]);
    let mut values = x.clone();
    if scale != 1.0 {
        values = binary(BinaryOp::Multiply, &values, &constant(scale))?;
    }
    if shift != 0.0 {
        values = binary(BinaryOp::Add, &values, &constant(shift))?;
    }
    Ok(values)
}

/// Draws 64 random bits an element, `uint64`.
///
/// # Errors
/// `Value` where the shape has more elements than can be counted.
pub fn bits(sequence: Sequence, shape: &[usize]) -> Result<Array> {
    drawn(Distribution::Bits, sequence, shape, DType::U64)
}

/// Draws evenly from `[low, high)`: 53 random bits (`float64`) or 24.
///
/// # Errors
/// `Type` for other types than floats; `Value` where bounds are not finite, or the shape is too large.
pub fn uniform(sequence: Sequence, shape: &[usize], dtype: DType, low: f64, high: f64) -> Result<Array> {
    if !(high - low).is_finite() {
        return Err(Error::value(format!("uniform draws between finite bounds, not from {low} to {high}")));
    }
    let values = drawn(Distribution::Uniform, sequence, shape, drawn_type("uniform", dtype)?)?;
    Ok(cast(&scaled(values, high - low, low)?, dtype))
}

/// Draws from the normal distribution, by Box and Muller (1958).
///
/// # Errors
/// `Type` for other types than floats; `Value` where the deviation is negative or the shape too large.
pub fn normal(sequence: Sequence, shape: &[usize], dtype: DType, mean: f64, deviation: f64) -> Result<Array> {
    if deviation < 0.0 {
        return Err(Error::value(format!("normal needs a deviation that is not negative, not {deviation}")));
    }
    let values = drawn(Distribution::Normal, sequence, shape, drawn_type("normal", dtype)?)?;
    Ok(cast(&scaled(values, deviation, mean)?, dtype))
}

/// Draws from the exponential distribution of mean `scale`.
///
/// # Errors
/// `Type` for other types than floats; `Value` where the scale is negative or the shape too large.
pub fn exponential(sequence: Sequence, shape: &[usize], dtype: DType, scale: f64) -> Result<Array> {
    if scale < 0.0 {
        return Err(Error::value(format!("exponential needs a scale that is not negative, not {scale}")));
    }
    let values = drawn(Distribution::Exponential, sequence, shape, drawn_type("exponential", dtype)?)?;
    Ok(cast(&scaled(values, scale, 0.0)?, dtype))
}

/// Draws integers evenly from `low` up to, without, `high`: the high 64 bits of a random 64-bit number times the width
/// (Lemire 2019, without rejection: a bias of at most 2^-64 times the width).
///
/// # Errors
/// `Type` for other types than integers; `Value` where there is no integer between the bounds, or one is not of the
/// type.
pub fn integers(sequence: Sequence, shape: &[usize], dtype: DType, low: i128, high: i128) -> Result<Array> {
    if !dtype.is_integer() {
        return Err(Error::dtype(format!("integers does not draw {dtype}: it draws integers")));
    }
    let (least, most) = crate::dtype::integer_range(dtype);
    if low >= high || low < least || high - 1 > most {
        return Err(Error::value(format!(
            "integers draws {dtype} from low to high - 1, within {least} to {most}, not from {low} to {high} - 1"
        )));
    }
    let random = bits(sequence, shape)?;
    let width = high - low;
    let drawn = if width > u64::MAX as i128 { random } else { high_product(&random, width as u64)? };
    binary(BinaryOp::Add, &cast(&drawn, dtype), &filled(Scalar::Int(low), dtype, &[]))
}

/// The high 64 bits of a product of 64-bit numbers, by halves.
fn high_product(x: &Array, by: u64) -> Result<Array> {
    use BinaryOp::{Add, BitwiseAnd, Multiply, ShiftRight};
    let constant = |value: u64| filled(Scalar::Int(value as i128), DType::U64, &[]);
    let low_half = |x: &Array| binary(BitwiseAnd, x, &constant(u32::MAX as u64));
    let high_half = |x: &Array| binary(ShiftRight, x, &constant(32));
    let (low, high) = (low_half(x)?, high_half(x)?);
    let (by_low, by_high) = (constant(by & u32::MAX as u64), constant(by >> 32));
    let first = binary(Multiply, &low, &by_low)?;
    let middle = binary(Add, &binary(Multiply, &high, &by_low)?, &high_half(&first)?)?;
    if by >> 32 == 0 {
        return high_half(&middle);
    }
    let other = binary(Add, &binary(Multiply, &low, &by_high)?, &low_half(&middle)?)?;
    let highest = binary(Add, &binary(Multiply, &high, &by_high)?, &high_half(&middle)?)?;
    binary(Add, &highest, &high_half(&other)?)
}

/// Draws true with probability `probability`.
///
/// # Errors
/// `Value` where that is not between 0 and 1, or the shape is too large.
pub fn bernoulli(sequence: Sequence, shape: &[usize], probability: f64) -> Result<Array> {
    if !(0.0..=1.0).contains(&probability) {
        return Err(Error::value(format!("a probability is between 0 and 1, not {probability}")));
    }
    let values = drawn(Distribution::Uniform, sequence, shape, DType::F64)?;
    binary(BinaryOp::Less, &values, &filled(Scalar::Float(probability), DType::F64, &[]))
}

#[cfg(test)]
mod tests;
