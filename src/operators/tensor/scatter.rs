//! Values put by the numbers of elements into a copy, on a device (`kernels/tensor_scatter.cu`).

use swath_array::DType;
use swath_array::error::show_shape;
use swath_array::tensor::{coalesce, row_major};

use super::DeviceTensor;
use super::gather::Numbers;
use super::source::source;
use crate::error::{Error, Result};
use crate::operators::binding::BLOCK;
use crate::operators::fixed::launch;
use crate::program::tensor::{batch_words, scatter_kernel};
use crate::worker::Task;

/// Copies a tensor with elements, or whole slices, along the axes from `axis` on replaced, as many as there are
/// `indices`: at each place of the indices, what has the numbers there. Negative numbers count from the end.
///
/// # Shape      input [outer…, indexed…, inner…], indices `int64` [k…], values [outer…, k…, inner…] → the input's,
///   row-major.
/// # Memory     the result, and 4 bytes for each element of the indexed axes; indices, and values of several axes k…,
///   once more where they do not lie in row-major order.
/// # Traffic    fills, marks and reads the 4 bytes, reads indices once, and of input and values what stays; writes the
///   result once.
/// # Guarantee  of several values for one element the last in row-major order stays.
/// # Errors     user error for an index out of range, naming it and its axis by `names`; waits for the device to know.
/// `unsupported` for more than six indexed axes, 2³² indices or more, or where the strides take more than six axes to
/// walk; `bug` where shapes or types do not fit; out of memory.
pub fn run_put(
    task: &mut Task<'_>,
    input: &DeviceTensor,
    axis: usize,
    indices: &[DeviceTensor],
    values: &DeviceTensor,
    names: &[usize],
) -> Result<DeviceTensor> {
    let end = axis + indices.len();
    let Some(first) = indices.first().filter(|_| end <= input.ndim() && names.len() == indices.len()) else {
        return Err(refused(input, indices, values));
    };
    let shape = [&input.shape[..axis], &first.shape, &input.shape[end..]].concat();
    let is_alike = |index: &DeviceTensor| index.shape == first.shape;
    if values.shape != shape || !indices.iter().all(is_alike) {
        return Err(refused(input, indices, values));
    }
    let places = axis..axis + first.ndim();
    let step = match coalesce(&first.shape, &[&values.strides[places.clone()]]).as_slice() {
        [] => Some(0),
        [joined] => Some(joined.strides[0]),
        _ => None,
    };
    let values = if step.is_some() { values.clone() } else { values.contiguous(task)? };
    let inner = input.shape[end..].iter().product::<usize>();
    let step = step.unwrap_or(inner as isize);
    let strides = [&values.strides[..axis], &vec![0; indices.len()], &values.strides[places.end..]].concat();
    put(task, Put { input, indexed: axis..end, rows: 1, indices, values: &values, strides, step, names })
}

/// Copies a tensor with those elements of each row replaced whose numbers the same row of `indices` has.
///
/// # Shape      input [.., n], indices `int64` [.., k], values [.., k] → [.., n], row-major.
/// # Memory     the result, and 4 bytes for each of its elements; indices once more where they do not lie in row-major
///   order.
/// # Traffic, guarantee and errors     as [`run_put`]; the axis of messages is the last.
pub fn run_put_rows(
    task: &mut Task<'_>,
    input: &DeviceTensor,
    indices: &DeviceTensor,
    values: &DeviceTensor,
) -> Result<DeviceTensor> {
    let all = std::slice::from_ref(indices);
    let is_row_alike = input.ndim() == indices.ndim() && indices.shape == values.shape;
    let Some((_, rows)) =
        input.shape.split_last().filter(|(_, rows)| is_row_alike && indices.shape.starts_with(rows))
    else {
        return Err(refused(input, all, values));
    };
    let (last, rows) = (rows.len(), rows.iter().product());
    let (step, strides) = (values.strides[last], [&values.strides[..last], &[0]].concat());
    put(
        task,
        Put { input, indexed: last..last + 1, rows, indices: all, values, strides, step, names: &[last] },
    )
}

/// What is put where.
struct Put<'a> {
    input: &'a DeviceTensor,
    indexed: std::ops::Range<usize>,
    /// How many rows have indices of their own.
    rows: usize,
    indices: &'a [DeviceTensor],
    values: &'a DeviceTensor,
    /// The strides of the values along the input's axes, 0 along those that are indexed.
    strides: Vec<isize>,
    /// The stride of the values from one index to the next.
    step: isize,
    names: &'a [usize],
}

fn put(task: &mut Task<'_>, spec: Put<'_>) -> Result<DeviceTensor> {
    let Put { input, indexed, rows, indices, values, strides, step, names } = spec;
    if values.dtype != input.dtype || indices.iter().any(|index| index.dtype != DType::I64) {
        return Err(refused(input, indices, values));
    }
    let output = DeviceTensor::alloc(task, input.dtype, &input.shape)?;
    if output.is_empty() {
        return Ok(output);
    }
    let count = indices[0].len();
    let in_row = count / rows;
    if u32::try_from(in_row).is_err() {
        return Err(Error::unsupported(format!("{in_row} values put at once: 2³² is the limit")));
    }
    let mut dense = Vec::with_capacity(indices.len());
    for index in indices {
        dense.push(index.contiguous(task)?);
    }
    let lengths = &input.shape[indexed.clone()];
    let elements = lengths.iter().product::<usize>();
    let last = task.alloc_filled(4 * rows * elements, 0)?;
    // Marks lie along the indexed axes, and where rows have indices of their own along all before them.
    let marked = if rows > 1 { 0..indexed.end } else { indexed.clone() };
    let mut last_strides = vec![0; input.ndim()];
    last_strides[marked.clone()].copy_from_slice(&row_major(&input.shape[marked]));
    let source = source(&scatter_kernel());
    let failed = task.alloc_filled(8, 0xff)?;
    let numbers = Numbers { count, lengths, steps: &row_major(lengths), indices: &dense, names, failed };
    let mut words = numbers.words()?;
    words.extend([in_row as u64, elements as u64, last.address()]);
    launch(task, &source, "tensor_scatter_mark", count.div_ceil(BLOCK), &words)?;
    let mut words = vec![
        output.len() as u64,
        input.address(),
        values.address(),
        step as u64,
        last.address(),
        output.address(),
    ];
    words.extend(batch_words(&input.shape, &[&input.strides, &strides, &last_strides])?);
    let entry = format!("tensor_scatter_{}", input.dtype.size());
    launch(task, &source, &entry, output.len().div_ceil(BLOCK), &words)?;
    numbers.check(task)?;
    Ok(output)
}

fn refused(input: &DeviceTensor, indices: &[DeviceTensor], values: &DeviceTensor) -> Error {
    let indices: Vec<String> =
        indices.iter().map(|index| format!("{} {}", index.dtype, show_shape(&index.shape))).collect();
    Error::bug(format!(
        "{} {} put into {} {} by {}",
        values.dtype,
        show_shape(&values.shape),
        input.dtype,
        show_shape(&input.shape),
        indices.join(", ")
    ))
}
