//! Order: sorting, searching, quantiles; cumulative functions.

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use swath_array::Array;
use swath_array::build::sort::QuantileMethod;
use swath_array::build::{scan, sort};

use super::class::PyArray;
use super::convert::{array_argument, axes};
use super::dtype::dtype_or_none;
use super::elementwise::two;
use super::run::guarded;
use super::{Made, made};
use crate::error::IntoPython;

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
fn searchsorted(
    sorted: Object<'_, '_>,
    values: Object<'_, '_>,
    side: &str,
    sorter: Option<Object<'_, '_>>,
) -> Made {
    let right = match side {
        "left" => false,
        "right" => true,
        other => return Err(PyValueError::new_err(format!("side is 'left' or 'right', not '{other}'"))),
    };
    let (sorted, values) = two(sorted, values)?;
    let sorter = sorter.map(array_argument).transpose()?;
    made(|| sort::searchsorted(&sorted, &values, right, sorter.as_ref()))
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
        "cummax" => scan::cummax(&x, axis),
        "cummin" => scan::cummin(&x, axis),
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
    let beside =
        |other: Option<Object<'_, '_>>| -> PyResult<Option<Array>> { other.map(array_argument).transpose() };
    let (prepend, append) = (beside(prepend)?, beside(append)?);
    made(|| scan::diff(&x, axis, n, prepend.as_ref(), append.as_ref()))
}

/// The median, or with `skip_nan` that of what is not NaN.
#[pyfunction]
#[pyo3(signature = (x, axis, skip_nan, keepdims))]
fn median(x: Object<'_, '_>, axis: Option<Object<'_, '_>>, skip_nan: bool, keepdims: bool) -> Made {
    let (x, axes) = (array_argument(x)?, axes(axis)?);
    match skip_nan {
        true => made(|| sort::nanmedian(&x, axes.as_deref(), keepdims)),
        false => made(|| sort::median(&x, axes.as_deref(), keepdims)),
    }
}

/// The quantiles `q`, in an axis in front.
#[pyfunction]
#[pyo3(signature = (x, q, axis, method, skip_nan, keepdims))]
fn quantile(
    x: Object<'_, '_>,
    q: Vec<f64>,
    axis: Option<Object<'_, '_>>,
    method: &str,
    skip_nan: bool,
    keepdims: bool,
) -> Made {
    let (x, axes, method) = (array_argument(x)?, axes(axis)?, method.parse::<QuantileMethod>().py()?);
    match skip_nan {
        true => made(|| sort::nanquantile(&x, &q, axes.as_deref(), method, keepdims)),
        false => made(|| sort::quantile(&x, &q, axes.as_deref(), method, keepdims)),
    }
}

/// `partition` or `argpartition`.
#[pyfunction]
fn partitioning(name: &str, x: Object<'_, '_>, kth: i64, axis: i64) -> Made {
    let x = array_argument(x)?;
    match name {
        "argpartition" => made(|| sort::argpartition(&x, kth, axis)),
        _ => made(|| sort::partition(&x, kth, axis)),
    }
}

/// The greatest or least `k` values along an axis, in order, and their indices.
#[pyfunction]
fn topk(x: Object<'_, '_>, k: usize, axis: i64, largest: bool) -> PyResult<(PyArray, PyArray)> {
    let x = array_argument(x)?;
    let (values, indices) = guarded(|| sort::topk(&x, k, axis, largest))?;
    Ok((values.into(), indices.into()))
}

pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(sorting, module)?)?;
    module.add_function(wrap_pyfunction!(searchsorted, module)?)?;
    module.add_function(wrap_pyfunction!(cumulative, module)?)?;
    module.add_function(wrap_pyfunction!(diff, module)?)?;
    module.add_function(wrap_pyfunction!(median, module)?)?;
    module.add_function(wrap_pyfunction!(quantile, module)?)?;
    module.add_function(wrap_pyfunction!(partitioning, module)?)?;
    module.add_function(wrap_pyfunction!(topk, module)?)
}
