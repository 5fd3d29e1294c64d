//! The class of arrays: attributes, operators, indexing, conversions.

use std::sync::{Mutex, MutexGuard};

use pyo3::basic::CompareOp;
use pyo3::exceptions::{PyIndexError, PyOverflowError, PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyIterator, PyList, PyTuple, PyType};
use swath_array::build::{creation, elementwise};
use swath_array::dtype::integer_range;
use swath_array::error::show_shape;
use swath_array::graph::automatic_chunks;
use swath_array::program::{BinaryOp, UnaryOp};
use swath_array::{Array, DType, Scalar, Tensor};

use super::convert::{Operand, as_array, beside, indices, nested, number, operand};
use super::dtype::{PyDType, dtype_of, dtype_or_none};
use super::run::{compute, guarded, with_runner};
use super::{convert, dlpack, interface, show};
use crate::error::IntoPython;

/// Assignments to parts of arrays up to this size are done at once; those of larger ones are as lazy as all else.
const SET_AT_ONCE_BYTES_MAX: u128 = 1 << 20;

/// An n-dimensional, chunked, lazy array.
///
/// It is made by functions such as ``swath.asarray`` and ``swath.zeros``, and computed when its values are asked for:
/// by ``compute``, by ``float`` and its like, by NumPy.
#[pyclass(name = "Array", module = "swath", frozen, weakref)]
pub struct PyArray {
    current: Mutex<Array>,
    receipt: Mutex<Option<String>>,
}

impl From<Array> for PyArray {
    fn from(array: Array) -> PyArray {
        PyArray { current: Mutex::new(array), receipt: Mutex::new(None) }
    }
}

fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

impl PyArray {
    /// What it shows now: assignments and in-place operators exchange it.
    pub fn array(&self) -> Array {
        held(&self.current).clone()
    }

    fn replace(&self, array: Array) {
        *held(&self.current) = array;
    }

    /// The value of an array of one element.
    fn item_of(&self, py: Python<'_>, what: &str) -> PyResult<Scalar> {
        let array = self.array();
        if array.ndim() > 0 {
            let shape = show_shape(array.shape());
            return Err(PyTypeError::new_err(format!(
                "only 0-d arrays convert to {what}, not shape {shape}"
            )));
        }
        let value = compute(py, &array)?;
        value.item().ok_or_else(|| PyTypeError::new_err(format!("nothing to convert to {what}")))
    }

    fn in_place(&self, op: BinaryOp, other: &Bound<'_, PyAny>) -> PyResult<()> {
        let array = self.array();
        let Some(other) = operand(other)? else {
            let class = other.get_type().name()?;
            return Err(PyTypeError::new_err(format!("an array and {class} have no {op:?}")));
        };
        let (left, right) = beside(Operand::Array(array.clone()), other)?;
        let result = guarded(|| elementwise::binary(op, &left, &right))?;
        self.take_result(&array, result)
    }

    /// Takes the result of an in-place operator: it has to have the shape, and a type of the kind, of what was there.
    fn take_result(&self, before: &Array, result: Array) -> PyResult<()> {
        if result.shape() != before.shape() {
            return Err(PyValueError::new_err(format!(
                "the result's shape {} is not that of the array that is changed, {}",
                show_shape(result.shape()),
                show_shape(before.shape())
            )));
        }
        if kind(result.dtype()) > kind(before.dtype()) {
            return Err(PyTypeError::new_err(format!(
                "a result of {} does not go into an array of {}",
                result.dtype(),
                before.dtype()
            )));
        }
        self.replace(convert::cast(result, Some(before.dtype()))?);
        Ok(())
    }
}

/// The kinds between which values are not cast without being asked: booleans, integers, floats, complex numbers.
fn kind(dtype: DType) -> u8 {
    match dtype {
        DType::Bool => 0,
        dtype if dtype.is_integer() => 1,
        dtype if dtype.is_float() => 2,
        _ => 3,
    }
}

/// What a comparison of any element with an integer beyond the range of its type answers; `None` of one within.
fn beyond(op: BinaryOp, dtype: DType, value: i128) -> Option<bool> {
    if !dtype.is_integer() {
        return None;
    }
    let (least, most) = integer_range(dtype);
    if (least..=most).contains(&value) {
        return None;
    }
    Some(match op {
        BinaryOp::NotEqual => true,
        BinaryOp::Less | BinaryOp::LessEqual => value > most,
        BinaryOp::Greater | BinaryOp::GreaterEqual => value < least,
        _ => false,
    })
}

type Answer<'py> = PyResult<Bound<'py, PyAny>>;

fn wrap<'py>(py: Python<'py>, array: Array) -> Answer<'py> {
    Ok(Bound::new(py, PyArray::from(array))?.into_any())
}

fn binary<'py>(
    py: Python<'py>,
    op: BinaryOp,
    this: &PyArray,
    other: &Bound<'py, PyAny>,
    swap: bool,
) -> Answer<'py> {
    let Some(other) = operand(other)? else { return Ok(py.NotImplemented().into_bound(py)) };
    let this = Operand::Array(this.array());
    let (left, right) = if swap { beside(other, this)? } else { beside(this, other)? };
    wrap(py, guarded(|| elementwise::binary(op, &left, &right))?)
}

fn matmul<'py>(py: Python<'py>, left: &Bound<'py, PyAny>, right: &Bound<'py, PyAny>) -> Answer<'py> {
    let (Some(Operand::Array(left)), Some(Operand::Array(right))) = (operand(left)?, operand(right)?) else {
        return Ok(py.NotImplemented().into_bound(py));
    };
    wrap(py, guarded(|| swath_array::build::linalg::matmul(&left, &right))?)
}

#[pymethods]
impl PyArray {
    fn __add__<'py>(&self, py: Python<'py>, other: &Bound<'py, PyAny>) -> Answer<'py> {
        binary(py, BinaryOp::Add, self, other, false)
    }

    fn __radd__<'py>(&self, py: Python<'py>, other: &Bound<'py, PyAny>) -> Answer<'py> {
        binary(py, BinaryOp::Add, self, other, true)
    }

    fn __iadd__(&self, other: &Bound<'_, PyAny>) -> PyResult<()> {
        self.in_place(BinaryOp::Add, other)
    }

    fn __sub__<'py>(&self, py: Python<'py>, other: &Bound<'py, PyAny>) -> Answer<'py> {
        binary(py, BinaryOp::Subtract, self, other, false)
    }

    fn __rsub__<'py>(&self, py: Python<'py>, other: &Bound<'py, PyAny>) -> Answer<'py> {
        binary(py, BinaryOp::Subtract, self, other, true)
    }

    fn __isub__(&self, other: &Bound<'_, PyAny>) -> PyResult<()> {
        self.in_place(BinaryOp::Subtract, other)
    }

    fn __mul__<'py>(&self, py: Python<'py>, other: &Bound<'py, PyAny>) -> Answer<'py> {
        binary(py, BinaryOp::Multiply, self, other, false)
    }

    fn __rmul__<'py>(&self, py: Python<'py>, other: &Bound<'py, PyAny>) -> Answer<'py> {
        binary(py, BinaryOp::Multiply, self, other, true)
    }

    fn __imul__(&self, other: &Bound<'_, PyAny>) -> PyResult<()> {
        self.in_place(BinaryOp::Multiply, other)
    }

    fn __truediv__<'py>(&self, py: Python<'py>, other: &Bound<'py, PyAny>) -> Answer<'py> {
        binary(py, BinaryOp::Divide, self, other, false)
    }

    fn __rtruediv__<'py>(&self, py: Python<'py>, other: &Bound<'py, PyAny>) -> Answer<'py> {
        binary(py, BinaryOp::Divide, self, other, true)
    }

    fn __itruediv__(&self, other: &Bound<'_, PyAny>) -> PyResult<()> {
        self.in_place(BinaryOp::Divide, other)
    }

    fn __floordiv__<'py>(&self, py: Python<'py>, other: &Bound<'py, PyAny>) -> Answer<'py> {
        binary(py, BinaryOp::FloorDivide, self, other, false)
    }

    fn __rfloordiv__<'py>(&self, py: Python<'py>, other: &Bound<'py, PyAny>) -> Answer<'py> {
        binary(py, BinaryOp::FloorDivide, self, other, true)
    }

    fn __ifloordiv__(&self, other: &Bound<'_, PyAny>) -> PyResult<()> {
        self.in_place(BinaryOp::FloorDivide, other)
    }

    fn __mod__<'py>(&self, py: Python<'py>, other: &Bound<'py, PyAny>) -> Answer<'py> {
        binary(py, BinaryOp::Remainder, self, other, false)
    }

    fn __rmod__<'py>(&self, py: Python<'py>, other: &Bound<'py, PyAny>) -> Answer<'py> {
        binary(py, BinaryOp::Remainder, self, other, true)
    }

    fn __imod__(&self, other: &Bound<'_, PyAny>) -> PyResult<()> {
        self.in_place(BinaryOp::Remainder, other)
    }

    fn __and__<'py>(&self, py: Python<'py>, other: &Bound<'py, PyAny>) -> Answer<'py> {
        binary(py, BinaryOp::BitwiseAnd, self, other, false)
    }

    fn __rand__<'py>(&self, py: Python<'py>, other: &Bound<'py, PyAny>) -> Answer<'py> {
        binary(py, BinaryOp::BitwiseAnd, self, other, true)
    }

    fn __iand__(&self, other: &Bound<'_, PyAny>) -> PyResult<()> {
        self.in_place(BinaryOp::BitwiseAnd, other)
    }

    fn __or__<'py>(&self, py: Python<'py>, other: &Bound<'py, PyAny>) -> Answer<'py> {
        binary(py, BinaryOp::BitwiseOr, self, other, false)
    }

    fn __ror__<'py>(&self, py: Python<'py>, other: &Bound<'py, PyAny>) -> Answer<'py> {
        binary(py, BinaryOp::BitwiseOr, self, other, true)
    }

    fn __ior__(&self, other: &Bound<'_, PyAny>) -> PyResult<()> {
        self.in_place(BinaryOp::BitwiseOr, other)
    }

    fn __xor__<'py>(&self, py: Python<'py>, other: &Bound<'py, PyAny>) -> Answer<'py> {
        binary(py, BinaryOp::BitwiseXor, self, other, false)
    }

    fn __rxor__<'py>(&self, py: Python<'py>, other: &Bound<'py, PyAny>) -> Answer<'py> {
        binary(py, BinaryOp::BitwiseXor, self, other, true)
    }

    fn __ixor__(&self, other: &Bound<'_, PyAny>) -> PyResult<()> {
        self.in_place(BinaryOp::BitwiseXor, other)
    }

    fn __lshift__<'py>(&self, py: Python<'py>, other: &Bound<'py, PyAny>) -> Answer<'py> {
        binary(py, BinaryOp::ShiftLeft, self, other, false)
    }

    fn __rlshift__<'py>(&self, py: Python<'py>, other: &Bound<'py, PyAny>) -> Answer<'py> {
        binary(py, BinaryOp::ShiftLeft, self, other, true)
    }

    fn __ilshift__(&self, other: &Bound<'_, PyAny>) -> PyResult<()> {
        self.in_place(BinaryOp::ShiftLeft, other)
    }

    fn __rshift__<'py>(&self, py: Python<'py>, other: &Bound<'py, PyAny>) -> Answer<'py> {
        binary(py, BinaryOp::ShiftRight, self, other, false)
    }

    fn __rrshift__<'py>(&self, py: Python<'py>, other: &Bound<'py, PyAny>) -> Answer<'py> {
        binary(py, BinaryOp::ShiftRight, self, other, true)
    }

    fn __irshift__(&self, other: &Bound<'_, PyAny>) -> PyResult<()> {
        self.in_place(BinaryOp::ShiftRight, other)
    }

    fn __pow__<'py>(
        &self,
        py: Python<'py>,
        other: &Bound<'py, PyAny>,
        modulo: Option<&Bound<'py, PyAny>>,
    ) -> Answer<'py> {
        if modulo.is_some() {
            return Ok(py.NotImplemented().into_bound(py));
        }
        binary(py, BinaryOp::Pow, self, other, false)
    }

    fn __rpow__<'py>(
        &self,
        py: Python<'py>,
        other: &Bound<'py, PyAny>,
        modulo: Option<&Bound<'py, PyAny>>,
    ) -> Answer<'py> {
        if modulo.is_some() {
            return Ok(py.NotImplemented().into_bound(py));
        }
        binary(py, BinaryOp::Pow, self, other, true)
    }

    fn __ipow__(&self, other: &Bound<'_, PyAny>, _modulo: Option<&Bound<'_, PyAny>>) -> PyResult<()> {
        self.in_place(BinaryOp::Pow, other)
    }

    fn __matmul__<'py>(this: &Bound<'py, Self>, other: &Bound<'py, PyAny>) -> Answer<'py> {
        matmul(this.py(), this.as_any(), other)
    }

    fn __rmatmul__<'py>(this: &Bound<'py, Self>, other: &Bound<'py, PyAny>) -> Answer<'py> {
        matmul(this.py(), other, this.as_any())
    }

    fn __imatmul__(&self, other: &Bound<'_, PyAny>) -> PyResult<()> {
        let array = self.array();
        let other = convert::array_argument(other)?;
        let result = guarded(|| swath_array::build::linalg::matmul(&array, &other))?;
        self.take_result(&array, result)
    }

    fn __richcmp__<'py>(&self, py: Python<'py>, other: &Bound<'py, PyAny>, op: CompareOp) -> Answer<'py> {
        let op = match op {
            CompareOp::Eq => BinaryOp::Equal,
            CompareOp::Ne => BinaryOp::NotEqual,
            CompareOp::Lt => BinaryOp::Less,
            CompareOp::Le => BinaryOp::LessEqual,
            CompareOp::Gt => BinaryOp::Greater,
            CompareOp::Ge => BinaryOp::GreaterEqual,
        };
        let array = self.array();
        if let Some(Scalar::Int(value)) = convert::scalar(other)?
            && let Some(answer) = beyond(op, array.dtype(), value)
        {
            let chunks = Some(array.chunks());
            let everywhere = || creation::full(array.shape(), Scalar::Bool(answer), DType::Bool, chunks);
            return wrap(py, guarded(everywhere)?);
        }
        binary(py, op, self, other, false)
    }

    fn __neg__<'py>(&self, py: Python<'py>) -> Answer<'py> {
        let array = self.array();
        wrap(py, guarded(|| elementwise::unary(UnaryOp::Negative, &array))?)
    }

    fn __pos__<'py>(&self, py: Python<'py>) -> Answer<'py> {
        let array = self.array();
        if array.dtype().is_bool() {
            return Err(PyTypeError::new_err("positive is not defined for bool"));
        }
        wrap(py, array)
    }

    fn __abs__<'py>(&self, py: Python<'py>) -> Answer<'py> {
        let array = self.array();
        wrap(py, guarded(|| elementwise::unary(UnaryOp::Abs, &array))?)
    }

    fn __invert__<'py>(&self, py: Python<'py>) -> Answer<'py> {
        let array = self.array();
        wrap(py, guarded(|| elementwise::unary(UnaryOp::BitwiseInvert, &array))?)
    }

    /// The type of the elements.
    #[getter]
    fn dtype(&self) -> PyDType {
        PyDType(self.array().dtype())
    }

    /// Elements along each axis.
    #[getter]
    fn shape<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        PyTuple::new(py, self.array().shape())
    }

    /// Axes.
    #[getter]
    fn ndim(&self) -> usize {
        self.array().ndim()
    }

    /// Elements.
    #[getter]
    fn size(&self) -> u128 {
        self.array().shape().iter().map(|&len| len as u128).product()
    }

    /// Bytes of the elements.
    #[getter]
    fn nbytes(&self) -> u128 {
        self.array().bytes()
    }

    /// Bytes of an element.
    #[getter]
    fn itemsize(&self) -> usize {
        self.array().dtype().size()
    }

    /// Where the array's values are handed out: ``'cpu'``.
    #[getter]
    fn device(&self) -> &'static str {
        "cpu"
    }

    /// Elements of each chunk along each axis, as Dask writes it: ``((2, 2, 1), (3,))``.
    #[getter]
    fn chunks<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        let array = self.array();
        let of_axis = |(&len, &chunk): (&usize, &usize)| {
            let chunk = chunk.max(1);
            let lengths = (0..len.div_ceil(chunk).max(1)).map(|i| chunk.min(len - i * chunk));
            PyTuple::new(py, lengths.collect::<Vec<_>>())
        };
        let axes = array.shape().iter().zip(array.chunks()).map(of_axis).collect::<PyResult<Vec<_>>>()?;
        PyTuple::new(py, axes)
    }

    /// Elements of the largest chunk along each axis.
    #[getter]
    fn chunksize<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        PyTuple::new(py, self.array().chunks())
    }

    /// Chunks along each axis.
    #[getter]
    fn numblocks<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        PyTuple::new(py, self.array().chunk_counts())
    }

    /// Chunks.
    #[getter]
    fn npartitions(&self) -> usize {
        self.array().chunk_counts().iter().product()
    }

    /// The array with its axes in reverse order.
    #[getter(T)]
    fn transposed<'py>(&self, py: Python<'py>) -> Answer<'py> {
        let array = self.array();
        let axes: Vec<usize> = (0..array.ndim()).rev().collect();
        wrap(py, guarded(|| swath_array::build::manipulate::permute_dims(&array, &axes))?)
    }

    /// The array with its last two axes exchanged.
    #[getter(mT)]
    fn matrix_transposed<'py>(&self, py: Python<'py>) -> Answer<'py> {
        let array = self.array();
        let ndim = array.ndim();
        if ndim < 2 {
            let shape = show_shape(array.shape());
            return Err(PyValueError::new_err(format!(
                "mT needs two axes at least, and shape {shape} has {ndim}"
            )));
        }
        let mut axes: Vec<usize> = (0..ndim).collect();
        axes.swap(ndim - 2, ndim - 1);
        wrap(py, guarded(|| swath_array::build::manipulate::permute_dims(&array, &axes))?)
    }

    /// The real part.
    #[getter]
    fn real<'py>(&self, py: Python<'py>) -> Answer<'py> {
        let array = self.array();
        match array.dtype().is_complex() {
            true => wrap(py, guarded(|| elementwise::unary(UnaryOp::Real, &array))?),
            false => wrap(py, array),
        }
    }

    /// The imaginary part.
    #[getter]
    fn imag<'py>(&self, py: Python<'py>) -> Answer<'py> {
        let array = self.array();
        wrap(py, guarded(|| elementwise::unary(UnaryOp::Imag, &array))?)
    }

    /// What the last computation of this array did, stage by stage; ``None`` before one.
    #[getter]
    fn receipt(&self) -> Option<String> {
        held(&self.receipt).clone()
    }

    fn __len__(&self) -> PyResult<usize> {
        let array = self.array();
        array.shape().first().copied().ok_or_else(|| PyTypeError::new_err("a 0-d array has no length"))
    }

    fn __iter__<'py>(this: &Bound<'py, Self>) -> PyResult<Bound<'py, PyIterator>> {
        let len = this.get().array().shape().first().copied();
        let len = len.ok_or_else(|| PyTypeError::new_err("a 0-d array cannot be iterated over"))?;
        let rows = (0..len).map(|i| this.as_any().get_item(i)).collect::<PyResult<Vec<_>>>()?;
        PyList::new(this.py(), rows)?.try_iter()
    }

    fn __contains__(&self, py: Python<'_>, value: &Bound<'_, PyAny>) -> PyResult<bool> {
        let Some(value) = operand(value)? else { return Ok(false) };
        let (left, right) = beside(Operand::Array(self.array()), value)?;
        let found = guarded(|| {
            let equal = elementwise::binary(BinaryOp::Equal, &left, &right)?;
            swath_array::build::reduce::any(&equal, None, false)
        })?;
        Ok(compute(py, &found)?.item().is_some_and(Scalar::is_nonzero))
    }

    fn __getitem__<'py>(&self, py: Python<'py>, key: &Bound<'py, PyAny>) -> Answer<'py> {
        use swath_array::build::index::{Index, get};
        let array = self.array();
        let key = indices(key)?;
        let by_array = key.iter().any(|index| matches!(index, Index::Array(_)));
        let part = match by_array {
            true => with_runner(py, &[&array], |runner| get(&array, &key, runner))?,
            false => guarded(|| get(&array, &key, &Default::default()))?,
        };
        wrap(py, part)
    }

    fn __setitem__(&self, py: Python<'_>, key: &Bound<'_, PyAny>, value: &Bound<'_, PyAny>) -> PyResult<()> {
        let array = self.array();
        let key = indices(key)?;
        let value = match convert::scalar(value)? {
            Some(value) => convert::from_scalar(value, array.dtype())?,
            None => as_array(value, None, None)?,
        };
        if value.dtype().is_complex() && !array.dtype().is_complex() {
            let message = format!("values of {} do not go into an array of {}", value.dtype(), array.dtype());
            return Err(PyTypeError::new_err(message));
        }
        let changed = with_runner(py, &[&array, &value], |runner| {
            swath_array::build::index::set(&array, &key, &value, runner)
        })?;
        if array.bytes() <= SET_AT_ONCE_BYTES_MAX {
            // A chain of assignments would be computed from its start whenever a value is asked for.
            let tensor = compute(py, &changed)?;
            self.replace(Array::from_tensor(tensor).with_chunks(array.chunks().to_vec()));
        } else {
            self.replace(changed);
        }
        Ok(())
    }

    fn __bool__(&self, py: Python<'_>) -> PyResult<bool> {
        let array = self.array();
        if array.len() != 1 {
            let shape = show_shape(array.shape());
            let message = format!("the truth of an array of shape {shape} is ambiguous: use any or all");
            return Err(PyValueError::new_err(message));
        }
        Ok(compute(py, &array)?.item().is_some_and(Scalar::is_nonzero))
    }

    fn __float__(&self, py: Python<'_>) -> PyResult<f64> {
        match self.item_of(py, "float")? {
            Scalar::Complex(_) => Err(PyTypeError::new_err("a complex number does not convert to float")),
            value => Ok(value.as_float()),
        }
    }

    fn __int__<'py>(&self, py: Python<'py>) -> Answer<'py> {
        match self.item_of(py, "int")? {
            Scalar::Complex(_) => Err(PyTypeError::new_err("a complex number does not convert to int")),
            Scalar::Float(value) if value.is_nan() => {
                Err(PyValueError::new_err("NaN does not convert to int"))
            }
            Scalar::Float(value) if value.is_infinite() => {
                Err(PyOverflowError::new_err("an infinity does not convert to int"))
            }
            // Python truncates doubles of any size.
            value @ Scalar::Float(_) => number(py, value)?.call_method0("__int__"),
            value => number(py, Scalar::Int(value.as_int())),
        }
    }

    fn __complex__<'py>(&self, py: Python<'py>) -> Answer<'py> {
        let value = self.item_of(py, "complex")?;
        number(py, Scalar::Complex(value.as_complex()))
    }

    fn __index__<'py>(&self, py: Python<'py>) -> Answer<'py> {
        let array = self.array();
        if !array.dtype().is_integer() {
            return Err(PyTypeError::new_err(format!(
                "only integer arrays are indices, not {}",
                array.dtype()
            )));
        }
        number(py, self.item_of(py, "an index")?)
    }

    fn __repr__(&self) -> String {
        show::repr(&self.array())
    }

    fn _repr_html_(&self) -> String {
        show::html(&self.array())
    }

    fn __format__(&self, py: Python<'_>, format: &str) -> PyResult<String> {
        if format.is_empty() || self.array().ndim() > 0 {
            return Ok(self.__repr__());
        }
        number(py, self.item_of(py, "text")?)?.call_method1("__format__", (format,))?.extract()
    }

    /// NumPy's way to an array of its own; without a copy where the values lie in memory.
    #[pyo3(signature = (dtype=None, copy=None))]
    fn __array__<'py>(
        &self,
        py: Python<'py>,
        dtype: Option<&Bound<'py, PyAny>>,
        copy: Option<bool>,
    ) -> Answer<'py> {
        let array = self.array();
        let wanted = match dtype {
            Some(dtype) => dtype_of(dtype).ok(),
            None => Some(array.dtype()),
        };
        if copy == Some(false) && (wanted != Some(array.dtype()) || array.value().is_none()) {
            return Err(PyValueError::new_err(
                "the values have to be computed or cast, and copy=False forbids it",
            ));
        }
        let values = compute(py, &convert::cast(array, wanted)?)?;
        let values = interface::to_numpy(py, values, copy == Some(true))?;
        match (dtype, wanted) {
            // A type that only NumPy has.
            (Some(dtype), None) => values.call_method1("astype", (dtype,)),
            _ => Ok(values),
        }
    }

    /// NumPy leaves operators to this class.
    #[classattr]
    fn __array_priority__() -> f64 {
        1000.0
    }

    /// The standard's namespace: ``swath.array_api``.
    #[pyo3(signature = (*, api_version=None))]
    fn __array_namespace__<'py>(&self, py: Python<'py>, api_version: Option<&str>) -> Answer<'py> {
        const VERSIONS: [&str; 4] = ["2021.12", "2022.12", "2023.12", "2024.12"];
        match api_version {
            Some(version) if !VERSIONS.contains(&version) => Err(PyValueError::new_err(format!(
                "version '{version}' of the standard is none of {VERSIONS:?}"
            ))),
            _ => Ok(py.import("swath.array_api")?.into_any()),
        }
    }

    /// A DLPack capsule of the values, where they lie, without a copy unless one is asked for.
    #[pyo3(signature = (*, stream=None, max_version=None, dl_device=None, copy=None))]
    fn __dlpack__<'py>(
        &self,
        py: Python<'py>,
        stream: Option<&Bound<'py, PyAny>>,
        max_version: Option<(u32, u32)>,
        dl_device: Option<(Bound<'py, PyAny>, i64)>,
        copy: Option<bool>,
    ) -> Answer<'py> {
        let device = dl_device
            .map(|(kind, number)| Ok::<_, PyErr>((kind.call_method0("__int__")?.extract()?, number)));
        dlpack::export(py, &self.array(), stream, max_version, device.transpose()?, copy)
    }

    /// DLPack's device, type and number: (1, 0), the host, but for arrays that were persisted on a device, or borrowed there,
    /// and views of these.
    fn __dlpack_device__(&self) -> (i32, i64) {
        dlpack::device_of(&self.array())
    }

    /// The array, if it is on that device: ``'cpu'`` is the only one.
    #[pyo3(signature = (device, /, *, stream=None))]
    fn to_device<'py>(
        this: &Bound<'py, Self>,
        device: &Bound<'py, PyAny>,
        stream: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, Self>> {
        if stream.is_some() {
            return Err(PyValueError::new_err("host memory has no streams: stream has to be None"));
        }
        check_device(Some(device))?;
        Ok(this.clone())
    }

    /// Computes the values and returns them as an array of NumPy's.
    fn compute<'py>(&self, py: Python<'py>) -> Answer<'py> {
        let values = self.computed(py)?;
        interface::to_numpy(py, values, true)
    }

    /// Computes the values and returns an array that holds them.
    fn persist<'py>(&self, py: Python<'py>) -> Answer<'py> {
        let array = self.array();
        if array.value().is_some() {
            return wrap(py, array);
        }
        let persisted = with_runner(py, &[&array], |runner| runner.persist(&array))?;
        wrap(py, persisted)
    }

    /// The stages in which the array would be computed.
    fn explain(&self) -> PyResult<String> {
        super::explain::explain(&self.array())
    }

    /// The values as nested lists of Python's numbers.
    fn tolist<'py>(&self, py: Python<'py>) -> Answer<'py> {
        nested(py, &compute(py, &self.array())?)
    }

    /// The value of an array of one element, or of the element at an index, as a number of Python's.
    #[pyo3(signature = (*index))]
    fn item<'py>(&self, py: Python<'py>, index: &Bound<'py, PyTuple>) -> Answer<'py> {
        let mut array = self.array();
        if !index.is_empty() {
            let flat = index.len() == 1 && array.ndim() != 1;
            if flat {
                array = guarded(|| swath_array::build::manipulate::reshape(&array, &[-1]))?;
            }
            let key = if index.len() == 1 { indices(&index.get_item(0)?)? } else { indices(index.as_any())? };
            array = guarded(|| swath_array::build::index::get(&array, &key, &Default::default()))?;
        }
        if array.len() != 1 {
            let message = format!("shape {} has not one element", show_shape(array.shape()));
            return Err(PyValueError::new_err(message));
        }
        let value = compute(py, &array)?;
        number(py, value.item().ok_or_else(|| PyIndexError::new_err("no element"))?)
    }

    /// The same array in other chunks: an integer, one integer for each axis, or Dask's tuples of equal lengths.
    fn rechunk<'py>(&self, py: Python<'py>, chunks: &Bound<'py, PyAny>) -> Answer<'py> {
        let array = self.array();
        let asked = chunk_lengths(Some(chunks), array.shape())?;
        let chunks = asked.unwrap_or_else(|| automatic_chunks(array.dtype(), array.shape()));
        wrap(py, array.with_chunks(chunks))
    }

    fn __reduce__<'py>(&self, py: Python<'py>) -> PyResult<(Bound<'py, PyAny>, Bound<'py, PyTuple>)> {
        let value = compute(py, &self.array())?.contiguous().py()?;
        let bytes = PyBytes::new(py, value.as_bytes().unwrap_or_default());
        let arguments = (value.dtype().name(), PyTuple::new(py, value.shape())?, bytes);
        Ok((py.import("swath._swath")?.getattr("from_bytes")?, arguments.into_pyobject(py)?))
    }

    fn __copy__<'py>(&self, py: Python<'py>) -> Answer<'py> {
        wrap(py, self.array())
    }

    fn __deepcopy__<'py>(&self, py: Python<'py>, _memo: &Bound<'py, PyAny>) -> Answer<'py> {
        wrap(py, self.array())
    }

    #[classmethod]
    fn __class_getitem__(class: &Bound<'_, PyType>, _item: &Bound<'_, PyAny>) -> Py<PyType> {
        class.clone().unbind()
    }
}

impl PyArray {
    /// Computes the value and keeps the receipt.
    fn computed(&self, py: Python<'_>) -> PyResult<Tensor> {
        let array = self.array();
        if array.value().is_some() {
            return compute(py, &array);
        }
        let started = std::time::Instant::now();
        let (mut values, reports) =
            with_runner(py, &[&array], |runner| runner.compute_reported(std::slice::from_ref(&array)))?;
        *held(&self.receipt) = Some(super::explain::receipt(&array, &reports, started.elapsed()));
        values.pop().ok_or_else(|| PyIndexError::new_err("no value"))
    }
}

/// Refuses devices that there are not.
pub fn check_device(device: Option<&Bound<'_, PyAny>>) -> PyResult<()> {
    match device {
        Some(device) if device.str()?.to_cow()? != "cpu" => Err(PyValueError::new_err(format!(
            "'cpu' is the only device of arrays, and not {}",
            device.repr()?
        ))),
        _ => Ok(()),
    }
}

/// Chunk lengths as users give them: `None` or `"auto"`, one for all axes, one for each (-1 or `None` for a whole
/// axis), or Dask's tuples.
pub fn chunk_lengths(chunks: Option<&Bound<'_, PyAny>>, shape: &[usize]) -> PyResult<Option<Vec<usize>>> {
    let Some(chunks) = chunks else { return Ok(None) };
    if chunks.str()?.to_cow()? == "auto" {
        return Ok(None);
    }
    let of_axis = |chunk: &Bound<'_, PyAny>, len: usize| -> PyResult<usize> {
        if chunk.is_none() {
            return Ok(len.max(1));
        }
        let chunk = match chunk.cast::<PyTuple>() {
            Ok(lengths) => {
                let lengths: Vec<usize> = lengths.extract()?;
                let first = lengths.first().copied().unwrap_or(1);
                let equal = lengths
                    .split_last()
                    .is_none_or(|(last, rest)| rest.iter().all(|&chunk| chunk == first) && *last <= first);
                if !equal || lengths.iter().sum::<usize>() != len {
                    return Err(PyValueError::new_err(format!(
                        "chunks {lengths:?} are not equal lengths (the last may be shorter) that add up to {len}"
                    )));
                }
                first as i64
            }
            Err(_) => convert::integer(chunk)?,
        };
        match chunk {
            -1 => Ok(len.max(1)),
            chunk if chunk > 0 => Ok(chunk as usize),
            chunk => Err(PyValueError::new_err(format!(
                "a chunk of {chunk} elements: give 1 at least, or -1 for all"
            ))),
        }
    };
    let is_sequence = chunks.is_instance_of::<PyTuple>() || chunks.is_instance_of::<PyList>();
    let lengths = if is_sequence {
        let given = chunks.try_iter()?.collect::<PyResult<Vec<_>>>()?;
        if given.len() != shape.len() {
            let message =
                format!("{} chunk lengths for the axes of shape {}", given.len(), show_shape(shape));
            return Err(PyValueError::new_err(message));
        }
        given.iter().zip(shape).map(|(chunk, &len)| of_axis(chunk, len)).collect::<PyResult<Vec<_>>>()?
    } else {
        shape.iter().map(|&len| of_axis(chunks, len)).collect::<PyResult<Vec<_>>>()?
    };
    Ok(Some(lengths))
}

/// Makes an array of whatever Python offers.
#[pyfunction]
#[pyo3(signature = (obj, dtype=None, copy=None))]
pub fn asarray<'py>(
    obj: &Bound<'py, PyAny>,
    dtype: Option<&Bound<'py, PyAny>>,
    copy: Option<bool>,
) -> Answer<'py> {
    let dtype = dtype_or_none(dtype)?;
    if let Ok(array) = obj.cast::<PyArray>() {
        let current = array.get().array();
        let same = dtype.is_none_or(|dtype| dtype == current.dtype());
        return match (same, copy) {
            // The object itself: what is assigned to the one shows in the other.
            (true, None | Some(false)) => Ok(obj.clone()),
            (false, Some(false)) => Err(PyValueError::new_err(format!(
                "values of {} as another data type need a copy, and copy=False forbids it",
                current.dtype()
            ))),
            _ => wrap(obj.py(), convert::cast(current, dtype)?),
        };
    }
    wrap(obj.py(), as_array(obj, dtype, copy)?)
}

/// The array of an object that has `__dlpack__`.
#[pyfunction]
#[pyo3(signature = (x, device=None, copy=None))]
pub fn from_dlpack<'py>(
    x: &Bound<'py, PyAny>,
    device: Option<&Bound<'py, PyAny>>,
    copy: Option<bool>,
) -> Answer<'py> {
    check_device(device)?;
    if let (Ok(_), None | Some(false)) = (x.cast::<PyArray>(), copy) {
        return Ok(x.clone());
    }
    wrap(x.py(), dlpack::import(x, device.map(|_| true), copy)?)
}

/// The array of these bytes: what pickles hold.
#[pyfunction]
pub fn from_bytes<'py>(py: Python<'py>, dtype: &str, shape: Vec<usize>, bytes: &[u8]) -> Answer<'py> {
    let dtype: DType = dtype.parse().py()?;
    if swath_array::tensor::count(&shape).py()? * dtype.size() != bytes.len() {
        return Err(PyValueError::new_err("bytes that do not fill the shape"));
    }
    let mut target = swath_array::tensor::TensorMut::uninit(dtype, &shape).py()?;
    target.as_mut_bytes().copy_from_slice(bytes);
    let array = Array::from_tensor(target.freeze());
    if dtype.is_bool() && bytes.iter().any(|&byte| byte > 1) {
        return Err(PyValueError::new_err("a boolean that is neither 0 nor 1"));
    }
    wrap(py, array)
}

/// Whether the value of an array is known already.
#[pyfunction]
pub fn is_computed(x: &Bound<'_, PyArray>) -> bool {
    x.get().array().value().is_some()
}

pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<PyArray>()?;
    module.add_class::<interface::Values>()?;
    module.add_function(wrap_pyfunction!(asarray, module)?)?;
    module.add_function(wrap_pyfunction!(from_dlpack, module)?)?;
    module.add_function(wrap_pyfunction!(from_bytes, module)?)?;
    module.add_function(wrap_pyfunction!(is_computed, module)?)?;
    module.add_function(wrap_pyfunction!(super::run::compute_all, module)?)?;
    module.add_function(wrap_pyfunction!(super::run::use_session, module)?)?;
    module.add_function(wrap_pyfunction!(super::run::set_session_factory, module)?)?;
    module.add_function(wrap_pyfunction!(super::run::want_session, module)?)?;
    module.add_function(wrap_pyfunction!(super::run::set_progress, module)?)
}
