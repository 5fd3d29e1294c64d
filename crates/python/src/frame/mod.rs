//! Frames and SQL: sessions, lazy frames, expressions, and Arrow data in and out.
//!
//! | module | what lives there |
//! |---|---|
//! | [`session`] | sessions: options, SQL, files |
//! | [`lazy`] | the class of frames: composing a plan, running it |
//! | [`expression`] | expressions as Python writes them |
//! | [`bind`] | expressions in the terms of one frame: names, types, aggregates |
//! | [`arrays`] | arrays that read frames |
//! | [`interchange`] | Arrow data by the C interface's capsules |
//! | [`ingest`] | Python's values as Arrow columns |
//! | [`export`] | Arrow columns as Python's values and buffers |
//! | [`data_type`] | the names of types |
//! | [`run`] | running what the engine does without holding the interpreter, until done or interrupted |
//! | [`raise`] | errors as exceptions |

pub mod arrays;
mod bind;
mod data_type;
mod export;
mod expression;
mod ingest;
mod interchange;
mod lazy;
mod raise;
mod run;
pub mod session;

use pyo3::prelude::*;

/// Adds the classes and functions of frames to the module.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<session::PySession>()?;
    module.add_class::<lazy::PyFrame>()?;
    module.add_class::<lazy::PyBatches>()?;
    module.add_class::<expression::PyExpression>()?;
    module.add_class::<ingest::Column>()?;
    module.add_class::<export::Bytes>()?;
    module.add_function(wrap_pyfunction!(expression::function_names, module)?)?;
    module.add_function(wrap_pyfunction!(data_type::check_type_name, module)?)
}
