//! Sets: distinct values, membership.

use pyo3::prelude::*;
use swath_array::build::unique;

use super::class::PyArray;
use super::convert::array_argument;
use super::elementwise::two;
use super::run::with_runner;
use super::{Made, made};

type Object<'a, 'py> = &'a Bound<'py, PyAny>;

/// The distinct values with their first indices, the numbers of the elements' values, and how often there are.
#[pyfunction]
fn unique_all(py: Python<'_>, x: Object<'_, '_>) -> PyResult<(PyArray, PyArray, PyArray, PyArray)> {
    let x = array_argument(x)?;
    let found = with_runner(py, &[&x], |runner| unique::unique(&x, runner))?;
    Ok((found.values.into(), found.indices.into(), found.inverse.into(), found.counts.into()))
}

#[pyfunction]
fn isin(x1: Object<'_, '_>, x2: Object<'_, '_>, invert: bool) -> Made {
    let (x1, x2) = two(x1, x2)?;
    made(|| unique::isin(&x1, &x2, invert))
}

pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(unique_all, module)?)?;
    module.add_function(wrap_pyfunction!(isin, module)?)
}
