//! The `cudasim_*` functions, by which a test steers and observes the simulated driver. The loader
//! wraps them as methods of `Simulator`.

use super::memory::Kind;
use super::state::{State, state};
use super::status;
use super::stream;
use crate::exec;
use crate::settings::settings;
use std::ffi::{CStr, c_char, c_int};
use std::time::Duration;

/// Calls `with` for a device that exists; otherwise answers the default.
fn on_device<T: Default>(device: c_int, with: impl FnOnce(&mut State, usize) -> T) -> T {
    let mut state = state();
    if state.device(device).is_err() {
        return T::default();
    }
    with(&mut state, device as usize)
}

#[unsafe(no_mangle)]
pub extern "C" fn cudasim_set_lazy(lazy: c_int) {
    state().lazy = lazy != 0;
}

#[unsafe(no_mangle)]
pub extern "C" fn cudasim_set_timeout(milliseconds: u64) {
    exec::set_timeout(Duration::from_millis(milliseconds));
}

#[unsafe(no_mangle)]
pub extern "C" fn cudasim_set_memory_limit(device: c_int, bytes: usize) {
    on_device(device, |state, device| state.devices[device].memory_limit = bytes);
}

#[unsafe(no_mangle)]
pub extern "C" fn cudasim_fail_launch_in(device: c_int, count: u64) {
    on_device(device, |state, device| state.devices[device].launches_to_failure = count);
}

#[unsafe(no_mangle)]
pub extern "C" fn cudasim_fail_allocations_in(device: c_int, first: u64, count: u64) {
    on_device(device, |state, device| {
        let device = &mut state.devices[device];
        device.allocations_to_failure = if count == 0 { 0 } else { first };
        device.allocations_failing = count;
    });
}

#[unsafe(no_mangle)]
pub extern "C" fn cudasim_allocations(device: c_int) -> u64 {
    on_device(device, |state, device| state.devices[device].allocations)
}

#[unsafe(no_mangle)]
pub extern "C" fn cudasim_lose_device(device: c_int) {
    on_device(device, |state, device| {
        state.fault(
            device,
            status::DEVICE_UNAVAILABLE,
            "the device is lost: made so by the test".to_string(),
        );
    });
}

/// Copies the last message, without a final zero, and answers its whole length; 0 if there is none.
///
/// # Safety
/// `buffer` must have room for `length` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cudasim_last_fault(buffer: *mut c_char, length: usize) -> usize {
    let state = state();
    let Some(message) = &state.last_fault else { return 0 };
    // SAFETY: as promised by the caller.
    unsafe { std::ptr::copy_nonoverlapping(message.as_ptr().cast(), buffer, message.len().min(length)) };
    message.len()
}

#[unsafe(no_mangle)]
pub extern "C" fn cudasim_devices() -> c_int {
    state().devices.len() as c_int
}

#[unsafe(no_mangle)]
pub extern "C" fn cudasim_live_allocations(device: c_int) -> usize {
    on_device(device, |state, device| {
        state.memory.iter().filter(|(_, a)| a.is_device() && a.device == device).count()
    })
}

#[unsafe(no_mangle)]
pub extern "C" fn cudasim_memory_used(device: c_int) -> usize {
    on_device(device, |state, device| state.devices[device].memory_used)
}

#[unsafe(no_mangle)]
pub extern "C" fn cudasim_memory_peak(device: c_int) -> usize {
    on_device(device, |state, device| state.devices[device].memory_peak)
}

#[unsafe(no_mangle)]
pub extern "C" fn cudasim_launches(device: c_int) -> u64 {
    on_device(device, |state, device| state.devices[device].launches)
}

/// Whether all of a range is one allocation of device memory that a device may use. The simulated libraries ask, from
/// their host functions too.
#[unsafe(no_mangle)]
pub extern "C" fn cudasim_holds(device: c_int, address: usize, bytes: usize) -> c_int {
    let found = on_device(device, |state, device| {
        state.memory.holding_range(address, bytes).is_some_and(|allocation| {
            (allocation.is_device() || allocation.kind == Kind::Global)
                && state.is_accessible(device, allocation)
        })
    });
    found as c_int
}

/// Makes a device fail because of what work used that is no allocation's: the simulated libraries' word for it.
///
/// # Safety
/// `what` must be a string.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cudasim_fault_at(device: c_int, address: usize, what: *const c_char) {
    // SAFETY: as promised by the caller.
    let what = unsafe { CStr::from_ptr(what) }.to_string_lossy();
    on_device(device, |state, device| {
        let message = format!("{what} at {address:#x} is {}", state.memory.describe(address));
        state.fault(device, status::ILLEGAL_ADDRESS, message);
    });
}

/// Runs what is queued, then puts all controls, counters and faults back to how they began. What
/// programs have allocated stays.
#[unsafe(no_mangle)]
pub extern "C" fn cudasim_reset() {
    let count = state().devices.len();
    for device in 0..count {
        // A device that has faulted is about to be mended.
        let _ = stream::synchronize_device(device);
    }
    let settings = settings();
    exec::set_timeout(settings.timeout);
    let mut state = state();
    state.lazy = settings.lazy;
    state.last_fault = None;
    for device in &mut state.devices {
        device.memory_limit = settings.memory_bytes;
        device.memory_peak = device.memory_used;
        device.sticky = None;
        device.launches = 0;
        device.launches_to_failure = 0;
        device.allocations = 0;
        device.allocations_to_failure = 0;
        device.allocations_failing = 0;
    }
}
