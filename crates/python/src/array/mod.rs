//! Arrays: the class, and the functions of the engine by family.

mod blocks;
pub mod class;
pub mod convert;
mod creation;
mod decompose;
mod dlpack;
pub mod dtype;
mod elementwise;
mod explain;
mod fft;
mod interface;
mod linalg;
mod manipulate;
mod random;
mod reduce;
pub mod run;
mod sets;
mod show;
mod sort;
mod storage;

use pyo3::prelude::*;
use swath_array::Array;

use class::PyArray;

/// Adds the class and the functions of arrays to the module.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    blocks::register(module)?;
    dtype::register(module)?;
    class::register(module)?;
    creation::register(module)?;
    elementwise::register(module)?;
    random::register(module)?;
    reduce::register(module)?;
    manipulate::register(module)?;
    sets::register(module)?;
    sort::register(module)?;
    storage::register(module)?;
    decompose::register(module)?;
    fft::register(module)?;
    linalg::register(module)
}

/// What functions return: an array as a Python object.
pub type Made = PyResult<PyArray>;

/// Several of them.
pub type AllMade = PyResult<Vec<PyArray>>;

/// The array of a builder, which does not panic into Python.
pub fn made(build: impl FnOnce() -> swath_array::Result<Array>) -> Made {
    run::guarded(build).map(PyArray::from)
}

/// The arrays of a builder.
pub fn all_made(build: impl FnOnce() -> swath_array::Result<Vec<Array>>) -> AllMade {
    Ok(run::guarded(build)?.into_iter().map(PyArray::from).collect())
}
