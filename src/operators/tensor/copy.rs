//! Copies of strided tensors in row-major order.

use swath_array::DType;
use swath_array::graph::Region;
use swath_array::program::{Instruction, Program, Step};

use super::{DeviceTensor, run_elementwise};
use crate::error::Result;
use crate::worker::Task;

/// Copies a strided tensor in row-major order.
///
/// # Memory     the result.
/// # Errors     out of memory.
pub fn run_copy(task: &mut Task<'_>, tensor: &DeviceTensor) -> Result<DeviceTensor> {
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
