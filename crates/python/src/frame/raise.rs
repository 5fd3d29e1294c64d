//! Errors of the engine as exceptions.

use pyo3::exceptions::{
    PyFileNotFoundError, PyKeyError, PyKeyboardInterrupt, PyMemoryError, PyNotImplementedError, PyOSError,
    PyRuntimeError, PyValueError,
};
use pyo3::prelude::*;
use swath::Error;

/// Turns results of the engine into results of Python.
pub trait Raise<T> {
    /// The value, or the exception.
    fn raise(self) -> PyResult<T>;
}

impl<T> Raise<T> for swath::Result<T> {
    fn raise(self) -> PyResult<T> {
        self.map_err(exception)
    }
}

/// The exception of an error.
pub fn exception(error: Error) -> PyErr {
    let message = error.to_string();
    match &error {
        error if error.is_missing_name() => PyKeyError::new_err(message),
        error if error.is_missing_file() => PyFileNotFoundError::new_err(message),
        error if error.is_user() => PyValueError::new_err(message),
        error if error.is_out_of_memory() => PyMemoryError::new_err(message),
        error if error.is_unsupported() => PyNotImplementedError::new_err(message),
        error if error.is_cancelled() => PyKeyboardInterrupt::new_err(()),
        error if error.is_io() => PyOSError::new_err(message),
        _ => PyRuntimeError::new_err(message),
    }
}
