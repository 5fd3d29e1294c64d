//! The numbers of the simulated libraries, all computed with as complex ones.

use std::ffi::{c_int, c_void};
use std::ops::{Add, Div, Mul, Neg, Sub};

// `cudaDataType_t`
pub const R_32F: c_int = 0;
pub const R_64F: c_int = 1;
pub const R_16F: c_int = 2;
pub const C_32F: c_int = 4;
pub const C_64F: c_int = 5;
pub const R_16BF: c_int = 14;

/// A complex number; one without an imaginary part is computed with as a real one, so that infinities and NaN spread as
/// they do there.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Complex {
    pub re: f64,
    pub im: f64,
}

impl Complex {
    pub const ZERO: Complex = Complex { re: 0.0, im: 0.0 };
    pub const ONE: Complex = Complex { re: 1.0, im: 0.0 };
    pub const NAN: Complex = Complex { re: f64::NAN, im: f64::NAN };

    pub fn conjugate(self) -> Complex {
        Complex { im: -self.im, ..self }
    }

    pub fn abs(self) -> f64 {
        self.re.hypot(self.im)
    }

    pub fn is_finite(self) -> bool {
        self.re.is_finite() && self.im.is_finite()
    }

    /// What a function makes of either part.
    pub fn map(self, part: impl Fn(f64) -> f64) -> Complex {
        Complex { re: part(self.re), im: part(self.im) }
    }
}

impl From<f64> for Complex {
    fn from(re: f64) -> Complex {
        Complex { re, im: 0.0 }
    }
}

impl Add for Complex {
    type Output = Complex;

    fn add(self, other: Complex) -> Complex {
        Complex { re: self.re + other.re, im: self.im + other.im }
    }
}

impl Sub for Complex {
    type Output = Complex;

    fn sub(self, other: Complex) -> Complex {
        Complex { re: self.re - other.re, im: self.im - other.im }
    }
}

impl Neg for Complex {
    type Output = Complex;

    fn neg(self) -> Complex {
        self.map(f64::neg)
    }
}

impl Mul for Complex {
    type Output = Complex;

    fn mul(self, other: Complex) -> Complex {
        if self.im == 0.0 && other.im == 0.0 {
            return Complex::from(self.re * other.re);
        }
        Complex { re: self.re * other.re - self.im * other.im, im: self.re * other.im + self.im * other.re }
    }
}

impl Mul<f64> for Complex {
    type Output = Complex;

    fn mul(self, factor: f64) -> Complex {
        self * Complex::from(factor)
    }
}

impl Div for Complex {
    type Output = Complex;

    /// The larger part of the divisor is divided by first, so that nothing overflows in between (Smith's method).
    fn div(self, other: Complex) -> Complex {
        if self.im == 0.0 && other.im == 0.0 {
            return Complex::from(self.re / other.re);
        }
        if other.re.abs() >= other.im.abs() {
            let ratio = other.im / other.re;
            let divisor = other.re + other.im * ratio;
            Complex { re: (self.re + self.im * ratio) / divisor, im: (self.im - self.re * ratio) / divisor }
        } else {
            let ratio = other.re / other.im;
            let divisor = other.re * ratio + other.im;
            Complex { re: (self.re * ratio + self.im) / divisor, im: (self.im * ratio - self.re) / divisor }
        }
    }
}

/// Bytes of an element; `None` for a type that there is nothing for.
pub fn size(kind: c_int) -> Option<usize> {
    Some(match kind {
        R_16F | R_16BF => 2,
        R_32F => 4,
        R_64F | C_32F => 8,
        C_64F => 16,
        _ => return None,
    })
}

/// Whether numbers are doubles rather than floats or less.
pub fn is_double(kind: c_int) -> bool {
    matches!(kind, R_64F | C_64F)
}

/// # Safety
/// The address must hold an element of the type.
pub unsafe fn read(address: usize, kind: c_int) -> Complex {
    // SAFETY: as promised by the caller.
    unsafe {
        match kind {
            R_16F => half_to_f64(*(address as *const u16)).into(),
            R_16BF => f64::from(f32::from_bits(u32::from(*(address as *const u16)) << 16)).into(),
            R_32F => f64::from(*(address as *const f32)).into(),
            R_64F => (*(address as *const f64)).into(),
            C_32F => {
                let [re, im] = (*(address as *const [f32; 2])).map(f64::from);
                Complex { re, im }
            }
            _ => {
                let [re, im] = *(address as *const [f64; 2]);
                Complex { re, im }
            }
        }
    }
}

/// # Safety
/// The address must be writable for an element of the type.
pub unsafe fn write(address: usize, kind: c_int, value: Complex) {
    // SAFETY: as promised by the caller.
    unsafe {
        match kind {
            R_16F => *(address as *mut u16) = f64_to_half(value.re),
            R_16BF => *(address as *mut u16) = f32_to_bfloat(value.re as f32),
            R_32F => *(address as *mut f32) = value.re as f32,
            R_64F => *(address as *mut f64) = value.re,
            C_32F => *(address as *mut [f32; 2]) = [value.re as f32, value.im as f32],
            _ => *(address as *mut [f64; 2]) = [value.re, value.im],
        }
    }
}

/// A factor: of the type in which products are added.
///
/// # Safety
/// The address must hold one.
pub unsafe fn scale(address: *const c_void, kind: c_int) -> Complex {
    let kind = if matches!(kind, R_16F | R_16BF) { R_32F } else { kind };
    // SAFETY: as promised by the caller.
    unsafe { read(address as usize, kind) }
}

fn half_to_f64(bits: u16) -> f64 {
    let sign = if bits >> 15 == 0 { 1.0 } else { -1.0 };
    let (exponent, fraction) = (i32::from(bits >> 10 & 31), f64::from(bits & 1023));
    sign * match exponent {
        0 => fraction * (-24f64).exp2(),
        31 if fraction == 0.0 => f64::INFINITY,
        31 => f64::NAN,
        _ => (1.0 + fraction / 1024.0) * f64::from(exponent - 15).exp2(),
    }
}

/// Rounds to the nearest, of two to the even one.
fn f64_to_half(value: f64) -> u16 {
    let sign = if value.is_sign_negative() { 1 << 15 } else { 0 };
    let value = value.abs();
    if value.is_nan() {
        return sign | 0x7E00;
    }
    // Neighbours are 2^-24 apart below 2^-14, and twice as far with each power of two above.
    let exponent = if value < (-14f64).exp2() { -14 } else { (value.to_bits() >> 52) as i32 - 1023 };
    let steps = (value * f64::from(10 - exponent.min(16)).exp2()).round_ties_even();
    // A carry into the next power of two is the next bit pattern.
    let bits =
        if value < (-14f64).exp2() { steps } else { steps - 1024.0 + f64::from(exponent + 15) * 1024.0 };
    sign | if exponent > 15 || bits >= 31744.0 { 0x7C00 } else { bits as u16 }
}

fn f32_to_bfloat(value: f32) -> u16 {
    let bits = value.to_bits();
    if value.is_nan() {
        return (bits >> 16) as u16 | 0x40;
    }
    ((bits + 0x7FFF + (bits >> 16 & 1)) >> 16) as u16
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halves_come_back() {
        for bits in 0..=u16::MAX {
            let value = half_to_f64(bits);
            if !value.is_nan() {
                assert_eq!(f64_to_half(value), bits, "{value}");
            }
        }
        for (value, bits) in
            [(65519.0, 0x7BFF), (65520.0, 0x7C00), (1e300, 0x7C00), (1.0 + 1.0 / 2048.0, 0x3C00)]
        {
            assert_eq!(f64_to_half(value), bits, "{value}");
        }
        assert_eq!(f64_to_half((-25f64).exp2()), 0, "half of the least is even as zero");
    }
}
