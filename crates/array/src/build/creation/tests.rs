//! Ranges and grids beside what NumPy gives.

use super::*;
use crate::dtype::Element;
use crate::run::Runner;
use crate::tensor::Tensor;

fn values<T: Element>(array: &Array) -> Result<Vec<T>> {
    Runner::new().compute(array)?.to_vec::<T>()
}

#[test]
fn counts_in_steps() -> Result<()> {
    use Scalar::{Float, Int};
    assert_eq!(values::<i64>(&arange(Int(2), Int(10), Int(3), None)?)?, [2, 5, 8]);
    assert_eq!(values::<i64>(&arange(Int(5), Int(0), Int(-2), None)?)?, [5, 3, 1]);
    assert_eq!(arange(Int(5), Int(0), Int(1), None)?.shape(), [0]);
    assert_eq!(values::<f64>(&arange(Int(0), Float(1.0), Float(0.25), None)?)?, [0.0, 0.25, 0.5, 0.75]);
    assert_eq!(values::<f32>(&arange(Int(0), Int(3), Int(1), Some(DType::F32))?)?, [0.0, 1.0, 2.0]);
    let far = 1i128 << 62;
    assert_eq!(
        values::<u64>(&arange(Int(3 * far), Int(3 * far + 2), Int(1), Some(DType::U64))?)?,
        [3 << 62, (3 << 62) + 1]
    );
    assert!(arange(Int(0), Int(1), Int(0), None).is_err());
    assert!(arange(Int(0), Float(f64::NAN), Int(1), None).is_err());
    Ok(())
}

#[test]
fn divides_intervals() -> Result<()> {
    use Scalar::{Complex, Float, Int};
    assert_eq!(values::<f64>(&linspace(Int(0), Int(1), 5, true, None)?)?, [0.0, 0.25, 0.5, 0.75, 1.0]);
    assert_eq!(values::<f64>(&linspace(Int(0), Int(1), 4, false, None)?)?, [0.0, 0.25, 0.5, 0.75]);
    assert_eq!(values::<f64>(&linspace(Int(3), Int(9), 1, true, None)?)?, [3.0]);
    assert_eq!(linspace(Int(3), Int(9), 0, true, None)?.shape(), [0]);
    let last = values::<f64>(&linspace(Float(0.1), Float(0.7), 7, true, None)?)?;
    assert_eq!(last[6], 0.7);
    assert_eq!(values::<i64>(&linspace(Int(0), Int(-3), 3, true, Some(DType::I64))?)?, [0, -2, -3]);
    let ends = Complex(num_complex::Complex::new(0.0, 2.0));
    let found = values::<num_complex::Complex<f64>>(&linspace(Int(0), ends, 3, true, None)?)?;
    assert_eq!(found[1], num_complex::Complex::new(0.0, 1.0));
    Ok(())
}

#[test]
fn makes_diagonals_triangles_and_grids() -> Result<()> {
    assert_eq!(values::<i32>(&eye(2, 3, 1, DType::I32)?)?, [0, 1, 0, 0, 0, 1]);
    let x = Array::from_tensor(Tensor::from_vec((1..10i64).collect(), &[3, 3])?);
    assert_eq!(values::<i64>(&tril(&x, 0)?)?, [1, 0, 0, 4, 5, 0, 7, 8, 9]);
    assert_eq!(values::<i64>(&triu(&x, 1)?)?, [0, 2, 3, 0, 0, 6, 0, 0, 0]);
    assert!(tril(&index(&[3], 0), 0).is_err());
    let (a, b) = (index(&[2], 0), index(&[3], 0));
    let [first, second] = &meshgrid(&[a.clone(), b.clone()], Indexing::Cartesian)?[..] else { panic!() };
    assert_eq!((first.shape(), values::<i64>(first)?), (&[3, 2][..], vec![0, 1, 0, 1, 0, 1]));
    assert_eq!(values::<i64>(second)?, [0, 0, 1, 1, 2, 2]);
    assert_eq!(meshgrid(&[a, b], Indexing::Matrix)?[0].shape(), [2, 3]);
    assert!(full(&[2], Scalar::Int(1), DType::I8, Some(&[1, 1])).is_err());
    assert_eq!(full(&[4], Scalar::Int(1), DType::I8, Some(&[3]))?.chunks(), [3]);
    Ok(())
}
