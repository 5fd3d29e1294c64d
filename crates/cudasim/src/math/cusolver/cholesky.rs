//! `potrf` of one matrix and of a batch.

use std::ffi::{c_int, c_void};

use super::{Context, Need, Params, Triangle, check_types, count, matrix, triangle};
use crate::math::factorization::cholesky::factor;
use crate::math::matrix::{Matrix, Place};
use crate::math::number::{C_32F, C_64F, Complex, R_32F, R_64F};
use crate::math::{Codes, NOT_THERE, Outcome, Pointers, math_api};

/// Factors a matrix in its place, of which the other triangle is neither read nor written. Answers LAPACK's code.
///
/// # Safety
/// The matrix must be nobody else's.
unsafe fn factor_in_place(a: &Place, triangle: Triangle) -> usize {
    // SAFETY: as promised by the caller.
    let mut values = unsafe { a.read() };
    let code = match triangle {
        Triangle::Lower => factor(&mut values),
        Triangle::Upper => {
            let mut lower = values.conjugate_transpose();
            let code = factor(&mut lower);
            values = lower.conjugate_transpose();
            code
        }
    };
    // SAFETY: as promised by the caller.
    unsafe { a.write_where(&values, |row, column| is_in(triangle, row, column)) };
    code
}

fn is_in(triangle: Triangle, row: usize, column: usize) -> bool {
    match triangle {
        Triangle::Lower => row >= column,
        Triangle::Upper => row <= column,
    }
}

/// # Safety
/// As for `potrfBatched` in cuSOLVER.
unsafe fn factor_batch(
    handle: *mut Context,
    kind: c_int,
    uplo: c_int,
    [n, leading, batch]: [c_int; 3],
    pointers: *mut *mut c_void,
    info: *mut c_int,
) -> Outcome {
    // SAFETY: as promised by the caller.
    let context = unsafe { Context::of(handle) }?;
    let triangle = triangle(uplo)?;
    let [n, leading, batch] = [n, leading, batch].map(i64::from);
    let shape = matrix(std::ptr::null::<c_void>(), kind, n, n, leading)?;
    let batch = count(batch)?;
    let pointers = Pointers { address: pointers as usize, count: batch };
    let codes = Codes { address: info as usize, count: batch };
    let driver = context.driver;
    let function = "cusolverDnpotrfBatched";
    context.enqueue(function, vec![pointers.span("A"), codes.span()], move || {
        for item in 0..batch {
            // SAFETY: the driver holds all of it, and the caller vouches for the rest.
            unsafe {
                let a = Place { address: pointers.get(item), ..shape };
                if !driver.accepts(function, &a.span("a matrix")) {
                    codes.write(item, NOT_THERE);
                    continue;
                }
                let code = factor_in_place(&a, triangle);
                codes.write(item, code as c_int);
                // The other triangle is where the real library works.
                let garbage = Matrix::filled(a.rows, a.columns, Complex::NAN);
                a.write_where(&garbage, |row, column| !is_in(triangle, row, column));
            }
        }
    })
}

/// Defines a function for each type.
macro_rules! batched {
    ($($name:ident $kind:ident)*) => { math_api! { $(
        fn $name(
            handle: *mut Context,
            uplo: c_int,
            n: c_int,
            pointers: *mut *mut c_void,
            leading: c_int,
            info: *mut c_int,
            batch: c_int,
        ) {
            factor_batch(handle, $kind, uplo, [n, leading, batch], pointers, info)?;
        }
    )* } };
}

batched! {
    cusolverDnSpotrfBatched R_32F
    cusolverDnDpotrfBatched R_64F
    cusolverDnCpotrfBatched C_32F
    cusolverDnZpotrfBatched C_64F
}

math_api! {
    fn cusolverDnXpotrf_bufferSize(
        handle: *mut Context,
        params: *mut Params,
        uplo: c_int,
        n: i64,
        kind: c_int,
        a: *const c_void,
        lda: i64,
        compute_kind: c_int,
        device_bytes: *mut usize,
        host_bytes: *mut usize,
    ) {
        Context::with_params(handle, params)?;
        check_types(kind, &[compute_kind])?;
        triangle(uplo)?;
        Need::of(&[matrix(a, kind, n, n, lda)?], 0).write(device_bytes, host_bytes);
    }

    fn cusolverDnXpotrf(
        handle: *mut Context,
        params: *mut Params,
        uplo: c_int,
        n: i64,
        kind: c_int,
        a: *mut c_void,
        lda: i64,
        compute_kind: c_int,
        device: *mut c_void,
        device_bytes: usize,
        host: *mut c_void,
        host_bytes: usize,
        info: *mut c_int,
    ) {
        let context = Context::with_params(handle, params)?;
        check_types(kind, &[compute_kind])?;
        let triangle = triangle(uplo)?;
        let a = matrix(a, kind, n, n, lda)?;
        let function = "cusolverDnXpotrf";
        let work = context.work(function, Need::of(&[a], 0), (device, device_bytes), (host, host_bytes))?;
        let codes = Codes { address: info as usize, count: 1 };
        context.enqueue(function, vec![a.span("A"), work.device, codes.span()], move || {
            work.scribble();
            codes.write(0, factor_in_place(&a, triangle) as c_int);
        })?;
    }
}
