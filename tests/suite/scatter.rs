//! Values put by number on the simulated device against the CPU's operators.

use swath::operators::tensor::{DeviceTensor, run_put, run_put_rows};
use swath_array::build::index::{self, Index};
use swath_array::build::manipulate::broadcast_to;
use swath_array::run::Runner;
use swath_array::tensor::Slice;
use swath_array::{Array, DType, Tensor};

use crate::task::on_device;
use crate::tensor::{Bound, assert_same, layouts, numbers};

/// Numbers of an axis of `len`, from both ends, in no order, some of them several times.
fn indices(len: usize, shape: &[usize]) -> Tensor {
    let count: usize = shape.iter().product();
    let values = (0..count as i64).map(|i| (i * i * 7 + i * 5) % (2 * len as i64) - len as i64).collect();
    Tensor::from_vec(values, shape).expect("they fit")
}

/// What is put: the input, its first indexed axis, indices, values.
type Case = (Tensor, usize, Vec<Tensor>, Tensor);

fn assert_put(cases: Vec<Case>) {
    let work = cases.clone();
    let results = on_device(move |task| {
        let mut results = Vec::new();
        for (input, axis, indices, values) in &work {
            let before = task.stats().kernels_launched;
            let indices: Vec<DeviceTensor> =
                indices.iter().map(|index| DeviceTensor::upload(task, index)).collect::<Result<_, _>>()?;
            let (input, values) = (DeviceTensor::upload(task, input)?, DeviceTensor::upload(task, values)?);
            let names: Vec<usize> = (*axis..*axis + indices.len()).collect();
            let put = run_put(task, &input, *axis, &indices, &values, &names)?;
            assert!(task.stats().kernels_launched > before || input.is_empty());
            results.push(put.download(task)?);
        }
        Ok(results)
    })
    .unwrap();
    for (number, ((input, axis, indices, values), actual)) in cases.iter().zip(&results).enumerate() {
        let by = indices.iter().cloned().map(|index| Index::Array(Array::from_tensor(index)));
        let key: Vec<Index> = std::iter::repeat_n(Index::ALL, *axis).chain(by).collect();
        let [x, v] = [input, values].map(|tensor| Array::from_tensor(tensor.clone()));
        let expected = index::set(&x, &key, &v, &Runner::new()).expect("the CPU takes it");
        let expected = Runner::new().compute(&expected).expect("the CPU puts it");
        assert_same(&expected, actual, |_| Bound::Exact, |i| format!("{number}, {} at {i}", input.dtype()));
    }
}

#[test]
fn values_of_every_type_and_layout_are_put() {
    let mut cases = Vec::new();
    for dtype in DType::ALL {
        for input in layouts(dtype, &[4, 5, 6]) {
            cases.push((input.clone(), 1, vec![indices(5, &[7])], numbers(dtype, &[4, 7, 6], 20)));
            let two = vec![indices(5, &[3]), indices(6, &[3])];
            cases.push((input, 1, two, numbers(dtype, &[1, 3], 21).broadcast(&[4, 3])));
        }
        // Values in every layout, and in one that several axes of indices cannot walk at once.
        for values in layouts(dtype, &[4, 5, 6]) {
            cases.push((numbers(dtype, &[4, 9, 6], 22), 1, vec![indices(9, &[5])], values.clone()));
            cases.push((numbers(dtype, &[11, 6], 23), 0, vec![indices(11, &[4, 5])], values));
        }
    }
    assert_put(cases);
}

#[test]
fn values_of_no_and_of_many_elements_are_put() {
    let x = numbers(DType::F32, &[5, 4], 1);
    let one = Tensor::from_vec(vec![-3i64], &[]).expect("one");
    let empty = Tensor::from_vec(Vec::<i64>::new(), &[0]).expect("none");
    let mut cases = vec![
        (x.clone(), 0, vec![one], numbers(DType::F32, &[4], 2)),
        (x.clone(), 0, vec![empty.clone()], numbers(DType::F32, &[0, 4], 3)),
        (numbers(DType::F32, &[0, 4], 4), 0, vec![empty], numbers(DType::F32, &[0, 4], 5)),
        (numbers(DType::F32, &[5, 0], 4), 0, vec![indices(5, &[3])], numbers(DType::F32, &[3, 0], 5)),
        // Indices that are one, repeated.
        (x, 0, vec![indices(5, &[1]).broadcast(&[6])], numbers(DType::F32, &[6, 4], 6)),
    ];
    // Each element gets hundreds of values, from many blocks.
    let many = (0..70_000i64).collect();
    let many = Tensor::from_vec(many, &[70_000]).expect("they fit");
    cases.push((numbers(DType::I64, &[101], 7), 0, vec![indices(101, &[70_000])], many));
    let ranks = numbers(DType::U8, &[2, 3, 2, 3, 2, 3], 8);
    let six: Vec<Tensor> = [2, 3, 2, 3, 2, 3].map(|len| indices(len, &[2, 9])).to_vec();
    cases.push((ranks, 0, six, numbers(DType::U8, &[2, 9], 9)));
    assert_put(cases);
}

#[test]
fn values_are_put_into_rows() {
    let mut cases = Vec::new();
    for dtype in DType::ALL {
        for input in layouts(dtype, &[4, 5, 6]) {
            cases.push((input, indices(6, &[4, 5, 8]), numbers(dtype, &[4, 5, 8], 1)));
        }
        for values in layouts(dtype, &[4, 5, 6]) {
            cases.push((numbers(dtype, &[4, 5, 9], 2), indices(9, &[1, 1, 6]).broadcast(&[4, 5, 6]), values));
        }
    }
    cases.push((numbers(DType::F64, &[3, 4], 3), indices(4, &[3, 0]), numbers(DType::F64, &[3, 0], 4)));
    cases.push((numbers(DType::F64, &[0, 4], 3), indices(4, &[0, 2]), numbers(DType::F64, &[0, 2], 4)));
    cases.push((numbers(DType::F64, &[7], 3), indices(7, &[1000]), numbers(DType::F64, &[1000], 4)));
    let work = cases.clone();
    let results = on_device(move |task| {
        let mut results = Vec::new();
        for (input, indices, values) in &work {
            let before = task.stats().kernels_launched;
            let [input, indices, values] = [input, indices, values].map(|x| DeviceTensor::upload(task, x));
            let (input, indices, values) = (input?, indices?, values?);
            let put = run_put_rows(task, &input, &indices, &values)?;
            assert!(task.stats().kernels_launched > before || input.is_empty());
            results.push(put.download(task)?);
        }
        Ok(results)
    })
    .unwrap();
    for (number, ((input, indices, values), actual)) in cases.iter().zip(&results).enumerate() {
        let [x, by, v] = [input, indices, values].map(|tensor| Array::from_tensor(tensor.clone()));
        let expected = index::put_along_axis(&x, &by, &v, Some(-1)).expect("the CPU takes it");
        let expected = Runner::new().compute(&expected).expect("the CPU puts it");
        assert_same(&expected, actual, |_| Bound::Exact, |i| format!("{number}, {} at {i}", input.dtype()));
    }
}

#[test]
fn values_are_put_into_views() {
    let whole = numbers(DType::I32, &[9, 20], 1);
    let slices = [Slice { start: 8, count: 4, step: -2 }, Slice::range(3, 10)];
    let (view, by, one) = (whole.slice(&slices), indices(10, &[6]), numbers(DType::I32, &[1], 2));
    let index = by.clone();
    let actual = on_device(move |task| {
        let input = DeviceTensor::upload(task, &whole)?.slice(&slices);
        let (index, values) = (DeviceTensor::upload(task, &index)?, DeviceTensor::upload(task, &one)?);
        run_put(task, &input, 1, &[index], &values.broadcast(&[4, 6]), &[1])?.download(task)
    })
    .unwrap();
    let value = broadcast_to(&Array::from_tensor(numbers(DType::I32, &[1], 2)), &[4, 6]).expect("it fits");
    let key = [Index::ALL, Index::Array(Array::from_tensor(by))];
    let expected = index::set(&Array::from_tensor(view), &key, &value, &Runner::new()).expect("it is taken");
    let expected = Runner::new().compute(&expected).expect("the CPU puts it");
    assert_same(&expected, &actual, |_| Bound::Exact, |i| format!("at {i}"));
}

#[test]
fn the_first_index_out_of_range_is_named() {
    let put = |indices: [Vec<i64>; 2]| {
        on_device(move |task| {
            let input = DeviceTensor::upload(task, &numbers(DType::F32, &[10, 4], 1))?;
            let values = DeviceTensor::upload(task, &numbers(DType::F32, &[3], 2))?;
            let mut by = Vec::new();
            for index in &indices {
                let index = Tensor::from_vec(index.clone(), &[3]).expect("three");
                by.push(DeviceTensor::upload(task, &index)?);
            }
            run_put(task, &input, 0, &by, &values, &[5, 6])
        })
        .expect_err("out of range")
    };
    let error = put([vec![3, 12, -11], vec![7, 0, 0]]);
    assert!(error.is_user(), "{error:?}");
    assert!(error.to_string().contains("index 12 is out of bounds for axis 5 with size 10"), "{error}");
    let error = put([vec![3, -10, 9], vec![0, 3, -5]]);
    assert!(error.to_string().contains("index -5 is out of bounds for axis 6 with size 4"), "{error}");
}
