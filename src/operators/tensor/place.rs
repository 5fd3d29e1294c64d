//! Copies of strided tensors to strided places on a device (`kernels/tensor_place.cu`): what joins and replacements of
//! boxes are made of.

use swath_array::error::show_shape;
use swath_array::tensor::{Axis, Slice, coalesce};

use super::DeviceTensor;
use super::source::source;
use crate::error::{Error, Result};
use crate::operators::binding::BLOCK;
use crate::operators::fixed::launch;
use crate::program::tensor::{batch_words, place_kernel};
use crate::worker::Task;

/// Bytes that a thread copies at most.
const UNIT_BYTES_MAX: usize = 16;

/// Copies the elements of `source` to the same indices of `target`, a view of memory that is the caller's to fill.
///
/// # Traffic    reads and writes each element once, up to 16 bytes at a time where both lie together.
/// # Errors     `bug` where shapes or types differ; `unsupported` where the strides take more than six axes to walk.
pub fn run_place(task: &mut Task<'_>, source: &DeviceTensor, target: &DeviceTensor) -> Result<()> {
    if source.shape != target.shape || source.dtype != target.dtype {
        return Err(Error::bug(format!(
            "a copy of {} {} to {} {}",
            source.dtype,
            show_shape(&source.shape),
            target.dtype,
            show_shape(&target.shape)
        )));
    }
    if source.is_empty() {
        return Ok(());
    }
    let mut axes = coalesce(&source.shape, &[&source.strides, &target.strides]);
    let mut size = source.dtype.size();
    let addresses = [source.address(), target.address()];
    while size < UNIT_BYTES_MAX && addresses.iter().all(|address| address % (2 * size as u64) == 0) {
        if !double(&mut axes) {
            break;
        }
        size *= 2;
    }
    let shape: Vec<usize> = axes.iter().map(|axis| axis.len).collect();
    let strides = |operand: usize| -> Vec<isize> { axes.iter().map(|axis| axis.strides[operand]).collect() };
    let count: usize = shape.iter().product();
    let mut words = vec![count as u64, addresses[0], addresses[1]];
    words.extend(batch_words(&shape, &[&strides(0), &strides(1)])?);
    let entry = format!("tensor_place_{size}");
    launch(task, &self::source(&place_kernel()), &entry, count.div_ceil(BLOCK), &words)
}

/// Takes two neighbours for one element of twice the size, where that goes.
fn double(axes: &mut [Axis]) -> bool {
    let Some((last, others)) = axes.split_last_mut() else { return false };
    let is_even = |axis: &Axis| axis.strides.iter().all(|stride| stride % 2 == 0);
    if last.len % 2 != 0 || last.strides.iter().any(|&stride| stride != 1) || !others.iter().all(is_even) {
        return false;
    }
    last.len /= 2;
    others.iter_mut().flat_map(|axis| axis.strides.iter_mut()).for_each(|stride| *stride /= 2);
    true
}

/// Joins tensors along an axis.
///
/// # Shape      inputs [.., n₁, ..], [.., n₂, ..], … of one type → [.., n₁ + n₂ + …, ..], row-major.
/// # Memory     the result.
/// # Errors     `bug` where shapes or types do not fit, or there is no input; as [`run_place`]; out of memory.
pub fn run_concat(task: &mut Task<'_>, inputs: &[DeviceTensor], axis: usize) -> Result<DeviceTensor> {
    let Some(first) = inputs.first().filter(|first| axis < first.ndim()) else {
        return Err(Error::bug(format!("a join of {} tensors along axis {axis}", inputs.len())));
    };
    let mut shape = first.shape.clone();
    shape[axis] = inputs.iter().map(|input| input.shape.get(axis).copied().unwrap_or(0)).sum();
    let output = DeviceTensor::alloc(task, first.dtype, &shape)?;
    let mut before = 0;
    for input in inputs {
        let mut slices: Vec<Slice> = shape.iter().map(|&len| Slice::range(0, len)).collect();
        let len = input.shape.get(axis).copied().unwrap_or(0);
        slices[axis] = Slice::range(before, len);
        before += len;
        run_place(task, input, &output.slice(&slices))?;
    }
    Ok(output)
}

/// Copies a tensor with the elements that slices name replaced by `values`.
///
/// # Shape      input [n…], one slice for each axis, values of the slices' shape → [n…], row-major.
/// # Memory     the result.
/// # Errors     `bug` where shapes or types do not fit; as [`run_place`]; out of memory.
pub fn run_paste(
    task: &mut Task<'_>,
    input: &DeviceTensor,
    slices: &[Slice],
    values: &DeviceTensor,
) -> Result<DeviceTensor> {
    let output = DeviceTensor::alloc(task, input.dtype, &input.shape)?;
    run_place(task, input, &output)?;
    if slices.len() != output.ndim() {
        return Err(Error::bug(format!("{} slices of {}", slices.len(), show_shape(&output.shape))));
    }
    run_place(task, values, &output.slice(slices))?;
    Ok(output)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_are_taken_together() {
        let mut axes = vec![Axis { len: 3, strides: vec![8, 12] }, Axis { len: 8, strides: vec![1, 1] }];
        assert!(double(&mut axes) && double(&mut axes));
        assert_eq!((axes[0].strides.as_slice(), axes[1].len), ([2, 3].as_slice(), 2));
        assert!(!double(&mut axes), "rows begin in the middle of larger elements");
        assert!(!double(&mut [Axis { len: 4, strides: vec![2, 1] }]));
    }
}
