//! Reductions.

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use swath_array::build::reduce;

use super::class::PyArray;
use super::convert::{array_argument, axes};
use super::dtype::dtype_or_none;
use super::run::guarded;
use super::{Made, made};

/// A reduction by its name.
#[pyfunction]
#[pyo3(signature = (name, x, axis=None, keepdims=false, dtype=None, correction=0.0))]
fn reduction(
    name: &str,
    x: &Bound<'_, PyAny>,
    axis: Option<&Bound<'_, PyAny>>,
    keepdims: bool,
    dtype: Option<&Bound<'_, PyAny>>,
    correction: f64,
) -> Made {
    let (x, axes, dtype) = (array_argument(x)?, axes(axis)?, dtype_or_none(dtype)?);
    let (x, axes) = (&x, axes.as_deref());
    made(|| match name {
        "sum" => reduce::sum(x, axes, dtype, keepdims),
        "prod" => reduce::prod(x, axes, dtype, keepdims),
        "min" => reduce::min(x, axes, keepdims),
        "max" => reduce::max(x, axes, keepdims),
        "all" => reduce::all(x, axes, keepdims),
        "any" => reduce::any(x, axes, keepdims),
        "mean" => reduce::mean(x, axes, keepdims),
        "var" => reduce::var(x, axes, correction, keepdims),
        "std" => reduce::std(x, axes, correction, keepdims),
        "count_nonzero" => reduce::count_nonzero(x, axes, keepdims),
        "nansum" => reduce::nansum(x, axes, dtype, keepdims),
        "nanprod" => reduce::nanprod(x, axes, dtype, keepdims),
        "nanmin" => reduce::nanmin(x, axes, keepdims),
        "nanmax" => reduce::nanmax(x, axes, keepdims),
        "nanmean" => reduce::nanmean(x, axes, keepdims),
        "nanvar" => reduce::nanvar(x, axes, correction, keepdims),
        "nanstd" => reduce::nanstd(x, axes, correction, keepdims),
        "ptp" => reduce::ptp(x, axes, keepdims),
        "logsumexp" => reduce::logsumexp(x, axes, keepdims),
        _ => Err(swath_array::Error::unsupported(format!("there is no reduction '{name}'"))),
    })
}

/// The index of an extreme value.
#[pyfunction]
#[pyo3(signature = (name, x, axis=None, keepdims=false))]
fn arg_reduction(name: &str, x: &Bound<'_, PyAny>, axis: Option<i64>, keepdims: bool) -> Made {
    let x = array_argument(x)?;
    match name {
        "argmin" => made(|| reduce::argmin(&x, axis, keepdims)),
        "argmax" => made(|| reduce::argmax(&x, axis, keepdims)),
        "nanargmin" => made(|| reduce::nanargmin(&x, axis, keepdims)),
        "nanargmax" => made(|| reduce::nanargmax(&x, axis, keepdims)),
        _ => Err(PyValueError::new_err(format!("there is no reduction '{name}'"))),
    }
}

/// The weighted means, and the sums of the weights.
#[pyfunction]
#[pyo3(signature = (x, axis, weights, keepdims))]
fn average(
    x: &Bound<'_, PyAny>,
    axis: Option<&Bound<'_, PyAny>>,
    weights: &Bound<'_, PyAny>,
    keepdims: bool,
) -> PyResult<(PyArray, PyArray)> {
    let (x, axes, weights) = (array_argument(x)?, axes(axis)?, array_argument(weights)?);
    let (means, totals) = guarded(|| reduce::weighted_average(&x, axes.as_deref(), &weights, keepdims))?;
    Ok((means.into(), totals.into()))
}

pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(reduction, module)?)?;
    module.add_function(wrap_pyfunction!(arg_reduction, module)?)?;
    module.add_function(wrap_pyfunction!(average, module)?)
}
