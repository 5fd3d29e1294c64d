//! Frames and SQL.

use pyo3::prelude::*;

/// Adds the classes and functions of frames to the module.
pub fn register(_module: &Bound<'_, PyModule>) -> PyResult<()> {
    Ok(())
}
