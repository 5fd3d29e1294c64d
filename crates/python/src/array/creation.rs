//! Arrays from nothing.

use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use swath_array::build::creation;
use swath_array::{Array, DType, Scalar};

use super::class::chunk_lengths;
use super::convert::{Operand, array_argument, from_scalar, operand, shape};
use super::dtype::{PyDType, dtype_or_none};
use super::run::compute;
use super::{AllMade, Made, all_made, made};

/// A number: of Python's, or the value of an array without axes.
fn number(object: &Bound<'_, PyAny>) -> PyResult<Scalar> {
    match operand(object)? {
        Some(Operand::Scalar(scalar)) => Ok(scalar),
        Some(Operand::Array(array)) if array.ndim() == 0 => {
            let value = compute(object.py(), &array)?;
            value.item().ok_or_else(|| PyValueError::new_err("no value"))
        }
        _ => Err(PyTypeError::new_err(format!("expected a number, not {}", object.get_type().name()?))),
    }
}

#[pyfunction]
#[pyo3(signature = (shape, fill_value, dtype=None, chunks=None))]
fn full(
    shape: &Bound<'_, PyAny>,
    fill_value: &Bound<'_, PyAny>,
    dtype: Option<&Bound<'_, PyAny>>,
    chunks: Option<&Bound<'_, PyAny>>,
) -> Made {
    let shape = super::convert::shape(shape)?;
    let dtype = dtype_or_none(dtype)?;
    let chunks = chunk_lengths(chunks, &shape)?;
    let (value, own) = match operand(fill_value)? {
        Some(Operand::Array(array)) if array.ndim() > 0 => {
            let filled = super::convert::cast(array, dtype)?;
            return made(|| swath_array::build::manipulate::broadcast_to(&filled, &shape));
        }
        Some(Operand::Array(array)) => (number(fill_value)?, array.dtype()),
        _ => {
            let value = number(fill_value)?;
            (value, value.default_dtype())
        }
    };
    let dtype = dtype.unwrap_or(own);
    // The same checks of range as for every array of a number.
    from_scalar(value, dtype)?;
    made(|| creation::full(&shape, value, dtype, chunks.as_deref()))
}

#[pyfunction]
#[pyo3(signature = (start, stop, step, dtype=None, chunks=None))]
fn arange(
    start: &Bound<'_, PyAny>,
    stop: Option<&Bound<'_, PyAny>>,
    step: &Bound<'_, PyAny>,
    dtype: Option<&Bound<'_, PyAny>>,
    chunks: Option<&Bound<'_, PyAny>>,
) -> Made {
    let (start, stop) = match stop {
        Some(stop) => (number(start)?, number(stop)?),
        None => (Scalar::Int(0), number(start)?),
    };
    let (step, dtype) = (number(step)?, dtype_or_none(dtype)?);
    rechunked(chunks, super::run::guarded(|| creation::arange(start, stop, step, dtype))?)
}

#[pyfunction]
#[pyo3(signature = (start, stop, num, dtype=None, endpoint=true, chunks=None))]
fn linspace(
    start: &Bound<'_, PyAny>,
    stop: &Bound<'_, PyAny>,
    num: i64,
    dtype: Option<&Bound<'_, PyAny>>,
    endpoint: bool,
    chunks: Option<&Bound<'_, PyAny>>,
) -> Made {
    let (start, stop, dtype) = (number(start)?, number(stop)?, dtype_or_none(dtype)?);
    let num = usize::try_from(num)
        .map_err(|_| PyValueError::new_err(format!("the number of samples, {num}, is negative")))?;
    rechunked(chunks, super::run::guarded(|| creation::linspace(start, stop, num, endpoint, dtype))?)
}

#[pyfunction]
#[pyo3(signature = (rows, columns, k, dtype=None, chunks=None))]
fn eye(
    rows: i64,
    columns: Option<i64>,
    k: &Bound<'_, PyAny>,
    dtype: Option<&Bound<'_, PyAny>>,
    chunks: Option<&Bound<'_, PyAny>>,
) -> Made {
    let dtype = dtype_or_none(dtype)?.unwrap_or(DType::F64);
    let len = |len: i64| {
        usize::try_from(len)
            .map_err(|_| PyValueError::new_err(format!("a shape has no negative lengths, but {len}")))
    };
    let (rows, columns, k) = (len(rows)?, len(columns.unwrap_or(rows))?, diagonal_number(k)?);
    rechunked(chunks, super::run::guarded(|| creation::eye(rows, columns, k, dtype))?)
}

fn rechunked(chunks: Option<&Bound<'_, PyAny>>, array: Array) -> Made {
    Ok(match chunk_lengths(chunks, array.shape())? {
        Some(chunks) => array.with_chunks(chunks).into(),
        None => array.into(),
    })
}

#[pyfunction]
fn tril(x: &Bound<'_, PyAny>, k: &Bound<'_, PyAny>) -> Made {
    let (x, k) = (array_argument(x)?, diagonal_number(k)?);
    made(|| creation::tril(&x, k))
}

#[pyfunction]
fn triu(x: &Bound<'_, PyAny>, k: &Bound<'_, PyAny>) -> Made {
    let (x, k) = (array_argument(x)?, diagonal_number(k)?);
    made(|| creation::triu(&x, k))
}

#[pyfunction]
fn meshgrid(arrays: Vec<Bound<'_, PyAny>>, indexing: &str) -> AllMade {
    let arrays = arrays.iter().map(array_argument).collect::<PyResult<Vec<_>>>()?;
    let indexing = match indexing {
        "xy" => creation::Indexing::Cartesian,
        "ij" => creation::Indexing::Matrix,
        other => return Err(PyValueError::new_err(format!("indexing is 'xy' or 'ij', not '{other}'"))),
    };
    all_made(|| creation::meshgrid(&arrays, indexing))
}

/// The number of a diagonal: what lies beyond every array is brought within 64 bits.
fn diagonal_number(k: &Bound<'_, PyAny>) -> PyResult<i64> {
    const FAR: i64 = 1 << 62;
    match number(k)? {
        Scalar::Int(k) => Ok(k.clamp(-FAR as i128, FAR as i128) as i64),
        _ => Err(PyTypeError::new_err(format!("the number of a diagonal is an integer, not {k}"))),
    }
}

/// The type that numbers of a kind get by default.
#[pyfunction]
fn default_dtype(value: &Bound<'_, PyAny>) -> PyResult<PyDType> {
    Ok(PyDType(number(value)?.default_dtype()))
}

/// A shape as a tuple of integers.
#[pyfunction]
fn as_shape(value: &Bound<'_, PyAny>) -> PyResult<Vec<usize>> {
    shape(value)
}

pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(full, module)?)?;
    module.add_function(wrap_pyfunction!(arange, module)?)?;
    module.add_function(wrap_pyfunction!(linspace, module)?)?;
    module.add_function(wrap_pyfunction!(eye, module)?)?;
    module.add_function(wrap_pyfunction!(tril, module)?)?;
    module.add_function(wrap_pyfunction!(triu, module)?)?;
    module.add_function(wrap_pyfunction!(meshgrid, module)?)?;
    module.add_function(wrap_pyfunction!(default_dtype, module)?)?;
    module.add_function(wrap_pyfunction!(as_shape, module)?)
}
