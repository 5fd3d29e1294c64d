//! Special values by ISO C, annex G; agreement with real functions on the axes and with each other elsewhere.

use super::*;

const INF: f64 = f64::INFINITY;
const NAN: f64 = f64::NAN;
const PI: f64 = std::f64::consts::PI;

type OfReal = fn(f64) -> f64;

fn apply(op: UnaryOp, re: f64, im: f64) -> C {
    function(op).expect("a function of complex numbers")(C::new(re, im))
}

/// The same value and sign, or both NaN.
fn same(a: f64, b: f64) -> bool {
    a.is_nan() && b.is_nan() || a.to_bits() == b.to_bits() || (a != 0.0 && (a - b).abs() <= 4e-16 * b.abs())
}

#[test]
fn has_special_values() {
    use UnaryOp::*;
    let table: &[(UnaryOp, [f64; 2], [f64; 2])] = &[
        (Exp, [0.0, 0.0], [1.0, 0.0]),
        (Exp, [-0.0, -0.0], [1.0, -0.0]),
        (Exp, [1.0, INF], [NAN, NAN]),
        (Exp, [INF, 0.0], [INF, 0.0]),
        (Exp, [-INF, 2.0], [-0.0, 0.0]),
        (Exp, [INF, 2.0], [-INF, INF]),
        (Exp, [-INF, INF], [0.0, 0.0]),
        (Exp, [INF, INF], [INF, NAN]),
        (Exp, [NAN, 0.0], [NAN, 0.0]),
        (Exp, [NAN, 1.0], [NAN, NAN]),
        (Expm1, [0.0, 0.0], [0.0, 0.0]),
        (Expm1, [-INF, 1.0], [-1.0, 0.0]),
        (Expm1, [INF, 0.0], [INF, 0.0]),
        (Expm1, [-INF, INF], [-1.0, 0.0]),
        (Expm1, [1.0, INF], [NAN, NAN]),
        (Log, [-0.0, 0.0], [-INF, PI]),
        (Log, [0.0, 0.0], [-INF, 0.0]),
        (Log, [1.0, INF], [INF, PI / 2.0]),
        (Log, [1.0, NAN], [NAN, NAN]),
        (Log, [-INF, 1.0], [INF, PI]),
        (Log, [INF, 1.0], [INF, 0.0]),
        (Log, [-INF, INF], [INF, 3.0 * PI / 4.0]),
        (Log, [INF, NAN], [INF, NAN]),
        (Log, [NAN, INF], [INF, NAN]),
        (Log1p, [-1.0, 0.0], [-INF, 0.0]),
        (Log1p, [INF, 1.0], [INF, 0.0]),
        (Log1p, [-INF, 1.0], [INF, PI]),
        (Sqrt, [-0.0, 0.0], [0.0, 0.0]),
        (Sqrt, [0.0, -0.0], [0.0, -0.0]),
        (Sqrt, [NAN, INF], [INF, INF]),
        (Sqrt, [1.0, NAN], [NAN, NAN]),
        (Sqrt, [-INF, 1.0], [0.0, INF]),
        (Sqrt, [INF, 1.0], [INF, 0.0]),
        (Sqrt, [-INF, NAN], [NAN, INF]),
        (Sqrt, [INF, NAN], [INF, NAN]),
        (Sqrt, [NAN, 1.0], [NAN, NAN]),
        (Cosh, [0.0, 0.0], [1.0, 0.0]),
        (Cosh, [0.0, INF], [NAN, 0.0]),
        (Cosh, [1.0, INF], [NAN, NAN]),
        (Cosh, [INF, 0.0], [INF, 0.0]),
        (Cosh, [INF, INF], [INF, NAN]),
        (Cosh, [NAN, 0.0], [NAN, 0.0]),
        (Sinh, [0.0, 0.0], [0.0, 0.0]),
        (Sinh, [0.0, INF], [0.0, NAN]),
        (Sinh, [1.0, INF], [NAN, NAN]),
        (Sinh, [INF, 0.0], [INF, 0.0]),
        (Sinh, [INF, 1.0], [INF, INF]),
        (Sinh, [INF, NAN], [INF, NAN]),
        (Sinh, [NAN, 0.0], [NAN, 0.0]),
        (Tanh, [0.0, 0.0], [0.0, 0.0]),
        (Tanh, [1.0, INF], [NAN, NAN]),
        (Tanh, [INF, 1.0], [1.0, 0.0]),
        (Tanh, [INF, INF], [1.0, 0.0]),
        (Tanh, [NAN, 0.0], [NAN, 0.0]),
        (Tanh, [NAN, 1.0], [NAN, NAN]),
        (Acos, [0.0, 0.0], [PI / 2.0, -0.0]),
        (Acos, [-0.0, 0.0], [PI / 2.0, -0.0]),
        (Acos, [0.0, NAN], [PI / 2.0, NAN]),
        (Acos, [1.0, INF], [PI / 2.0, -INF]),
        (Acos, [-INF, 1.0], [PI, -INF]),
        (Acos, [INF, 1.0], [0.0, -INF]),
        (Acos, [-INF, INF], [3.0 * PI / 4.0, -INF]),
        (Acos, [INF, INF], [PI / 4.0, -INF]),
        (Acos, [NAN, 1.0], [NAN, NAN]),
        (Acos, [NAN, INF], [NAN, -INF]),
        (Acosh, [0.0, 0.0], [0.0, PI / 2.0]),
        (Acosh, [1.0, INF], [INF, PI / 2.0]),
        (Acosh, [-INF, 1.0], [INF, PI]),
        (Acosh, [INF, 1.0], [INF, 0.0]),
        (Acosh, [INF, NAN], [INF, NAN]),
        (Acosh, [NAN, INF], [INF, NAN]),
        (Asinh, [0.0, 0.0], [0.0, 0.0]),
        (Asinh, [0.0, 1.0], [0.0, PI / 2.0]),
        (Asinh, [1.0, INF], [INF, PI / 2.0]),
        (Asinh, [INF, 1.0], [INF, 0.0]),
        (Asinh, [INF, INF], [INF, PI / 4.0]),
        (Asinh, [NAN, 0.0], [NAN, 0.0]),
        (Asinh, [NAN, INF], [INF, NAN]),
        (Atanh, [0.0, 0.0], [0.0, 0.0]),
        (Atanh, [0.0, NAN], [0.0, NAN]),
        (Atanh, [1.0, 0.0], [INF, 0.0]),
        (Atanh, [1.0, INF], [0.0, PI / 2.0]),
        (Atanh, [INF, 1.0], [0.0, PI / 2.0]),
        (Atanh, [INF, NAN], [0.0, NAN]),
        (Atanh, [NAN, INF], [0.0, PI / 2.0]),
        (Sign, [3.0, -4.0], [0.6, -0.8]),
    ];
    for &(op, [re, im], [real, imaginary]) in table {
        // All are symmetric about the real axis.
        for turn in [1.0, -1.0] {
            let found = apply(op, re, im * turn);
            let signless = im.is_nan() || imaginary.is_nan();
            let fits = same(found.re, real)
                && (signless && (found.im.abs() == imaginary.abs() || imaginary.is_nan()))
                || same(found.re, real) && same(found.im, imaginary * turn)
                || real == 0.0 && found.re == 0.0 && same(found.im, imaginary * turn);
            assert!(fits, "{op:?}({re}, {}) is {found}, not {real} {}", im * turn, imaginary * turn);
        }
    }
}

#[test]
fn agrees_with_real_functions_on_the_axis() {
    use UnaryOp::*;
    let real: [(UnaryOp, OfReal); 14] = [
        (Acos, f64::acos),
        (Asin, f64::asin),
        (Asinh, f64::asinh),
        (Atan, f64::atan),
        (Atanh, f64::atanh),
        (Cos, f64::cos),
        (Cosh, f64::cosh),
        (Exp, f64::exp),
        (Expm1, f64::exp_m1),
        (Log1p, f64::ln_1p),
        (Sin, f64::sin),
        (Sinh, f64::sinh),
        (Tan, f64::tan),
        (Tanh, f64::tanh),
    ];
    for (op, real) in real {
        for i in 1..100 {
            let x = i as f64 / 101.0;
            for x in [x, -x, x * 1e-5, -x * 1e-9] {
                let found = apply(op, x, 0.0);
                let expected = real(x);
                assert!(
                    (found.re - expected).abs() <= 1e-15 * expected.abs().max(1e-300),
                    "{op:?}({x}): {found} {expected}"
                );
                assert!(found.im.abs() == 0.0, "{op:?}({x}): {found}");
            }
        }
    }
}

#[test]
fn undoes_its_inverse() {
    use UnaryOp::*;
    for (inverse, op) in [
        (Acos, Cos),
        (Acosh, Cosh),
        (Asin, Sin),
        (Asinh, Sinh),
        (Atan, Tan),
        (Atanh, Tanh),
        (Log, Exp),
        (Log1p, Expm1),
        (Sqrt, Sqrt),
    ] {
        for i in 0..400 {
            let length = 10f64.powf((i % 20) as f64 * 0.25 - 3.0);
            let angle = i as f64 * 0.7 + 0.01;
            let z = C::new(length * angle.cos(), length * angle.sin());
            let there = function(inverse).expect("known")(z);
            let back = if op == Sqrt { there * there } else { function(op).expect("known")(there) };
            // Near a branch's end the inverse loses half the digits of what is small.
            let tolerance = if matches!(inverse, Acos | Acosh) {
                1e-14 * (1.0 + z.norm())
            } else {
                1e-13 * z.norm().max(1e-300)
            };
            let conditioning = (1.0 + there.norm()) * 4.0;
            let steep = if matches!(inverse, Atan | Atanh) { 1.0 + z.norm() * z.norm() } else { 1.0 };
            assert!(
                (back - z).norm() <= tolerance * conditioning * steep,
                "{op:?}({inverse:?}({z})) is {back}"
            );
        }
    }
}

#[test]
fn divides_without_overflow() {
    let huge = C::new(1e300, 1e300);
    assert_eq!(divide(huge, huge), C::new(1.0, 0.0));
    let tiny = C::new(1e-300, -1e-300);
    assert_eq!(divide(tiny, tiny), C::new(1.0, 0.0));
    let by_zero = divide(C::new(1.0, 0.0), C::new(0.0, 0.0));
    assert!(by_zero.re == INF && by_zero.im.is_nan());
    assert_eq!(divide(Complex::new(3e38f32, 3e38), Complex::new(3e38f32, 3e38)), Complex::new(1.0, 0.0));
}

#[test]
fn raises_to_powers() {
    let z = C::new(1.5, -0.5);
    assert_eq!(power(z, C::new(2.0, 0.0)), z * z);
    assert_eq!(power(z, C::new(0.0, 0.0)), C::new(1.0, 0.0));
    assert_eq!(power(C::new(0.0, 0.0), C::new(2.0, 0.0)), C::new(0.0, 0.0));
    assert!(power(C::new(0.0, 0.0), C::new(-1.0, 0.0)).re.is_nan());
    let found = power(z, C::new(0.5, 0.0));
    assert!((found - sqrt(z)).norm() < 1e-15);
    assert!((power(z, C::new(-3.0, 0.0)) * z * z * z - 1.0).norm() < 1e-15);
}
