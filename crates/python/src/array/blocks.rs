//! Functions of Python's over the chunks of arrays.

use std::fmt;
use std::sync::Arc;

use pyo3::exceptions::{PyKeyboardInterrupt, PyMemoryError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyTuple;
use swath_array::build::blocks::{self, BlockFunction, Boundary};
use swath_array::{DType, Error, Result, Scalar, Tensor};

use super::convert::{array_argument, arrays_argument, as_array, scalar};
use super::dtype::dtype_or_none;
use super::run::{compute, guarded};
use super::{Made, interface, made};

type Object<'a, 'py> = &'a Bound<'py, PyAny>;

/// A function of Python's, which gets blocks as arrays of NumPy's that it must not write to.
struct Called {
    function: Py<PyAny>,
    name: String,
    dtype: DType,
}

impl fmt::Debug for Called {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}", self.name)
    }
}

impl BlockFunction for Called {
    fn name(&self) -> String {
        self.name.clone()
    }

    fn call(&self, blocks: &[Tensor]) -> Result<Tensor> {
        Python::attach(|py| {
            call(py, self.function.bind(py), blocks, Some(self.dtype))
                .map_err(|error| from_python(py, &self.name, &error))
        })
    }
}

fn call(
    py: Python<'_>,
    function: Object<'_, '_>,
    blocks: &[Tensor],
    dtype: Option<DType>,
) -> PyResult<Tensor> {
    let blocks = blocks
        .iter()
        .map(|block| interface::to_numpy(py, block.clone(), false))
        .collect::<PyResult<Vec<_>>>()?;
    let result = function.call1(PyTuple::new(py, blocks)?)?;
    compute(py, &as_array(&result, dtype, None)?)
}

/// An exception of the user's function as an error of its class, from which it comes back as it was.
fn from_python(py: Python<'_>, name: &str, error: &PyErr) -> Error {
    if error.is_instance_of::<PyKeyboardInterrupt>(py) {
        return Error::cancelled();
    }
    let class = if error.is_instance_of::<PyMemoryError>(py) { Error::out_of_memory } else { Error::value };
    class(format!("in {name}")).with_cause(Arc::new(error.clone_ref(py)))
}

/// The function with the type of its results: as it is given, or that of a call on blocks of one element.
fn called(
    function: Object<'_, '_>,
    dtype: Option<Object<'_, '_>>,
    inputs: &[(DType, usize)],
) -> PyResult<Arc<Called>> {
    let py = function.py();
    let name =
        function.getattr("__name__").and_then(|name| name.extract()).unwrap_or("a function".to_string());
    let dtype = match dtype_or_none(dtype)? {
        Some(dtype) => dtype,
        None => {
            let one = |&(dtype, ndim): &(DType, usize)| {
                Tensor::scalar(Scalar::Int(1), dtype).and_then(|one| one.reshape(&vec![1; ndim]))
            };
            let blocks = guarded(|| inputs.iter().map(one).collect::<Result<Vec<_>>>())?;
            let found = call(py, function, &blocks, None).map_err(|error| {
                let message = format!("{name} fails on blocks of one element ({error}): say its dtype");
                PyValueError::new_err(message)
            })?;
            found.dtype()
        }
    };
    Ok(Arc::new(Called { function: function.clone().unbind(), name, dtype }))
}

#[pyfunction]
#[pyo3(signature = (function, arrays, dtype=None, chunks=None, drop_axis=vec![], new_axis=vec![]))]
fn map_blocks(
    function: Object<'_, '_>,
    arrays: Object<'_, '_>,
    dtype: Option<Object<'_, '_>>,
    chunks: Option<Vec<usize>>,
    drop_axis: Vec<i64>,
    new_axis: Vec<i64>,
) -> Made {
    let arrays = arrays_argument(arrays)?;
    let inputs: Vec<_> = arrays.iter().map(|array| (array.dtype(), array.ndim())).collect();
    let called = called(function, dtype, &inputs)?;
    let dtype = called.dtype;
    made(|| blocks::map_blocks(called, &arrays, dtype, chunks.as_deref(), &drop_axis, &new_axis))
}

/// The boundary of one axis: by name, or a number.
fn boundary_of(boundary: Object<'_, '_>) -> PyResult<Boundary> {
    if let Some(value) = scalar(boundary)? {
        return Ok(Boundary::Constant(value));
    }
    match boundary.extract::<String>()?.as_str() {
        "none" => Ok(Boundary::None),
        "reflect" => Ok(Boundary::Reflect),
        "periodic" => Ok(Boundary::Periodic),
        "nearest" => Ok(Boundary::Nearest),
        other => Err(PyValueError::new_err(format!(
            "a boundary is 'none', 'reflect', 'periodic', 'nearest' or a number, not '{other}'"
        ))),
    }
}

#[pyfunction]
#[pyo3(signature = (function, x, depth, boundary, dtype=None))]
fn map_overlap(
    function: Object<'_, '_>,
    x: Object<'_, '_>,
    depth: Vec<usize>,
    boundary: Vec<Bound<'_, PyAny>>,
    dtype: Option<Object<'_, '_>>,
) -> Made {
    let x = array_argument(x)?;
    let boundary = boundary.iter().map(boundary_of).collect::<PyResult<Vec<_>>>()?;
    let called = called(function, dtype, &[(x.dtype(), x.ndim())])?;
    let dtype = called.dtype;
    made(|| blocks::map_overlap(called, &x, &depth, &boundary, dtype))
}

#[pyfunction]
#[pyo3(signature = (function, labels, arrays, array_labels, dtype=None, new_axes=vec![]))]
fn blockwise(
    function: Object<'_, '_>,
    labels: Vec<usize>,
    arrays: Object<'_, '_>,
    array_labels: Vec<Vec<usize>>,
    dtype: Option<Object<'_, '_>>,
    new_axes: Vec<(usize, usize)>,
) -> Made {
    let arrays = arrays_argument(arrays)?;
    let inputs: Vec<_> = arrays.iter().map(|array| (array.dtype(), array.ndim())).collect();
    let called = called(function, dtype, &inputs)?;
    let dtype = called.dtype;
    let labelled: Vec<_> = arrays.into_iter().zip(array_labels).collect();
    made(|| blocks::blockwise(called, &labels, &labelled, dtype, &new_axes))
}

pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(map_blocks, module)?)?;
    module.add_function(wrap_pyfunction!(blockwise, module)?)?;
    module.add_function(wrap_pyfunction!(map_overlap, module)?)
}
