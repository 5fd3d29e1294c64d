//! The simulated cuSOLVER: factorizations of dense matrices.

mod cholesky;
mod eigen;
mod lu;
mod qr;
mod svd;

use std::ffi::{c_int, c_void};

use super::factorization::lu::Operation;
use super::matrix::Place;
use super::number::{C_32F, C_64F, R_32F, R_64F};
use super::{Driver, Outcome, Refusal, SCRIBBLE, Span, Status, math_api};

/// What the library says that it is: version 11.7.2 of nobody's.
const VERSION: c_int = 11_702;

// `cusolverStatus_t`
const NOT_INITIALIZED: Status = 1;
const INVALID_VALUE: Status = 3;
const EXECUTION_FAILED: Status = 6;
const NOT_SUPPORTED: Status = 9;

/// What every work area has besides, so that none is empty.
const WORK_BYTES_LEAST: usize = 256;
/// What the address of a work area in device memory is a multiple of.
const WORK_ALIGNMENT: usize = 16;

/// What a handle points to.
pub struct Context {
    stream: *mut c_void,
    driver: Driver,
}

/// What calls are told besides; nothing.
pub struct Params;

/// The part of a Hermitian matrix that is there: `cublasFillMode_t`.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Triangle {
    Lower,
    Upper,
}

/// The bytes of the two work areas that a call needs.
#[derive(Clone, Copy)]
struct Need {
    device: usize,
    host: usize,
}

/// The work areas that a call was given.
#[derive(Clone, Copy)]
struct Work {
    device: Span,
    host: usize,
    host_bytes: usize,
}

impl Context {
    /// # Safety
    /// A handle must be null or live.
    unsafe fn of<'a>(handle: *const Context) -> Outcome<&'a Context> {
        // SAFETY: as promised by the caller.
        unsafe { handle.as_ref() }.ok_or(NOT_INITIALIZED)
    }

    /// As [`of`](Context::of), for calls that take parameters.
    ///
    /// # Safety
    /// As there.
    unsafe fn with_params<'a>(handle: *const Context, params: *const Params) -> Outcome<&'a Context> {
        // SAFETY: as promised by the caller.
        let context = unsafe { Context::of(handle) }?;
        if params.is_null() { Err(INVALID_VALUE) } else { Ok(context) }
    }

    /// Enqueues work whose operands lie apart.
    fn enqueue(&self, function: &'static str, operands: Vec<Span>, run: impl FnOnce() + 'static) -> Outcome {
        for (number, operand) in operands.iter().enumerate() {
            if let Some(other) = operands[..number].iter().find(|other| other.overlaps(operand)) {
                eprintln!("cudasim: {function}: {} and {} overlap", other.name, operand.name);
                return Err(INVALID_VALUE);
            }
        }
        self.driver.enqueue(self.stream, function, operands, run).map_err(|refusal| match refusal {
            Refusal::Operand => INVALID_VALUE,
            Refusal::Driver => EXECUTION_FAILED,
        })
    }

    /// The work areas of a call, which must be large enough, each in its memory.
    fn work(
        &self,
        function: &str,
        need: Need,
        (device, device_bytes): (*mut c_void, usize),
        (host, host_bytes): (*mut c_void, usize),
    ) -> Outcome<Work> {
        if device_bytes < need.device || host_bytes < need.host {
            eprintln!(
                "cudasim: {function}: work areas of {device_bytes} bytes on the device and {host_bytes} on the \
                 host, where {} and {} are needed",
                need.device, need.host
            );
            return Err(INVALID_VALUE);
        }
        if host_bytes > 0 && (host.is_null() || self.driver.holds(host as usize, 1)) {
            eprintln!("cudasim: {function}: the host's work area at {host:?} is not in the host's memory");
            return Err(INVALID_VALUE);
        }
        let (name, alignment) = ("the work area", WORK_ALIGNMENT);
        let device = Span { name, address: device as usize, bytes: device_bytes, alignment };
        Ok(Work { device, host: host as usize, host_bytes })
    }
}

impl Need {
    /// What a function needs that takes matrices, with so many bytes on the host.
    fn of(matrices: &[Place], host: usize) -> Need {
        let bytes = |matrix: &Place| matrix.span("").bytes;
        let device = matrices.iter().map(bytes).fold(WORK_BYTES_LEAST, usize::saturating_add);
        Need { device, host }
    }

    /// # Safety
    /// Both must be writable.
    unsafe fn write(self, device: *mut usize, host: *mut usize) {
        // SAFETY: as promised by the caller.
        unsafe {
            device.write(self.device);
            host.write(self.host);
        }
    }
}

impl Work {
    /// Spoils what is there.
    ///
    /// # Safety
    /// The areas must be nobody else's.
    unsafe fn scribble(&self) {
        // SAFETY: as promised by the caller.
        unsafe {
            std::ptr::write_bytes(self.device.address as *mut u8, SCRIBBLE, self.device.bytes);
            if self.host_bytes > 0 {
                std::ptr::write_bytes(self.host as *mut u8, SCRIBBLE, self.host_bytes);
            }
        }
    }
}

/// Refuses types that there are no factorizations of, and computing in other ones.
fn check_types(kind: c_int, same: &[c_int]) -> Outcome {
    let is_known = [R_32F, R_64F, C_32F, C_64F].contains(&kind);
    if is_known && same.iter().all(|&other| other == kind) { Ok(()) } else { Err(INVALID_VALUE) }
}

fn is_complex(kind: c_int) -> bool {
    matches!(kind, C_32F | C_64F)
}

/// The type of a complex number's parts.
fn real(kind: c_int) -> c_int {
    if matches!(kind, R_32F | C_32F) { R_32F } else { R_64F }
}

fn matrix<T>(address: *const T, kind: c_int, rows: i64, columns: i64, leading: i64) -> Outcome<Place> {
    Place::new(address as usize, kind, rows, columns, leading).ok_or(INVALID_VALUE)
}

fn count(value: i64) -> Outcome<usize> {
    usize::try_from(value).map_err(|_| INVALID_VALUE)
}

fn triangle(code: c_int) -> Outcome<Triangle> {
    match code {
        0 => Ok(Triangle::Lower),
        1 => Ok(Triangle::Upper),
        _ => Err(INVALID_VALUE),
    }
}

/// `cublasOperation_t`
fn operation(code: c_int) -> Outcome<Operation> {
    match code {
        0 => Ok(Operation::None),
        1 => Ok(Operation::Transpose),
        2 => Ok(Operation::ConjugateTranspose),
        _ => Err(INVALID_VALUE),
    }
}

math_api! {
    fn cusolverDnCreate(handle: *mut *mut Context) {
        let driver = Driver::find().ok_or(NOT_INITIALIZED)?;
        handle.write(Box::into_raw(Box::new(Context { stream: std::ptr::null_mut(), driver })));
    }

    fn cusolverDnDestroy(handle: *mut Context) {
        Context::of(handle)?;
        // Made by `cusolverDnCreate`, and destroyed once.
        drop(Box::from_raw(handle));
    }

    fn cusolverDnSetStream(handle: *mut Context, stream: *mut c_void) {
        handle.as_mut().ok_or(NOT_INITIALIZED)?.stream = stream;
    }

    fn cusolverDnCreateParams(params: *mut *mut Params) {
        params.write(Box::into_raw(Box::new(Params)));
    }

    fn cusolverDnDestroyParams(params: *mut Params) {
        if params.is_null() {
            return Err(INVALID_VALUE);
        }
        // Made by `cusolverDnCreateParams`, and destroyed once.
        drop(Box::from_raw(params));
    }

    fn cusolverGetVersion(version: *mut c_int) {
        version.write(VERSION);
    }
}
