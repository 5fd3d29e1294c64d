//! Elements along axes by their numbers, on a device (`kernels/tensor_gather.cu`).

use swath_array::error::show_shape;
use swath_array::tensor::Slice;
use swath_array::{DType, Scalar};

use super::DeviceTensor;
use super::source::source;
use crate::device::DeviceBuffer;
use crate::error::{Error, Result};
use crate::operators::binding::BLOCK;
use crate::operators::fixed::{launch, read_words};
use crate::program::tensor::{INDEXED_AXES, batch_words, gather_kernel};
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
    let numbers = Numbers {
        count: output.len(),
        lengths: &input.shape[axis..end],
        steps: &input.strides[axis..end],
        indices,
        names,
        failed: task.alloc_filled(8, 0xff)?,
    };
    let mut words = numbers.words()?;
    words.extend([input.address(), output.address()]);
    let strides = [&input.strides[..axis], &[0], &input.strides[end..]].concat();
    words.extend(batch_words(&first.shape, &[&strides, &first.strides])?);
    let kernel = gather_kernel();
    let entry = format!("tensor_gather_{}", input.dtype.size());
    launch(task, &source(&kernel), &entry, output.len().div_ceil(BLOCK), &words)?;
    numbers.check(task)?;
    Ok(output)
}

/// What kernels find elements by: `Numbers` in the source (`kernels/tensor_numbers.cuh`).
pub(super) struct Numbers<'a> {
    /// Places of the indices.
    pub count: usize,
    /// The lengths of the axes that are indexed, and what is indexed along them.
    pub lengths: &'a [usize],
    pub steps: &'a [isize],
    /// One for each of these axes, of one shape and layout.
    pub indices: &'a [DeviceTensor],
    /// What messages call these axes.
    pub names: &'a [usize],
    /// A word of all ones, which kernels change where an index is out of range.
    pub failed: DeviceBuffer,
}

impl Numbers<'_> {
    /// The words of a kernel's parameters.
    ///
    /// # Errors     `unsupported` for more than six indexed axes.
    pub fn words(&self) -> Result<Vec<u64>> {
        let axes = self.indices.len();
        if axes > INDEXED_AXES {
            return Err(Error::unsupported(format!("indices of {axes} axes: {INDEXED_AXES} is the limit")));
        }
        let mut words = vec![self.count as u64, axes as u64];
        let mut padded = |each: &dyn Fn(usize) -> u64| {
            words.extend((0..INDEXED_AXES).map(|i| if i < axes { each(i) } else { 0 }));
        };
        padded(&|i| self.lengths[i] as u64);
        padded(&|i| self.steps[i] as u64);
        padded(&|i| self.indices[i].address());
        words.push(self.failed.address());
        Ok(words)
    }

    /// Waits for the device, and refuses what kernels found to be out of range.
    ///
    /// # Errors     user error that names the first such index of the first such axis.
    pub fn check(&self, task: &mut Task<'_>) -> Result<()> {
        let word = read_words(task, &self.failed, 1)?[0];
        if word == u64::MAX {
            return Ok(());
        }
        let (number, place) = (word as usize / self.count, word as usize % self.count);
        let index = value_at(task, &self.indices[number], place)?;
        let (name, len) = (self.names[number], self.lengths[number]);
        Err(Error::user(format!("index {index} is out of bounds for axis {name} with size {len}")))
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
