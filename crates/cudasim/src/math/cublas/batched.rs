//! `getrfBatched` and `getrsBatched`: systems of equations by the batch.

use std::ffi::{c_int, c_void};

use super::{Context, INVALID_VALUE};
use crate::math::factorization::lu::{self, Operation};
use crate::math::matrix::Place;
use crate::math::number::{C_32F, C_64F, R_32F, R_64F};
use crate::math::{Codes, NOT_THERE, Outcome, Pointers, Span, math_api};

/// The pivots of a batch, one matrix's after the other's.
fn pivots(address: *const c_int, count: usize) -> Span {
    let size = size_of::<c_int>();
    Span { name: "the pivots", address: address as usize, bytes: count.saturating_mul(size), alignment: size }
}

/// The matrices of a batch, without an address.
fn shape(kind: c_int, rows: c_int, columns: c_int, leading: c_int) -> Option<Place> {
    Place::new(0, kind, rows.into(), columns.into(), leading.into())
}

/// # Safety
/// As for `getrfBatched` in cuBLAS.
unsafe fn factor(
    handle: *mut Context,
    kind: c_int,
    [n, leading, batch]: [c_int; 3],
    pointers: *const *mut c_void,
    p: *mut c_int,
    info: *mut c_int,
) -> Outcome {
    // SAFETY: as promised by the caller.
    let context = unsafe { Context::of(handle) }?;
    let shape = shape(kind, n, n, leading).ok_or(INVALID_VALUE)?;
    let batch = usize::try_from(batch).map_err(|_| INVALID_VALUE)?;
    let pointers = Pointers { address: pointers as usize, count: batch };
    let codes = Codes { address: info as usize, count: batch };
    let n = shape.rows;
    let p = pivots(p, n.saturating_mul(batch));
    let (driver, function) = (context.driver, "cublasgetrfBatched");
    context.enqueue(function, vec![pointers.span("A"), p, codes.span()], move || {
        for item in 0..batch {
            // SAFETY: the driver holds all of it, and the caller vouches for the rest.
            unsafe {
                let a = Place { address: pointers.get(item), ..shape };
                if !driver.accepts(function, &a.span("a matrix")) {
                    codes.write(item, NOT_THERE);
                    continue;
                }
                let mut values = a.read();
                let (pivots, code) = lu::factor(&mut values);
                a.write(&values);
                for (i, pivot) in pivots.into_iter().enumerate() {
                    (p.address as *mut c_int).add(item * n + i).write(pivot as c_int);
                }
                codes.write(item, code as c_int);
            }
        }
    })
}

/// What `getrsBatched` is called with, but for pointers.
struct Sizes {
    trans: c_int,
    n: c_int,
    columns: c_int,
    a_leading: c_int,
    b_leading: c_int,
    batch: c_int,
}

impl Sizes {
    /// What each matrix and each right side are, what is done to the matrices, and the batch; or the number of the argument
    /// that is wrong.
    fn check(&self, kind: c_int) -> Result<(Place, Place, Operation, usize), c_int> {
        let operation = match self.trans {
            0 => Operation::None,
            1 => Operation::Transpose,
            2 => Operation::ConjugateTranspose,
            _ => return Err(2),
        };
        if self.n < 0 {
            return Err(3);
        }
        if self.columns < 0 {
            return Err(4);
        }
        let a = shape(kind, self.n, self.n, self.a_leading).ok_or(6)?;
        let b = shape(kind, self.n, self.columns, self.b_leading).ok_or(9)?;
        Ok((a, b, operation, usize::try_from(self.batch).map_err(|_| 11)?))
    }
}

/// # Safety
/// As for `getrsBatched` in cuBLAS.
unsafe fn solve(
    handle: *mut Context,
    kind: c_int,
    sizes: Sizes,
    a: *const *const c_void,
    p: *const c_int,
    b: *const *mut c_void,
    info: *mut c_int,
) -> Outcome {
    // SAFETY: as promised by the caller.
    let context = unsafe { Context::of(handle) }?;
    let (driver, function) = (context.driver, "cublasgetrsBatched");
    if info.is_null() || driver.holds(info as usize, 1) {
        eprintln!("cudasim: {function}: info at {info:?} is not in the host's memory");
        return Err(INVALID_VALUE);
    }
    let checked = sizes.check(kind);
    // SAFETY: as promised by the caller; it is not device memory.
    unsafe { info.write(checked.as_ref().err().map_or(0, |argument| -argument)) };
    let (a_shape, b_shape, operation, batch) = checked.map_err(|_| INVALID_VALUE)?;
    let a = Pointers { address: a as usize, count: batch };
    let b = Pointers { address: b as usize, count: batch };
    let n = a_shape.rows;
    let p = pivots(p, n.saturating_mul(batch));
    context.enqueue(function, vec![a.span("A"), p, b.span("B")], move || {
        for item in 0..batch {
            // SAFETY: the driver holds all of it, and the caller vouches for the rest.
            unsafe {
                let a = Place { address: a.get(item), ..a_shape };
                let b = Place { address: b.get(item), ..b_shape };
                let are_there = driver.accepts(function, &a.span("a matrix"))
                    && driver.accepts(function, &b.span("a right side"));
                let pivot = |i| (p.address as *const c_int).add(item * n + i).read();
                let is_row = |pivot: &usize| (1..=n).contains(pivot);
                let pivots: Option<Vec<usize>> =
                    (0..n).map(|i| usize::try_from(pivot(i)).ok().filter(is_row)).collect();
                match pivots {
                    Some(pivots) if are_there => {
                        let mut values = b.read();
                        lu::solve(&a.read(), &pivots, operation, &mut values);
                        b.write(&values);
                    }
                    Some(_) => {}
                    None => eprintln!("cudasim: {function}: a pivot of matrix {item} is not from 1 to {n}"),
                }
            }
        }
    })
}

/// Defines the functions for each type.
macro_rules! batched {
    ($($kind:ident $factor:ident $solve:ident)*) => { math_api! { $(
        fn $factor(
            handle: *mut Context,
            n: c_int,
            a: *const *mut c_void,
            lda: c_int,
            p: *mut c_int,
            info: *mut c_int,
            batch: c_int,
        ) {
            factor(handle, $kind, [n, lda, batch], a, p, info)?;
        }

        fn $solve(
            handle: *mut Context,
            trans: c_int,
            n: c_int,
            nrhs: c_int,
            a: *const *const c_void,
            lda: c_int,
            p: *const c_int,
            b: *const *mut c_void,
            ldb: c_int,
            info: *mut c_int,
            batch: c_int,
        ) {
            let sizes = Sizes { trans, n, columns: nrhs, a_leading: lda, b_leading: ldb, batch };
            solve(handle, $kind, sizes, a, p, b, info)?;
        }
    )* } };
}

batched! {
    R_32F cublasSgetrfBatched cublasSgetrsBatched
    R_64F cublasDgetrfBatched cublasDgetrsBatched
    C_32F cublasCgetrfBatched cublasCgetrsBatched
    C_64F cublasZgetrfBatched cublasZgetrsBatched
}
