use super::*;
use crate::dtype::{DType, Scalar};
use crate::error::{ErrorKind, Result};
use crate::graph::Array;
use crate::run::Runner;
use crate::tensor::Tensor;

fn vector(values: &[i64]) -> Result<Array> {
    Ok(Array::from_tensor(Tensor::from_vec(values.to_vec(), &[values.len()])?))
}

/// Every function against what NumPy gives.
#[test]
fn moves_elements_as_numpy_does() -> Result<()> {
    let runner = Runner::new();
    let x = reshape(&vector(&[0, 1, 2, 3, 4, 5])?, &[2, 3])?;
    let cube = reshape(&vector(&(0..24).collect::<Vec<i64>>())?, &[2, 3, -1])?;
    let cases: &[(Array, &[usize], &[i64])] = &[
        (
            pad(&x, &[(0, 0), (5, 7)], PadMode::Edge)?,
            &[2, 15],
            &[0, 0, 0, 0, 0, 0, 1, 2, 2, 2, 2, 2, 2, 2, 2, 3, 3, 3, 3, 3, 3, 4, 5, 5, 5, 5, 5, 5, 5, 5],
        ),
        (
            pad(&x, &[(3, 1), (2, 0)], PadMode::Edge)?,
            &[6, 5],
            &[0, 0, 0, 1, 2, 0, 0, 0, 1, 2, 0, 0, 0, 1, 2, 0, 0, 0, 1, 2, 3, 3, 3, 4, 5, 3, 3, 3, 4, 5],
        ),
        (
            pad(&x, &[(1, 1), (0, 9)], PadMode::Edge)?,
            &[4, 12],
            &[
                0, 1, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 0, 1, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 3, 4, 5, 5, 5, 5, 5,
                5, 5, 5, 5, 5, 3, 4, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5,
            ],
        ),
        (
            pad(&x, &[(0, 0), (5, 7)], PadMode::Reflect)?,
            &[2, 15],
            &[1, 0, 1, 2, 1, 0, 1, 2, 1, 0, 1, 2, 1, 0, 1, 4, 3, 4, 5, 4, 3, 4, 5, 4, 3, 4, 5, 4, 3, 4],
        ),
        (
            pad(&x, &[(3, 1), (2, 0)], PadMode::Reflect)?,
            &[6, 5],
            &[5, 4, 3, 4, 5, 2, 1, 0, 1, 2, 5, 4, 3, 4, 5, 2, 1, 0, 1, 2, 5, 4, 3, 4, 5, 2, 1, 0, 1, 2],
        ),
        (
            pad(&x, &[(1, 1), (0, 9)], PadMode::Reflect)?,
            &[4, 12],
            &[
                3, 4, 5, 4, 3, 4, 5, 4, 3, 4, 5, 4, 0, 1, 2, 1, 0, 1, 2, 1, 0, 1, 2, 1, 3, 4, 5, 4, 3, 4, 5,
                4, 3, 4, 5, 4, 0, 1, 2, 1, 0, 1, 2, 1, 0, 1, 2, 1,
            ],
        ),
        (
            pad(&x, &[(0, 0), (5, 7)], PadMode::Symmetric)?,
            &[2, 15],
            &[1, 2, 2, 1, 0, 0, 1, 2, 2, 1, 0, 0, 1, 2, 2, 4, 5, 5, 4, 3, 3, 4, 5, 5, 4, 3, 3, 4, 5, 5],
        ),
        (
            pad(&x, &[(3, 1), (2, 0)], PadMode::Symmetric)?,
            &[6, 5],
            &[4, 3, 3, 4, 5, 4, 3, 3, 4, 5, 1, 0, 0, 1, 2, 1, 0, 0, 1, 2, 4, 3, 3, 4, 5, 4, 3, 3, 4, 5],
        ),
        (
            pad(&x, &[(1, 1), (0, 9)], PadMode::Symmetric)?,
            &[4, 12],
            &[
                0, 1, 2, 2, 1, 0, 0, 1, 2, 2, 1, 0, 0, 1, 2, 2, 1, 0, 0, 1, 2, 2, 1, 0, 3, 4, 5, 5, 4, 3, 3,
                4, 5, 5, 4, 3, 3, 4, 5, 5, 4, 3, 3, 4, 5, 5, 4, 3,
            ],
        ),
        (
            pad(&x, &[(0, 0), (5, 7)], PadMode::Wrap)?,
            &[2, 15],
            &[1, 2, 0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 4, 5, 3, 4, 5, 3, 4, 5, 3, 4, 5, 3, 4, 5, 3],
        ),
        (
            pad(&x, &[(3, 1), (2, 0)], PadMode::Wrap)?,
            &[6, 5],
            &[4, 5, 3, 4, 5, 1, 2, 0, 1, 2, 4, 5, 3, 4, 5, 1, 2, 0, 1, 2, 4, 5, 3, 4, 5, 1, 2, 0, 1, 2],
        ),
        (
            pad(&x, &[(1, 1), (0, 9)], PadMode::Wrap)?,
            &[4, 12],
            &[
                3, 4, 5, 3, 4, 5, 3, 4, 5, 3, 4, 5, 0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1, 2, 3, 4, 5, 3, 4, 5, 3,
                4, 5, 3, 4, 5, 0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1, 2,
            ],
        ),
        (
            pad(&x, &[(1, 0), (0, 2)], PadMode::Constant(Scalar::Int(9)))?,
            &[3, 5],
            &[9, 9, 9, 9, 9, 0, 1, 2, 9, 9, 3, 4, 5, 9, 9],
        ),
        (roll(&x, &[2], None)?, &[2, 3], &[4, 5, 0, 1, 2, 3]),
        (roll(&x, &[-1, 5], Some(&[0, 1]))?, &[2, 3], &[4, 5, 3, 1, 2, 0]),
        (roll(&x, &[4], Some(&[-1, 0]))?, &[2, 3], &[2, 0, 1, 5, 3, 4]),
        (roll(&x, &[1, 1], Some(&[1]))?, &[2, 3], &[1, 2, 0, 4, 5, 3]),
        (tile(&x, &[2])?, &[2, 6], &[0, 1, 2, 0, 1, 2, 3, 4, 5, 3, 4, 5]),
        (
            tile(&x, &[2, 1, 2])?,
            &[2, 2, 6],
            &[0, 1, 2, 0, 1, 2, 3, 4, 5, 3, 4, 5, 0, 1, 2, 0, 1, 2, 3, 4, 5, 3, 4, 5],
        ),
        (tile(&x, &[0, 2])?, &[0, 6], &[]),
        (repeat(&x, 2, None)?, &[12], &[0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5]),
        (repeat(&x, 2, Some(0))?, &[4, 3], &[0, 1, 2, 0, 1, 2, 3, 4, 5, 3, 4, 5]),
        (repeat(&x, 3, Some(-1))?, &[2, 9], &[0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3, 4, 4, 4, 5, 5, 5]),
        (repeat(&x, 0, Some(1))?, &[2, 0], &[]),
        (repeat_by(&x, &vector(&[2, 0, 1])?, Some(1), &runner)?, &[2, 3], &[0, 0, 2, 3, 3, 5]),
        (flip(&x, None)?, &[2, 3], &[5, 4, 3, 2, 1, 0]),
        (flip(&x, Some(&[-1]))?, &[2, 3], &[2, 1, 0, 5, 4, 3]),
        (rot90(&x, -1, 0, 1)?, &[3, 2], &[3, 0, 4, 1, 5, 2]),
        (rot90(&x, 0, 0, 1)?, &[2, 3], &[0, 1, 2, 3, 4, 5]),
        (rot90(&x, 1, 0, 1)?, &[3, 2], &[2, 5, 1, 4, 0, 3]),
        (rot90(&x, 2, 0, 1)?, &[2, 3], &[5, 4, 3, 2, 1, 0]),
        (rot90(&x, 1, 1, 0)?, &[3, 2], &[3, 0, 4, 1, 5, 2]),
        (
            moveaxis(&cube, &[0, 2], &[-1, 0])?,
            &[4, 3, 2],
            &[0, 12, 4, 16, 8, 20, 1, 13, 5, 17, 9, 21, 2, 14, 6, 18, 10, 22, 3, 15, 7, 19, 11, 23],
        ),
        (
            rollaxis(&cube, 2, 0)?,
            &[4, 2, 3],
            &[0, 4, 8, 12, 16, 20, 1, 5, 9, 13, 17, 21, 2, 6, 10, 14, 18, 22, 3, 7, 11, 15, 19, 23],
        ),
        (
            rollaxis(&cube, 0, 2)?,
            &[3, 2, 4],
            &[0, 1, 2, 3, 12, 13, 14, 15, 4, 5, 6, 7, 16, 17, 18, 19, 8, 9, 10, 11, 20, 21, 22, 23],
        ),
        (
            swapaxes(&cube, 0, -1)?,
            &[4, 3, 2],
            &[0, 12, 4, 16, 8, 20, 1, 13, 5, 17, 9, 21, 2, 14, 6, 18, 10, 22, 3, 15, 7, 19, 11, 23],
        ),
        (
            transpose(&cube, None)?,
            &[4, 3, 2],
            &[0, 12, 4, 16, 8, 20, 1, 13, 5, 17, 9, 21, 2, 14, 6, 18, 10, 22, 3, 15, 7, 19, 11, 23],
        ),
        (stack(&[x.clone(), x.clone()], -1)?, &[2, 3, 2], &[0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5]),
        (concat(&[x.clone(), x.clone()], None)?, &[12], &[0, 1, 2, 3, 4, 5, 0, 1, 2, 3, 4, 5]),
        (concat(&[x.clone(), x.clone()], Some(1))?, &[2, 6], &[0, 1, 2, 0, 1, 2, 3, 4, 5, 3, 4, 5]),
        (vstack(&[vector(&[0, 1, 2])?, x.clone()])?, &[3, 3], &[0, 1, 2, 0, 1, 2, 3, 4, 5]),
        (hstack(&[x.clone(), x.clone()])?, &[2, 6], &[0, 1, 2, 0, 1, 2, 3, 4, 5, 3, 4, 5]),
        (hstack(&[vector(&[0, 1, 2])?, vector(&[7])?])?, &[4], &[0, 1, 2, 7]),
        (dstack(&[x.clone(), x.clone()])?, &[2, 3, 2], &[0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5]),
        (column_stack(&[vector(&[8, 9])?, x.clone()])?, &[2, 4], &[8, 0, 1, 2, 9, 3, 4, 5]),
        (expand_dims(&x, &[0, -1])?, &[1, 2, 3, 1], &[0, 1, 2, 3, 4, 5]),
        (reshape(&x, &[3, -1])?, &[3, 2], &[0, 1, 2, 3, 4, 5]),
        (unstack(&x, 1)?.remove(2), &[2], &[2, 5]),
        (array_split(&vector(&[0, 1, 2, 3, 4, 5, 6])?, 3, 0)?.remove(1), &[2], &[3, 4]),
        (split_at(&vector(&[0, 1, 2, 3, 4, 5, 6])?, &[-3, 99], 0)?.remove(1), &[3], &[4, 5, 6]),
    ];
    for (number, (result, shape, values)) in cases.iter().enumerate() {
        assert_eq!(result.shape(), *shape, "case {number}: {result:?}");
        assert_eq!(runner.compute(result)?.to_vec::<i64>()?, *values, "case {number}: {result:?}");
    }
    Ok(())
}

#[test]
fn changes_nothing_where_nothing_changes() -> Result<()> {
    let x = reshape(&vector(&[0, 1, 2, 3])?, &[2, 2])?;
    for same in [
        reshape(&x, &[2, -1])?,
        permute_dims(&x, &[0, 1])?,
        broadcast_to(&x, &[2, 2])?,
        roll(&x, &[2], Some(&[0]))?,
        squeeze(&x, None)?,
        concat(std::slice::from_ref(&x), Some(0))?,
        pad(&x, &[(0, 0), (0, 0)], PadMode::Wrap)?,
    ] {
        assert_eq!(same.id(), x.id());
    }
    Ok(())
}

#[test]
fn names_shapes_that_do_not_fit() -> Result<()> {
    let x = reshape(&vector(&[0, 1, 2, 3, 4, 5])?, &[2, 3])?;
    let message =
        |result: Result<Array>| result.map_err(|error| error.to_string()).expect_err("does not fit");
    assert_eq!(
        message(reshape(&x, &[4, -1])),
        "cannot reshape array of size 6 and shape (2, 3) into (4, -1)"
    );
    assert!(message(concat(&[x.clone(), vector(&[1])?], Some(0))).contains("(2, 3), array 1 has shape (1,)"));
    assert!(message(broadcast_to(&x, &[3, 2])).contains("shape (2, 3) cannot be broadcast to shape (3, 2)"));
    assert_eq!(broadcast_shapes(&[vec![3], vec![2]]).expect_err("3 and 2").kind(), ErrorKind::Value);
    assert_eq!(squeeze(&x, Some(&[0])).expect_err("two").kind(), ErrorKind::Value);
    assert_eq!(squeeze(&x, Some(&[2])).expect_err("no axis 2").kind(), ErrorKind::Axis);
    assert_eq!(expand_dims(&x, &[-4]).expect_err("no axis -4").kind(), ErrorKind::Axis);
    assert_eq!(flip(&x, Some(&[0, 0])).expect_err("twice").kind(), ErrorKind::Value);
    assert_eq!(concat(&[], Some(0)).expect_err("none").kind(), ErrorKind::Value);
    let empty = reshape(&vector(&[])?, &[0, 3])?;
    assert_eq!(pad(&empty, &[(1, 0), (0, 0)], PadMode::Edge).expect_err("empty").kind(), ErrorKind::Value);
    assert_eq!(pad(&empty, &[(1, 0), (0, 0)], PadMode::Constant(Scalar::Int(0)))?.shape(), [1, 3]);
    Ok(())
}

#[test]
fn joins_promote() -> Result<()> {
    let floats = Array::from_tensor(Tensor::from_vec(vec![0.5f32], &[1])?);
    let joined = concat(&[vector(&[1])?, floats], None)?;
    assert_eq!(joined.dtype(), DType::F64);
    Ok(())
}
