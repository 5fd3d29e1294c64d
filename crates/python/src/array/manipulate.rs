//! Shapes: permuting, joining, cutting, repeating; taking and putting elements.

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use swath_array::build::manipulate::PadMode;
use swath_array::build::{index, manipulate};

use super::class::PyArray;
use super::convert::{array_argument, arrays_argument, axes, cast, from_scalar, integers, scalar, shape};
use super::run::{guarded, with_runner};
use super::{AllMade, Made, all_made, made};

type Object<'a, 'py> = &'a Bound<'py, PyAny>;

#[pyfunction]
fn reshape(x: Object<'_, '_>, shape: Object<'_, '_>) -> Made {
    let (x, shape) = (array_argument(x)?, integers(shape)?);
    made(|| manipulate::reshape(&x, &shape))
}

#[pyfunction]
#[pyo3(signature = (x, axes=None))]
fn transpose(x: Object<'_, '_>, axes: Option<Object<'_, '_>>) -> Made {
    let (x, axes) = (array_argument(x)?, super::convert::axes(axes)?);
    made(|| manipulate::transpose(&x, axes.as_deref()))
}

#[pyfunction]
fn moveaxis(x: Object<'_, '_>, source: Object<'_, '_>, destination: Object<'_, '_>) -> Made {
    let (x, source, destination) = (array_argument(x)?, integers(source)?, integers(destination)?);
    made(|| manipulate::moveaxis(&x, &source, &destination))
}

#[pyfunction]
fn swapaxes(x: Object<'_, '_>, first: i64, second: i64) -> Made {
    let x = array_argument(x)?;
    made(|| manipulate::swapaxes(&x, first, second))
}

#[pyfunction]
fn expand_dims(x: Object<'_, '_>, axis: Object<'_, '_>) -> Made {
    let (x, axes) = (array_argument(x)?, integers(axis)?);
    made(|| manipulate::expand_dims(&x, &axes))
}

#[pyfunction]
#[pyo3(signature = (x, axis=None))]
fn squeeze(x: Object<'_, '_>, axis: Option<Object<'_, '_>>) -> Made {
    let (x, axes) = (array_argument(x)?, axes(axis)?);
    made(|| manipulate::squeeze(&x, axes.as_deref()))
}

#[pyfunction]
fn broadcast_to(x: Object<'_, '_>, shape: Object<'_, '_>) -> Made {
    let (x, shape) = (array_argument(x)?, super::convert::shape(shape)?);
    made(|| manipulate::broadcast_to(&x, &shape))
}

#[pyfunction]
#[pyo3(signature = (arrays, axis))]
fn concat(arrays: Object<'_, '_>, axis: Option<i64>) -> Made {
    let arrays = arrays_argument(arrays)?;
    made(|| manipulate::concat(&arrays, axis))
}

#[pyfunction]
fn stack(arrays: Object<'_, '_>, axis: i64) -> Made {
    let arrays = arrays_argument(arrays)?;
    made(|| manipulate::stack(&arrays, axis))
}

/// `vstack`, `hstack`, `dstack` or `column_stack`.
#[pyfunction]
fn join(name: &str, arrays: Object<'_, '_>) -> Made {
    let arrays = arrays_argument(arrays)?;
    match name {
        "vstack" => made(|| manipulate::vstack(&arrays)),
        "hstack" => made(|| manipulate::hstack(&arrays)),
        "dstack" => made(|| manipulate::dstack(&arrays)),
        "column_stack" => made(|| manipulate::column_stack(&arrays)),
        _ => Err(PyValueError::new_err(format!("there is no '{name}'"))),
    }
}

#[pyfunction]
fn unstack(x: Object<'_, '_>, axis: i64) -> AllMade {
    let x = array_argument(x)?;
    all_made(|| manipulate::unstack(&x, axis))
}

/// Parts of equal length, or with `exact` false of nearly equal length; or those between borders.
#[pyfunction]
fn split(x: Object<'_, '_>, parts: Object<'_, '_>, axis: i64, exact: bool) -> AllMade {
    let x = array_argument(x)?;
    if let Ok(count) = super::convert::integer(parts) {
        let count = usize::try_from(count).unwrap_or_default();
        return match exact {
            true => all_made(|| manipulate::split(&x, count, axis)),
            false => all_made(|| manipulate::array_split(&x, count, axis)),
        };
    }
    let borders = integers(parts)?;
    all_made(|| manipulate::split_at(&x, &borders, axis))
}

#[pyfunction]
#[pyo3(signature = (x, axis=None))]
fn flip(x: Object<'_, '_>, axis: Option<Object<'_, '_>>) -> Made {
    let (x, axes) = (array_argument(x)?, axes(axis)?);
    made(|| manipulate::flip(&x, axes.as_deref()))
}

#[pyfunction]
#[pyo3(signature = (x, shift, axis=None))]
fn roll(x: Object<'_, '_>, shift: Object<'_, '_>, axis: Option<Object<'_, '_>>) -> Made {
    let (x, shifts, axes) = (array_argument(x)?, integers(shift)?, axes(axis)?);
    made(|| manipulate::roll(&x, &shifts, axes.as_deref()))
}

#[pyfunction]
fn rot90(x: Object<'_, '_>, k: i64, first: i64, second: i64) -> Made {
    let x = array_argument(x)?;
    made(|| manipulate::rot90(&x, k, first, second))
}

#[pyfunction]
fn tile(x: Object<'_, '_>, repetitions: Object<'_, '_>) -> Made {
    let (x, counts) = (array_argument(x)?, shape(repetitions)?);
    made(|| manipulate::tile(&x, &counts))
}

/// Each element as often as a number, or an array of numbers, says.
#[pyfunction]
#[pyo3(signature = (x, repeats, axis=None))]
fn repeat(py: Python<'_>, x: Object<'_, '_>, repeats: Object<'_, '_>, axis: Option<i64>) -> Made {
    let x = array_argument(x)?;
    if !repeats.is_instance_of::<PyArray>()
        && let Ok(count) = super::convert::integer(repeats)
    {
        let count = usize::try_from(count)
            .map_err(|_| PyValueError::new_err(format!("elements cannot be repeated {count} times")))?;
        return made(|| manipulate::repeat(&x, count, axis));
    }
    let counts = array_argument(repeats)?;
    Ok(with_runner(py, &[&counts], |runner| manipulate::repeat_by(&x, &counts, axis, runner))?.into())
}

#[pyfunction]
#[pyo3(signature = (x, widths, mode, value))]
fn pad(x: Object<'_, '_>, widths: Vec<(usize, usize)>, mode: &str, value: Object<'_, '_>) -> Made {
    let x = array_argument(x)?;
    let mode = match mode {
        "constant" => {
            let value =
                scalar(value)?.ok_or_else(|| PyValueError::new_err("the value to pad with is a number"))?;
            from_scalar(value, x.dtype())?;
            PadMode::Constant(value)
        }
        "edge" => PadMode::Edge,
        "reflect" => PadMode::Reflect,
        "symmetric" => PadMode::Symmetric,
        "wrap" => PadMode::Wrap,
        _ => return Err(PyValueError::new_err(format!("there is no way to pad called '{mode}'"))),
    };
    made(|| manipulate::pad(&x, &widths, mode))
}

#[pyfunction]
#[pyo3(signature = (x, indices, axis=None))]
fn take(x: Object<'_, '_>, indices: Object<'_, '_>, axis: Option<i64>) -> Made {
    let (x, indices) = (array_argument(x)?, array_argument(indices)?);
    made(|| index::take(&x, &indices, axis))
}

#[pyfunction]
#[pyo3(signature = (x, indices, axis=None))]
fn take_along_axis(x: Object<'_, '_>, indices: Object<'_, '_>, axis: Option<i64>) -> Made {
    let (x, indices) = (array_argument(x)?, array_argument(indices)?);
    made(|| index::take_along_axis(&x, &indices, axis))
}

/// A copy with values at indices that each row along an axis has of its own.
#[pyfunction]
#[pyo3(signature = (x, indices, values, axis=None))]
fn put_along_axis(
    x: Object<'_, '_>,
    indices: Object<'_, '_>,
    values: Object<'_, '_>,
    axis: Option<i64>,
) -> Made {
    let (x, indices) = (array_argument(x)?, array_argument(indices)?);
    let values = match scalar(values)? {
        Some(value) => from_scalar(value, x.dtype())?,
        None => array_argument(values)?,
    };
    made(|| index::put_along_axis(&x, &indices, &values, axis))
}

#[pyfunction]
#[pyo3(signature = (condition, x, axis=None))]
fn compress(py: Python<'_>, condition: Object<'_, '_>, x: Object<'_, '_>, axis: Option<i64>) -> Made {
    let (condition, x) = (array_argument(condition)?, array_argument(x)?);
    Ok(with_runner(py, &[&condition], |runner| index::compress(&condition, &x, axis, runner))?.into())
}

/// The indices of what is not 0, an array for each axis.
#[pyfunction]
fn nonzero(py: Python<'_>, x: Object<'_, '_>) -> AllMade {
    let x = array_argument(x)?;
    let indices = with_runner(py, &[&x], |runner| swath_array::build::unique::nonzero(&x, runner))?;
    Ok(indices.into_iter().map(PyArray::from).collect())
}

/// `flatnonzero` or `argwhere`.
#[pyfunction]
fn nonzero_as(py: Python<'_>, name: &str, x: Object<'_, '_>) -> Made {
    let x = array_argument(x)?;
    let found = with_runner(py, &[&x], |runner| match name {
        "argwhere" => index::argwhere(&x, runner),
        _ => index::flatnonzero(&x, runner),
    })?;
    Ok(found.into())
}

#[pyfunction]
fn select(conditions: Object<'_, '_>, choices: Object<'_, '_>, default: Object<'_, '_>) -> Made {
    let (conditions, choices) = (arrays_argument(conditions)?, arrays_argument(choices)?);
    let default = match (scalar(default)?, choices.first()) {
        (Some(value), Some(choice)) => {
            guarded(|| swath_array::build::elementwise::scalar_like(value, choice))?
        }
        _ => cast(array_argument(default)?, None)?,
    };
    made(|| index::select(&conditions, &choices, &default))
}

#[pyfunction]
fn choose(numbers: Object<'_, '_>, choices: Object<'_, '_>) -> Made {
    let (numbers, choices) = (array_argument(numbers)?, arrays_argument(choices)?);
    made(|| index::choose(&numbers, &choices))
}

pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(choose, module)?)?;
    module.add_function(wrap_pyfunction!(reshape, module)?)?;
    module.add_function(wrap_pyfunction!(transpose, module)?)?;
    module.add_function(wrap_pyfunction!(moveaxis, module)?)?;
    module.add_function(wrap_pyfunction!(swapaxes, module)?)?;
    module.add_function(wrap_pyfunction!(expand_dims, module)?)?;
    module.add_function(wrap_pyfunction!(squeeze, module)?)?;
    module.add_function(wrap_pyfunction!(broadcast_to, module)?)?;
    module.add_function(wrap_pyfunction!(concat, module)?)?;
    module.add_function(wrap_pyfunction!(stack, module)?)?;
    module.add_function(wrap_pyfunction!(join, module)?)?;
    module.add_function(wrap_pyfunction!(unstack, module)?)?;
    module.add_function(wrap_pyfunction!(split, module)?)?;
    module.add_function(wrap_pyfunction!(flip, module)?)?;
    module.add_function(wrap_pyfunction!(roll, module)?)?;
    module.add_function(wrap_pyfunction!(rot90, module)?)?;
    module.add_function(wrap_pyfunction!(tile, module)?)?;
    module.add_function(wrap_pyfunction!(repeat, module)?)?;
    module.add_function(wrap_pyfunction!(pad, module)?)?;
    module.add_function(wrap_pyfunction!(take, module)?)?;
    module.add_function(wrap_pyfunction!(take_along_axis, module)?)?;
    module.add_function(wrap_pyfunction!(put_along_axis, module)?)?;
    module.add_function(wrap_pyfunction!(compress, module)?)?;
    module.add_function(wrap_pyfunction!(nonzero, module)?)?;
    module.add_function(wrap_pyfunction!(nonzero_as, module)?)?;
    module.add_function(wrap_pyfunction!(select, module)?)
}
