//! Fused elementwise programs on a device (`kernels/tensor_ops.cuh`).

use swath_array::error::show_shape;
use swath_array::graph::Region;
use swath_array::program::Program;

use super::source::source;
use super::{DeviceTensor, Operand};
use crate::error::{Error, Result};
use crate::operators::binding::BLOCK;
use crate::operators::fixed::launch;
use crate::program::tensor::{compile_elementwise, elementwise_words};
use crate::worker::Task;

/// Runs a fused program over a region: one kernel.
///
/// # Shape      inputs of the region's shape, stride 0 where broadcast → the region's shape, row-major.
/// # Memory     the result.
/// # Traffic    reads what the operands have, writes the result.
/// # Guarantee  the CPU's results: integers, `+ - * /` and square roots bit for bit, others within 4 units of the last
///   place.
/// # Errors     `unsupported` for what has no device form; out of memory.
pub fn run_elementwise(
    task: &mut Task<'_>,
    program: &Program,
    region: &Region,
    inputs: &[DeviceTensor],
) -> Result<DeviceTensor> {
    let operands = operands(program, region, inputs)?;
    let result = program.instructions.last().map(|last| last.dtype);
    let result = result.ok_or_else(|| Error::bug("a fused program without instructions"))?;
    let output = DeviceTensor::alloc(task, result, &region.shape)?;
    if output.is_empty() {
        return Ok(output);
    }
    let (loops, kernel) = compile_elementwise(program, region, &operands)?;
    let words = elementwise_words(program, region, &operands, &loops, output.address())?;
    let (threads, rest) = loops.threads();
    let grid = (threads + usize::from(rest > 0)).div_ceil(BLOCK);
    launch(task, &source(&kernel), kernel.name, grid, &words)?;
    Ok(output)
}

/// Checks the inputs of a fused program against it, and says where they lie.
pub(super) fn operands(program: &Program, region: &Region, inputs: &[DeviceTensor]) -> Result<Vec<Operand>> {
    if inputs.len() != program.inputs.len() {
        return Err(Error::bug(format!(
            "{} operands for a fused program of {}",
            inputs.len(),
            program.inputs.len()
        )));
    }
    for (input, dtype) in inputs.iter().zip(&program.inputs) {
        if input.dtype != *dtype || input.shape != region.shape {
            return Err(Error::bug(format!(
                "an operand of {} {} where a fused program reads {dtype} {}",
                input.dtype,
                show_shape(&input.shape),
                show_shape(&region.shape)
            )));
        }
    }
    Ok(inputs.iter().map(DeviceTensor::operand).collect())
}
