//! Running sums, products and extremes along rows, in order: what comes out does not depend on threads.

use half::{bf16, f16};
use num_complex::Complex;

use crate::dtype::{DType, Element};
use crate::error::{Error, Result};
use crate::tensor::{Tensor, TensorMut};

/// What runs along a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScanOp {
    /// Integers wrap; `float16` and `bfloat16` add in `float32`.
    Sum,
    Product,
    /// NaN from the first one on.
    Max,
    Min,
}

/// Scans along the last axis, in the type of `x`. With `initial`, rows begin with the value of nothing: 0 or 1, or the
/// least or greatest of the type.
///
/// # Errors
/// `Type` for extremes of complex numbers; `OutOfMemory`.
pub fn scan_rows(op: ScanOp, x: &Tensor, initial: bool) -> Result<Tensor> {
    match x.dtype() {
        DType::Bool => scan::<bool>(op, x, initial),
        DType::I8 => scan::<i8>(op, x, initial),
        DType::I16 => scan::<i16>(op, x, initial),
        DType::I32 => scan::<i32>(op, x, initial),
        DType::I64 => scan::<i64>(op, x, initial),
        DType::U8 => scan::<u8>(op, x, initial),
        DType::U16 => scan::<u16>(op, x, initial),
        DType::U32 => scan::<u32>(op, x, initial),
        DType::U64 => scan::<u64>(op, x, initial),
        DType::F16 => scan::<f16>(op, x, initial),
        DType::BF16 => scan::<bf16>(op, x, initial),
        DType::F32 => scan::<f32>(op, x, initial),
        DType::F64 => scan::<f64>(op, x, initial),
        DType::C64 => scan::<Complex<f32>>(op, x, initial),
        DType::C128 => scan::<Complex<f64>>(op, x, initial),
    }
}

/// A type that can be scanned: the value that runs may be wider than an element.
trait Scanned: Element {
    type Running: Copy;
    fn widen(self) -> Self::Running;
    fn narrow(running: Self::Running) -> Self;
    fn add(a: Self::Running, b: Self::Running) -> Self::Running;
    fn multiply(a: Self::Running, b: Self::Running) -> Self::Running;
    fn max(a: Self::Running, b: Self::Running) -> Self::Running;
    fn min(a: Self::Running, b: Self::Running) -> Self::Running;
    fn zero() -> Self::Running;
    fn one() -> Self::Running;
    /// No value is greater, or `None` where values have no order.
    fn greatest() -> Option<Self::Running>;
    fn least() -> Option<Self::Running>;
}

macro_rules! scanned {
    ($($type:ty, $running:ty, $widen:expr, $narrow:expr, $add:expr, $multiply:expr, $max:expr, $min:expr, $zero:expr, $one:expr,
       $greatest:expr, $least:expr;)*) => {
        $(impl Scanned for $type {
            type Running = $running;
            #[inline]
            fn widen(self) -> $running {
                ($widen)(self)
            }
            #[inline]
            fn narrow(running: $running) -> Self {
                ($narrow)(running)
            }
            #[inline]
            fn add(a: $running, b: $running) -> $running {
                ($add)(a, b)
            }
            #[inline]
            fn multiply(a: $running, b: $running) -> $running {
                ($multiply)(a, b)
            }
            #[inline]
            fn max(a: $running, b: $running) -> $running {
                ($max)(a, b)
            }
            #[inline]
            fn min(a: $running, b: $running) -> $running {
                ($min)(a, b)
            }
            fn zero() -> $running {
                $zero
            }
            fn one() -> $running {
                $one
            }
            fn greatest() -> Option<$running> {
                $greatest
            }
            fn least() -> Option<$running> {
                $least
            }
        })*
    };
}

macro_rules! scanned_integers {
    ($($type:ty),*) => {
        scanned! {
            $($type, $type, |x: $type| x, |x: $type| x, <$type>::wrapping_add, <$type>::wrapping_mul,
              |a: $type, b: $type| a.max(b), |a: $type, b: $type| a.min(b), 0, 1, Some(<$type>::MAX), Some(<$type>::MIN);)*
        }
    };
}

macro_rules! scanned_floats {
    ($($type:ty, $running:ty, $widen:expr, $narrow:expr;)*) => {
        scanned! {
            $($type, $running, $widen, $narrow, |a: $running, b: $running| a + b, |a: $running, b: $running| a * b,
              |a: $running, b: $running| if a.is_nan() || a > b { a } else { b },
              |a: $running, b: $running| if a.is_nan() || a < b { a } else { b },
              0.0, 1.0, Some(<$running>::INFINITY), Some(<$running>::NEG_INFINITY);)*
        }
    };
}

macro_rules! scanned_complex {
    ($($part:ty),*) => {
        scanned! {
            $(Complex<$part>, Complex<$part>, |x: Complex<$part>| x, |x: Complex<$part>| x,
              |a: Complex<$part>, b: Complex<$part>| a + b, |a: Complex<$part>, b: Complex<$part>| a * b,
              |a: Complex<$part>, _| a, |a: Complex<$part>, _| a, Complex::new(0.0, 0.0), Complex::new(1.0, 0.0),
              None, None;)*
        }
    };
}

scanned_integers!(i8, i16, i32, i64, u8, u16, u32, u64);
scanned_floats! {
    f32, f32, |x: f32| x, |x: f32| x;
    f64, f64, |x: f64| x, |x: f64| x;
    f16, f32, |x: f16| x.to_f32(), f16::from_f32;
    bf16, f32, |x: bf16| x.to_f32(), bf16::from_f32;
}
scanned_complex!(f32, f64);
scanned! {
    bool, bool, |x: bool| x, |x: bool| x, |a: bool, b: bool| a | b, |a: bool, b: bool| a & b,
        |a: bool, b: bool| a | b, |a: bool, b: bool| a & b, false, true, Some(true), Some(false);
}

fn scan<T: Scanned>(op: ScanOp, x: &Tensor, initial: bool) -> Result<Tensor> {
    match op {
        ScanOp::Sum => scan_with::<T, _>(x, initial, T::zero(), T::add),
        ScanOp::Product => scan_with::<T, _>(x, initial, T::one(), T::multiply),
        ScanOp::Max => scan_with::<T, _>(x, initial, T::least().ok_or_else(|| no_order(x))?, T::max),
        ScanOp::Min => scan_with::<T, _>(x, initial, T::greatest().ok_or_else(|| no_order(x))?, T::min),
    }
}

fn no_order(x: &Tensor) -> Error {
    Error::dtype(format!("{} has no greatest and least: complex numbers are not ordered", x.dtype()))
}

fn scan_with<T: Scanned, F: Fn(T::Running, T::Running) -> T::Running>(
    x: &Tensor,
    initial: bool,
    nothing: T::Running,
    step: F,
) -> Result<Tensor> {
    let len = x.shape().last().copied().unwrap_or(1);
    let mut shape = x.shape().to_vec();
    if let Some(last) = shape.last_mut() {
        *last += usize::from(initial);
    }
    let mut result = TensorMut::uninit(T::DTYPE, &shape)?;
    let x = x.contiguous()?;
    let values = x.as_slice::<T>().unwrap_or_default();
    let out_len = len + usize::from(initial);
    for (row, out) in result.as_mut_slice::<T>().chunks_mut(out_len.max(1)).enumerate() {
        let values = &values[row * len..(row + 1) * len];
        let out = match out.split_first_mut() {
            Some((first, rest)) if initial => {
                *first = T::narrow(nothing);
                rest
            }
            _ => out,
        };
        // From the first value on, so that a lone −0 stays one.
        let Some((&first, rest)) = values.split_first() else { continue };
        let mut running = first.widen();
        out[0] = first;
        for (out, &value) in out[1..].iter_mut().zip(rest) {
            running = step(running, value.widen());
            *out = T::narrow(running);
        }
    }
    Ok(result.freeze())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scanned<T: Element>(op: ScanOp, values: &[T], initial: bool) -> Result<Vec<T>> {
        scan_rows(op, &Tensor::from_vec(values.to_vec(), &[values.len()])?, initial)?.to_vec()
    }

    #[test]
    fn runs_along_rows() -> Result<()> {
        assert_eq!(scanned(ScanOp::Sum, &[100i8, 100, 1], false)?, [100, -56, -55]);
        assert_eq!(scanned(ScanOp::Product, &[2u16, 3, 4], true)?, [1, 2, 6, 24]);
        assert_eq!(scanned(ScanOp::Max, &[1i32, -3, 7], true)?, [i32::MIN, 1, 1, 7]);
        assert_eq!(scanned(ScanOp::Min, &[2.0f32, 3.0, 1.0], true)?, [f32::INFINITY, 2.0, 2.0, 1.0]);
        let nans = scanned(ScanOp::Max, &[1.0f64, f64::NAN, 5.0], false)?;
        assert!(nans[0] == 1.0 && nans[1].is_nan() && nans[2].is_nan());
        assert!(scanned(ScanOp::Sum, &[-0.0f64], false)?[0].is_sign_negative());
        assert!(scanned(ScanOp::Max, &[Complex::new(1.0f64, 0.0)], false).is_err());
        assert_eq!(scanned::<f64>(ScanOp::Sum, &[], true)?, [0.0]);
        let x = Tensor::from_vec((0..6i64).collect(), &[2, 3])?;
        assert_eq!(scan_rows(ScanOp::Sum, &x.permute(&[1, 0]), false)?.to_vec::<i64>()?, [0, 3, 1, 5, 2, 7]);
        Ok(())
    }

    #[test]
    fn halves_add_in_single_precision() -> Result<()> {
        let values = vec![f16::from_f32(1.0); 4000];
        let sums = scanned(ScanOp::Sum, &values, false)?;
        assert_eq!(sums[3999].to_f32(), 4000.0);
        Ok(())
    }
}
