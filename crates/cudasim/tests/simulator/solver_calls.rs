//! Calls of the simulated cuSOLVER for matrices in device memory, with work areas as large as it asks for.

use crate::harness::{Harness, address};
use crate::matrix::{Matrix, decode, encode};
use cudarc::cublas::sys as blas;
use cudarc::cusolver::sys::{
    self, cublasFillMode_t as Fill, cudaDataType as Kind, cusolverEigMode_t as Vectors,
    cusolverStatus_t as Status,
};
use cudarc::driver::{CudaSlice, CudaStream};
use std::ffi::c_void;
use std::ptr::null_mut;
use std::sync::Arc;

/// Device memory with a matrix.
pub struct Device {
    pub kind: Kind,
    pub rows: usize,
    pub columns: usize,
    pub bytes: CudaSlice<u8>,
}

/// Handles on a stream.
pub struct Solver {
    pub stream: Arc<CudaStream>,
    pub handle: sys::cusolverDnHandle_t,
    pub params: sys::cusolverDnParams_t,
    pub blas: blas::cublasHandle_t,
    pub info: CudaSlice<i32>,
}

impl Solver {
    pub fn new(harness: &Harness) -> Solver {
        let context = harness.context(0);
        context.bind_to_thread().unwrap();
        let stream = context.new_stream().unwrap();
        let (mut handle, mut params, mut blas) = (null_mut(), null_mut(), null_mut());
        // SAFETY: writes handles, which are destroyed with the solver.
        unsafe {
            sys::cusolverDnCreate(&mut handle).result().unwrap();
            sys::cusolverDnCreateParams(&mut params).result().unwrap();
            sys::cusolverDnSetStream(handle, stream.cu_stream().cast()).result().unwrap();
            blas::cublasCreate_v2(&mut blas).result().unwrap();
            blas::cublasSetStream_v2(blas, stream.cu_stream().cast()).result().unwrap();
        }
        let info = stream.clone_htod(&[7i32; 8]).unwrap();
        Solver { stream, handle, params, blas, info }
    }

    pub fn upload(&self, kind: Kind, matrix: &Matrix) -> Device {
        let bytes = self.stream.clone_htod(&encode(kind, &matrix.values)).unwrap();
        Device { kind, rows: matrix.rows, columns: matrix.columns, bytes }
    }

    pub fn empty(&self, kind: Kind, rows: usize, columns: usize) -> Device {
        self.upload(kind, &Matrix::from_fn(rows, columns, |_, _| [7.0, 0.0]))
    }

    pub fn download(&self, device: &Device) -> Matrix {
        let values = decode(device.kind, &self.stream.clone_dtoh(&device.bytes).unwrap());
        Matrix { rows: device.rows, columns: device.columns, values }
    }

    pub fn at<T>(&self, device: &Device) -> *mut T {
        address(&device.bytes, &self.stream) as *mut T
    }

    pub fn info(&self) -> *mut i32 {
        address(&self.info, &self.stream) as *mut i32
    }

    pub fn codes(&self, count: usize) -> Vec<i32> {
        self.stream.clone_dtoh(&self.info).unwrap()[..count].to_vec()
    }

    /// Calls with work areas as large as the first call says.
    pub fn with_work(
        &self,
        size: impl FnOnce(*mut usize, *mut usize) -> Status,
        call: impl FnOnce(*mut c_void, usize, *mut c_void, usize) -> Status,
    ) -> Status {
        let (mut on_device, mut on_host) = (0, 0);
        assert_eq!(size(&mut on_device, &mut on_host), Status::CUSOLVER_STATUS_SUCCESS);
        assert!(on_device > 0);
        let device = self.stream.alloc_zeros::<u8>(on_device).unwrap();
        let mut host = vec![0u8; on_host];
        let at = address(&device, &self.stream) as *mut c_void;
        let status = call(at, on_device, host.as_mut_ptr().cast(), on_host);
        self.stream.synchronize().unwrap();
        assert!(host.iter().all(|byte| *byte != 0) || status != Status::CUSOLVER_STATUS_SUCCESS);
        status
    }

    pub fn potrf(&self, uplo: Fill, a: &Device) -> Status {
        let (n, lda, kind, at) = (a.columns as i64, a.rows as i64, a.kind, self.at(a));
        let (h, p) = (self.handle, self.params);
        // SAFETY: the matrix is there, as the work areas are.
        self.with_work(
            |d, w| unsafe { sys::cusolverDnXpotrf_bufferSize(h, p, uplo, n, kind, at, lda, kind, d, w) },
            |d, ds, w, ws| unsafe {
                sys::cusolverDnXpotrf(h, p, uplo, n, kind, at, lda, kind, d, ds, w, ws, self.info())
            },
        )
    }

    pub fn getrf(&self, a: &Device, pivots: &CudaSlice<i64>) -> Status {
        let (m, n, kind, at) = (a.rows as i64, a.columns as i64, a.kind, self.at(a));
        let (h, p, ipiv) = (self.handle, self.params, address(pivots, &self.stream) as *mut i64);
        // SAFETY: as above.
        self.with_work(
            |d, w| unsafe { sys::cusolverDnXgetrf_bufferSize(h, p, m, n, kind, at, m, kind, d, w) },
            |d, ds, w, ws| unsafe {
                sys::cusolverDnXgetrf(h, p, m, n, kind, at, m, ipiv, kind, d, ds, w, ws, self.info())
            },
        )
    }

    pub fn geqrf(&self, a: &Device, tau: &Device) -> Status {
        let (m, n, kind, at, tau) = (a.rows as i64, a.columns as i64, a.kind, self.at(a), self.at(tau));
        let (h, p) = (self.handle, self.params);
        // SAFETY: as above.
        self.with_work(
            |d, w| unsafe {
                sys::cusolverDnXgeqrf_bufferSize(h, p, m, n, kind, at, m, kind, tau, kind, d, w)
            },
            |d, ds, w, ws| unsafe {
                sys::cusolverDnXgeqrf(h, p, m, n, kind, at, m, kind, tau, kind, d, ds, w, ws, self.info())
            },
        )
    }

    pub fn syevd(&self, vectors: Vectors, uplo: Fill, a: &Device, values: &Device) -> Status {
        let (n, kind, at) = (a.rows as i64, a.kind, self.at(a));
        let (h, p, r, w) = (self.handle, self.params, values.kind, self.at(values));
        // SAFETY: as above.
        self.with_work(
            |d, s| unsafe {
                sys::cusolverDnXsyevd_bufferSize(h, p, vectors, uplo, n, kind, at, n, r, w, kind, d, s)
            },
            |d, ds, s, ss| unsafe {
                sys::cusolverDnXsyevd(
                    h,
                    p,
                    vectors,
                    uplo,
                    n,
                    kind,
                    at,
                    n,
                    r,
                    w,
                    kind,
                    d,
                    ds,
                    s,
                    ss,
                    self.info(),
                )
            },
        )
    }

    pub fn gesvd(&self, job: u8, a: &Device, s: &Device, u: &Device, vt: &Device) -> Status {
        let (m, n, kind, at) = (a.rows as i64, a.columns as i64, a.kind, self.at(a));
        let (h, p, r, s, job) = (self.handle, self.params, s.kind, self.at(s), job as i8);
        let (u, vt) = if job == b'N' as i8 { (null_mut(), null_mut()) } else { (self.at(u), self.at(vt)) };
        let (k, l) = (m.max(1), n.max(1));
        // SAFETY: as above.
        self.with_work(
            |d, w| unsafe {
                sys::cusolverDnXgesvd_bufferSize(
                    h, p, job, job, m, n, kind, at, k, r, s, kind, u, k, kind, vt, l, kind, d, w,
                )
            },
            |d, ds, w, ws| unsafe {
                sys::cusolverDnXgesvd(
                    h,
                    p,
                    job,
                    job,
                    m,
                    n,
                    kind,
                    at,
                    k,
                    r,
                    s,
                    kind,
                    u,
                    k,
                    kind,
                    vt,
                    l,
                    kind,
                    d,
                    ds,
                    w,
                    ws,
                    self.info(),
                )
            },
        )
    }
}

impl Drop for Solver {
    fn drop(&mut self) {
        // SAFETY: made once, and destroyed once.
        unsafe {
            sys::cusolverDnDestroy(self.handle).result().unwrap();
            sys::cusolverDnDestroyParams(self.params).result().unwrap();
            blas::cublasDestroy_v2(self.blas).result().unwrap();
        }
    }
}
