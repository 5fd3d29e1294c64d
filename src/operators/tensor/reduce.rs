//! Reductions of fused programs on a device (`kernels/tensor_reduce.cuh`).

use std::sync::Arc;

use swath_array::graph::Region;
use swath_array::program::{Instruction, Program, ReduceOp, Step};
use swath_array::{DType, Scalar};

use super::elementwise::operands;
use super::source::source;
use super::{DeviceTensor, run_elementwise};
use crate::device::DeviceBuffer;
use crate::error::{Error, Result};
use crate::operators::binding::BLOCK;
use crate::operators::fixed::{launch, write_words};
use crate::program::tensor::{compile_reduce, compile_reduce_finish};
use crate::worker::Task;

/// What is known of a reduction after one block of the array: states, which [`finish_reduce`] merges.
#[derive(Clone, Debug)]
pub struct DevicePartial {
    pub op: ReduceOp,
    /// The type of the reduced values.
    pub dtype: DType,
    /// The shape of the result, reduced axes with one element.
    pub shape: Vec<usize>,
    /// States that each result has; 0 of a block without values.
    splits: usize,
    states: Option<Arc<DeviceBuffer>>,
}

impl DevicePartial {
    /// Bytes that it holds on the device.
    pub fn bytes(&self) -> usize {
        self.states.as_ref().map_or(0, |states| states.len())
    }
}

/// Threads of the finishing kernel that share a result.
const FINISH_LANES: usize = 32;

/// Reduces a fused program over a region along some axes.
///
/// # Shape      inputs of the region's shape → the region's shape, with one element along `axes`.
/// # Memory     the result, and states: at most 2,048 blocks' for each result.
/// # Traffic    reads what the operands have, once.
/// # Guarantee  deterministic: the order depends on shapes and layouts alone. Integer sums wrap; `float16` and `bfloat16`
///   add in `float32`; NaN goes through; indices count the reduced axes of `whole` in row-major order.
/// # Errors     user error where there is no value and the reduction needs one; `unsupported` for what has no device
///   form; out of memory.
pub fn run_reduce(
    task: &mut Task<'_>,
    op: ReduceOp,
    axes: &[usize],
    program: &Program,
    region: &Region,
    whole: &[usize],
    inputs: &[DeviceTensor],
) -> Result<DeviceTensor> {
    let partial = run_reduce_partial(task, op, axes, program, region, whole, inputs)?;
    finish_reduce(task, &[partial])
}

/// As [`run_reduce`], for a block of an array that has others: what [`finish_reduce`] makes one result of.
///
/// # Errors
/// As [`run_reduce`].
pub fn run_reduce_partial(
    task: &mut Task<'_>,
    op: ReduceOp,
    axes: &[usize],
    program: &Program,
    region: &Region,
    whole: &[usize],
    inputs: &[DeviceTensor],
) -> Result<DevicePartial> {
    let operands = operands(program, region, inputs)?;
    if whole.len() != region.ndim() || axes.iter().any(|&axis| axis >= region.ndim()) {
        return Err(Error::bug(format!("{op:?} along axes {axes:?} of {region:?} in {whole:?}")));
    }
    let last = program.instructions.last();
    let dtype = last.ok_or_else(|| Error::bug("a fused program without instructions"))?.dtype;
    let mut shape = region.shape.clone();
    axes.iter().for_each(|&axis| shape[axis] = 1);
    if region.is_empty() {
        return Ok(DevicePartial { op, dtype, shape, splits: 0, states: None });
    }
    let (plan, kernel) = compile_reduce(op, axes, program, region, whole, &operands)?;
    let states = Arc::new(task.alloc(plan.state_bytes())?);
    let words = plan.words(program, states.address())?;
    launch(task, &source(&kernel), "tensor_reduce", plan.grid(), &words)?;
    Ok(DevicePartial { op, dtype, shape, splits: plan.splits, states: Some(states) })
}

/// Merges the blocks of a reduction, in their order, to its result.
///
/// # Errors
/// As [`run_reduce`]; `bug` where the blocks are not of one reduction.
pub fn finish_reduce(task: &mut Task<'_>, partials: &[DevicePartial]) -> Result<DeviceTensor> {
    let first = partials.first().ok_or_else(|| Error::bug("a reduction of no blocks"))?;
    if partials.iter().any(|p| (p.op, p.dtype, &p.shape) != (first.op, first.dtype, &first.shape)) {
        return Err(Error::bug(format!("blocks of several reductions: {partials:?}")));
    }
    let (op, dtype) = (first.op, first.dtype);
    let parts: Vec<[u64; 2]> = partials
        .iter()
        .filter_map(|part| Some([part.states.as_ref()?.address(), part.splits as u64]))
        .collect();
    let result = op.result(dtype);
    if parts.is_empty() {
        return of_nothing(task, op, result, &first.shape);
    }
    let output = DeviceTensor::alloc(task, result, &first.shape)?;
    let table = write_words(task, parts.as_flattened())?;
    let words = [output.len() as u64, parts.len() as u64, table.address(), output.address()];
    let grid = output.len().div_ceil(BLOCK / FINISH_LANES);
    let kernel = compile_reduce_finish(op, dtype);
    launch(task, &source(&kernel), "tensor_reduce_finish", grid, &words)?;
    Ok(output)
}

/// The result where there are no values.
fn of_nothing(task: &mut Task<'_>, op: ReduceOp, result: DType, shape: &[usize]) -> Result<DeviceTensor> {
    let name = match op {
        _ if shape.contains(&0) => None,
        ReduceOp::Min => Some("minimum"),
        ReduceOp::Max => Some("maximum"),
        ReduceOp::ArgMin => Some("argmin"),
        ReduceOp::ArgMax => Some("argmax"),
        _ => None,
    };
    if let Some(name) = name {
        return Err(Error::user(format!(
            "zero-size array to reduction operation {name} which has no identity"
        )));
    }
    let value = Scalar::Int(i128::from(matches!(op, ReduceOp::Product | ReduceOp::All)));
    let constant = Instruction { step: Step::Constant(value), dtype: result };
    let program = Program { inputs: vec![], instructions: vec![constant] };
    run_elementwise(task, &program, &Region::whole(shape), &[])
}
