//! DLPack, both ways and without a copy: <https://dmlc.github.io/dlpack/latest/>, version 1.0 and what came before.
//!
//! Values are handed out where they lie. An array that is persisted on a device is there for PyTorch or CuPy to read, and
//! theirs is read by our kernels: all share the device's primary context.

use std::ffi::{CStr, c_void};

use pyo3::exceptions::{PyBufferError, PyMemoryError, PyTypeError, PyValueError};
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyCapsule, PyDict};
use swath::array::device::{BorrowedValues, Borrower, DeviceValues, borrower};
use swath_array::{Array, DType, Tensor};

use super::interface::{copied, finish};
use super::run::{compute, session};
use crate::error::IntoPython;

/// The device type of host memory.
const CPU: i32 = 1;
/// That of a CUDA device's memory.
const CUDA: i32 = 2;
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
    _values: Lent,
    shape: Vec<i64>,
    strides: Vec<i64>,
}

/// What is handed out.
enum Lent {
    Host { _tensor: Tensor },
    Device { _values: DeviceValues },
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

/// DLPack's device of an array, type and number.
pub fn device_of(array: &Array) -> (i32, i64) {
    DeviceValues::of(array).map_or((CPU, 0), |values| (CUDA, values.ordinal() as i64))
}

/// A capsule of an array's values, versioned where the reader knows version 1: on the device where they lie, or in host
/// memory. Memory is shared; readers are told not to write where they can be told, but for a copy, which is theirs.
///
/// Values on a device are complete before anybody gets to know of them, so that whatever `stream` is, it has not to wait.
pub fn export<'py>(
    py: Python<'py>,
    array: &Array,
    stream: Option<&Bound<'py, PyAny>>,
    max_version: Option<(u32, u32)>,
    device: Option<(i32, i64)>,
    copy: Option<bool>,
) -> PyResult<Bound<'py, PyAny>> {
    let Some(values) = DeviceValues::of(array) else {
        if stream.is_some_and(|stream| !matches!(stream.extract::<i64>(), Ok(-1))) {
            return Err(PyValueError::new_err("host memory has no streams: stream has to be None"));
        }
        if device.is_some_and(|(kind, _)| kind != CPU) {
            return Err(PyBufferError::new_err("the values lie in host memory, DLPack's device (1, 0)"));
        }
        return export_host(py, compute(py, array)?, max_version, copy);
    };
    if let Some(stream) = stream {
        match stream.extract::<i64>() {
            Ok(0) => {
                let message =
                    "stream 0 could be two: give 1 for the legacy default stream, 2 for the thread's";
                return Err(PyValueError::new_err(message));
            }
            Ok(-1..) => {}
            _ => {
                let message = format!("a stream is None, -1 or a handle above 0, not {}", stream.repr()?);
                return Err(PyValueError::new_err(message));
            }
        }
    }
    let own = (CUDA, values.ordinal() as i64);
    match device {
        None => export_device(py, values, max_version, copy),
        Some(device) if device == own => export_device(py, values, max_version, copy),
        Some((CPU, _)) if copy == Some(false) => Err(PyBufferError::new_err(format!(
            "the values lie on a device (DLPack {own:?}), and copy=False forbids a copy"
        ))),
        Some((CPU, _)) => export_host(py, compute(py, array)?, max_version, copy),
        Some(device) => Err(PyBufferError::new_err(format!(
            "the values lie on DLPack's device {own:?}: they are handed out there and on (1, 0), not on {device:?}"
        ))),
    }
}

fn export_host<'py>(
    py: Python<'py>,
    tensor: Tensor,
    max_version: Option<(u32, u32)>,
    copy: Option<bool>,
) -> PyResult<Bound<'py, PyAny>> {
    let copies = is_copied(tensor.strides(), copy);
    let tensor = if copies { copied(&tensor)? } else { tensor };
    let described = Described {
        data: tensor.as_ptr().cast_mut().cast(),
        device: Device { device_type: CPU, device_id: 0 },
        dtype: tensor.dtype(),
        shape: tensor.shape().to_vec(),
        strides: tensor.strides().to_vec(),
    };
    capsule(py, described, Lent::Host { _tensor: tensor }, max_version, copies)
}

fn export_device<'py>(
    py: Python<'py>,
    values: DeviceValues,
    max_version: Option<(u32, u32)>,
    copy: Option<bool>,
) -> PyResult<Bound<'py, PyAny>> {
    let copies = is_copied(values.strides(), copy);
    let values = if copies { py.detach(|| values.copied()).map_err(refused)? } else { values };
    let described = Described {
        data: std::ptr::without_provenance_mut(values.address().map_err(refused)? as usize),
        device: Device { device_type: CUDA, device_id: values.ordinal() as i32 },
        dtype: values.dtype(),
        shape: values.shape().to_vec(),
        strides: values.strides().to_vec(),
    };
    capsule(py, described, Lent::Device { _values: values }, max_version, copies)
}

/// Whether values are copied before they are handed out; few readers know strides backwards.
fn is_copied(strides: &[isize], copy: Option<bool>) -> bool {
    copy.unwrap_or_else(|| strides.iter().any(|&stride| stride < 0))
}

/// Values as they are handed out.
struct Described {
    data: *mut c_void,
    device: Device,
    dtype: DType,
    shape: Vec<usize>,
    strides: Vec<isize>,
}

fn capsule<'py>(
    py: Python<'py>,
    values: Described,
    lent: Lent,
    max_version: Option<(u32, u32)>,
    copies: bool,
) -> PyResult<Bound<'py, PyAny>> {
    let shape = values.shape.iter().map(|&len| len as i64).collect();
    let strides = values.strides.iter().map(|&stride| stride as i64).collect();
    let context = Box::into_raw(Box::new(Context { _values: lent, shape, strides }));
    // SAFETY: made right above, and freed by the deleter alone.
    let described = unsafe {
        DlTensor {
            data: values.data,
            device: values.device,
            ndim: (*context).shape.len() as i32,
            dtype: code_of(values.dtype),
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

// SAFETY: DLPack's deleters may be called from any thread, and ask for the interpreter's lock where they need it.
unsafe impl Send for Taken {}
// SAFETY: as above.
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

/// The array of an object that has `__dlpack__`. Values on a device of the session's are read there, unless they are wanted
/// on the host; those on another are asked for in host memory, which is a copy.
pub fn import(object: &Bound<'_, PyAny>, to_host: Option<bool>, copy: Option<bool>) -> PyResult<Array> {
    let py = object.py();
    let device: (i32, i32) = object.call_method0("__dlpack_device__")?.extract()?;
    let on_host = READABLE_BY_HOST.contains(&device.0);
    if device.0 == CUDA
        && to_host != Some(true)
        && let Some(session) = session(py, true)?
        && let Some(borrower) = usize::try_from(device.1).ok().and_then(|ordinal| borrower(&session, ordinal))
    {
        return import_device(object, &borrower, device, copy);
    }
    if !on_host && copy == Some(false) {
        let message = format!(
            "the values lie on a device that arrays of this session do not use (DLPack {device:?}), and copy=False \
             forbids a copy"
        );
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

/// An array of values on a device: read there, on a stream that the producer has wait for what it still has to do.
fn import_device(
    object: &Bound<'_, PyAny>,
    borrower: &Borrower,
    device: (i32, i32),
    copy: Option<bool>,
) -> PyResult<Array> {
    let py = object.py();
    let stream = py.detach(|| borrower.stream()).map_err(refused)?;
    let kwargs = PyDict::new(py);
    kwargs.set_item("stream", stream)?;
    let before_version_1 = kwargs.copy()?;
    kwargs.set_item("max_version", (1, 0))?;
    // A copy is made here: CuPy makes none on the device (cupy/cupy#9842).
    if copy == Some(false) {
        kwargs.set_item("copy", copy)?;
    }
    let method = object.getattr("__dlpack__")?;
    let capsule = match method.call((), Some(&kwargs)) {
        Err(error) if error.is_instance_of::<PyTypeError>(py) => method.call((), Some(&before_version_1))?,
        capsule => capsule?,
    };
    let (taken, described, was_copied) = take(capsule.cast::<PyCapsule>()?)?;
    let place = (described.device.device_type, described.device.device_id);
    if place != device {
        let message =
            format!("the values were said to lie on DLPack's device {device:?}, and came on {place:?}");
        return Err(PyBufferError::new_err(message));
    }
    let Layout { dtype, shape, strides } = Layout::of(described)?;
    if shape.contains(&0) {
        return Ok(Array::from_tensor(empty(dtype, &shape)?));
    }
    let address = described.data.addr() as u64 + described.byte_offset;
    let values = BorrowedValues { address, dtype, shape, strides };
    let copies = copy == Some(true) && !was_copied;
    // SAFETY: the producer vouches for the memory as long as it is not given back, and has ordered its work before the
    // stream that it was told.
    py.detach(|| unsafe { borrower.array(values, copies, taken) }).map_err(refused)
}

/// What a device refuses, as DLPack's exception; what it has no memory for, as Python's.
fn refused(error: swath::Error) -> PyErr {
    match error.is_out_of_memory() {
        true => PyMemoryError::new_err(error.to_string()),
        false => PyBufferError::new_err(error.to_string()),
    }
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

/// How the elements of a tensor lie.
struct Layout {
    dtype: DType,
    shape: Vec<usize>,
    strides: Vec<isize>,
}

impl Layout {
    fn of(described: &DlTensor) -> PyResult<Layout> {
        let dtype = dtype_of(&described.dtype)?;
        let ndim = described.ndim as usize;
        // SAFETY: a producer fills as many lengths, and strides or none.
        let lengths = |pointer: *mut i64| unsafe {
            if ndim == 0 { &[] } else { std::slice::from_raw_parts(pointer, ndim) }
        };
        let length = |&len: &i64| {
            let failed = |_| PyValueError::new_err(format!("an axis of {len} elements"));
            usize::try_from(len).map_err(failed)
        };
        let shape: Vec<usize> = lengths(described.shape).iter().map(length).collect::<PyResult<_>>()?;
        swath_array::tensor::count(&shape).py()?;
        let strides: Vec<isize> = match described.strides.is_null() {
            true => swath_array::tensor::row_major(&shape),
            false => lengths(described.strides).iter().map(|&stride| stride as isize).collect(),
        };
        Ok(Layout { dtype, shape, strides })
    }
}

fn empty(dtype: DType, shape: &[usize]) -> PyResult<Tensor> {
    Ok(swath_array::tensor::TensorMut::zeroed(dtype, shape).py()?.freeze())
}

fn describe(described: &DlTensor, taken: Taken) -> PyResult<Tensor> {
    let Layout { dtype, shape, strides } = Layout::of(described)?;
    if shape.contains(&0) {
        return empty(dtype, &shape);
    }
    let pointer = described.data.cast::<u8>().wrapping_add(described.byte_offset as usize);
    let align = if dtype.is_complex() { dtype.size() / 2 } else { dtype.size() };
    if !(pointer as usize).is_multiple_of(align) {
        return Err(PyBufferError::new_err(format!("{dtype} values that are not aligned to their size")));
    }
    // SAFETY: the producer vouches for the memory as long as it is not given back.
    Ok(unsafe { Tensor::from_foreign(pointer, dtype, shape, strides, Box::new(taken)) })
}
