//! The Python package's compiled half: `swath._swath`.
//!
//! It turns Python's values into those of `swath-array` and `swath`, releases the interpreter while they work, and turns
//! errors into the exceptions that NumPy's users expect. Names, defaults and documentation are the Python half's
//! (`python/swath`).

mod array;
mod error;
mod frame;

use pyo3::prelude::*;

#[pymodule]
fn _swath(module: &Bound<'_, PyModule>) -> PyResult<()> {
    error::register(module)?;
    array::register(module)?;
    frame::register(module)
}
