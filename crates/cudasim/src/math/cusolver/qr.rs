//! `geqrf`, and what its reflections are used for: `orgqr` and `ormqr`, which are `ungqr` and `unmqr` for complex numbers.

use std::ffi::{c_int, c_void};

use super::{
    Context, INVALID_VALUE, NOT_SUPPORTED, Need, Params, WORK_ALIGNMENT, check_types, is_complex, matrix,
    operation,
};
use crate::math::factorization::lu::Operation;
use crate::math::factorization::qr;
use crate::math::matrix::{Matrix, Place};
use crate::math::number::{self, C_32F, C_64F, Complex, R_32F, R_64F};
use crate::math::{Codes, Outcome, SCRIBBLE, Span, math_api};

/// # Safety
/// The factors must be there.
unsafe fn factors(tau: &Place) -> Vec<Complex> {
    // SAFETY: as promised by the caller.
    let values = unsafe { tau.read() };
    (0..tau.rows).map(|k| values[(k, 0)]).collect()
}

/// The elements of a work area for matrices with so many columns.
fn work_elements(columns: usize) -> c_int {
    c_int::try_from(columns.saturating_mul(32).saturating_add(32)).unwrap_or(c_int::MAX)
}

/// The work area of a function that counts in elements; it must have as many as `needed`.
fn work_span(
    function: &str,
    kind: c_int,
    work: *mut c_void,
    elements: c_int,
    needed: c_int,
) -> Outcome<Span> {
    if elements < needed {
        eprintln!("cudasim: {function}: a work area of {elements} elements, where {needed} are needed");
        return Err(INVALID_VALUE);
    }
    let bytes = elements as usize * number::size(kind).unwrap_or(1);
    Ok(Span { name: "the work area", address: work as usize, bytes, alignment: WORK_ALIGNMENT })
}

/// # Safety
/// The work area must be nobody else's.
unsafe fn scribble(work: &Span) {
    // SAFETY: as promised by the caller.
    unsafe { std::ptr::write_bytes(work.address as *mut u8, SCRIBBLE, work.bytes) };
}

/// The matrix that `orgqr` writes the first columns of `Q` to: `n` of `m` elements, of `k` reflections.
fn generated(a: *const c_void, kind: c_int, [m, n, k, lda]: [c_int; 4]) -> Outcome<Place> {
    if n > m || !(0..=n).contains(&k) {
        return Err(INVALID_VALUE);
    }
    matrix(a, kind, m.into(), n.into(), lda.into())
}

/// The reflections and the matrix that `ormqr` multiplies, and whether by the adjoint.
fn multiplied(
    (side, trans): (c_int, c_int),
    kind: c_int,
    [m, n, k]: [c_int; 3],
    (a, lda): (*const c_void, c_int),
    (c, ldc): (*const c_void, c_int),
) -> Outcome<(Place, Place, bool)> {
    if side == 1 {
        return Err(NOT_SUPPORTED);
    }
    let is_adjoint = match operation(trans)? {
        Operation::None => false,
        Operation::Transpose if !is_complex(kind) => true,
        Operation::ConjugateTranspose if is_complex(kind) => true,
        _ => return Err(INVALID_VALUE),
    };
    if side != 0 || !(0..=m).contains(&k) {
        return Err(INVALID_VALUE);
    }
    let a = matrix(a, kind, m.into(), k.into(), lda.into())?;
    Ok((a, matrix(c, kind, m.into(), n.into(), ldc.into())?, is_adjoint))
}

/// Defines the functions for each type.
macro_rules! reflections {
    ($($kind:ident $generate_size:ident $generate:ident $multiply_size:ident $multiply:ident)*) => { math_api! { $(
        fn $generate_size(
            handle: *mut Context,
            m: c_int,
            n: c_int,
            k: c_int,
            a: *const c_void,
            lda: c_int,
            _tau: *const c_void,
            elements: *mut c_int,
        ) {
            Context::of(handle)?;
            elements.write(work_elements(generated(a, $kind, [m, n, k, lda])?.columns));
        }

        fn $generate(
            handle: *mut Context,
            m: c_int,
            n: c_int,
            k: c_int,
            a: *mut c_void,
            lda: c_int,
            tau: *const c_void,
            work: *mut c_void,
            elements: c_int,
            info: *mut c_int,
        ) {
            let (context, function) = (Context::of(handle)?, stringify!($generate));
            let a = generated(a, $kind, [m, n, k, lda])?;
            let tau = Place::vector(tau as usize, $kind, k as usize);
            let work = work_span(function, $kind, work, elements, work_elements(a.columns))?;
            let codes = Codes { address: info as usize, count: 1 };
            context.enqueue(function, vec![a.span("A"), tau.span("tau"), work, codes.span()], move || {
                scribble(&work);
                let mut q = Matrix::identity(a.rows, a.columns);
                qr::multiply(&a.read(), &factors(&tau), false, &mut q);
                a.write(&q);
                codes.write(0, 0);
            })?;
        }

        fn $multiply_size(
            handle: *mut Context,
            side: c_int,
            trans: c_int,
            m: c_int,
            n: c_int,
            k: c_int,
            a: *const c_void,
            lda: c_int,
            _tau: *const c_void,
            c: *const c_void,
            ldc: c_int,
            elements: *mut c_int,
        ) {
            Context::of(handle)?;
            let (_, c, _) = multiplied((side, trans), $kind, [m, n, k], (a, lda), (c, ldc))?;
            elements.write(work_elements(c.columns));
        }

        fn $multiply(
            handle: *mut Context,
            side: c_int,
            trans: c_int,
            m: c_int,
            n: c_int,
            k: c_int,
            a: *const c_void,
            lda: c_int,
            tau: *const c_void,
            c: *mut c_void,
            ldc: c_int,
            work: *mut c_void,
            elements: c_int,
            info: *mut c_int,
        ) {
            let (context, function) = (Context::of(handle)?, stringify!($multiply));
            let (a, c, is_adjoint) = multiplied((side, trans), $kind, [m, n, k], (a, lda), (c, ldc))?;
            let tau = Place::vector(tau as usize, $kind, k as usize);
            let work = work_span(function, $kind, work, elements, work_elements(c.columns))?;
            let codes = Codes { address: info as usize, count: 1 };
            let operands = vec![a.span("A"), tau.span("tau"), c.span("C"), work, codes.span()];
            context.enqueue(function, operands, move || {
                scribble(&work);
                let mut product = c.read();
                qr::multiply(&a.read(), &factors(&tau), is_adjoint, &mut product);
                c.write(&product);
                codes.write(0, 0);
            })?;
        }
    )* } };
}

reflections! {
    R_32F cusolverDnSorgqr_bufferSize cusolverDnSorgqr cusolverDnSormqr_bufferSize cusolverDnSormqr
    R_64F cusolverDnDorgqr_bufferSize cusolverDnDorgqr cusolverDnDormqr_bufferSize cusolverDnDormqr
    C_32F cusolverDnCungqr_bufferSize cusolverDnCungqr cusolverDnCunmqr_bufferSize cusolverDnCunmqr
    C_64F cusolverDnZungqr_bufferSize cusolverDnZungqr cusolverDnZunmqr_bufferSize cusolverDnZunmqr
}

math_api! {
    fn cusolverDnXgeqrf_bufferSize(
        handle: *mut Context,
        params: *mut Params,
        m: i64,
        n: i64,
        kind: c_int,
        a: *const c_void,
        lda: i64,
        tau_kind: c_int,
        _tau: *const c_void,
        compute_kind: c_int,
        device_bytes: *mut usize,
        host_bytes: *mut usize,
    ) {
        Context::with_params(handle, params)?;
        check_types(kind, &[tau_kind, compute_kind])?;
        Need::of(&[matrix(a, kind, m, n, lda)?], 0).write(device_bytes, host_bytes);
    }

    fn cusolverDnXgeqrf(
        handle: *mut Context,
        params: *mut Params,
        m: i64,
        n: i64,
        kind: c_int,
        a: *mut c_void,
        lda: i64,
        tau_kind: c_int,
        tau: *mut c_void,
        compute_kind: c_int,
        device: *mut c_void,
        device_bytes: usize,
        host: *mut c_void,
        host_bytes: usize,
        info: *mut c_int,
    ) {
        let context = Context::with_params(handle, params)?;
        check_types(kind, &[tau_kind, compute_kind])?;
        let a = matrix(a, kind, m, n, lda)?;
        let function = "cusolverDnXgeqrf";
        let work = context.work(function, Need::of(&[a], 0), (device, device_bytes), (host, host_bytes))?;
        let tau = Place::vector(tau as usize, kind, a.rows.min(a.columns));
        let codes = Codes { address: info as usize, count: 1 };
        let operands = vec![a.span("A"), tau.span("tau"), work.device, codes.span()];
        context.enqueue(function, operands, move || {
            work.scribble();
            let mut values = a.read();
            tau.write_vector(&qr::factor(&mut values));
            a.write(&values);
            codes.write(0, 0);
        })?;
    }
}
