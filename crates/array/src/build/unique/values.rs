//! The distinct elements of an array.

use crate::build::manipulate::ravel;
use crate::build::sort::{argsort, sort};
use crate::dispatch;
use crate::dtype::Element;
use crate::error::Result;
use crate::graph::Array;
use crate::run::Runner;
use crate::tensor::Tensor;

/// The distinct elements of an array, in ascending order. Every NaN differs from all others, −0 and 0 are one.
#[derive(Clone, Debug)]
pub struct Unique {
    /// Of several equal elements the first.
    pub values: Array,
    /// The number, in the array as a vector, of the first element of each value: `int64`.
    pub indices: Array,
    /// For each element of the array the number of its value: `int64`, in the array's shape.
    pub inverse: Array,
    /// How many elements have each value: `int64`.
    pub counts: Array,
}

/// Finds the distinct elements, where they are and how many; computed at once.
///
/// # Errors
/// Those of the array's evaluation.
pub fn unique(x: &Array, runner: &Runner) -> Result<Unique> {
    let flat = ravel(x);
    let computed = runner.compute_all(&[flat.clone(), argsort(&flat, 0, false, true)?])?;
    let order = computed[1].to_vec::<i64>()?;
    dispatch!(x.dtype(), T => from_order::<T>(&computed[0].to_vec::<T>()?, &order, x.shape()))
}

fn from_order<T: Element>(flat: &[T], order: &[i64], shape: &[usize]) -> Result<Unique> {
    let mut values: Vec<T> = Vec::new();
    let mut indices: Vec<i64> = Vec::new();
    let mut counts: Vec<i64> = Vec::new();
    let mut inverse = vec![0i64; flat.len()];
    for &number in order {
        let value = flat[number as usize];
        match counts.last_mut() {
            Some(count) if values.last() == Some(&value) => *count += 1,
            _ => {
                values.push(value);
                indices.push(number);
                counts.push(1);
            }
        }
        inverse[number as usize] = values.len() as i64 - 1;
    }
    let count = values.len();
    Ok(Unique {
        values: Array::from_tensor(Tensor::from_vec(values, &[count])?),
        indices: Array::from_tensor(Tensor::from_vec(indices, &[count])?),
        inverse: Array::from_tensor(Tensor::from_vec(inverse, shape)?),
        counts: Array::from_tensor(Tensor::from_vec(counts, &[count])?),
    })
}

/// The distinct elements alone, in ascending order; computed at once.
///
/// # Errors
/// Those of the array's evaluation.
pub fn unique_values(x: &Array, runner: &Runner) -> Result<Array> {
    let sorted = runner.compute(&sort(&ravel(x), 0, false, true)?)?;
    dispatch!(x.dtype(), T => {
        let mut values = sorted.to_vec::<T>()?;
        values.dedup();
        let count = values.len();
        Ok(Array::from_tensor(Tensor::from_vec(values, &[count])?))
    })
}
