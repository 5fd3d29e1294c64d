//! The simulated cuBLAS: matrix products on host memory, in the order of a stream of the simulated driver.
//!
//! It takes what the real one documents and refuses the rest with the same codes. The library is a file of its own, so
//! it reaches the driver as the real one does: through the functions of whatever calls itself `libcuda.so`.

mod gemm;
mod number;

use std::ffi::{CStr, c_int, c_longlong, c_void};
use std::mem::transmute;

use gemm::{Gemm, Matrix};

/// What the library says that it is: version 12.8.4 of nobody's.
const VERSION: c_int = 120_804;

// `cublasStatus_t`
type Status = c_int;
const SUCCESS: Status = 0;
const NOT_INITIALIZED: Status = 1;
const INVALID_VALUE: Status = 7;
const EXECUTION_FAILED: Status = 13;
const NOT_SUPPORTED: Status = 15;

/// `CUBLAS_COMPUTE_32F`, `CUBLAS_COMPUTE_64F`
const COMPUTE_32F: c_int = 68;
const COMPUTE_64F: c_int = 70;

/// `CUBLAS_GEMM_DEFAULT`
const GEMM_DEFAULT: c_int = -1;

/// The least that a workspace is aligned to.
const WORKSPACE_ALIGNMENT: usize = 256;

/// What a handle points to.
pub struct Context {
    stream: *mut c_void,
    driver: Driver,
}

/// The functions of the driver that are needed.
struct Driver {
    launch_host_function: LaunchHostFunction,
    address_range: AddressRange,
}

type LaunchHostFunction = unsafe extern "C" fn(*mut c_void, extern "C" fn(*mut c_void), *mut c_void) -> c_int;
type AddressRange = unsafe extern "C" fn(*mut u64, *mut usize, u64) -> c_int;
type CurrentDevice = unsafe extern "C" fn(*mut c_int) -> c_int;

impl Driver {
    /// The one that is loaded, if a context is current on this thread.
    fn find() -> Option<Driver> {
        // SAFETY: the functions are of these types in every driver; a driver stays loaded.
        unsafe {
            let library = libc::dlopen(c"libcuda.so".as_ptr(), libc::RTLD_NOW | libc::RTLD_NOLOAD);
            if library.is_null() {
                return None;
            }
            let function = |name: &CStr| {
                let address = libc::dlsym(library, name.as_ptr());
                (!address.is_null()).then_some(address)
            };
            let device = transmute::<*mut c_void, CurrentDevice>(function(c"cuCtxGetDevice")?);
            let mut ordinal = 0;
            if device(&mut ordinal) != 0 {
                return None;
            }
            Some(Driver {
                launch_host_function: transmute::<*mut c_void, LaunchHostFunction>(function(
                    c"cuLaunchHostFunc",
                )?),
                address_range: transmute::<*mut c_void, AddressRange>(function(c"cuMemGetAddressRange_v2")?),
            })
        }
    }

    /// Whether all of a range is one allocation's.
    fn holds(&self, address: usize, bytes: usize) -> bool {
        let (mut start, mut length) = (0u64, 0usize);
        // SAFETY: writes two numbers.
        let status = unsafe { (self.address_range)(&mut start, &mut length, address as u64) };
        status == 0 && address - start as usize + bytes <= length
    }
}

/// # Safety
/// As for the function of the same name in cuBLAS.
#[unsafe(no_mangle)]
#[allow(non_snake_case)]
pub unsafe extern "C" fn cublasCreate_v2(handle: *mut *mut Context) -> Status {
    let Some(driver) = Driver::find() else { return NOT_INITIALIZED };
    let context = Box::new(Context { stream: std::ptr::null_mut(), driver });
    // SAFETY: as promised by the caller.
    unsafe { handle.write(Box::into_raw(context)) };
    SUCCESS
}

/// # Safety
/// As for the function of the same name in cuBLAS.
#[unsafe(no_mangle)]
#[allow(non_snake_case)]
pub unsafe extern "C" fn cublasDestroy_v2(handle: *mut Context) -> Status {
    if handle.is_null() {
        return NOT_INITIALIZED;
    }
    // SAFETY: made by `cublasCreate_v2`, and destroyed once.
    drop(unsafe { Box::from_raw(handle) });
    SUCCESS
}

/// # Safety
/// As for the function of the same name in cuBLAS.
#[unsafe(no_mangle)]
#[allow(non_snake_case)]
pub unsafe extern "C" fn cublasGetVersion_v2(_handle: *mut Context, version: *mut c_int) -> Status {
    // SAFETY: as promised by the caller.
    unsafe { version.write(VERSION) };
    SUCCESS
}

/// # Safety
/// As for the function of the same name in cuBLAS.
#[unsafe(no_mangle)]
#[allow(non_snake_case)]
pub unsafe extern "C" fn cublasSetStream_v2(handle: *mut Context, stream: *mut c_void) -> Status {
    // SAFETY: as promised by the caller.
    match unsafe { handle.as_mut() } {
        Some(context) => {
            context.stream = stream;
            SUCCESS
        }
        None => NOT_INITIALIZED,
    }
}

/// # Safety
/// As for the function of the same name in cuBLAS.
#[unsafe(no_mangle)]
#[allow(non_snake_case)]
pub unsafe extern "C" fn cublasSetMathMode(handle: *mut Context, _mode: c_int) -> Status {
    if handle.is_null() { NOT_INITIALIZED } else { SUCCESS }
}

/// # Safety
/// As for the function of the same name in cuBLAS.
#[unsafe(no_mangle)]
#[allow(non_snake_case)]
pub unsafe extern "C" fn cublasSetWorkspace_v2(
    handle: *mut Context,
    workspace: *mut c_void,
    bytes: usize,
) -> Status {
    // SAFETY: as promised by the caller.
    let Some(context) = (unsafe { handle.as_ref() }) else { return NOT_INITIALIZED };
    let fits = (workspace as usize).is_multiple_of(WORKSPACE_ALIGNMENT)
        && context.driver.holds(workspace as usize, bytes);
    if fits || bytes == 0 { SUCCESS } else { INVALID_VALUE }
}

/// # Safety
/// As for the function of the same name in cuBLAS.
#[unsafe(no_mangle)]
#[allow(non_snake_case, clippy::too_many_arguments)]
pub unsafe extern "C" fn cublasGemmStridedBatchedEx_64(
    handle: *mut Context,
    transa: c_int,
    transb: c_int,
    m: i64,
    n: i64,
    k: i64,
    alpha: *const c_void,
    a: *const c_void,
    a_type: c_int,
    lda: i64,
    a_stride: c_longlong,
    b: *const c_void,
    b_type: c_int,
    ldb: i64,
    b_stride: c_longlong,
    beta: *const c_void,
    c: *mut c_void,
    c_type: c_int,
    ldc: i64,
    c_stride: c_longlong,
    batch: i64,
    compute_type: c_int,
    algorithm: c_int,
) -> Status {
    // SAFETY: as promised by the caller.
    let Some(context) = (unsafe { handle.as_ref() }) else { return NOT_INITIALIZED };
    if [m, n, k, batch].iter().any(|&count| count < 0)
        || ![transa, transb].iter().all(|op| (0..3).contains(op))
    {
        return INVALID_VALUE;
    }
    let size = match number::size(a_type) {
        Some(size) if b_type == a_type && c_type == a_type && algorithm == GEMM_DEFAULT => size,
        _ => return NOT_SUPPORTED,
    };
    if compute_type != if number::is_double(a_type) { COMPUTE_64F } else { COMPUTE_32F } {
        return NOT_SUPPORTED;
    }
    if alpha.is_null() || beta.is_null() {
        return INVALID_VALUE;
    }
    let matrix = |address: *const c_void, op: c_int, rows: i64, columns: i64, leading, stride| {
        let (rows, columns) = if op == 0 { (rows, columns) } else { (columns, rows) };
        Matrix { address: address as usize, op, rows, columns, leading, stride }
    };
    let a = matrix(a, transa, m, k, lda, a_stride);
    let b = matrix(b, transb, k, n, ldb, b_stride);
    let c = matrix(c, 0, m, n, ldc, c_stride);
    if [&a, &b, &c].iter().any(|matrix| matrix.leading < matrix.rows.max(1)) {
        return INVALID_VALUE;
    }
    if m == 0 || n == 0 || batch == 0 {
        return SUCCESS;
    }
    let is_there = |matrix: &Matrix| {
        let (first, bytes) = matrix.span(batch, size);
        matrix.address.is_multiple_of(size) && (bytes == 0 || context.driver.holds(first, bytes))
    };
    if ![&a, &b, &c].into_iter().all(is_there) {
        eprintln!("cudasim: a product of {m}, {n} and {k} reads or writes outside of an allocation");
        return INVALID_VALUE;
    }
    // SAFETY: both are of the type that the compute type says.
    let (alpha, beta) = unsafe { (number::scale(alpha, a_type), number::scale(beta, a_type)) };
    let gemm = Box::new(Gemm { kind: a_type, m, n, k, batch, a, b, c, alpha, beta });
    let data = Box::into_raw(gemm).cast();
    // SAFETY: the function takes the box back, once.
    match unsafe { (context.driver.launch_host_function)(context.stream, gemm::run, data) } {
        0 => SUCCESS,
        _ => EXECUTION_FAILED,
    }
}
