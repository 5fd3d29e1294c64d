//! Python's values as arrays, scalars, shapes, axes and indices.

use num_complex::Complex;
use pyo3::exceptions::{PyIndexError, PyOverflowError, PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyComplex, PyEllipsis, PyFloat, PyInt, PyList, PySlice, PyString, PyTuple};
use swath_array::build::index::Index;
use swath_array::dtype::{Element, integer_range};
use swath_array::error::show_shape;
use swath_array::{Array, DType, Scalar, Tensor, dispatch};

use super::class::PyArray;
use super::interface;
use super::run::compute;
use crate::error::IntoPython;

/// One operand of a function of elements.
pub enum Operand {
    Array(Array),
    /// A Python number, whose type bends to that of the other operand.
    Scalar(Scalar),
}

/// The value of a Python number of exactly one of Python's own classes; `None` of anything else.
pub fn scalar(object: &Bound<'_, PyAny>) -> PyResult<Option<Scalar>> {
    if object.is_exact_instance_of::<PyFloat>() {
        return Ok(Some(Scalar::Float(object.extract()?)));
    }
    if object.is_exact_instance_of::<PyInt>() {
        let value: Result<i128, _> = object.extract();
        let value =
            value.map_err(|_| PyOverflowError::new_err(format!("the integer {object} fits no data type")))?;
        return Ok(Some(Scalar::Int(value)));
    }
    if object.is_exact_instance_of::<PyBool>() {
        return Ok(Some(Scalar::Bool(object.extract()?)));
    }
    if object.is_exact_instance_of::<PyComplex>() {
        let value: Complex<f64> = complex(object)?;
        return Ok(Some(Scalar::Complex(value)));
    }
    Ok(None)
}

fn complex(object: &Bound<'_, PyAny>) -> PyResult<Complex<f64>> {
    Ok(Complex::new(object.getattr("real")?.extract()?, object.getattr("imag")?.extract()?))
}

/// A number of a class that derives from Python's numbers: an enumeration, NumPy's `float64`.
fn derived_scalar(object: &Bound<'_, PyAny>) -> PyResult<Option<Scalar>> {
    if object.is_instance_of::<PyInt>() {
        return Ok(Some(Scalar::Int(object.extract()?)));
    }
    if object.is_instance_of::<PyFloat>() {
        return Ok(Some(Scalar::Float(object.extract()?)));
    }
    Ok(None)
}

/// What an operator's other side is; `None` where it is nothing that arrays work with.
pub fn operand(object: &Bound<'_, PyAny>) -> PyResult<Option<Operand>> {
    if let Ok(array) = object.cast::<PyArray>() {
        return Ok(Some(Operand::Array(array.get().array())));
    }
    if let Some(scalar) = scalar(object)? {
        return Ok(Some(Operand::Scalar(scalar)));
    }
    if object.is_instance_of::<PyList>() || object.is_instance_of::<PyTuple>() {
        return Ok(Some(Operand::Array(from_sequence(object, None)?)));
    }
    if let Some(array) = interface::import(object, None)? {
        return Ok(Some(Operand::Array(array)));
    }
    Ok(derived_scalar(object)?.map(Operand::Scalar))
}

/// The array that an argument is, or can be made into.
pub fn array_argument(object: &Bound<'_, PyAny>) -> PyResult<Array> {
    match operand(object)? {
        Some(Operand::Array(array)) => Ok(array),
        Some(Operand::Scalar(scalar)) => from_scalar(scalar, scalar.default_dtype()),
        None => {
            let class = object.get_type().name()?;
            Err(PyTypeError::new_err(format!("expected an array, not {class}")))
        }
    }
}

/// The arrays of a sequence.
pub fn arrays_argument(object: &Bound<'_, PyAny>) -> PyResult<Vec<Array>> {
    if object.is_instance_of::<PyArray>() {
        let array = array_argument(object)?;
        return swath_array::build::manipulate::unstack(&array, 0).py();
    }
    object.try_iter()?.map(|item| array_argument(&item?)).collect()
}

/// Two operands as arrays: a Python number takes the type that it has beside the other.
pub fn pair(a: &Bound<'_, PyAny>, b: &Bound<'_, PyAny>) -> PyResult<Option<(Array, Array)>> {
    let (Some(a), Some(b)) = (operand(a)?, operand(b)?) else { return Ok(None) };
    beside(a, b).map(Some)
}

/// Two operands as arrays.
pub fn beside(a: Operand, b: Operand) -> PyResult<(Array, Array)> {
    let like = |scalar: Scalar, array: &Array| {
        if let Scalar::Int(_) = scalar {
            check_range(scalar, array.dtype())?;
        }
        swath_array::build::elementwise::scalar_like(scalar, array).py()
    };
    Ok(match (a, b) {
        (Operand::Array(a), Operand::Array(b)) => (a, b),
        (Operand::Array(a), Operand::Scalar(b)) => {
            let b = like(b, &a)?;
            (a, b)
        }
        (Operand::Scalar(a), Operand::Array(b)) => {
            let a = like(a, &b)?;
            (a, b)
        }
        (Operand::Scalar(a), Operand::Scalar(b)) => {
            (from_scalar(a, a.default_dtype())?, from_scalar(b, b.default_dtype())?)
        }
    })
}

/// A 0-d array of a number, in a type that holds it.
pub fn from_scalar(scalar: Scalar, dtype: DType) -> PyResult<Array> {
    check_range(scalar, dtype)?;
    Ok(Array::from_tensor(Tensor::scalar(scalar, dtype).py()?))
}

fn check_range(scalar: Scalar, dtype: DType) -> PyResult<()> {
    if let Scalar::Int(value) = scalar
        && dtype.is_integer()
    {
        let (least, most) = integer_range(dtype);
        if value < least || value > most {
            let message = format!("the integer {value} is out of range for {dtype}: {least} to {most}");
            return Err(PyOverflowError::new_err(message));
        }
    }
    if let (Scalar::Complex(value), false) = (scalar, dtype.is_complex() || dtype.is_bool()) {
        return Err(PyTypeError::new_err(format!("the complex number {value} cannot be made a {dtype}")));
    }
    if let (Scalar::Float(value), true) = (scalar, dtype.is_integer())
        && !value.is_finite()
    {
        return Err(PyValueError::new_err(format!("{value} cannot be made a {dtype}")));
    }
    Ok(())
}

/// An array of whatever Python offers: arrays of ours, numbers, nested sequences, NumPy's arrays, buffers, DLPack.
pub fn as_array(object: &Bound<'_, PyAny>, dtype: Option<DType>, copy: Option<bool>) -> PyResult<Array> {
    if let Ok(array) = object.cast::<PyArray>() {
        return cast(array.get().array(), dtype);
    }
    if let Some(scalar) = scalar(object)? {
        refuse_no_copy(copy, "a number")?;
        return from_scalar(scalar, dtype.unwrap_or(scalar.default_dtype()));
    }
    if object.is_instance_of::<PyList>() || object.is_instance_of::<PyTuple>() {
        refuse_no_copy(copy, "a sequence")?;
        return from_sequence(object, dtype);
    }
    if let Some(array) = interface::import(object, copy)? {
        if dtype.is_some_and(|dtype| dtype != array.dtype()) {
            refuse_no_copy(copy, "values of another data type")?;
        }
        return cast(array, dtype);
    }
    if let Some(scalar) = derived_scalar(object)? {
        return from_scalar(scalar, dtype.unwrap_or(scalar.default_dtype()));
    }
    if object.is_instance_of::<PyString>() || !object.hasattr("__len__")? || !object.hasattr("__getitem__")? {
        let class = object.get_type().name()?;
        return Err(PyTypeError::new_err(format!("cannot make an array of {class}")));
    }
    let items = object.try_iter()?.collect::<PyResult<Vec<_>>>()?;
    from_sequence(PyList::new(object.py(), items)?.as_any(), dtype)
}

fn refuse_no_copy(copy: Option<bool>, what: &str) -> PyResult<()> {
    if copy == Some(false) {
        return Err(PyValueError::new_err(format!(
            "an array of {what} needs a copy, and copy=False forbids it"
        )));
    }
    Ok(())
}

/// The array in a type, if one is given.
pub fn cast(array: Array, dtype: Option<DType>) -> PyResult<Array> {
    match dtype {
        Some(dtype) => Ok(swath_array::build::elementwise::cast(&array, dtype)),
        None => Ok(array),
    }
}

/// The leaves of nested sequences, in order, and their shape.
#[derive(Default)]
struct Leaves {
    values: Vec<Scalar>,
    shape: Vec<usize>,
    /// The type of leaves that have one of their own: 0-d arrays, NumPy's scalars.
    dtype: Option<DType>,
}

/// An array of nested sequences of numbers, or of arrays of one shape.
fn from_sequence(object: &Bound<'_, PyAny>, dtype: Option<DType>) -> PyResult<Array> {
    if let Some(arrays) = stacked(object)? {
        return cast(arrays, dtype);
    }
    let mut leaves = Leaves::default();
    collect(object, 0, &mut leaves)?;
    let dtype = match dtype {
        Some(dtype) => dtype,
        None => {
            let kinds = leaves.values.iter().map(|value| value.default_dtype());
            let of_leaves = kinds.reduce(|a, b| match (a, b) {
                // Python's integers above the range of int64 make the array uint64, as NumPy has it.
                (DType::I64, DType::U64) | (DType::U64, DType::I64) => DType::U64,
                (a, b) => a.promote(b),
            });
            match (leaves.dtype, of_leaves) {
                (Some(own), _) => leaves.values.iter().try_fold(own, |d, v| v.dtype_beside(d)).py()?,
                (None, Some(dtype)) => dtype,
                (None, None) => DType::F64,
            }
        }
    };
    leaves.values.iter().try_for_each(|&value| check_range(value, dtype))?;
    let tensor = dispatch!(dtype, T => {
        let values: Vec<T> = leaves.values.iter().map(|&value| T::from_scalar(value)).collect();
        Tensor::from_vec(values, &leaves.shape)
    });
    Ok(Array::from_tensor(tensor.py()?))
}

/// The arrays of a sequence that holds nothing else, as one array with an axis in front.
fn stacked(object: &Bound<'_, PyAny>) -> PyResult<Option<Array>> {
    let mut arrays = Vec::new();
    for item in object.try_iter()? {
        let item = item?;
        if let Ok(array) = item.cast::<PyArray>()
            && array.get().array().ndim() > 0
        {
            arrays.push(array.get().array());
        } else {
            match interface::import(&item, None)? {
                Some(array) if array.ndim() > 0 => arrays.push(array),
                _ => return Ok(None),
            }
        }
    }
    match arrays.is_empty() {
        true => Ok(None),
        false => swath_array::build::manipulate::stack(&arrays, 0).py().map(Some),
    }
}

fn collect(object: &Bound<'_, PyAny>, depth: usize, leaves: &mut Leaves) -> PyResult<()> {
    if let Some(value) = scalar(object)? {
        return leaf(value, depth, leaves);
    }
    if object.is_instance_of::<PyList>() || object.is_instance_of::<PyTuple>() {
        let len = object.len()?;
        if leaves.values.is_empty() && depth == leaves.shape.len() {
            leaves.shape.push(len);
        } else if leaves.shape.get(depth) != Some(&len) {
            return Err(PyValueError::new_err(format!(
                "nested sequences differ in length along axis {depth}: {len} items where {} are expected",
                leaves.shape.get(depth).copied().unwrap_or_default()
            )));
        }
        return object.try_iter()?.try_for_each(|item| collect(&item?, depth + 1, leaves));
    }
    let array = match object.cast::<PyArray>() {
        Ok(array) => Some(array.get().array()),
        Err(_) => interface::import(object, None)?,
    };
    if let Some(array) = array {
        if array.ndim() > 0 {
            let message =
                "a sequence cannot hold arrays beside numbers or deeper sequences; stack them first";
            return Err(PyValueError::new_err(message));
        }
        let value = compute(object.py(), &array)?;
        let dtype = array.dtype();
        leaves.dtype = Some(leaves.dtype.map_or(dtype, |known| known.promote(dtype)));
        return leaf(value.item().unwrap_or(Scalar::Int(0)), depth, leaves);
    }
    match derived_scalar(object)? {
        Some(value) => leaf(value, depth, leaves),
        None => {
            let class = object.get_type().name()?;
            Err(PyTypeError::new_err(format!("cannot make an array of {class}")))
        }
    }
}

fn leaf(value: Scalar, depth: usize, leaves: &mut Leaves) -> PyResult<()> {
    if depth != leaves.shape.len() {
        return Err(PyValueError::new_err("nested sequences differ in depth"));
    }
    leaves.values.push(value);
    Ok(())
}

/// An integer by `__index__`.
pub fn integer(object: &Bound<'_, PyAny>) -> PyResult<i64> {
    if object.is_instance_of::<PyInt>() {
        return object.extract();
    }
    object.call_method0("__index__").and_then(|value| value.extract()).map_err(|_| {
        let class = object.get_type().name().map(|name| name.to_string()).unwrap_or_default();
        PyTypeError::new_err(format!("expected an integer, not {class}"))
    })
}

/// A shape: an integer or a sequence of them.
pub fn shape(object: &Bound<'_, PyAny>) -> PyResult<Vec<usize>> {
    let lengths = integers(object)?;
    if lengths.iter().any(|&len| len < 0) {
        return Err(PyValueError::new_err(format!("a shape has no negative lengths, but {object} does")));
    }
    Ok(lengths.into_iter().map(|len| len as usize).collect())
}

/// An integer or a sequence of them.
pub fn integers(object: &Bound<'_, PyAny>) -> PyResult<Vec<i64>> {
    if object.is_instance_of::<PyTuple>() || object.is_instance_of::<PyList>() {
        return object.try_iter()?.map(|item| integer(&item?)).collect();
    }
    if let Ok(one) = integer(object) {
        return Ok(vec![one]);
    }
    object.try_iter()?.map(|item| integer(&item?)).collect()
}

/// Axes: `None` for all, an integer, or a sequence.
pub fn axes(object: Option<&Bound<'_, PyAny>>) -> PyResult<Option<Vec<i64>>> {
    object.map(integers).transpose()
}

/// What stands between the brackets of `x[...]`.
pub fn indices(key: &Bound<'_, PyAny>) -> PyResult<Vec<Index>> {
    match key.cast::<PyTuple>() {
        Ok(parts) => parts.iter().map(|part| index(&part)).collect(),
        Err(_) => Ok(vec![index(key)?]),
    }
}

fn index(part: &Bound<'_, PyAny>) -> PyResult<Index> {
    if part.is_exact_instance_of::<PyInt>() {
        return Ok(Index::Int(part.extract().map_err(|_| out_of_range(part))?));
    }
    if let Ok(slice) = part.cast::<PySlice>() {
        let bound = |name: &str| -> PyResult<Option<i64>> {
            let value = slice.getattr(name)?;
            if value.is_none() {
                return Ok(None);
            }
            let value =
                if value.is_instance_of::<PyInt>() { value } else { value.call_method0("__index__")? };
            // What lies beyond 64 bits lies beyond every axis.
            let far = || if value.lt(0).unwrap_or(false) { i64::MIN } else { i64::MAX };
            Ok(Some(value.extract().unwrap_or_else(|_| far())))
        };
        return Ok(Index::Slice { start: bound("start")?, stop: bound("stop")?, step: bound("step")? });
    }
    if part.is_none() {
        return Ok(Index::NewAxis);
    }
    if part.is_instance_of::<PyEllipsis>() {
        return Ok(Index::Ellipsis);
    }
    if part.is_exact_instance_of::<PyBool>() {
        let value = Scalar::Bool(part.extract()?);
        return Ok(Index::Array(Array::from_tensor(Tensor::scalar(value, DType::Bool).py()?)));
    }
    if let Some(Operand::Array(array)) = operand(part)? {
        // A sequence without items has no type of its own.
        let empty_list =
            array.shape() == [0] && !part.is_instance_of::<PyArray>() && array.dtype() == DType::F64;
        let array = if empty_list { cast(array, Some(DType::I64))? } else { array };
        if !(array.dtype().is_integer() || array.dtype().is_bool()) {
            let message =
                format!("arrays used as indices are of integers or booleans, not of {}", array.dtype());
            return Err(PyIndexError::new_err(message));
        }
        // An integer without axes is an integer.
        if array.ndim() == 0 && array.dtype().is_integer() {
            let value = compute(part.py(), &array)?;
            let value = value.item().map_or(0, Scalar::as_int);
            return Ok(Index::Int(i64::try_from(value).map_err(|_| out_of_range(part))?));
        }
        return Ok(Index::Array(array));
    }
    match part.call_method0("__index__") {
        Ok(value) => Ok(Index::Int(value.extract().map_err(|_| out_of_range(part))?)),
        Err(_) => Err(PyIndexError::new_err(format!(
            "only integers, slices, ellipsis, None and arrays of integers or booleans are indices, not {}",
            part.get_type().name()?
        ))),
    }
}

fn out_of_range(part: &Bound<'_, PyAny>) -> PyErr {
    PyIndexError::new_err(format!("index {part} is out of range"))
}

/// The values of a tensor as nested lists of Python's numbers.
pub fn nested<'py>(py: Python<'py>, tensor: &Tensor) -> PyResult<Bound<'py, PyAny>> {
    let Some((&len, _)) = tensor.shape().split_first() else {
        let value = tensor.item().ok_or_else(|| PyValueError::new_err(show_shape(tensor.shape())))?;
        return number(py, value);
    };
    let items = (0..len).map(|i| nested(py, &row(tensor, i))).collect::<PyResult<Vec<_>>>()?;
    Ok(PyList::new(py, items)?.into_any())
}

/// The part of a tensor at an index of its first axis.
pub fn row(tensor: &Tensor, index: usize) -> Tensor {
    use swath_array::tensor::Slice;
    let mut slices: Vec<Slice> = tensor.shape().iter().map(|&len| Slice::range(0, len)).collect();
    slices[0] = Slice::range(index, 1);
    let view = tensor.slice(&slices);
    view.with_unit_axes(&tensor.shape()[1..])
}

/// A scalar as a number of Python's.
pub fn number(py: Python<'_>, value: Scalar) -> PyResult<Bound<'_, PyAny>> {
    Ok(match value {
        Scalar::Bool(value) => PyBool::new(py, value).to_owned().into_any(),
        Scalar::Int(value) => value.into_pyobject(py)?.into_any(),
        Scalar::Float(value) => PyFloat::new(py, value).into_any(),
        Scalar::Complex(value) => PyComplex::from_doubles(py, value.re, value.im).into_any(),
    })
}
