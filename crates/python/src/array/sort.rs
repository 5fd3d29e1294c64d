//! Sorting, searching, sets, cumulative functions, statistics of order.

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use swath_array::Array;
use swath_array::build::{scan, sort, unique};

use super::class::PyArray;
use super::convert::array_argument;
use super::dtype::dtype_or_none;
use super::elementwise::two;
use super::run::with_runner;
use super::{Made, made};

type Object<'a, 'py> = &'a Bound<'py, PyAny>;

/// `sort` or `argsort`.
#[pyfunction]
fn sorting(name: &str, x: Object<'_, '_>, axis: i64, descending: bool, stable: bool) -> Made {
    let x = array_argument(x)?;
    match name {
        "argsort" => made(|| sort::argsort(&x, axis, descending, stable)),
        _ => made(|| sort::sort(&x, axis, descending, stable)),
    }
}

#[pyfunction]
#[pyo3(signature = (sorted, values, side, sorter=None))]
fn searchsorted(sorted: Object<'_, '_>, values: Object<'_, '_>, side: &str, sorter: Option<Object<'_, '_>>) -> Made {
    let right = match side {
        "left" => false,
        "right" => true,
        other => return Err(PyValueError::new_err(format!("side is 'left' or 'right', not '{other}'"))),
    };
    let (sorted, values) = two(sorted, values)?;
    let sorter = sorter.map(array_argument).transpose()?;
    made(|| sort::searchsorted(&sorted, &values, right, sorter.as_ref()))
}

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

/// `cumulative_sum` or `cumulative_prod`, `cummax` or `cummin`.
#[pyfunction]
#[pyo3(signature = (name, x, axis, dtype=None, include_initial=false))]
fn cumulative(
    name: &str,
    x: Object<'_, '_>,
    axis: Option<i64>,
    dtype: Option<Object<'_, '_>>,
    include_initial: bool,
) -> Made {
    let (x, dtype) = (array_argument(x)?, dtype_or_none(dtype)?);
    made(|| match name {
        "cumulative_prod" => scan::cumulative_prod(&x, axis, dtype, include_initial),
        _ => scan::cumulative_sum(&x, axis, dtype, include_initial),
    })
}

#[pyfunction]
#[pyo3(signature = (x, axis, n, prepend=None, append=None))]
fn diff(
    x: Object<'_, '_>,
    axis: i64,
    n: i64,
    prepend: Option<Object<'_, '_>>,
    append: Option<Object<'_, '_>>,
) -> Made {
    let x = array_argument(x)?;
    let n = usize::try_from(n)
        .map_err(|_| PyValueError::new_err(format!("differences cannot be taken {n} times")))?;
    let beside = |other: Option<Object<'_, '_>>| -> PyResult<Option<Array>> { other.map(array_argument).transpose() };
    let (prepend, append) = (beside(prepend)?, beside(append)?);
    made(|| scan::diff(&x, axis, n, prepend.as_ref(), append.as_ref()))
}

pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(sorting, module)?)?;
    module.add_function(wrap_pyfunction!(searchsorted, module)?)?;
    module.add_function(wrap_pyfunction!(unique_all, module)?)?;
    module.add_function(wrap_pyfunction!(isin, module)?)?;
    module.add_function(wrap_pyfunction!(cumulative, module)?)?;
    module.add_function(wrap_pyfunction!(diff, module)?)
}
