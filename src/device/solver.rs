//! cuSOLVER: factorizations of dense matrices by NVIDIA's library, where it is installed.
//!
//! As with cuBLAS, only the calling conventions are tested, on a simulated library: the real one has not run.

use std::ffi::c_void;
use std::fmt;
use std::sync::Arc;

use cudarc::cusolver::sys::{
    self, cublasFillMode_t as Fill, cublasOperation_t as Operation, cudaDataType_t as Type,
    cusolverEigMode_t as EigMode, cusolverStatus_t as Status,
};

use super::buffer::DeviceBuffer;
use super::math_library::MathLibrary;
use super::stream::Stream;
use crate::{Error, Result};

/// The numbers of a matrix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SolverType {
    F32,
    F64,
    C64,
    C128,
}

/// What is made of one matrix, or of many small ones. Matrices lie column by column without gaps; members that are named like one are addresses.
#[derive(Clone, Copy, Debug)]
pub enum SolverStep {
    /// a [n, n] → its Cholesky factor in the triangle that is read; the other one stays.
    Cholesky { n: usize, upper: bool, a: u64 },
    /// a [n, n] → L below the diagonal and U on and above, rows exchanged by `pivots` ([n], `int64`, counted from 1).
    Lu { n: usize, a: u64, pivots: u64 },
    /// What [`Lu`](SolverStep::Lu) left, b [n, columns] → the solution in `b`'s place.
    LuSolve { n: usize, columns: usize, lu: u64, pivots: u64, b: u64 },
    /// a [rows, columns] → R on and above the diagonal, reflections below, their factors in `tau` [min(rows, columns)].
    Qr { rows: usize, columns: usize, a: u64, tau: u64 },
    /// The first columns of a [rows, columns] with as many reflections as `Qr` left → the first columns of Q, in their place.
    QrBasis { rows: usize, columns: usize, reflections: usize, a: u64, tau: u64 },
    /// Hermitian a [n, n], of which the lower triangle is read → values [n], ascending, and the vectors, where they are
    /// wanted, in `a`'s place.
    Eigen { n: usize, vectors: bool, a: u64, values: u64 },
    /// a [rows, columns], rows ≥ columns → s [columns], descending, and where wanted u and vh. `a` is destroyed.
    Svd { rows: usize, columns: usize, a: u64, s: u64, vectors: SvdVectors },
    /// As [`Cholesky`](SolverStep::Cholesky), of `count` matrices, whose addresses lie in `matrices`, in one kernel.
    CholeskyBatch { n: usize, upper: bool, count: usize, matrices: u64 },
    /// As [`Eigen`](SolverStep::Eigen), of `count` matrices that lie one after the other, as their values do.
    EigenBatch { n: usize, count: usize, vectors: bool, a: u64, values: u64 },
}

/// What a singular value decomposition gives beside the values.
#[derive(Clone, Copy, Debug)]
pub enum SvdVectors {
    None,
    /// u [rows, columns], vh [columns, columns]; or u [rows, rows] when full.
    Both {
        full: bool,
        u: u64,
        vh: u64,
    },
}

/// Scratch that a step takes.
#[derive(Clone, Copy, Debug, Default)]
pub struct SolverWorkspace {
    pub device_bytes: usize,
    pub host_bytes: usize,
}

/// A handle of the library. It works in the order of one stream, and is used by one thread.
pub struct Solver {
    handle: sys::cusolverDnHandle_t,
    params: sys::cusolverDnParams_t,
    stream: Arc<Stream>,
    version: i32,
    has_eigen_batch: bool,
}

/// Types as the library counts them: of a matrix, and of its singular values.
struct Types {
    matrix: Type,
    real: Type,
}

impl SolverType {
    fn types(self) -> Types {
        match self {
            SolverType::F32 => Types { matrix: Type::CUDA_R_32F, real: Type::CUDA_R_32F },
            SolverType::F64 => Types { matrix: Type::CUDA_R_64F, real: Type::CUDA_R_64F },
            SolverType::C64 => Types { matrix: Type::CUDA_C_32F, real: Type::CUDA_R_32F },
            SolverType::C128 => Types { matrix: Type::CUDA_C_64F, real: Type::CUDA_R_64F },
        }
    }

    fn size(self) -> usize {
        match self {
            SolverType::F32 => 4,
            SolverType::F64 | SolverType::C64 => 8,
            SolverType::C128 => 16,
        }
    }
}

impl Solver {
    /// Starts the library for a stream, whose context must be current.
    ///
    /// # Errors
    /// `unsupported` where there is no library that can be used with this driver.
    pub fn open(stream: &Arc<Stream>) -> Result<Solver> {
        MathLibrary::Cusolver.load(stream.device().info().is_simulated())?;
        let mut solver = Solver {
            handle: std::ptr::null_mut(),
            params: std::ptr::null_mut(),
            stream: Arc::clone(stream),
            version: 0,
            has_eigen_batch: MathLibrary::Cusolver.has("cusolverDnXsyevBatched")
                && MathLibrary::Cusolver.has("cusolverDnXsyevBatched_bufferSize"),
        };
        // SAFETY: the library is loaded and has the functions; each handle is written once and destroyed in `drop`. The
        // stream is of the context that they are made in.
        unsafe {
            check("cusolverDnCreate", sys::cusolverDnCreate(&mut solver.handle))
                .map_err(|error| Error::unsupported(format!("cuSOLVER does not start: {error}")))?;
            check("cusolverDnCreateParams", sys::cusolverDnCreateParams(&mut solver.params))?;
            check("cusolverGetVersion", sys::cusolverGetVersion(&mut solver.version))?;
            check("cusolverDnSetStream", sys::cusolverDnSetStream(solver.handle, stream.raw().cast()))?;
        }
        Ok(solver)
    }

    /// Whether the library knows [`SolverStep::EigenBatch`]: that of CUDA 12.6 and later does.
    pub fn has_eigen_batch(&self) -> bool {
        self.has_eigen_batch
    }

    /// The scratch that a step takes; what it depends on are shapes alone.
    ///
    /// # Errors
    /// `unsupported` for shapes that the library does not take.
    pub fn workspace(&self, numbers: SolverType, step: &SolverStep) -> Result<SolverWorkspace> {
        let mut need = SolverWorkspace::default();
        // SAFETY: sizes are written before the call returns, and matrices are not read.
        unsafe { self.call(numbers, step, &mut Call::Size(&mut need)) }?;
        Ok(need)
    }

    /// Enqueues a step; `info`, an `int32` for each matrix, becomes 0, or what LAPACK's function of that name says of it.
    ///
    /// The same step by the same library on the same kind of device gives the same bits.
    ///
    /// # Safety
    /// Matrices and `info` must lie in memory of the stream's device that nothing else uses, as much of it as the shapes
    /// take; `device` and `host` must be as large as [`workspace`](Solver::workspace) says. All must stay until the stream
    /// is done with the step.
    ///
    /// # Errors
    /// As [`workspace`](Solver::workspace); `device` for a fault.
    pub unsafe fn run(
        &self,
        numbers: SolverType,
        step: &SolverStep,
        device: &DeviceBuffer,
        host: &mut [u8],
        info: u64,
    ) -> Result<()> {
        // SAFETY: as promised by the caller.
        unsafe { self.call(numbers, step, &mut Call::Run { device, host, info: at(info).cast() }) }
    }

    /// # Safety
    /// To run, as for [`run`](Solver::run).
    unsafe fn call(&self, numbers: SolverType, step: &SolverStep, call: &mut Call<'_>) -> Result<()> {
        let (handle, params) = (self.handle, self.params);
        let Types { matrix, real } = numbers.types();
        // The functions with types as arguments: `size` and `run` take the same, then where to write what it takes, or what
        // it takes, and then what is behind the semicolon.
        macro_rules! generic {
            ($size:ident, $run:ident, $($argument:expr),*; $($last:expr),*) => {
                generic!($size, ($($argument),*), $run, ($($argument),*); $($last),*)
            };
            ($size:ident, ($($sized:expr),*), $run:ident, ($($ran:expr),*); $($last:expr),*) => {
                match call {
                    Call::Size(need) => check(stringify!($size), sys::$size(
                        handle, params, $($sized,)* &mut need.device_bytes, &mut need.host_bytes, $($last),*
                    )),
                    Call::Run { device, host, info } => check(stringify!($run), sys::$run(
                        handle, params, $($ran,)* at(device.address()), device.len(), host.as_mut_ptr().cast(),
                        host.len(), *info, $($last),*
                    )),
                }
            };
        }
        // SAFETY: the handles live; for the rest the caller vouches.
        unsafe {
            match *step {
                SolverStep::Cholesky { n, upper, a } => {
                    let n = n as i64;
                    generic!(
                        cusolverDnXpotrf_bufferSize, cusolverDnXpotrf,
                        triangle(upper), n, matrix, at(a), n, matrix;
                    )
                }
                SolverStep::Lu { n, a, pivots } => {
                    let n = n as i64;
                    generic!(
                        cusolverDnXgetrf_bufferSize, (n, n, matrix, at(a), n, matrix),
                        cusolverDnXgetrf, (n, n, matrix, at(a), n, at(pivots).cast(), matrix);
                    )
                }
                SolverStep::LuSolve { n, columns, lu, pivots, b } => {
                    let Call::Run { info, .. } = call else { return Ok(()) };
                    let (n, columns) = (n as i64, columns as i64);
                    let (lu, pivots, b) = (at(lu), at(pivots).cast(), at(b));
                    let op = Operation::CUBLAS_OP_N;
                    let status = sys::cusolverDnXgetrs(
                        handle, params, op, n, columns, matrix, lu, n, pivots, matrix, b, n, *info,
                    );
                    check("cusolverDnXgetrs", status)
                }
                SolverStep::Qr { rows, columns, a, tau } => {
                    let (rows, columns) = (rows as i64, columns as i64);
                    generic!(
                        cusolverDnXgeqrf_bufferSize, cusolverDnXgeqrf,
                        rows, columns, matrix, at(a), rows, matrix, at(tau), matrix;
                    )
                }
                SolverStep::QrBasis { rows, columns, reflections, a, tau } => {
                    let [m, n, k] = narrow([rows, columns, reflections])?;
                    let size = numbers.size();
                    macro_rules! basis {
                        ($size:ident, $run:ident) => {
                            match call {
                                Call::Size(need) => {
                                    let mut elements = 0;
                                    let (a, tau) = (at(a).cast(), at(tau).cast());
                                    let status = sys::$size(handle, m, n, k, a, m, tau, &mut elements);
                                    need.device_bytes = elements.max(0) as usize * size;
                                    check(stringify!($size), status)
                                }
                                Call::Run { device, info, .. } => {
                                    let elements = i32::try_from(device.len() / size).unwrap_or(i32::MAX);
                                    let (a, tau, scratch) =
                                        (at(a).cast(), at(tau).cast(), at(device.address()).cast());
                                    let status =
                                        sys::$run(handle, m, n, k, a, m, tau, scratch, elements, *info);
                                    check(stringify!($run), status)
                                }
                            }
                        };
                    }
                    match numbers {
                        SolverType::F32 => basis!(cusolverDnSorgqr_bufferSize, cusolverDnSorgqr),
                        SolverType::F64 => basis!(cusolverDnDorgqr_bufferSize, cusolverDnDorgqr),
                        SolverType::C64 => basis!(cusolverDnCungqr_bufferSize, cusolverDnCungqr),
                        SolverType::C128 => basis!(cusolverDnZungqr_bufferSize, cusolverDnZungqr),
                    }
                }
                SolverStep::Eigen { n, vectors, a, values } => {
                    let n = n as i64;
                    generic!(
                        cusolverDnXsyevd_bufferSize, cusolverDnXsyevd,
                        eigen_mode(vectors), triangle(false), n, matrix, at(a), n, real, at(values), matrix;
                    )
                }
                SolverStep::Svd { rows, columns, a, s, vectors } => {
                    let (rows, columns) = (rows as i64, columns as i64);
                    let Vectors { job, u, vh } = Vectors::of(vectors);
                    generic!(
                        cusolverDnXgesvd_bufferSize, cusolverDnXgesvd,
                        job, job, rows, columns, matrix, at(a), rows, real, at(s), matrix, at(u), rows, matrix,
                        at(vh), columns, matrix;
                    )
                }
                SolverStep::CholeskyBatch { n, upper, count, matrices } => {
                    let Call::Run { info, .. } = call else { return Ok(()) };
                    let [n, count, _] = narrow([n, count, 0])?;
                    macro_rules! batch {
                        ($run:ident) => {{
                            let matrices = at(matrices).cast();
                            let status = sys::$run(handle, triangle(upper), n, matrices, n, *info, count);
                            check(stringify!($run), status)
                        }};
                    }
                    match numbers {
                        SolverType::F32 => batch!(cusolverDnSpotrfBatched),
                        SolverType::F64 => batch!(cusolverDnDpotrfBatched),
                        SolverType::C64 => batch!(cusolverDnCpotrfBatched),
                        SolverType::C128 => batch!(cusolverDnZpotrfBatched),
                    }
                }
                SolverStep::EigenBatch { n, count, vectors, a, values } => {
                    let n = n as i64;
                    generic!(
                        cusolverDnXsyevBatched_bufferSize, cusolverDnXsyevBatched,
                        eigen_mode(vectors), triangle(false), n, matrix, at(a), n, real, at(values), matrix;
                        count as i64
                    )
                }
            }
        }
    }
}

/// What a step is asked for.
enum Call<'a> {
    /// What it takes.
    Size(&'a mut SolverWorkspace),
    Run {
        device: &'a DeviceBuffer,
        host: &'a mut [u8],
        info: *mut i32,
    },
}

/// Singular vectors as the library is asked for them.
struct Vectors {
    job: i8,
    u: u64,
    vh: u64,
}

impl Vectors {
    fn of(vectors: SvdVectors) -> Vectors {
        match vectors {
            SvdVectors::None => Vectors { job: b'N' as i8, u: 0, vh: 0 },
            SvdVectors::Both { full, u, vh } => Vectors { job: if full { b'A' } else { b'S' } as i8, u, vh },
        }
    }
}

fn triangle(upper: bool) -> Fill {
    if upper { Fill::CUBLAS_FILL_MODE_UPPER } else { Fill::CUBLAS_FILL_MODE_LOWER }
}

fn eigen_mode(vectors: bool) -> EigMode {
    if vectors { EigMode::CUSOLVER_EIG_MODE_VECTOR } else { EigMode::CUSOLVER_EIG_MODE_NOVECTOR }
}

fn at(address: u64) -> *mut c_void {
    std::ptr::without_provenance_mut(address as usize)
}

/// Lengths as the older functions take them.
fn narrow(lengths: [usize; 3]) -> Result<[i32; 3]> {
    let mut narrow = [0; 3];
    for (to, from) in narrow.iter_mut().zip(lengths) {
        *to = i32::try_from(from).map_err(|_| {
            Error::unsupported(format!("a matrix with a side of {from} is too large for cuSOLVER"))
        })?;
    }
    Ok(narrow)
}

/// `cuSOLVER 11.7.2`.
impl fmt::Display for Solver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let version = self.version;
        write!(f, "cuSOLVER {}.{}.{}", version / 1000, version / 100 % 10, version % 100)
    }
}

impl fmt::Debug for Solver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl Drop for Solver {
    fn drop(&mut self) {
        // What handles of a context that ended had is gone with that.
        self.stream.device().release(|| {
            // SAFETY: made in `open`, destroyed once, in a context that lives.
            unsafe {
                if !self.params.is_null() {
                    sys::cusolverDnDestroyParams(self.params);
                }
                if !self.handle.is_null() {
                    sys::cusolverDnDestroy(self.handle);
                }
            }
        });
    }
}

/// A result code as an error that names `call`.
fn check(call: &str, status: Status) -> Result<()> {
    let message = || format!("{call}: {status:?}");
    match status {
        Status::CUSOLVER_STATUS_SUCCESS => Ok(()),
        Status::CUSOLVER_STATUS_ALLOC_FAILED => Err(Error::out_of_memory(message())),
        Status::CUSOLVER_STATUS_INVALID_VALUE | Status::CUSOLVER_STATUS_INVALID_WORKSPACE => {
            Err(Error::bug(message()))
        }
        Status::CUSOLVER_STATUS_NOT_INITIALIZED
        | Status::CUSOLVER_STATUS_ARCH_MISMATCH
        | Status::CUSOLVER_STATUS_NOT_SUPPORTED
        | Status::CUSOLVER_STATUS_MATRIX_TYPE_NOT_SUPPORTED
        | Status::CUSOLVER_STATUS_INVALID_LICENSE => Err(Error::unsupported(message())),
        _ => Err(Error::device(message())),
    }
}
