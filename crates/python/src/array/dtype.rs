//! Data types as Python objects.

use std::hash::{DefaultHasher, Hash, Hasher};

use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyComplex, PyFloat, PyInt, PyString, PyType};
use swath_array::{DType, Scalar};

use super::Made;
use super::class::PyArray;
use super::convert::{as_array, from_scalar, scalar};
use crate::error::IntoPython;

/// The type of an array's elements: ``swath.float64`` and its like.
///
/// It equals its name, and NumPy's type of that name. Called, it makes an array of its type: ``swath.int8([1, 2])``.
#[pyclass(name = "DType", module = "swath", frozen)]
pub struct PyDType(pub DType);

#[pymethods]
impl PyDType {
    /// A type by its name.
    #[new]
    fn new(dtype: &Bound<'_, PyAny>) -> PyResult<PyDType> {
        dtype_of(dtype).map(PyDType)
    }

    /// The name, which is NumPy's too.
    #[getter]
    fn name(&self) -> &'static str {
        self.0.name()
    }

    /// Bytes of an element.
    #[getter]
    fn itemsize(&self) -> usize {
        self.0.size()
    }

    /// NumPy's letter for the kind: b, i, u, f or c.
    #[getter]
    fn kind(&self) -> &'static str {
        kind(self.0)
    }

    /// NumPy's data type of that name, by which NumPy takes this one for its own.
    #[getter]
    fn dtype<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        py.import("numpy")?.getattr("dtype")?.call1((self.0.name(),))
    }

    /// An array of this type of numbers, sequences or arrays; of one number, or of zero for none, without axes.
    #[pyo3(signature = (value=None, /))]
    fn __call__(&self, value: Option<&Bound<'_, PyAny>>) -> Made {
        match value {
            Some(value) => as_array(value, Some(self.0), None).map(PyArray::from),
            None => from_scalar(Scalar::Int(0), self.0).map(PyArray::from),
        }
    }

    fn __repr__(&self) -> String {
        format!("swath.{}", self.0)
    }

    fn __str__(&self) -> &'static str {
        self.0.name()
    }

    fn __eq__(&self, other: &Bound<'_, PyAny>) -> bool {
        if let Ok(other) = other.cast::<PyDType>() {
            return other.get().0 == self.0;
        }
        // Names and NumPy's types, but no classes of Python's: `float` is no data type here.
        if other.is_none() || other.is_exact_instance_of::<PyType>() && is_builtin(other) {
            return false;
        }
        dtype_of(other).is_ok_and(|other| other == self.0)
    }

    fn __hash__(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.0.hash(&mut hasher);
        hasher.finish()
    }

    fn __reduce__<'py>(&self, py: Python<'py>) -> (Bound<'py, PyType>, (&'static str,)) {
        (py.get_type::<PyDType>(), (self.0.name(),))
    }
}

/// NumPy's letter for the kind of a type.
fn kind(dtype: DType) -> &'static str {
    match dtype {
        DType::Bool => "b",
        dtype if dtype.is_signed() => "i",
        dtype if dtype.is_unsigned() => "u",
        dtype if dtype.is_float() => "f",
        _ => "c",
    }
}

fn is_builtin(class: &Bound<'_, PyAny>) -> bool {
    let py = class.py();
    class.is(py.get_type::<PyBool>())
        || class.is(py.get_type::<PyInt>())
        || class.is(py.get_type::<PyFloat>())
        || class.is(py.get_type::<PyComplex>())
}

/// The data type that an object names: a data type of ours or of NumPy's, a name, or a class of Python's numbers.
pub fn dtype_of(object: &Bound<'_, PyAny>) -> PyResult<DType> {
    if let Ok(dtype) = object.cast::<PyDType>() {
        return Ok(dtype.get().0);
    }
    if let Ok(name) = object.cast::<PyString>() {
        return named(&name.to_cow()?);
    }
    let py = object.py();
    for (class, dtype) in [
        (py.get_type::<PyBool>(), DType::Bool),
        (py.get_type::<PyInt>(), DType::I64),
        (py.get_type::<PyFloat>(), DType::F64),
        (py.get_type::<PyComplex>(), DType::C128),
    ] {
        if object.is(&class) {
            return Ok(dtype);
        }
    }
    // NumPy's data types have a name, its classes of scalars a class name.
    for attribute in ["name", "__name__"] {
        if let Ok(name) = object.getattr(attribute).and_then(|name| name.extract::<String>())
            && let Ok(dtype) = named(&name)
        {
            return Ok(dtype);
        }
    }
    Err(PyTypeError::new_err(format!("{} is not a data type", object.repr()?)))
}

fn named(name: &str) -> PyResult<DType> {
    match name {
        "bool_" | "?" => Ok(DType::Bool),
        "int" => Ok(DType::I64),
        "float" => Ok(DType::F64),
        "complex" => Ok(DType::C128),
        "half" => Ok(DType::F16),
        "single" => Ok(DType::F32),
        "double" => Ok(DType::F64),
        name => coded(name).map_or_else(|| name.parse::<DType>().py(), Ok),
    }
}

/// The type that NumPy's letter and number of bytes name: `f4`, `<i8`. What stands before them is the order of bytes, which
/// has to be this machine's.
fn coded(name: &str) -> Option<DType> {
    let own = if cfg!(target_endian = "little") { '<' } else { '>' };
    let code = name.strip_prefix(['=', '|', own]).unwrap_or(name);
    let known = DType::ALL.into_iter().filter(|&dtype| dtype != DType::BF16);
    known.into_iter().find(|&dtype| code == format!("{}{}", kind(dtype), dtype.size()))
}

/// The data type of an argument that may be left out.
pub fn dtype_or_none(object: Option<&Bound<'_, PyAny>>) -> PyResult<Option<DType>> {
    object.map(dtype_of).transpose()
}

/// The type that arrays, data types and Python scalars have together.
#[pyfunction]
#[pyo3(signature = (*arrays_and_dtypes))]
pub fn result_type(arrays_and_dtypes: Vec<Bound<'_, PyAny>>) -> PyResult<PyDType> {
    let (mut dtype, mut scalars): (Option<DType>, Vec<Scalar>) = (None, vec![]);
    for operand in &arrays_and_dtypes {
        let next = if let Ok(array) = operand.cast::<PyArray>() {
            array.get().array().dtype()
        } else if let Some(scalar) = scalar(operand)? {
            scalars.push(scalar);
            continue;
        } else {
            match dtype_of(operand) {
                Ok(dtype) => dtype,
                Err(error) => super::convert::array_argument(operand).map_err(|_| error)?.dtype(),
            }
        };
        dtype = Some(dtype.map_or(next, |dtype| dtype.promote(next)));
    }
    let mut scalars = scalars.into_iter();
    let dtype = match (dtype, scalars.next()) {
        (Some(dtype), None) => dtype,
        (Some(dtype), Some(first)) => first.dtype_beside(dtype).py()?,
        (None, Some(first)) => first.default_dtype(),
        (None, None) => return Err(PyTypeError::new_err("result_type needs an array or a data type")),
    };
    let all = scalars.try_fold(dtype, |dtype, scalar| scalar.dtype_beside(dtype)).py()?;
    Ok(PyDType(all))
}

/// The type that two types promote to.
#[pyfunction]
pub fn promote_types(a: &Bound<'_, PyAny>, b: &Bound<'_, PyAny>) -> PyResult<PyDType> {
    Ok(PyDType(dtype_of(a)?.promote(dtype_of(b)?)))
}

pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<PyDType>()?;
    for dtype in DType::ALL {
        module.add(dtype.name(), PyDType(dtype))?;
    }
    module.add_function(wrap_pyfunction!(result_type, module)?)?;
    module.add_function(wrap_pyfunction!(promote_types, module)?)
}
