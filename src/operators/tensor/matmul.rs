//! Matrix products on a device (`kernels/tensor_matmul.cuh`).

use swath_array::error::show_shape;

use super::DeviceTensor;
use super::source::source;
use crate::error::{Error, Result};
use crate::operators::fixed::launch;
use crate::program::tensor::{MATMUL_TILE, MATMUL_TILE_LARGE, batch_words, has_large_tiles, matmul_kernel};
use crate::worker::Task;

/// Blocks of large squares that keep a device busy; below that squares are small.
const LARGE_BLOCKS_MIN: usize = 128;

/// Multiplies matrices.
///
/// # Shape      a [..., n, k], b [..., k, m], the same axes in front → [..., n, m], row-major. Any strides, 0 too.
/// # Memory     the result.
/// # Guarantee  deterministic: terms are added in the order of k. Integers wrap; `float16` and `bfloat16` add in
///   `float32`; products of floats are not rounded before they are added.
/// # Errors     `bug` where shapes or types do not fit; `unsupported` where the axes in front take more than six to
///   walk; out of memory.
/// # Source     tiling as in the CUDA C++ Programming Guide, "Shared memory".
pub fn run_matmul(task: &mut Task<'_>, a: &DeviceTensor, b: &DeviceTensor) -> Result<DeviceTensor> {
    let wrong = || {
        Error::bug(format!(
            "a product of {} {} and {} {}",
            a.dtype,
            show_shape(&a.shape),
            b.dtype,
            show_shape(&b.shape)
        ))
    };
    let (Some(front), true) = (a.ndim().checked_sub(2), a.ndim() == b.ndim() && a.dtype == b.dtype) else {
        return Err(wrong());
    };
    let (n, k, m) = (a.shape[front], a.shape[front + 1], b.shape[front + 1]);
    if b.shape[front] != k || a.shape[..front] != b.shape[..front] {
        return Err(wrong());
    }
    let shape = [&a.shape[..front], &[n, m]].concat();
    let output = DeviceTensor::alloc(task, a.dtype, &shape)?;
    if output.is_empty() {
        return Ok(output);
    }
    let batch: usize = a.shape[..front].iter().product();
    let tiles = |tile: usize| (n.div_ceil(tile), m.div_ceil(tile));
    let (rows, columns) = tiles(MATMUL_TILE_LARGE);
    let is_large = has_large_tiles(a.dtype) && rows * columns * batch >= LARGE_BLOCKS_MIN;
    let (tile, entry) = match is_large {
        true => (MATMUL_TILE_LARGE, "tensor_matmul_large"),
        false => (MATMUL_TILE, "tensor_matmul"),
    };
    let (row_tiles, column_tiles) = tiles(tile);
    let mut words: Vec<u64> = [n, k, m, row_tiles, column_tiles].map(|word| word as u64).to_vec();
    for matrix in [a, b] {
        words.push(matrix.address());
        words.extend(matrix.strides[front..].iter().map(|&stride| stride as u64));
    }
    words.push(output.address());
    words.extend(batch_words(&a.shape[..front], &[&a.strides[..front], &b.strides[..front]])?);
    launch(task, &source(&matmul_kernel(a.dtype)), entry, row_tiles * column_tiles * batch, &words)?;
    Ok(output)
}
