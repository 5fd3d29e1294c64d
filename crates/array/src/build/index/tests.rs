use super::*;
use crate::build::manipulate::reshape_to;
use crate::dtype::DType;
use crate::error::{ErrorKind, Result};
use crate::graph::Array;
use crate::run::Runner;
use crate::tensor::Tensor;

fn counted(shape: &[usize]) -> Array {
    let count = shape.iter().product::<usize>();
    let values = (0..count as i64).collect::<Vec<_>>();
    Array::from_tensor(Tensor::from_vec(values, shape).expect("as many values as the shape has"))
}

fn integers(values: &[i64], shape: &[usize]) -> Index {
    Index::Array(Array::from_tensor(Tensor::from_vec(values.to_vec(), shape).expect("fits")))
}

fn mask(values: &[bool], shape: &[usize]) -> Index {
    Index::Array(Array::from_tensor(Tensor::from_vec(values.to_vec(), shape).expect("fits")))
}

type Case = (&'static [usize], Vec<Index>, &'static [usize], &'static [i64]);

/// Indices of every kind, with what NumPy reads by them from an array that counts from 0.
fn cases() -> Vec<Case> {
    vec![
        (&[5], vec![Index::Slice { start: None, stop: None, step: Some(-2) }], &[3], &[4, 2, 0]),
        (&[5], vec![Index::Slice { start: Some(-2), stop: None, step: None }], &[2], &[3, 4]),
        (
            &[5],
            vec![Index::Slice { start: Some(10), stop: Some(-9), step: Some(-1) }],
            &[5],
            &[4, 3, 2, 1, 0],
        ),
        (&[5], vec![Index::Slice { start: Some(3), stop: Some(1), step: None }], &[0], &[]),
        (&[5], vec![Index::Int(-1)], &[], &[4]),
        (&[2, 3, 4], vec![Index::Int(1)], &[3, 4], &[12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23]),
        (&[2, 3, 4], vec![Index::Ellipsis, Index::Int(2)], &[2, 3], &[2, 6, 10, 14, 18, 22]),
        (
            &[2, 3, 4],
            vec![
                Index::Int(0),
                Index::NewAxis,
                Index::Slice { start: None, stop: None, step: Some(-1) },
                Index::Int(-1),
            ],
            &[1, 3],
            &[11, 7, 3],
        ),
        (
            &[2, 3, 4],
            vec![Index::NewAxis, Index::Ellipsis, Index::NewAxis],
            &[1, 2, 3, 4, 1],
            &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23],
        ),
        (
            &[2, 3, 4],
            vec![],
            &[2, 3, 4],
            &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23],
        ),
        (&[5], vec![mask(&[], &[0])], &[0], &[]),
        (&[2, 3, 4], vec![mask(&[], &[2, 0])], &[0, 4], &[]),
        (&[2, 3, 4], vec![Index::Ellipsis, mask(&[], &[0])], &[2, 3, 0], &[]),
        (&[], vec![], &[], &[0]),
        (&[], vec![Index::NewAxis], &[1], &[0]),
        (&[], vec![Index::Ellipsis], &[], &[0]),
        (&[5], vec![integers(&[0, -1, 3, 3], &[4])], &[4], &[0, 4, 3, 3]),
        (
            &[2, 3, 4],
            vec![integers(&[1, 0, 1], &[3])],
            &[3, 3, 4],
            &[
                12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13,
                14, 15, 16, 17, 18, 19, 20, 21, 22, 23,
            ],
        ),
        (
            &[2, 3, 4],
            vec![Index::Slice { start: None, stop: None, step: None }, integers(&[0, 2, 1, -1], &[2, 2])],
            &[2, 2, 2, 4],
            &[
                0, 1, 2, 3, 8, 9, 10, 11, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 20, 21, 22, 23, 16, 17,
                18, 19, 20, 21, 22, 23,
            ],
        ),
        (
            &[2, 3, 4],
            vec![
                integers(&[0, 1], &[2]),
                Index::Slice { start: None, stop: None, step: None },
                integers(&[3, 1], &[2]),
            ],
            &[2, 3],
            &[3, 7, 11, 13, 17, 21],
        ),
        (
            &[2, 3, 4],
            vec![
                Index::Slice { start: None, stop: None, step: None },
                integers(&[0, 1], &[2]),
                integers(&[3, 1], &[2]),
            ],
            &[2, 2],
            &[3, 5, 15, 17],
        ),
        (
            &[2, 3, 4],
            vec![
                Index::Int(0),
                Index::Slice { start: Some(1), stop: None, step: None },
                integers(&[3, 1], &[2]),
            ],
            &[2, 2],
            &[7, 11, 5, 9],
        ),
        (
            &[2, 3, 4],
            vec![
                Index::Slice { start: None, stop: None, step: None },
                Index::Int(2),
                integers(&[3, 1], &[1, 2]),
            ],
            &[2, 1, 2],
            &[11, 9, 23, 21],
        ),
        (
            &[2, 3, 4],
            vec![
                integers(&[1], &[]),
                Index::Slice { start: None, stop: None, step: Some(2) },
                Index::Slice { start: None, stop: None, step: Some(-3) },
            ],
            &[2, 2],
            &[15, 12, 23, 20],
        ),
        (
            &[2, 3, 4],
            vec![
                integers(&[0, 1], &[2, 1]),
                integers(&[0, 2], &[2]),
                Index::Slice { start: Some(1), stop: Some(3), step: None },
            ],
            &[2, 2, 2],
            &[1, 2, 9, 10, 13, 14, 21, 22],
        ),
        (
            &[2, 3, 4],
            vec![integers(&[0, 1], &[2]), Index::NewAxis, integers(&[2, 1], &[2])],
            &[2, 1, 4],
            &[8, 9, 10, 11, 16, 17, 18, 19],
        ),
        (
            &[3, 4],
            vec![mask(
                &[false, true, false, false, false, false, true, false, false, false, false, true],
                &[3, 4],
            )],
            &[3],
            &[1, 6, 11],
        ),
        (
            &[2, 3, 4],
            vec![
                Index::Slice { start: None, stop: None, step: None },
                mask(
                    &[false, true, false, false, false, false, true, false, false, false, false, true],
                    &[3, 4],
                ),
            ],
            &[2, 3],
            &[1, 6, 11, 13, 18, 23],
        ),
        (
            &[2, 3, 4],
            vec![
                Index::Int(1),
                mask(
                    &[false, true, false, false, false, false, true, false, false, false, false, true],
                    &[3, 4],
                ),
            ],
            &[3],
            &[13, 18, 23],
        ),
        (
            &[2, 3, 4],
            vec![
                Index::Slice { start: None, stop: None, step: None },
                mask(&[false, true, true], &[3]),
                mask(&[true, false, false, false], &[4]),
            ],
            &[2, 2],
            &[4, 8, 16, 20],
        ),
        (&[4], vec![mask(&[true, false, true, true], &[4])], &[3], &[0, 2, 3]),
        (
            &[3, 4],
            vec![mask(&[false, true, true], &[3]), Index::Slice { start: None, stop: None, step: Some(-1) }],
            &[2, 4],
            &[7, 6, 5, 4, 11, 10, 9, 8],
        ),
        (
            &[3, 4],
            vec![
                Index::Slice { start: Some(1), stop: Some(3), step: None },
                mask(&[true, false, true, true], &[4]),
            ],
            &[2, 3],
            &[4, 6, 7, 8, 10, 11],
        ),
        (
            &[3, 4],
            vec![Index::Slice { start: None, stop: None, step: Some(2) }, integers(&[3, 0], &[2])],
            &[2, 2],
            &[3, 0, 11, 8],
        ),
        (
            &[2, 3, 4],
            vec![mask(&[false, true, false, false, false, true], &[2, 3])],
            &[2, 4],
            &[4, 5, 6, 7, 20, 21, 22, 23],
        ),
        (&[3], vec![mask(&[true], &[])], &[1, 3], &[0, 1, 2]),
        (&[3], vec![mask(&[false], &[])], &[0, 3], &[]),
        (&[], vec![mask(&[true], &[])], &[1], &[0]),
        (&[0, 3], vec![integers(&[], &[0])], &[0, 3], &[]),
        (&[3, 0], vec![integers(&[2, 1], &[2])], &[2, 0], &[]),
        (&[3, 4], vec![integers(&[], &[0, 2])], &[0, 2, 4], &[]),
        (
            &[2, 3, 4],
            vec![
                Index::NewAxis,
                integers(&[1, 0], &[2]),
                Index::Ellipsis,
                integers(&[0, 0], &[2]),
                Index::NewAxis,
            ],
            &[2, 1, 3, 1],
            &[12, 16, 20, 0, 4, 8],
        ),
    ]
}

#[test]
fn reads_what_numpy_reads() -> Result<()> {
    let runner = Runner::new();
    for (shape, indices, result_shape, values) in cases() {
        let result = get(&counted(shape), &indices, &runner)?;
        assert_eq!(result.shape(), result_shape, "{shape:?} {indices:?}");
        assert_eq!(runner.compute(&result)?.to_vec::<i64>()?, values, "{shape:?} {indices:?}");
    }
    Ok(())
}

/// A view whose strides are negative and permuted, and indices that are not known before they are computed.
#[test]
fn reads_views_by_computed_indices() -> Result<()> {
    let runner = Runner::new();
    for (shape, indices, result_shape, values) in cases() {
        let axes: Vec<usize> = (0..shape.len()).rev().collect();
        let turned = crate::build::manipulate::permute_dims(&counted(shape), &axes)?;
        let copied = Array::from_tensor(
            runner.compute(&crate::build::manipulate::flip(&turned, None)?)?.contiguous()?,
        );
        let view =
            crate::build::manipulate::permute_dims(&crate::build::manipulate::flip(&copied, None)?, &axes)?;
        let lazy = indices.iter().map(|index| match index {
            Index::Array(array) if array.dtype() == DType::I64 => {
                let small = crate::build::elementwise::cast(array, DType::I16);
                Index::Array(small)
            }
            other => other.clone(),
        });
        let result = get(&view, &lazy.collect::<Vec<_>>(), &runner)?;
        assert_eq!(result.shape(), result_shape);
        assert_eq!(runner.compute(&result)?.to_vec::<i64>()?, values, "{shape:?} {indices:?}");
    }
    Ok(())
}

/// Writing replaces what reading reads, and nothing else; the last value for an element stays.
#[test]
fn writes_where_it_reads() -> Result<()> {
    let runner = Runner::new();
    for (shape, indices, result_shape, places) in cases() {
        let x = counted(shape);
        let count = result_shape.iter().product::<usize>();
        let each = Tensor::from_vec((0..count as i64).map(|i| -1 - i).collect::<Vec<_>>(), result_shape)?;
        let one = Tensor::from_vec(vec![-1i64], &[])?;
        for (value, step) in [(each, 1), (one, 0)] {
            let mut expected: Vec<i64> = (0..x.len() as i64).collect();
            for (i, &place) in places.iter().enumerate() {
                expected[place as usize] = -1 - step * i as i64;
            }
            let result = set(&x, &indices, &Array::from_tensor(value), &runner)?;
            assert_eq!(result.shape(), shape);
            assert_eq!(
                runner.compute(&result)?.to_vec::<i64>()?,
                expected,
                "{shape:?} {indices:?} step {step}"
            );
        }
    }
    Ok(())
}

/// Blocks smaller than the array: a paste and a gather of many blocks.
#[test]
fn many_blocks_are_one() -> Result<()> {
    let runner = Runner::new();
    let (rows, columns) = (700, 300);
    let x = counted(&[rows, columns]);
    let step = Index::Slice { start: Some(-3), stop: None, step: Some(-7) };
    let across = Index::Slice { start: Some(5), stop: None, step: Some(3) };
    let zero = Array::from_tensor(Tensor::from_vec(vec![-1i64], &[1])?);
    let written = runner.compute(&set(&x, &[step, across], &zero, &runner)?)?;
    for i in 0..rows {
        for j in 0..columns {
            let hit = (rows - 3 - i.min(rows - 3)) % 7 == 0 && i <= rows - 3 && j >= 5 && (j - 5) % 3 == 0;
            let own = (i * columns + j) as i64;
            assert_eq!(written.get::<i64>(&[i, j]), if hit { -1 } else { own }, "{i} {j}");
        }
    }
    let numbers: Vec<i64> = (0..rows as i64).map(|i| (i * 37) % rows as i64 - rows as i64).collect();
    let indices = Array::from_tensor(Tensor::from_vec(numbers.clone(), &[rows])?);
    let doubled = crate::build::elementwise::binary(crate::program::BinaryOp::Add, &x, &x)?;
    let taken = runner.compute(&take(&doubled, &indices, Some(0))?)?;
    for (i, number) in numbers.iter().enumerate() {
        let row = (number + rows as i64) as usize;
        assert_eq!(taken.get::<i64>(&[i, 7]), 2 * (row * columns + 7) as i64);
    }
    Ok(())
}

#[test]
fn names_what_is_out_of_range() -> Result<()> {
    let runner = Runner::new();
    let x = counted(&[5, 2]);
    let error = get(&x, &[Index::Int(7)], &runner).expect_err("out of range");
    assert_eq!(error.kind(), ErrorKind::Index);
    assert_eq!(error.to_string(), "index 7 is out of bounds for axis 0 with size 5");
    let error = get(&x, &[Index::ALL, integers(&[0, -3], &[2])], &runner).expect_err("out of range");
    assert_eq!(error.to_string(), "index -3 is out of bounds for axis 1 with size 2");
    let lazy = crate::build::elementwise::cast(&counted(&[3]), DType::U8);
    let later = get(&x, &[Index::ALL, Index::Array(lazy)], &runner)?;
    let error = runner.compute(&later).expect_err("out of range");
    assert_eq!(error.to_string(), "index 2 is out of bounds for axis 1 with size 2");
    for bad in [
        vec![Index::Int(0); 3],
        vec![Index::Ellipsis, Index::Ellipsis],
        vec![mask(&[true], &[1])],
        vec![integers(&[0, 1], &[2]), integers(&[0, 1, 0], &[3])],
        vec![Index::Array(Array::from_tensor(Tensor::from_vec(vec![0.0f64], &[1])?))],
    ] {
        assert_eq!(get(&x, &bad, &runner).expect_err("not an index").kind(), ErrorKind::Index, "{bad:?}");
    }
    let zero = vec![Index::Slice { start: None, stop: None, step: Some(0) }];
    assert_eq!(get(&x, &zero, &runner).expect_err("a step of 0").kind(), ErrorKind::Value);
    let value = counted(&[3]);
    assert_eq!(set(&x, &[Index::Int(0)], &value, &runner).expect_err("3 into 2").kind(), ErrorKind::Value);
    Ok(())
}

#[test]
fn rows_take_and_put_their_own() -> Result<()> {
    let runner = Runner::new();
    let x = counted(&[2, 3, 4]);
    let indices = Array::from_tensor(Tensor::from_vec(vec![2i64, -1, 0, 1, 1, 0, 2, -3], &[2, 1, 4])?);
    let taken = runner.compute(&take_along_axis(&x, &indices, Some(1))?)?;
    assert_eq!(taken.to_vec::<i64>()?, [8, 9, 2, 7, 16, 13, 22, 15]);
    let put_back = put_along_axis(&x, &indices, &counted(&[]), Some(1))?;
    let values = runner.compute(&put_back)?.to_vec::<i64>()?;
    let zeros: Vec<usize> = (0..24).filter(|&i| values[i] == 0).collect();
    assert_eq!(zeros, [0, 2, 7, 8, 9, 13, 15, 16, 22]);
    assert!((0..24).all(|i| values[i] == 0 || values[i] == i as i64));
    let picked = put(&x, &Array::from_tensor(Tensor::from_vec(vec![-1i64, 0, 5], &[3])?), &counted(&[2]))?;
    let values = runner.compute(&picked)?.to_vec::<i64>()?;
    assert_eq!((values[23], values[0], values[5]), (0, 1, 0));
    Ok(())
}

#[test]
fn picks_by_conditions() -> Result<()> {
    let runner = Runner::new();
    let x = counted(&[2, 3]);
    let odd = Array::from_tensor(Tensor::from_vec(vec![false, true, false, true, false, true], &[2, 3])?);
    assert_eq!(runner.compute(&extract(&odd, &x, &runner)?)?.to_vec::<i64>()?, [1, 3, 5]);
    assert_eq!(runner.compute(&argwhere(&odd, &runner)?)?.to_vec::<i64>()?, [0, 1, 1, 0, 1, 2]);
    assert_eq!(runner.compute(&flatnonzero(&odd, &runner)?)?.to_vec::<i64>()?, [1, 3, 5]);
    let few = Array::from_tensor(Tensor::from_vec(vec![false, true], &[2])?);
    assert_eq!(runner.compute(&compress(&few, &x, Some(1), &runner)?)?.to_vec::<i64>()?, [1, 4]);
    let chosen = choose(&reshape_to(&counted(&[2]), &[2, 1]), &[x.clone(), counted(&[3])])?;
    assert_eq!(runner.compute(&chosen)?.to_vec::<i64>()?, [0, 1, 2, 0, 1, 2]);
    let selected = select(&[odd], std::slice::from_ref(&x), &counted(&[]))?;
    assert_eq!(runner.compute(&selected)?.to_vec::<i64>()?, [0, 1, 0, 3, 0, 5]);
    Ok(())
}
