//! DLPack, both ways and without a copy: <https://dmlc.github.io/dlpack/latest/>, version 1.0 and what came before.

use std::ffi::{CStr, c_void};

use pyo3::exceptions::{PyBufferError, PyTypeError, PyValueError};
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyCapsule, PyDict};
use swath_array::{Array, DType, Tensor};

use super::interface::{copied, finish};
use crate::error::IntoPython;

/// The device type of host memory.
pub const CPU: i32 = 1;
/// Host memory that a GPU may read too: CUDA's pinned and managed memory, ROCm's pinned memory.
const READABLE_BY_HOST: [i32; 4] = [CPU, 3, 11, 13];
const READ_ONLY: u64 = 1;
const IS_COPIED: u64 = 2;

const PLAIN: &CStr = c"dltensor";
const VERSIONED: &CStr = c"dltensor_versioned";
const PLAIN_USED: &CStr = c"used_dltensor";
const VERSIONED_USED: &CStr = c"used_dltensor_versioned";

#[repr(C)]
struct Device {
    device_type: i32,
    device_id: i32,
}

#[repr(C)]
struct DataType {
    code: u8,
    bits: u8,
    lanes: u16,
}

#[repr(C)]
struct DlTensor {
    data: *mut c_void,
    device: Device,
    ndim: i32,
    dtype: DataType,
    shape: *mut i64,
    strides: *mut i64,
    byte_offset: u64,
}

#[repr(C)]
struct Plain {
    tensor: DlTensor,
    context: *mut c_void,
    deleter: Option<unsafe extern "C" fn(*mut Plain)>,
}

#[repr(C)]
struct Versioned {
    major: u32,
    minor: u32,
    context: *mut c_void,
    deleter: Option<unsafe extern "C" fn(*mut Versioned)>,
    flags: u64,
    tensor: DlTensor,
}

/// What an exported tensor needs as long as its reader does.
struct Context {
    tensor: Tensor,
    shape: Vec<i64>,
    strides: Vec<i64>,
}

fn code_of(dtype: DType) -> DataType {
    let code = match dtype {
        DType::Bool => 6,
        DType::BF16 => 4,
        dtype if dtype.is_signed() => 0,
        dtype if dtype.is_unsigned() => 1,
        dtype if dtype.is_float() => 2,
        _ => 5,
    };
    DataType { code, bits: dtype.size() as u8 * 8, lanes: 1 }
}

fn dtype_of(code: &DataType) -> PyResult<DType> {
    let matches = |dtype: &DType| {
        let own = code_of(*dtype);
        own.code == code.code && own.bits == code.bits && code.lanes == 1
    };
    DType::ALL.into_iter().find(matches).ok_or_else(|| {
        PyTypeError::new_err(format!(
            "there are no arrays of DLPack's type code {} with {} bits and {} lanes",
            code.code, code.bits, code.lanes
        ))
    })
}

/// A capsule of a tensor, versioned where the reader knows version 1. Memory is shared; readers are told not to write
/// where they can be told, but for a copy, which is theirs.
pub fn export<'py>(
    py: Python<'py>,
    tensor: Tensor,
    max_version: Option<(u32, u32)>,
    copy: Option<bool>,
) -> PyResult<Bound<'py, PyAny>> {
    let backwards = tensor.strides().iter().any(|&stride| stride < 0);
    let copies = copy == Some(true) || (backwards && copy.is_none());
    let tensor = if copies { copied(&tensor)? } else { tensor };
    let shape = tensor.shape().iter().map(|&len| len as i64).collect();
    let strides = tensor.strides().iter().map(|&stride| stride as i64).collect();
    let context = Box::into_raw(Box::new(Context { tensor, shape, strides }));
    // SAFETY: made right above, and freed by the deleter alone.
    let described = unsafe {
        DlTensor {
            data: (*context).tensor.as_ptr().cast_mut().cast(),
            device: Device { device_type: CPU, device_id: 0 },
            ndim: (*context).shape.len() as i32,
            dtype: code_of((*context).tensor.dtype()),
            shape: (*context).shape.as_mut_ptr(),
            strides: (*context).strides.as_mut_ptr(),
            byte_offset: 0,
        }
    };
    // SAFETY: the capsules' destructors free what no reader has taken.
    let capsule = unsafe {
        if max_version.is_some_and(|(major, _)| major >= 1) {
            let flags = if copies { IS_COPIED } else { READ_ONLY };
            let managed = Versioned {
                major: 1,
                minor: 0,
                context: context.cast(),
                deleter: Some(delete_versioned),
                flags,
                tensor: described,
            };
            let managed = Box::into_raw(Box::new(managed));
            ffi::PyCapsule_New(managed.cast(), VERSIONED.as_ptr(), Some(destroy_versioned))
        } else {
            let managed = Plain { tensor: described, context: context.cast(), deleter: Some(delete_plain) };
            let managed = Box::into_raw(Box::new(managed));
            ffi::PyCapsule_New(managed.cast(), PLAIN.as_ptr(), Some(destroy_plain))
        }
    };
    // SAFETY: a new reference, or null with an exception set.
    unsafe { Bound::from_owned_ptr_or_err(py, capsule) }
}

unsafe extern "C" fn delete_plain(managed: *mut Plain) {
    // SAFETY: both were made by `export`, and the deleter is called once.
    unsafe {
        drop(Box::from_raw((*managed).context.cast::<Context>()));
        drop(Box::from_raw(managed));
    }
}

unsafe extern "C" fn delete_versioned(managed: *mut Versioned) {
    // SAFETY: both were made by `export`, and the deleter is called once.
    unsafe {
        drop(Box::from_raw((*managed).context.cast::<Context>()));
        drop(Box::from_raw(managed));
    }
}

unsafe extern "C" fn destroy_plain(capsule: *mut ffi::PyObject) {
    // SAFETY: a capsule of that name holds what `export` made and nobody has taken.
    unsafe {
        if ffi::PyCapsule_IsValid(capsule, PLAIN.as_ptr()) == 1 {
            delete_plain(ffi::PyCapsule_GetPointer(capsule, PLAIN.as_ptr()).cast());
        }
    }
}

unsafe extern "C" fn destroy_versioned(capsule: *mut ffi::PyObject) {
    // SAFETY: a capsule of that name holds what `export` made and nobody has taken.
    unsafe {
        if ffi::PyCapsule_IsValid(capsule, VERSIONED.as_ptr()) == 1 {
            delete_versioned(ffi::PyCapsule_GetPointer(capsule, VERSIONED.as_ptr()).cast());
        }
    }
}

/// What a capsule was taken from, given back when its last reader is gone.
enum Taken {
    Plain(*mut Plain),
    Versioned(*mut Versioned),
}

// SAFETY: DLPack's deleters may be called from any thread.
unsafe impl Send for Taken {}
unsafe impl Sync for Taken {}

impl Drop for Taken {
    fn drop(&mut self) {
        // SAFETY: taken from a capsule that was renamed, so that nobody else gives it back.
        unsafe {
            match *self {
                Taken::Plain(managed) => {
                    if let Some(deleter) = (*managed).deleter {
                        deleter(managed);
                    }
                }
                Taken::Versioned(managed) => {
                    if let Some(deleter) = (*managed).deleter {
                        deleter(managed);
                    }
                }
            }
        }
    }
}

/// The array of an object that has `__dlpack__`. Values on another device are asked for in host memory, which is a
/// copy.
pub fn import(object: &Bound<'_, PyAny>, to_host: Option<bool>, copy: Option<bool>) -> PyResult<Array> {
    let py = object.py();
    let device: (i32, i32) = object.call_method0("__dlpack_device__")?.extract()?;
    let on_host = READABLE_BY_HOST.contains(&device.0);
    if !on_host && copy == Some(false) {
        let message =
            format!("the values lie on a device (DLPack {device:?}), and copy=False forbids a copy");
        return Err(PyBufferError::new_err(message));
    }
    let kwargs = PyDict::new(py);
    kwargs.set_item("max_version", (1, 0))?;
    if !on_host || to_host == Some(true) {
        kwargs.set_item("dl_device", (CPU, 0))?;
    }
    if copy.is_some() {
        kwargs.set_item("copy", copy)?;
    }
    let method = object.getattr("__dlpack__")?;
    let capsule = match method.call((), Some(&kwargs)) {
        // A producer from before version 1 knows none of these.
        Err(error) if error.is_instance_of::<PyTypeError>(py) && on_host => method.call0()?,
        capsule => capsule?,
    };
    let capsule = capsule.cast::<PyCapsule>()?;
    let (taken, tensor, was_copied) = take(capsule)?;
    if !READABLE_BY_HOST.contains(&tensor.device.device_type) {
        return Err(PyBufferError::new_err("the values came on a device, not in host memory"));
    }
    let tensor = describe(tensor, taken)?;
    let copy = if was_copied { None } else { copy };
    finish(tensor, copy)
}

fn take(capsule: &Bound<'_, PyCapsule>) -> PyResult<(Taken, &'static DlTensor, bool)> {
    let py = capsule.py();
    let raw = capsule.as_ptr();
    // SAFETY: names are checked before pointers are taken, and a capsule is renamed by whoever takes its content.
    unsafe {
        if ffi::PyCapsule_IsValid(raw, VERSIONED.as_ptr()) == 1 {
            let managed = ffi::PyCapsule_GetPointer(raw, VERSIONED.as_ptr()).cast::<Versioned>();
            if (*managed).major != 1 {
                let message = format!("DLPack version {} is not known", (*managed).major);
                return Err(PyBufferError::new_err(message));
            }
            if ffi::PyCapsule_SetName(raw, VERSIONED_USED.as_ptr()) != 0 {
                return Err(PyErr::fetch(py));
            }
            return Ok((Taken::Versioned(managed), &(*managed).tensor, (*managed).flags & IS_COPIED != 0));
        }
        if ffi::PyCapsule_IsValid(raw, PLAIN.as_ptr()) == 1 {
            let managed = ffi::PyCapsule_GetPointer(raw, PLAIN.as_ptr()).cast::<Plain>();
            if ffi::PyCapsule_SetName(raw, PLAIN_USED.as_ptr()) != 0 {
                return Err(PyErr::fetch(py));
            }
            return Ok((Taken::Plain(managed), &(*managed).tensor, false));
        }
    }
    Err(PyValueError::new_err("a DLPack capsule that was used already, or is none"))
}

fn describe(described: &DlTensor, taken: Taken) -> PyResult<Tensor> {
    let dtype = dtype_of(&described.dtype)?;
    let ndim = described.ndim as usize;
    // SAFETY: a producer fills as many lengths, and strides or none.
    let lengths = |pointer: *mut i64| unsafe {
        if ndim == 0 { &[] } else { std::slice::from_raw_parts(pointer, ndim) }
    };
    let shape: Vec<usize> = lengths(described.shape).iter().map(|&len| len as usize).collect();
    let strides: Vec<isize> = match described.strides.is_null() {
        true => swath_array::tensor::row_major(&shape),
        false => lengths(described.strides).iter().map(|&stride| stride as isize).collect(),
    };
    if swath_array::tensor::count(&shape).py()? == 0 {
        let empty = swath_array::tensor::TensorMut::zeroed(dtype, &shape).py()?;
        return Ok(empty.freeze());
    }
    let pointer = described.data.cast::<u8>().wrapping_add(described.byte_offset as usize);
    let align = if dtype.is_complex() { dtype.size() / 2 } else { dtype.size() };
    if !(pointer as usize).is_multiple_of(align) {
        return Err(PyBufferError::new_err(format!("{dtype} values that are not aligned to their size")));
    }
    // SAFETY: the producer vouches for the memory as long as it is not given back.
    Ok(unsafe { Tensor::from_foreign(pointer, dtype, shape, strides, Box::new(taken)) })
}
