//! `syevd` of one matrix, and `syevBatched`.

use std::ffi::{c_int, c_void};

use super::{Context, INVALID_VALUE, Need, Params, Triangle, check_types, count, matrix, real, triangle};
use crate::math::factorization::eigen::decompose;
use crate::math::matrix::{Matrix, Place};
use crate::math::number::Complex;
use crate::math::{Codes, Outcome, math_api};

/// What is wanted of a batch of matrices, which lie one after the other, their columns too.
#[derive(Clone, Copy)]
struct Request {
    a: Place,
    /// The eigenvalues of the first.
    values: Place,
    batch: usize,
    triangle: Triangle,
    wants_vectors: bool,
}

impl Request {
    fn new(
        (jobz, uplo): (c_int, c_int),
        n: i64,
        (kind, a, lda): (c_int, *const c_void, i64),
        (values_kind, values): (c_int, *const c_void),
        compute_kind: c_int,
        batch: i64,
    ) -> Outcome<Request> {
        check_types(kind, &[compute_kind])?;
        if values_kind != real(kind) || ![0, 1].contains(&jobz) {
            return Err(INVALID_VALUE);
        }
        let a = matrix(a, kind, n, n, lda)?;
        let values = Place::vector(values as usize, values_kind, a.rows);
        Ok(Request { a, values, batch: count(batch)?, triangle: triangle(uplo)?, wants_vectors: jobz == 1 })
    }

    fn distance(&self) -> usize {
        self.a.leading * self.a.columns
    }

    fn need(&self) -> Need {
        let bytes = self.a.batch_span("", self.batch, self.distance()).bytes;
        let needed = Need::of(&[self.values], 64 + 8 * self.a.rows);
        Need { device: needed.device.saturating_add(bytes), ..needed }
    }

    /// # Safety
    /// The matrices and the eigenvalues must be nobody else's.
    unsafe fn run(&self, codes: &Codes) {
        let n = self.a.rows;
        for item in 0..self.batch {
            let (a, values) = (self.a.of_batch(item, self.distance()), self.values.of_batch(item, n));
            // SAFETY: as promised by the caller.
            unsafe {
                let matrix = match self.triangle {
                    Triangle::Lower => a.read(),
                    Triangle::Upper => a.read().conjugate_transpose(),
                };
                let (found, vectors, code) = match decompose(&matrix) {
                    Some((found, vectors)) => {
                        (found.into_iter().map(Complex::from).collect(), Some(vectors), 0)
                    }
                    None => (vec![Complex::NAN; n], None, 1),
                };
                values.write_vector(&found);
                // What is not wanted is spoilt all the same.
                let vectors = vectors.filter(|_| self.wants_vectors);
                a.write(&vectors.unwrap_or_else(|| Matrix::filled(n, n, Complex::NAN)));
                codes.write(item, code);
            }
        }
    }

    /// # Safety
    /// As for the function of this name in cuSOLVER.
    unsafe fn enqueue(
        self,
        context: &Context,
        function: &'static str,
        device: (*mut c_void, usize),
        host: (*mut c_void, usize),
        info: *mut c_int,
    ) -> Outcome {
        let work = context.work(function, self.need(), device, host)?;
        let codes = Codes { address: info as usize, count: self.batch };
        let operands = vec![
            self.a.batch_span("A", self.batch, self.distance()),
            self.values.batch_span("W", self.batch, self.a.rows),
            work.device,
            codes.span(),
        ];
        context.enqueue(function, operands, move || {
            // SAFETY: the driver holds all of it, and the caller vouches for the rest.
            unsafe {
                work.scribble();
                self.run(&codes);
            }
        })
    }
}

math_api! {
    fn cusolverDnXsyevd_bufferSize(
        handle: *mut Context,
        params: *mut Params,
        jobz: c_int,
        uplo: c_int,
        n: i64,
        kind: c_int,
        a: *const c_void,
        lda: i64,
        w_kind: c_int,
        w: *const c_void,
        compute_kind: c_int,
        device_bytes: *mut usize,
        host_bytes: *mut usize,
    ) {
        Context::with_params(handle, params)?;
        let request = Request::new((jobz, uplo), n, (kind, a, lda), (w_kind, w), compute_kind, 1)?;
        request.need().write(device_bytes, host_bytes);
    }

    fn cusolverDnXsyevd(
        handle: *mut Context,
        params: *mut Params,
        jobz: c_int,
        uplo: c_int,
        n: i64,
        kind: c_int,
        a: *mut c_void,
        lda: i64,
        w_kind: c_int,
        w: *mut c_void,
        compute_kind: c_int,
        device: *mut c_void,
        device_bytes: usize,
        host: *mut c_void,
        host_bytes: usize,
        info: *mut c_int,
    ) {
        let context = Context::with_params(handle, params)?;
        let request = Request::new((jobz, uplo), n, (kind, a, lda), (w_kind, w), compute_kind, 1)?;
        request.enqueue(context, "cusolverDnXsyevd", (device, device_bytes), (host, host_bytes), info)?;
    }

    fn cusolverDnXsyevBatched_bufferSize(
        handle: *mut Context,
        params: *mut Params,
        jobz: c_int,
        uplo: c_int,
        n: i64,
        kind: c_int,
        a: *const c_void,
        lda: i64,
        w_kind: c_int,
        w: *const c_void,
        compute_kind: c_int,
        device_bytes: *mut usize,
        host_bytes: *mut usize,
        batch: i64,
    ) {
        Context::with_params(handle, params)?;
        let request = Request::new((jobz, uplo), n, (kind, a, lda), (w_kind, w), compute_kind, batch)?;
        request.need().write(device_bytes, host_bytes);
    }

    fn cusolverDnXsyevBatched(
        handle: *mut Context,
        params: *mut Params,
        jobz: c_int,
        uplo: c_int,
        n: i64,
        kind: c_int,
        a: *mut c_void,
        lda: i64,
        w_kind: c_int,
        w: *mut c_void,
        compute_kind: c_int,
        device: *mut c_void,
        device_bytes: usize,
        host: *mut c_void,
        host_bytes: usize,
        info: *mut c_int,
        batch: i64,
    ) {
        let context = Context::with_params(handle, params)?;
        let request = Request::new((jobz, uplo), n, (kind, a, lda), (w_kind, w), compute_kind, batch)?;
        request.enqueue(context, "cusolverDnXsyevBatched", (device, device_bytes), (host, host_bytes), info)?;
    }
}
