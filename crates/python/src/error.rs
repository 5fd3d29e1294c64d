//! Errors of the engine as the exceptions that NumPy's users expect.

use pyo3::exceptions::{
    PyFileNotFoundError, PyIndexError, PyKeyboardInterrupt, PyMemoryError, PyNotImplementedError, PyOSError,
    PyRuntimeError, PyTypeError, PyValueError,
};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyTuple, PyType};
use swath_array::{Error, ErrorKind};

static AXIS_ERROR: PyOnceLock<Py<PyType>> = PyOnceLock::new();
static LINEAR_ALGEBRA_ERROR: PyOnceLock<Py<PyType>> = PyOnceLock::new();

/// Makes `swath.AxisError` and `swath.LinAlgError`.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    let py = module.py();
    let bases = (py.get_type::<PyValueError>(), py.get_type::<PyIndexError>());
    let axis = class(py, "AxisError", bases.into_pyobject(py)?, "An axis that the array does not have.")?;
    let bases = (py.get_type::<PyValueError>(),).into_pyobject(py)?;
    let doc = "A singular matrix, or an iteration that does not converge.";
    let linear_algebra = class(py, "LinAlgError", bases, doc)?;
    module.add("AxisError", &axis)?;
    module.add("LinAlgError", &linear_algebra)?;
    let _ = AXIS_ERROR.set(py, axis.unbind());
    let _ = LINEAR_ALGEBRA_ERROR.set(py, linear_algebra.unbind());
    Ok(())
}

fn class<'py>(
    py: Python<'py>,
    name: &str,
    bases: Bound<'py, PyTuple>,
    doc: &str,
) -> PyResult<Bound<'py, PyType>> {
    let members = pyo3::types::PyDict::new(py);
    members.set_item("__doc__", doc)?;
    members.set_item("__module__", "swath")?;
    let made = py.get_type::<PyType>().call1((name, bases, members))?;
    Ok(made.cast_into::<PyType>()?)
}

/// The exception of an error.
pub fn to_python(error: Error) -> PyErr {
    let message = error.to_string();
    let own = |class: &PyOnceLock<Py<PyType>>| {
        Python::attach(|py| match class.get(py) {
            Some(class) => PyErr::from_type(class.bind(py).clone(), message.clone()),
            None => PyValueError::new_err(message.clone()),
        })
    };
    match error.kind() {
        ErrorKind::Value => PyValueError::new_err(message),
        ErrorKind::Type => PyTypeError::new_err(message),
        ErrorKind::Index => PyIndexError::new_err(message),
        ErrorKind::Axis => own(&AXIS_ERROR),
        ErrorKind::LinearAlgebra => own(&LINEAR_ALGEBRA_ERROR),
        ErrorKind::OutOfMemory => PyMemoryError::new_err(message),
        ErrorKind::Io if message.contains("No such file") || message.starts_with("no file matches") => {
            PyFileNotFoundError::new_err(message)
        }
        ErrorKind::Io => PyOSError::new_err(message),
        ErrorKind::Unsupported => PyNotImplementedError::new_err(message),
        ErrorKind::Cancelled => PyKeyboardInterrupt::new_err(()),
        ErrorKind::Bug => PyRuntimeError::new_err(message),
    }
}

/// Turns results of the engine into results of Python.
pub trait IntoPython<T> {
    /// The value, or the exception.
    fn py(self) -> PyResult<T>;
}

impl<T> IntoPython<T> for swath_array::Result<T> {
    fn py(self) -> PyResult<T> {
        self.map_err(to_python)
    }
}
