//! Errors of the engine as the exceptions that NumPy's users expect.

use pyo3::exceptions::{
    PyFileNotFoundError, PyIndexError, PyKeyboardInterrupt, PyMemoryError, PyNotImplementedError, PyOSError,
    PyRuntimeError, PyTypeError, PyValueError,
};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyType;
use swath_array::{Error, ErrorKind};

static AXIS_ERROR: PyOnceLock<Py<PyType>> = PyOnceLock::new();
static LINEAR_ALGEBRA_ERROR: PyOnceLock<Py<PyType>> = PyOnceLock::new();

/// Adds `AxisError` and `LinAlgError`, which are written in Python.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    let exceptions = module.py().import("swath._exceptions")?;
    for (name, class) in [("AxisError", &AXIS_ERROR), ("LinAlgError", &LINEAR_ALGEBRA_ERROR)] {
        let own = exceptions.getattr(name)?.cast_into::<PyType>()?;
        module.add(name, &own)?;
        let _ = class.set(module.py(), own.unbind());
    }
    Ok(())
}

/// The exception of an error: where a function of the user's raised one that very one, with where it was as a note.
pub fn to_python(error: Error) -> PyErr {
    let message = error.to_string();
    if let Some(raised) = error.cause().and_then(|cause| cause.downcast_ref::<PyErr>()) {
        return Python::attach(|py| {
            let raised = raised.clone_ref(py);
            // A note that cannot be added is no reason for another exception.
            let _ = raised.value(py).call_method1("add_note", (message,));
            raised
        });
    }
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
