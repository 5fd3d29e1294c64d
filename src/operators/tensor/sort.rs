//! Sorts along the last axis on a device (`kernels/tensor_sort.cuh`), by the radix sort of rows.

use swath_array::DType;

use super::DeviceTensor;
use super::source::source;
use crate::error::{Error, Result};
use crate::operators::binding::BLOCK;
use crate::operators::fixed::launch;
use crate::operators::radix_sort::{KeyWidth, Word, sort_rows};
use crate::program::tensor::sort_kernel;
use crate::worker::Task;

/// What of a sort is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sorted {
    /// The values in order.
    Values,
    /// Their indices on the axis, `int64`.
    Indices,
}

/// Sorts along the last axis.
///
/// # Shape      [..., n] → [..., n], row-major: the values, or their indices.
/// # Memory     the result, and for each value up to 40 bytes of words and row numbers.
/// # Guarantee  stable, also where `descending`; NaN is the greatest, −0.0 equals 0.0; complex numbers go by their real
///   part, then the imaginary one, those with a NaN by which part it is, the imaginary one first, then by the other.
/// # Errors     `unsupported` beyond 2³² values; out of memory.
/// # Source     as [`radix_sort`](crate::operators::sort).
pub fn run_sort(
    task: &mut Task<'_>,
    input: &DeviceTensor,
    descending: bool,
    wanted: Sorted,
) -> Result<DeviceTensor> {
    let dtype = input.dtype;
    let Some(&length) = input.shape.last() else {
        return Err(Error::bug("a sort of a tensor without axes"));
    };
    let result = if wanted == Sorted::Values { dtype } else { DType::I64 };
    let output = DeviceTensor::alloc(task, result, &input.shape)?;
    if output.is_empty() {
        return Ok(output);
    }
    let count = input.len();
    if u32::try_from(count).is_err() {
        return Err(Error::unsupported(format!("a sort of {count} values at once: 2³² is the limit")));
    }
    let values = input.contiguous(task)?;
    let width = KeyWidth::of(8 * dtype.real().size() as u32);
    let bits = if dtype.is_bool() { 1 } else { 8 * dtype.real().size() as u32 };
    let words = task.alloc(count * width.bytes())?;
    let more = if dtype.is_complex() { Some(task.alloc(count * width.bytes())?) } else { None };
    let row_count = count / length;
    let rows = if row_count > 1 { Some(task.alloc(count * 4)?) } else { None };
    let grid = count.div_ceil(BLOCK);
    let source = source(&sort_kernel(dtype));
    let parameters = [
        count as u64,
        length as u64,
        values.address(),
        words.address(),
        more.as_ref().map_or(0, |more| more.address()),
        rows.as_ref().map_or(0, |rows| rows.address()),
        if descending { u64::MAX } else { 0 },
    ];
    launch(task, &source, "tensor_sort_words", grid, &parameters)?;
    let mut keys = Vec::new();
    if let Some(rows) = &rows {
        let bits = usize::BITS - (row_count - 1).leading_zeros();
        keys.push(Word { words: rows, width: KeyWidth::Bits32, bits });
    }
    keys.extend(more.as_ref().map(|more| Word { words: more, width, bits }));
    keys.push(Word { words: &words, width, bits });
    let order = sort_rows(task, &keys, count)?;
    let mut parameters = vec![count as u64, length as u64, values.address(), order.address()];
    parameters.extend(match wanted {
        Sorted::Values => [output.address(), 0],
        Sorted::Indices => [0, output.address()],
    });
    launch(task, &source, "tensor_sorted", grid, &parameters)?;
    Ok(output)
}
