//! Functions of one value.

use std::slice::{from_raw_parts, from_raw_parts_mut};

use half::{bf16, f16};

use crate::dtype::DType;
use crate::error::{Error, Result};
use crate::program::UnaryOp;

use crate::kernel::vectors::vectorized;

use super::complex;
use super::functions;
use super::integer::Integer;
use super::loops::{BLOCK, Half, Operand, map, map_long, repair};
use super::real;

/// `to[i] = op(x[i])` for an operand of `dtype`.
///
/// # Safety
/// `x` has `n` elements of `dtype`, `to` has room for `n` of the result elsewhere.
///
/// # Errors
/// `Bug` where the operator is not defined for the type.
pub unsafe fn run(op: UnaryOp, dtype: DType, x: Operand, to: *mut u8, n: usize) -> Result<()> {
    // SAFETY: as above.
    let known = unsafe {
        match dtype {
            DType::F16 => return halves::<f16>(op, dtype, x, to, n),
            DType::BF16 => return halves::<bf16>(op, dtype, x, to, n),
            DType::F32 => quick_f32(op, x, to, n) || functions_f32(op, x, to, n),
            DType::F64 => quick_f64(op, x, to, n) || functions_f64(op, x, to, n),
            DType::C64 => complex_f32(op, x, to, n),
            DType::C128 => complex_f64(op, x, to, n),
            other => integers(op, other, x, to, n),
        }
    };
    if known { Ok(()) } else { Err(Error::bug(format!("{} of {dtype} is not defined", op.name()))) }
}

/// Computes in `float32`, block by block, and rounds.
unsafe fn halves<H: Half>(op: UnaryOp, dtype: DType, x: Operand, to: *mut u8, n: usize) -> Result<()> {
    let (mut wide, mut result) = ([0f32; BLOCK], [0f32; BLOCK]);
    for start in (0..n).step_by(BLOCK) {
        let len = BLOCK.min(n - start);
        // SAFETY: as above.
        unsafe {
            H::widen(from_raw_parts(x.at::<H>(start), len), &mut wide[..len]);
            if op.result(dtype).is_bool() {
                run(op, DType::F32, Operand::of(&wide), to.add(start), len)?;
            } else {
                run(op, DType::F32, Operand::of(&wide), result.as_mut_ptr().cast(), len)?;
                H::narrow(&result[..len], from_raw_parts_mut(to.cast::<H>().add(start), len));
            }
        }
    }
    Ok(())
}

vectorized! {
    unsafe fn integers(op: UnaryOp, dtype: DType, x: Operand, to: *mut u8, n: usize) -> bool = integers_any;
}

#[inline(always)]
unsafe fn integers_any(op: UnaryOp, dtype: DType, x: Operand, to: *mut u8, n: usize) -> bool {
    // SAFETY: as for `run`.
    unsafe {
        match dtype {
            DType::Bool => match op {
                UnaryOp::BitwiseInvert | UnaryOp::LogicalNot => map(x, to, n, |x: u8| x ^ 1),
                _ => return false,
            },
            DType::U8 => return bits_u8(op, x, to, n) || signs::<u8>(op, x, to, n),
            DType::U16 => return bits_u16(op, x, to, n) || signs::<u16>(op, x, to, n),
            DType::U32 => return bits_u32(op, x, to, n) || signs::<u32>(op, x, to, n),
            DType::U64 => return bits_u64(op, x, to, n) || signs::<u64>(op, x, to, n),
            DType::I8 => return bits_u8(op, x, to, n) || signs::<i8>(op, x, to, n),
            DType::I16 => return bits_u16(op, x, to, n) || signs::<i16>(op, x, to, n),
            DType::I32 => return bits_u32(op, x, to, n) || signs::<i32>(op, x, to, n),
            DType::I64 => return bits_u64(op, x, to, n) || signs::<i64>(op, x, to, n),
            _ => return false,
        }
    }
    true
}

macro_rules! bits {
    ($($name:ident $type:ident;)*) => {
        $(
            /// What does not depend on whether there is a sign.
            #[inline(always)]
            unsafe fn $name(op: UnaryOp, x: Operand, to: *mut u8, n: usize) -> bool {
                // SAFETY: as for `run`.
                unsafe {
                    match op {
                        UnaryOp::BitwiseInvert => map(x, to, n, |x: $type| !x),
                        UnaryOp::Negative => map(x, to, n, $type::wrapping_neg),
                        UnaryOp::Square => map(x, to, n, |x: $type| x.wrapping_mul(x)),
                        _ => return false,
                    }
                }
                true
            }
        )*
    };
}

bits! {
    bits_u8 u8;
    bits_u16 u16;
    bits_u32 u32;
    bits_u64 u64;
}

#[inline(always)]
unsafe fn signs<T: Integer>(op: UnaryOp, x: Operand, to: *mut u8, n: usize) -> bool {
    // SAFETY: as for `run`.
    unsafe {
        match op {
            UnaryOp::Abs => map(x, to, n, T::magnitude),
            UnaryOp::Sign => map(x, to, n, T::sign),
            UnaryOp::SignBit => map(x, to, n, T::is_negative),
            _ => return false,
        }
    }
    true
}

macro_rules! floats {
    ($($type:ident $quick:ident $quick_any:ident $functions:ident $functions_any:ident, turns $turns:literal, squares $squares:literal;)*) => {
        $(
            vectorized! {
                unsafe fn $quick(op: UnaryOp, x: Operand, to: *mut u8, n: usize) -> bool = $quick_any;
            }

            /// What vector instructions do.
            #[inline(always)]
            unsafe fn $quick_any(op: UnaryOp, x: Operand, to: *mut u8, n: usize) -> bool {
                use UnaryOp::*;
                // SAFETY: as for `run`.
                unsafe {
                    match op {
                        Abs => map(x, to, n, $type::abs),
                        Ceil => map(x, to, n, $type::ceil),
                        Floor => map(x, to, n, $type::floor),
                        Trunc => map(x, to, n, $type::trunc),
                        Round => map(x, to, n, $type::round_ties_even),
                        IsFinite => map(x, to, n, $type::is_finite),
                        IsInf => map(x, to, n, $type::is_infinite),
                        IsNan => map(x, to, n, $type::is_nan),
                        Negative => map(x, to, n, |x: $type| -x),
                        Reciprocal => map(x, to, n, |x: $type| 1.0 / x),
                        Sign => map(x, to, n, <$type as real::Real>::sign),
                        SignBit => map(x, to, n, $type::is_sign_negative),
                        Sqrt => map(x, to, n, $type::sqrt),
                        Square => map(x, to, n, |x: $type| x * x),
                        Angle => map(x, to, n, <$type as real::Real>::angle),
                        _ => return false,
                    }
                }
                true
            }

            vectorized! {
                unsafe fn $functions(op: UnaryOp, x: Operand, to: *mut u8, n: usize) -> bool = $functions_any;
            }

            /// What is made of polynomials.
            #[inline(always)]
            unsafe fn $functions_any(op: UnaryOp, x: Operand, to: *mut u8, n: usize) -> bool {
                use UnaryOp::*;
                // Beyond it, a quarter turn has too few digits to be taken away.
                let turns = |x: $type| x.abs() <= $turns;
                // Beyond it, a square overflows.
                let squares = |x: $type| x.abs() <= $squares;
                // SAFETY: as for `run`.
                unsafe {
                    match op {
                        Acos => map_long!(x, to, n, $type, functions::acos::<$type>),
                        Acosh => {
 map_long!(x, to, n, $type, functions::acosh::<$type>);
 repair(x, to, n, squares, $type::acosh);
 }
                        Asin => map_long!(x, to, n, $type, functions::asin::<$type>),
                        Asinh => {
 map_long!(x, to, n, $type, functions::asinh::<$type>);
 repair(x, to, n, squares, $type::asinh);
 }
                        Atan => map_long!(x, to, n, $type, functions::atan::<$type>),
                        Atanh => map_long!(x, to, n, $type, functions::atanh::<$type>),
                        Cos => {
 map_long!(x, to, n, $type, functions::cos::<$type>);
 repair(x, to, n, turns, $type::cos);
 }
                        Cosh => map_long!(x, to, n, $type, functions::cosh::<$type>),
                        Exp => map_long!(x, to, n, $type, functions::exp::<$type>),
                        Expm1 => map_long!(x, to, n, $type, functions::expm1::<$type>),
                        Log => map_long!(x, to, n, $type, functions::log::<$type>),
                        Log1p => map_long!(x, to, n, $type, functions::log1p::<$type>),
                        Log2 => map_long!(x, to, n, $type, functions::log2::<$type>),
                        Log10 => map_long!(x, to, n, $type, functions::log10::<$type>),
                        Sin => {
 map_long!(x, to, n, $type, functions::sin::<$type>);
 repair(x, to, n, turns, $type::sin);
 }
                        Sinh => map_long!(x, to, n, $type, functions::sinh::<$type>),
                        Tan => {
 map_long!(x, to, n, $type, functions::tan::<$type>);
 repair(x, to, n, turns, $type::tan);
 }
                        Tanh => map_long!(x, to, n, $type, functions::tanh::<$type>),
                        Cbrt => map(x, to, n, $type::cbrt),
                        Exp2 => map_long!(x, to, n, $type, functions::exp2::<$type>),
                        _ => return false,
                    }
                }
                true
            }
        )*
    };
}

floats! {
    f32 quick_f32 quick_f32_any functions_f32 functions_f32_any, turns 1e5, squares 1e18;
    f64 quick_f64 quick_f64_any functions_f64 functions_f64_any, turns 1e9, squares 1e150;
}

macro_rules! complexes {
    ($($type:ident $name:ident;)*) => {
        $(
            unsafe fn $name(op: UnaryOp, x: Operand, to: *mut u8, n: usize) -> bool {
                use UnaryOp::*;
                type C = num_complex::Complex<$type>;
                // SAFETY: as for `run`.
                unsafe {
                    match op {
                        Abs => map(x, to, n, complex::magnitude::<$type>),
                        Angle => map(x, to, n, |z: C| z.im.atan2(z.re)),
                        Conj => map(x, to, n, |z: C| C::new(z.re, -z.im)),
                        Imag => map(x, to, n, |z: C| z.im),
                        Real => map(x, to, n, |z: C| z.re),
                        IsFinite => map(x, to, n, |z: C| z.re.is_finite() && z.im.is_finite()),
                        IsInf => map(x, to, n, |z: C| z.re.is_infinite() || z.im.is_infinite()),
                        IsNan => map(x, to, n, |z: C| z.re.is_nan() || z.im.is_nan()),
                        Negative => map(x, to, n, |z: C| C::new(-z.re, -z.im)),
                        Round => map(x, to, n, |z: C| C::new(z.re.round_ties_even(), z.im.round_ties_even())),
                        Square => map(x, to, n, |z: C| z * z),
                        _ => match complex::function(op) {
                            Some(function) => {
                                map(x, to, n, |z: C| complex::narrow::<$type>(function(complex::widen(z))));
                            }
                            None => return false,
                        },
                    }
                }
                true
            }
        )*
    };
}

complexes! {
    f32 complex_f32;
    f64 complex_f64;
}
