//! Arrays of other packages that lie in host memory, through NumPy's `__array_interface__`, the buffer protocol and
//! DLPack; and ours for NumPy.

use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyByteArray, PyBytes, PyDict, PyMemoryView, PyTuple};
use swath_array::{Array, DType, Tensor};

use super::dlpack;
use crate::error::IntoPython;

/// Brings an object in that offers its elements; `None` where it offers none. Nothing is copied unless the layout or
/// `copy` asks for it.
pub fn import(object: &Bound<'_, PyAny>, copy: Option<bool>) -> PyResult<Option<Array>> {
    let py = object.py();
    if let Some(interface) = object.getattr_opt(pyo3::intern!(py, "__array_interface__"))? {
        return from_interface(object, interface.cast::<PyDict>()?, copy).map(Some);
    }
    if object.getattr_opt(pyo3::intern!(py, "__dlpack__"))?.is_some() {
        return dlpack::import(object, None, copy).map(Some);
    }
    let is_buffer = object.is_instance_of::<PyBytes>()
        || object.is_instance_of::<PyByteArray>()
        || object.is_instance_of::<PyMemoryView>()
        || object.get_type().name()? == "array";
    if is_buffer {
        return from_buffer(object, copy).map(Some);
    }
    if let Some(convert) = object.getattr_opt(pyo3::intern!(py, "__array__"))?
        && !object.is_instance_of::<pyo3::types::PyType>()
    {
        let converted = convert.call0()?;
        let interface = converted.getattr("__array_interface__")?;
        return from_interface(&converted, interface.cast::<PyDict>()?, copy).map(Some);
    }
    Ok(None)
}

fn from_interface(
    object: &Bound<'_, PyAny>,
    interface: &Bound<'_, PyDict>,
    copy: Option<bool>,
) -> PyResult<Array> {
    let py = object.py();
    let get = |key: &str| -> PyResult<Bound<'_, PyAny>> {
        interface
            .get_item(key)?
            .ok_or_else(|| PyValueError::new_err(format!("an array interface without '{key}'")))
    };
    let code: String = get("typestr")?.extract()?;
    let shape: Vec<usize> = get("shape")?.extract()?;
    let (order, kind) = code.split_at(1);
    let Some(dtype) = dtype_of_code(kind) else {
        let name = object.getattr("dtype").and_then(|dtype| Ok(dtype.str()?.to_string())).unwrap_or(code);
        return Err(PyTypeError::new_err(format!("there are no arrays of {name}")));
    };
    // Foreign byte order, and scalars, whose bytes live as long as a conversion: NumPy copies them.
    let swapped = order == if cfg!(target_endian = "little") { ">" } else { "<" } && dtype.size() > 1;
    let data = interface.get_item("data")?.filter(|data| data.is_instance_of::<PyTuple>());
    let strides: Option<Vec<isize>> = match interface.get_item("strides")? {
        Some(strides) if !strides.is_none() => Some(strides.extract()?),
        _ => None,
    };
    let (pointer, uneven) = match &data {
        Some(data) => {
            let pointer: usize = data.get_item(0)?.extract()?;
            let size = dtype.size() as isize;
            let align = if dtype.is_complex() { dtype.size() / 2 } else { dtype.size() };
            let uneven = strides.iter().flatten().any(|stride| stride % size != 0);
            (pointer, uneven || !pointer.is_multiple_of(align))
        }
        None => (0, true),
    };
    if swapped || uneven {
        if copy == Some(false) {
            return Err(PyValueError::new_err("the array's layout needs a copy, and copy=False forbids it"));
        }
        let numpy = py.import("numpy")?;
        let kwargs = PyDict::new(py);
        kwargs.set_item("dtype", dtype.name())?;
        kwargs.set_item("copy", true)?;
        kwargs.set_item("order", "C")?;
        let copied = numpy.call_method("array", (object,), Some(&kwargs))?;
        let interface = copied.getattr("__array_interface__")?;
        return from_interface(&copied, interface.cast::<PyDict>()?, None);
    }
    let strides = match strides {
        Some(strides) => strides.into_iter().map(|stride| stride / dtype.size() as isize).collect(),
        None => swath_array::tensor::row_major(&shape),
    };
    // The interface keeps the bytes of NumPy's scalars alive, the object those of its arrays.
    let owner = Box::new((object.clone().unbind(), interface.clone().unbind()));
    // SAFETY: the interface describes memory that its owner keeps, aligned as checked above.
    let tensor = unsafe { Tensor::from_foreign(pointer as *const u8, dtype, shape, strides, owner) };
    finish(tensor, copy)
}

/// The tensor as an array, copied if that is asked for.
pub fn finish(tensor: Tensor, copy: Option<bool>) -> PyResult<Array> {
    let tensor = if copy == Some(true) { copied(&tensor)? } else { tensor };
    Ok(Array::from_tensor(tensor))
}

/// A copy in memory of our own.
pub fn copied(tensor: &Tensor) -> PyResult<Tensor> {
    let mut target = swath_array::tensor::TensorMut::uninit(tensor.dtype(), tensor.shape()).py()?;
    swath_array::tensor::copy(tensor, &mut target.target());
    Ok(target.freeze())
}

fn from_buffer(object: &Bound<'_, PyAny>, copy: Option<bool>) -> PyResult<Array> {
    if copy == Some(false) {
        return Err(PyValueError::new_err("a buffer is copied, and copy=False forbids it"));
    }
    let view = PyMemoryView::from(object)?;
    let format: String = view.getattr("format")?.extract()?;
    let size: usize = view.getattr("itemsize")?.extract()?;
    let letter = format.trim_start_matches(['@', '=', '<']);
    let kind = match letter {
        "?" => "b",
        "b" | "h" | "i" | "l" | "q" | "n" => "i",
        "B" | "H" | "I" | "L" | "Q" | "N" | "c" => "u",
        "e" | "f" | "d" => "f",
        "Zf" | "Zd" => "c",
        _ => {
            return Err(PyTypeError::new_err(format!("there are no arrays of the buffer format '{format}'")));
        }
    };
    let dtype = dtype_of_code(&format!("{kind}{size}"));
    let dtype = dtype.ok_or_else(|| PyTypeError::new_err(format!("a buffer of the format '{format}'")))?;
    let shape: Vec<usize> = view.getattr("shape")?.extract()?;
    let bytes: Vec<u8> = view.call_method0("tobytes")?.extract()?;
    let mut target = swath_array::tensor::TensorMut::uninit(dtype, &shape).py()?;
    target.as_mut_bytes().copy_from_slice(&bytes);
    Ok(Array::from_tensor(target.freeze()))
}

fn dtype_of_code(code: &str) -> Option<DType> {
    Some(match code {
        "b1" => DType::Bool,
        "i1" => DType::I8,
        "i2" => DType::I16,
        "i4" => DType::I32,
        "i8" => DType::I64,
        "u1" => DType::U8,
        "u2" => DType::U16,
        "u4" => DType::U32,
        "u8" => DType::U64,
        "f2" => DType::F16,
        "f4" => DType::F32,
        "f8" => DType::F64,
        "c8" => DType::C64,
        "c16" => DType::C128,
        _ => return None,
    })
}

/// A value as NumPy reads it, without a copy: `numpy.asarray(values)`.
#[pyclass(name = "Values", module = "swath", frozen)]
pub struct Values {
    tensor: Tensor,
    writable: bool,
}

#[pymethods]
impl Values {
    #[getter]
    fn __array_interface__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let dtype = self.tensor.dtype();
        let kind = match dtype {
            DType::Bool => 'b',
            DType::BF16 => return Err(PyTypeError::new_err("NumPy has no bfloat16")),
            dtype if dtype.is_signed() => 'i',
            dtype if dtype.is_unsigned() => 'u',
            dtype if dtype.is_float() => 'f',
            _ => 'c',
        };
        let order = match (dtype.size(), cfg!(target_endian = "little")) {
            (1, _) => '|',
            (_, true) => '<',
            (_, false) => '>',
        };
        let strides = self.tensor.strides().iter().map(|stride| stride * dtype.size() as isize);
        let interface = PyDict::new(py);
        interface.set_item("version", 3)?;
        interface.set_item("typestr", format!("{order}{kind}{}", dtype.size()))?;
        interface.set_item("shape", PyTuple::new(py, self.tensor.shape())?)?;
        interface.set_item("strides", PyTuple::new(py, strides.collect::<Vec<_>>())?)?;
        interface.set_item("data", (self.tensor.as_ptr() as usize, !self.writable))?;
        Ok(interface)
    }
}

/// A tensor as an array of NumPy's; with `writable`, one that nobody else sees.
pub fn to_numpy<'py>(py: Python<'py>, tensor: Tensor, writable: bool) -> PyResult<Bound<'py, PyAny>> {
    let numpy = py.import("numpy")?;
    let tensor = match tensor.dtype() {
        // Every bfloat16 is a float32.
        DType::BF16 => {
            let wide = super::convert::cast(Array::from_tensor(tensor), Some(DType::F32))?;
            super::run::compute(py, &wide)?
        }
        _ => tensor,
    };
    let alone = std::sync::Arc::strong_count(tensor.buffer()) == 1 && tensor.is_contiguous();
    let tensor = if writable && !alone { copied(&tensor)? } else { tensor };
    numpy.call_method1("asarray", (Values { tensor, writable },))
}
