//! `getrf` and `getrs`.

use std::ffi::{c_int, c_void};

use super::{Context, Need, Params, check_types, matrix, operation};
use crate::math::factorization::lu;
use crate::math::{Codes, Span, math_api};

/// The code that says that the pivots are wrong: minus the number of the argument.
const PIVOTS_ARGUMENT: c_int = -9;

/// The pivots, which are numbers of 64 bits.
fn pivots(address: *const i64, count: usize) -> Span {
    let size = size_of::<i64>();
    Span { name: "ipiv", address: address as usize, bytes: count.saturating_mul(size), alignment: size }
}

math_api! {
    fn cusolverDnXgetrf_bufferSize(
        handle: *mut Context,
        params: *mut Params,
        m: i64,
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
        Need::of(&[matrix(a, kind, m, n, lda)?], 0).write(device_bytes, host_bytes);
    }

    fn cusolverDnXgetrf(
        handle: *mut Context,
        params: *mut Params,
        m: i64,
        n: i64,
        kind: c_int,
        a: *mut c_void,
        lda: i64,
        ipiv: *mut i64,
        compute_kind: c_int,
        device: *mut c_void,
        device_bytes: usize,
        host: *mut c_void,
        host_bytes: usize,
        info: *mut c_int,
    ) {
        let context = Context::with_params(handle, params)?;
        check_types(kind, &[compute_kind])?;
        let a = matrix(a, kind, m, n, lda)?;
        let function = "cusolverDnXgetrf";
        let work = context.work(function, Need::of(&[a], 0), (device, device_bytes), (host, host_bytes))?;
        let ipiv = pivots(ipiv, a.rows.min(a.columns));
        let codes = Codes { address: info as usize, count: 1 };
        let operands = vec![a.span("A"), ipiv, work.device, codes.span()];
        context.enqueue(function, operands, move || {
            work.scribble();
            let mut values = a.read();
            let (pivots, code) = lu::factor(&mut values);
            a.write(&values);
            for (i, pivot) in pivots.into_iter().enumerate() {
                (ipiv.address as *mut i64).add(i).write(pivot as i64);
            }
            codes.write(0, code as c_int);
        })?;
    }

    fn cusolverDnXgetrs(
        handle: *mut Context,
        params: *mut Params,
        trans: c_int,
        n: i64,
        nrhs: i64,
        kind: c_int,
        a: *const c_void,
        lda: i64,
        ipiv: *const i64,
        b_kind: c_int,
        b: *mut c_void,
        ldb: i64,
        info: *mut c_int,
    ) {
        let context = Context::with_params(handle, params)?;
        check_types(kind, &[b_kind])?;
        let operation = operation(trans)?;
        let (a, b) = (matrix(a, kind, n, n, lda)?, matrix(b, kind, n, nrhs, ldb)?);
        let ipiv = pivots(ipiv, a.rows);
        let codes = Codes { address: info as usize, count: 1 };
        let operands = vec![a.span("A"), ipiv, b.span("B"), codes.span()];
        context.enqueue("cusolverDnXgetrs", operands, move || {
            let pivot = |i| (ipiv.address as *const i64).add(i).read();
            let pivots: Option<Vec<usize>> =
                (0..a.rows).map(|i| usize::try_from(pivot(i)).ok().filter(|pivot| (1..=a.rows).contains(pivot))).collect();
            match pivots {
                Some(pivots) => {
                    let mut values = b.read();
                    lu::solve(&a.read(), &pivots, operation, &mut values);
                    b.write(&values);
                    codes.write(0, 0);
                }
                None => {
                    eprintln!("cudasim: cusolverDnXgetrs: a pivot is not from 1 to {}", a.rows);
                    codes.write(0, PIVOTS_ARGUMENT);
                }
            }
        })?;
    }
}
