//! The function that a program is at one element, in CUDA.

use std::fmt::Write;

use swath_array::program::{BinaryOp, Distribution, Instruction, Program, Step, UnaryOp};
use swath_array::{DType, Scalar};

use super::type_name;
use crate::error::{Error, Result};

/// A program's names in a kernel: operands are its inputs, in order, and then its indices.
pub(super) struct Emitter<'a> {
    pub program: &'a Program,
    /// The instructions that are indices, with their axes.
    pub indices: Vec<(usize, usize)>,
}

impl<'a> Emitter<'a> {
    /// Looks a program over.
    ///
    /// # Errors
    /// `bug` for one that is not well-formed; `unsupported` for an operator that has no meaning for its type.
    pub fn new(program: &'a Program) -> Result<Emitter<'a>> {
        check(program)?;
        let indices = indices(program).collect();
        Ok(Emitter { program, indices })
    }

    /// The type of the result.
    pub fn result(&self) -> DType {
        self.program.instructions.last().map_or(DType::Bool, |last| last.dtype)
    }

    /// The files that the program's functions are in.
    pub fn headers(&self) -> Vec<&'static str> {
        let instructions = &self.program.instructions;
        let mut dtypes = instructions.iter().map(|i| &i.dtype).chain(&self.program.inputs);
        let has_complex = dtypes.any(|dtype| dtype.is_complex());
        let has_random = instructions.iter().any(|i| matches!(i.step, Step::Random(..)));
        super::headers(has_complex, has_random)
    }

    /// How many elements a thread had better take at most: heavy functions make long kernels.
    pub fn vector_max(&self) -> usize {
        let is_heavy = |instruction: &&Instruction| match instruction.step {
            Step::Unary(op, _) => !is_light(op),
            Step::Binary(op, ..) => {
                use BinaryOp::*;
                matches!(op, FloorDivide | Remainder | Fmod | Pow | Atan2 | Hypot | LogAddExp)
            }
            Step::Random(..) => true,
            _ => false,
        };
        match self.program.instructions.iter().filter(is_heavy).count() {
            0 => 16,
            1..=2 => 4,
            _ => 2,
        }
    }

    /// The operands' fields of the parameters, for loops of `rank` axes.
    pub fn operand_fields(&self, rank: usize) -> String {
        let mut fields = String::new();
        for input in 0..self.program.inputs.len() {
            let _ = writeln!(fields, "    const u8* in{input};\n    i64 in{input}_strides[{rank}];");
        }
        for (instruction, _) in &self.indices {
            let _ =
                writeln!(fields, "    i64 index{instruction};\n    i64 index{instruction}_strides[{rank}];");
        }
        fields
    }

    /// The constants' and seeds' fields.
    pub fn value_fields(&self) -> String {
        let mut fields = String::new();
        for (i, instruction) in self.program.instructions.iter().enumerate() {
            match instruction.step {
                Step::Constant(_) => {
                    let _ = writeln!(fields, "    u64 c{i}[2];");
                }
                Step::Random(..) => {
                    let _ = writeln!(fields, "    u64 seed{i};\n    u64 stream{i};");
                }
                _ => {}
            }
        }
        fields
    }

    /// The words of [`value_fields`](Emitter::value_fields).
    pub fn value_words(&self, words: &mut Vec<u64>) {
        for instruction in &self.program.instructions {
            match instruction.step {
                Step::Constant(value) => words.extend(constant_words(value, instruction.dtype)),
                Step::Random(random, _) => words.extend([random.seed, random.stream]),
                _ => {}
            }
        }
    }

    /// `value(p, operands…)`: the program at one element.
    pub fn function(&self) -> String {
        let program = self.program;
        let mut text = String::new();
        let _ = write!(text, "DEVICE {} value(const Params& p", type_name(self.result()));
        for (i, dtype) in program.inputs.iter().enumerate() {
            let _ = write!(text, ", {} in{i}", type_name(*dtype));
        }
        for (i, _) in &self.indices {
            let _ = write!(text, ", i64 index{i}");
        }
        text.push_str(") {\n");
        for (i, instruction) in program.instructions.iter().enumerate() {
            let name = type_name(instruction.dtype);
            let _ = writeln!(text, "    const {name} v{i} = {};", expression(i, instruction));
        }
        let _ = writeln!(text, "    return v{};\n}}", program.instructions.len() - 1);
        text
    }
}

/// The instructions that are indices, with their axes.
pub(super) fn indices(program: &Program) -> impl Iterator<Item = (usize, usize)> {
    program.instructions.iter().enumerate().filter_map(|(i, instruction)| match instruction.step {
        Step::Index(axis) => Some((i, axis)),
        _ => None,
    })
}

fn expression(i: usize, instruction: &Instruction) -> String {
    let name = type_name(instruction.dtype);
    match instruction.step {
        Step::Input(input) => format!("in{input}"),
        Step::Constant(_) => format!("constant<{name}>(p.c{i})"),
        Step::Index(_) => format!("convert<{name}>(index{i})"),
        Step::Unary(op, x) => format!("{}(v{x})", unary_name(op)),
        Step::Binary(op, x, y) => format!("{}(v{x}, v{y})", binary_name(op)),
        Step::Where(condition, yes, no) => format!("v{condition} ? v{yes} : v{no}"),
        Step::Cast(x) => format!("convert<{name}>(v{x})"),
        Step::Random(random, x) => {
            let function = match random.distribution {
                Distribution::Bits => "random_bits",
                Distribution::Uniform => "random_uniform",
                Distribution::Normal => "random_normal",
                Distribution::Exponential => "random_exponential",
            };
            format!("{function}<{name}>(p.seed{i}, p.stream{i}, v{x})")
        }
    }
}

/// A scalar as an element of `dtype`, in the words that `constant` reads.
fn constant_words(value: Scalar, dtype: DType) -> [u64; 2] {
    let single = |x: f64| u64::from((x as f32).to_bits());
    match (dtype, value.cast(dtype)) {
        (DType::C64, value) => {
            let value = value.as_complex();
            [single(value.re), single(value.im)]
        }
        (DType::C128, value) => {
            let value = value.as_complex();
            [value.re.to_bits(), value.im.to_bits()]
        }
        (DType::F64, value) => [value.as_float().to_bits(), 0],
        (DType::F32 | DType::F16 | DType::BF16, value) => [single(value.as_float()), 0],
        (_, value) => [value.as_int() as u64, 0],
    }
}

fn is_light(op: UnaryOp) -> bool {
    use UnaryOp::*;
    matches!(
        op,
        Abs | BitwiseInvert
            | Ceil
            | Conj
            | Floor
            | Imag
            | IsFinite
            | IsInf
            | IsNan
            | LogicalNot
            | Negative
            | Real
            | Reciprocal
            | Round
            | Sign
            | SignBit
            | Sqrt
            | Square
            | Trunc
    )
}

fn unary_name(op: UnaryOp) -> &'static str {
    use UnaryOp::*;
    match op {
        Abs => "op_abs",
        Acos => "op_acos",
        Acosh => "op_acosh",
        Asin => "op_asin",
        Asinh => "op_asinh",
        Atan => "op_atan",
        Atanh => "op_atanh",
        BitwiseInvert => "op_bitwise_invert",
        Ceil => "op_ceil",
        Conj => "op_conj",
        Cos => "op_cos",
        Cosh => "op_cosh",
        Exp => "op_exp",
        Expm1 => "op_expm1",
        Floor => "op_floor",
        Imag => "op_imag",
        IsFinite => "op_is_finite",
        IsInf => "op_is_inf",
        IsNan => "op_is_nan",
        Log => "op_log",
        Log1p => "op_log1p",
        Log2 => "op_log2",
        Log10 => "op_log10",
        LogicalNot => "op_logical_not",
        Negative => "op_negative",
        Real => "op_real",
        Reciprocal => "op_reciprocal",
        Round => "op_round",
        Sign => "op_sign",
        SignBit => "op_sign_bit",
        Sin => "op_sin",
        Sinh => "op_sinh",
        Sqrt => "op_sqrt",
        Square => "op_square",
        Tan => "op_tan",
        Tanh => "op_tanh",
        Trunc => "op_trunc",
        Cbrt => "op_cbrt",
        Exp2 => "op_exp2",
        Angle => "op_angle",
    }
}

fn binary_name(op: BinaryOp) -> &'static str {
    use BinaryOp::*;
    match op {
        Add => "op_add",
        Subtract => "op_subtract",
        Multiply => "op_multiply",
        Divide => "op_divide",
        FloorDivide => "op_floor_divide",
        Remainder => "op_remainder",
        Fmod => "op_fmod",
        Pow => "op_pow",
        Atan2 => "op_atan2",
        Hypot => "op_hypot",
        CopySign => "op_copysign",
        NextAfter => "op_next_after",
        LogAddExp => "op_log_add_exp",
        Maximum => "op_maximum",
        Minimum => "op_minimum",
        Fmax => "op_fmax",
        Fmin => "op_fmin",
        BitwiseAnd => "op_bitwise_and",
        BitwiseOr => "op_bitwise_or",
        BitwiseXor => "op_bitwise_xor",
        ShiftLeft => "op_shift_left",
        ShiftRight => "op_shift_right",
        Equal => "op_equal",
        NotEqual => "op_not_equal",
        Less => "op_less",
        LessEqual => "op_less_equal",
        Greater => "op_greater",
        GreaterEqual => "op_greater_equal",
        LogicalAnd => "op_logical_and",
        LogicalOr => "op_logical_or",
        LogicalXor => "op_logical_xor",
        Complex => "op_complex",
    }
}

/// Checks that instructions use what came before, with the types that operators take.
fn check(program: &Program) -> Result<()> {
    let instructions = &program.instructions;
    if instructions.is_empty() {
        return Err(Error::bug("a fused program without instructions"));
    }
    for (i, instruction) in instructions.iter().enumerate() {
        let dtype_of = |x: usize| match instructions[..i].get(x) {
            Some(earlier) => Ok(earlier.dtype),
            None => Err(Error::bug(format!("instruction {i} of a fused program uses {x}: {program:?}"))),
        };
        let wrong =
            || Error::bug(format!("instruction {i} of a fused program is not well typed: {program:?}"));
        let ensure = |holds: bool| if holds { Ok(()) } else { Err(wrong()) };
        match instruction.step {
            Step::Input(input) => ensure(program.inputs.get(input) == Some(&instruction.dtype))?,
            Step::Constant(_) | Step::Index(_) => {}
            Step::Unary(op, x) => {
                let dtype = dtype_of(x)?;
                supports(unary_takes(op, dtype), unary_name(op), dtype)?;
                ensure(op.result(dtype) == instruction.dtype)?;
            }
            Step::Binary(op, x, y) => {
                let dtype = dtype_of(x)?;
                ensure(dtype_of(y)? == dtype)?;
                supports(binary_takes(op, dtype), binary_name(op), dtype)?;
                ensure(op.result(dtype) == instruction.dtype)?;
            }
            Step::Where(condition, yes, no) => {
                ensure(dtype_of(condition)?.is_bool())?;
                ensure(dtype_of(yes)? == instruction.dtype && dtype_of(no)? == instruction.dtype)?;
            }
            Step::Cast(x) => {
                dtype_of(x)?;
            }
            Step::Random(random, x) => {
                ensure(dtype_of(x)? == DType::U64)?;
                let takes = match random.distribution {
                    Distribution::Bits => instruction.dtype.is_unsigned(),
                    _ => instruction.dtype.is_float(),
                };
                supports(takes, "random", instruction.dtype)?;
            }
        }
    }
    Ok(())
}

fn supports(takes: bool, name: &str, dtype: DType) -> Result<()> {
    match takes {
        true => Ok(()),
        false => {
            let name = name.trim_start_matches("op_");
            Err(Error::unsupported(format!("{name} of {dtype} has no device form")))
        }
    }
}

/// Whether an operator is defined for elements of this type.
pub fn unary_takes(op: UnaryOp, dtype: DType) -> bool {
    use UnaryOp::*;
    match op {
        Abs | Ceil | Conj | Floor | Imag | IsFinite | IsInf | IsNan | Real | Round | Sign | SignBit
        | Square | Trunc | LogicalNot => {
            !(dtype.is_complex() && matches!(op, Ceil | Floor | Trunc | SignBit))
        }
        Negative | Reciprocal => !dtype.is_bool(),
        BitwiseInvert => !dtype.is_inexact(),
        Cbrt => dtype.is_float(),
        _ => dtype.is_inexact(),
    }
}

/// Whether an operator is defined for elements of this type.
pub fn binary_takes(op: BinaryOp, dtype: DType) -> bool {
    use BinaryOp::*;
    match op {
        Add | Subtract | Multiply | Equal | NotEqual | LogicalAnd | LogicalOr | LogicalXor => true,
        Divide => dtype.is_inexact(),
        Pow => !dtype.is_bool(),
        FloorDivide | Remainder | Fmod => dtype.is_integer() || dtype.is_float(),
        Atan2 | Hypot | CopySign | NextAfter | LogAddExp => dtype.is_float(),
        Maximum | Minimum | Fmax | Fmin | Less | LessEqual | Greater | GreaterEqual => !dtype.is_complex(),
        BitwiseAnd | BitwiseOr | BitwiseXor => !dtype.is_inexact(),
        ShiftLeft | ShiftRight => dtype.is_integer(),
        Complex => dtype.is_float(),
    }
}
