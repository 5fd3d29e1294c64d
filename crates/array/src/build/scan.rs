//! What runs along an axis: cumulative sums, products and extremes, differences, gradients.

use std::sync::Arc;

use crate::build::axis::{normalize_axes, normalize_axis};
use crate::build::elementwise::{binary, broadcast, cast, filled};
use crate::build::manipulate::{broadcast_to, concat, moveaxis, ravel, slice_axis};
use crate::build::sort::rows_region;
use crate::dtype::{DType, Scalar};
use crate::error::{Error, Result, show_shape};
use crate::graph::{Array, BlockOperator, DeviceForm, Region};
use crate::kernel::scan::{ScanOp, scan_rows};
use crate::program::{BinaryOp, ReduceOp};
use crate::tensor::{Slice, Tensor};

/// Sums of the elements up to each along an axis; a vector needs none. Small integers and booleans add in 64 bits,
/// other types in their own, unless `dtype` says otherwise. With `include_initial` rows begin with 0.
///
/// # Errors
/// `Axis`; `Value` where no axis is given and there is not one.
pub fn cumulative_sum(
    x: &Array,
    axis: Option<i64>,
    dtype: Option<DType>,
    include_initial: bool,
) -> Result<Array> {
    cumulative(ScanOp::Sum, &cast(x, dtype.unwrap_or(summed(x.dtype()))), axis, include_initial)
}

/// Products of the elements up to each along an axis, by the rules of [`cumulative_sum`]; rows begin with 1.
///
/// # Errors
/// As [`cumulative_sum`].
pub fn cumulative_prod(
    x: &Array,
    axis: Option<i64>,
    dtype: Option<DType>,
    include_initial: bool,
) -> Result<Array> {
    cumulative(ScanOp::Product, &cast(x, dtype.unwrap_or(summed(x.dtype()))), axis, include_initial)
}

/// The greatest of the elements up to each along an axis; NaN from the first one on.
///
/// # Errors
/// As [`cumulative_sum`]; `Type` for complex numbers.
pub fn cummax(x: &Array, axis: Option<i64>) -> Result<Array> {
    ordered(x)?;
    cumulative(ScanOp::Max, x, axis, false)
}

/// The least of the elements up to each along an axis; NaN from the first one on.
///
/// # Errors
/// As [`cummax`].
pub fn cummin(x: &Array, axis: Option<i64>) -> Result<Array> {
    ordered(x)?;
    cumulative(ScanOp::Min, x, axis, false)
}

fn ordered(x: &Array) -> Result<()> {
    match x.dtype().is_complex() {
        true => Err(Error::dtype(format!("{} has no greatest: complex numbers are not ordered", x.dtype()))),
        false => Ok(()),
    }
}

/// The type in which sums are given, as the standard has it.
fn summed(dtype: DType) -> DType {
    match dtype {
        _ if dtype.is_bool() || dtype.is_signed() => DType::I64,
        _ if dtype.is_unsigned() => DType::U64,
        other => other,
    }
}

fn cumulative(op: ScanOp, x: &Array, axis: Option<i64>, initial: bool) -> Result<Array> {
    let axis = match axis {
        Some(axis) => axis,
        None if x.ndim() == 1 => 0,
        None => {
            let shape = show_shape(x.shape());
            return Err(Error::value(format!("an array of shape {shape} needs an axis to accumulate along")));
        }
    };
    normalize_axis(axis, x.ndim())?;
    let rows = moveaxis(x, &[axis], &[-1])?;
    let mut shape = rows.shape().to_vec();
    let last = shape.len() - 1;
    shape[last] += usize::from(initial);
    let operator = Scan { op, dtype: x.dtype(), shape, initial };
    moveaxis(&Array::block(Arc::new(operator), vec![rows]).remove(0), &[-1], &[axis])
}

/// Scans along the last axis.
#[derive(Debug)]
struct Scan {
    op: ScanOp,
    dtype: DType,
    shape: Vec<usize>,
    initial: bool,
}

impl BlockOperator for Scan {
    fn name(&self) -> String {
        match self.op {
            ScanOp::Sum => "cumulative_sum",
            ScanOp::Product => "cumulative_prod",
            ScanOp::Max => "cummax",
            ScanOp::Min => "cummin",
        }
        .to_string()
    }

    fn outputs(&self) -> Vec<(DType, Vec<usize>)> {
        vec![(self.dtype, self.shape.clone())]
    }

    fn cuttable(&self) -> usize {
        self.shape.len() - 1
    }

    fn needs(&self, block: &Region, _: usize, shape: &[usize]) -> Region {
        rows_region(block, shape)
    }

    fn compute(&self, _: &Region, inputs: &[Tensor]) -> Result<Vec<Tensor>> {
        Ok(vec![scan_rows(self.op, &inputs[0], self.initial)?])
    }

    fn scratch_factor(&self) -> usize {
        1
    }

    fn device_form(&self, _: &Region) -> Option<DeviceForm> {
        let op = match self.op {
            ScanOp::Sum => ReduceOp::Sum,
            ScanOp::Product => ReduceOp::Product,
            ScanOp::Max => ReduceOp::Max,
            ScanOp::Min => ReduceOp::Min,
        };
        Some(DeviceForm::Scan { op, initial: self.initial })
    }
}

/// Differences of neighbours along an axis, `n` times; of booleans whether they differ. What is prepended and appended
/// has the array's shape but along the axis, or is broadcast to one element of it.
///
/// # Errors
/// `Axis`; `Value` where shapes do not fit.
pub fn diff(
    x: &Array,
    axis: i64,
    n: usize,
    prepend: Option<&Array>,
    append: Option<&Array>,
) -> Result<Array> {
    let own = normalize_axis(axis, x.ndim())?;
    let beside = |other: &Array| -> Result<Array> {
        if other.ndim() > 0 {
            return Ok(other.clone());
        }
        let mut shape = x.shape().to_vec();
        shape[own] = 1;
        broadcast_to(other, &shape)
    };
    let mut result = x.clone();
    if prepend.is_some() || append.is_some() {
        let parts = [prepend.map(beside).transpose()?, Some(x.clone()), append.map(beside).transpose()?];
        result = concat(&parts.into_iter().flatten().collect::<Vec<_>>(), Some(axis))?;
    }
    for _ in 0..n {
        let len = result.shape()[own];
        let later = slice_axis(&result, own, Slice::range(len.min(1), len.saturating_sub(1)));
        let earlier = slice_axis(&result, own, Slice::range(0, len.saturating_sub(1)));
        let op = if result.dtype().is_bool() { BinaryOp::NotEqual } else { BinaryOp::Subtract };
        result = binary(op, &later, &earlier)?;
    }
    Ok(result)
}

/// Differences of neighbours of the array as a vector, with vectors before and behind.
///
/// # Errors
/// `Value` where types do not fit.
pub fn ediff1d(x: &Array, to_end: Option<&Array>, to_begin: Option<&Array>) -> Result<Array> {
    let middle = diff(&ravel(x), 0, 1, None, None)?;
    let beside = |other: &Array| ravel(&cast(other, middle.dtype()));
    let parts = [to_begin.map(beside), Some(middle.clone()), to_end.map(beside)];
    concat(&parts.into_iter().flatten().collect::<Vec<_>>(), Some(0))
}

/// Derivatives along axes by central differences, and one-sided ones at the ends, of first or second order
/// (`edge_order`); `spacing` has one distance for all axes, or one for each.
///
/// # Errors
/// `Axis`; `Value` where the spacings do not go with the axes, an axis is too short, or the order is neither 1 nor 2.
pub fn gradient(x: &Array, spacing: &[f64], axes: Option<&[i64]>, edge_order: usize) -> Result<Vec<Array>> {
    let axes = match axes {
        Some(axes) => {
            normalize_axes(Some(axes), x.ndim())?;
            axes.iter().map(|&axis| normalize_axis(axis, x.ndim())).collect::<Result<Vec<_>>>()?
        }
        None => (0..x.ndim()).collect(),
    };
    let spacing = match spacing {
        [] => vec![1.0; axes.len()],
        [one] => vec![*one; axes.len()],
        each if each.len() == axes.len() => each.to_vec(),
        _ => {
            return Err(Error::value(format!(
                "{} spacings do not go with {} axes",
                spacing.len(),
                axes.len()
            )));
        }
    };
    if !matches!(edge_order, 1 | 2) {
        return Err(Error::value(format!("the order at the edges is 1 or 2, not {edge_order}")));
    }
    let x = cast(x, x.dtype().inexact());
    axes.iter().zip(spacing).map(|(&axis, spacing)| derivative(&x, axis, spacing, edge_order)).collect()
}

fn derivative(x: &Array, axis: usize, spacing: f64, edge_order: usize) -> Result<Array> {
    let len = x.shape()[axis];
    if len <= edge_order {
        return Err(Error::value(format!(
            "axis {axis} of shape {} is too short for a gradient: it takes {} elements",
            show_shape(x.shape()),
            edge_order + 1
        )));
    }
    // A weighted sum of parts of the axis, each as long.
    let sum = |parts: &[(f64, usize)], count: usize| -> Result<Array> {
        let mut total: Option<Array> = None;
        for &(weight, start) in parts {
            let part = slice_axis(x, axis, Slice::range(start, count));
            let weight = broadcast(&filled(Scalar::Float(weight / spacing), x.dtype(), &[]), part.shape());
            let term = binary(BinaryOp::Multiply, &part, &weight)?;
            total = Some(match total {
                Some(total) => binary(BinaryOp::Add, &total, &term)?,
                None => term,
            });
        }
        total.ok_or_else(|| Error::bug("a sum of no parts"))
    };
    let (first, last) = match edge_order {
        1 => (sum(&[(-1.0, 0), (1.0, 1)], 1)?, sum(&[(-1.0, len - 2), (1.0, len - 1)], 1)?),
        _ => (
            sum(&[(-1.5, 0), (2.0, 1), (-0.5, 2)], 1)?,
            sum(&[(0.5, len - 3), (-2.0, len - 2), (1.5, len - 1)], 1)?,
        ),
    };
    if len == 2 {
        return concat(&[first, last], Some(axis as i64));
    }
    let middle = sum(&[(-0.5, 0), (0.5, 2)], len - 2)?;
    concat(&[first, middle, last], Some(axis as i64))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;
    use crate::run::Runner;

    fn array<T: crate::dtype::Element>(values: &[T], shape: &[usize]) -> Array {
        Array::from_tensor(Tensor::from_vec(values.to_vec(), shape).expect("as many values as the shape has"))
    }

    #[test]
    fn accumulates_along_any_axis() -> Result<()> {
        let runner = Runner::new();
        let x = array(&[1u8, 2, 3, 4, 5, 6], &[2, 3]);
        let sums = cumulative_sum(&x, Some(0), None, true)?;
        assert_eq!((sums.dtype(), sums.shape()), (DType::U64, [3, 3].as_slice()));
        assert_eq!(runner.compute(&sums)?.to_vec::<u64>()?, [0, 0, 0, 1, 2, 3, 5, 7, 9]);
        let products = cumulative_prod(&x, Some(-1), Some(DType::F32), false)?;
        assert_eq!(runner.compute(&products)?.to_vec::<f32>()?, [1.0, 2.0, 6.0, 4.0, 20.0, 120.0]);
        assert_eq!(runner.compute(&cummin(&array(&[3, 1, 2], &[3]), None)?)?.to_vec::<i32>()?, [3, 1, 1]);
        assert_eq!(cumulative_sum(&x, None, None, false).expect_err("two axes").kind(), ErrorKind::Value);
        assert_eq!(cumulative_sum(&x, Some(2), None, false).expect_err("no axis 2").kind(), ErrorKind::Axis);
        let flags = cumulative_sum(&array(&[true, true, false], &[3]), None, None, false)?;
        assert_eq!(runner.compute(&flags)?.to_vec::<i64>()?, [1, 2, 2]);
        let empty = cumulative_sum(&array::<f64>(&[], &[0, 2]), Some(0), None, true)?;
        assert_eq!(runner.compute(&empty)?.to_vec::<f64>()?, [0.0, 0.0]);
        Ok(())
    }

    #[test]
    fn subtracts_neighbours() -> Result<()> {
        let runner = Runner::new();
        let x = array(&[1, 4, 9, 16], &[4]);
        assert_eq!(runner.compute(&diff(&x, 0, 2, None, None)?)?.to_vec::<i32>()?, [2, 2]);
        let zero = array(&[0], &[]);
        assert_eq!(
            runner.compute(&diff(&x, 0, 1, Some(&zero), Some(&zero))?)?.to_vec::<i32>()?,
            [1, 3, 5, 7, -16]
        );
        assert_eq!(diff(&x, 0, 9, None, None)?.shape(), [0]);
        let flags = diff(&array(&[true, false, false], &[3]), 0, 1, None, None)?;
        assert_eq!(runner.compute(&flags)?.to_vec::<bool>()?, [true, false]);
        assert_eq!(runner.compute(&ediff1d(&x, Some(&zero), None)?)?.to_vec::<i32>()?, [3, 5, 7, 0]);
        Ok(())
    }

    #[test]
    fn gradients_are_numpys() -> Result<()> {
        let runner = Runner::new();
        let x = array(&[1.0, 2.0, 4.0, 7.0, 11.0, 16.0], &[6]);
        let given =
            |spacing: &[f64], order| runner.compute(&gradient(&x, spacing, None, order)?[0])?.to_vec::<f64>();
        assert_eq!(given(&[], 1)?, [1.0, 1.5, 2.5, 3.5, 4.5, 5.0]);
        assert_eq!(given(&[2.0], 2)?, [0.25, 0.75, 1.25, 1.75, 2.25, 2.75]);
        assert_eq!(gradient(&array(&[1.0], &[1]), &[], None, 1).expect_err("one").kind(), ErrorKind::Value);
        Ok(())
    }
}
