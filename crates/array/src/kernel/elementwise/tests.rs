//! Programs over every layout, and the special cases of every function.

use super::*;
use crate::dtype::Scalar;
use crate::program::{BinaryOp, Instruction, UnaryOp};
use crate::tensor::Slice;

fn evaluate(program: &Program, inputs: &[Tensor], shape: &[usize]) -> Result<Tensor> {
    let dtype = program.instructions.last().map_or(DType::F64, |last| last.dtype);
    let mut out = TensorMut::uninit(dtype, shape)?;
    run(program, inputs, &Region::whole(shape), &out.target())?;
    Ok(out.freeze())
}

fn step(step: Step, dtype: DType) -> Instruction {
    Instruction { step, dtype }
}

/// `a * 2 + b`, and which index it is at.
#[test]
fn walks_every_layout() -> Result<()> {
    let program = Program {
        inputs: vec![DType::F64, DType::F64],
        instructions: vec![
            step(Step::Input(0), DType::F64),
            step(Step::Constant(Scalar::Int(2)), DType::F64),
            step(Step::Binary(BinaryOp::Multiply, 0, 1), DType::F64),
            step(Step::Input(1), DType::F64),
            step(Step::Binary(BinaryOp::Add, 2, 3), DType::F64),
            step(Step::Index(0), DType::I64),
            step(Step::Cast(5), DType::F64),
            step(Step::Binary(BinaryOp::Add, 4, 6), DType::F64),
        ],
    };
    for shape in [[3usize, 5], [1, 7000], [7000, 1], [130, 130], [2, 3000], [3000, 2], [1, 1], [0, 4]] {
        let [n, m] = shape;
        let whole = Tensor::from_vec((0..n * m).map(|i| i as f64).collect(), &shape)?;
        let turned = Tensor::from_vec((0..n * m).map(|i| i as f64).collect(), &[m, n])?.permute(&[1, 0]);
        let row = Tensor::from_vec((0..m).map(|i| i as f64 * 0.5).collect(), &[1, m])?.broadcast(&shape);
        let column = Tensor::from_vec((0..n).map(|i| i as f64 * 0.5).collect(), &[n, 1])?.broadcast(&shape);
        let one = Tensor::scalar(Scalar::Float(4.0), DType::F64)?.broadcast(&shape);
        let back = if n * m == 0 {
            whole.clone()
        } else {
            whole.slice(&[
                Slice { start: n - 1, count: n, step: -1 },
                Slice { start: m - 1, count: m, step: -1 },
            ])
        };
        let all = [whole, turned, row, column, one, back];
        for a in &all {
            for b in &all {
                let region = Region { start: vec![10, 0], shape: shape.to_vec() };
                for turn in [false, true] {
                    let mut out = TensorMut::uninit(DType::F64, &if turn { [m, n] } else { [n, m] })?;
                    let target = if turn { out.target().permute(&[1, 0]) } else { out.target() };
                    run(&program, &[a.clone(), b.clone()], &region, &target)?;
                    let result = out.freeze();
                    for i in 0..n {
                        for j in 0..m {
                            let expected =
                                a.get::<f64>(&[i, j]) * 2.0 + b.get::<f64>(&[i, j]) + (i + 10) as f64;
                            let position = if turn { [j, i] } else { [i, j] };
                            assert_eq!(result.get::<f64>(&position), expected, "{shape:?} {i} {j} {turn}");
                        }
                    }
                }
            }
        }
    }
    Ok(())
}

/// The elements of a contiguous operand under a function.
fn unary_of<T: Element, R: Element>(op: UnaryOp, values: &[T]) -> Result<Vec<R>> {
    let program = Program {
        inputs: vec![T::DTYPE],
        instructions: vec![step(Step::Input(0), T::DTYPE), step(Step::Unary(op, 0), op.result(T::DTYPE))],
    };
    let input = Tensor::from_vec(values.to_vec(), &[values.len()])?;
    evaluate(&program, &[input], &[values.len()])?.to_vec::<R>()
}

fn binary_of<T: Element, R: Element>(op: BinaryOp, a: &[T], b: &[T]) -> Result<Vec<R>> {
    let program = Program {
        inputs: vec![T::DTYPE; 2],
        instructions: vec![
            step(Step::Input(0), T::DTYPE),
            step(Step::Input(1), T::DTYPE),
            step(Step::Binary(op, 0, 1), op.result(T::DTYPE)),
        ],
    };
    let inputs = [Tensor::from_vec(a.to_vec(), &[a.len()])?, Tensor::from_vec(b.to_vec(), &[b.len()])?];
    evaluate(&program, &inputs, &[a.len()])?.to_vec::<R>()
}

/// Numbers of every magnitude, the ends of ranges and what is not a number.
fn sample() -> Vec<f64> {
    let mut values = vec![
        0.0,
        f64::INFINITY,
        f64::NAN,
        f64::MIN_POSITIVE,
        5e-324,
        1e-310,
        f64::MAX,
        1.0,
        0.5,
        2.0,
        0.9999999999999999,
        1.0000000000000002,
        0.41421356237309503,
        2.414213562373095,
        709.0,
        709.782712893384,
        709.7827128933841,
        710.0,
        710.4758600739439,
        710.5,
        745.1332191019411,
        745.1332191019412,
        1023.0,
        1024.0,
        1074.0,
        1075.0,
        22.0,
        1e9,
        1e22,
        1e150,
        1e200,
        std::f64::consts::PI,
        std::f64::consts::FRAC_PI_2,
        std::f64::consts::LN_2,
        355.0,
    ];
    let mut state = 1u64;
    for i in 0..20_000 {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        let mantissa = 1.0 + (state >> 12) as f64 / (1u64 << 52) as f64;
        let exponent = if i % 2 == 0 { i % 12 - 6 } else { i % 200 - 100 };
        values.push(mantissa * 2f64.powi(exponent));
    }
    let negative: Vec<f64> = values.iter().map(|x| -x).collect();
    values.extend(negative);
    values
}

/// How many numbers of the type lie between two.
fn distance(a: f64, b: f64) -> u64 {
    let place = |x: f64| {
        let bits = x.to_bits() as i64;
        if bits < 0 { i64::MIN.wrapping_sub(bits) } else { bits }
    };
    place(a).abs_diff(place(b))
}

fn distance_f32(a: f32, b: f32) -> u64 {
    let place = |x: f32| {
        let bits = x.to_bits() as i32;
        if bits < 0 { i32::MIN.wrapping_sub(bits) } else { bits }
    };
    place(a).abs_diff(place(b)) as u64
}

type OfOne = fn(f64) -> f64;
type OfTwo = fn(f64, f64) -> f64;

fn functions() -> Vec<(UnaryOp, OfOne)> {
    use UnaryOp::*;
    vec![
        (Abs, f64::abs),
        (Acos, f64::acos),
        (Asin, f64::asin),
        (Atan, f64::atan),
        (Cbrt, f64::cbrt),
        (Ceil, f64::ceil),
        (Cos, f64::cos),
        (Cosh, f64::cosh),
        (Exp, f64::exp),
        (Exp2, f64::exp2),
        (Expm1, f64::exp_m1),
        (Floor, f64::floor),
        (Log, f64::ln),
        (Log1p, f64::ln_1p),
        (Log2, f64::log2),
        (Log10, f64::log10),
        (Round, f64::round_ties_even),
        (Sin, f64::sin),
        (Sinh, f64::sinh),
        (Sqrt, f64::sqrt),
        (Tan, f64::tan),
        (Tanh, f64::tanh),
        (Trunc, f64::trunc),
    ]
}

/// Every function beside the C library's, whose own error is below one unit, and with its special values.
#[test]
fn computes_functions_to_the_last_digits() -> Result<()> {
    let values = sample();
    for (op, expected) in functions() {
        for (&x, found) in values.iter().zip(unary_of::<f64, f64>(op, &values)?) {
            let expected = expected(x);
            let fits = expected.is_nan() && found.is_nan()
                || found.is_sign_negative() == expected.is_sign_negative() && distance(found, expected) <= 3;
            assert!(fits, "{op:?}({x:e}) is {found:e}, not {expected:e}");
        }
    }
    let singles: Vec<f32> = values.iter().map(|&x| x as f32).collect();
    for (op, expected) in functions() {
        for (&x, found) in singles.iter().zip(unary_of::<f32, f32>(op, &singles)?) {
            let expected = expected(x as f64) as f32;
            let fits = expected.is_nan() && found.is_nan()
                || found.is_sign_negative() == expected.is_sign_negative()
                    && distance_f32(found, expected) <= 3;
            assert!(fits, "{op:?}({x:e}) is {found:e}, not {expected:e} in float32");
        }
    }
    Ok(())
}

/// The standard library's inverse hyperbolic functions lose digits: beside logarithms in more of them, and known values.
#[test]
fn computes_inverse_hyperbolic_functions() -> Result<()> {
    let table: [(UnaryOp, &[(f64, f64)]); 3] = [
        (
            UnaryOp::Asinh,
            &[
                (-0.0, -0.0),
                (1e-20, 1e-20),
                (-0.001, -0.0009999998333334083),
                (0.5, 0.48121182505960347),
                (1.0, 0.881373587019543),
                (1e10, 23.7189981105004),
                (1e300, 691.4686750787737),
                (f64::NEG_INFINITY, f64::NEG_INFINITY),
            ],
        ),
        (
            UnaryOp::Acosh,
            &[
                (1.0, 0.0),
                (1.0000000001, 1.4142136208675862e-05),
                (1.5, 0.9624236501192069),
                (1e10, 23.7189981105004),
                (1e300, 691.4686750787737),
                (f64::INFINITY, f64::INFINITY),
                (0.5, f64::NAN),
                (-5.0, f64::NAN),
            ],
        ),
        (
            UnaryOp::Atanh,
            &[
                (-0.0, -0.0),
                (1e-20, 1e-20),
                (0.5, 0.5493061443340549),
                (-0.99999, -6.1030338227611125),
                (1.0, f64::INFINITY),
                (-1.0, f64::NEG_INFINITY),
                (1.5, f64::NAN),
            ],
        ),
    ];
    for (op, cases) in table {
        let values: Vec<f64> = cases.iter().map(|case| case.0).collect();
        for (&(x, expected), found) in cases.iter().zip(unary_of::<f64, f64>(op, &values)?) {
            let fits = expected.is_nan() && found.is_nan()
                || found.is_sign_negative() == expected.is_sign_negative() && distance(found, expected) <= 3;
            assert!(fits, "{op:?}({x}) is {found:e}, not {expected:e}");
        }
    }
    Ok(())
}

#[test]
fn computes_functions_of_two_numbers() -> Result<()> {
    let mut left = vec![];
    let mut right = vec![];
    let values = sample();
    for (i, &x) in values.iter().enumerate() {
        let y = values[(i * 7919 + 35) % values.len()];
        left.extend([x, x, x.abs(), 10.0, x, 1.0]);
        right.extend([y, x, y % 20.0, y, (i % 7) as f64 - 3.0, x]);
    }
    for &x in &values[..35] {
        for &y in &values[..35] {
            for (x, y) in [(x, y), (-x, y), (x, -y), (-x, -y)] {
                left.push(x);
                right.push(y);
            }
        }
    }
    let table: [(BinaryOp, OfTwo); 5] = [
        (BinaryOp::Pow, f64::powf),
        (BinaryOp::Atan2, f64::atan2),
        (BinaryOp::Hypot, f64::hypot),
        (BinaryOp::CopySign, f64::copysign),
        (BinaryOp::Fmod, |a, b| a % b),
    ];
    let (left_singles, right_singles): (Vec<f32>, Vec<f32>) =
        left.iter().zip(&right).map(|(&x, &y)| (x as f32, y as f32)).unzip();
    for (op, expected) in table {
        let found = binary_of::<f64, f64>(op, &left, &right)?;
        for ((&x, &y), found) in left.iter().zip(&right).zip(found) {
            let expected = expected(x, y);
            let fits = expected.is_nan() && found.is_nan()
                || found.is_sign_negative() == expected.is_sign_negative() && distance(found, expected) <= 3;
            assert!(fits, "{op:?}({x:e}, {y:e}) is {found:e}, not {expected:e}");
        }
        let found = binary_of::<f32, f32>(op, &left_singles, &right_singles)?;
        for ((&x, &y), found) in left_singles.iter().zip(&right_singles).zip(found) {
            let expected = expected(x as f64, y as f64) as f32;
            let fits = expected.is_nan() && found.is_nan()
                || found.is_sign_negative() == expected.is_sign_negative()
                    && distance_f32(found, expected) <= 3;
            assert!(fits, "{op:?}({x:e}, {y:e}) is {found:e}, not {expected:e} in float32");
        }
    }
    Ok(())
}

/// The table of the standard for `floor_divide` and `remainder`.
#[test]
fn divides_toward_minus_infinity() -> Result<()> {
    const INF: f64 = f64::INFINITY;
    const NAN: f64 = f64::NAN;
    let table = [
        (7.0, 2.0, 3.0, 1.0),
        (-7.0, 2.0, -4.0, 1.0),
        (7.0, -2.0, -4.0, -1.0),
        (-7.0, -2.0, 3.0, -1.0),
        (6.0, 2.0, 3.0, 0.0),
        (6.0, -2.0, -3.0, -0.0),
        (1.0, 2.0, 0.0, 1.0),
        (-1e-20, 1.0, -1.0, 1.0),
        (1.0, 0.1, 9.0, 0.09999999999999995),
        (0.0, 1.0, 0.0, 0.0),
        (-0.0, 1.0, -0.0, 0.0),
        (0.0, -1.0, -0.0, -0.0),
        (-0.0, -1.0, 0.0, -0.0),
        (1.0, 0.0, INF, NAN),
        (1.0, -0.0, -INF, NAN),
        (-1.0, 0.0, -INF, NAN),
        (0.0, 0.0, NAN, NAN),
        (INF, INF, NAN, NAN),
        (INF, 1.0, INF, NAN),
        (INF, -1.0, -INF, NAN),
        (-INF, 1.0, -INF, NAN),
        (-INF, -1.0, INF, NAN),
        (1.0, INF, 0.0, 1.0),
        (1.0, -INF, -0.0, -INF),
        (-1.0, INF, -0.0, INF),
        (-1.0, -INF, 0.0, -1.0),
        (NAN, 1.0, NAN, NAN),
        (1.0, NAN, NAN, NAN),
        (1e300, 3.0, 3.333333333333333e299, 1e300 % 3.0),
    ];
    let same = |a: f64, b: f64| a.is_nan() && b.is_nan() || a.to_bits() == b.to_bits();
    for (a, b, quotient, rest) in table {
        let [found] = binary_of::<f64, f64>(BinaryOp::FloorDivide, &[a], &[b])?[..] else { panic!() };
        assert!(
            same(found, quotient) || distance(found, quotient) <= 1 && a.abs() > 1e20,
            "{a} // {b} is {found}"
        );
        let [found] = binary_of::<f64, f64>(BinaryOp::Remainder, &[a], &[b])?[..] else { panic!() };
        assert!(same(found, rest), "{a} % {b} is {found}, not {rest}");
        let [found] = binary_of::<f32, f32>(BinaryOp::FloorDivide, &[a as f32], &[b as f32])?[..] else {
            panic!()
        };
        assert!(
            a.abs() > 1e20 || b == 0.1 || same(found as f64, quotient),
            "{a} // {b} is {found} in float32"
        );
    }
    let integers = [(7, 2), (-7, 2), (7, -2), (-7, -2), (5, 0), (i8::MIN, -1), (i8::MIN, 1), (0, -3)];
    let (a, b): (Vec<i8>, Vec<i8>) = integers.into_iter().unzip();
    assert_eq!(binary_of::<i8, i8>(BinaryOp::FloorDivide, &a, &b)?, [3, -4, -4, 3, 0, i8::MIN, i8::MIN, 0]);
    assert_eq!(binary_of::<i8, i8>(BinaryOp::Remainder, &a, &b)?, [1, 1, -1, -1, 0, 0, 0, 0]);
    assert_eq!(binary_of::<i8, i8>(BinaryOp::Fmod, &a, &b)?, [1, -1, 1, -1, 0, 0, 0, 0]);
    assert_eq!(binary_of::<u8, u8>(BinaryOp::FloorDivide, &[200, 3], &[7, 0])?, [28, 0]);
    Ok(())
}

#[test]
fn computes_integers_without_panic() -> Result<()> {
    use BinaryOp::*;
    assert_eq!(
        binary_of::<i8, i8>(Pow, &[2, -1, -1, 1, 3, 0, 2], &[-1, -3, -4, -9, 5, 0, 8])?,
        [0, -1, 1, 1, -13, 1, 0]
    );
    assert_eq!(binary_of::<u64, u64>(Pow, &[3, 7], &[40, 2])?, [12157665459056928801, 49]);
    assert_eq!(binary_of::<i32, i32>(ShiftLeft, &[1, 1, -1], &[31, 32, 4])?, [i32::MIN, 0, -16]);
    assert_eq!(binary_of::<i32, i32>(ShiftRight, &[-8, -8, 8], &[1, 40, 40])?, [-4, -1, 0]);
    assert_eq!(binary_of::<u16, u16>(ShiftRight, &[65535, 65535], &[15, 16])?, [1, 0]);
    binary_of::<i64, i64>(ShiftLeft, &[1], &[-1])?;
    binary_of::<i64, i64>(ShiftRight, &[1], &[-1])?;
    assert_eq!(unary_of::<i8, i8>(UnaryOp::Abs, &[i8::MIN, -3, 3])?, [i8::MIN, 3, 3]);
    assert_eq!(unary_of::<u8, u8>(UnaryOp::Negative, &[1, 0])?, [255, 0]);
    assert_eq!(unary_of::<i16, i16>(UnaryOp::Sign, &[-5, 0, 9])?, [-1, 0, 1]);
    assert_eq!(unary_of::<i16, bool>(UnaryOp::SignBit, &[-5, 0, 9])?, [true, false, false]);
    assert_eq!(unary_of::<i16, i16>(UnaryOp::BitwiseInvert, &[-5, 0])?, [4, -1]);
    assert_eq!(unary_of::<bool, bool>(UnaryOp::LogicalNot, &[true, false])?, [false, true]);
    assert_eq!(binary_of::<i64, i64>(Add, &[i64::MAX], &[1])?, [i64::MIN]);
    assert_eq!(binary_of::<u32, bool>(Greater, &[3, 1], &[1, 3])?, [true, false]);
    assert_eq!(binary_of::<bool, bool>(LogicalXor, &[true, true], &[true, false])?, [false, true]);
    assert_eq!(binary_of::<bool, bool>(LessEqual, &[true, false], &[false, false])?, [false, true]);
    Ok(())
}

#[test]
fn orders_floats_and_nan() -> Result<()> {
    use BinaryOp::*;
    const NAN: f64 = f64::NAN;
    let (a, b) = ([1.0, NAN, 1.0, 2.0], [2.0, 1.0, NAN, 1.0]);
    let of = |op| binary_of::<f64, f64>(op, &a, &b);
    let shown = |values: Vec<f64>| format!("{values:?}");
    assert_eq!(shown(of(Maximum)?), "[2.0, NaN, NaN, 2.0]");
    assert_eq!(shown(of(Minimum)?), "[1.0, NaN, NaN, 1.0]");
    assert_eq!(of(Fmax)?, [2.0, 1.0, 1.0, 2.0]);
    assert_eq!(of(Fmin)?, [1.0, 1.0, 1.0, 1.0]);
    assert_eq!(binary_of::<f64, bool>(GreaterEqual, &a, &b)?, [false, false, false, true]);
    assert_eq!(binary_of::<f64, bool>(NotEqual, &a, &a)?, [false, true, false, false]);
    assert_eq!(shown(unary_of(UnaryOp::Sign, &[-0.0, 0.0, -3.0, 2.0, NAN])?), "[0.0, 0.0, -1.0, 1.0, NaN]");
    assert_eq!(unary_of::<f64, bool>(UnaryOp::SignBit, &[-0.0, 0.0, -NAN, NAN])?, [true, false, true, false]);
    assert_eq!(shown(unary_of(UnaryOp::Round, &[0.5, 1.5, 2.5, -0.5, -1.5])?), "[0.0, 2.0, 2.0, -0.0, -2.0]");
    assert_eq!(
        binary_of::<f64, f64>(
            NextAfter,
            &[0.0, 1.0, 1.0, -0.0, f64::MAX],
            &[-1.0, 2.0, 0.0, 0.0, f64::INFINITY]
        )?,
        [-5e-324, 1.0000000000000002, 0.9999999999999999, 0.0, f64::INFINITY]
    );
    let added = binary_of::<f64, f64>(
        LogAddExp,
        &[0.0, f64::NEG_INFINITY, f64::INFINITY, 1000.0, 1.0, NAN],
        &[0.0, f64::NEG_INFINITY, 1.0, 1000.0, 3.0, 1.0],
    )?;
    assert_eq!(
        shown(added),
        format!("[{}, -inf, inf, {}, 3.1269280110429727, NaN]", 2f64.ln(), 1000.0 + 2f64.ln())
    );
    Ok(())
}

#[test]
fn computes_halves_in_single_precision() -> Result<()> {
    use half::{bf16, f16};
    let halves: Vec<f16> = [1.0, 3.0, 65504.0, -0.5, f32::NAN].iter().map(|&x| f16::from_f32(x)).collect();
    let squares = unary_of::<f16, f16>(UnaryOp::Square, &halves)?;
    assert_eq!(squares[1].to_f32(), 9.0);
    assert!(squares[2].is_infinite() && squares[4].is_nan());
    assert_eq!(unary_of::<f16, bool>(UnaryOp::IsNan, &halves)?, [false, false, false, false, true]);
    let third = binary_of::<bf16, bf16>(BinaryOp::Divide, &[bf16::from_f32(1.0)], &[bf16::from_f32(3.0)])?;
    assert_eq!(third[0], bf16::from_f32(1.0 / 3.0));
    let next = binary_of::<f16, f16>(BinaryOp::NextAfter, &[f16::from_f32(1.0)], &[f16::from_f32(2.0)])?;
    assert_eq!(next[0].to_bits(), f16::from_f32(1.0).to_bits() + 1);
    assert_eq!(
        binary_of::<bf16, bool>(BinaryOp::Less, &[bf16::from_f32(1.0)], &[bf16::from_f32(3.0)])?,
        [true]
    );
    Ok(())
}

#[test]
fn converts_every_type_to_every_other() -> Result<()> {
    for from in DType::ALL {
        for to in DType::ALL {
            let values = [0.0, 1.0, 2.0, 100.0];
            let tensor = convert(&convert(&Tensor::from_vec(values.to_vec(), &[4])?, from)?, to)?;
            assert_eq!(tensor.dtype(), to);
            let expected: Vec<Scalar> =
                values.iter().map(|&x| Scalar::Float(x).cast(from).cast(to)).collect();
            for (i, expected) in expected.into_iter().enumerate() {
                let found = dispatch!(to, T => tensor.get::<T>(&[i]).to_scalar());
                assert_eq!(found, expected, "{from} to {to}");
            }
        }
    }
    let wild = [f64::NAN, f64::INFINITY, -1.5, 300.7, -1e30];
    let cast = |to| convert(&Tensor::from_vec(wild.to_vec(), &[5])?, to);
    assert_eq!(cast(DType::I32)?.to_vec::<i32>()?, [0, i32::MAX, -1, 300, i32::MIN]);
    assert_eq!(cast(DType::Bool)?.to_vec::<bool>()?, [true; 5]);
    let ints = Tensor::from_vec(vec![-1i64, 300, 1 << 40], &[3])?;
    assert_eq!(convert(&ints, DType::U8)?.to_vec::<u8>()?, [255, 44, 0]);
    let complex = Tensor::from_vec(vec![num_complex::Complex::new(0.0f32, 2.0); 2], &[2])?;
    assert_eq!(convert(&complex, DType::Bool)?.to_vec::<bool>()?, [true; 2]);
    assert_eq!(convert(&complex, DType::I8)?.to_vec::<i8>()?, [0; 2]);
    Ok(())
}

/// Constants, broadcast operands and choices among them, over more than a block.
#[test]
fn mixes_constants_with_operands() -> Result<()> {
    let n = 5000;
    let x = Tensor::from_vec((0..n).map(|i| i as f32).collect(), &[n])?;
    let one = Tensor::scalar(Scalar::Float(3.0), DType::F32)?.broadcast(&[n]);
    let program = Program {
        inputs: vec![DType::F32, DType::F32],
        instructions: vec![
            step(Step::Input(0), DType::F32),
            step(Step::Constant(Scalar::Int(2)), DType::F32),
            step(Step::Binary(BinaryOp::Pow, 0, 1), DType::F32),
            step(Step::Input(1), DType::F32),
            step(Step::Binary(BinaryOp::Multiply, 1, 3), DType::F32),
            step(Step::Constant(Scalar::Int(10)), DType::F32),
            step(Step::Binary(BinaryOp::Less, 0, 5), DType::Bool),
            step(Step::Where(6, 2, 4), DType::F32),
        ],
    };
    let found = evaluate(&program, &[x, one.clone()], &[n])?.to_vec::<f32>()?;
    for (i, found) in found.into_iter().enumerate() {
        assert_eq!(found, if i < 10 { (i * i) as f32 } else { 6.0 });
    }
    let constant =
        Program { inputs: vec![], instructions: vec![step(Step::Constant(Scalar::Int(7)), DType::I16)] };
    assert_eq!(evaluate(&constant, &[], &[n])?.to_vec::<i16>()?, vec![7; n]);
    let copied = Program { inputs: vec![DType::F32], instructions: vec![step(Step::Input(0), DType::F32)] };
    assert_eq!(evaluate(&copied, &[one], &[n])?.to_vec::<f32>()?, vec![3.0; n]);
    Ok(())
}

#[test]
fn refuses_programs_that_do_not_fit() -> Result<()> {
    let x = Tensor::from_vec(vec![1.0f64; 4], &[4])?;
    let program = |instructions| Program { inputs: vec![DType::F64], instructions };
    for wrong in [
        program(vec![]),
        program(vec![step(Step::Input(1), DType::F64)]),
        program(vec![step(Step::Unary(UnaryOp::Exp, 0), DType::F64)]),
        program(vec![
            step(Step::Input(0), DType::F64),
            step(Step::Unary(UnaryOp::BitwiseInvert, 0), DType::F64),
        ]),
    ] {
        let error = evaluate(&wrong, std::slice::from_ref(&x), &[4]).expect_err("it does not fit");
        assert_eq!(error.kind(), crate::ErrorKind::Bug);
    }
    Ok(())
}
