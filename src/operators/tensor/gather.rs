//! Elements along axes by their numbers, on a device (`kernels/tensor_gather.cu`).

use swath_array::error::show_shape;
use swath_array::tensor::Slice;
use swath_array::{DType, Scalar};

use super::DeviceTensor;
use super::source::source;
use crate::error::{Error, Result};
use crate::operators::binding::BLOCK;
use crate::operators::fixed::{launch, read_words};
use crate::program::tensor::{GATHER_AXES, batch_words, gather_kernel};
use crate::worker::Task;

/// Takes elements by their numbers along the axes from `axis` on, as many as there are `indices`, which become one axis:
/// at each place of the indices, the element whose numbers are there and whose other indices are the place's. Negative
/// numbers count from the end.
///
/// Whole slices are taken by indices that are broadcast along the other axes, as [`run_take`] does.
///
/// # Shape      input [.., n, .., ..], indices `int64` of the result's shape and of one layout: the input's, but for the
/// indexed axes → row-major.
/// # Memory     the result.
/// # Errors     user error for an index out of range, naming it and its axis by `names`; waits for the device to know.
/// `unsupported` for more than six indexed axes, or where the strides take more to walk; out of memory.
pub fn run_gather(
    task: &mut Task<'_>,
    input: &DeviceTensor,
    axis: usize,
    indices: &[DeviceTensor],
    names: &[usize],
) -> Result<DeviceTensor> {
    let end = axis + indices.len();
    let Some(first) = indices.first().filter(|_| end <= input.ndim() && names.len() == indices.len()) else {
        return Err(Error::bug(format!(
            "a gather along {} axes from {axis} on of {}",
            indices.len(),
            show_shape(&input.shape)
        )));
    };
    if indices.len() > GATHER_AXES {
        return Err(Error::unsupported(format!(
            "indices of {} axes: {GATHER_AXES} is the limit",
            indices.len()
        )));
    }
    let others = |shape: &[usize], end: usize| [&shape[..axis], &shape[end..]].concat();
    let fits = |index: &DeviceTensor| {
        index.dtype == DType::I64
            && index.ndim() + indices.len() == input.ndim() + 1
            && (&index.shape, &index.strides) == (&first.shape, &first.strides)
            && others(&index.shape, axis + 1) == others(&input.shape, end)
    };
    if let Some(wrong) = indices.iter().find(|index| !fits(index)) {
        return Err(Error::bug(format!(
            "a gather along {} axes from {axis} on of {} by {} {}",
            indices.len(),
            show_shape(&input.shape),
            wrong.dtype,
            show_shape(&wrong.shape)
        )));
    }
    let output = DeviceTensor::alloc(task, input.dtype, &first.shape)?;
    if output.is_empty() {
        return Ok(output);
    }
    let failed = task.alloc_filled(8, 0xff)?;
    let mut words = vec![output.len() as u64, indices.len() as u64];
    let padded = |words: &mut Vec<u64>, each: &dyn Fn(usize) -> u64| {
        words.extend((0..GATHER_AXES).map(|i| if i < indices.len() { each(i) } else { 0 }));
    };
    padded(&mut words, &|i| input.shape[axis + i] as u64);
    padded(&mut words, &|i| input.strides[axis + i] as u64);
    padded(&mut words, &|i| indices[i].address());
    words.extend([input.address(), output.address(), failed.address()]);
    let strides = [&input.strides[..axis], &[0], &input.strides[end..]].concat();
    words.extend(batch_words(&first.shape, &[&strides, &first.strides])?);
    let kernel = gather_kernel();
    let entry = format!("tensor_gather_{}", input.dtype.size());
    launch(task, &source(&kernel), &entry, output.len().div_ceil(BLOCK), &words)?;
    match read_words(task, &failed, 1)?[0] {
        u64::MAX => Ok(output),
        word => {
            let (number, place) = (word as usize / output.len(), word as usize % output.len());
            let index = value_at(task, &indices[number], place)?;
            let (name, len) = (names[number], input.shape[axis + number]);
            Err(Error::user(format!("index {index} is out of bounds for axis {name} with size {len}")))
        }
    }
}

/// Takes elements or whole slices by their numbers along the axes from `axis` on, as many as there are `indices`.
///
/// # Shape      input [outer…, indexed…, inner…], indices `int64` [k…] → [outer…, k…, inner…], row-major.
/// # Memory     the result, and the indices once more where they do not lie in row-major order.
/// # Errors     as [`run_gather`].
pub fn run_take(
    task: &mut Task<'_>,
    input: &DeviceTensor,
    axis: usize,
    indices: &[DeviceTensor],
    names: &[usize],
) -> Result<DeviceTensor> {
    let (Some(first), true) = (indices.first(), axis + indices.len() <= input.ndim()) else {
        return Err(Error::bug("a take without an axis of the input's"));
    };
    let (outer, inner) = (&input.shape[..axis], &input.shape[axis + indices.len()..]);
    let places = [outer, &[first.len()], inner].concat();
    let column: Vec<usize> =
        std::iter::once(first.len()).chain(std::iter::repeat_n(1, inner.len())).collect();
    let mut broadcast = Vec::with_capacity(indices.len());
    for index in indices {
        broadcast.push(index.reshape(task, &column)?.broadcast(&places));
    }
    let mut taken = run_gather(task, input, axis, &broadcast, names)?;
    let shape = [outer, &first.shape, inner].concat();
    taken.strides = swath_array::tensor::row_major(&shape);
    taken.shape = shape;
    Ok(taken)
}

/// The integer at a place, counted in row-major order.
fn value_at(task: &mut Task<'_>, indices: &DeviceTensor, mut place: usize) -> Result<i128> {
    let mut slices = Vec::new();
    for &len in indices.shape.iter().rev() {
        slices.insert(0, Slice::range(place % len, 1));
        place /= len;
    }
    match indices.slice(&slices).download(task)?.item() {
        Some(Scalar::Int(index)) => Ok(index),
        _ => Err(Error::bug("an index that is no integer")),
    }
}
