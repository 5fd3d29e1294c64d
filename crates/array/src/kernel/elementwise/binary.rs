//! Functions of two values.

use std::slice::from_raw_parts_mut;

use half::{bf16, f16};
use num_complex::Complex;

use crate::dtype::DType;
use crate::error::{Error, Result};
use crate::program::BinaryOp;

use crate::kernel::vectors::vectorized;

use super::complex;
use super::functions;
use super::integer::Integer;
use super::loops::{BLOCK, Half, Operand, repair_pairs, zip, zip_long};
use super::real::Real;

/// `to[i] = op(a[i], b[i])` for operands of `dtype`.
///
/// # Safety
/// `a` and `b` have `n` elements of `dtype` or are blocks, `to` has room for `n` of the result elsewhere.
///
/// # Errors
/// `Bug` where the operator is not defined for the type.
pub unsafe fn run(op: BinaryOp, dtype: DType, a: Operand, b: Operand, to: *mut u8, n: usize) -> Result<()> {
    use BinaryOp::*;
    // Each order has its mirror image.
    let (op, a, b) = match op {
        Greater => (Less, b, a),
        GreaterEqual => (LessEqual, b, a),
        // SAFETY: as above.
        Pow if b.spread && unsafe { is_two(dtype, b) } => (Multiply, a, a),
        other => (other, a, b),
    };
    // SAFETY: as above.
    let known = unsafe {
        match dtype {
            DType::Bool => booleans(op, a, b, to, n),
            DType::F16 => return halves::<f16>(op, dtype, a, b, to, n),
            DType::BF16 => return halves::<bf16>(op, dtype, a, b, to, n),
            DType::F32 => quick_f32(op, a, b, to, n) || functions_f32(op, a, b, to, n),
            DType::F64 => quick_f64(op, a, b, to, n) || functions_f64(op, a, b, to, n),
            DType::C64 => complex_f32(op, a, b, to, n),
            DType::C128 => complex_f64(op, a, b, to, n),
            integer => integers(op, integer, a, b, to, n),
        }
    };
    if known { Ok(()) } else { Err(Error::bug(format!("{} of {dtype} is not defined", op.name()))) }
}

/// Whether a block is of the float 2, whose power is a product.
unsafe fn is_two(dtype: DType, block: Operand) -> bool {
    // SAFETY: a block has an element of the type.
    unsafe {
        match dtype {
            DType::F32 => *block.pointer.cast::<f32>() == 2.0,
            DType::F64 => *block.pointer.cast::<f64>() == 2.0,
            _ => false,
        }
    }
}

/// Computes in `float32`, block by block, and rounds.
unsafe fn halves<H: Half>(
    op: BinaryOp,
    dtype: DType,
    a: Operand,
    b: Operand,
    to: *mut u8,
    n: usize,
) -> Result<()> {
    let (mut x, mut y, mut z) = ([0f32; BLOCK], [0f32; BLOCK], [0f32; BLOCK]);
    for start in (0..n).step_by(BLOCK) {
        let len = BLOCK.min(n - start);
        // SAFETY: as above.
        unsafe {
            let (a, b) = (a.at::<H>(start), b.at::<H>(start));
            if op == BinaryOp::NextAfter {
                let to = from_raw_parts_mut(to.cast::<u16>().add(start), len);
                for (i, to) in to.iter_mut().enumerate() {
                    let mut ends = [0f32; 2];
                    H::widen(&[*a.add(i), *b.add(i)], &mut ends);
                    *to = next_after(*a.cast::<u16>().add(i), *b.cast::<u16>().add(i), ends);
                }
                continue;
            }
            H::widen(std::slice::from_raw_parts(a, len), &mut x[..len]);
            H::widen(std::slice::from_raw_parts(b, len), &mut y[..len]);
            let (a, b) = (Operand::of(&x), Operand::of(&y));
            match op.result(dtype) {
                DType::Bool => run(op, DType::F32, a, b, to.add(start), len)?,
                result if result == dtype => {
                    run(op, DType::F32, a, b, z.as_mut_ptr().cast(), len)?;
                    H::narrow(&z[..len], from_raw_parts_mut(to.cast::<H>().add(start), len));
                }
                _ => run(op, DType::F32, a, b, to.cast::<Complex<f32>>().add(start).cast(), len)?,
            }
        }
    }
    Ok(())
}

/// The neighbour of a 16-bit float: their bits count like integers of the same sign.
fn next_after(bits: u16, to_bits: u16, [value, to]: [f32; 2]) -> u16 {
    if value.is_nan() {
        bits
    } else if to.is_nan() || value == to {
        to_bits
    } else if value == 0.0 {
        1 | to_bits & 0x8000
    } else if (to > value) == (value > 0.0) {
        bits + 1
    } else {
        bits - 1
    }
}

unsafe fn booleans(op: BinaryOp, a: Operand, b: Operand, to: *mut u8, n: usize) -> bool {
    use BinaryOp::*;
    let op = match op {
        Add | LogicalOr | Maximum | Fmax => BitwiseOr,
        Multiply | LogicalAnd | Minimum | Fmin => BitwiseAnd,
        LogicalXor => NotEqual,
        BitwiseAnd | BitwiseOr | BitwiseXor | Equal | NotEqual | Less | LessEqual => op,
        _ => return false,
    };
    // SAFETY: booleans are bytes of 0 or 1, and so are these results.
    unsafe { integers(op, DType::U8, a, b, to, n) }
}

vectorized! {
    unsafe fn integers(op: BinaryOp, dtype: DType, a: Operand, b: Operand, to: *mut u8, n: usize) -> bool = integers_any;
}

#[inline(always)]
unsafe fn integers_any(op: BinaryOp, dtype: DType, a: Operand, b: Operand, to: *mut u8, n: usize) -> bool {
    // SAFETY: as for `run`.
    unsafe {
        match dtype {
            DType::U8 => bits_u8(op, a, b, to, n) || ordered::<u8>(op, a, b, to, n),
            DType::U16 => bits_u16(op, a, b, to, n) || ordered::<u16>(op, a, b, to, n),
            DType::U32 => bits_u32(op, a, b, to, n) || ordered::<u32>(op, a, b, to, n),
            DType::U64 => bits_u64(op, a, b, to, n) || ordered::<u64>(op, a, b, to, n),
            DType::I8 => bits_u8(op, a, b, to, n) || ordered::<i8>(op, a, b, to, n),
            DType::I16 => bits_u16(op, a, b, to, n) || ordered::<i16>(op, a, b, to, n),
            DType::I32 => bits_u32(op, a, b, to, n) || ordered::<i32>(op, a, b, to, n),
            DType::I64 => bits_u64(op, a, b, to, n) || ordered::<i64>(op, a, b, to, n),
            _ => false,
        }
    }
}

macro_rules! bits {
    ($($name:ident $type:ident;)*) => {
        $(
            /// What does not depend on whether there is a sign.
            #[inline(always)]
            unsafe fn $name(op: BinaryOp, a: Operand, b: Operand, to: *mut u8, n: usize) -> bool {
                use BinaryOp::*;
                // SAFETY: as for `run`.
                unsafe {
                    match op {
                        Add => zip(a, b, to, n, $type::wrapping_add),
                        Subtract => zip(a, b, to, n, $type::wrapping_sub),
                        Multiply => zip(a, b, to, n, $type::wrapping_mul),
                        BitwiseAnd => zip(a, b, to, n, |a: $type, b: $type| a & b),
                        BitwiseOr => zip(a, b, to, n, |a: $type, b: $type| a | b),
                        BitwiseXor => zip(a, b, to, n, |a: $type, b: $type| a ^ b),
                        ShiftLeft => zip(a, b, to, n, <$type as Integer>::shift_left),
                        Equal => zip(a, b, to, n, |a: $type, b: $type| a == b),
                        NotEqual => zip(a, b, to, n, |a: $type, b: $type| a != b),
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
unsafe fn ordered<T: Integer>(op: BinaryOp, a: Operand, b: Operand, to: *mut u8, n: usize) -> bool {
    use BinaryOp::*;
    // SAFETY: as for `run`.
    unsafe {
        match op {
            FloorDivide => zip(a, b, to, n, T::floor_divide),
            Remainder => zip(a, b, to, n, T::remainder),
            Fmod => zip(a, b, to, n, T::fmod),
            Pow => zip(a, b, to, n, T::power),
            Maximum | Fmax => zip(a, b, to, n, |a: T, b: T| if a > b { a } else { b }),
            Minimum | Fmin => zip(a, b, to, n, |a: T, b: T| if a < b { a } else { b }),
            ShiftRight => zip(a, b, to, n, T::shift_right),
            Less => zip(a, b, to, n, |a: T, b: T| a < b),
            LessEqual => zip(a, b, to, n, |a: T, b: T| a <= b),
            _ => return false,
        }
    }
    true
}

macro_rules! floats {
    ($($type:ident $quick:ident $quick_any:ident $functions:ident $functions_any:ident $power:ident, exact $exact:literal, squares $squares:literal;)*) => {
        $(
            vectorized! {
                unsafe fn $quick(op: BinaryOp, a: Operand, b: Operand, to: *mut u8, n: usize) -> bool = $quick_any;
            }

            /// What vector instructions do.
            #[inline(always)]
            unsafe fn $quick_any(op: BinaryOp, a: Operand, b: Operand, to: *mut u8, n: usize) -> bool {
                use BinaryOp::*;
                // SAFETY: as for `run`.
                unsafe {
                    match op {
                        Add => zip(a, b, to, n, |a: $type, b: $type| a + b),
                        Subtract => zip(a, b, to, n, |a: $type, b: $type| a - b),
                        Multiply => zip(a, b, to, n, |a: $type, b: $type| a * b),
                        Divide => zip(a, b, to, n, |a: $type, b: $type| a / b),
                        CopySign => zip(a, b, to, n, $type::copysign),
                        Maximum => zip(a, b, to, n, <$type as Real>::maximum),
                        Minimum => zip(a, b, to, n, <$type as Real>::minimum),
                        Fmax => zip(a, b, to, n, $type::maximum_number),
                        Fmin => zip(a, b, to, n, $type::minimum_number),
                        Equal => zip(a, b, to, n, |a: $type, b: $type| a == b),
                        NotEqual => zip(a, b, to, n, |a: $type, b: $type| a != b),
                        Less => zip(a, b, to, n, |a: $type, b: $type| a < b),
                        LessEqual => zip(a, b, to, n, |a: $type, b: $type| a <= b),
                        Complex => zip(a, b, to, n, num_complex::Complex::<$type>::new),
                        _ => return false,
                    }
                }
                true
            }

            vectorized! {
                unsafe fn $functions(op: BinaryOp, a: Operand, b: Operand, to: *mut u8, n: usize) -> bool = $functions_any;
            }

            /// What is made of several steps.
            #[inline(always)]
            unsafe fn $functions_any(op: BinaryOp, a: Operand, b: Operand, to: *mut u8, n: usize) -> bool {
                use BinaryOp::*;
                let divides = |a: $type, b: $type| a.is_finite() & b.is_finite() & ((a / b).abs() < $exact);
                let angles = |y: $type, x: $type| {
                    let greater = if y.abs() > x.abs() { y.abs() } else { x.abs() };
                    (greater > 1.0 / $squares) & (greater < $squares) & (x == x) & (y == y)
                };
                let powers = |x: $type, y: $type| (x >= $type::MIN_POSITIVE) & x.is_finite() & (y.abs() < 1e15);
                // SAFETY: as for `run`.
                unsafe {
                    match op {
                        FloorDivide => {
                            { zip_long!(a, b, to, n, $type, $type::quick_floor_divide);
 repair_pairs(a, b, to, n, divides, $type::floor_divide); }
                        }
                        Remainder => { zip_long!(a, b, to, n, $type, $type::quick_remainder);
 repair_pairs(a, b, to, n, divides, $type::remainder); }
                        Fmod => zip(a, b, to, n, |a: $type, b: $type| a % b),
                        Pow => { zip_long!(a, b, to, n, $type, functions::$power);
 repair_pairs(a, b, to, n, powers, $type::powf); }
                        Atan2 => { zip_long!(a, b, to, n, $type, functions::atan2::<$type>);
 repair_pairs(a, b, to, n, angles, $type::atan2); }
                        Hypot => zip(a, b, to, n, $type::hypot),
                        NextAfter => zip(a, b, to, n, $type::next_after),
                        LogAddExp => zip_long!(a, b, to, n, $type, functions::log_add_exp::<$type>),
                        _ => return false,
                    }
                }
                true
            }
        )*
    };
}

floats! {
    f32 quick_f32 quick_f32_any functions_f32 functions_f32_any power_f32, exact 4e6, squares 1e18;
    f64 quick_f64 quick_f64_any functions_f64 functions_f64_any power, exact 1e15, squares 1e150;
}

macro_rules! complexes {
    ($($type:ident $name:ident;)*) => {
        $(
            unsafe fn $name(op: BinaryOp, a: Operand, b: Operand, to: *mut u8, n: usize) -> bool {
                use BinaryOp::*;
                type C = num_complex::Complex<$type>;
                // SAFETY: as for `run`.
                unsafe {
                    match op {
                        Add => zip(a, b, to, n, |a: C, b: C| a + b),
                        Subtract => zip(a, b, to, n, |a: C, b: C| a - b),
                        Multiply => zip(a, b, to, n, |a: C, b: C| a * b),
                        Divide => zip(a, b, to, n, complex::divide::<$type>),
                        Pow => zip(a, b, to, n, |a: C, b: C| {
                            complex::narrow::<$type>(complex::power(complex::widen(a), complex::widen(b)))
                        }),
                        Equal => zip(a, b, to, n, |a: C, b: C| a == b),
                        NotEqual => zip(a, b, to, n, |a: C, b: C| a != b),
                        _ => return false,
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
