//! Reductions over every layout and any subset of axes, against plain loops.

use half::f16;
use num_complex::Complex;

use super::*;
use crate::tensor::row_major;

const OPS: [ReduceOp; 7] = [
    ReduceOp::Sum,
    ReduceOp::Product,
    ReduceOp::Min,
    ReduceOp::Max,
    ReduceOp::ArgMin,
    ReduceOp::ArgMax,
    ReduceOp::SquaredDeviations,
];

fn reduce(op: ReduceOp, tensor: &Tensor, axes: &[usize]) -> Result<Tensor> {
    Partial::of(op, tensor, axes, &Region::whole(tensor.shape()), tensor.shape())?.finish()
}

/// The same, cut into two at half an axis.
fn reduce_cut(op: ReduceOp, tensor: &Tensor, axes: &[usize], axis: usize) -> Result<Tensor> {
    let len = tensor.shape()[axis];
    let part = |start: usize, count: usize| {
        let mut region = Region::whole(tensor.shape());
        (region.start[axis], region.shape[axis]) = (start, count);
        Partial::of(op, &tensor.slice(&region.slices()), axes, &region, tensor.shape())
    };
    part(0, len / 2)?.merge(part(len / 2, len - len / 2)?)?.finish()
}

/// Each index of a shape.
fn indices(shape: &[usize]) -> Vec<Vec<usize>> {
    let mut all = vec![vec![]];
    for &len in shape {
        all = all.iter().flat_map(|index| (0..len).map(move |i| [index.as_slice(), &[i]].concat())).collect();
    }
    all
}

/// By plain loops in `float64`, in row-major order.
fn expected(op: ReduceOp, tensor: &Tensor, axes: &[usize]) -> Vec<f64> {
    let mut kept = tensor.shape().to_vec();
    axes.iter().for_each(|&axis| kept[axis] = 1);
    let mut groups = vec![vec![]; kept.iter().product()];
    let strides = row_major(&kept);
    for index in indices(tensor.shape()) {
        let place: isize = index
            .iter()
            .zip(&strides)
            .enumerate()
            .filter(|(axis, _)| !axes.contains(axis))
            .map(|(_, (&i, &stride))| i as isize * stride)
            .sum();
        let value = dispatch!(tensor.dtype(), T => tensor.get::<T>(&index).to_scalar().as_float());
        groups[place as usize].push(value);
    }
    let first = |group: &[f64], better: fn(f64, f64) -> bool| {
        let mut best = 0;
        for (i, &value) in group.iter().enumerate() {
            if !group[best].is_nan() && (value.is_nan() || better(value, group[best])) {
                best = i;
            }
        }
        best
    };
    let of = |group: &Vec<f64>| match op {
        ReduceOp::Sum => group.iter().sum(),
        ReduceOp::Product => group.iter().product(),
        ReduceOp::Min => group[first(group, |a, b| a < b)],
        ReduceOp::Max => group[first(group, |a, b| a > b)],
        ReduceOp::ArgMin => first(group, |a, b| a < b) as f64,
        ReduceOp::ArgMax => first(group, |a, b| a > b) as f64,
        _ => {
            let mean = group.iter().sum::<f64>() / group.len() as f64;
            group.iter().map(|x| (x - mean) * (x - mean)).sum()
        }
    };
    groups.iter().map(of).collect()
}

fn close(found: &Tensor, expected: &[f64], tolerance: f64, what: &str) {
    let found = convert(found, DType::F64).and_then(|found| found.to_vec::<f64>()).expect("real values");
    assert_eq!(found.len(), expected.len(), "{what}");
    for (i, (a, b)) in found.iter().zip(expected).enumerate() {
        let same = a == b || a.is_nan() && b.is_nan() || (a - b).abs() <= tolerance * b.abs().max(1e-3);
        assert!(same, "{what}: {a} instead of {b} at {i}");
    }
}

/// Numbers near 1, so that products stay finite; equal ones among them.
fn numbers(len: usize) -> Vec<f64> {
    (0..len).map(|i| 1.0 + ((i * 7919 + 13) % 97) as f64 / 4096.0 - 0.01).collect()
}

fn subsets(ndim: usize) -> Vec<Vec<usize>> {
    (0..1usize << ndim).map(|bits| (0..ndim).filter(|axis| bits >> axis & 1 == 1).collect()).collect()
}

#[test]
fn reduces_every_layout_along_any_axes() -> Result<()> {
    for shape in [
        vec![],
        vec![1],
        vec![7],
        vec![5000],
        vec![4, 5],
        vec![33, 65],
        vec![2, 3000],
        vec![3000, 2],
        vec![700, 3],
        vec![5, 1, 6],
        vec![6, 40, 20],
        vec![3, 4, 5, 6],
        vec![2, 300, 3],
    ] {
        let len: usize = shape.iter().product();
        let whole = Tensor::from_vec(numbers(len), &shape)?;
        let turned: Vec<usize> = (0..shape.len()).rev().collect();
        let back: Vec<Slice> =
            shape.iter().map(|&len| Slice { start: len - 1, count: len, step: -1 }).collect();
        let second: Vec<Slice> =
            shape.iter().map(|&len| Slice { start: 0, count: len.div_ceil(2), step: 2 }).collect();
        let added = [&[3], shape.as_slice()].concat();
        for tensor in [
            whole.clone(),
            whole.permute(&turned),
            whole.slice(&back),
            whole.slice(&second),
            whole.broadcast(&added),
        ] {
            for axes in subsets(tensor.ndim()) {
                for op in OPS {
                    let expected = expected(op, &tensor, &axes);
                    let what =
                        format!("{op:?} of {:?} {:?} along {axes:?}", tensor.shape(), tensor.strides());
                    close(&reduce(op, &tensor, &axes)?, &expected, 1e-9, &what);
                    for &axis in axes.iter().filter(|&&axis| tensor.shape()[axis] > 1) {
                        close(
                            &reduce_cut(op, &tensor, &axes, axis)?,
                            &expected,
                            1e-9,
                            &format!("{what} cut"),
                        );
                    }
                }
            }
        }
    }
    Ok(())
}

#[test]
fn reduces_every_type() -> Result<()> {
    for dtype in DType::ALL {
        let values = Tensor::from_vec((0..600).map(|i| ((i * 31 + 5) % 7) as f64).collect(), &[20, 30])?;
        let tensor = convert(&values, dtype)?;
        for axes in [vec![0], vec![1], vec![0, 1]] {
            for op in OPS {
                if check(op, dtype).is_err() || op == ReduceOp::Product || dtype.is_complex() {
                    continue;
                }
                if op == ReduceOp::Sum && dtype.size() == 1 && axes.len() == 2 {
                    continue;
                }
                let found = reduce(op, &tensor, &axes)?;
                assert_eq!(found.dtype(), op.result(dtype));
                let tolerance = if dtype == DType::BF16 { 1e-2 } else { 1e-3 };
                close(
                    &found,
                    &expected(op, &tensor, &axes),
                    tolerance,
                    &format!("{op:?} of {dtype} along {axes:?}"),
                );
            }
        }
    }
    Ok(())
}

#[test]
fn wraps_integers_alike_in_any_cut() -> Result<()> {
    let values: Vec<i64> = (0..9000i64).map(|i| i.wrapping_mul(0x9E37_79B9_7F4A_7C15u64 as i64)).collect();
    let sum = values.iter().fold(0i64, |sum, x| sum.wrapping_add(*x));
    let product = values.iter().fold(1i64, |product, x| product.wrapping_mul(*x | 1));
    let tensor = Tensor::from_vec(values.clone(), &[90, 100])?;
    let odd = Tensor::from_vec(values.iter().map(|x| x | 1).collect(), &[90, 100])?;
    for axis in [0, 1] {
        assert_eq!(reduce_cut(ReduceOp::Sum, &tensor, &[0, 1], axis)?.to_vec::<i64>()?, [sum]);
        assert_eq!(reduce_cut(ReduceOp::Product, &odd, &[0, 1], axis)?.to_vec::<i64>()?, [product]);
    }
    Ok(())
}

#[test]
fn keeps_nan_and_signs_of_zero() -> Result<()> {
    let mut values = numbers(300);
    values[150] = f64::NAN;
    values[151] = f64::NAN;
    let tensor = Tensor::from_vec(values, &[20, 15])?;
    for op in OPS {
        for axes in [vec![0], vec![1], vec![0, 1]] {
            close(
                &reduce(op, &tensor, &axes)?,
                &expected(op, &tensor, &axes),
                1e-9,
                &format!("{op:?} {axes:?}"),
            );
            close(
                &reduce_cut(op, &tensor, &axes, axes[0])?,
                &expected(op, &tensor, &axes),
                1e-9,
                &format!("{op:?} {axes:?} cut"),
            );
        }
    }
    let zeros = Tensor::from_vec(vec![-0.0f64; 100], &[10, 10])?;
    for axes in [vec![0], vec![1], vec![0, 1]] {
        let sums = reduce(ReduceOp::Sum, &zeros, &axes)?.to_vec::<f64>()?;
        assert!(sums.iter().all(|sum| sum.is_sign_negative()));
    }
    let infinite = Tensor::from_vec(vec![f64::INFINITY, 1.0, f64::NEG_INFINITY], &[3])?;
    assert!(reduce(ReduceOp::Sum, &infinite, &[0])?.get::<f64>(&[0]).is_nan());
    assert!(reduce(ReduceOp::SquaredDeviations, &infinite, &[0])?.get::<f64>(&[0]).is_nan());
    assert_eq!(reduce(ReduceOp::Max, &infinite, &[0])?.get::<f64>(&[0]), f64::INFINITY);
    Ok(())
}

#[test]
fn adds_halves_in_single_precision() -> Result<()> {
    let ones = Tensor::from_vec(vec![f16::from_f32(1.0); 5000], &[5000])?;
    assert_eq!(reduce(ReduceOp::Sum, &ones, &[0])?.get::<f16>(&[0]).to_f32(), 5000.0);
    assert_eq!(reduce_cut(ReduceOp::Sum, &ones, &[0], 0)?.get::<f16>(&[0]).to_f32(), 5000.0);
    Ok(())
}

#[test]
fn sums_singles_pairwise() -> Result<()> {
    // 0.1 is not exact: adding one by one loses four digits by here.
    let tensor = Tensor::from_vec(vec![0.1f32; 1 << 20], &[1 << 20])?;
    let sum = reduce(ReduceOp::Sum, &tensor, &[0])?.get::<f32>(&[0]);
    assert!((sum / (0.1f32 * (1 << 20) as f32) - 1.0).abs() < 1e-6, "{sum}");
    let rows = tensor.reshape(&[1 << 14, 64])?;
    let sum = reduce(ReduceOp::Sum, &rows, &[0])?.get::<f32>(&[0, 5]);
    assert!((sum / (0.1f32 * (1 << 14) as f32) - 1.0).abs() < 1e-5, "{sum}");
    // A large mean beside small deviations.
    let values: Vec<f64> = (0..100_000).map(|i| 1e9 + (i % 2) as f64).collect();
    let deviations = reduce(ReduceOp::SquaredDeviations, &Tensor::from_vec(values, &[100_000])?, &[0])?;
    assert!((deviations.get::<f64>(&[0]) / 25_000.0 - 1.0).abs() < 1e-9);
    Ok(())
}

#[test]
fn reduces_complex_numbers() -> Result<()> {
    let values: Vec<Complex<f64>> = (0..600).map(|i| Complex::new(i as f64, 1.0 - i as f64)).collect();
    let tensor = Tensor::from_vec(values.clone(), &[20, 30])?;
    let sum: Complex<f64> = values.iter().sum();
    assert_eq!(reduce(ReduceOp::Sum, &tensor, &[0, 1])?.to_vec::<Complex<f64>>()?, [sum]);
    let rows = reduce(ReduceOp::Sum, &tensor.permute(&[1, 0]), &[0])?;
    assert_eq!(rows.shape(), [1, 20]);
    assert_eq!(rows.get::<Complex<f64>>(&[0, 1]), (30..60).map(|i| values[i]).sum());
    let mean = sum / 600.0;
    let deviations: f64 = values.iter().map(|z| (z - mean).norm_sqr()).sum();
    let found = reduce(ReduceOp::SquaredDeviations, &tensor, &[0, 1])?.get::<f64>(&[0, 0]);
    assert!((found / deviations - 1.0).abs() < 1e-12);
    let product = Tensor::from_vec(vec![Complex::new(0.0f32, 1.0); 6], &[6])?;
    assert_eq!(
        reduce(ReduceOp::Product, &product, &[0])?.to_vec::<Complex<f32>>()?,
        [Complex::new(-1.0, 0.0)]
    );
    Ok(())
}

#[test]
fn reduces_nothing() -> Result<()> {
    assert_eq!(Partial::empty(ReduceOp::Sum, DType::F32, &[1, 3])?.finish()?.to_vec::<f32>()?, [0.0; 3]);
    assert_eq!(Partial::empty(ReduceOp::Product, DType::I8, &[1])?.finish()?.to_vec::<i8>()?, [1]);
    assert_eq!(Partial::empty(ReduceOp::All, DType::Bool, &[])?.finish()?.to_vec::<bool>()?, [true]);
    assert_eq!(Partial::empty(ReduceOp::Any, DType::Bool, &[])?.finish()?.to_vec::<bool>()?, [false]);
    for op in [ReduceOp::Min, ReduceOp::Max, ReduceOp::ArgMin, ReduceOp::ArgMax] {
        let error = Partial::empty(op, DType::F64, &[1]).expect_err("there is no least of nothing");
        assert_eq!(error.kind(), crate::ErrorKind::Value);
        assert_eq!(Partial::empty(op, DType::F64, &[1, 0])?.finish()?.shape(), [1, 0]);
    }
    let none = Tensor::from_vec(Vec::<f64>::new(), &[0, 3])?;
    assert_eq!(reduce(ReduceOp::Sum, &none, &[0])?.to_vec::<f64>()?, [0.0; 3]);
    assert!(reduce(ReduceOp::Min, &none, &[0]).is_err());
    let some = Tensor::from_vec(vec![1.0, 2.0, 3.0], &[1, 3])?;
    let whole = Partial::of(ReduceOp::Sum, &none, &[0], &Region::whole(&[0, 3]), &[1, 3])?;
    let later = Partial::of(ReduceOp::Sum, &some, &[0], &Region::whole(&[1, 3]), &[1, 3])?;
    assert_eq!(whole.merge(later)?.finish()?.to_vec::<f64>()?, [1.0, 2.0, 3.0]);
    Ok(())
}

#[test]
fn knows_booleans() -> Result<()> {
    let values = Tensor::from_vec(vec![true, false, true, true], &[2, 2])?;
    assert_eq!(reduce(ReduceOp::All, &values, &[1])?.to_vec::<bool>()?, [false, true]);
    assert_eq!(reduce(ReduceOp::Any, &values, &[0])?.to_vec::<bool>()?, [true, true]);
    assert_eq!(reduce(ReduceOp::ArgMax, &values, &[0])?.to_vec::<i64>()?, [0, 1]);
    assert_eq!(reduce(ReduceOp::Min, &values, &[0, 1])?.to_vec::<bool>()?, [false]);
    Ok(())
}
