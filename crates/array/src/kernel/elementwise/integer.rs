//! Integer arithmetic that the language does not have as the standard defines it.

/// Integers of any width.
pub trait Integer: Copy + PartialEq + PartialOrd {
    /// Toward minus infinity; by 0 it is 0, and the least by -1 wraps.
    fn floor_divide(self, by: Self) -> Self;
    /// With the sign of the divisor; by 0 it is 0.
    fn remainder(self, by: Self) -> Self;
    /// With the sign of the dividend; by 0 it is 0.
    fn fmod(self, by: Self) -> Self;
    /// Wraps; of negative exponents the whole part.
    fn power(self, exponent: Self) -> Self;
    /// 0 where everything is shifted out.
    fn shift_left(self, by: Self) -> Self;
    /// Arithmetic for signed integers; all sign where everything is shifted out.
    fn shift_right(self, by: Self) -> Self;
    fn sign(self) -> Self;
    fn magnitude(self) -> Self;
    fn is_negative(self) -> bool;
}

macro_rules! signed {
    ($($type:ident)*) => {
        $(impl Integer for $type {
            #[inline(always)]
            fn floor_divide(self, by: $type) -> $type {
                if by == 0 {
                    return 0;
                }
                let (quotient, rest) = (self.wrapping_div(by), self.wrapping_rem(by));
                quotient - ((rest != 0) & ((rest < 0) != (by < 0))) as $type
            }
            #[inline(always)]
            fn remainder(self, by: $type) -> $type {
                if by == 0 {
                    return 0;
                }
                let rest = self.wrapping_rem(by);
                if (rest != 0) & ((rest < 0) != (by < 0)) { rest + by } else { rest }
            }
            #[inline(always)]
            fn fmod(self, by: $type) -> $type {
                if by == 0 { 0 } else { self.wrapping_rem(by) }
            }
            #[inline(always)]
            fn power(self, exponent: $type) -> $type {
                if exponent < 0 {
                    return match self {
                        1 => 1,
                        -1 if exponent & 1 == 0 => 1,
                        -1 => -1,
                        _ => 0,
                    };
                }
                power(self as i64 as u64, exponent as u64) as $type
            }
            #[inline(always)]
            fn shift_left(self, by: $type) -> $type {
                if by as u64 >= $type::BITS as u64 { 0 } else { self << by }
            }
            #[inline(always)]
            fn shift_right(self, by: $type) -> $type {
                self >> (by as u64).min($type::BITS as u64 - 1)
            }
            #[inline(always)]
            fn sign(self) -> $type {
                self.signum()
            }
            #[inline(always)]
            fn magnitude(self) -> $type {
                self.wrapping_abs()
            }
            #[inline(always)]
            fn is_negative(self) -> bool {
                self < 0
            }
        })*
    };
}

macro_rules! unsigned {
    ($($type:ident)*) => {
        $(impl Integer for $type {
            #[inline(always)]
            fn floor_divide(self, by: $type) -> $type {
                if by == 0 { 0 } else { self / by }
            }
            #[inline(always)]
            fn remainder(self, by: $type) -> $type {
                if by == 0 { 0 } else { self % by }
            }
            #[inline(always)]
            fn fmod(self, by: $type) -> $type {
                self.remainder(by)
            }
            #[inline(always)]
            fn power(self, exponent: $type) -> $type {
                power(self as u64, exponent as u64) as $type
            }
            #[inline(always)]
            fn shift_left(self, by: $type) -> $type {
                if by as u64 >= $type::BITS as u64 { 0 } else { self << by }
            }
            #[inline(always)]
            fn shift_right(self, by: $type) -> $type {
                if by as u64 >= $type::BITS as u64 { 0 } else { self >> by }
            }
            #[inline(always)]
            fn sign(self) -> $type {
                (self != 0) as $type
            }
            #[inline(always)]
            fn magnitude(self) -> $type {
                self
            }
            #[inline(always)]
            fn is_negative(self) -> bool {
                false
            }
        })*
    };
}

signed!(i8 i16 i32 i64);
unsigned!(u8 u16 u32 u64);

/// By squaring, modulo 2^64: narrower types take the low bits.
#[inline]
fn power(mut base: u64, mut exponent: u64) -> u64 {
    let mut product = 1u64;
    while exponent > 0 {
        if exponent & 1 == 1 {
            product = product.wrapping_mul(base);
        }
        base = base.wrapping_mul(base);
        exponent >>= 1;
    }
    product
}
