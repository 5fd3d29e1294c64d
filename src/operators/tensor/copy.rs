//! Copies of strided tensors in row-major order (`kernels/tensor_transpose.cuh`).

use swath_array::DType;
use swath_array::graph::Region;
use swath_array::program::{Instruction, Program, Step};
use swath_array::tensor::{Axis, coalesce, row_major};

use super::source::source;
use super::{DeviceTensor, run_elementwise};
use crate::error::Result;
use crate::operators::fixed::launch;
use crate::program::tensor::{batch_words, transpose_kernel};
use crate::worker::Task;

/// Elements of a side of the squares that go through shared memory.
const SQUARE: usize = 32;
/// Axes shorter than this are not worth a square.
const TURNED_MIN: usize = 8;

/// Copies a strided tensor in row-major order.
///
/// # Memory     the result.
/// # Traffic    reads and writes each element once, neighbours together: also where the source's quickest axis is not
///   the last.
/// # Errors     out of memory.
pub fn run_copy(task: &mut Task<'_>, tensor: &DeviceTensor) -> Result<DeviceTensor> {
    if tensor.is_empty() {
        return DeviceTensor::alloc(task, tensor.dtype, &tensor.shape);
    }
    let dense = row_major(&tensor.shape);
    let axes = coalesce(&tensor.shape, &[&tensor.strides, &dense]);
    match turned(&axes) {
        Some(quick) => transpose(task, tensor, &axes, quick),
        None => copy_by_element(task, tensor),
    }
}

/// The axis that the source reads quickly, where it is not the last and both are long.
fn turned(axes: &[Axis]) -> Option<usize> {
    let (last, others) = axes.split_last()?;
    let is_quicker = |axis: &Axis| axis.strides[0].unsigned_abs() == 1 && axis.len >= TURNED_MIN;
    let is_slow = last.strides[0].unsigned_abs() > 1 && last.len >= TURNED_MIN;
    if is_slow { others.iter().position(is_quicker) } else { None }
}

fn transpose(
    task: &mut Task<'_>,
    tensor: &DeviceTensor,
    axes: &[Axis],
    quick: usize,
) -> Result<DeviceTensor> {
    let output = DeviceTensor::alloc(task, tensor.dtype, &tensor.shape)?;
    let (rows, columns) = (&axes[quick], &axes[axes.len() - 1]);
    let batch: Vec<&Axis> =
        axes.iter().enumerate().filter(|&(i, _)| i != quick && i + 1 != axes.len()).map(|(_, a)| a).collect();
    let shape: Vec<usize> = batch.iter().map(|axis| axis.len).collect();
    let strides = |operand: usize| -> Vec<isize> { batch.iter().map(|axis| axis.strides[operand]).collect() };
    let (row_tiles, column_tiles) = (rows.len.div_ceil(SQUARE), columns.len.div_ceil(SQUARE));
    let mut words = vec![
        rows.len as u64,
        columns.len as u64,
        row_tiles as u64,
        column_tiles as u64,
        tensor.address(),
        rows.strides[0] as u64,
        columns.strides[0] as u64,
        output.address(),
        rows.strides[1] as u64,
    ];
    words.extend(batch_words(&shape, &[&strides(0), &strides(1)])?);
    let grid = row_tiles * column_tiles * shape.iter().product::<usize>();
    let kernel = transpose_kernel(tensor.dtype.size());
    launch(task, &source(&kernel), kernel.name, grid, &words)?;
    Ok(output)
}

fn copy_by_element(task: &mut Task<'_>, tensor: &DeviceTensor) -> Result<DeviceTensor> {
    // Elements are moved and not looked at, so that one kernel serves all types of a size.
    let moved = match tensor.dtype.size() {
        1 => DType::U8,
        2 => DType::U16,
        4 => DType::U32,
        8 => DType::U64,
        _ => DType::C128,
    };
    let instruction = Instruction { step: Step::Input(0), dtype: moved };
    let program = Program { inputs: vec![moved], instructions: vec![instruction] };
    let view = DeviceTensor { dtype: moved, ..tensor.clone() };
    let mut copy = run_elementwise(task, &program, &Region::whole(&tensor.shape), &[view])?;
    copy.dtype = tensor.dtype;
    Ok(copy)
}
