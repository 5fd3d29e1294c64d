//! Reductions: a fused program and the folding of its values along some axes, in one kernel.

use std::fmt::Write;

use swath_array::DType;
use swath_array::graph::Region;
use swath_array::program::{Program, ReduceOp};
use swath_array::tensor::{Axis, coalesce};

use super::elementwise::{offset, operand_names, walk, with_indices};
use super::emit::Emitter;
use super::loops::{NARROW_MAX, Operand, VECTOR_BYTES, length_words};
use super::{REDUCE, TensorKernel, check_words, type_name};
use crate::error::{Error, Result};

/// Threads of a block.
const BLOCK: usize = 256;
/// Vectors that a thread folds at least before a result is shared among blocks, and blocks that are enough for any
/// device. Constants, so that results do not depend on the device.
const FOLDED_MIN: usize = 16;
const BLOCKS_ENOUGH: usize = 2048;

/// How a reduction is shared among threads.
#[derive(Clone, Debug)]
pub struct ReducePlan {
    op: ReduceOp,
    dtype: DType,
    /// The results' axes and the reduced ones, with a stride for each operand: inputs, indices, and last the number
    /// that `ArgMin` and `ArgMax` give.
    kept: Vec<Axis>,
    reduced: Vec<Axis>,
    /// Whether the threads of a result lie side by side, reading neighbours along the reduced axes; else those of
    /// neighbouring results do.
    along: bool,
    /// Neighbours that a thread reads at once: values of one result, or of neighbouring results.
    vector: usize,
    /// The logarithm of the threads that share a result in a block.
    lane_bits: u32,
    /// Blocks that share a result.
    pub splits: usize,
    operands: Vec<Operand>,
}

/// Plans and compiles the reduction of a fused program along `axes`, at least one of which has elements to reduce.
///
/// The kernel folds values and leaves states, which that of [`compile_reduce_finish`] merges to results.
///
/// # Errors
/// As [`compile_elementwise`](super::compile_elementwise); `unsupported` for a type that the reduction does not take.
pub fn compile_reduce(
    op: ReduceOp,
    axes: &[usize],
    program: &Program,
    region: &Region,
    whole: &[usize],
    inputs: &[Operand],
) -> Result<(ReducePlan, TensorKernel)> {
    let emitter = Emitter::new(program)?;
    let dtype = emitter.result();
    check(op, dtype)?;
    let plan = ReducePlan::new(op, axes, program, region, whole, inputs, dtype, emitter.vector_max());
    let (kept, reduced) = (plan.kept.len(), plan.reduced.len());
    let mut fields = String::new();
    for name in names(&emitter) {
        let address = if name.starts_with("in") && !name.starts_with("index") { "const u8*" } else { "i64" };
        let _ = writeln!(
            fields,
            "    {address} {name};\n    i64 {name}_kept_strides[{kept}];\n    i64 {name}_reduced_strides[{reduced}];"
        );
    }
    let mut body = format!(
        "struct Params {{\n    u64 kept_count;\n    u64 reduced_count;\n    u64 splits;\n    u64 split_length;\n    \
         u64 lane_bits;\n    u64 number_step;\n    u8* states;\n    Length kept_axes[{kept}];\n    \
         Length reduced_axes[{reduced}];\n{fields}{}}};\n",
        emitter.value_fields()
    );
    body.push_str(&emitter.function());
    body.push_str(&plan.kernel(&emitter));
    let headers = emitter.headers().into_iter().chain([REDUCE]).collect();
    Ok((plan, TensorKernel { name: "tensor_reduce", entries: &["tensor_reduce"], headers, body }))
}

/// Whether an operator takes a type.
fn check(op: ReduceOp, dtype: DType) -> Result<()> {
    use ReduceOp::*;
    let takes = match op {
        Sum | Product => !dtype.is_bool(),
        Min | Max | ArgMin | ArgMax => !dtype.is_complex(),
        All | Any => dtype.is_bool(),
        SquaredDeviations => dtype.is_inexact(),
    };
    match takes {
        true => Ok(()),
        false => Err(Error::unsupported(format!("{op:?} of {dtype} has no device form"))),
    }
}

impl ReducePlan {
    #[expect(clippy::too_many_arguments, reason = "they are what a reduction is")]
    fn new(
        op: ReduceOp,
        axes: &[usize],
        program: &Program,
        region: &Region,
        whole: &[usize],
        inputs: &[Operand],
        dtype: DType,
        vector_max: usize,
    ) -> ReducePlan {
        let mut operands = with_indices(program, region, inputs);
        operands.push(number(axes, region, whole));
        let part = |is_reduced: bool| -> Vec<Axis> {
            let of_part: Vec<usize> =
                (0..region.ndim()).filter(|axis| axes.contains(axis) == is_reduced).collect();
            let shape: Vec<usize> = of_part.iter().map(|&axis| region.shape[axis]).collect();
            let strides: Vec<Vec<isize>> = operands
                .iter()
                .map(|operand| of_part.iter().map(|&axis| operand.strides[axis]).collect())
                .collect();
            joined(&shape, &strides, is_reduced, inputs.len())
        };
        let (kept, reduced) = (part(false), part(true));
        let reads = |axes: &[Axis]| -> usize {
            let inner = &axes[axes.len() - 1];
            let is_read = |&(i, _): &(usize, &Operand)| inner.len > 1 && inner.strides[i] == 1;
            inputs.iter().enumerate().filter(is_read).map(|(_, input)| input.size).sum()
        };
        let (kept_len, reduced_len) = (elements(&kept), elements(&reduced));
        let along = reads(&reduced) > reads(&kept) || (reads(&kept) == 0 && reduced_len >= kept_len);
        let widest = inputs.iter().map(|input| input.size).max().unwrap_or(1);
        let mut vector = (VECTOR_BYTES / widest.max(1)).clamp(1, vector_max);
        let (inner, outer) = if along { (&reduced, &kept) } else { (&kept, &reduced) };
        while vector > 1 && !fits(inner, outer, inputs, vector) {
            vector /= 2;
        }
        let (kept_units, reduced_units) = match along {
            true => (kept_len, reduced_len / vector),
            false => (kept_len / vector, reduced_len),
        };
        let lanes = match along {
            // Enough that a warp reads whole lines; each thread folds a few.
            true => {
                let floor = |x: usize| if x <= 1 { 1 } else { 1 << x.ilog2() };
                floor(reduced_units / 4).max(floor(reduced_units).min(8)).min(BLOCK)
            }
            false => BLOCK / kept_units.next_power_of_two().min(BLOCK),
        };
        let blocks = kept_units.div_ceil(BLOCK / lanes);
        let splits_max = BLOCKS_ENOUGH.div_ceil(blocks);
        let splits = (reduced_units / (lanes * FOLDED_MIN)).clamp(1, splits_max);
        ReducePlan { op, dtype, kept, reduced, along, vector, lane_bits: lanes.ilog2(), splits, operands }
    }

    /// How many vectors of results there are, and vectors of values of each.
    fn units(&self) -> (usize, usize) {
        let (kept, reduced) = (elements(&self.kept), elements(&self.reduced));
        if self.along { (kept, reduced / self.vector) } else { (kept / self.vector, reduced) }
    }

    /// Results.
    pub fn results(&self) -> usize {
        elements(&self.kept)
    }

    /// Blocks of the first kernel.
    pub fn grid(&self) -> usize {
        self.units().0.div_ceil(BLOCK >> self.lane_bits) * self.splits
    }

    /// Bytes of the states that it leaves.
    pub fn state_bytes(&self) -> usize {
        self.results() * self.splits * state_bytes(self.op, self.dtype)
    }

    /// The words of the first kernel's parameters.
    ///
    /// # Errors
    /// `unsupported` beyond what a kernel takes.
    pub fn words(&self, program: &Program, states: u64) -> Result<Vec<u64>> {
        let (kept_units, reduced_units) = self.units();
        let number_step = self.reduced.last().and_then(|axis| axis.strides.last()).copied().unwrap_or(0);
        let mut words = vec![
            kept_units as u64,
            reduced_units as u64,
            self.splits as u64,
            reduced_units.div_ceil(self.splits) as u64,
            u64::from(self.lane_bits),
            number_step as u64,
            states,
        ];
        let steps = |axes: &[Axis], is_vector: bool| -> Vec<usize> {
            (0..axes.len()).map(|i| if is_vector && i + 1 == axes.len() { self.vector } else { 1 }).collect()
        };
        let (kept_steps, reduced_steps) = (steps(&self.kept, !self.along), steps(&self.reduced, self.along));
        for (axes, steps) in [(&self.kept, &kept_steps), (&self.reduced, &reduced_steps)] {
            words.extend(axes.iter().zip(steps).flat_map(|(axis, step)| length_words(axis.len / step)));
        }
        for (i, operand) in self.operands.iter().enumerate() {
            words.push(operand.address);
            for (axes, steps) in [(&self.kept, &kept_steps), (&self.reduced, &reduced_steps)] {
                words.extend(
                    axes.iter().zip(steps).map(|(axis, &step)| (axis.strides[i] * step as isize) as u64),
                );
            }
        }
        Emitter::new(program)?.value_words(&mut words);
        check_words(words.len())?;
        Ok(words)
    }

    fn kernel(&self, emitter: &Emitter<'_>) -> String {
        let (vector, inputs) = (self.vector, &emitter.program.inputs);
        let is_wide = elements(&self.kept).max(elements(&self.reduced)) > NARROW_MAX;
        let mut text = String::new();
        let _ = writeln!(text, "typedef {} Reduce;", reduction(self.op, self.dtype));
        let _ = writeln!(text, "typedef {} Index;", if is_wide { "u64" } else { "u32" });
        text.push_str(
            "extern \"C\" __global__ void __launch_bounds__(BLOCK) tensor_reduce(const __grid_constant__ Params p) {\n\
            \x20   const u32 lane_bits = (u32)p.lane_bits, lanes = 1u << lane_bits, columns = BLOCK >> lane_bits;\n",
        );
        text.push_str(if self.along {
            "    const u32 lane = threadIdx.x & (lanes - 1), column = threadIdx.x >> lane_bits, step = 1;\n"
        } else {
            "    const u32 lane = threadIdx.x / columns, column = threadIdx.x & (columns - 1), step = columns;\n"
        });
        let _ = write!(
            text,
            "    const u64 split = blockIdx.x % p.splits;\n    \
             const u64 kept = blockIdx.x / p.splits * columns + column;\n    \
             const u64 first = split * p.split_length;\n    \
             const u64 end = first + p.split_length < p.reduced_count ? first + p.split_length : p.reduced_count;\n    \
             Reduce::State states[{vector}];\n#pragma unroll\n    \
             for (int k = 0; k < {vector}; k++) states[k] = Reduce::empty();\n    \
             if (kept < p.kept_count) {{\n"
        );
        text.push_str(&walk("kept_", "kept", self.kept.len()));
        let names = names(emitter);
        for name in &names {
            let _ = writeln!(text, "    const i64 {name}_kept = {};", offset("kept_", name, self.kept.len()));
        }
        text.push_str("#pragma unroll 4\n    for (u64 at = first + lane; at < end; at += lanes) {\n");
        text.push_str(&walk("reduced_", "at", self.reduced.len()));
        for name in &names {
            let _ = writeln!(
                text,
                "    const i64 {name}_at = {name}_kept + {};",
                offset("reduced_", name, self.reduced.len())
            );
        }
        let inner = if self.along { &self.reduced } else { &self.kept };
        let is_uniform = |operand: usize| vector == 1 || inner[inner.len() - 1].strides[operand] == 0;
        let mut arguments = vec!["p".to_string()];
        for (input, dtype) in inputs.iter().enumerate() {
            let name = type_name(*dtype);
            if is_uniform(input) {
                let _ =
                    writeln!(text, "    const {name} in{input} = load<{name}>(p.in{input}, in{input}_at);");
                arguments.push(format!("in{input}"));
            } else {
                let _ = writeln!(
                    text,
                    "    const auto in{input} = load_pack<{name}, {vector}>(p.in{input}, in{input}_at);"
                );
                arguments.push(format!("Stored<{name}>::load(in{input}.at[k])"));
            }
        }
        for (number, (instruction, _)) in emitter.indices.iter().enumerate() {
            let step = if is_uniform(inputs.len() + number) { "" } else { " + k" };
            arguments.push(format!("p.index{instruction} + index{instruction}_at{step}"));
        }
        let number_step = if self.along && vector > 1 { " + k * (i64)p.number_step" } else { "" };
        let _ = write!(
            text,
            "#pragma unroll\n    for (int k = 0; k < {vector}; k++)\n        \
             Reduce::push(states[k], value({}), p.number + number_at{number_step});\n    }}\n    }}\n",
            arguments.join(", ")
        );
        if self.along {
            // The vector's places are one result.
            let _ = write!(
                text,
                "#pragma unroll\n    for (int k = 1; k < {vector}; k++) Reduce::merge(states[0], states[k]);\n    \
                 merge_lanes<Reduce>(states[0], lane, lanes, step);\n    \
                 if (lane == 0 && kept < p.kept_count) ((Reduce::State*)p.states)[kept * p.splits + split] = states[0];\n}}\n"
            );
        } else {
            let _ = write!(
                text,
                "#pragma unroll\n    for (int k = 0; k < {vector}; k++) {{\n        \
                 merge_lanes<Reduce>(states[k], lane, lanes, step);\n        if (lane == 0 && kept < p.kept_count)\n            \
                 ((Reduce::State*)p.states)[(kept * {vector} + k) * p.splits + split] = states[k];\n    }}\n}}\n"
            );
        }
        text
    }
}

/// The kernel that merges states alone.
pub fn compile_reduce_finish(op: ReduceOp, dtype: DType) -> TensorKernel {
    let mut body = format!("typedef {} Reduce;\n", reduction(op, dtype));
    body.push_str(
        "extern \"C\" __global__ void __launch_bounds__(BLOCK) tensor_reduce_finish(\n    \
         const __grid_constant__ ReduceFinishParams p) {\n    reduce_finish<Reduce>(p);\n}\n",
    );
    let headers = super::headers(dtype.is_complex(), false).into_iter().chain([REDUCE]).collect();
    TensorKernel { name: "tensor_reduce_finish", entries: &["tensor_reduce_finish"], headers, body }
}

/// The operands' names: inputs, indices, the number.
fn names(emitter: &Emitter<'_>) -> Vec<String> {
    operand_names(emitter).into_iter().chain(["number".to_string()]).collect()
}

/// The place of an element in row-major order along the reduced axes of the whole array, as an operand.
fn number(axes: &[usize], region: &Region, whole: &[usize]) -> Operand {
    let mut strides = vec![0isize; region.ndim()];
    let (mut step, mut first) = (1usize, 0usize);
    for axis in (0..region.ndim()).rev().filter(|axis| axes.contains(axis)) {
        strides[axis] = step as isize;
        first = first.wrapping_add(region.start[axis].wrapping_mul(step));
        step = step.wrapping_mul(whole[axis]);
    }
    Operand { strides, size: 0, address: first as u64 }
}

/// Axes joined where all operands allow, at least one. The order of reduced axes is free: the input's quickest is put
/// innermost.
fn joined(shape: &[usize], strides: &[Vec<isize>], is_free: bool, inputs: usize) -> Vec<Axis> {
    let mut order: Vec<usize> = (0..shape.len()).collect();
    if is_free {
        let reach = |axis: usize| strides[..inputs].iter().map(|s| s[axis].unsigned_abs()).max().unwrap_or(0);
        order.sort_by_key(|&axis| std::cmp::Reverse(reach(axis)));
    }
    let shape: Vec<usize> = order.iter().map(|&axis| shape[axis]).collect();
    let strides: Vec<Vec<isize>> =
        strides.iter().map(|strides| order.iter().map(|&axis| strides[axis]).collect()).collect();
    let borrowed: Vec<&[isize]> = strides.iter().map(Vec::as_slice).collect();
    let mut axes = coalesce(&shape, &borrowed);
    if axes.is_empty() {
        axes.push(Axis { len: 1, strides: vec![0; strides.len()] });
    }
    axes
}

fn elements(axes: &[Axis]) -> usize {
    axes.iter().map(|axis| axis.len).product()
}

/// Whether threads may read `vector` neighbours along the innermost of `axes` at once.
fn fits(axes: &[Axis], others: &[Axis], inputs: &[Operand], vector: usize) -> bool {
    let (inner, outer) = (&axes[axes.len() - 1], &axes[..axes.len() - 1]);
    inner.len.is_multiple_of(vector)
        && inputs.iter().enumerate().all(|(i, input)| match inner.strides[i] {
            0 => true,
            1 => {
                input.address.is_multiple_of((vector * input.size) as u64)
                    && outer.iter().chain(others).all(|axis| axis.strides[i] % vector as isize == 0)
            }
            _ => false,
        })
}

/// The class that reduces, in the kernels.
pub(super) fn reduction(op: ReduceOp, dtype: DType) -> String {
    let name = type_name(dtype);
    match op {
        ReduceOp::Sum => format!("ReduceSum<{name}>"),
        ReduceOp::Product => format!("ReduceProduct<{name}>"),
        ReduceOp::Min | ReduceOp::All => format!("ReduceExtreme<{name}, false>"),
        ReduceOp::Max | ReduceOp::Any => format!("ReduceExtreme<{name}, true>"),
        ReduceOp::ArgMin => format!("ReducePosition<{name}, false>"),
        ReduceOp::ArgMax => format!("ReducePosition<{name}, true>"),
        ReduceOp::SquaredDeviations => format!("ReduceDeviations<{name}>"),
    }
}

/// Bytes of a state: what the classes above are in memory.
fn state_bytes(op: ReduceOp, dtype: DType) -> usize {
    let wide = match dtype {
        DType::F16 | DType::BF16 => DType::F32,
        other => other,
    };
    match op {
        ReduceOp::ArgMin | ReduceOp::ArgMax => 16,
        ReduceOp::SquaredDeviations if dtype.is_complex() => 2 * wide.size(),
        ReduceOp::SquaredDeviations => 3 * wide.size(),
        _ => wide.size(),
    }
}
