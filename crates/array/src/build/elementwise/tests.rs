//! Types, shapes and composites.

use num_complex::Complex;

use super::*;
use crate::Tensor;
use crate::dtype::Element;
use crate::error::ErrorKind;
use crate::run::Runner;

fn array<T: Element>(values: &[T], shape: &[usize]) -> Result<Array> {
    Ok(Array::from_tensor(Tensor::from_vec(values.to_vec(), shape)?))
}

fn values<T: Element>(array: &Array) -> Result<Vec<T>> {
    Runner::new().compute(array)?.to_vec::<T>()
}

#[test]
fn names_are_unique_and_parse() -> Result<()> {
    for &op in UnaryOp::ALL {
        assert_eq!(op.name().parse::<UnaryOp>()?, op);
    }
    for &op in BinaryOp::ALL {
        assert_eq!(op.name().parse::<BinaryOp>()?, op);
    }
    assert!("nothing".parse::<UnaryOp>().is_err());
    Ok(())
}

#[test]
fn types_follow_the_standard() -> Result<()> {
    let of = |dtype| filled(Scalar::Int(1), dtype, &[2]);
    let unary_type = |op, dtype| unary(op, &of(dtype)).map(|result| result.dtype());
    assert_eq!(unary_type(UnaryOp::Sin, DType::I8)?, DType::F64);
    assert_eq!(unary_type(UnaryOp::Sqrt, DType::F16)?, DType::F16);
    assert_eq!(unary_type(UnaryOp::Abs, DType::C64)?, DType::F32);
    assert_eq!(unary_type(UnaryOp::Floor, DType::I32)?, DType::I32);
    assert_eq!(unary_type(UnaryOp::IsNan, DType::I32)?, DType::Bool);
    assert_eq!(unary_type(UnaryOp::Imag, DType::C128)?, DType::F64);
    assert_eq!(unary_type(UnaryOp::LogicalNot, DType::F64)?, DType::Bool);
    for (op, dtype) in [
        (UnaryOp::Negative, DType::Bool),
        (UnaryOp::BitwiseInvert, DType::F32),
        (UnaryOp::Floor, DType::C64),
        (UnaryOp::Cbrt, DType::C64),
    ] {
        assert_eq!(unary_type(op, dtype).expect_err("not defined").kind(), ErrorKind::Type);
    }
    let binary_type = |op, a, b| binary(op, &of(a), &of(b)).map(|result| result.dtype());
    assert_eq!(binary_type(BinaryOp::Add, DType::I8, DType::U8)?, DType::I16);
    assert_eq!(binary_type(BinaryOp::Divide, DType::I8, DType::I8)?, DType::F64);
    assert_eq!(binary_type(BinaryOp::Divide, DType::F32, DType::I8)?, DType::F32);
    assert_eq!(binary_type(BinaryOp::Pow, DType::Bool, DType::Bool)?, DType::I8);
    assert_eq!(binary_type(BinaryOp::Less, DType::F32, DType::I8)?, DType::Bool);
    assert_eq!(binary_type(BinaryOp::Complex, DType::F16, DType::F16)?, DType::C64);
    assert_eq!(binary_type(BinaryOp::Complex, DType::F32, DType::F64)?, DType::C128);
    for (op, a, b) in [
        (BinaryOp::Subtract, DType::Bool, DType::Bool),
        (BinaryOp::Less, DType::C64, DType::F32),
        (BinaryOp::BitwiseAnd, DType::F32, DType::I32),
        (BinaryOp::BitwiseAnd, DType::U64, DType::I64),
        (BinaryOp::Atan2, DType::C64, DType::C64),
    ] {
        assert_eq!(binary_type(op, a, b).expect_err("not defined").kind(), ErrorKind::Type);
    }
    Ok(())
}

/// Whatever the rules let through, the kernel computes.
#[test]
fn every_function_of_every_type_is_computed() -> Result<()> {
    for dtype in DType::ALL {
        let x = cast(&array(&[0.0, 1.0, 0.5, 3.0], &[4])?, dtype);
        for &op in UnaryOp::ALL {
            match unary(op, &x) {
                Ok(result) => {
                    assert_eq!(Runner::new().compute(&result)?.dtype(), result.dtype(), "{op:?} {dtype}")
                }
                Err(error) => assert_eq!(error.kind(), ErrorKind::Type),
            }
        }
        for &op in BinaryOp::ALL {
            match binary(op, &x, &x) {
                Ok(result) => {
                    assert_eq!(Runner::new().compute(&result)?.dtype(), result.dtype(), "{op:?} {dtype}")
                }
                Err(error) => assert_eq!(error.kind(), ErrorKind::Type),
            }
        }
    }
    Ok(())
}

#[test]
fn broadcasts_or_says_why_not() -> Result<()> {
    let rows = array(&[1i64, 2], &[2, 1])?;
    let columns = array(&[10i64, 20, 30], &[3])?;
    let sum = binary(BinaryOp::Add, &rows, &columns)?;
    assert_eq!(sum.shape(), [2, 3]);
    assert_eq!(values::<i64>(&sum)?, [11, 21, 31, 12, 22, 32]);
    let error = binary(BinaryOp::Add, &array(&[1, 2], &[2])?, &columns).expect_err("they do not fit");
    assert_eq!(error.kind(), ErrorKind::Value);
    assert_eq!(error.to_string(), "operands could not be broadcast together with shapes (2,) (3,)");
    assert_eq!(broadcast_shape(&[&[0], &[1]])?, [0]);
    assert!(broadcast_shape(&[&[0], &[2]]).is_err());
    Ok(())
}

#[test]
fn compares_signed_with_unsigned_exactly() -> Result<()> {
    use BinaryOp::*;
    let signed = array(&[-1i64, i64::MAX, 5, 0], &[4])?;
    let unsigned = array(&[u64::MAX, i64::MAX as u64 + 1, 5, 1], &[4])?;
    for (op, expected) in [
        (Less, [true, true, false, true]),
        (LessEqual, [true, true, true, true]),
        (Greater, [false, false, false, false]),
        (GreaterEqual, [false, false, true, false]),
        (Equal, [false, false, true, false]),
        (NotEqual, [true, true, false, true]),
    ] {
        assert_eq!(values::<bool>(&binary(op, &signed, &unsigned)?)?, expected, "{op:?}");
        let turned = expected.map(|x| if matches!(op, Equal | NotEqual) { x } else { !x });
        let opposite = match op {
            Less => LessEqual,
            LessEqual => Less,
            Greater => GreaterEqual,
            GreaterEqual => Greater,
            same => same,
        };
        assert_eq!(values::<bool>(&binary(opposite, &unsigned, &signed)?)?, turned, "{op:?} turned");
    }
    Ok(())
}

#[test]
fn scalars_take_the_arrays_type() -> Result<()> {
    let x = array(&[1i8, 2], &[2])?;
    let sum = binary(BinaryOp::Add, &x, &scalar_like(Scalar::Int(3), &x)?)?;
    assert_eq!((sum.dtype(), values::<i8>(&sum)?), (DType::I8, vec![4, 5]));
    assert_eq!(binary(BinaryOp::Add, &x, &scalar_like(Scalar::Float(0.5), &x)?)?.dtype(), DType::F64);
    assert!(scalar_like(Scalar::Int(300), &x).is_err());
    Ok(())
}

#[test]
fn clips_compares_and_replaces() -> Result<()> {
    const NAN: f64 = f64::NAN;
    const INF: f64 = f64::INFINITY;
    let x = array(&[-2.0, 0.5, 3.0, NAN], &[4])?;
    let limit = |value| filled(Scalar::Float(value), DType::F64, &[]);
    let clipped = values::<f64>(&clip(&x, Some(&limit(0.0)), Some(&limit(1.0)))?)?;
    assert_eq!(format!("{clipped:?}"), "[0.0, 0.5, 1.0, NaN]");
    assert_eq!(clip(&array(&[1i8], &[1])?, Some(&array(&[2i16], &[])?), None)?.dtype(), DType::I8);
    let (a, b) = (array(&[1.0, INF, NAN, INF], &[4])?, array(&[1.0 + 1e-9, INF, NAN, 1.0], &[4])?);
    assert_eq!(values::<bool>(&isclose(&a, &b, 1e-5, 1e-8, false)?)?, [true, true, false, false]);
    assert_eq!(values::<bool>(&isclose(&a, &b, 1e-5, 1e-8, true)?)?, [true, true, true, false]);
    assert_eq!(values::<bool>(&allclose(&a, &a, 1e-5, 1e-8, true)?)?, [true]);
    let wild = array(&[NAN, INF, -INF, 1.0], &[4])?;
    assert_eq!(values::<f64>(&nan_to_num(&wild, 0.0, None, Some(-1.0))?)?, [0.0, f64::MAX, -1.0, 1.0]);
    let complex = array(&[Complex::new(NAN, INF)], &[1])?;
    let found = values::<Complex<f64>>(&nan_to_num(&complex, 0.0, Some(2.0), None)?)?;
    assert_eq!(found, [Complex::new(0.0, 2.0)]);
    let scaled = ldexp(&array(&[1.0, 3.0, 1.0, 5e-324], &[4])?, &array(&[3i64, -1, -1074, 1074], &[4])?)?;
    assert_eq!(values::<f64>(&scaled)?, [8.0, 1.5, 5e-324, 1.0]);
    let step = heaviside(&array(&[-1.0, 0.0, 2.0], &[3])?, &limit(0.5))?;
    assert_eq!(values::<f64>(&step)?, [0.0, 0.5, 1.0]);
    let chosen = where_(&array(&[1i8, 0], &[2])?, &array(&[1i64], &[1])?, &limit(0.5))?;
    assert_eq!(values::<f64>(&chosen)?, [1.0, 0.5]);
    Ok(())
}
