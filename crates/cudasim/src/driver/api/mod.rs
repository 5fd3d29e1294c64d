//! The `cu*` functions, by the part of the driver they belong to.

mod context;
mod device;
mod event;
mod graph;
mod kernel;
mod memory;
mod stream;
mod transfer;
mod unsupported;

use super::state::state;
use super::status::{self, Outcome};
use super::stream::IN_HOST_FUNCTION;

/// Defines exported driver functions. A body ends early with a code by `?`, and succeeds at its end.
/// Unless marked `anytime`, a function fails before `cuInit` and inside host functions.
macro_rules! driver_api {
    ($($(#[$attribute:meta])* $(@$anytime:ident)? fn $name:ident($($argument:ident: $type:ty),* $(,)?) $body:block)*) => { $(
        $(#[$attribute])*
        /// # Safety
        /// As for the function of the same name in the CUDA driver.
        #[unsafe(no_mangle)]
        #[allow(non_snake_case)]
        pub unsafe extern "C" fn $name($($argument: $type),*) -> $crate::driver::status::Status {
            let marks: &[&str] = &[$(stringify!($anytime))?];
            if marks.is_empty() && let Err(status) = $crate::driver::api::check_usable() {
                return status;
            }
            #[allow(clippy::redundant_closure_call, unused_unsafe)]
            // SAFETY: the arguments are as the caller promised.
            let outcome = (|| -> $crate::driver::status::Outcome { unsafe { $body } Ok(()) })();
            outcome.err().unwrap_or($crate::driver::status::SUCCESS)
        }
    )* };
}
use driver_api;

fn check_usable() -> Outcome {
    if IN_HOST_FUNCTION.get() {
        return Err(status::NOT_PERMITTED);
    }
    if state().initialized { Ok(()) } else { Err(status::NOT_INITIALIZED) }
}

/// Writes a result where the caller wants it.
///
/// # Safety
/// `to` must be null or valid for a write.
unsafe fn put<T>(to: *mut T, value: T) -> Outcome {
    if to.is_null() {
        return Err(status::INVALID_VALUE);
    }
    // SAFETY: as promised by the caller.
    unsafe { to.write(value) };
    Ok(())
}

/// As [`put`], for a result that the caller may not want.
///
/// # Safety
/// As for [`put`].
unsafe fn put_if_wanted<T>(to: *mut T, value: T) {
    if !to.is_null() {
        // SAFETY: as promised by the caller.
        unsafe { to.write(value) };
    }
}
