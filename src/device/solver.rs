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
        let (device, host) = (&raw mut need.device_bytes, &raw mut need.host_bytes);
        let (handle, params) = (self.handle, self.params);
        let Types { matrix, real } = numbers.types();
        // SAFETY: the handles live; sizes are written before the call returns, matrices are not read.
        unsafe {
            match *step {
                SolverStep::Cholesky { n, upper, a } => check(
                    "cusolverDnXpotrf_bufferSize",
                    sys::cusolverDnXpotrf_bufferSize(
                        handle,
                        params,
                        triangle(upper),
                        n as i64,
                        matrix,
                        at(a),
                        n as i64,
                        matrix,
                        device,
                        host,
                    ),
                )?,
                SolverStep::Lu { n, a, .. } => check(
                    "cusolverDnXgetrf_bufferSize",
                    sys::cusolverDnXgetrf_bufferSize(
                        handle,
                        params,
                        n as i64,
                        n as i64,
                        matrix,
                        at(a),
                        n as i64,
                        matrix,
                        device,
                        host,
                    ),
                )?,
                SolverStep::LuSolve { .. } | SolverStep::CholeskyBatch { .. } => {}
                SolverStep::EigenBatch { n, count, vectors, a, values } => check(
                    "cusolverDnXsyevBatched_bufferSize",
                    sys::cusolverDnXsyevBatched_bufferSize(
                        handle,
                        params,
                        eigen_mode(vectors),
                        triangle(false),
                        n as i64,
                        matrix,
                        at(a),
                        n as i64,
                        real,
                        at(values),
                        matrix,
                        device,
                        host,
                        count as i64,
                    ),
                )?,
                SolverStep::Qr { rows, columns, a, tau } => check(
                    "cusolverDnXgeqrf_bufferSize",
                    sys::cusolverDnXgeqrf_bufferSize(
                        handle,
                        params,
                        rows as i64,
                        columns as i64,
                        matrix,
                        at(a),
                        rows as i64,
                        matrix,
                        at(tau),
                        matrix,
                        device,
                        host,
                    ),
                )?,
                SolverStep::QrBasis { rows, columns, reflections, a, tau } => {
                    let [m, n, k] = narrow([rows, columns, reflections])?;
                    let mut elements = 0;
                    macro_rules! size_of {
                        ($call:ident) => {
                            check(
                                stringify!($call),
                                sys::$call(handle, m, n, k, at(a).cast(), m, at(tau).cast(), &mut elements),
                            )?
                        };
                    }
                    match numbers {
                        SolverType::F32 => size_of!(cusolverDnSorgqr_bufferSize),
                        SolverType::F64 => size_of!(cusolverDnDorgqr_bufferSize),
                        SolverType::C64 => size_of!(cusolverDnCungqr_bufferSize),
                        SolverType::C128 => size_of!(cusolverDnZungqr_bufferSize),
                    }
                    need.device_bytes = elements.max(0) as usize * numbers.size();
                }
                SolverStep::Eigen { n, vectors, a, values } => check(
                    "cusolverDnXsyevd_bufferSize",
                    sys::cusolverDnXsyevd_bufferSize(
                        handle,
                        params,
                        eigen_mode(vectors),
                        triangle(false),
                        n as i64,
                        matrix,
                        at(a),
                        n as i64,
                        real,
                        at(values),
                        matrix,
                        device,
                        host,
                    ),
                )?,
                SolverStep::Svd { rows, columns, a, s, vectors } => {
                    let Vectors { job, u, vh } = Vectors::of(vectors);
                    check(
                        "cusolverDnXgesvd_bufferSize",
                        sys::cusolverDnXgesvd_bufferSize(
                            handle,
                            params,
                            job,
                            job,
                            rows as i64,
                            columns as i64,
                            matrix,
                            at(a),
                            rows as i64,
                            real,
                            at(s),
                            matrix,
                            at(u),
                            rows as i64,
                            matrix,
                            at(vh),
                            columns as i64,
                            matrix,
                            device,
                            host,
                        ),
                    )?
                }
            }
        }
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
        let (handle, params) = (self.handle, self.params);
        let Types { matrix, real } = numbers.types();
        let (scratch, scratch_bytes) = (at(device.address()), device.len());
        let (host, host_bytes) = (host.as_mut_ptr().cast::<c_void>(), host.len());
        let info = at(info).cast::<i32>();
        // SAFETY: the handles live; the caller vouches for the memory.
        unsafe {
            match *step {
                SolverStep::Cholesky { n, upper, a } => check(
                    "cusolverDnXpotrf",
                    sys::cusolverDnXpotrf(
                        handle,
                        params,
                        triangle(upper),
                        n as i64,
                        matrix,
                        at(a),
                        n as i64,
                        matrix,
                        scratch,
                        scratch_bytes,
                        host,
                        host_bytes,
                        info,
                    ),
                ),
                SolverStep::Lu { n, a, pivots } => check(
                    "cusolverDnXgetrf",
                    sys::cusolverDnXgetrf(
                        handle,
                        params,
                        n as i64,
                        n as i64,
                        matrix,
                        at(a),
                        n as i64,
                        at(pivots).cast(),
                        matrix,
                        scratch,
                        scratch_bytes,
                        host,
                        host_bytes,
                        info,
                    ),
                ),
                SolverStep::LuSolve { n, columns, lu, pivots, b } => check(
                    "cusolverDnXgetrs",
                    sys::cusolverDnXgetrs(
                        handle,
                        params,
                        Operation::CUBLAS_OP_N,
                        n as i64,
                        columns as i64,
                        matrix,
                        at(lu),
                        n as i64,
                        at(pivots).cast(),
                        matrix,
                        at(b),
                        n as i64,
                        info,
                    ),
                ),
                SolverStep::Qr { rows, columns, a, tau } => check(
                    "cusolverDnXgeqrf",
                    sys::cusolverDnXgeqrf(
                        handle,
                        params,
                        rows as i64,
                        columns as i64,
                        matrix,
                        at(a),
                        rows as i64,
                        matrix,
                        at(tau),
                        matrix,
                        scratch,
                        scratch_bytes,
                        host,
                        host_bytes,
                        info,
                    ),
                ),
                SolverStep::QrBasis { rows, columns, reflections, a, tau } => {
                    let [m, n, k] = narrow([rows, columns, reflections])?;
                    let elements = i32::try_from(scratch_bytes / numbers.size()).unwrap_or(i32::MAX);
                    macro_rules! basis {
                        ($call:ident) => {
                            check(
                                stringify!($call),
                                sys::$call(
                                    handle,
                                    m,
                                    n,
                                    k,
                                    at(a).cast(),
                                    m,
                                    at(tau).cast(),
                                    scratch.cast(),
                                    elements,
                                    info,
                                ),
                            )
                        };
                    }
                    match numbers {
                        SolverType::F32 => basis!(cusolverDnSorgqr),
                        SolverType::F64 => basis!(cusolverDnDorgqr),
                        SolverType::C64 => basis!(cusolverDnCungqr),
                        SolverType::C128 => basis!(cusolverDnZungqr),
                    }
                }
                SolverStep::Eigen { n, vectors, a, values } => check(
                    "cusolverDnXsyevd",
                    sys::cusolverDnXsyevd(
                        handle,
                        params,
                        eigen_mode(vectors),
                        triangle(false),
                        n as i64,
                        matrix,
                        at(a),
                        n as i64,
                        real,
                        at(values),
                        matrix,
                        scratch,
                        scratch_bytes,
                        host,
                        host_bytes,
                        info,
                    ),
                ),
                SolverStep::CholeskyBatch { n, upper, count, matrices } => {
                    let [n, count, _] = narrow([n, count, 0])?;
                    macro_rules! batch {
                        ($call:ident) => {
                            check(
                                stringify!($call),
                                sys::$call(handle, triangle(upper), n, at(matrices).cast(), n, info, count),
                            )
                        };
                    }
                    match numbers {
                        SolverType::F32 => batch!(cusolverDnSpotrfBatched),
                        SolverType::F64 => batch!(cusolverDnDpotrfBatched),
                        SolverType::C64 => batch!(cusolverDnCpotrfBatched),
                        SolverType::C128 => batch!(cusolverDnZpotrfBatched),
                    }
                }
                SolverStep::EigenBatch { n, count, vectors, a, values } => check(
                    "cusolverDnXsyevBatched",
                    sys::cusolverDnXsyevBatched(
                        handle,
                        params,
                        eigen_mode(vectors),
                        triangle(false),
                        n as i64,
                        matrix,
                        at(a),
                        n as i64,
                        real,
                        at(values),
                        matrix,
                        scratch,
                        scratch_bytes,
                        host,
                        host_bytes,
                        info,
                        count as i64,
                    ),
                ),
                SolverStep::Svd { rows, columns, a, s, vectors } => {
                    let Vectors { job, u, vh } = Vectors::of(vectors);
                    check(
                        "cusolverDnXgesvd",
                        sys::cusolverDnXgesvd(
                            handle,
                            params,
                            job,
                            job,
                            rows as i64,
                            columns as i64,
                            matrix,
                            at(a),
                            rows as i64,
                            real,
                            at(s),
                            matrix,
                            at(u),
                            rows as i64,
                            matrix,
                            at(vh),
                            columns as i64,
                            matrix,
                            scratch,
                            scratch_bytes,
                            host,
                            host_bytes,
                            info,
                        ),
                    )
                }
            }
        }
    }
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
