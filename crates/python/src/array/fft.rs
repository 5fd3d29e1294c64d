//! Discrete Fourier transforms.

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use swath_array::build::fft;

use super::convert::{array_argument, axes};
use super::dtype::dtype_or_none;
use super::{Made, made};
use crate::error::IntoPython;

type Object<'a, 'py> = &'a Bound<'py, PyAny>;

/// A transform along one axis by its name.
#[pyfunction]
#[pyo3(signature = (name, x, n, axis, norm))]
fn transform(name: &str, x: Object<'_, '_>, n: Option<i64>, axis: i64, norm: &str) -> Made {
    let (x, norm) = (array_argument(x)?, norm.parse().py()?);
    made(|| match name {
        "fft" => fft::fft(&x, n, axis, norm),
        "ifft" => fft::ifft(&x, n, axis, norm),
        "rfft" => fft::rfft(&x, n, axis, norm),
        "irfft" => fft::irfft(&x, n, axis, norm),
        "hfft" => fft::hfft(&x, n, axis, norm),
        "ihfft" => fft::ihfft(&x, n, axis, norm),
        _ => Err(swath_array::Error::unsupported(format!("there is no transform '{name}'"))),
    })
}

/// A transform along several axes by its name.
#[pyfunction]
#[pyo3(signature = (name, x, s, axis, norm))]
fn transform_axes(
    name: &str,
    x: Object<'_, '_>,
    s: Option<Object<'_, '_>>,
    axis: Option<Object<'_, '_>>,
    norm: &str,
) -> Made {
    let (x, s, axes, norm) = (array_argument(x)?, axes(s)?, axes(axis)?, norm.parse().py()?);
    let (s, axes) = (s.as_deref(), axes.as_deref());
    made(|| match name {
        "fftn" => fft::fftn(&x, s, axes, norm),
        "ifftn" => fft::ifftn(&x, s, axes, norm),
        "rfftn" => fft::rfftn(&x, s, axes, norm),
        "irfftn" => fft::irfftn(&x, s, axes, norm),
        _ => Err(swath_array::Error::unsupported(format!("there is no transform '{name}'"))),
    })
}

/// The frequencies of a transform by its name.
#[pyfunction]
#[pyo3(signature = (name, n, d, dtype=None))]
fn frequencies(name: &str, n: i64, d: f64, dtype: Option<Object<'_, '_>>) -> Made {
    let dtype = dtype_or_none(dtype)?;
    match name {
        "fftfreq" => made(|| fft::fftfreq(n, d, dtype)),
        "rfftfreq" => made(|| fft::rfftfreq(n, d, dtype)),
        _ => Err(PyValueError::new_err(format!("there is no '{name}'"))),
    }
}

/// `fftshift` or `ifftshift`.
#[pyfunction]
#[pyo3(signature = (name, x, axis=None))]
fn shift_frequencies(name: &str, x: Object<'_, '_>, axis: Option<Object<'_, '_>>) -> Made {
    let (x, axes) = (array_argument(x)?, axes(axis)?);
    match name {
        "fftshift" => made(|| fft::fftshift(&x, axes.as_deref())),
        "ifftshift" => made(|| fft::ifftshift(&x, axes.as_deref())),
        _ => Err(PyValueError::new_err(format!("there is no '{name}'"))),
    }
}

pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(transform, module)?)?;
    module.add_function(wrap_pyfunction!(transform_axes, module)?)?;
    module.add_function(wrap_pyfunction!(frequencies, module)?)?;
    module.add_function(wrap_pyfunction!(shift_frequencies, module)?)
}
