//! The functions that kernels call. Each borrows the worker only while it decides what to do and switches
//! after the borrow has ended, because another fiber borrows it next.

use super::abi::{Runtime, VIOLATION_MISALIGNED, VIOLATION_OUT_OF_BOUNDS, VIOLATION_SHIFT};
use super::block::{Decision, Worker};
use super::fault::FaultKind;
use super::fiber;
use super::warp::WarpOp;
use std::ffi::{CStr, c_char, c_int};

/// The table that compiled kernels call back through.
pub static RUNTIME: Runtime = Runtime { barrier, warp, yield_now, trap, protect, violation };

/// Decides under a borrow of the worker, then acts on the decision without one.
///
/// # Safety
/// Only from a callback, on a fiber of `worker`.
#[inline]
unsafe fn with_worker(worker: *mut Worker, decide: impl FnOnce(&mut Worker) -> Decision) {
    // SAFETY: as promised by the caller; the borrow ends before the switch.
    unsafe {
        (*worker).set_in_kernel(false);
        match decide(&mut *worker) {
            Decision::Continue => {}
            Decision::Switch { save, to } => fiber::switch(save, to),
            Decision::Abandon { to } => {
                let mut never_resumed = 0;
                fiber::switch(&mut never_resumed, to);
            }
        }
    }
}

/// Goes back into kernel code.
///
/// # Safety
/// As for [`with_worker`].
#[inline]
unsafe fn back_to_kernel(worker: *mut Worker) {
    // SAFETY: as promised by the caller.
    unsafe { (*worker).set_in_kernel(true) };
}

unsafe extern "C" fn barrier(worker: *mut Worker, kind: u32, predicate: c_int) -> c_int {
    // SAFETY: kernels pass their context's worker.
    unsafe {
        with_worker(worker, |w| w.arrive_at_barrier(predicate));
        let votes = (*worker).barrier_result;
        back_to_kernel(worker);
        match kind {
            0 => 0,
            1 => votes.count,
            2 => votes.all,
            _ => votes.any,
        }
    }
}

unsafe extern "C" fn warp(worker: *mut Worker, op: u32, mask: u32, value: u64, argument: u64) -> u64 {
    // SAFETY: kernels pass their context's worker.
    unsafe {
        with_worker(worker, |w| w.arrive_at_warp(WarpOp::from_number(op), mask, value, argument));
        let result = (*worker).warp_result();
        back_to_kernel(worker);
        result
    }
}

unsafe extern "C" fn yield_now(worker: *mut Worker) {
    // SAFETY: kernels pass their context's worker.
    unsafe {
        with_worker(worker, Worker::yield_turn);
        back_to_kernel(worker);
    }
}

unsafe extern "C" fn trap(worker: *mut Worker, why: *const c_char) {
    // SAFETY: kernels pass their context's worker and a literal.
    unsafe {
        // Not to be left by a signal while it allocates.
        (*worker).set_in_kernel(false);
        let why = CStr::from_ptr(why).to_string_lossy().into_owned();
        with_worker(worker, |w| w.abandon(FaultKind::Trap(why)));
    }
}

unsafe extern "C" fn violation(
    worker: *mut Worker,
    kind: u32,
    file: *const c_char,
    line: u32,
    type_name: *const c_char,
    detail: u64,
) {
    // SAFETY: kernels pass their context's worker, and the compiler's own strings.
    unsafe {
        // Not to be left by a signal while it allocates.
        (*worker).set_in_kernel(false);
        let text = |pointer| CStr::from_ptr(pointer).to_string_lossy();
        let place = format!("{}:{line}", text(file));
        let type_name = text(type_name).into_owned();
        with_worker(worker, |w| {
            let kind = match kind {
                VIOLATION_MISALIGNED => FaultKind::Misaligned { address: detail as usize, type_name, place },
                VIOLATION_OUT_OF_BOUNDS => FaultKind::OutOfBounds { index: detail as i64, type_name, place },
                VIOLATION_SHIFT => {
                    FaultKind::Trap(format!("{place}: shift of {type_name} by {}", detail as i64))
                }
                _ => FaultKind::Trap(format!("{place}: division of {type_name} by zero")),
            };
            w.abandon(kind)
        });
    }
}

unsafe extern "C" fn protect(worker: *mut Worker, on: c_int) {
    // SAFETY: kernels pass their context's worker.
    unsafe { (*worker).set_in_kernel(on == 0) };
}
