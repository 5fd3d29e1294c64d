//! `gesvd`.

use std::ffi::{c_char, c_int, c_void};

use super::{Context, INVALID_VALUE, Need, Params, check_types, matrix, real};
use crate::math::factorization::svd::{Decomposition, decompose};
use crate::math::matrix::{Matrix, Place};
use crate::math::number::Complex;
use crate::math::{Codes, Outcome, math_api};

/// How many singular vectors of a side are wanted: `N`, `S` and `A`.
#[derive(Clone, Copy)]
enum Vectors {
    None,
    /// As many as singular values.
    Some,
    All,
}

impl Vectors {
    fn of(job: c_char) -> Outcome<Vectors> {
        match job as u8 {
            b'N' => Ok(Vectors::None),
            b'S' => Ok(Vectors::Some),
            b'A' => Ok(Vectors::All),
            _ => Err(INVALID_VALUE),
        }
    }

    fn count(self, some: i64, all: i64) -> Option<i64> {
        match self {
            Vectors::None => None,
            Vectors::Some => Some(some),
            Vectors::All => Some(all),
        }
    }
}

/// What is wanted of a matrix.
#[derive(Clone, Copy)]
struct Request {
    a: Place,
    s: Place,
    u: Option<Place>,
    vt: Option<Place>,
}

/// An operand as it is passed: its type, its address and its leading dimension.
type Argument = (c_int, *const c_void, i64);

impl Request {
    fn new(
        (jobu, jobvt): (c_char, c_char),
        [m, n]: [i64; 2],
        a: Argument,
        (s_kind, s): (c_int, *const c_void),
        u: Argument,
        vt: Argument,
        compute_kind: c_int,
    ) -> Outcome<Request> {
        let kind = a.0;
        check_types(kind, &[u.0, vt.0, compute_kind])?;
        if s_kind != real(kind) || m < n {
            return Err(INVALID_VALUE);
        }
        let u_columns = Vectors::of(jobu)?.count(n, m);
        let vt_rows = Vectors::of(jobvt)?.count(n, n);
        let a = matrix(a.1, kind, m, n, a.2)?;
        Ok(Request {
            a,
            s: Place::vector(s as usize, s_kind, a.columns),
            u: u_columns.map(|columns| matrix(u.1, kind, m, columns, u.2)).transpose()?,
            vt: vt_rows.map(|rows| matrix(vt.1, kind, rows, n, vt.2)).transpose()?,
        })
    }

    fn need(&self) -> Need {
        Need::of(&[self.a, self.s], 64 + 8 * self.a.columns)
    }

    /// Answers LAPACK's code.
    ///
    /// # Safety
    /// All operands must be nobody else's.
    unsafe fn run(&self) -> c_int {
        let Request { a, s, u, vt } = self;
        let (m, n) = (a.rows, a.columns);
        // SAFETY: as promised by the caller.
        let wanted = u.map_or(0, |u| u.columns);
        let found = decompose(&unsafe { a.read() }, wanted);
        let code = if found.is_some() { 0 } else { 1 };
        let found = found.unwrap_or_else(|| Decomposition {
            u: Matrix::filled(m, wanted, Complex::NAN),
            values: vec![f64::NAN; n],
            v: Matrix::filled(n, n, Complex::NAN),
        });
        let values: Vec<Complex> = found.values.into_iter().map(Complex::from).collect();
        // SAFETY: as promised by the caller.
        unsafe {
            s.write_vector(&values);
            if let Some(u) = u {
                u.write(&found.u);
            }
            if let Some(vt) = vt {
                vt.write(&found.v.conjugate_transpose());
            }
            // It is spoilt.
            a.write(&Matrix::filled(m, n, Complex::NAN));
        }
        code
    }
}

math_api! {
    fn cusolverDnXgesvd_bufferSize(
        handle: *mut Context,
        params: *mut Params,
        jobu: c_char,
        jobvt: c_char,
        m: i64,
        n: i64,
        a_kind: c_int,
        a: *const c_void,
        lda: i64,
        s_kind: c_int,
        s: *const c_void,
        u_kind: c_int,
        u: *const c_void,
        ldu: i64,
        vt_kind: c_int,
        vt: *const c_void,
        ldvt: i64,
        compute_kind: c_int,
        device_bytes: *mut usize,
        host_bytes: *mut usize,
    ) {
        Context::with_params(handle, params)?;
        let (a, u, vt) = ((a_kind, a, lda), (u_kind, u, ldu), (vt_kind, vt, ldvt));
        let request = Request::new((jobu, jobvt), [m, n], a, (s_kind, s), u, vt, compute_kind)?;
        request.need().write(device_bytes, host_bytes);
    }

    fn cusolverDnXgesvd(
        handle: *mut Context,
        params: *mut Params,
        jobu: c_char,
        jobvt: c_char,
        m: i64,
        n: i64,
        a_kind: c_int,
        a: *mut c_void,
        lda: i64,
        s_kind: c_int,
        s: *mut c_void,
        u_kind: c_int,
        u: *mut c_void,
        ldu: i64,
        vt_kind: c_int,
        vt: *mut c_void,
        ldvt: i64,
        compute_kind: c_int,
        device: *mut c_void,
        device_bytes: usize,
        host: *mut c_void,
        host_bytes: usize,
        info: *mut c_int,
    ) {
        let context = Context::with_params(handle, params)?;
        let arguments = ((a_kind, a.cast_const(), lda), (u_kind, u.cast_const(), ldu), (vt_kind, vt.cast_const(), ldvt));
        let (a, u, vt) = arguments;
        let request = Request::new((jobu, jobvt), [m, n], a, (s_kind, s), u, vt, compute_kind)?;
        let function = "cusolverDnXgesvd";
        let work = context.work(function, request.need(), (device, device_bytes), (host, host_bytes))?;
        let codes = Codes { address: info as usize, count: 1 };
        let mut operands = vec![request.a.span("A"), request.s.span("S"), work.device, codes.span()];
        operands.extend(request.u.map(|u| u.span("U")));
        operands.extend(request.vt.map(|vt| vt.span("VT")));
        context.enqueue(function, operands, move || {
            work.scribble();
            codes.write(0, request.run());
        })?;
    }
}
