//! Products.

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyInt;
use swath_array::build::linalg;

use super::convert::{array_argument, integers};
use super::{Made, made};

type Object<'a, 'py> = &'a Bound<'py, PyAny>;

#[pyfunction]
fn matmul(x1: Object<'_, '_>, x2: Object<'_, '_>) -> Made {
    let (x1, x2) = (array_argument(x1)?, array_argument(x2)?);
    made(|| linalg::matmul(&x1, &x2))
}

#[pyfunction]
fn vecdot(x1: Object<'_, '_>, x2: Object<'_, '_>, axis: i64) -> Made {
    let (x1, x2) = (array_argument(x1)?, array_argument(x2)?);
    made(|| linalg::vecdot(&x1, &x2, axis))
}

/// Axes as a count, of the last of the first array and the first of the second, or as two sequences.
#[pyfunction]
fn tensordot(x1: Object<'_, '_>, x2: Object<'_, '_>, axes: Object<'_, '_>) -> Made {
    let (x1, x2) = (array_argument(x1)?, array_argument(x2)?);
    let (first, second): (Vec<i64>, Vec<i64>) = if axes.is_instance_of::<PyInt>() {
        let count: i64 = axes.extract()?;
        let most = x1.ndim().min(x2.ndim()) as i64;
        if count < 0 || count > most {
            return Err(PyValueError::new_err(format!("axes={count} is not between 0 and {most}")));
        }
        ((x1.ndim() as i64 - count..x1.ndim() as i64).collect(), (0..count).collect())
    } else {
        let axes = axes.try_iter()?.collect::<PyResult<Vec<_>>>()?;
        let [first, second] = &axes[..] else {
            return Err(PyValueError::new_err("axes are a count or two sequences"));
        };
        (integers(first)?, integers(second)?)
    };
    made(|| linalg::tensordot(&x1, &x2, &first, &second))
}

#[pyfunction]
fn outer(x1: Object<'_, '_>, x2: Object<'_, '_>) -> Made {
    let (x1, x2) = (array_argument(x1)?, array_argument(x2)?);
    made(|| linalg::outer(&x1, &x2))
}

pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(matmul, module)?)?;
    module.add_function(wrap_pyfunction!(vecdot, module)?)?;
    module.add_function(wrap_pyfunction!(tensordot, module)?)?;
    module.add_function(wrap_pyfunction!(outer, module)?)
}
