//! Functions of each element.

use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use swath_array::build::{elementwise, manipulate};
use swath_array::program::{BinaryOp, UnaryOp};
use swath_array::{Array, DType};

use super::convert::{Operand, array_argument, beside, cast, operand, pair, shape};
use super::dtype::dtype_of;
use super::{AllMade, Made, all_made, made};
use crate::error::IntoPython;

/// A function of one array by its name in the standard.
#[pyfunction]
#[pyo3(signature = (name, x, /))]
fn unary(name: &str, x: &Bound<'_, PyAny>) -> Made {
    let op: UnaryOp = name.parse().py()?;
    let x = array_argument(x)?;
    made(|| elementwise::unary(op, &x))
}

/// A function of two arrays, or of an array and a number, by its name in the standard.
#[pyfunction]
#[pyo3(signature = (name, x1, x2, /))]
fn binary(name: &str, x1: &Bound<'_, PyAny>, x2: &Bound<'_, PyAny>) -> Made {
    let op: BinaryOp = name.parse().py()?;
    let (x1, x2) = two(x1, x2)?;
    made(|| elementwise::binary(op, &x1, &x2))
}

/// Two arguments as arrays.
pub fn two(x1: &Bound<'_, PyAny>, x2: &Bound<'_, PyAny>) -> PyResult<(Array, Array)> {
    pair(x1, x2)?.ok_or_else(|| {
        let class =
            |x: &Bound<'_, PyAny>| x.get_type().name().map(|name| name.to_string()).unwrap_or_default();
        PyTypeError::new_err(format!("expected arrays or numbers, not {} and {}", class(x1), class(x2)))
    })
}

/// The array's own values, or the function's.
#[pyfunction]
#[pyo3(signature = (condition, x1, x2, /))]
fn r#where(condition: &Bound<'_, PyAny>, x1: &Bound<'_, PyAny>, x2: &Bound<'_, PyAny>) -> Made {
    let condition = cast(array_argument(condition)?, Some(DType::Bool))?;
    let (x1, x2) = two(x1, x2)?;
    made(|| elementwise::where_(&condition, &x1, &x2))
}

#[pyfunction]
#[pyo3(signature = (x, min=None, max=None))]
fn clip(x: &Bound<'_, PyAny>, min: Option<&Bound<'_, PyAny>>, max: Option<&Bound<'_, PyAny>>) -> Made {
    let x = array_argument(x)?;
    // A bound bends to the type of the array.
    let bound = |bound: Option<&Bound<'_, PyAny>>| -> PyResult<Option<Array>> {
        let Some(bound) = bound else { return Ok(None) };
        let Some(bound) = operand(bound)? else {
            let class = bound.get_type().name()?;
            return Err(PyTypeError::new_err(format!("a bound is an array or a number, not {class}")));
        };
        Ok(Some(beside(Operand::Array(x.clone()), bound)?.1))
    };
    let (min, max) = (bound(min)?, bound(max)?);
    made(|| elementwise::clip(&x, min.as_ref(), max.as_ref()))
}

/// The array in another type; itself where it has it already.
#[pyfunction]
#[pyo3(signature = (x, dtype))]
fn astype(x: &Bound<'_, PyAny>, dtype: &Bound<'_, PyAny>) -> Made {
    let (x, dtype) = (array_argument(x)?, dtype_of(dtype)?);
    made(|| Ok(elementwise::cast(&x, dtype)))
}

#[pyfunction]
#[pyo3(signature = (x1, x2, rtol, atol, equal_nan))]
fn isclose(x1: &Bound<'_, PyAny>, x2: &Bound<'_, PyAny>, rtol: f64, atol: f64, equal_nan: bool) -> Made {
    let (x1, x2) = two(x1, x2)?;
    made(|| elementwise::isclose(&x1, &x2, rtol, atol, equal_nan))
}

#[pyfunction]
#[pyo3(signature = (x, nan, posinf, neginf))]
fn nan_to_num(x: &Bound<'_, PyAny>, nan: f64, posinf: Option<f64>, neginf: Option<f64>) -> Made {
    let x = array_argument(x)?;
    made(|| elementwise::nan_to_num(&x, nan, posinf, neginf))
}

#[pyfunction]
fn ldexp(x1: &Bound<'_, PyAny>, x2: &Bound<'_, PyAny>) -> Made {
    let (x1, x2) = (array_argument(x1)?, array_argument(x2)?);
    made(|| elementwise::ldexp(&x1, &x2))
}

#[pyfunction]
fn heaviside(x1: &Bound<'_, PyAny>, x2: &Bound<'_, PyAny>) -> Made {
    let (x1, x2) = two(x1, x2)?;
    made(|| elementwise::heaviside(&x1, &x2))
}

#[pyfunction]
fn broadcast_arrays(arrays: Vec<Bound<'_, PyAny>>) -> AllMade {
    let arrays = arrays.iter().map(array_argument).collect::<PyResult<Vec<_>>>()?;
    all_made(|| manipulate::broadcast_arrays(&arrays))
}

#[pyfunction]
fn broadcast_shapes(shapes: Vec<Bound<'_, PyAny>>) -> PyResult<Vec<usize>> {
    let shapes = shapes.iter().map(shape).collect::<PyResult<Vec<_>>>()?;
    manipulate::broadcast_shapes(&shapes).py()
}

pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(unary, module)?)?;
    module.add_function(wrap_pyfunction!(binary, module)?)?;
    module.add_function(wrap_pyfunction!(r#where, module)?)?;
    module.add_function(wrap_pyfunction!(clip, module)?)?;
    module.add_function(wrap_pyfunction!(astype, module)?)?;
    module.add_function(wrap_pyfunction!(isclose, module)?)?;
    module.add_function(wrap_pyfunction!(nan_to_num, module)?)?;
    module.add_function(wrap_pyfunction!(ldexp, module)?)?;
    module.add_function(wrap_pyfunction!(heaviside, module)?)?;
    module.add_function(wrap_pyfunction!(broadcast_arrays, module)?)?;
    module.add_function(wrap_pyfunction!(broadcast_shapes, module)?)
}
