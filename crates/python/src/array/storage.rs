//! Arrays in files.

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyDict;
use swath::array::storage;
use swath_array::Array;
use swath_array::storage::{Combine, Compression, OpenOptions, SaveOptions};

use super::convert::array_argument;
use super::run::{guarded, with_runner};
use super::{Made, made};

/// Opens an array of a file, or of the files that a pattern matches; values are read when they are needed.
#[pyfunction]
#[pyo3(signature = (path, name, combine, axis))]
fn open_array(py: Python<'_>, path: &str, name: Option<String>, combine: &str, axis: i64) -> Made {
    let combine = match combine {
        "concat" => Combine::Concat(axis),
        "stack" => Combine::Stack(axis),
        other => {
            return Err(PyValueError::new_err(format!(
                "files combine by 'concat' or 'stack', not '{other}'"
            )));
        }
    };
    let options = OpenOptions { name, combine };
    py.detach(|| made(|| storage::open(path, &options)))
}

/// The names of the arrays in a file.
#[pyfunction]
fn array_names(py: Python<'_>, path: &str) -> PyResult<Vec<String>> {
    py.detach(|| guarded(|| storage::names(path)))
}

/// Computes arrays and saves them under their names, chunk by chunk.
#[pyfunction]
#[pyo3(signature = (path, arrays, compression, level, chunks, shards))]
fn save_arrays(
    py: Python<'_>,
    path: &str,
    arrays: &Bound<'_, PyDict>,
    compression: Option<&str>,
    level: Option<i32>,
    chunks: Option<Vec<usize>>,
    shards: Option<Vec<usize>>,
) -> PyResult<()> {
    let arrays = arrays
        .iter()
        .map(|(name, array)| Ok((name.extract::<String>()?, array_argument(&array)?)))
        .collect::<PyResult<Vec<(String, Array)>>>()?;
    let compression = match compression {
        None => Compression::Default,
        Some("none") => Compression::None,
        Some("zstd") => Compression::Zstd(level.unwrap_or(3)),
        Some("gzip") => {
            let level = u32::try_from(level.unwrap_or(6));
            Compression::Gzip(level.map_err(|_| PyValueError::new_err("gzip has levels from 0 to 9"))?)
        }
        Some(other) => {
            let message = format!("values are compressed by 'zstd', 'gzip' or 'none', not '{other}'");
            return Err(PyValueError::new_err(message));
        }
    };
    let options = SaveOptions { compression, chunks, shards };
    let all: Vec<&Array> = arrays.iter().map(|(_, array)| array).collect();
    with_runner(py, &all, |runner| storage::save(path, &arrays, &options, runner))
}

pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(open_array, module)?)?;
    module.add_function(wrap_pyfunction!(array_names, module)?)?;
    module.add_function(wrap_pyfunction!(save_arrays, module)?)
}
