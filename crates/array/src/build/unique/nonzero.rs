//! Where an array is not 0.

use std::sync::{Mutex, PoisonError};

use crate::build::elementwise::cast;
use crate::build::manipulate::reshape_to;
use crate::dtype::DType;
use crate::error::{Error, Result};
use crate::graph::{Array, Region};
use crate::run::{Runner, Sink};
use crate::tensor::{Tensor, row_major};

/// The indices of the elements that are not 0, in row-major order: one vector for each axis. Computed at once, block by
/// block: the array need not fit in memory, its indices have to.
///
/// # Errors
/// `Value` for an array without axes; those of its evaluation.
pub fn nonzero(x: &Array, runner: &Runner) -> Result<Vec<Array>> {
    if x.ndim() == 0 {
        return Err(Error::value("nonzero needs at least one axis; make the array 1-dimensional first"));
    }
    let numbers = nonzero_numbers(x, runner)?;
    let count = numbers.len();
    if x.ndim() == 1 {
        return Ok(vec![Array::from_tensor(Tensor::from_vec(numbers, &[count])?)]);
    }
    let strides = row_major(x.shape());
    let along = |axis: usize| {
        let (stride, len) = (strides[axis] as i64, x.shape()[axis] as i64);
        let own: Vec<i64> = numbers.iter().map(|number| number / stride % len).collect();
        Ok(Array::from_tensor(Tensor::from_vec(own, &[count])?))
    };
    (0..x.ndim()).map(along).collect()
}

/// The numbers, in row-major order, of the elements that are not 0; computed at once.
pub(crate) fn nonzero_numbers(x: &Array, runner: &Runner) -> Result<Vec<i64>> {
    let x = if x.ndim() == 0 { reshape_to(x, &[1]) } else { x.clone() };
    if x.is_empty() {
        return Ok(vec![]);
    }
    let found = Found { shape: x.shape().to_vec(), runs: Mutex::default() };
    runner.write(&cast(&x, DType::Bool), &found)?;
    let mut runs = found.runs.into_inner().unwrap_or_else(PoisonError::into_inner);
    runs.sort_unstable_by_key(|(first, _)| *first);
    let mut numbers = Vec::with_capacity(runs.iter().map(|(_, run)| run.len()).sum());
    for (_, run) in runs {
        numbers.extend(run);
    }
    // Blocks follow each other but where their shape is not that of runs.
    if !numbers.is_sorted() {
        numbers.sort_unstable();
    }
    Ok(numbers)
}

/// The numbers of true elements, block by block, each with the number of its first element.
struct Found {
    shape: Vec<usize>,
    runs: Mutex<Vec<(usize, Vec<i64>)>>,
}

impl Sink for Found {
    fn chunks(&self) -> Option<Vec<usize>> {
        None
    }

    fn write(&self, region: &Region, values: &Tensor) -> Result<()> {
        let strides = row_major(&self.shape);
        let first: usize =
            region.start.iter().zip(&strides).map(|(&start, &stride)| start * stride as usize).sum();
        let values = values.contiguous()?;
        let bytes = values.as_bytes().unwrap_or_default();
        let row = region.shape.last().copied().unwrap_or(1).max(1);
        let mut numbers = Vec::new();
        for (number, values) in bytes.chunks(row).enumerate() {
            let mut rest = number;
            let mut start = first;
            for axis in (0..region.ndim() - 1).rev() {
                start += rest % region.shape[axis] * strides[axis] as usize;
                rest /= region.shape[axis];
            }
            push_true(values, start, &mut numbers);
        }
        self.runs.lock().unwrap_or_else(PoisonError::into_inner).push((first, numbers));
        Ok(())
    }
}

/// Adds the numbers of the true ones among `values`, of which the first has number `start`.
fn push_true(values: &[u8], start: usize, numbers: &mut Vec<i64>) {
    let count: usize = values.iter().map(|&value| usize::from(value)).sum();
    numbers.reserve(count + 1);
    let mut length = numbers.len();
    let spare = numbers.spare_capacity_mut();
    let mut written = 0;
    for (i, &value) in values.iter().enumerate() {
        // Written always, kept where it is true: no branch to mispredict. The room has one more than are true.
        spare[written].write((start + i) as i64);
        written += usize::from(value);
    }
    length += written;
    // SAFETY: as many were written.
    unsafe { numbers.set_len(length) };
}
