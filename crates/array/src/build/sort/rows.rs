//! Sorting along an axis.

use std::sync::Arc;

use crate::build::axis::normalize_axis;
use crate::build::index::take_along_axis;
use crate::build::manipulate::{moveaxis, slice_axis};
use crate::dtype::DType;
use crate::error::{Error, Result, show_shape};
use crate::graph::{Array, BlockOperator, DeviceForm, Region};
use crate::kernel::sort;
use crate::tensor::{Slice, Tensor};

/// Sorts along an axis. Elements that compare equal keep their order whether `stable` asks for it or not.
///
/// NaN is last when ascending and first when descending; of complex numbers the real parts decide, then the imaginary
/// ones, and those with a NaN part are behind the others.
///
/// # Errors
/// `Axis`; `Unsupported` for rows of 2³² elements or more, when it is evaluated.
pub fn sort(x: &Array, axis: i64, descending: bool, stable: bool) -> Result<Array> {
    let _ = stable;
    sorted(x, axis, descending, Give::Values)
}

/// The numbers, along an axis, of the elements in the order of [`sort`]: `int64`.
///
/// # Errors
/// As [`sort`].
pub fn argsort(x: &Array, axis: i64, descending: bool, stable: bool) -> Result<Array> {
    let _ = stable;
    sorted(x, axis, descending, Give::Numbers)
}

/// Rearranges along an axis so that the element `kth` is where a sort puts it, lesser ones before it and greater ones
/// behind: here by sorting, which does so for every element.
///
/// # Errors
/// `Axis`; `Value` where the axis has no element `kth`.
pub fn partition(x: &Array, kth: i64, axis: i64) -> Result<Array> {
    check_kth(x, kth, axis)?;
    sorted(x, axis, false, Give::Values)
}

/// The numbers of the elements in the order of [`partition`].
///
/// # Errors
/// As [`partition`].
pub fn argpartition(x: &Array, kth: i64, axis: i64) -> Result<Array> {
    check_kth(x, kth, axis)?;
    sorted(x, axis, false, Give::Numbers)
}

fn check_kth(x: &Array, kth: i64, axis: i64) -> Result<()> {
    let len = x.shape()[normalize_axis(axis, x.ndim())?] as i64;
    if kth < -len || kth >= len {
        return Err(Error::value(format!(
            "kth(={kth}) is out of bounds for axis {axis} of shape {}",
            show_shape(x.shape())
        )));
    }
    Ok(())
}

/// The `k` greatest (or least) elements along an axis, greatest (or least) first, and their numbers. NaN is the
/// greatest.
///
/// # Errors
/// `Axis`; `Value` where the axis has fewer elements.
pub fn topk(x: &Array, k: usize, axis: i64, largest: bool) -> Result<(Array, Array)> {
    let own = normalize_axis(axis, x.ndim())?;
    if k > x.shape()[own] {
        return Err(Error::value(format!(
            "cannot take the first {k} of axis {axis} of shape {}",
            show_shape(x.shape())
        )));
    }
    let numbers = slice_axis(&argsort(x, axis, largest, true)?, own, Slice::range(0, k));
    Ok((take_along_axis(x, &numbers, Some(axis))?, numbers))
}

/// What a sort gives.
#[derive(Clone, Copy, Debug)]
enum Give {
    Values,
    Numbers,
}

fn sorted(x: &Array, axis: i64, descending: bool, give: Give) -> Result<Array> {
    normalize_axis(axis, x.ndim())?;
    let rows = moveaxis(x, &[axis], &[-1])?;
    let operator = SortRows { dtype: x.dtype(), shape: rows.shape().to_vec(), descending, give };
    moveaxis(&Array::block(Arc::new(operator), vec![rows]).remove(0), &[-1], &[axis])
}

/// Sorts along the last axis.
#[derive(Debug)]
struct SortRows {
    dtype: DType,
    shape: Vec<usize>,
    descending: bool,
    give: Give,
}

impl BlockOperator for SortRows {
    fn name(&self) -> String {
        match self.give {
            Give::Values => "sort",
            Give::Numbers => "argsort",
        }
        .to_string()
    }

    fn outputs(&self) -> Vec<(DType, Vec<usize>)> {
        let dtype = match self.give {
            Give::Values => self.dtype,
            Give::Numbers => DType::I64,
        };
        vec![(dtype, self.shape.clone())]
    }

    fn cuttable(&self) -> usize {
        self.shape.len() - 1
    }

    fn needs(&self, block: &Region, _: usize, shape: &[usize]) -> Region {
        rows_region(block, shape)
    }

    fn compute(&self, _: &Region, inputs: &[Tensor]) -> Result<Vec<Tensor>> {
        Ok(vec![match self.give {
            Give::Values => sort::sort_rows(&inputs[0], self.descending)?,
            Give::Numbers => sort::argsort_rows(&inputs[0], self.descending)?,
        }])
    }

    fn scratch_factor(&self) -> usize {
        match self.give {
            Give::Values => 1,
            Give::Numbers => 4,
        }
    }

    fn device_form(&self, _: &Region) -> Option<DeviceForm> {
        let numbers = matches!(self.give, Give::Numbers);
        Some(DeviceForm::Sort { descending: self.descending, numbers })
    }
}

/// A block of leading axes, with all that lies behind them.
pub(crate) fn rows_region(block: &Region, shape: &[usize]) -> Region {
    let mut region = Region::whole(shape);
    region.start[..block.ndim()].copy_from_slice(&block.start);
    region.shape[..block.ndim()].copy_from_slice(&block.shape);
    region
}
