use super::*;
use crate::dtype::DType;
use crate::error::{ErrorKind, Result};
use crate::graph::Array;
use crate::run::Runner;
use crate::tensor::Tensor;

fn array<T: crate::dtype::Element>(values: &[T], shape: &[usize]) -> Array {
    Array::from_tensor(Tensor::from_vec(values.to_vec(), shape).expect("as many values as the shape has"))
}

#[test]
fn sorts_along_any_axis() -> Result<()> {
    let runner = Runner::new();
    let x = array(&[5, 2, 9, 1, 8, 3], &[2, 3]);
    let sorted = |axis, descending| runner.compute(&sort(&x, axis, descending, true)?)?.to_vec::<i32>();
    assert_eq!(sorted(-1, false)?, [2, 5, 9, 1, 3, 8]);
    assert_eq!(sorted(0, true)?, [5, 8, 9, 1, 2, 3]);
    let numbers = argsort(&x, 0, false, true)?;
    assert_eq!(runner.compute(&numbers)?.to_vec::<i64>()?, [1, 0, 1, 0, 1, 0]);
    assert_eq!(sort(&x, 2, false, true).expect_err("no axis 2").kind(), ErrorKind::Axis);
    assert_eq!(runner.compute(&sort(&array::<f64>(&[], &[3, 0]), 0, false, true)?)?.shape(), [3, 0]);
    Ok(())
}

#[test]
fn takes_the_greatest() -> Result<()> {
    let runner = Runner::new();
    let x = array(&[5, 2, 9, 1, 8, 3], &[2, 3]);
    let (values, numbers) = topk(&x, 2, -1, true)?;
    assert_eq!(runner.compute(&values)?.to_vec::<i32>()?, [9, 5, 8, 3]);
    assert_eq!(runner.compute(&numbers)?.to_vec::<i64>()?, [2, 0, 1, 2]);
    let (values, _) = topk(&x, 1, 0, false)?;
    assert_eq!(runner.compute(&values)?.to_vec::<i32>()?, [1, 2, 3]);
    assert_eq!(topk(&x, 4, -1, true).expect_err("three").kind(), ErrorKind::Value);
    assert_eq!(partition(&x, 3, 1).expect_err("three").kind(), ErrorKind::Value);
    Ok(())
}

#[test]
fn finds_places() -> Result<()> {
    let runner = Runner::new();
    let sorted = array(&[-1.0, 0.0, 0.0, 2.0, f64::NAN], &[5]);
    let values = array(&[-0.0f32, 3.0, f32::NAN, -5.0], &[2, 2]);
    let places =
        |side_right| runner.compute(&searchsorted(&sorted, &values, side_right, None)?)?.to_vec::<i64>();
    assert_eq!(places(false)?, [1, 4, 4, 0]);
    assert_eq!(places(true)?, [3, 4, 5, 0]);
    let sorter = array(&[2i64, 0, 1], &[3]);
    let place = searchsorted(&array(&[4, 9, 1], &[3]), &array(&[5i64], &[]), false, Some(&sorter))?;
    assert_eq!(runner.compute(&place)?.to_vec::<i64>()?, [2]);
    assert_eq!(searchsorted(&values, &values, false, None).expect_err("a matrix").kind(), ErrorKind::Value);
    Ok(())
}

#[test]
fn quantiles_are_numpys() -> Result<()> {
    let runner = Runner::new();
    let x = array(&[3.0, 1.0, 2.0, 10.0, 7.0, 7.0, -4.0], &[7]);
    let q = [0.0, 0.1, 0.25, 0.4, 0.5, 0.75, 0.93, 1.0];
    let expected: &[(&str, &[f64])] = &[
        ("inverted_cdf", &[-4.0, -4.0, 1.0, 2.0, 3.0, 7.0, 10.0, 10.0]),
        (
            "interpolated_inverted_cdf",
            &[-4.0, -4.0, -0.25, 1.8000000000000003, 2.5, 7.0, 8.530000000000001, 10.0],
        ),
        ("hazen", &[-4.0, -2.999999999999999, 1.25, 2.3000000000000003, 3.0, 7.0, 10.0, 10.0]),
        ("weibull", &[-4.0, -4.0, 1.0, 2.2, 3.0, 7.0, 10.0, 10.0]),
        ("linear", &[-4.0, -0.9999999999999996, 1.5, 2.4000000000000004, 3.0, 7.0, 8.74, 10.0]),
        (
            "median_unbiased",
            &[-4.0, -3.666666666666667, 1.1666666666666665, 2.266666666666667, 3.0, 7.0, 10.0, 10.0],
        ),
        ("normal_unbiased", &[-4.0, -3.4999999999999996, 1.1875, 2.2750000000000004, 3.0, 7.0, 10.0, 10.0]),
        ("lower", &[-4.0, -4.0, 1.0, 2.0, 3.0, 7.0, 7.0, 10.0]),
        ("higher", &[-4.0, 1.0, 2.0, 3.0, 3.0, 7.0, 10.0, 10.0]),
        ("nearest", &[-4.0, 1.0, 2.0, 2.0, 3.0, 7.0, 10.0, 10.0]),
        ("midpoint", &[-4.0, -1.5, 1.5, 2.5, 3.0, 7.0, 8.5, 10.0]),
    ];
    for (name, values) in expected {
        let given = runner.compute(&quantile(&x, &q, None, name.parse()?, false)?)?.to_vec::<f64>()?;
        for (given, value) in given.iter().zip(*values) {
            assert!((given - value).abs() < 1e-12, "{name}: {given} is not {value}");
        }
    }
    Ok(())
}

#[test]
fn medians_know_nan_axes_and_types() -> Result<()> {
    let runner = Runner::new();
    let nan = f64::NAN;
    let x = array(&[1.0, nan, 3.0, 4.0, 2.0, 6.0], &[2, 3]);
    let given = runner.compute(&median(&x, Some(&[1]), true)?)?;
    assert_eq!(given.shape(), [2, 1]);
    assert!(given.get::<f64>(&[0, 0]).is_nan() && given.get::<f64>(&[1, 0]) == 4.0);
    assert_eq!(runner.compute(&nanmedian(&x, Some(&[1]), false)?)?.to_vec::<f64>()?, [2.0, 4.0]);
    assert_eq!(runner.compute(&nanmedian(&x, None, false)?)?.to_vec::<f64>()?, [3.0]);
    let ints = array(&[1i32, 4], &[2]);
    assert_eq!(median(&ints, None, false)?.dtype(), DType::F64);
    assert_eq!(quantile(&ints, &[0.5], None, QuantileMethod::Lower, false)?.dtype(), DType::I32);
    assert!(runner.compute(&median(&array::<f64>(&[], &[0]), None, false)?)?.get::<f64>(&[]).is_nan());
    let infinite = array(&[f64::INFINITY, f64::INFINITY, 0.0], &[3]);
    assert_eq!(runner.compute(&median(&infinite, None, false)?)?.get::<f64>(&[]), f64::INFINITY);
    Ok(())
}
