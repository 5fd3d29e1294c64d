//! Elements along an axis by their numbers, on a device (`kernels/tensor_gather.cu`).

use swath_array::error::show_shape;
use swath_array::{DType, Scalar};

use super::DeviceTensor;
use super::source::source;
use crate::error::{Error, Result};
use crate::operators::binding::BLOCK;
use crate::operators::fixed::{launch, read_words};
use crate::program::tensor::{batch_words, gather_kernel};
use crate::worker::Task;
use swath_array::tensor::Slice;

/// Takes elements along an axis: at each place of `indices`, the element whose number on `axis` is there and whose other
/// indices are the place's. Negative numbers count from the end.
///
/// Whole slices are taken (`take`) by indices that are broadcast along the other axes.
///
/// # Shape      input [.., n, ..], indices `int64` of the result's shape, the input's but for `axis` → row-major.
/// # Memory     the result.
/// # Errors     user error for an index out of range, naming it; waits for the device to know. `unsupported` where the
///   strides take more than six axes to walk; out of memory.
pub fn run_gather(
    task: &mut Task<'_>,
    input: &DeviceTensor,
    axis: usize,
    indices: &DeviceTensor,
) -> Result<DeviceTensor> {
    let fits = input.ndim() == indices.ndim()
        && axis < input.ndim()
        && indices.dtype == DType::I64
        && (0..input.ndim()).all(|other| other == axis || input.shape[other] == indices.shape[other]);
    if !fits {
        return Err(Error::bug(format!(
            "a gather along axis {axis} of {} by {} {}",
            show_shape(&input.shape),
            indices.dtype,
            show_shape(&indices.shape)
        )));
    }
    let output = DeviceTensor::alloc(task, input.dtype, &indices.shape)?;
    if output.is_empty() {
        return Ok(output);
    }
    let failed = task.alloc_filled(8, 0xff)?;
    let mut strides = input.strides.clone();
    strides[axis] = 0;
    let mut words = vec![
        output.len() as u64,
        input.shape[axis] as u64,
        input.address(),
        input.strides[axis] as u64,
        indices.address(),
        output.address(),
        failed.address(),
    ];
    words.extend(batch_words(&indices.shape, &[&strides, &indices.strides])?);
    let kernel = gather_kernel();
    let entry = format!("tensor_gather_{}", input.dtype.size());
    launch(task, &source(&kernel), &entry, output.len().div_ceil(BLOCK), &words)?;
    match read_words(task, &failed, 1)?[0] {
        u64::MAX => Ok(output),
        place => Err(out_of_range(task, input, axis, indices, place as usize)?),
    }
}

fn out_of_range(
    task: &mut Task<'_>,
    input: &DeviceTensor,
    axis: usize,
    indices: &DeviceTensor,
    mut place: usize,
) -> Result<Error> {
    let mut slices = Vec::new();
    for &len in indices.shape.iter().rev() {
        slices.insert(0, Slice::range(place % len, 1));
        place /= len;
    }
    let index = match indices.slice(&slices).download(task)?.item() {
        Some(Scalar::Int(index)) => index,
        _ => return Err(Error::bug("an index that is no integer")),
    };
    Ok(Error::user(format!("index {index} is out of bounds for axis {axis} with size {}", input.shape[axis])))
}
