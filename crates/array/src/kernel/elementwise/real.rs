//! Arithmetic of floats that the language does not have as the standard defines it.

/// `float32` and `float64`.
pub trait Real: Copy + PartialEq + PartialOrd {
    /// Toward minus infinity, with the standard's special cases: infinities by finite numbers stay infinite, and finite
    /// numbers by infinities are 0, of either sign.
    fn floor_divide(self, by: Self) -> Self;
    /// The same for finite numbers whose quotient has a fraction left.
    fn quick_floor_divide(self, by: Self) -> Self;
    /// With the sign of the divisor, as Python has it.
    fn remainder(self, by: Self) -> Self;
    /// The same for finite numbers whose quotient has a fraction left.
    fn quick_remainder(self, by: Self) -> Self;
    /// The next number on the way to another.
    fn next_after(self, to: Self) -> Self;
    /// NaN if one is.
    fn maximum(self, other: Self) -> Self;
    /// NaN if one is.
    fn minimum(self, other: Self) -> Self;
    /// The other if one is NaN.
    fn maximum_number(self, other: Self) -> Self;
    /// The other if one is NaN.
    fn minimum_number(self, other: Self) -> Self;
    /// -1, 0, 1, or NaN.
    fn sign(self) -> Self;
    /// 0 for positive numbers, π for negative ones.
    fn angle(self) -> Self;
}

macro_rules! real {
    ($($type:ident $bits:ident;)*) => {
        $(impl Real for $type {
            #[inline(always)]
            fn floor_divide(self, by: $type) -> $type {
                let quotient = self / by;
                if by == 0.0 || !self.is_finite() || !by.is_finite() {
                    return quotient;
                }
                let rest = self % by;
                let mut whole = (self - rest) / by;
                if rest != 0.0 && (rest < 0.0) != (by < 0.0) {
                    whole -= 1.0;
                }
                if whole == 0.0 {
                    return (0.0 as $type).copysign(quotient);
                }
                let floor = whole.floor();
                if whole - floor > 0.5 { floor + 1.0 } else { floor }
            }
            #[inline(always)]
            fn remainder(self, by: $type) -> $type {
                let rest = self % by;
                if rest == 0.0 {
                    (0.0 as $type).copysign(by)
                } else if (rest < 0.0) != (by < 0.0) {
                    rest + by
                } else {
                    rest
                }
            }
            #[inline(always)]
            fn quick_floor_divide(self, by: $type) -> $type {
                let quotient = self / by;
                let whole = quotient.floor();
                // The quotient may have been rounded up to the next whole number: the fused rest is exact.
                let rest = (-whole).mul_add(by, self);
                let over = (rest != 0.0) & ((rest < 0.0) != (by < 0.0));
                let whole = if over { whole - 1.0 } else { whole };
                if whole == 0.0 { (0.0 as $type).copysign(quotient) } else { whole }
            }
            #[inline(always)]
            fn quick_remainder(self, by: $type) -> $type {
                let rest = (-(self / by).floor()).mul_add(by, self);
                let over = (rest != 0.0) & ((rest < 0.0) != (by < 0.0));
                let rest = if over { rest + by } else { rest };
                if rest == 0.0 { (0.0 as $type).copysign(by) } else { rest }
            }
            #[inline(always)]
            fn next_after(self, to: $type) -> $type {
                if self.is_nan() || to.is_nan() {
                    return self + to;
                }
                if self == to {
                    return to;
                }
                if self == 0.0 {
                    return $type::from_bits(1).copysign(to);
                }
                let bits = self.to_bits();
                $type::from_bits(if (to > self) == (self > 0.0) { bits + 1 } else { bits - 1 })
            }
            #[inline(always)]
            fn maximum(self, other: $type) -> $type {
                if self > other || self.is_nan() { self } else { other }
            }
            #[inline(always)]
            fn minimum(self, other: $type) -> $type {
                if self < other || self.is_nan() { self } else { other }
            }
            #[inline(always)]
            fn maximum_number(self, other: $type) -> $type {
                if self >= other || other.is_nan() { self } else { other }
            }
            #[inline(always)]
            fn minimum_number(self, other: $type) -> $type {
                if self <= other || other.is_nan() { self } else { other }
            }
            #[inline(always)]
            fn sign(self) -> $type {
                if self.is_nan() { self } else { (self > 0.0) as i8 as $type - (self < 0.0) as i8 as $type }
            }
            #[inline(always)]
            fn angle(self) -> $type {
                if self.is_nan() {
                    self
                } else if self.is_sign_negative() {
                    std::$type::consts::PI
                } else {
                    0.0
                }
            }
        })*
    };
}

real! {
    f32 u32;
    f64 u64;
}
