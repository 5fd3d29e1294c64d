//! Places of values in what is sorted, on the simulated device against the CPU's operator.

use num_complex::Complex;
use swath::operators::tensor::{DeviceTensor, run_search};
use swath_array::build::sort;
use swath_array::run::Runner;
use swath_array::tensor::Slice;
use swath_array::{Array, DType, Scalar, Tensor};

use crate::task::on_device;
use crate::tensor::{Bound, assert_same, layouts, numbers, specials, tensor};

/// A vector in ascending order.
fn sorted(values: &Tensor) -> Tensor {
    let sorted = sort::sort(&Array::from_tensor(values.clone()), 0, false, true).expect("a vector");
    Runner::new().compute(&sorted).expect("the CPU sorts it")
}

fn assert_found(cases: Vec<(Tensor, Tensor)>) {
    let work = cases.clone();
    let results = on_device(move |task| {
        let mut results = Vec::new();
        for (values, sorted) in &work {
            let (values, sorted) = (DeviceTensor::upload(task, values)?, DeviceTensor::upload(task, sorted)?);
            for right in [false, true] {
                let before = task.stats().kernels_launched;
                let found = run_search(task, &values, &sorted, right)?;
                assert!(task.stats().kernels_launched > before || values.is_empty());
                results.push(found.download(task)?);
            }
        }
        Ok(results)
    })
    .unwrap();
    for (number, ((values, sorted), results)) in cases.iter().zip(results.chunks(2)).enumerate() {
        for (actual, right) in results.iter().zip([false, true]) {
            let [values, sorted] = [values, sorted].map(|tensor| Array::from_tensor(tensor.clone()));
            let expected = sort::searchsorted(&sorted, &values, right, None).expect("the CPU takes it");
            let expected = Runner::new().compute(&expected).expect("the CPU finds it");
            let what = |i| format!("{number}, {}, right {right}, at {i}", values.dtype());
            assert_same(&expected, actual, |_| Bound::Exact, what);
        }
    }
}

#[test]
fn places_of_every_type_and_layout_are_found() {
    let mut cases = Vec::new();
    for dtype in DType::ALL {
        let special = specials(dtype);
        let special = tensor(&special, dtype, &[special.len()]);
        let within = sorted(&special);
        cases.push((special, within.clone()));
        for values in layouts(dtype, &[4, 5, 6]) {
            cases.push((values, sorted(&numbers(dtype, &[33], 1))));
        }
        cases.push((numbers(dtype, &[3], 1), numbers(dtype, &[0], 1)));
        cases.push((numbers(dtype, &[3, 0], 1), within));
        cases.push((numbers(dtype, &[], 1), numbers(dtype, &[1], 2)));
    }
    cases.push((numbers(DType::F32, &[700], 1), sorted(&numbers(DType::F32, &[1025], 2))));
    // The vector as a view: one value repeated.
    cases.push((numbers(DType::I16, &[40], 1), numbers(DType::I16, &[1], 2).broadcast(&[65])));
    assert_found(cases);
}

/// Complex numbers with a NaN are behind all others, by which part it is.
#[test]
fn places_of_complex_numbers_with_nan_are_the_cpus() {
    let parts = [-1.0, 0.0, -0.0, 2.5, f64::INFINITY, f64::NEG_INFINITY, f64::NAN];
    let all = parts.into_iter().flat_map(|re| parts.map(|im| Scalar::Complex(Complex::new(re, im))));
    let all: Vec<Scalar> = all.collect();
    let pairs = [DType::C64, DType::C128].map(|dtype| {
        let values = tensor(&all, dtype, &[all.len()]);
        (values.clone(), sorted(&values))
    });
    assert_found(pairs.to_vec());
}

#[test]
fn places_in_a_view_are_found() {
    let whole = sorted(&numbers(DType::F64, &[90], 1));
    let slices = [Slice { start: 2, count: 40, step: 2 }];
    let (view, values) = (whole.slice(&slices), numbers(DType::F64, &[50], 2));
    let wanted = values.clone();
    let actual = on_device(move |task| {
        let sorted = DeviceTensor::upload(task, &whole)?.slice(&slices);
        let values = DeviceTensor::upload(task, &wanted)?;
        run_search(task, &values, &sorted, false)?.download(task)
    })
    .unwrap();
    let [view, values] = [view, values].map(Array::from_tensor);
    let expected = sort::searchsorted(&view, &values, false, None).expect("the CPU takes it");
    let expected = Runner::new().compute(&expected).expect("the CPU finds it");
    assert_same(&expected, &actual, |_| Bound::Exact, |i| format!("at {i}"));
}
