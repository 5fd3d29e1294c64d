//! Data types, how they promote, and scalars.
//!
//! Promotion is that of the Python array API standard (2024.12), and where the standard leaves a pair open, NumPy's:
//! integers with floats, unsigned 64-bit with signed integers.

use std::fmt;
use std::str::FromStr;

use half::{bf16, f16};
use num_complex::Complex;

use crate::error::{Error, Result};

/// The type of an array's elements.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum DType {
    Bool,
    I8,
    I16,
    I32,
    I64,
    U8,
    U16,
    U32,
    U64,
    F16,
    BF16,
    F32,
    F64,
    C64,
    C128,
}

use DType::*;

impl DType {
    /// All of them, in the order of their declaration.
    pub const ALL: [DType; 15] = [Bool, I8, I16, I32, I64, U8, U16, U32, U64, F16, BF16, F32, F64, C64, C128];

    /// The name that NumPy knows it by; `bfloat16` too.
    pub fn name(self) -> &'static str {
        match self {
            Bool => "bool",
            I8 => "int8",
            I16 => "int16",
            I32 => "int32",
            I64 => "int64",
            U8 => "uint8",
            U16 => "uint16",
            U32 => "uint32",
            U64 => "uint64",
            F16 => "float16",
            BF16 => "bfloat16",
            F32 => "float32",
            F64 => "float64",
            C64 => "complex64",
            C128 => "complex128",
        }
    }

    /// Bytes of one element.
    pub fn size(self) -> usize {
        match self {
            Bool | I8 | U8 => 1,
            I16 | U16 | F16 | BF16 => 2,
            I32 | U32 | F32 => 4,
            I64 | U64 | F64 | C64 => 8,
            C128 => 16,
        }
    }

    pub fn is_bool(self) -> bool {
        self == Bool
    }

    pub fn is_signed(self) -> bool {
        matches!(self, I8 | I16 | I32 | I64)
    }

    pub fn is_unsigned(self) -> bool {
        matches!(self, U8 | U16 | U32 | U64)
    }

    pub fn is_integer(self) -> bool {
        self.is_signed() || self.is_unsigned()
    }

    /// Real floating-point.
    pub fn is_float(self) -> bool {
        matches!(self, F16 | BF16 | F32 | F64)
    }

    pub fn is_complex(self) -> bool {
        matches!(self, C64 | C128)
    }

    /// Floating-point, real or complex.
    pub fn is_inexact(self) -> bool {
        self.is_float() || self.is_complex()
    }

    /// All but booleans.
    pub fn is_numeric(self) -> bool {
        !self.is_bool()
    }

    /// The type of the parts of a complex number; of others the type itself.
    pub fn real(self) -> DType {
        match self {
            C64 => F32,
            C128 => F64,
            other => other,
        }
    }

    /// The complex type with parts of this precision.
    pub fn complex(self) -> DType {
        match self {
            F64 | C128 | I32 | I64 | U32 | U64 => C128,
            F32 | C64 | F16 | BF16 => C64,
            _ => C128,
        }
    }

    /// The type in which functions of real analysis, and division, give their result.
    pub fn inexact(self) -> DType {
        if self.is_inexact() { self } else { F64 }
    }

    /// The type both convert to.
    ///
    /// Within a kind the wider; signed with unsigned the next wider signed, `float64` where there is none; booleans
    /// yield to all; integers yield to floats as NumPy has it (8 bits fit `float16`, 16 `float32`, the rest
    /// `float64`); `float16` with `bfloat16` is `float32`.
    pub fn promote(self, other: DType) -> DType {
        if self == other {
            return self;
        }
        let (low, high) = if rank(self) <= rank(other) { (self, other) } else { (other, self) };
        match (low, high) {
            (Bool, other) => other,
            (low, high) if low.is_integer() && high.is_integer() => promote_integers(low, high),
            (low, high) if low.is_integer() && high.is_float() => wider_float(float_for(low), high),
            (low, high) if low.is_float() && high.is_float() => wider_float(low, high),
            (low, C64) if low.size() <= 2 || low == F32 => C64,
            (C64, C64) => C64,
            _ => C128,
        }
    }

    /// Whether every value of it can be held by `other` under the standard's promotion.
    pub fn can_cast_safely(self, other: DType) -> bool {
        self.promote(other) == other
    }
}

fn rank(dtype: DType) -> u8 {
    match dtype {
        Bool => 0,
        _ if dtype.is_integer() => 1,
        _ if dtype.is_float() => 2,
        _ => 3,
    }
}

fn promote_integers(a: DType, b: DType) -> DType {
    let wider = |a: DType, b: DType| if a.size() >= b.size() { a } else { b };
    if a.is_signed() == b.is_signed() {
        return wider(a, b);
    }
    let (signed, unsigned) = if a.is_signed() { (a, b) } else { (b, a) };
    if signed.size() > unsigned.size() {
        return signed;
    }
    match unsigned {
        U8 => I16,
        U16 => I32,
        U32 => I64,
        _ => F64,
    }
}

fn float_for(integer: DType) -> DType {
    match integer.size() {
        1 => F16,
        2 => F32,
        _ => F64,
    }
}

fn wider_float(a: DType, b: DType) -> DType {
    match (a, b) {
        (F16, BF16) | (BF16, F16) => F32,
        _ if a.size() >= b.size() => a,
        _ => b,
    }
}

impl fmt::Display for DType {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.name())
    }
}

impl FromStr for DType {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        let known = Self::ALL.into_iter().find(|dtype| dtype.name() == name);
        known.ok_or_else(|| {
            let names: Vec<&str> = Self::ALL.iter().map(|dtype| dtype.name()).collect();
            Error::dtype(format!("'{name}' is not a data type; there are {}", names.join(", ")))
        })
    }
}

/// A Rust type whose values are elements of arrays.
pub trait Element: Copy + Send + Sync + PartialEq + Default + fmt::Debug + 'static {
    /// Its data type.
    const DTYPE: DType;
    /// The scalar of this value.
    fn to_scalar(self) -> Scalar;
    /// The value of a scalar: wraps integers, rounds floats, drops imaginary parts.
    fn from_scalar(scalar: Scalar) -> Self;
}

macro_rules! element {
    ($($type:ty, $dtype:ident, $to:expr, $from:expr;)*) => {
        $(impl Element for $type {
            const DTYPE: DType = DType::$dtype;
            fn to_scalar(self) -> Scalar {
                ($to)(self)
            }
            fn from_scalar(scalar: Scalar) -> Self {
                ($from)(scalar)
            }
        })*
    };
}

element! {
    bool, Bool, Scalar::Bool, Scalar::is_nonzero;
    i8, I8, |x| Scalar::Int(x as i128), |s: Scalar| s.as_int() as i8;
    i16, I16, |x| Scalar::Int(x as i128), |s: Scalar| s.as_int() as i16;
    i32, I32, |x| Scalar::Int(x as i128), |s: Scalar| s.as_int() as i32;
    i64, I64, |x| Scalar::Int(x as i128), |s: Scalar| s.as_int() as i64;
    u8, U8, |x| Scalar::Int(x as i128), |s: Scalar| s.as_int() as u8;
    u16, U16, |x| Scalar::Int(x as i128), |s: Scalar| s.as_int() as u16;
    u32, U32, |x| Scalar::Int(x as i128), |s: Scalar| s.as_int() as u32;
    u64, U64, |x| Scalar::Int(x as i128), |s: Scalar| s.as_int() as u64;
    f16, F16, |x: f16| Scalar::Float(x.to_f64()), |s: Scalar| f16::from_f64(s.as_float());
    bf16, BF16, |x: bf16| Scalar::Float(x.to_f64()), |s: Scalar| bf16::from_f64(s.as_float());
    f32, F32, |x| Scalar::Float(x as f64), |s: Scalar| s.as_float() as f32;
    f64, F64, Scalar::Float, |s: Scalar| s.as_float();
    Complex<f32>, C64, |x: Complex<f32>| Scalar::Complex(Complex::new(x.re as f64, x.im as f64)),
        |s: Scalar| { let c = s.as_complex(); Complex::new(c.re as f32, c.im as f32) };
    Complex<f64>, C128, Scalar::Complex, |s: Scalar| s.as_complex();
}

/// One value, of whichever kind; an array's type decides how it is held.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Scalar {
    Bool(bool),
    /// Wide enough for every integer type.
    Int(i128),
    Float(f64),
    Complex(Complex<f64>),
}

impl Scalar {
    /// Whether it is true, as Python has it: NaN is.
    pub fn is_nonzero(self) -> bool {
        match self {
            Scalar::Bool(x) => x,
            Scalar::Int(x) => x != 0,
            Scalar::Float(x) => x != 0.0,
            Scalar::Complex(x) => x.re != 0.0 || x.im != 0.0,
        }
    }

    /// The integer: of a float its whole part, saturating, NaN is 0.
    pub fn as_int(self) -> i128 {
        match self {
            Scalar::Bool(x) => x as i128,
            Scalar::Int(x) => x,
            Scalar::Float(x) => x as i128,
            Scalar::Complex(x) => x.re as i128,
        }
    }

    /// The nearest double; the real part of a complex number.
    pub fn as_float(self) -> f64 {
        match self {
            Scalar::Bool(x) => x as u8 as f64,
            Scalar::Int(x) => x as f64,
            Scalar::Float(x) => x,
            Scalar::Complex(x) => x.re,
        }
    }

    /// The complex number.
    pub fn as_complex(self) -> Complex<f64> {
        match self {
            Scalar::Complex(x) => x,
            other => Complex::new(other.as_float(), 0.0),
        }
    }

    /// The type that an array of it alone has: the default type of its kind.
    pub fn default_dtype(self) -> DType {
        match self {
            Scalar::Bool(_) => Bool,
            Scalar::Int(x) if x > i64::MAX as i128 => U64,
            Scalar::Int(_) => I64,
            Scalar::Float(_) => F64,
            Scalar::Complex(_) => C128,
        }
    }

    /// The type in which it meets an array of `dtype`, as the standard's mixing with Python scalars has it: the
    /// array's own type, or its kind's least that holds the scalar's kind.
    ///
    /// # Errors
    /// `Value` where an integer is not one of the array's integer type.
    pub fn dtype_beside(self, dtype: DType) -> Result<DType> {
        Ok(match self {
            Scalar::Bool(_) => dtype,
            Scalar::Int(x) if dtype.is_integer() => {
                let (least, most) = integer_range(dtype);
                if x < least || x > most {
                    return Err(Error::value(format!(
                        "the integer {x} is out of range for {dtype}, which holds {least} to {most}"
                    )));
                }
                dtype
            }
            Scalar::Int(_) if dtype.is_bool() => I64,
            Scalar::Int(_) => dtype,
            Scalar::Float(_) => dtype.inexact(),
            Scalar::Complex(_) => dtype.inexact().complex(),
        })
    }

    /// The value as an array of `dtype` holds it.
    pub fn cast(self, dtype: DType) -> Scalar {
        dispatch!(dtype, T => <T as Element>::from_scalar(self).to_scalar())
    }
}

/// The least and greatest value of an integer type.
pub fn integer_range(dtype: DType) -> (i128, i128) {
    match dtype {
        I8 => (i8::MIN as i128, i8::MAX as i128),
        I16 => (i16::MIN as i128, i16::MAX as i128),
        I32 => (i32::MIN as i128, i32::MAX as i128),
        I64 => (i64::MIN as i128, i64::MAX as i128),
        U8 => (0, u8::MAX as i128),
        U16 => (0, u16::MAX as i128),
        U32 => (0, u32::MAX as i128),
        U64 => (0, u64::MAX as i128),
        _ => (0, 1),
    }
}

/// Runs an expression with `$T` standing for the Rust type of a [`DType`].
#[macro_export]
macro_rules! dispatch {
    ($dtype:expr, $T:ident => $body:expr) => {
        match $dtype {
            $crate::dtype::DType::Bool => {
                type $T = bool;
                $body
            }
            $crate::dtype::DType::I8 => {
                type $T = i8;
                $body
            }
            $crate::dtype::DType::I16 => {
                type $T = i16;
                $body
            }
            $crate::dtype::DType::I32 => {
                type $T = i32;
                $body
            }
            $crate::dtype::DType::I64 => {
                type $T = i64;
                $body
            }
            $crate::dtype::DType::U8 => {
                type $T = u8;
                $body
            }
            $crate::dtype::DType::U16 => {
                type $T = u16;
                $body
            }
            $crate::dtype::DType::U32 => {
                type $T = u32;
                $body
            }
            $crate::dtype::DType::U64 => {
                type $T = u64;
                $body
            }
            $crate::dtype::DType::F16 => {
                type $T = ::half::f16;
                $body
            }
            $crate::dtype::DType::BF16 => {
                type $T = ::half::bf16;
                $body
            }
            $crate::dtype::DType::F32 => {
                type $T = f32;
                $body
            }
            $crate::dtype::DType::F64 => {
                type $T = f64;
                $body
            }
            $crate::dtype::DType::C64 => {
                type $T = ::num_complex::Complex<f32>;
                $body
            }
            $crate::dtype::DType::C128 => {
                type $T = ::num_complex::Complex<f64>;
                $body
            }
        }
    };
}

/// Runs an expression with `$T` standing for the unsigned integer of an element's size (`u128` for 16 bytes): for
/// kernels that move elements and do not look at them.
#[macro_export]
macro_rules! dispatch_size {
    ($dtype:expr, $T:ident => $body:expr) => {
        match $dtype.size() {
            1 => {
                type $T = u8;
                $body
            }
            2 => {
                type $T = u16;
                $body
            }
            4 => {
                type $T = u32;
                $body
            }
            8 => {
                type $T = u64;
                $body
            }
            _ => {
                type $T = [u64; 2];
                $body
            }
        }
    };
}

use crate::dispatch;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn promotes_as_the_standard_has_it() {
        assert_eq!(I8.promote(U8), I16);
        assert_eq!(U32.promote(I8), I64);
        assert_eq!(U64.promote(I8), F64);
        assert_eq!(F32.promote(F64), F64);
        assert_eq!(F64.promote(C64), C128);
        assert_eq!(F32.promote(C64), C64);
        assert_eq!(I32.promote(F32), F64);
        assert_eq!(I16.promote(F32), F32);
        assert_eq!(F16.promote(BF16), F32);
        for a in DType::ALL {
            for b in DType::ALL {
                assert_eq!(a.promote(b), b.promote(a), "{a} {b}");
            }
        }
    }
}
