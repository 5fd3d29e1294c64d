//! Result codes of the driver, made into errors.

use std::ffi::CStr;

use cudarc::driver::sys::{self, CUresult};

use crate::{Error, Result};

/// Answers `Ok` for success and otherwise an error of the right kind that names `call`.
///
/// Running out of memory is [`Error::out_of_memory`]; what only a wrong call of ours can cause is [`Error::bug`]; what
/// the device or this driver cannot do, code that it does not take included, is [`Error::unsupported`]; everything else
/// is [`Error::device`], the class after which the worker looks whether its context still lives.
pub(super) fn check(call: &str, result: CUresult) -> Result<()> {
    if result == CUresult::CUDA_SUCCESS {
        return Ok(());
    }
    let message = format!("{call}: {}", describe(result));
    Err(match result {
        CUresult::CUDA_ERROR_OUT_OF_MEMORY => Error::out_of_memory(message),
        CUresult::CUDA_ERROR_INVALID_VALUE
        | CUresult::CUDA_ERROR_INVALID_HANDLE
        | CUresult::CUDA_ERROR_NOT_INITIALIZED
        | CUresult::CUDA_ERROR_NOT_FOUND => Error::bug(message),
        CUresult::CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES
        | CUresult::CUDA_ERROR_NOT_SUPPORTED
        | CUresult::CUDA_ERROR_INVALID_IMAGE
        | CUresult::CUDA_ERROR_INVALID_PTX
        | CUresult::CUDA_ERROR_NO_BINARY_FOR_GPU
        | CUresult::CUDA_ERROR_UNSUPPORTED_PTX_VERSION
        | CUresult::CUDA_ERROR_JIT_COMPILER_NOT_FOUND => Error::unsupported(message),
        _ => Error::device(message),
    })
}

/// Returns the name and the driver's own sentence for a result code.
fn describe(result: CUresult) -> String {
    let mut text = std::ptr::null();
    // SAFETY: the driver is loaded, or there would be no result; it answers a static string or leaves null.
    let known =
        unsafe { sys::cuGetErrorString(result, &mut text) } == CUresult::CUDA_SUCCESS && !text.is_null();
    match known {
        // SAFETY: not null, and static and NUL-terminated as the driver promises.
        true => format!("{} ({result:?})", unsafe { CStr::from_ptr(text) }.to_string_lossy()),
        false => format!("{result:?}"),
    }
}
