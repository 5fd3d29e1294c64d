//! Fused elementwise programs: what one kernel does at each index.
//!
//! A program is a straight line of instructions in static single assignment over operands of one shape. It is what
//! the CPU interprets tile by tile (`kernel::elementwise`) and what `swath::program` generates CUDA from. Semantics of
//! every operator are those of the Python array API standard (2024.12), special cases included; integers wrap.

use crate::dtype::{DType, Scalar};

/// What happens at each index; the value of the last instruction is the result.
#[derive(Clone, Debug, PartialEq)]
pub struct Program {
    /// The types of the operands that are read.
    pub inputs: Vec<DType>,
    pub instructions: Vec<Instruction>,
}

/// One value at each index.
#[derive(Clone, Debug, PartialEq)]
pub struct Instruction {
    pub step: Step,
    /// The type of its value.
    pub dtype: DType,
}

/// What an instruction does. Numbers are those of earlier instructions. Operands of a [`Binary`](Step::Binary) have one
/// type, which is that of the result but for comparisons and logic.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// Reads an operand at the index.
    Input(usize),
    /// A constant of the instruction's type.
    Constant(Scalar),
    /// The index along an axis, in the array that the program computes; 64-bit.
    Index(usize),
    Unary(UnaryOp, usize),
    Binary(BinaryOp, usize, usize),
    /// `condition, yes, no`: the second where the first, a boolean, is true, else the third.
    Where(usize, usize, usize),
    /// Converts: floats to integers toward zero (saturating, NaN to 0), integers wrap, to boolean what is not 0, complex
    /// to real drops the imaginary part.
    Cast(usize),
    /// A random number; the operand, a `uint64`, is the number of the element.
    Random(Random, usize),
}

/// Random numbers by counter: Philox 4×32-10 (Salmon et al. 2011), key `seed`, counter (number of the element / values
/// of a block, `stream`). The same element gives the same number on every device and in every chunking.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Random {
    pub distribution: Distribution,
    pub seed: u64,
    /// Which of the independent sequences of the seed.
    pub stream: u64,
}

/// What a random number is like.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Distribution {
    /// 64 bits of an unsigned integer.
    Bits,
    /// In [0, 1): 53 bits (`float64`) or 24 (`float32`).
    Uniform,
    /// Mean 0, variance 1, by Box and Muller (1958).
    Normal,
    /// Mean 1: −ln(1 − u).
    Exponential,
}

/// Functions of one value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum UnaryOp {
    /// Magnitude; of complex numbers a real one.
    Abs,
    Acos,
    Acosh,
    Asin,
    Asinh,
    Atan,
    Atanh,
    /// Of integers and booleans.
    BitwiseInvert,
    Ceil,
    Conj,
    Cos,
    Cosh,
    Exp,
    Expm1,
    Floor,
    /// The imaginary part, a real number.
    Imag,
    /// The next three give booleans.
    IsFinite,
    IsInf,
    IsNan,
    Log,
    Log1p,
    Log2,
    Log10,
    /// Of booleans.
    LogicalNot,
    Negative,
    /// The real part.
    Real,
    Reciprocal,
    /// Half to even.
    Round,
    Sign,
    /// A boolean.
    SignBit,
    Sin,
    Sinh,
    Sqrt,
    Square,
    Tan,
    Tanh,
    Trunc,
    /// What the standard lacks and NumPy has.
    Cbrt,
    Exp2,
    /// The angle of a complex number, real.
    Angle,
}

/// Functions of two values of one type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum BinaryOp {
    Add,
    Subtract,
    Multiply,
    /// Of floats and complex numbers.
    Divide,
    /// Toward minus infinity; an integer by 0 is 0.
    FloorDivide,
    /// With the sign of the divisor; an integer by 0 is 0.
    Remainder,
    /// With the sign of the dividend, as C and `numpy.fmod` have it; an integer by 0 is 0.
    Fmod,
    Pow,
    Atan2,
    Hypot,
    CopySign,
    NextAfter,
    LogAddExp,
    /// NaN where one is NaN.
    Maximum,
    Minimum,
    /// The other where one is NaN.
    Fmax,
    Fmin,
    BitwiseAnd,
    BitwiseOr,
    BitwiseXor,
    ShiftLeft,
    /// Arithmetic for signed integers.
    ShiftRight,
    /// Comparisons give booleans; complex numbers know the first two alone, real ones all.
    Equal,
    NotEqual,
    Less,
    LessEqual,
    Greater,
    GreaterEqual,
    /// Of booleans.
    LogicalAnd,
    LogicalOr,
    LogicalXor,
    /// A complex number of a real and an imaginary part.
    Complex,
}

impl UnaryOp {
    /// The type of the result for an operand of `dtype`.
    pub fn result(self, dtype: DType) -> DType {
        use UnaryOp::*;
        match self {
            Abs | Imag | Real | Angle => dtype.real(),
            IsFinite | IsInf | IsNan | LogicalNot | SignBit => DType::Bool,
            _ => dtype,
        }
    }
}

impl BinaryOp {
    /// Whether it compares.
    pub fn is_comparison(self) -> bool {
        use BinaryOp::*;
        matches!(self, Equal | NotEqual | Less | LessEqual | Greater | GreaterEqual)
    }

    /// The type of the result for operands of `dtype`.
    pub fn result(self, dtype: DType) -> DType {
        match self {
            _ if self.is_comparison() => DType::Bool,
            BinaryOp::Complex => dtype.complex(),
            _ => dtype,
        }
    }
}

/// What a reduction makes of the values along its axes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ReduceOp {
    /// In the type of the operand, by a tree of fixed order; 0 of none. `float16` and `bfloat16` add in `float32`.
    Sum,
    /// 1 of none.
    Product,
    /// NaN where there is one. There has to be a value.
    Min,
    Max,
    /// Of booleans: true of none.
    All,
    /// False of none.
    Any,
    /// The index of the first least value among all reduced axes in row-major order, `int64`; the first NaN if any.
    ArgMin,
    ArgMax,
    /// The sum of squared magnitudes of deviations from the mean, real; one pass (Chan et al. 1979).
    SquaredDeviations,
}

impl ReduceOp {
    /// The type of the result for an operand of `dtype`.
    pub fn result(self, dtype: DType) -> DType {
        match self {
            ReduceOp::ArgMin | ReduceOp::ArgMax => DType::I64,
            ReduceOp::SquaredDeviations => dtype.real(),
            _ => dtype,
        }
    }
}
