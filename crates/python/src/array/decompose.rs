//! Decompositions, solvers and norms of matrices.

use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use swath_array::Array;
use swath_array::build::linalg::{self, MatrixOrder};

use super::convert::{Operand, array_argument, arrays_argument, axes, from_scalar, operand};
use super::dtype::dtype_or_none;
use super::run::guarded;
use super::{AllMade, Made, made};

type Object<'a, 'py> = &'a Bound<'py, PyAny>;

/// What each matrix has one of, by name.
#[pyfunction]
fn of_matrix(name: &str, x: Object<'_, '_>) -> Made {
    let x = array_argument(x)?;
    made(|| match name {
        "det" => linalg::det(&x),
        "eigvals" => linalg::eigvals(&x),
        "eigvalsh" => linalg::eigvalsh(&x),
        "inv" => linalg::inv(&x),
        "svdvals" => linalg::svdvals(&x),
        _ => Err(swath_array::Error::unsupported(format!("there is no '{name}'"))),
    })
}

/// The parts of a decomposition by name; `whole` asks for complete bases.
#[pyfunction]
fn parts_of_matrix(name: &str, x: Object<'_, '_>, whole: bool) -> AllMade {
    let x = array_argument(x)?;
    let parts: Vec<Array> = guarded(|| {
        Ok(match name {
            "eig" => {
                let eigen = linalg::eig(&x)?;
                vec![eigen.values, eigen.vectors]
            }
            "eigh" => {
                let eigen = linalg::eigh(&x)?;
                vec![eigen.values, eigen.vectors]
            }
            "qr" => {
                let qr = linalg::qr(&x, whole)?;
                vec![qr.q, qr.r]
            }
            "slogdet" => {
                let slogdet = linalg::slogdet(&x)?;
                vec![slogdet.sign, slogdet.logabsdet]
            }
            "svd" => {
                let svd = linalg::svd(&x, whole)?;
                vec![svd.u, svd.s, svd.vh]
            }
            _ => return Err(swath_array::Error::unsupported(format!("there is no '{name}'"))),
        })
    })?;
    Ok(parts.into_iter().map(Into::into).collect())
}

#[pyfunction]
fn cholesky(x: Object<'_, '_>, upper: bool) -> Made {
    let x = array_argument(x)?;
    made(|| linalg::cholesky(&x, upper))
}

#[pyfunction]
fn solve(x1: Object<'_, '_>, x2: Object<'_, '_>) -> Made {
    let (x1, x2) = (array_argument(x1)?, array_argument(x2)?);
    made(|| linalg::solve(&x1, &x2))
}

/// The tolerance that a rank is told by: a number, or an array of one for each matrix.
fn tolerance(rtol: Option<Object<'_, '_>>) -> PyResult<Option<Array>> {
    let Some(rtol) = rtol else { return Ok(None) };
    Ok(Some(match operand(rtol)? {
        Some(Operand::Array(array)) => array,
        Some(Operand::Scalar(scalar)) => from_scalar(scalar, swath_array::DType::F64)?,
        None => return Err(PyTypeError::new_err("rtol is a number or an array")),
    }))
}

#[pyfunction]
#[pyo3(signature = (x, rtol=None))]
fn pinv(x: Object<'_, '_>, rtol: Option<Object<'_, '_>>) -> Made {
    let (x, rtol) = (array_argument(x)?, tolerance(rtol)?);
    made(|| linalg::pinv(&x, rtol.as_ref()))
}

#[pyfunction]
#[pyo3(signature = (x, rtol=None))]
fn matrix_rank(x: Object<'_, '_>, rtol: Option<Object<'_, '_>>) -> Made {
    let (x, rtol) = (array_argument(x)?, tolerance(rtol)?);
    made(|| linalg::matrix_rank(&x, rtol.as_ref()))
}

#[pyfunction]
fn matrix_power(x: Object<'_, '_>, n: i64) -> Made {
    let x = array_argument(x)?;
    made(|| linalg::matrix_power(&x, n))
}

#[pyfunction]
fn matrix_norm(x: Object<'_, '_>, keepdims: bool, ord: Object<'_, '_>) -> Made {
    let x = array_argument(x)?;
    let order = match ord.extract::<String>().as_deref() {
        Ok("fro") => MatrixOrder::Frobenius,
        Ok("nuc") => MatrixOrder::Nuclear,
        Ok(other) => {
            return Err(PyValueError::new_err(format!("there is no norm of matrices of order '{other}'")));
        }
        Err(_) => MatrixOrder::Number(ord.extract()?),
    };
    made(|| linalg::matrix_norm(&x, keepdims, order))
}

#[pyfunction]
#[pyo3(signature = (x, axis, keepdims, ord))]
fn vector_norm(x: Object<'_, '_>, axis: Option<Object<'_, '_>>, keepdims: bool, ord: f64) -> Made {
    let (x, axes) = (array_argument(x)?, axes(axis)?);
    made(|| linalg::vector_norm(&x, axes.as_deref(), keepdims, ord))
}

#[pyfunction]
fn cross(x1: Object<'_, '_>, x2: Object<'_, '_>, axis: i64) -> Made {
    let (x1, x2) = (array_argument(x1)?, array_argument(x2)?);
    made(|| linalg::cross(&x1, &x2, axis))
}

#[pyfunction]
fn kron(x1: Object<'_, '_>, x2: Object<'_, '_>) -> Made {
    let (x1, x2) = (array_argument(x1)?, array_argument(x2)?);
    made(|| linalg::kron(&x1, &x2))
}

#[pyfunction]
fn diagonal(x: Object<'_, '_>, offset: i64) -> Made {
    let x = array_argument(x)?;
    made(|| linalg::diagonal(&x, offset))
}

#[pyfunction]
#[pyo3(signature = (x, offset, dtype=None))]
fn trace(x: Object<'_, '_>, offset: i64, dtype: Option<Object<'_, '_>>) -> Made {
    let (x, dtype) = (array_argument(x)?, dtype_or_none(dtype)?);
    made(|| linalg::trace(&x, offset, dtype))
}

#[pyfunction]
fn einsum(subscripts: &str, operands: Object<'_, '_>) -> Made {
    let operands = arrays_argument(operands)?;
    made(|| linalg::einsum(subscripts, &operands))
}

/// The solution of least squares, the sums of squared residuals, the rank, the singular values.
#[pyfunction]
#[pyo3(signature = (a, b, rcond=None))]
fn lstsq(a: Object<'_, '_>, b: Object<'_, '_>, rcond: Option<f64>) -> AllMade {
    let (a, b) = (array_argument(a)?, array_argument(b)?);
    let found = guarded(|| linalg::lstsq(&a, &b, rcond))?;
    Ok([found.x, found.residuals, found.rank, found.singular_values].into_iter().map(Into::into).collect())
}

pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(of_matrix, module)?)?;
    module.add_function(wrap_pyfunction!(parts_of_matrix, module)?)?;
    module.add_function(wrap_pyfunction!(cholesky, module)?)?;
    module.add_function(wrap_pyfunction!(solve, module)?)?;
    module.add_function(wrap_pyfunction!(pinv, module)?)?;
    module.add_function(wrap_pyfunction!(matrix_rank, module)?)?;
    module.add_function(wrap_pyfunction!(matrix_power, module)?)?;
    module.add_function(wrap_pyfunction!(matrix_norm, module)?)?;
    module.add_function(wrap_pyfunction!(vector_norm, module)?)?;
    module.add_function(wrap_pyfunction!(cross, module)?)?;
    module.add_function(wrap_pyfunction!(kron, module)?)?;
    module.add_function(wrap_pyfunction!(diagonal, module)?)?;
    module.add_function(wrap_pyfunction!(trace, module)?)?;
    module.add_function(wrap_pyfunction!(einsum, module)?)?;
    module.add_function(wrap_pyfunction!(lstsq, module)?)
}
