//! Arrays: the class, and the functions of the engine by family.

use pyo3::prelude::*;

/// Adds the class and the functions of arrays to the module.
pub fn register(_module: &Bound<'_, PyModule>) -> PyResult<()> {
    Ok(())
}
