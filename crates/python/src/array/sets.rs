//! Elements by value: distinct ones, sets, histograms.

use pyo3::prelude::*;
use pyo3::types::PyInt;
use swath_array::build::unique::{self, Bins};

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

/// `intersect1d`, `union1d`, `setdiff1d` or `setxor1d`.
#[pyfunction]
fn set_operation(py: Python<'_>, name: &str, a: Object<'_, '_>, b: Object<'_, '_>) -> Made {
    let (a, b) = two(a, b)?;
    let found = with_runner(py, &[&a, &b], |runner| match name {
        "intersect1d" => unique::intersect1d(&a, &b, runner),
        "union1d" => unique::union1d(&a, &b, runner),
        "setdiff1d" => unique::setdiff1d(&a, &b, runner),
        _ => unique::setxor1d(&a, &b, runner),
    })?;
    Ok(found.into())
}

/// Bins by number, or by their edges.
fn bins_of(bins: Object<'_, '_>) -> PyResult<Bins> {
    if bins.is_instance_of::<PyInt>() {
        return Ok(Bins::Count(bins.extract()?));
    }
    Ok(Bins::Edges(array_argument(bins)?))
}

/// How many elements, or how much weight, lie in each bin, and the edges of the bins.
#[pyfunction]
#[pyo3(signature = (x, bins, range=None, density=false, weights=None))]
fn histogram(
    py: Python<'_>,
    x: Object<'_, '_>,
    bins: Object<'_, '_>,
    range: Option<(f64, f64)>,
    density: bool,
    weights: Option<Object<'_, '_>>,
) -> PyResult<(PyArray, PyArray)> {
    let (x, bins) = (array_argument(x)?, bins_of(bins)?);
    let weights = weights.map(array_argument).transpose()?;
    let (counts, edges) = with_runner(py, &[&x], |runner| {
        unique::histogram(&x, &bins, range, weights.as_ref(), density, runner)
    })?;
    Ok((counts.into(), edges.into()))
}

#[pyfunction]
#[pyo3(signature = (x, weights=None, minlength=0))]
fn bincount(py: Python<'_>, x: Object<'_, '_>, weights: Option<Object<'_, '_>>, minlength: usize) -> Made {
    let (x, weights) = (array_argument(x)?, weights.map(array_argument).transpose()?);
    Ok(with_runner(py, &[&x], |runner| unique::bincount(&x, weights.as_ref(), minlength, runner))?.into())
}

#[pyfunction]
fn digitize(py: Python<'_>, x: Object<'_, '_>, bins: Object<'_, '_>, right: bool) -> Made {
    let (x, bins) = (array_argument(x)?, array_argument(bins)?);
    Ok(with_runner(py, &[&x, &bins], |runner| unique::digitize(&x, &bins, right, runner))?.into())
}

pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(unique_all, module)?)?;
    module.add_function(wrap_pyfunction!(isin, module)?)?;
    module.add_function(wrap_pyfunction!(set_operation, module)?)?;
    module.add_function(wrap_pyfunction!(histogram, module)?)?;
    module.add_function(wrap_pyfunction!(bincount, module)?)?;
    module.add_function(wrap_pyfunction!(digitize, module)?)
}
