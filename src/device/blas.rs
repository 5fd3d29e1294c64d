//! cuBLAS: products of matrices by NVIDIA's library, where it is installed.
//!
//! It is loaded when it is first needed. Where it is missing, too old or does not start, that is an error that says so, and
//! whoever asked has kernels of its own. Only its calling conventions are tested, on a simulated library: the real one has
//! not run.

use std::ffi::c_void;
use std::fmt;
use std::sync::Arc;

use cudarc::cublas::sys::{
    self, cublasComputeType_t as Compute, cublasGemmAlgo_t as Algorithm, cublasMath_t as Math,
    cublasOperation_t as Operation, cublasStatus_t as Status, cudaDataType_t as Type,
};

use super::buffer::DeviceBuffer;
use super::math_library::MathLibrary;
use super::stream::Stream;
use crate::{Error, Result};

/// Bytes that the library may use while it multiplies: what NVIDIA advises for the newer architectures, which choose from
/// more methods with it.
pub const BLAS_WORKSPACE_BYTES: usize = 32 << 20;

/// The numbers of a product.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GemmType {
    /// Added in `float32`, as the next.
    F16,
    BF16,
    F32,
    F64,
    C64,
    C128,
}

/// A matrix of a product, as it lies: column by column.
#[derive(Clone, Copy, Debug)]
pub struct GemmMatrix {
    pub address: u64,
    /// Whether its transpose is meant.
    pub is_transposed: bool,
    /// Elements from one column to the next.
    pub leading: usize,
    /// Elements from one matrix of the batch to the next.
    pub batch_stride: isize,
}

/// `c = a · b` for each matrix of a batch: `a` is [m, k], `b` is [k, n], `c` is [m, n].
#[derive(Clone, Copy, Debug)]
pub struct Gemm {
    pub numbers: GemmType,
    pub m: usize,
    pub n: usize,
    pub k: usize,
    pub batch: usize,
    pub a: GemmMatrix,
    pub b: GemmMatrix,
    /// Not transposed.
    pub c: GemmMatrix,
}

/// A step on many small square matrices of `float32`, `float64`, `complex64` or `complex128`, in one kernel. Matrices lie
/// column by column without gaps, their addresses in device memory.
#[derive(Clone, Copy, Debug)]
pub struct LuBatch {
    pub numbers: GemmType,
    pub n: usize,
    pub count: usize,
    /// The addresses of the matrices [n, n].
    pub matrices: u64,
    /// The exchanges of rows, [count, n], `int32`, counted from 1.
    pub pivots: u64,
    pub step: LuStep,
}

/// What is done to the matrices of a [`LuBatch`].
#[derive(Clone, Copy, Debug)]
pub enum LuStep {
    /// Each becomes its factors; `infos` [count], `int32`, what LAPACK's `getrf` says of it.
    Factor { infos: u64 },
    /// From their factors: those at the addresses in `targets` [n, columns] become the solutions.
    Solve { columns: usize, targets: u64 },
}

/// A handle of the library. It works in the order of one stream, and is used by one thread.
pub struct Blas {
    handle: sys::cublasHandle_t,
    stream: Arc<Stream>,
    version: i32,
}

impl Blas {
    /// Starts the library for a stream, whose context must be current.
    ///
    /// # Errors
    /// `unsupported` where there is no library that can be used with this driver.
    pub fn open(stream: &Arc<Stream>) -> Result<Blas> {
        MathLibrary::Cublas.load(stream.device().info().is_simulated())?;
        let mut handle = std::ptr::null_mut();
        // SAFETY: the library is loaded and has the function; writes one handle, destroyed in `drop`.
        check("cublasCreate", unsafe { sys::cublasCreate_v2(&mut handle) })
            .map_err(|error| Error::unsupported(format!("cuBLAS does not start: {error}")))?;
        let mut blas = Blas { handle, stream: Arc::clone(stream), version: 0 };
        // SAFETY: the handle lives; the stream is of the context that it was made in.
        unsafe {
            check("cublasGetVersion", sys::cublasGetVersion_v2(handle, &mut blas.version))?;
            check("cublasSetStream", sys::cublasSetStream_v2(handle, stream.raw().cast()))?;
            // Sums of halves are not to be rounded in between. Floats are multiplied as such, not as TF32, by default.
            let math = Math::CUBLAS_MATH_DISALLOW_REDUCED_PRECISION_REDUCTION;
            check("cublasSetMathMode", sys::cublasSetMathMode(handle, math))?;
        }
        Ok(blas)
    }

    /// Enqueues a product. The same product by the same library on the same kind of device gives the same bits.
    ///
    /// # Safety
    /// The matrices must lie in memory of the stream's device, those of `c` in what nothing else uses, `workspace` too; all
    /// must stay until the stream is done with the product.
    ///
    /// # Errors
    /// `unsupported` where the library has no method for it; `device` for a fault.
    pub unsafe fn multiply(&self, gemm: &Gemm, workspace: &DeviceBuffer) -> Result<()> {
        let (kind, compute) = match gemm.numbers {
            GemmType::F16 => (Type::CUDA_R_16F, Compute::CUBLAS_COMPUTE_32F),
            GemmType::BF16 => (Type::CUDA_R_16BF, Compute::CUBLAS_COMPUTE_32F),
            GemmType::F32 => (Type::CUDA_R_32F, Compute::CUBLAS_COMPUTE_32F),
            GemmType::F64 => (Type::CUDA_R_64F, Compute::CUBLAS_COMPUTE_64F),
            GemmType::C64 => (Type::CUDA_C_32F, Compute::CUBLAS_COMPUTE_32F),
            GemmType::C128 => (Type::CUDA_C_64F, Compute::CUBLAS_COMPUTE_64F),
        };
        // Factors are of the type that is computed in, complex where the matrices are: 1 + 0i and 0 + 0i serve all.
        let (floats, doubles) = ([[1f32, 0.0], [0.0; 2]], [[1f64, 0.0], [0.0; 2]]);
        let factor = |number: usize| -> *const c_void {
            match compute {
                Compute::CUBLAS_COMPUTE_64F => (&raw const doubles[number]).cast(),
                _ => (&raw const floats[number]).cast(),
            }
        };
        let operation = |matrix: &GemmMatrix| match matrix.is_transposed {
            true => Operation::CUBLAS_OP_T,
            false => Operation::CUBLAS_OP_N,
        };
        let Gemm { m, n, k, batch, a, b, c, .. } = gemm;
        // SAFETY: the handle lives; factors are read before the call returns; the caller vouches for the matrices.
        unsafe {
            let scratch = std::ptr::without_provenance_mut::<c_void>(workspace.address() as usize);
            check("cublasSetWorkspace", sys::cublasSetWorkspace_v2(self.handle, scratch, workspace.len()))?;
            let status = sys::cublasGemmStridedBatchedEx_64(
                self.handle,
                operation(a),
                operation(b),
                *m as i64,
                *n as i64,
                *k as i64,
                factor(0),
                std::ptr::without_provenance(a.address as usize),
                kind,
                a.leading as i64,
                a.batch_stride as i64,
                std::ptr::without_provenance(b.address as usize),
                kind,
                b.leading as i64,
                b.batch_stride as i64,
                factor(1),
                std::ptr::without_provenance_mut(c.address as usize),
                kind,
                c.leading as i64,
                c.batch_stride as i64,
                *batch as i64,
                compute,
                Algorithm::CUBLAS_GEMM_DFALT,
            );
            check("cublasGemmStridedBatchedEx", status)
        }
    }
}

impl Blas {
    /// Enqueues a step on many small matrices.
    ///
    /// # Safety
    /// As for [`multiply`](Blas::multiply): all that is named must lie in memory of the stream's device that nothing else
    /// uses.
    ///
    /// # Errors
    /// `unsupported` for numbers that are not factored and for lengths beyond 32 bits; `device` for a fault.
    pub unsafe fn factor(&self, batch: &LuBatch) -> Result<()> {
        let narrow = |length: usize| {
            i32::try_from(length).map_err(|_| Error::unsupported(format!("{length} is too much for cuBLAS")))
        };
        let (n, count) = (narrow(batch.n)?, narrow(batch.count)?);
        let at = |address: u64| std::ptr::without_provenance_mut::<c_void>(address as usize);
        let (matrices, pivots) = (at(batch.matrices), at(batch.pivots).cast::<i32>());
        macro_rules! step {
            ($factor:ident, $solve:ident) => {
                match batch.step {
                    LuStep::Factor { infos } => {
                        let infos = at(infos).cast();
                        let status = sys::$factor(self.handle, n, matrices.cast(), n, pivots, infos, count);
                        check(stringify!($factor), status)
                    }
                    LuStep::Solve { columns, targets } => {
                        let (columns, targets) = (narrow(columns)?, at(targets));
                        // It says which argument is wrong: on the host, and at once.
                        let mut info = 0;
                        let status = sys::$solve(
                            self.handle,
                            Operation::CUBLAS_OP_N,
                            n,
                            columns,
                            matrices.cast(),
                            n,
                            pivots,
                            targets.cast(),
                            n,
                            &mut info,
                            count,
                        );
                        check(stringify!($solve), status)
                    }
                }
            };
        }
        // SAFETY: the handle lives; the caller vouches for the matrices.
        unsafe {
            match batch.numbers {
                GemmType::F32 => step!(cublasSgetrfBatched, cublasSgetrsBatched),
                GemmType::F64 => step!(cublasDgetrfBatched, cublasDgetrsBatched),
                GemmType::C64 => step!(cublasCgetrfBatched, cublasCgetrsBatched),
                GemmType::C128 => step!(cublasZgetrfBatched, cublasZgetrsBatched),
                GemmType::F16 | GemmType::BF16 => Err(Error::unsupported("cuBLAS factors no 16-bit floats")),
            }
        }
    }
}

/// `cuBLAS 12.8.4`.
impl fmt::Display for Blas {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let version = self.version;
        write!(f, "cuBLAS {}.{}.{}", version / 10_000, version / 100 % 100, version % 100)
    }
}

impl fmt::Debug for Blas {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl Drop for Blas {
    fn drop(&mut self) {
        // What a handle of a context that ended had is gone with that.
        self.stream.device().release(|| {
            // SAFETY: made in `open`, destroyed once, in a context that lives.
            unsafe { sys::cublasDestroy_v2(self.handle) };
        });
    }
}

/// A result code as an error that names `call`.
fn check(call: &str, status: Status) -> Result<()> {
    let message = || format!("{call}: {status:?}");
    match status {
        Status::CUBLAS_STATUS_SUCCESS => Ok(()),
        Status::CUBLAS_STATUS_ALLOC_FAILED => Err(Error::out_of_memory(message())),
        Status::CUBLAS_STATUS_INVALID_VALUE => Err(Error::bug(message())),
        Status::CUBLAS_STATUS_NOT_INITIALIZED
        | Status::CUBLAS_STATUS_ARCH_MISMATCH
        | Status::CUBLAS_STATUS_NOT_SUPPORTED
        | Status::CUBLAS_STATUS_LICENSE_ERROR => Err(Error::unsupported(message())),
        _ => Err(Error::device(message())),
    }
}
