//! Quantiles, by sorting.

use std::str::FromStr;
use std::sync::Arc;

use crate::build::axis::normalize_axes;
use crate::build::elementwise::cast;
use crate::build::manipulate::{moveaxis, permute_dims, reshape_to};
use crate::build::sort::rows::rows_region;
use crate::dispatch;
use crate::dtype::{DType, Element, Scalar};
use crate::error::{Error, Result};
use crate::graph::{Array, BlockOperator, Region};
use crate::kernel::sort::sort_rows;
use crate::tensor::{Tensor, TensorMut};

/// How a quantile between two elements is made, by NumPy's names (Hyndman and Fan 1996).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QuantileMethod {
    InvertedCdf,
    InterpolatedInvertedCdf,
    Hazen,
    Weibull,
    /// NumPy's default.
    Linear,
    MedianUnbiased,
    NormalUnbiased,
    Lower,
    Higher,
    /// The nearer of the two, the one with the even number if both are as near.
    Nearest,
    Midpoint,
}

use QuantileMethod::*;

const METHODS: [(&str, QuantileMethod); 11] = [
    ("inverted_cdf", InvertedCdf),
    ("interpolated_inverted_cdf", InterpolatedInvertedCdf),
    ("hazen", Hazen),
    ("weibull", Weibull),
    ("linear", Linear),
    ("median_unbiased", MedianUnbiased),
    ("normal_unbiased", NormalUnbiased),
    ("lower", Lower),
    ("higher", Higher),
    ("nearest", Nearest),
    ("midpoint", Midpoint),
];

impl FromStr for QuantileMethod {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        METHODS.iter().find(|(known, _)| *known == name).map(|(_, method)| *method).ok_or_else(|| {
            let names: Vec<&str> = METHODS.iter().map(|(name, _)| *name).collect();
            Error::value(format!("'{name}' is not a method of quantiles; there are {}", names.join(", ")))
        })
    }
}

impl QuantileMethod {
    /// Whether the result is always an element.
    fn is_discrete(self) -> bool {
        matches!(self, InvertedCdf | Lower | Higher | Nearest)
    }

    /// The two elements of `n` between which the quantile `q` lies, and how far towards the second.
    fn between(self, n: usize, q: f64) -> (usize, usize, f64) {
        let count = n as f64;
        // Of Hyndman and Fan's family: plotting positions with parameters a and b.
        let family = |a: f64, b: f64| count * q + (a + q * (1.0 - a - b)) - 1.0;
        let position = match self {
            InvertedCdf => (count * q).ceil() - 1.0,
            InterpolatedInvertedCdf => family(0.0, 1.0),
            Hazen => family(0.5, 0.5),
            Weibull => family(0.0, 0.0),
            MedianUnbiased => family(1.0 / 3.0, 1.0 / 3.0),
            NormalUnbiased => family(3.0 / 8.0, 3.0 / 8.0),
            Linear | Midpoint => (count - 1.0) * q,
            Lower => ((count - 1.0) * q).floor(),
            Higher => ((count - 1.0) * q).ceil(),
            Nearest => ((count - 1.0) * q).round_ties_even(),
        };
        let position = position.clamp(0.0, count - 1.0);
        let (first, fraction) = (position.floor(), position.fract());
        let fraction = if self == Midpoint && fraction > 0.0 { 0.5 } else { fraction };
        (first as usize, position.ceil() as usize, fraction)
    }
}

/// The median along axes: of an even number of elements the mean of the middle two. NaN where there is one.
///
/// # Errors
/// `Axis`; `Type` for complex numbers.
pub fn median(x: &Array, axes: Option<&[i64]>, keepdims: bool) -> Result<Array> {
    single(x, 0.5, axes, false, keepdims)
}

/// The median of the elements that are not NaN; NaN of none.
///
/// # Errors
/// As [`median`].
pub fn nanmedian(x: &Array, axes: Option<&[i64]>, keepdims: bool) -> Result<Array> {
    single(x, 0.5, axes, true, keepdims)
}

fn single(x: &Array, q: f64, axes: Option<&[i64]>, skip_nan: bool, keepdims: bool) -> Result<Array> {
    let quantiles = quantiles(x, &[q], axes, Linear, skip_nan, keepdims)?;
    Ok(reshape_to(&quantiles, &quantiles.shape()[1..]))
}

/// The quantiles `q`, between 0 and 1, along axes; NaN where there is one.
///
/// # Shape      x with axes of n elements → [q…, other axes].
/// # Errors
/// `Axis`; `Type` for complex numbers; `Value` for a quantile that is not between 0 and 1.
pub fn quantile(
    x: &Array,
    q: &[f64],
    axes: Option<&[i64]>,
    method: QuantileMethod,
    keepdims: bool,
) -> Result<Array> {
    quantiles(x, q, axes, method, false, keepdims)
}

/// The quantiles of the elements that are not NaN; NaN of none.
///
/// # Errors
/// As [`quantile`].
pub fn nanquantile(
    x: &Array,
    q: &[f64],
    axes: Option<&[i64]>,
    method: QuantileMethod,
    keepdims: bool,
) -> Result<Array> {
    quantiles(x, q, axes, method, true, keepdims)
}

fn quantiles(
    x: &Array,
    q: &[f64],
    axes: Option<&[i64]>,
    method: QuantileMethod,
    skip_nan: bool,
    keepdims: bool,
) -> Result<Array> {
    if x.dtype().is_complex() {
        return Err(Error::dtype(format!("{} has no quantiles: complex numbers are not ordered", x.dtype())));
    }
    if let Some(q) = q.iter().find(|q| !(0.0..=1.0).contains(*q)) {
        return Err(Error::value(format!("quantiles are between 0 and 1, not {q}")));
    }
    let axes = normalize_axes(axes, x.ndim())?;
    let kept: Vec<usize> = (0..x.ndim()).filter(|axis| !axes.contains(axis)).collect();
    let batch: Vec<usize> = kept.iter().map(|&axis| x.shape()[axis]).collect();
    let len: usize = axes.iter().map(|&axis| x.shape()[axis]).product();
    let x_dtype = if x.dtype().is_bool() { DType::F64 } else { x.dtype() };
    let turned = permute_dims(&cast(x, x_dtype), &[kept.as_slice(), &axes].concat())?;
    let rows = reshape_to(&turned, &[batch.as_slice(), &[len]].concat());
    let dtype = if method.is_discrete() && len > 0 { x_dtype } else { x_dtype.inexact() };
    let operator = Quantiles { dtype, batch: batch.clone(), q: q.to_vec(), method, skip_nan };
    let result = moveaxis(&Array::block(Arc::new(operator), vec![rows]).remove(0), &[-1], &[0])?;
    if !keepdims {
        return Ok(result);
    }
    let lengths = (0..x.ndim()).map(|axis| if axes.contains(&axis) { 1 } else { x.shape()[axis] });
    let shape: Vec<usize> = std::iter::once(q.len()).chain(lengths).collect();
    Ok(reshape_to(&result, &shape))
}

/// Quantiles of rows: the last axis is sorted, and becomes one of quantiles.
#[derive(Debug)]
struct Quantiles {
    dtype: DType,
    batch: Vec<usize>,
    q: Vec<f64>,
    method: QuantileMethod,
    skip_nan: bool,
}

impl BlockOperator for Quantiles {
    fn name(&self) -> String {
        "quantile".to_string()
    }

    fn outputs(&self) -> Vec<(DType, Vec<usize>)> {
        vec![(self.dtype, [self.batch.as_slice(), &[self.q.len()]].concat())]
    }

    fn cuttable(&self) -> usize {
        self.batch.len()
    }

    fn needs(&self, block: &Region, _: usize, shape: &[usize]) -> Region {
        rows_region(block, shape)
    }

    fn compute(&self, block: &Region, inputs: &[Tensor]) -> Result<Vec<Tensor>> {
        let sorted = sort_rows(&inputs[0], false)?;
        let shape = [block.shape.as_slice(), &[self.q.len()]].concat();
        let len = sorted.shape().last().copied().unwrap_or(0);
        let mut result = TensorMut::uninit(self.dtype, &shape)?;
        let rows: usize = block.shape.iter().product();
        dispatch!(sorted.dtype(), T => {
            let values = sorted.as_slice::<T>().unwrap_or_default();
            dispatch!(self.dtype, U => {
                let out = result.as_mut_slice::<U>().chunks_mut(self.q.len().max(1));
                for (row, out) in out.enumerate().take(rows) {
                    self.row::<T, U>(&values[row * len..(row + 1) * len], out);
                }
            })
        });
        Ok(vec![result.freeze()])
    }
}

impl Quantiles {
    fn row<T: Element, U: Element>(&self, sorted: &[T], out: &mut [U]) {
        let is_nan = |value: &T| value.to_scalar().as_float().is_nan();
        let numbers = sorted.partition_point(|value| !is_nan(value));
        let nan = U::from_scalar(Scalar::Float(f64::NAN));
        if numbers == 0 || (numbers < sorted.len() && !self.skip_nan) {
            out.fill(nan);
            return;
        }
        for (out, &q) in out.iter_mut().zip(&self.q) {
            let (first, second, fraction) = self.method.between(numbers, q);
            let (a, b) = (sorted[first], sorted[second]);
            if a == b || fraction == 0.0 {
                *out = U::from_scalar(a.to_scalar());
                continue;
            }
            let (a, b) = (a.to_scalar().as_float(), b.to_scalar().as_float());
            // From the nearer end, as NumPy does: exact at both.
            let value = if fraction == 0.5 {
                a / 2.0 + b / 2.0
            } else if fraction < 0.5 {
                a + (b - a) * fraction
            } else {
                b - (b - a) * (1.0 - fraction)
            };
            *out = U::from_scalar(Scalar::Float(value));
        }
    }
}
