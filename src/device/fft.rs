//! cuFFT: Fourier transforms by NVIDIA's library, where it is installed.
//!
//! As with cuBLAS, only the calling conventions are tested, on a simulated library: the real one has not run.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;

use cudarc::cufft::sys::{self, cufftResult_t as Status, cufftType_t as Type};

use super::buffer::DeviceBuffer;
use super::math_library::MathLibrary;
use super::stream::Stream;
use crate::{Error, Result};

/// Plans that are kept: each holds tables on the device, and takes milliseconds to make.
const PLANS_MAX: usize = 8;

/// Bytes that complex numbers, and reals that are taken two by two, have to be aligned to for cuFFT.
pub const FFT_ALIGNMENT: u64 = 16;

/// What is transformed to what, along rows without gaps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FftKind {
    /// Complex to complex.
    Forward,
    /// As [`Forward`](FftKind::Forward), the other way; divided by nothing.
    Inverse,
    /// Reals to the first half of what is Hermitian: n/2 + 1 complex numbers.
    RealToComplex,
    /// The first half of what is Hermitian to reals. The input is overwritten.
    ComplexToReal,
}

/// Transforms of rows of n points.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FftRows {
    pub kind: FftKind,
    pub is_double: bool,
    pub points: usize,
    pub rows: usize,
}

/// cuFFT on one stream, with the plans that were made; used by one thread.
pub struct Fft {
    stream: Arc<Stream>,
    version: i32,
    /// The least recently used first.
    plans: VecDeque<Plan>,
}

struct Plan {
    kind: Type,
    points: usize,
    rows: usize,
    handle: sys::cufftHandle,
    workspace_bytes: usize,
}

impl Fft {
    /// Starts the library for a stream.
    ///
    /// # Errors
    /// `unsupported` where there is no library that can be used with this driver.
    pub fn open(stream: &Arc<Stream>) -> Result<Fft> {
        MathLibrary::Cufft.load(stream.device().info().is_simulated())?;
        let mut version = 0;
        // SAFETY: the library is loaded and has the function; writes one number.
        check("cufftGetVersion", unsafe { sys::cufftGetVersion(&mut version) })
            .map_err(|error| Error::unsupported(format!("cuFFT does not start: {error}")))?;
        Ok(Fft { stream: Arc::clone(stream), version, plans: VecDeque::new() })
    }

    /// Bytes of workspace that transforms take; makes the plan for them.
    ///
    /// # Errors
    /// `unsupported` for sizes that the library does not take; out of memory for its tables.
    pub fn workspace_bytes(&mut self, rows: &FftRows) -> Result<usize> {
        Ok(self.plan(rows)?.workspace_bytes)
    }

    /// The plan for these transforms, which then is the most recently used.
    fn plan(&mut self, rows: &FftRows) -> Result<&Plan> {
        let kind = type_of(rows);
        let is_it = |plan: &Plan| (plan.kind, plan.points, plan.rows) == (kind, rows.points, rows.rows);
        let plan = match self.plans.iter().position(is_it).and_then(|place| self.plans.remove(place)) {
            Some(plan) => plan,
            None => self.make(kind, rows)?,
        };
        while self.plans.len() >= PLANS_MAX
            && let Some(oldest) = self.plans.pop_front()
        {
            // What it may still be doing is done first.
            self.stream.synchronize()?;
            self.destroy(&oldest);
        }
        self.plans.push_back(plan);
        self.plans.back().ok_or_else(|| Error::bug("a plan that was just kept is gone"))
    }

    fn make(&self, kind: Type, rows: &FftRows) -> Result<Plan> {
        let mut plan = Plan { kind, points: rows.points, rows: rows.rows, handle: 0, workspace_bytes: 0 };
        // SAFETY: writes one handle.
        check("cufftCreate", unsafe { sys::cufftCreate(&mut plan.handle) })?;
        self.set_up(&mut plan).inspect_err(|_| self.destroy(&plan))?;
        Ok(plan)
    }

    fn set_up(&self, plan: &mut Plan) -> Result<()> {
        let mut points = plan.points as i64;
        let none = std::ptr::null_mut;
        // SAFETY: the handle lives; without embedding lengths rows lie one after the other, whatever the distances say.
        unsafe {
            check("cufftSetAutoAllocation", sys::cufftSetAutoAllocation(plan.handle, 0))?;
            let status = sys::cufftMakePlanMany64(
                plan.handle,
                1,
                &mut points,
                none(),
                1,
                0,
                none(),
                1,
                0,
                plan.kind,
                plan.rows as i64,
                &mut plan.workspace_bytes,
            );
            check("cufftMakePlanMany64", status)
                .map_err(|error| error.context(format!("{} rows of {} points", plan.rows, plan.points)))?;
            check("cufftSetStream", sys::cufftSetStream(plan.handle, self.stream.raw().cast()))
        }
    }

    fn destroy(&self, plan: &Plan) {
        // What a plan of a context that ended had is gone with that.
        self.stream.device().release(|| {
            // SAFETY: made by `make`, destroyed once, in a context that lives.
            unsafe { sys::cufftDestroy(plan.handle) };
        });
    }

    /// Enqueues transforms of rows at `input` into rows at `output`; addresses are multiples of [`FFT_ALIGNMENT`].
    ///
    /// # Safety
    /// Both must lie in memory of the stream's device that nothing else writes, as much of it as the rows take, and
    /// `workspace` must be as large as was asked for; all must stay until the stream is done with the transforms.
    ///
    /// # Errors
    /// As [`workspace_bytes`](Fft::workspace_bytes); `device` for a fault.
    pub unsafe fn transform(
        &mut self,
        rows: &FftRows,
        input: u64,
        output: u64,
        workspace: &DeviceBuffer,
    ) -> Result<()> {
        let plan = self.plan(rows)?.handle;
        let from = |address: u64| std::ptr::without_provenance_mut::<std::ffi::c_void>(address as usize);
        let (input, output) = (from(input), from(output));
        let direction = if rows.kind == FftKind::Inverse { 1 } else { -1 };
        // SAFETY: the plan lives, and is of this type; the caller vouches for the memory.
        unsafe {
            check("cufftSetWorkArea", sys::cufftSetWorkArea(plan, from(workspace.address())))?;
            let status = match type_of(rows) {
                Type::CUFFT_C2C => sys::cufftExecC2C(plan, input.cast(), output.cast(), direction),
                Type::CUFFT_Z2Z => sys::cufftExecZ2Z(plan, input.cast(), output.cast(), direction),
                Type::CUFFT_R2C => sys::cufftExecR2C(plan, input.cast(), output.cast()),
                Type::CUFFT_D2Z => sys::cufftExecD2Z(plan, input.cast(), output.cast()),
                Type::CUFFT_C2R => sys::cufftExecC2R(plan, input.cast(), output.cast()),
                Type::CUFFT_Z2D => sys::cufftExecZ2D(plan, input.cast(), output.cast()),
            };
            check("cufftExec", status)
        }
    }
}

fn type_of(rows: &FftRows) -> Type {
    match (rows.kind, rows.is_double) {
        (FftKind::Forward | FftKind::Inverse, false) => Type::CUFFT_C2C,
        (FftKind::Forward | FftKind::Inverse, true) => Type::CUFFT_Z2Z,
        (FftKind::RealToComplex, false) => Type::CUFFT_R2C,
        (FftKind::RealToComplex, true) => Type::CUFFT_D2Z,
        (FftKind::ComplexToReal, false) => Type::CUFFT_C2R,
        (FftKind::ComplexToReal, true) => Type::CUFFT_Z2D,
    }
}

/// `cuFFT 11.4.1`.
impl fmt::Display for Fft {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let version = self.version;
        write!(f, "cuFFT {}.{}.{}", version / 1000, version / 100 % 10, version % 100)
    }
}

impl fmt::Debug for Fft {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl Drop for Fft {
    fn drop(&mut self) {
        while let Some(plan) = self.plans.pop_front() {
            self.destroy(&plan);
        }
    }
}

/// A result code as an error that names `call`.
fn check(call: &str, status: Status) -> Result<()> {
    let message = || format!("{call}: {status:?}");
    match status {
        Status::CUFFT_SUCCESS => Ok(()),
        Status::CUFFT_ALLOC_FAILED => Err(Error::out_of_memory(message())),
        Status::CUFFT_INVALID_SIZE
        | Status::CUFFT_SETUP_FAILED
        | Status::CUFFT_NOT_IMPLEMENTED
        | Status::CUFFT_NOT_SUPPORTED => Err(Error::unsupported(message())),
        Status::CUFFT_INVALID_PLAN
        | Status::CUFFT_INVALID_TYPE
        | Status::CUFFT_INVALID_VALUE
        | Status::CUFFT_UNALIGNED_DATA => Err(Error::bug(message())),
        _ => Err(Error::device(message())),
    }
}
