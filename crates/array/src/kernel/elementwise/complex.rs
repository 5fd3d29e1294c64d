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
            let length = b.re + b.im * ratio;
            C::new((a.re + a.im * ratio) / length, (a.im - a.re * ratio) / length)
        }
    } else {
        let ratio = b.re / b.im;
        let length = b.im + b.re * ratio;
        C::new((a.re * ratio + a.im) / length, (a.im * ratio - a.re) / length)
    };
    narrow(quotient)
}

/// `a^b`; whole exponents below 100 by multiplication. 0 to the power of a positive real number is 0, of others NaN, as
/// NumPy has it.
pub fn power(a: C, b: C) -> C {
    let one = C::new(1.0, 0.0);
    if is_zero(b) {
        return one;
    }
    if is_zero(a) {
        let part = if b.re > 0.0 && b.im == 0.0 { 0.0 } else { f64::NAN };
        return C::new(part, part);
    }
    if b.im == 0.0 && b.re.fract() == 0.0 && b.re.abs() < 100.0 {
        let mut exponent = b.re.abs() as u32;
        let mut base = a;
        let mut product = None;
        while exponent > 0 {
            if exponent & 1 == 1 {
                product = Some(product.map_or(base, |product: C| product * base));
            }
            exponent >>= 1;
            if exponent > 0 {
                base *= base;
            }
        }
        let product = product.unwrap_or(one);
        return if b.re < 0.0 { divide(one, product) } else { product };
    }
    exp(b * log(a))
}

/// The function that an operator is for complex numbers; special values as C has them (ISO C, annex G).
pub fn function(op: UnaryOp) -> Option<fn(C) -> C> {
    use std::f64::consts::{LN_2, LN_10};
    Some(match op {
        UnaryOp::Acos => acos,
        UnaryOp::Acosh => acosh,
        UnaryOp::Asin => asin,
        UnaryOp::Asinh => asinh,
        UnaryOp::Atan => |z| by_turning(z, atanh),
        UnaryOp::Atanh => atanh,
        UnaryOp::Cos => |z| cosh(C::new(-z.im, z.re)),
        UnaryOp::Cosh => cosh,
        UnaryOp::Exp => exp,
        UnaryOp::Expm1 => expm1,
        UnaryOp::Log => log,
        UnaryOp::Log1p => log1p,
        UnaryOp::Log2 => |z| divide_parts(log(z), LN_2),
        UnaryOp::Log10 => |z| divide_parts(log(z), LN_10),
        UnaryOp::Exp2 => |z| exp(C::new(z.re * LN_2, z.im * LN_2)),
        UnaryOp::Reciprocal => |z| divide(C::new(1.0, 0.0), z),
        UnaryOp::Sign => sign,
        UnaryOp::Sin => |z| by_turning(z, sinh),
        UnaryOp::Sinh => sinh,
        UnaryOp::Sqrt => sqrt,
        UnaryOp::Tan => |z| by_turning(z, tanh),
        UnaryOp::Tanh => tanh,
        _ => return None,
    })
}

fn is_zero(z: C) -> bool {
    z.re == 0.0 && z.im == 0.0
}

fn divide_parts(z: C, by: f64) -> C {
    C::new(z.re / by, z.im / by)
}

/// `-i·f(i·z)`: an angle's function from the hyperbolic one.
fn by_turning(z: C, f: impl Fn(C) -> C) -> C {
    let turned = f(C::new(-z.im, z.re));
    C::new(turned.im, -turned.re)
}

/// `z / |z|`, or 0.
fn sign(z: C) -> C {
    if is_zero(z) {
        return C::new(0.0, 0.0);
    }
    let large = z.re.abs() > 1e300 || z.im.abs() > 1e300;
    let z = if large { divide_parts(z, 4.0) } else { z };
    divide_parts(z, z.re.hypot(z.im))
}

/// `scale · (cos y + i sin y)`, where an infinite scale leaves a zero as it is.
fn on_circle(scale: f64, y: f64) -> C {
    let part = |x: f64| if x == 0.0 { x } else { scale * x };
    C::new(part(y.cos()), part(y.sin()))
}

/// `e^z`.
pub fn exp(z: C) -> C {
    let C { re: x, im: y } = z;
    if y == 0.0 {
        return C::new(x.exp(), y);
    }
    if !y.is_finite() {
        return match x {
            f64::NEG_INFINITY => C::new(0.0, 0.0_f64.copysign(y)),
            f64::INFINITY => C::new(x, f64::NAN),
            _ => C::new(f64::NAN, f64::NAN),
        };
    }
    if x > 709.0 && x.is_finite() {
        // The power overflows before its products do.
        let half = (x * 0.5).exp();
        return C::new(half * y.cos() * half, half * y.sin() * half);
    }
    on_circle(x.exp(), y)
}

/// `e^z - 1`.
fn expm1(z: C) -> C {
    let C { re: x, im: y } = z;
    if y == 0.0 {
        // The standard has no negative zero here, not even of one.
        return C::new(x.exp_m1() + 0.0, y);
    }
    if !x.is_finite() || !y.is_finite() || x > 700.0 {
        let power = exp(z);
        return C::new(power.re - 1.0, power.im);
    }
    let half = (y * 0.5).sin();
    C::new(x.exp_m1() * y.cos() - 2.0 * half * half, x.exp() * y.sin())
}

/// `(cosh x, sinh x) / 2^k` with `k`, 1 where they would overflow before their products do.
fn halves(x: f64) -> (f64, f64, f64) {
    if x.abs() < 709.0 || x.is_infinite() {
        return (x.cosh(), x.sinh(), 1.0);
    }
    let half = (x.abs() * 0.5).exp() * 0.5;
    (half, half.copysign(x), (x.abs() * 0.5).exp())
}

fn cosh(z: C) -> C {
    let C { re: x, im: y } = z;
    if y == 0.0 {
        let negative = x.is_sign_negative() != y.is_sign_negative();
        return C::new(x.cosh(), if negative { -0.0 } else { 0.0 });
    }
    if !y.is_finite() {
        return match x {
            0.0 => C::new(f64::NAN, 0.0_f64.copysign(y)),
            _ if x.is_infinite() => C::new(f64::INFINITY, f64::NAN),
            _ => C::new(f64::NAN, f64::NAN),
        };
    }
    if x == 0.0 {
        return C::new(y.cos(), x * y.sin());
    }
    let (cosh, sinh, scale) = halves(x);
    C::new(cosh * y.cos() * scale, sinh * y.sin() * scale)
}

fn sinh(z: C) -> C {
    let C { re: x, im: y } = z;
    if y == 0.0 {
        return C::new(x.sinh(), y);
    }
    if !y.is_finite() {
        return match x {
            0.0 => C::new(x, f64::NAN),
            _ if x.is_infinite() => C::new(x, f64::NAN),
            _ => C::new(f64::NAN, f64::NAN),
        };
    }
    if x == 0.0 {
        return C::new(x * y.cos(), y.sin());
    }
    let (cosh, sinh, scale) = halves(x);
    C::new(sinh * y.cos() * scale, cosh * y.sin() * scale)
}

/// By Kahan's formulas ("Branch cuts for complex elementary functions", 1987).
fn tanh(z: C) -> C {
    let C { re: x, im: y } = z;
    if x.is_infinite() {
        let im = if y.is_finite() { (2.0 * y).sin() } else { y };
        return C::new(1.0_f64.copysign(x), 0.0_f64.copysign(im));
    }
    if x.is_nan() {
        return C::new(x, if y == 0.0 { y } else { f64::NAN });
    }
    if !y.is_finite() {
        return C::new(if x == 0.0 { x } else { f64::NAN }, f64::NAN);
    }
    if x.abs() > 22.0 {
        let power = (-x.abs()).exp();
        return C::new(1.0_f64.copysign(x), 4.0 * y.sin() * y.cos() * power * power);
    }
    let tangent = y.tan();
    let beta = 1.0 + tangent * tangent;
    let sine = x.sinh();
    let root = (1.0 + sine * sine).sqrt();
    let denominator = 1.0 + beta * sine * sine;
    C::new(beta * root * sine / denominator, tangent / denominator)
}

/// The root with a real part that is not negative.
fn sqrt(z: C) -> C {
    let C { re: x, im: y } = z;
    if is_zero(z) {
        return C::new(0.0, y);
    }
    if y.is_infinite() {
        return C::new(f64::INFINITY, y);
    }
    if x.is_nan() {
        return C::new(x, x);
    }
    if x.is_infinite() {
        let rest = if y.is_nan() { y } else { 0.0 };
        return match x > 0.0 {
            true => C::new(x, if y.is_nan() { y } else { 0.0_f64.copysign(y) }),
            false => C::new(rest.abs(), f64::INFINITY.copysign(y)),
        };
    }
    // Powers of four, so that the root scales back by a power of two.
    let greatest = x.abs().max(y.abs());
    let (scale, back) = match greatest {
        _ if greatest > 1e300 => (1.0 / 16.0, 4.0),
        _ if greatest < 1e-290 => ((1u64 << 54) as f64 * (1u64 << 54) as f64, 1.0 / (1u64 << 54) as f64),
        _ => (1.0, 1.0),
    };
    let (x, y) = (x * scale, y * scale);
    let root = ((x.abs() + x.hypot(y)) * 0.5).sqrt();
    let other = y.abs() / (2.0 * root);
    let (re, im) = if x >= 0.0 { (root, other) } else { (other, root) };
    C::new(re * back, (im * back).copysign(y))
}

/// The logarithm with an imaginary part from -π to π.
pub fn log(z: C) -> C {
    let (x, y) = (z.re.abs(), z.im.abs());
    let (greater, lesser) = if x > y { (x, y) } else { (y, x) };
    let length = z.re.hypot(z.im);
    let re = if greater > 1e300 && greater.is_finite() {
        (x / 16.0).hypot(y / 16.0).ln() + 16f64.ln()
    } else if (0.7..1.5).contains(&length) {
        // Near 1 the difference has the digits.
        0.5 * ((greater - 1.0) * (greater + 1.0) + lesser * lesser).ln_1p()
    } else {
        length.ln()
    };
    C::new(re, z.im.atan2(z.re))
}

fn log1p(z: C) -> C {
    let C { re: x, im: y } = z;
    if x.abs() < 0.5 && y.abs() < 0.5 {
        return C::new(0.5 * (x * (2.0 + x) + y * y).ln_1p(), y.atan2(1.0 + x));
    }
    log(C::new(1.0 + x, y))
}

/// What inverse functions of a first quadrant's point `(x, y)` are made of, by Hull, Fairgrieve and Tang ("Implementing
/// the complex arcsine and arccosine functions using exception handling", 1997): the real parts of asin and acos, and
/// the imaginary part of both.
fn inverse_parts(x: f64, y: f64) -> (f64, f64, f64) {
    use std::f64::consts::{FRAC_PI_2, LN_2};
    const GREAT: f64 = 1e153;
    const SMALL: f64 = 1e-153;
    let (above, below) = (x + 1.0, x - 1.0);
    if x < GREAT && x > SMALL && y < GREAT && y > SMALL {
        let (r, s) = (above.hypot(y), below.hypot(y));
        let a = 0.5 * (r + s);
        let b = x / a;
        let (sine, cosine) = if b <= 0.6417 {
            (b.asin(), b.acos())
        } else if x <= 1.0 {
            let root = (0.5 * (a + x) * (y * y / (r + above) + (s - below))).sqrt();
            ((x / root).atan(), (root / x).atan())
        } else {
            let root = y * (0.5 * ((a + x) / (r + above) + (a + x) / (s + below))).sqrt();
            ((x / root).atan(), (root / x).atan())
        };
        let imaginary = if a <= 1.5 {
            let excess = if x < 1.0 {
                0.5 * (y * y / (r + above) + y * y / (s - below))
            } else {
                0.5 * (y * y / (r + above) + (s + below))
            };
            (excess + (excess * (a + 1.0)).sqrt()).ln_1p()
        } else {
            (a + (a * a - 1.0).sqrt()).ln()
        };
        return (sine, cosine, imaginary);
    }
    if x == 1.0 && y == 0.0 {
        return (FRAC_PI_2, 0.0, 0.0);
    }
    if y <= f64::EPSILON * below.abs() {
        if x < 1.0 {
            return (x.asin(), x.acos(), y / (-below * above).sqrt());
        }
        return if x < GREAT {
            let root = (above * below).sqrt();
            (FRAC_PI_2 - y / root, y / root, (below + root).ln_1p())
        } else {
            (FRAC_PI_2 - y / x, y / x, LN_2 + x.ln())
        };
    }
    if y <= SMALL {
        // Beside 1.
        return (FRAC_PI_2 - y.sqrt(), y.sqrt(), y.sqrt());
    }
    if f64::EPSILON * y - 1.0 >= x {
        return (x / y, FRAC_PI_2, LN_2 + y.ln());
    }
    if x > 1.0 {
        let ratio = x / y;
        return (ratio.atan(), (y / x).atan(), LN_2 + y.ln() + 0.5 * (ratio * ratio).ln_1p());
    }
    let a = (1.0 + y * y).sqrt();
    (x / a, FRAC_PI_2 - x / a, 0.5 * (2.0 * y * (y + a)).ln_1p())
}

fn asin(z: C) -> C {
    by_turning(z, asinh)
}

/// Odd in both parts: from the first quadrant.
fn asinh(z: C) -> C {
    use std::f64::consts::{FRAC_PI_2, FRAC_PI_4};
    let (x, y) = (z.re.abs(), z.im.abs());
    let (re, im) = if x.is_infinite() {
        (
            x,
            if y.is_infinite() {
                FRAC_PI_4
            } else if y.is_nan() {
                y
            } else {
                0.0
            },
        )
    } else if y.is_infinite() {
        (y, if x.is_nan() { x } else { FRAC_PI_2 })
    } else if x.is_nan() || y.is_nan() {
        (f64::NAN, if y == 0.0 { y } else { f64::NAN })
    } else {
        let (sine, _, imaginary) = inverse_parts(y, x);
        (imaginary, sine)
    };
    C::new(re.copysign(z.re), im.copysign(z.im))
}

fn acos(z: C) -> C {
    use std::f64::consts::{FRAC_PI_2, FRAC_PI_4, PI};
    let (x, y) = (z.re.abs(), z.im.abs());
    let (re, im) = if x.is_infinite() {
        (
            if y.is_infinite() {
                FRAC_PI_4
            } else if y.is_nan() {
                y
            } else {
                0.0
            },
            x,
        )
    } else if y.is_infinite() {
        (if x.is_nan() { x } else { FRAC_PI_2 }, y)
    } else if x.is_nan() || y.is_nan() {
        (if x == 0.0 { FRAC_PI_2 } else { f64::NAN }, f64::NAN)
    } else {
        let (_, cosine, imaginary) = inverse_parts(x, y);
        (cosine, imaginary)
    };
    let re = if z.re.is_sign_negative() && !z.re.is_nan() && x != 0.0 { PI - re } else { re };
    C::new(re, im.copysign(-z.im))
}

fn acosh(z: C) -> C {
    let angle = acos(z);
    if angle.re.is_nan() && angle.im.is_nan() {
        return C::new(f64::NAN, f64::NAN);
    }
    C::new(angle.im.abs(), angle.re.copysign(z.im))
}

/// Odd in both parts: from the first quadrant.
fn atanh(z: C) -> C {
    use std::f64::consts::{FRAC_PI_2, FRAC_PI_4, LN_2};
    let (x, y) = (z.re.abs(), z.im.abs());
    let (re, im) = if y.is_infinite() || (x.is_infinite() && !y.is_nan()) {
        (0.0, FRAC_PI_2)
    } else if x.is_infinite() {
        (0.0, y)
    } else if x.is_nan() || y.is_nan() {
        (if x == 0.0 { 0.0 } else { f64::NAN }, f64::NAN)
    } else if x > 1e150 || y > 1e150 {
        let length = x.hypot(y);
        (x / length / length, FRAC_PI_2)
    } else if x == 1.0 && y < 1e-150 {
        (if y == 0.0 { f64::INFINITY } else { 0.5 * (LN_2 - y.ln()) }, if y == 0.0 { 0.0 } else { FRAC_PI_4 })
    } else {
        let re = 0.25 * (4.0 * x / ((1.0 - x) * (1.0 - x) + y * y)).ln_1p();
        (re, 0.5 * (2.0 * y).atan2((1.0 - x) * (1.0 + x) - y * y))
    };
    C::new(re.copysign(z.re), im.copysign(z.im))
}

#[cfg(test)]
mod tests;
