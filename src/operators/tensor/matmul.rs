//! Matrix products on a device: by cuBLAS where that is there, else by a kernel (`kernels/tensor_matmul.cuh`).

use std::fmt;

use swath_array::DType;
use swath_array::error::show_shape;
use swath_array::tensor::{Axis, Slice, coalesce, for_each_offset};

use super::source::source;
use super::{DeviceTensor, run_copy};
use crate::device::{Gemm, GemmMatrix, GemmType};
use crate::error::{Error, Result};
use crate::operators::fixed::launch;
use crate::program::tensor::{MATMUL_TILE, MATMUL_TILE_LARGE, batch_words, has_large_tiles, matmul_kernel};
use crate::worker::Task;

/// Blocks of large squares that keep a device busy; below that squares are small.
const LARGE_BLOCKS_MIN: usize = 128;

/// Products of numbers from which on cuBLAS is asked: below, its kernels cannot win back the moment that it takes to load.
/// Estimated, not measured.
const LIBRARY_PRODUCTS_MIN: usize = 1 << 24;

/// Calls of cuBLAS that one product of many matrices may take; each has those whose distance is the same.
const LIBRARY_CALLS_MAX: usize = 256;

/// What multiplies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Multiplier {
    /// cuBLAS where the product is large, else the kernel.
    Auto,
    /// cuBLAS where it takes the product, however small, else the kernel.
    Library,
    Kernel,
}

/// A product, and what made it.
#[derive(Clone, Debug)]
pub struct Product {
    pub tensor: DeviceTensor,
    pub by: MultipliedBy,
}

/// What made a product.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MultipliedBy {
    /// cuBLAS, with its version.
    Library(String),
    /// The kernel, and why not cuBLAS.
    Kernel(String),
}

impl fmt::Display for MultipliedBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            MultipliedBy::Library(name) => write!(f, "by {name}"),
            MultipliedBy::Kernel(reason) => write!(f, "by Swath's kernel: {reason}"),
        }
    }
}

/// Multiplies matrices.
///
/// # Shape      a [..., n, k], b [..., k, m], the same axes in front → [..., n, m], row-major. Any strides, 0 too.
/// # Memory     the result; for cuBLAS 32 MiB besides, and a copy of matrices with neither rows nor columns without gaps.
/// # Guarantee  deterministic: the kernel adds terms in the order of k, cuBLAS the same way each time on the same kind of
///   device. Integers wrap; `float16` and `bfloat16` add in `float32`, `float32` is multiplied as such, not as TF32.
/// # Errors     `bug` where shapes or types do not fit; `unsupported` where the axes in front take more than six to
///   walk; out of memory.
/// # Source     tiling as in the CUDA C++ Programming Guide, "Shared memory".
pub fn run_product(
    task: &mut Task<'_>,
    a: &DeviceTensor,
    b: &DeviceTensor,
    multiplier: Multiplier,
) -> Result<Product> {
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
    let reason = match by_library(task, a, b, &output, multiplier) {
        Ok(Ok(name)) => return Ok(Product { tensor: output, by: MultipliedBy::Library(name) }),
        Ok(Err(reason)) => reason,
        Err(error) if error.is_unsupported() || error.is_out_of_memory() => error.to_string(),
        Err(error) => return Err(error),
    };
    by_kernel(task, a, b, &output)?;
    Ok(Product { tensor: output, by: MultipliedBy::Kernel(reason) })
}

fn by_kernel(task: &mut Task<'_>, a: &DeviceTensor, b: &DeviceTensor, output: &DeviceTensor) -> Result<()> {
    if output.is_empty() {
        return Ok(());
    }
    let front = a.ndim() - 2;
    let (n, k, m) = (a.shape[front], a.shape[front + 1], b.shape[front + 1]);
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
    launch(task, &source(&matmul_kernel(a.dtype)), entry, row_tiles * column_tiles * batch, &words)
}

/// Has cuBLAS multiply into `output`; answers its name, or why it is not asked.
fn by_library(
    task: &mut Task<'_>,
    a: &DeviceTensor,
    b: &DeviceTensor,
    output: &DeviceTensor,
    multiplier: Multiplier,
) -> Result<Result<String, String>> {
    let front = a.ndim() - 2;
    let (n, k, m) = (a.shape[front], a.shape[front + 1], b.shape[front + 1]);
    let refused = |reason: &str| Ok(Err(reason.to_string()));
    let Some(numbers) = numbers_of(a.dtype) else {
        return refused("cuBLAS multiplies floats and complex numbers");
    };
    let products = output.len().saturating_mul(k);
    match multiplier {
        Multiplier::Kernel => return refused("it was asked for"),
        Multiplier::Auto if products < LIBRARY_PRODUCTS_MIN => {
            return refused("too little for cuBLAS to be started");
        }
        Multiplier::Auto | Multiplier::Library if products == 0 => return refused("there is nothing to add"),
        Multiplier::Auto | Multiplier::Library => {}
    }
    let name = task.blas()?;
    let (a, b) = (laid_out(task, a)?, laid_out(task, b)?);
    let (Some(a_layout), Some(b_layout)) = (Layout::of(&a), Layout::of(&b)) else {
        return Err(Error::bug("a dense matrix without a layout"));
    };
    let strides = [&a, &b, output].map(|tensor| &tensor.strides[..front]);
    let axes = coalesce(&a.shape[..front], &strides);
    let (outer, inner) = match axes.split_last() {
        Some((inner, outer)) => (outer, inner.clone()),
        None => (&[][..], Axis { len: 1, strides: vec![0; 3] }),
    };
    if outer.iter().fold(1usize, |calls, axis| calls.saturating_mul(axis.len)) > LIBRARY_CALLS_MAX {
        return refused("matrices that lie at too many distances for cuBLAS");
    }
    // cuBLAS counts by columns. What lies by rows is the transpose to it, and the transpose of a product is that of the
    // transposes the other way round.
    let matrix = |tensor: &DeviceTensor, layout: Layout, number: usize, offset: isize| GemmMatrix {
        address: tensor.address().wrapping_add_signed((offset * tensor.dtype.size() as isize) as i64),
        is_transposed: layout.is_by_columns,
        leading: layout.leading,
        batch_stride: inner.strides[number],
    };
    let c_layout = Layout { is_by_columns: false, leading: m };
    let mut calls = Vec::new();
    let each = |offsets: &[isize]| {
        calls.push(Gemm {
            numbers,
            m,
            n,
            k,
            batch: inner.len,
            a: matrix(&b, b_layout, 1, offsets[1]),
            b: matrix(&a, a_layout, 0, offsets[0]),
            c: matrix(output, c_layout, 2, offsets[2]),
        });
    };
    for_each_offset(&outer.iter().collect::<Vec<_>>(), each);
    task.multiply(&calls)?;
    Ok(Ok(name))
}

fn numbers_of(dtype: DType) -> Option<GemmType> {
    Some(match dtype {
        DType::F16 => GemmType::F16,
        DType::BF16 => GemmType::BF16,
        DType::F32 => GemmType::F32,
        DType::F64 => GemmType::F64,
        DType::C64 => GemmType::C64,
        DType::C128 => GemmType::C128,
        _ => return None,
    })
}

/// How the matrices of a tensor lie.
#[derive(Clone, Copy)]
struct Layout {
    /// Column by column, else row by row.
    is_by_columns: bool,
    /// Elements from one column or row to the next.
    leading: usize,
}

impl Layout {
    /// That of the last two axes; `None` where neither rows nor columns lie without gaps, or in another order.
    fn of(tensor: &DeviceTensor) -> Option<Layout> {
        let front = tensor.ndim() - 2;
        let ([rows, columns], [down, across]) = (
            [tensor.shape[front], tensor.shape[front + 1]],
            [tensor.strides[front], tensor.strides[front + 1]],
        );
        let lines = |len: usize, step: isize, count: usize, distance: isize| {
            let leading = if count > 1 { usize::try_from(distance).ok()? } else { len };
            ((step == 1 || len <= 1) && leading >= len.max(1)).then_some(leading.max(1))
        };
        match lines(columns, across, rows, down) {
            Some(leading) => Some(Layout { is_by_columns: false, leading }),
            None => lines(rows, down, columns, across).map(|leading| Layout { is_by_columns: true, leading }),
        }
    }
}

/// The tensor with matrices that have a layout: itself, or a copy, in which what is repeated along axes in front is not
/// repeated.
fn laid_out(task: &mut Task<'_>, tensor: &DeviceTensor) -> Result<DeviceTensor> {
    if Layout::of(tensor).is_some() {
        return Ok(tensor.clone());
    }
    let front = tensor.ndim() - 2;
    let once = |axis: usize| match axis < front && tensor.strides[axis] == 0 {
        true => 1,
        false => tensor.shape[axis],
    };
    let slices: Vec<Slice> = (0..tensor.ndim()).map(|axis| Slice::range(0, once(axis))).collect();
    Ok(run_copy(task, &tensor.slice(&slices))?.broadcast(&tensor.shape))
}
