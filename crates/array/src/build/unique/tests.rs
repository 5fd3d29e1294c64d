use super::*;
use crate::dtype::Element;
use crate::error::{ErrorKind, Result};
use crate::graph::Array;
use crate::run::Runner;
use crate::tensor::Tensor;

fn array<T: Element>(values: &[T], shape: &[usize]) -> Array {
    Array::from_tensor(Tensor::from_vec(values.to_vec(), shape).expect("as many values as the shape has"))
}

fn values<T: Element>(x: &Array) -> Result<Vec<T>> {
    Runner::new().compute(x)?.to_vec()
}

#[test]
fn finds_what_differs() -> Result<()> {
    let runner = Runner::new();
    let found = unique(&array(&[3, 1, 3, 2, 1, 3], &[2, 3]), &runner)?;
    assert_eq!(values::<i32>(&found.values)?, [1, 2, 3]);
    assert_eq!(values::<i64>(&found.indices)?, [1, 3, 0]);
    assert_eq!(values::<i64>(&found.counts)?, [2, 1, 3]);
    assert_eq!(found.inverse.shape(), [2, 3]);
    assert_eq!(values::<i64>(&found.inverse)?, [2, 0, 2, 1, 0, 2]);
    let x = array(&[f64::NAN, -0.0, 0.0, f64::NAN, -1.0], &[5]);
    let found = unique(&x, &runner)?;
    assert_eq!(values::<i64>(&found.counts)?, [1, 2, 1, 1]);
    assert_eq!(values::<i64>(&found.indices)?, [4, 1, 0, 3]);
    assert_eq!(values::<f64>(&unique_values(&x, &runner)?)?.len(), 4);
    let c = num_complex::Complex::<f32>::new;
    let found = unique(&array(&[c(1.0, 2.0), c(1.0, -2.0), c(1.0, 2.0)], &[3]), &runner)?;
    assert_eq!(values::<i64>(&found.inverse)?, [1, 0, 1]);
    assert_eq!(unique(&array::<f32>(&[], &[0]), &runner)?.values.shape(), [0]);
    assert_eq!(values::<i64>(&unique(&array(&[7u8], &[]), &runner)?.inverse)?, [0]);
    Ok(())
}

#[test]
fn sets_meet_and_part() -> Result<()> {
    let runner = Runner::new();
    let (a, b) = (array(&[5, 1, 3, 1], &[4]), array(&[3i64, 4, 5], &[3]));
    assert_eq!(values::<i64>(&intersect1d(&a, &b, &runner)?)?, [3, 5]);
    assert_eq!(values::<i64>(&union1d(&a, &b, &runner)?)?, [1, 3, 4, 5]);
    assert_eq!(values::<i32>(&setdiff1d(&a, &b, &runner)?)?, [1]);
    assert_eq!(values::<i64>(&setxor1d(&a, &b, &runner)?)?, [1, 4]);
    assert_eq!(values::<bool>(&isin(&a, &b, false)?)?, [true, false, true, false]);
    let floats = array(&[f64::NAN, 9.0, 3.0], &[3, 1]);
    assert_eq!(values::<bool>(&isin(&floats, &array(&[f64::NAN, 3.0], &[2]), true)?)?, [true, true, false]);
    assert_eq!(values::<bool>(&isin(&a, &array::<i32>(&[], &[0]), false)?)?, [false; 4]);
    Ok(())
}

#[test]
fn counts_numbers() -> Result<()> {
    let runner = Runner::new();
    let x = array(&[1u8, 3, 1, 0], &[4]);
    assert_eq!(values::<i64>(&bincount(&x, None, 0, &runner)?)?, [1, 2, 0, 1]);
    assert_eq!(values::<i64>(&bincount(&x, None, 6, &runner)?)?, [1, 2, 0, 1, 0, 0]);
    let weights = array(&[0.5, 1.0, 2.0, 4.0], &[4]);
    assert_eq!(values::<f64>(&bincount(&x, Some(&weights), 0, &runner)?)?, [4.0, 2.5, 0.0, 1.0]);
    assert_eq!(
        bincount(&array(&[-1], &[1]), None, 0, &runner).expect_err("negative").kind(),
        ErrorKind::Value
    );
    assert_eq!(bincount(&array(&[1.0], &[1]), None, 0, &runner).expect_err("floats").kind(), ErrorKind::Type);
    assert_eq!(bincount(&array::<i64>(&[], &[0]), None, 2, &runner)?.shape(), [2]);
    Ok(())
}

/// Many parts against a count by hand, with bins between given edges and of one width.
#[test]
fn histograms_of_many_parts() -> Result<()> {
    let runner = Runner::new();
    let n = 600_000;
    let x: Vec<f64> = (0..n).map(|i| ((i * 7919) % 1000) as f64 / 10.0).collect();
    let edges: Vec<f64> = (0..=10).map(|i| i as f64 * 9.99).collect();
    let mut expected = vec![0i64; 10];
    for value in &x {
        let bin = (0..10).find(|&bin| {
            *value >= edges[bin] && (*value < edges[bin + 1] || (bin == 9 && *value == edges[10]))
        });
        if let Some(bin) = bin {
            expected[bin] += 1;
        }
    }
    let x = array(&x, &[n / 2, 2]);
    let given = Bins::Edges(array(&edges, &[11]));
    let (counts, _) = histogram(&x, &given, None, None, false, &runner)?;
    assert_eq!(values::<i64>(&counts)?, expected);
    let (counts, given_edges) = histogram(&x, &Bins::Count(10), None, None, false, &runner)?;
    assert_eq!(values::<i64>(&counts)?.iter().sum::<i64>(), n as i64);
    assert!(values::<f64>(&given_edges)?.iter().zip(&edges).all(|(a, b)| (a - b).abs() < 1e-12));
    let (density, _) = histogram(&x, &given, None, None, true, &runner)?;
    let total: f64 = values::<f64>(&density)?.iter().map(|value| value * 9.99).sum();
    assert!((total - 1.0).abs() < 1e-12);
    Ok(())
}

#[test]
fn histograms_know_their_borders() -> Result<()> {
    let runner = Runner::new();
    let x = array(&[0.0, 1.0, 2.0, f64::NAN, -5.0, 9.0], &[6]);
    let (counts, edges) = histogram(&x, &Bins::Count(2), Some((0.0, 2.0)), None, false, &runner)?;
    assert_eq!(values::<i64>(&counts)?, [1, 2]);
    assert_eq!(values::<f64>(&edges)?, [0.0, 1.0, 2.0]);
    let error = histogram(&x, &Bins::Count(2), None, None, false, &runner).expect_err("NaN");
    assert_eq!(error.kind(), ErrorKind::Value);
    let same = array(&[4, 4], &[2]);
    let (counts, edges) = histogram(&same, &Bins::Count(1), None, None, false, &runner)?;
    assert_eq!((values::<i64>(&counts)?, values::<f64>(&edges)?), (vec![2], vec![3.5, 4.5]));
    let (y, both) = (array(&[0.5, 0.5, 1.5], &[3]), [Bins::Count(2), Bins::Count(2)]);
    let ranges = [Some((0.0, 2.0)); 2];
    let (counts, _) = histogramdd(&[array(&[0.5, 1.5, 1.5], &[3]), y], &both, &ranges, None, false, &runner)?;
    assert_eq!(values::<i64>(&counts)?, [1, 0, 1, 1]);
    let ascending = digitize(&x, &array(&[0.0, 1.0, 2.0], &[3]), false, &runner)?;
    assert_eq!(values::<i64>(&ascending)?, [1, 2, 3, 3, 0, 3]);
    let descending = digitize(&array(&[0.5, 2.0], &[2]), &array(&[2.0, 1.0, 0.0], &[3]), false, &runner)?;
    assert_eq!(values::<i64>(&descending)?, [2, 0]);
    Ok(())
}

#[test]
fn nonzero_spans_blocks() -> Result<()> {
    let runner = Runner::new();
    let (rows, columns) = (300, 700);
    let flags: Vec<bool> = (0..rows * columns).map(|i| i % 13 == 5).collect();
    let found = nonzero(&array(&flags, &[rows, columns]), &runner)?;
    let expected: Vec<usize> = (0..rows * columns).filter(|i| i % 13 == 5).collect();
    let (first, second) = (values::<i64>(&found[0])?, values::<i64>(&found[1])?);
    let given: Vec<usize> =
        first.iter().zip(&second).map(|(r, c)| *r as usize * columns + *c as usize).collect();
    assert_eq!(given, expected);
    assert_eq!(nonzero(&array(&[1], &[]), &runner).expect_err("no axes").kind(), ErrorKind::Value);
    assert_eq!(values::<i64>(&nonzero(&array(&[0.0, f64::NAN, -0.0], &[3]), &runner)?[0])?, [1]);
    Ok(())
}
