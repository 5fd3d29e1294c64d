//! Functions of complex numbers, computed in `complex128`.

use num_complex::Complex;

use crate::program::UnaryOp;

type C = Complex<f64>;

/// The parts of a complex number.
pub trait Part: Copy {
    fn to_f64(self) -> f64;
    fn of_f64(value: f64) -> Self;
    /// The length of a vector, without overflow.
    fn length(x: Self, y: Self) -> Self;
}

impl Part for f32 {
    #[inline(always)]
    fn to_f64(self) -> f64 {
        self as f64
    }
    #[inline(always)]
    fn of_f64(value: f64) -> f32 {
        value as f32
    }
    #[inline(always)]
    fn length(x: f32, y: f32) -> f32 {
        if x.is_infinite() || y.is_infinite() {
            return f32::INFINITY;
        }
        (x as f64 * x as f64 + y as f64 * y as f64).sqrt() as f32
    }
}

impl Part for f64 {
    #[inline(always)]
    fn to_f64(self) -> f64 {
        self
    }
    #[inline(always)]
    fn of_f64(value: f64) -> f64 {
        value
    }
    #[inline(always)]
    fn length(x: f64, y: f64) -> f64 {
        x.hypot(y)
    }
}

/// As `complex128`.
#[inline(always)]
pub fn widen<T: Part>(z: Complex<T>) -> C {
    C::new(z.re.to_f64(), z.im.to_f64())
}

/// Rounds from `complex128`.
#[inline(always)]
pub fn narrow<T: Part>(z: C) -> Complex<T> {
    Complex { re: T::of_f64(z.re), im: T::of_f64(z.im) }
}

/// The absolute value.
#[inline(always)]
pub fn magnitude<T: Part>(z: Complex<T>) -> T {
    T::length(z.re, z.im)
}

/// Divides without overflow where the quotient does not (Smith 1962); by 0 as the parts do.
#[inline(always)]
pub fn divide<T: Part>(a: Complex<T>, b: Complex<T>) -> Complex<T> {
    let (a, b) = (widen(a), widen(b));
    let quotient = if b.re.abs() >= b.im.abs() {
        if b.re == 0.0 && b.im == 0.0 {
            C::new(a.re / b.re.abs(), a.im / b.re.abs())
        } else {
            let ratio = b.im / b.re;
            let scale = 1.0 / (b.re + b.im * ratio);
            C::new((a.re + a.im * ratio) * scale, (a.im - a.re * ratio) * scale)
        }
    } else {
        let ratio = b.re / b.im;
        let scale = 1.0 / (b.im + b.re * ratio);
        C::new((a.re * ratio + a.im) * scale, (a.im * ratio - a.re) * scale)
    };
    narrow(quotient)
}

/// `a^b`; whole exponents by multiplication.
pub fn power(a: C, b: C) -> C {
    let one = C::new(1.0, 0.0);
    if b.re == 0.0 && b.im == 0.0 {
        return one;
    }
    if a.re == 0.0 && a.im == 0.0 {
        if b.re > 0.0 && b.im == 0.0 {
            return C::new(0.0, 0.0);
        }
        return C::new(f64::NAN, f64::NAN);
    }
    if b.im == 0.0 && b.re.fract() == 0.0 && b.re.abs() < 100.0 {
        let mut exponent = b.re.abs() as u32;
        let (mut base, mut product) = (a, one);
        let mut begun = false;
        while exponent > 0 {
            if exponent & 1 == 1 {
                product = if begun { product * base } else { base };
                begun = true;
            }
            exponent >>= 1;
            if exponent > 0 {
                base *= base;
            }
        }
        return if b.re < 0.0 { divide(one, product) } else { product };
    }
    (b * a.ln()).exp()
}

/// The function that an operator is for complex numbers.
pub fn function(op: UnaryOp) -> Option<fn(C) -> C> {
    Some(match op {
        UnaryOp::Acos => |z| z.acos(),
        UnaryOp::Acosh => |z| z.acosh(),
        UnaryOp::Asin => |z| z.asin(),
        UnaryOp::Asinh => |z| z.asinh(),
        UnaryOp::Atan => |z| z.atan(),
        UnaryOp::Atanh => |z| z.atanh(),
        UnaryOp::Cos => |z| z.cos(),
        UnaryOp::Cosh => |z| z.cosh(),
        UnaryOp::Exp => |z| z.exp(),
        UnaryOp::Expm1 => |z| z.exp() - 1.0,
        UnaryOp::Log => |z| z.ln(),
        UnaryOp::Log1p => |z| (z + 1.0).ln(),
        UnaryOp::Log2 => |z| z.ln() / std::f64::consts::LN_2,
        UnaryOp::Log10 => |z| z.ln() / std::f64::consts::LN_10,
        UnaryOp::Exp2 => |z| (z * std::f64::consts::LN_2).exp(),
        UnaryOp::Reciprocal => |z| divide(C::new(1.0, 0.0), z),
        UnaryOp::Sign => |z| if z.re == 0.0 && z.im == 0.0 { C::new(0.0, 0.0) } else { z / z.norm() },
        UnaryOp::Sin => |z| z.sin(),
        UnaryOp::Sinh => |z| z.sinh(),
        UnaryOp::Sqrt => |z| z.sqrt(),
        UnaryOp::Tan => |z| z.tan(),
        UnaryOp::Tanh => |z| z.tanh(),
        _ => return None,
    })
}
