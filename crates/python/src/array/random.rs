//! Random arrays.

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use swath_array::DType;
use swath_array::build::random::{self, Sequence};

use super::Made;
use super::class::chunk_lengths;
use super::convert::shape as shape_of;
use super::dtype::dtype_or_none;
use super::run::guarded;

/// Draws an array: `first` and `second` are the bounds of `uniform` and `integers`, the mean and deviation of `normal`,
/// the scale of `exponential`.
#[pyfunction]
#[pyo3(signature = (name, seed, stream, shape, dtype, chunks, first, second))]
#[allow(clippy::too_many_arguments, reason = "the Python half passes all of them, always")]
fn draw(
    name: &str,
    seed: u64,
    stream: u64,
    shape: &Bound<'_, PyAny>,
    dtype: Option<&Bound<'_, PyAny>>,
    chunks: Option<&Bound<'_, PyAny>>,
    first: &Bound<'_, PyAny>,
    second: &Bound<'_, PyAny>,
) -> Made {
    let shape = shape_of(shape)?;
    let dtype = dtype_or_none(dtype)?;
    let sequence = Sequence { seed, stream };
    let drawn = if name == "integers" {
        let (low, high) = (first.extract()?, second.extract()?);
        guarded(|| random::integers(sequence, &shape, dtype.unwrap_or(DType::I64), low, high))?
    } else {
        let (first, second) = (first.extract()?, second.extract()?);
        let dtype = dtype.unwrap_or(DType::F64);
        match name {
            "uniform" => guarded(|| random::uniform(sequence, &shape, dtype, first, second))?,
            "normal" => guarded(|| random::normal(sequence, &shape, dtype, first, second))?,
            "exponential" => guarded(|| random::exponential(sequence, &shape, dtype, first))?,
            _ => return Err(PyValueError::new_err(format!("there is no distribution '{name}'"))),
        }
    };
    Ok(match chunk_lengths(chunks, drawn.shape())? {
        Some(chunks) => drawn.with_chunks(chunks).into(),
        None => drawn.into(),
    })
}

pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(draw, module)?)
}
