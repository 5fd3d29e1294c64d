//! Types of results, and reductions that are made of others.

use half::f16;
use num_complex::Complex;

use super::*;
use crate::dtype::Element;
use crate::error::ErrorKind;
use crate::run::Runner;
use crate::tensor::Tensor;

fn array<T: Element>(values: &[T], shape: &[usize]) -> Result<Array> {
    Ok(Array::from_tensor(Tensor::from_vec(values.to_vec(), shape)?))
}

fn values<T: Element>(array: &Array) -> Result<Vec<T>> {
    Runner::new().compute(array)?.to_vec::<T>()
}

const NAN: f64 = f64::NAN;

#[test]
fn sums_in_the_standards_types() -> Result<()> {
    let of = |dtype| sum(&filled(Scalar::Int(1), dtype, &[3]), None, None, false).map(|sum| sum.dtype());
    assert_eq!(of(DType::I8)?, DType::I64);
    assert_eq!(of(DType::U32)?, DType::U64);
    assert_eq!(of(DType::Bool)?, DType::I64);
    assert_eq!(of(DType::F16)?, DType::F16);
    assert_eq!(of(DType::C64)?, DType::C64);
    let x = array(&[100i8, 100, 100, 100, 100, 100], &[2, 3])?;
    assert_eq!(values::<i64>(&sum(&x, None, None, false)?)?, [600]);
    assert_eq!(values::<i8>(&sum(&x, Some(&[-1]), Some(DType::I8), false)?)?, [44, 44]);
    let kept = sum(&x, Some(&[0]), None, true)?;
    assert_eq!((kept.shape(), values::<i64>(&kept)?), (&[1, 3][..], vec![200; 3]));
    assert_eq!(values::<i64>(&prod(&array(&[2i32, 3], &[2])?, None, None, false)?)?, [6]);
    assert_eq!(sum(&x, Some(&[]), None, false)?.shape(), [2, 3]);
    Ok(())
}

#[test]
fn names_bad_axes_and_nothing() -> Result<()> {
    let x = array(&[1.0; 6], &[2, 3])?;
    assert_eq!(sum(&x, Some(&[2]), None, false).expect_err("there is none").kind(), ErrorKind::Axis);
    assert_eq!(sum(&x, Some(&[0, -2]), None, false).expect_err("twice").kind(), ErrorKind::Value);
    let none = array::<f64>(&[], &[0, 3])?;
    assert_eq!(min(&none, None, false).expect_err("nothing").kind(), ErrorKind::Value);
    assert_eq!(argmax(&none, Some(0), false).expect_err("nothing").kind(), ErrorKind::Value);
    assert_eq!(max(&none, Some(&[1]), false)?.shape(), [0]);
    assert_eq!(values::<f64>(&sum(&none, Some(&[0]), None, false)?)?, [0.0; 3]);
    assert_eq!(values::<f64>(&prod(&none, None, None, false)?)?, [1.0]);
    assert!(values::<f64>(&mean(&none, None, false)?)?[0].is_nan());
    assert_eq!(values::<bool>(&all(&none, None, false)?)?, [true]);
    let complex = array(&[Complex::new(1.0, 0.0)], &[1])?;
    assert_eq!(min(&complex, None, false).expect_err("no order").kind(), ErrorKind::Type);
    Ok(())
}

#[test]
fn averages_and_deviates() -> Result<()> {
    let x = array(&[1.0, 2.0, 3.0, 4.0, 5.0, 9.0], &[2, 3])?;
    assert_eq!(values::<f64>(&mean(&x, Some(&[1]), false)?)?, [2.0, 6.0]);
    assert_eq!(values::<f64>(&var(&x, Some(&[0]), 0.0, false)?)?, [2.25, 2.25, 9.0]);
    assert_eq!(values::<f64>(&var(&x, Some(&[0]), 1.0, false)?)?, [4.5, 4.5, 18.0]);
    assert_eq!(values::<f64>(&std(&x, Some(&[0]), 0.0, true)?)?, [1.5, 1.5, 3.0]);
    assert_eq!(mean(&array(&[1i8, 2], &[2])?, None, false)?.dtype(), DType::F64);
    assert_eq!(
        var(&array(&[Complex::new(0f32, 1.0), Complex::new(0.0, 3.0)], &[2])?, None, 0.0, false)?.dtype(),
        DType::F32
    );
    let halves = array(&vec![f16::from_f32(300.0); 1000], &[1000])?;
    assert_eq!(values::<f16>(&mean(&halves, None, false)?)?, [f16::from_f32(300.0)]);
    assert_eq!(values::<f16>(&std(&halves, None, 0.0, false)?)?, [f16::from_f32(0.0)]);
    let one = array(&[5.0], &[1])?;
    assert!(values::<f64>(&var(&one, None, 1.0, false)?)?[0].is_nan());
    let weights = array(&[1.0, 0.0, 3.0], &[3])?;
    assert_eq!(values::<f64>(&average(&x, Some(&[1]), Some(&weights), false)?)?, [2.5, 7.75]);
    let weights = array(&[3.0, 1.0], &[2])?;
    assert_eq!(values::<f64>(&average(&x, Some(&[0]), Some(&weights), false)?)?, [1.75, 2.75, 4.5]);
    assert_eq!(average(&x, Some(&[1]), Some(&weights), false).unwrap_err().kind(), ErrorKind::Value);
    let crossed = array(&[1.0, 0.0, 0.0, 0.0, 0.0, 3.0], &[3, 2])?;
    let (mean, total) = weighted_average(&x, Some(&[1, 0]), &crossed, false)?;
    assert_eq!((values::<f64>(&mean)?, values::<f64>(&total)?), (vec![7.0], vec![4.0]));
    assert_eq!(values::<f64>(&ptp(&x, None, false)?)?, [8.0]);
    let large = array(&[1000.0, 1000.0, f64::NEG_INFINITY], &[3])?;
    assert_eq!(values::<f64>(&logsumexp(&large, None, false)?)?, [1000.0 + 2f64.ln()]);
    Ok(())
}

#[test]
fn passes_over_nan() -> Result<()> {
    let x = array(&[1.0, NAN, 3.0, NAN, NAN, NAN], &[2, 3])?;
    let shown = |array: Array| -> Result<String> { Ok(format!("{:?}", values::<f64>(&array)?)) };
    assert_eq!(shown(nansum(&x, Some(&[1]), None, false)?)?, "[4.0, 0.0]");
    assert_eq!(shown(nanprod(&x, Some(&[1]), None, false)?)?, "[3.0, 1.0]");
    assert_eq!(shown(nanmean(&x, Some(&[1]), false)?)?, "[2.0, NaN]");
    assert_eq!(shown(nanvar(&x, Some(&[1]), 0.0, false)?)?, "[1.0, NaN]");
    assert_eq!(shown(nanstd(&x, Some(&[1]), 1.0, false)?)?, format!("[{}, NaN]", 2f64.sqrt()));
    assert_eq!(shown(nanmin(&x, Some(&[1]), false)?)?, "[1.0, NaN]");
    assert_eq!(shown(nanmax(&x, Some(&[0]), false)?)?, "[1.0, NaN, 3.0]");
    assert_eq!(values::<i64>(&nanargmax(&x, Some(1), false)?)?, [2, 0]);
    assert_eq!(values::<i64>(&nanargmin(&x, None, false)?)?, [0]);
    assert_eq!(values::<i64>(&argmin(&x, Some(1), false)?)?, [1, 0]);
    assert_eq!(values::<i64>(&count_nonzero(&array(&[0.0, NAN, 2.0], &[3])?, None, false)?)?, [2]);
    assert_eq!(values::<bool>(&any(&array(&[0i8, 0], &[2])?, None, false)?)?, [false]);
    Ok(())
}
