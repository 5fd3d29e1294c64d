//! The simulated cuBLAS: matrix products, and systems of equations by the batch.

mod batched;
mod gemm;

use std::ffi::{c_int, c_longlong, c_void};

use super::{Driver, Refusal, Span, Status, math_api, number};
use gemm::{Gemm, Matrix};

/// What the library says that it is: version 12.8.4 of nobody's.
const VERSION: c_int = 120_804;

// `cublasStatus_t`
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

impl Context {
    /// # Safety
    /// A handle must be null or live.
    unsafe fn of<'a>(handle: *const Context) -> Result<&'a Context, Status> {
        // SAFETY: as promised by the caller.
        unsafe { handle.as_ref() }.ok_or(NOT_INITIALIZED)
    }

    fn enqueue(
        &self,
        function: &'static str,
        operands: Vec<Span>,
        run: impl FnOnce() + 'static,
    ) -> Result<(), Status> {
        self.driver.enqueue(self.stream, function, operands, run).map_err(|refusal| match refusal {
            Refusal::Operand => INVALID_VALUE,
            Refusal::Driver => EXECUTION_FAILED,
        })
    }
}

math_api! {
    fn cublasCreate_v2(handle: *mut *mut Context) {
        let driver = Driver::find().ok_or(NOT_INITIALIZED)?;
        handle.write(Box::into_raw(Box::new(Context { stream: std::ptr::null_mut(), driver })));
    }

    fn cublasDestroy_v2(handle: *mut Context) {
        Context::of(handle)?;
        // Made by `cublasCreate_v2`, and destroyed once.
        drop(Box::from_raw(handle));
    }

    fn cublasGetVersion_v2(_handle: *mut Context, version: *mut c_int) {
        version.write(VERSION);
    }

    fn cublasSetStream_v2(handle: *mut Context, stream: *mut c_void) {
        handle.as_mut().ok_or(NOT_INITIALIZED)?.stream = stream;
    }

    fn cublasSetMathMode(handle: *mut Context, _mode: c_int) {
        Context::of(handle)?;
    }

    fn cublasSetWorkspace_v2(handle: *mut Context, workspace: *mut c_void, bytes: usize) {
        let context = Context::of(handle)?;
        let name = "the workspace";
        let span = Span { name, address: workspace as usize, bytes, alignment: WORKSPACE_ALIGNMENT };
        if !context.driver.accepts("cublasSetWorkspace", &span) {
            return Err(INVALID_VALUE);
        }
    }

    fn cublasGemmStridedBatchedEx_64(
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
    ) {
        let context = Context::of(handle)?;
        if [m, n, k, batch].iter().any(|&count| count < 0)
            || ![transa, transb].iter().all(|op| (0..3).contains(op))
        {
            return Err(INVALID_VALUE);
        }
        let size = match number::size(a_type) {
            Some(size) if b_type == a_type && c_type == a_type && algorithm == GEMM_DEFAULT => size,
            _ => return Err(NOT_SUPPORTED),
        };
        if compute_type != if number::is_double(a_type) { COMPUTE_64F } else { COMPUTE_32F } {
            return Err(NOT_SUPPORTED);
        }
        if alpha.is_null() || beta.is_null() {
            return Err(INVALID_VALUE);
        }
        let matrix = |address: *const c_void, op: c_int, rows: i64, columns: i64, leading, stride| {
            let (rows, columns) = if op == 0 { (rows, columns) } else { (columns, rows) };
            Matrix { address: address as usize, op, rows, columns, leading, stride }
        };
        let a = matrix(a, transa, m, k, lda, a_stride);
        let b = matrix(b, transb, k, n, ldb, b_stride);
        let c = matrix(c, 0, m, n, ldc, c_stride);
        if [&a, &b, &c].iter().any(|matrix| matrix.leading < matrix.rows.max(1)) {
            return Err(INVALID_VALUE);
        }
        if m == 0 || n == 0 || batch == 0 {
            return Ok(());
        }
        let operand = |name, matrix: &Matrix| {
            let (address, bytes) = matrix.span(batch, size);
            Span { name, address, bytes, alignment: size }
        };
        let operands = vec![operand("A", &a), operand("B", &b), operand("C", &c)];
        // Both are of the type that the compute type says.
        let (alpha, beta) = (number::scale(alpha, a_type), number::scale(beta, a_type));
        let gemm = Gemm { kind: a_type, m, n, k, batch, a, b, c, alpha, beta };
        context.enqueue("cublasGemmStridedBatchedEx", operands, move || gemm.run())?;
    }
}
