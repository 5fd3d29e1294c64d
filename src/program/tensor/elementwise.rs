//! Elementwise kernels: one thread, some neighbouring elements of the result.

use std::fmt::Write;

use swath_array::graph::Region;
use swath_array::program::Program;

use super::emit::{Emitter, indices};
use super::loops::{Loops, Operand, length_words};
use super::{TensorKernel, check_words, type_name};
use crate::error::Result;

/// Compiles a fused program into one kernel; returns how it walks the region, and the kernel.
///
/// `inputs` say where each operand lies, with strides along the region's axes. The result is written in row-major
/// order.
///
/// # Memory     nothing beside the result.
/// # Traffic    reads what the operands have, writes the result; 16 bytes at once where all lie so.
/// # Guarantee  the CPU's results: integers, `+ - * /` and square roots bit for bit, others within 4 units of the last
///   place.
/// # Errors     `unsupported` for an operator that has no meaning for its type, or parameters beyond 4 KiB.
pub fn compile_elementwise(
    program: &Program,
    region: &Region,
    inputs: &[Operand],
) -> Result<(Loops, TensorKernel)> {
    let emitter = Emitter::new(program)?;
    let operands = with_indices(program, region, inputs);
    let output_size = emitter.result().size();
    let loops = Loops::plan(&region.shape, &operands, output_size, emitter.vector_max());
    let rank = loops.rank();
    let mut body = format!(
        "struct Params {{\n    u64 count;\n    u64 rest;\n    u8* output;\n    Length axes[{rank}];\n{}{}}};\n",
        emitter.operand_fields(rank),
        emitter.value_fields()
    );
    body.push_str(&emitter.function());
    body.push_str(&kernel(&emitter, &loops));
    Ok((
        loops,
        TensorKernel {
            name: "tensor_elementwise",
            entries: &["tensor_elementwise"],
            headers: emitter.headers(),
            body,
        },
    ))
}

/// The operands and, behind them, the program's indices as operands.
pub(super) fn with_indices(program: &Program, region: &Region, inputs: &[Operand]) -> Vec<Operand> {
    let mut operands = inputs.to_vec();
    operands.extend(indices(program).map(|(_, axis)| {
        let strides = (0..region.ndim()).map(|other| isize::from(other == axis)).collect();
        Operand { strides, size: 0, address: region.start[axis] as u64 }
    }));
    operands
}

/// The words of the kernel's parameters.
///
/// # Errors
/// `unsupported` beyond what a kernel takes.
pub fn elementwise_words(
    program: &Program,
    region: &Region,
    inputs: &[Operand],
    loops: &Loops,
    output: u64,
) -> Result<Vec<u64>> {
    let (threads, rest) = loops.threads();
    let mut words = vec![threads as u64, rest as u64, output];
    words.extend(loops.lengths().flat_map(length_words));
    for (i, operand) in with_indices(program, region, inputs).iter().enumerate() {
        words.push(operand.address);
        words.extend(loops.strides(i).map(|stride| stride as u64));
    }
    Emitter::new(program)?.value_words(&mut words);
    check_words(words.len())?;
    Ok(words)
}

fn kernel(emitter: &Emitter<'_>, loops: &Loops) -> String {
    let (rank, vector) = (loops.rank(), loops.vector);
    let inputs = &emitter.program.inputs;
    let result = type_name(emitter.result());
    let mut text = String::new();
    let _ = writeln!(text, "typedef {} Index;", if loops.is_wide() { "u64" } else { "u32" });
    text.push_str(
        "extern \"C\" __global__ void __launch_bounds__(BLOCK) tensor_elementwise(const __grid_constant__ Params p) {\n\
        \x20   const u64 at = (u64)blockIdx.x * BLOCK + threadIdx.x;\n\
        \x20   if (at >= p.count) {\n",
    );
    if vector > 1 && rank == 1 {
        // The thread behind the last vector takes what is left, one by one.
        text.push_str("        if (at > p.count) return;\n        for (u64 k = 0; k < p.rest; k++) {\n");
        let _ = writeln!(text, "            const i64 i = (i64)(p.count * {vector} + k);");
        let mut arguments = vec!["p".to_string()];
        arguments.extend(inputs.iter().enumerate().map(|(input, dtype)| {
            let at = if loops.is_uniform[input] { "0" } else { "i" };
            format!("load<{}>(p.in{input}, {at})", type_name(*dtype))
        }));
        arguments.extend(emitter.indices.iter().enumerate().map(|(number, (instruction, _))| {
            match loops.is_uniform[inputs.len() + number] {
                true => format!("p.index{instruction}"),
                false => format!("p.index{instruction} + i"),
            }
        }));
        let _ = writeln!(
            text,
            "            store<{result}>(p.output, i, value({}));\n        }}",
            arguments.join(", ")
        );
    }
    text.push_str("        return;\n    }\n");
    text.push_str(&walk("", "at", rank));
    let names: Vec<String> = operand_names(emitter);
    for name in &names {
        let _ = writeln!(text, "    const i64 {name}_at = {};", offset("", name, rank));
    }
    let mut arguments = vec!["p".to_string()];
    for (input, dtype) in inputs.iter().enumerate() {
        let name = type_name(*dtype);
        if vector > 1 && !loops.is_uniform[input] {
            let _ = writeln!(
                text,
                "    const auto in{input} = load_pack<{name}, {vector}>(p.in{input}, in{input}_at);"
            );
            arguments.push(format!("Stored<{name}>::load(in{input}.at[k])"));
        } else {
            let _ = writeln!(text, "    const {name} in{input} = load<{name}>(p.in{input}, in{input}_at);");
            arguments.push(format!("in{input}"));
        }
    }
    for (number, (instruction, _)) in emitter.indices.iter().enumerate() {
        let step = if vector > 1 && !loops.is_uniform[inputs.len() + number] { " + k" } else { "" };
        arguments.push(format!("p.index{instruction} + index{instruction}_at{step}"));
    }
    let arguments = arguments.join(", ");
    if vector > 1 {
        let _ = write!(
            text,
            "    Pack<Memory<{result}>, {vector}> out;\n#pragma unroll\n    for (int k = 0; k < {vector}; k++)\n        \
             out.at[k] = Stored<{result}>::store(value({arguments}));\n    \
             store_pack<{result}, {vector}>(p.output, (i64)at * {vector}, out);\n}}\n"
        );
    } else {
        let _ = writeln!(text, "    store<{result}>(p.output, (i64)at, value({arguments}));\n}}");
    }
    text
}

/// The names of the operands' fields.
pub(super) fn operand_names(emitter: &Emitter<'_>) -> Vec<String> {
    let inputs = (0..emitter.program.inputs.len()).map(|input| format!("in{input}"));
    inputs.chain(emitter.indices.iter().map(|(instruction, _)| format!("index{instruction}"))).collect()
}

/// Takes the number `number` of an element of the axes `{prefix}axes` apart into indices `{prefix}0…`.
pub(super) fn walk(prefix: &str, number: &str, rank: usize) -> String {
    let mut text = String::new();
    let _ = writeln!(text, "    Index {prefix}left = (Index){number};");
    for axis in (1..rank).rev() {
        let _ = writeln!(
            text,
            "    const Index {prefix}next{axis} = divided({prefix}left, p.{prefix}axes[{axis}]);\n    \
             const i64 {prefix}i{axis} = (i64)({prefix}left - {prefix}next{axis} * (Index)p.{prefix}axes[{axis}].length);\n    \
             {prefix}left = {prefix}next{axis};"
        );
    }
    let _ = writeln!(text, "    const i64 {prefix}i0 = (i64){prefix}left;");
    text
}

/// The offset of an operand at those indices.
pub(super) fn offset(prefix: &str, name: &str, rank: usize) -> String {
    let terms: Vec<String> =
        (0..rank).map(|axis| format!("{prefix}i{axis} * p.{name}_{prefix}strides[{axis}]")).collect();
    terms.join(" + ")
}
