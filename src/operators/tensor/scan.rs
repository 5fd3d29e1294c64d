//! Cumulative operations along an axis on a device (`kernels/tensor_scan.cuh`).

use swath_array::program::ReduceOp;

use super::DeviceTensor;
use super::source::source;
use crate::error::{Error, Result};
use crate::operators::binding::BLOCK;
use crate::operators::fixed::launch;
use crate::program::tensor::{batch_words, scan_kernel};
use crate::worker::Task;

/// Values of a block; `SCAN_TILE` in the source.
const SCAN_TILE: usize = BLOCK * 8;
/// Bytes that a state has at most.
const STATE_BYTES_MAX: usize = 16;

/// Folds, along the last axis, each value with those before it: inclusive sums, products, least and greatest values.
///
/// # Shape      [..., n] → [..., n], row-major; with `initial`, [..., n + 1], whose rows begin with what nothing gives.
/// # Memory     the result, and 16 bytes for each 2,048 values where a row has more than that.
/// # Traffic    reads rows of up to 2,048 values once, longer ones twice.
/// # Guarantee  deterministic: the order depends on shapes alone. Integers wrap, half precision is folded in `float32`
///   and rounded where it is written; NaN goes on.
/// # Errors     `unsupported` for other operators or types; out of memory.
/// # Source     scan-then-propagate: Sengupta, Harris, Zhang and Owens, "Scan primitives for GPU computing", 2007.
pub fn run_scan(
    task: &mut Task<'_>,
    op: ReduceOp,
    input: &DeviceTensor,
    initial: bool,
) -> Result<DeviceTensor> {
    use ReduceOp::*;
    let takes = match op {
        Sum | Product => !input.dtype.is_bool(),
        Min | Max => !input.dtype.is_complex() && !initial,
        All | Any => input.dtype.is_bool() && !initial,
        ArgMin | ArgMax | SquaredDeviations => false,
    };
    if !takes {
        return Err(Error::unsupported(format!("a cumulative {op:?} of {} has no device form", input.dtype)));
    }
    let Some((&length, front)) = input.shape.split_last() else {
        return Err(Error::bug("a scan of a tensor without axes"));
    };
    let shape = [front, &[length + usize::from(initial)]].concat();
    let output = DeviceTensor::alloc(task, input.dtype, &shape)?;
    if output.is_empty() {
        return Ok(output);
    }
    let rows: usize = front.iter().product();
    let tiles = length.div_ceil(SCAN_TILE).max(1);
    let states = if tiles > 1 { Some(task.alloc(rows * tiles * STATE_BYTES_MAX)?) } else { None };
    let mut words = vec![
        length as u64,
        tiles as u64,
        u64::from(initial),
        u64::from(op == Product),
        input.address(),
        input.strides[front.len()] as u64,
        output.address(),
        states.as_ref().map_or(0, |states| states.address()),
    ];
    words.extend(batch_words(front, &[&input.strides[..front.len()]])?);
    let source = source(&scan_kernel(op, input.dtype));
    if tiles > 1 {
        launch(task, &source, "tensor_scan_tiles", rows * tiles, &words)?;
        launch(task, &source, "tensor_scan_totals", rows, &words)?;
    }
    launch(task, &source, "tensor_scan", rows * tiles, &words)?;
    Ok(output)
}
