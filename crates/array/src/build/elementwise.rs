//! Functions of each element: they promote, broadcast and make one node an operator.
//!
//! Types follow the Python array API standard (2024.12); where it asks for an error and NumPy has an answer (integers
//! under `sin`, numbers under `logical_and`), NumPy's answer is given.

use std::str::FromStr;

use crate::dtype::{DType, Scalar};
use crate::error::{Error, Result, show_shape};
use crate::graph::{Array, Op};
use crate::program::{BinaryOp, UnaryOp};

macro_rules! named {
    ($type:ident: $($variant:ident $name:literal,)*) => {
        impl $type {
            /// Every one of them.
            pub const ALL: &'static [$type] = &[$($type::$variant),*];

            /// The name that the standard, or NumPy, gives it.
            pub fn name(self) -> &'static str {
                match self {
                    $($type::$variant => $name,)*
                }
            }
        }

        impl FromStr for $type {
            type Err = Error;

            fn from_str(name: &str) -> Result<Self> {
                let known = Self::ALL.iter().copied().find(|op| op.name() == name);
                known.ok_or_else(|| Error::value(format!("'{name}' is not an elementwise function")))
            }
        }
    };
}

named! {
    UnaryOp:
    Abs "abs",
    Acos "acos",
    Acosh "acosh",
    Asin "asin",
    Asinh "asinh",
    Atan "atan",
    Atanh "atanh",
    BitwiseInvert "bitwise_invert",
    Ceil "ceil",
    Conj "conj",
    Cos "cos",
    Cosh "cosh",
    Exp "exp",
    Expm1 "expm1",
    Floor "floor",
    Imag "imag",
    IsFinite "isfinite",
    IsInf "isinf",
    IsNan "isnan",
    Log "log",
    Log1p "log1p",
    Log2 "log2",
    Log10 "log10",
    LogicalNot "logical_not",
    Negative "negative",
    Real "real",
    Reciprocal "reciprocal",
    Round "round",
    Sign "sign",
    SignBit "signbit",
    Sin "sin",
    Sinh "sinh",
    Sqrt "sqrt",
    Square "square",
    Tan "tan",
    Tanh "tanh",
    Trunc "trunc",
    Cbrt "cbrt",
    Exp2 "exp2",
    Angle "angle",
}

named! {
    BinaryOp:
    Add "add",
    Subtract "subtract",
    Multiply "multiply",
    Divide "divide",
    FloorDivide "floor_divide",
    Remainder "remainder",
    Fmod "fmod",
    Pow "pow",
    Atan2 "atan2",
    Hypot "hypot",
    CopySign "copysign",
    NextAfter "nextafter",
    LogAddExp "logaddexp",
    Maximum "maximum",
    Minimum "minimum",
    Fmax "fmax",
    Fmin "fmin",
    BitwiseAnd "bitwise_and",
    BitwiseOr "bitwise_or",
    BitwiseXor "bitwise_xor",
    ShiftLeft "bitwise_left_shift",
    ShiftRight "bitwise_right_shift",
    Equal "equal",
    NotEqual "not_equal",
    Less "less",
    LessEqual "less_equal",
    Greater "greater",
    GreaterEqual "greater_equal",
    LogicalAnd "logical_and",
    LogicalOr "logical_or",
    LogicalXor "logical_xor",
    Complex "complex",
}

fn not_for(name: &str, dtype: DType, takes: &str) -> Error {
    Error::dtype(format!("{name} does not take {dtype}: it takes {takes}"))
}

/// One value everywhere.
pub(crate) fn filled(value: Scalar, dtype: DType, shape: &[usize]) -> Array {
    Array::new(Op::Full(value.cast(dtype)), vec![], dtype, shape.to_vec())
}

/// Applies a function to each element.
///
/// # Types
/// Functions of real analysis take integers and booleans as `float64`; rounding leaves integers as they are; `abs`,
/// `real`, `imag` and `angle` of complex numbers are real; `isfinite`, `isinf`, `isnan`, `signbit` and `logical_not`
/// give booleans.
///
/// # Errors
/// `Type` where the function is not defined for the type: bits of floats, order of complex numbers, signs of booleans.
pub fn unary(op: UnaryOp, x: &Array) -> Result<Array> {
    use UnaryOp::*;
    let dtype = x.dtype();
    let name = op.name();
    match op {
        Abs | Square if dtype.is_bool() => return Ok(x.clone()),
        Abs if dtype.is_unsigned() => return Ok(x.clone()),
        Negative | Sign if dtype.is_bool() => return Err(not_for(name, dtype, "numbers")),
        Ceil | Floor | Trunc | Round if !dtype.is_inexact() => return Ok(x.clone()),
        Ceil | Floor | Trunc | SignBit | Cbrt if dtype.is_complex() => {
            return Err(not_for(name, dtype, "real numbers"));
        }
        Conj | Real if !dtype.is_complex() => return Ok(x.clone()),
        Imag if !dtype.is_complex() => return Ok(filled(Scalar::Int(0), dtype, x.shape())),
        IsFinite if !dtype.is_inexact() => return Ok(filled(Scalar::Bool(true), DType::Bool, x.shape())),
        IsInf | IsNan if !dtype.is_inexact() => {
            return Ok(filled(Scalar::Bool(false), DType::Bool, x.shape()));
        }
        SignBit if dtype.is_bool() || dtype.is_unsigned() => {
            return Ok(filled(Scalar::Bool(false), DType::Bool, x.shape()));
        }
        BitwiseInvert if dtype.is_inexact() => return Err(not_for(name, dtype, "integers and booleans")),
        _ => {}
    }
    let operand = match op {
        Acos | Acosh | Asin | Asinh | Atan | Atanh | Cos | Cosh | Exp | Expm1 | Log | Log1p | Log2
        | Log10 | Reciprocal | Sin | Sinh | Sqrt | Tan | Tanh | Cbrt | Exp2 | Angle => {
            cast(x, dtype.inexact())
        }
        LogicalNot => cast(x, DType::Bool),
        _ => x.clone(),
    };
    let (result, shape) = (op.result(operand.dtype()), operand.shape().to_vec());
    Ok(Array::new(Op::Unary(op), vec![operand], result, shape))
}

/// Applies a function to each pair of elements, promoted to one type and broadcast to one shape.
///
/// # Types
/// Division, angles, roots and logarithms give floats, `float64` for integers; `floor_divide`, `remainder`, `fmod`,
/// `pow` and shifts take booleans as `int8`; `add` and `multiply` of booleans are `or` and `and`; logical functions take
/// what is not 0 as true; comparisons of `uint64` with signed integers are exact.
///
/// # Errors
/// `Type` where the function is not defined for the promoted type; `Value` where the shapes do not broadcast.
pub fn binary(op: BinaryOp, a: &Array, b: &Array) -> Result<Array> {
    use BinaryOp::*;
    let promoted = a.dtype().promote(b.dtype());
    let name = op.name();
    let dtype = match op {
        Divide => promoted.inexact(),
        Atan2 | Hypot | CopySign | NextAfter | LogAddExp => {
            if promoted.is_complex() {
                return Err(not_for(name, promoted, "real numbers"));
            }
            promoted.inexact()
        }
        FloorDivide | Remainder | Fmod => {
            if promoted.is_complex() {
                return Err(not_for(name, promoted, "real numbers"));
            }
            if promoted.is_bool() { DType::I8 } else { promoted }
        }
        Pow if promoted.is_bool() => DType::I8,
        Subtract if promoted.is_bool() => {
            return Err(not_for(name, promoted, "numbers; of booleans use bitwise_xor or logical_xor"));
        }
        Maximum | Minimum | Fmax | Fmin | Less | LessEqual | Greater | GreaterEqual
            if promoted.is_complex() =>
        {
            return Err(not_for(name, promoted, "real numbers"));
        }
        BitwiseAnd | BitwiseOr | BitwiseXor | ShiftLeft | ShiftRight if promoted.is_inexact() => {
            let message = format!(
                "{name} does not take {} and {}: it takes integers and booleans",
                a.dtype(),
                b.dtype()
            );
            return Err(Error::dtype(message));
        }
        ShiftLeft | ShiftRight if promoted.is_bool() => DType::I8,
        LogicalAnd | LogicalOr | LogicalXor => DType::Bool,
        Complex => match promoted.inexact() {
            DType::C64 | DType::C128 => return Err(not_for(name, promoted, "real numbers")),
            DType::F16 | DType::BF16 => DType::F32,
            other => other,
        },
        _ => promoted,
    };
    if op.is_comparison() && dtype == DType::F64 && a.dtype().is_integer() && b.dtype().is_integer() {
        return compare_signs(op, a, b);
    }
    let shape = broadcast_shape(&[a.shape(), b.shape()])?;
    let operands = vec![broadcast(&cast(a, dtype), &shape), broadcast(&cast(b, dtype), &shape)];
    Ok(Array::new(Op::Binary(op), operands, op.result(dtype), shape))
}

/// Compares signed integers with `uint64`, which no integer type of ours holds both of.
fn compare_signs(op: BinaryOp, a: &Array, b: &Array) -> Result<Array> {
    use BinaryOp::*;
    if a.dtype().is_unsigned() {
        let turned = match op {
            Less => Greater,
            LessEqual => GreaterEqual,
            Greater => Less,
            GreaterEqual => LessEqual,
            same => same,
        };
        return compare_signs(turned, b, a);
    }
    let negative = binary(Less, a, &filled(Scalar::Int(0), a.dtype(), &[]))?;
    let compared = binary(op, &cast(a, DType::U64), b)?;
    match op {
        Less | LessEqual | NotEqual => binary(LogicalOr, &negative, &compared),
        _ => binary(LogicalAnd, &unary(UnaryOp::LogicalNot, &negative)?, &compared),
    }
}

/// Chooses each element of `yes` where `condition` is true (not 0), of `no` elsewhere; both are promoted to one type, all
/// three are broadcast to one shape.
///
/// # Errors
/// `Value` where the shapes do not broadcast.
pub fn where_(condition: &Array, yes: &Array, no: &Array) -> Result<Array> {
    let dtype = yes.dtype().promote(no.dtype());
    let shape = broadcast_shape(&[condition.shape(), yes.shape(), no.shape()])?;
    let operands = vec![
        broadcast(&cast(condition, DType::Bool), &shape),
        broadcast(&cast(yes, dtype), &shape),
        broadcast(&cast(no, dtype), &shape),
    ];
    Ok(Array::new(Op::Where, operands, dtype, shape))
}

/// Converts to another type: floats to integers toward zero (saturating, NaN to 0), integers wrap, to boolean what is
/// not 0, complex to real drops the imaginary part. The same array where it has the type.
pub fn cast(x: &Array, dtype: DType) -> Array {
    if x.dtype() == dtype {
        return x.clone();
    }
    if let Op::Full(value) = x.op() {
        let chunks = x.chunks().to_vec();
        return filled(*value, dtype, x.shape()).with_chunks(chunks);
    }
    Array::new(Op::Cast, vec![x.clone()], dtype, x.shape().to_vec())
}

/// A value without axes, of the type in which it meets `beside`.
///
/// # Errors
/// `Value` where an integer is not one of the array's integer type.
pub fn scalar_like(value: Scalar, beside: &Array) -> Result<Array> {
    Ok(filled(value, value.dtype_beside(beside.dtype())?, &[]))
}

/// The shape that all of these broadcast to, by NumPy's rules.
///
/// # Errors
/// `Value`, naming the shapes, where there is none.
pub fn broadcast_shape(shapes: &[&[usize]]) -> Result<Vec<usize>> {
    let ndim = shapes.iter().map(|shape| shape.len()).max().unwrap_or(0);
    let mut joint = vec![1usize; ndim];
    for shape in shapes {
        for (len, &own) in joint.iter_mut().rev().zip(shape.iter().rev()) {
            match (*len, own) {
                (a, b) if a == b => {}
                (1, b) => *len = b,
                (_, 1) => {}
                _ => {
                    let shown: Vec<String> = shapes.iter().map(|shape| show_shape(shape)).collect();
                    return Err(Error::value(format!(
                        "operands could not be broadcast together with shapes {}",
                        shown.join(" ")
                    )));
                }
            }
        }
    }
    Ok(joint)
}

/// `x` in a shape that it is known to broadcast to.
pub(crate) fn broadcast(x: &Array, shape: &[usize]) -> Array {
    if x.shape() == shape {
        return x.clone();
    }
    if let Op::Full(value) = x.op() {
        return filled(*value, x.dtype(), shape);
    }
    Array::new(Op::Broadcast, vec![x.clone()], x.dtype(), shape.to_vec())
}

/// Limits each element to at least `min` and at most `max`; NaN stays, and NaN limits give NaN. Where `min` is above
/// `max` the result is `max`. The result has `x`'s type, unless a limit is of a higher kind.
///
/// # Errors
/// `Type` for complex numbers, `Value` where the shapes do not broadcast.
pub fn clip(x: &Array, min: Option<&Array>, max: Option<&Array>) -> Result<Array> {
    if x.dtype().is_complex() {
        return Err(not_for("clip", x.dtype(), "real numbers"));
    }
    let low = min.map_or_else(|| Ok(x.clone()), |min| binary(BinaryOp::Maximum, x, min))?;
    let limited = max.map_or_else(|| Ok(low.clone()), |max| binary(BinaryOp::Minimum, &low, max))?;
    let (own, joint) = (x.dtype(), limited.dtype());
    let same_kind = own.is_integer() == joint.is_integer() && own.is_float() == joint.is_float();
    Ok(if same_kind { cast(&limited, own) } else { limited })
}

/// Whether `|a - b| <= atol + rtol·|b|`, element by element; infinities are close to themselves alone, NaN to NaN if
/// `equal_nan`.
///
/// # Errors
/// `Value` where the shapes do not broadcast.
pub fn isclose(a: &Array, b: &Array, rtol: f64, atol: f64, equal_nan: bool) -> Result<Array> {
    use BinaryOp::*;
    let dtype = a.dtype().promote(b.dtype()).inexact();
    let (a, b) = (cast(a, dtype), cast(b, dtype));
    let magnitude = unary(UnaryOp::Abs, &b)?;
    let real = magnitude.dtype();
    let relative = binary(Multiply, &filled(Scalar::Float(rtol), real, &[]), &magnitude)?;
    let bound = binary(Add, &filled(Scalar::Float(atol), real, &[]), &relative)?;
    let distance = unary(UnaryOp::Abs, &binary(Subtract, &a, &b)?)?;
    let within = binary(LogicalAnd, &binary(LessEqual, &distance, &bound)?, &unary(UnaryOp::IsFinite, &b)?)?;
    let close = binary(LogicalOr, &within, &binary(Equal, &a, &b)?)?;
    if !equal_nan {
        return Ok(close);
    }
    let both = binary(LogicalAnd, &unary(UnaryOp::IsNan, &a)?, &unary(UnaryOp::IsNan, &b)?)?;
    binary(LogicalOr, &close, &both)
}

/// Whether all elements are close, as [`isclose`] has it: one boolean without axes.
///
/// # Errors
/// `Value` where the shapes do not broadcast.
pub fn allclose(a: &Array, b: &Array, rtol: f64, atol: f64, equal_nan: bool) -> Result<Array> {
    super::reduce::all(&isclose(a, b, rtol, atol, equal_nan)?, None, false)
}

/// Replaces NaN by `nan`, and infinities by `posinf` and `neginf`, or else by the greatest and least finite value of the
/// type; of complex numbers in both parts. Integers stay as they are.
///
/// # Errors
/// None that the operands could cause.
pub fn nan_to_num(x: &Array, nan: f64, posinf: Option<f64>, neginf: Option<f64>) -> Result<Array> {
    if x.dtype().is_complex() {
        let part = |op| nan_to_num(&unary(op, x)?, nan, posinf, neginf);
        return binary(BinaryOp::Complex, &part(UnaryOp::Real)?, &part(UnaryOp::Imag)?);
    }
    if !x.dtype().is_float() {
        return Ok(x.clone());
    }
    let greatest = match x.dtype() {
        DType::F16 => half::f16::MAX.to_f64(),
        DType::BF16 => half::bf16::MAX.to_f64(),
        DType::F32 => f32::MAX as f64,
        _ => f64::MAX,
    };
    let constant = |value: f64| filled(Scalar::Float(value), x.dtype(), &[]);
    let infinite = unary(UnaryOp::IsInf, x)?;
    let negative = unary(UnaryOp::SignBit, x)?;
    let limit =
        where_(&negative, &constant(neginf.unwrap_or(-greatest)), &constant(posinf.unwrap_or(greatest)))?;
    let finite = where_(&infinite, &limit, x)?;
    where_(&unary(UnaryOp::IsNan, x)?, &constant(nan), &finite)
}

/// `x·2^exponent`, exact unless it overflows or is subnormal.
///
/// # Errors
/// `Type` for complex numbers or exponents that are not integers; `Value` where the shapes do not broadcast.
pub fn ldexp(x: &Array, exponent: &Array) -> Result<Array> {
    if !(exponent.dtype().is_integer() || exponent.dtype().is_bool()) {
        return Err(not_for("ldexp", exponent.dtype(), "integer exponents"));
    }
    if x.dtype().is_complex() {
        return Err(not_for("ldexp", x.dtype(), "real numbers"));
    }
    let dtype = x.dtype().inexact();
    // In halves, so that neither power overflows or vanishes before the product does.
    let limit = |value: i128| filled(Scalar::Int(value), DType::I64, &[]);
    let exponent = clip(&cast(exponent, DType::I64), Some(&limit(-4200)), Some(&limit(4200)))?;
    let mut value = cast(x, DType::F64);
    let mut left = exponent;
    for parts in [4i128, 3, 2, 1] {
        let part = binary(BinaryOp::FloorDivide, &left, &limit(parts))?;
        left = binary(BinaryOp::Subtract, &left, &part)?;
        let power = unary(UnaryOp::Exp2, &cast(&part, DType::F64))?;
        value = binary(BinaryOp::Multiply, &value, &power)?;
    }
    Ok(cast(&value, dtype))
}

/// 0 where `x` is negative, 1 where it is positive, `at_zero` where it is 0; NaN stays.
///
/// # Errors
/// `Type` for complex numbers; `Value` where the shapes do not broadcast.
pub fn heaviside(x: &Array, at_zero: &Array) -> Result<Array> {
    let dtype = x.dtype().promote(at_zero.dtype()).inexact();
    let constant = |value: f64| filled(Scalar::Float(value), dtype, &[]);
    let x = cast(x, dtype);
    let negative = binary(BinaryOp::Less, &x, &constant(0.0))?;
    let zero = binary(BinaryOp::Equal, &x, &constant(0.0))?;
    let sided = where_(&negative, &constant(0.0), &constant(1.0))?;
    let known = where_(&zero, at_zero, &sided)?;
    where_(&unary(UnaryOp::IsNan, &x)?, &x, &known)
}

#[cfg(test)]
mod tests;
