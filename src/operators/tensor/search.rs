//! Places of values in what is sorted, on a device (`kernels/tensor_search.cuh`).

use swath_array::DType;
use swath_array::error::show_shape;

use super::DeviceTensor;
use super::source::source;
use crate::error::{Error, Result};
use crate::operators::binding::BLOCK;
use crate::operators::fixed::launch;
use crate::program::tensor::{batch_words, search_kernel};
use crate::worker::Task;

/// For each value the number of elements of `sorted`, which ascends, that are less than it, or, with `right`, not
/// greater.
///
/// # Shape      values […], sorted [n] of the same type → int64 […], row-major.
/// # Memory     the result.
/// # Traffic    reads each value once and ⌈log₂(n + 1)⌉ elements of `sorted` for it, the first of them from caches.
/// # Guarantee  NaN is the greatest, −0.0 equals 0.0; complex numbers go by their real part, then the imaginary one,
///   those with a NaN by which part it is, the imaginary one first, then by the other.
/// # Errors     `bug` where shapes or types do not fit; `unsupported` where the strides take more than six axes to
///   walk; out of memory.
pub fn run_search(
    task: &mut Task<'_>,
    values: &DeviceTensor,
    sorted: &DeviceTensor,
    right: bool,
) -> Result<DeviceTensor> {
    if sorted.ndim() != 1 || sorted.dtype != values.dtype {
        return Err(Error::bug(format!(
            "a search for {} in {} {}",
            values.dtype,
            sorted.dtype,
            show_shape(&sorted.shape)
        )));
    }
    let output = DeviceTensor::alloc(task, DType::I64, &values.shape)?;
    let mut words = vec![
        output.len() as u64,
        sorted.len() as u64,
        sorted.address(),
        sorted.strides[0] as u64,
        values.address(),
        u64::from(right),
        output.address(),
    ];
    words.extend(batch_words(&values.shape, &[&values.strides])?);
    let source = source(&search_kernel(values.dtype));
    launch(task, &source, "tensor_search", output.len().div_ceil(BLOCK), &words)?;
    Ok(output)
}
