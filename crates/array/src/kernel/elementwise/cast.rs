//! Conversions between types.

use std::slice::{from_raw_parts, from_raw_parts_mut};

use half::{bf16, f16};
use num_complex::Complex;

use crate::dtype::DType;
use crate::{dispatch, dispatch_size};

use crate::kernel::vectors::vectorized;

use super::loops::{BLOCK, Half, Operand, map};

/// Converts `n` elements: floats to integers toward zero (saturating, NaN to 0), integers wrap, to boolean what is not 0,
/// complex to real drops the imaginary part.
///
/// # Safety
/// `x` has `n` elements of `from`, `out` has room for `n` of `to` elsewhere.
pub unsafe fn run(from: DType, to: DType, x: Operand, out: *mut u8, n: usize) {
    // SAFETY: as above.
    unsafe {
        match (from, to) {
            _ if from == to => dispatch_size!(from, T => {
                std::ptr::copy_nonoverlapping(x.pointer.cast::<T>(), out.cast::<T>(), n);
            }),
            (DType::F16, _) => widen::<f16>(to, x, out, n),
            (DType::BF16, _) => widen::<bf16>(to, x, out, n),
            (DType::F32, DType::F16) => narrow::<f16>(x, out, n),
            (DType::F32, DType::BF16) => narrow::<bf16>(x, out, n),
            (_, DType::F16) => dispatch!(from, T => map(x, out, n, |x: T| f16::from_f64(T::to_f64(x)))),
            (_, DType::BF16) => dispatch!(from, T => map(x, out, n, |x: T| bf16::from_f64(T::to_f64(x)))),
            (DType::C64, _) if !to.is_complex() => {
                // The real parts, block by block.
                let mut real = [0f32; BLOCK];
                for start in (0..n).step_by(BLOCK) {
                    let len = BLOCK.min(n - start);
                    let values = from_raw_parts(x.pointer.cast::<Complex<f32>>().add(start), len);
                    real.iter_mut().zip(values).for_each(|(real, value)| *real = value.re);
                    if to.is_bool() {
                        let out = from_raw_parts_mut(out.cast::<bool>().add(start), len);
                        out.iter_mut().zip(values).for_each(|(out, z)| *out = z.re != 0.0 || z.im != 0.0);
                    } else {
                        run(DType::F32, to, Operand::of(&real), out.add(start * to.size()), len);
                    }
                }
            }
            (DType::C128, _) if !to.is_complex() => {
                let mut real = [0f64; BLOCK];
                for start in (0..n).step_by(BLOCK) {
                    let len = BLOCK.min(n - start);
                    let values = from_raw_parts(x.pointer.cast::<Complex<f64>>().add(start), len);
                    real.iter_mut().zip(values).for_each(|(real, value)| *real = value.re);
                    if to.is_bool() {
                        let out = from_raw_parts_mut(out.cast::<bool>().add(start), len);
                        out.iter_mut().zip(values).for_each(|(out, z)| *out = z.re != 0.0 || z.im != 0.0);
                    } else {
                        run(DType::F64, to, Operand::of(&real), out.add(start * to.size()), len);
                    }
                }
            }
            _ => numbers(from, to, x, out, n),
        }
    }
}

/// What conversions to 16 bits go through.
trait Wide: Copy {
    fn to_f64(self) -> f64;
}

macro_rules! wide {
    ($($type:ident)*) => {
        $(impl Wide for $type {
            #[inline(always)]
            fn to_f64(self) -> f64 {
                self as f64
            }
        })*
    };
}

wide!(i8 i16 i32 i64 u8 u16 u32 u64 f32 f64);

impl Wide for bool {
    fn to_f64(self) -> f64 {
        self as u8 as f64
    }
}

impl Wide for f16 {
    fn to_f64(self) -> f64 {
        f16::to_f64(self)
    }
}

impl Wide for bf16 {
    fn to_f64(self) -> f64 {
        bf16::to_f64(self)
    }
}

impl Wide for Complex<f32> {
    fn to_f64(self) -> f64 {
        self.re as f64
    }
}

impl Wide for Complex<f64> {
    fn to_f64(self) -> f64 {
        self.re
    }
}

unsafe fn widen<H: Half>(to: DType, x: Operand, out: *mut u8, n: usize) {
    let mut wide = [0f32; BLOCK];
    for start in (0..n).step_by(BLOCK) {
        let len = BLOCK.min(n - start);
        // SAFETY: as for `run`.
        unsafe {
            let from = from_raw_parts(x.at::<H>(start), len);
            if to == DType::F32 {
                H::widen(from, from_raw_parts_mut(out.cast::<f32>().add(start), len));
            } else {
                H::widen(from, &mut wide[..len]);
                run(DType::F32, to, Operand::of(&wide), out.add(start * to.size()), len);
            }
        }
    }
}

unsafe fn narrow<H: Half>(x: Operand, out: *mut u8, n: usize) {
    // SAFETY: as for `run`.
    unsafe { H::narrow(x.slice(n), from_raw_parts_mut(out.cast::<H>(), n)) }
}

vectorized! {
    unsafe fn numbers(from: DType, to: DType, x: Operand, out: *mut u8, n: usize) -> () = numbers_any;
}

macro_rules! to_all {
    ($from:ident, $to:expr, $x:expr, $out:expr, $n:expr) => {
        match $to {
            DType::Bool => map($x, $out, $n, |x: $from| x != 0 as $from),
            // Bits are the same with a sign and without.
            DType::I8 => map($x, $out, $n, |x: $from| x as i8),
            DType::U8 => map($x, $out, $n, |x: $from| x as u8),
            DType::I16 => map($x, $out, $n, |x: $from| x as i16),
            DType::U16 => map($x, $out, $n, |x: $from| x as u16),
            DType::I32 => map($x, $out, $n, |x: $from| x as i32),
            DType::U32 => map($x, $out, $n, |x: $from| x as u32),
            DType::I64 => map($x, $out, $n, |x: $from| x as i64),
            DType::U64 => map($x, $out, $n, |x: $from| x as u64),
            DType::F32 => map($x, $out, $n, |x: $from| x as f32),
            DType::F64 => map($x, $out, $n, |x: $from| x as f64),
            DType::C64 => map($x, $out, $n, |x: $from| Complex::new(x as f32, 0.0)),
            DType::C128 => map($x, $out, $n, |x: $from| Complex::new(x as f64, 0.0)),
            // Not asked for: `run` sees to them.
            DType::F16 | DType::BF16 => {}
        }
    };
}

#[inline(always)]
unsafe fn numbers_any(from: DType, to: DType, x: Operand, out: *mut u8, n: usize) {
    // SAFETY: as for `run`; booleans are bytes of 0 or 1.
    unsafe {
        match from {
            DType::Bool | DType::U8 => to_all!(u8, to, x, out, n),
            DType::I8 => to_all!(i8, to, x, out, n),
            DType::I16 => to_all!(i16, to, x, out, n),
            DType::I32 => to_all!(i32, to, x, out, n),
            DType::I64 => to_all!(i64, to, x, out, n),
            DType::U16 => to_all!(u16, to, x, out, n),
            DType::U32 => to_all!(u32, to, x, out, n),
            DType::U64 => to_all!(u64, to, x, out, n),
            DType::F32 => to_all!(f32, to, x, out, n),
            DType::F64 => to_all!(f64, to, x, out, n),
            DType::C64 => map(x, out, n, |z: Complex<f32>| Complex::new(z.re as f64, z.im as f64)),
            DType::C128 => map(x, out, n, |z: Complex<f64>| Complex::new(z.re as f32, z.im as f32)),
            DType::F16 | DType::BF16 => {}
        }
    }
}
