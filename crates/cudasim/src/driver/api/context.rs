//! Contexts. Every device has one, its primary context; `cuCtxCreate` answers the same.

use super::{driver_api, put, put_if_wanted};
use crate::driver::state::{CONTEXTS, Handle, context_of, current_context, current_device, device_of, state};
use crate::driver::status::{self, Outcome};
use crate::driver::stream;
use std::ffi::{c_int, c_uint, c_void};

const PRIORITY_LOWEST: c_int = 0;
const PRIORITY_HIGHEST: c_int = -5;
const STACK_LIMIT: usize = 256 << 10;

driver_api! {
    fn cuDevicePrimaryCtxRetain(context: *mut Handle, device: c_int) {
        state().device_mut(device)?.primary_retained += 1;
        put(context, context_of(device as usize))?;
    }

    fn cuDevicePrimaryCtxRelease_v2(device: c_int) {
        let last = {
            let mut state = state();
            let device = state.device_mut(device)?;
            device.primary_retained = device.primary_retained.checked_sub(1).ok_or(status::INVALID_CONTEXT)?;
            device.primary_retained == 0
        };
        if last {
            end_context(device as usize);
        }
    }

    fn cuDevicePrimaryCtxReset_v2(device: c_int) {
        state().device(device)?;
        end_context(device as usize);
    }

    fn cuDevicePrimaryCtxGetState(device: c_int, flags: *mut c_uint, active: *mut c_int) {
        let state = state();
        let device = state.device(device)?;
        put(flags, device.primary_flags)?;
        put(active, (device.primary_retained > 0) as c_int)?;
    }

    fn cuDevicePrimaryCtxSetFlags_v2(device: c_int, flags: c_uint) {
        state().device_mut(device)?.primary_flags = flags;
    }

    fn cuCtxCreate_v2(context: *mut Handle, _flags: c_uint, device: c_int) {
        create(context, device)?;
    }

    fn cuCtxCreate_v4(context: *mut Handle, _parameters: *mut c_void, _flags: c_uint, device: c_int) {
        create(context, device)?;
    }

    fn cuCtxDestroy_v2(context: Handle) {
        let device = device_of(context)?;
        CONTEXTS.with_borrow_mut(|contexts| {
            if contexts.last() == Some(&context) {
                contexts.pop();
            }
        });
        let last = {
            let mut state = state();
            let device = state.device_mut(device as c_int)?;
            device.primary_retained = device.primary_retained.checked_sub(1).ok_or(status::INVALID_CONTEXT)?;
            device.primary_retained == 0
        };
        if last {
            end_context(device);
        }
    }

    fn cuCtxGetCurrent(context: *mut Handle) {
        put(context, current_context())?;
    }

    fn cuCtxSetCurrent(context: Handle) {
        if !context.is_null() {
            existing_device(context)?;
        }
        CONTEXTS.with_borrow_mut(|contexts| {
            contexts.pop();
            if !context.is_null() {
                contexts.push(context);
            }
        });
    }

    fn cuCtxPushCurrent_v2(context: Handle) {
        existing_device(context)?;
        CONTEXTS.with_borrow_mut(|contexts| contexts.push(context));
    }

    fn cuCtxPopCurrent_v2(context: *mut Handle) {
        let popped = CONTEXTS.with_borrow_mut(Vec::pop).ok_or(status::INVALID_CONTEXT)?;
        put_if_wanted(context, popped);
    }

    fn cuCtxGetDevice(device: *mut c_int) {
        put(device, current_device()? as c_int)?;
    }

    fn cuCtxGetDevice_v2(device: *mut c_int, context: Handle) {
        let context = if context.is_null() { current_context() } else { context };
        put(device, device_of(context)? as c_int)?;
    }

    fn cuCtxGetId(context: Handle, id: *mut u64) {
        let context = if context.is_null() { current_context() } else { context };
        put(id, device_of(context)? as u64 + 1)?;
    }

    fn cuCtxGetApiVersion(_context: Handle, version: *mut c_uint) {
        put(version, 13_000)?;
    }

    fn cuCtxSynchronize() {
        stream::synchronize_device(current_device()?)?;
    }

    fn cuCtxSynchronize_v2(context: Handle) {
        let context = if context.is_null() { current_context() } else { context };
        stream::synchronize_device(existing_device(context)?)?;
    }

    fn cuCtxGetFlags(flags: *mut c_uint) {
        let device = current_device()?;
        put(flags, state().devices[device].primary_flags)?;
    }

    fn cuCtxSetFlags(flags: c_uint) {
        let device = current_device()?;
        state().devices[device].primary_flags = flags;
    }

    fn cuCtxGetLimit(value: *mut usize, _limit: c_int) {
        current_device()?;
        put(value, STACK_LIMIT)?;
    }

    fn cuCtxSetLimit(_limit: c_int, _value: usize) {
        current_device()?;
    }

    fn cuCtxGetCacheConfig(config: *mut c_int) {
        current_device()?;
        put(config, 0)?;
    }

    fn cuCtxSetCacheConfig(_config: c_int) {
        current_device()?;
    }

    fn cuCtxResetPersistingL2Cache() {
        current_device()?;
    }

    fn cuCtxGetStreamPriorityRange(lowest: *mut c_int, highest: *mut c_int) {
        current_device()?;
        put_if_wanted(lowest, PRIORITY_LOWEST);
        put_if_wanted(highest, PRIORITY_HIGHEST);
    }

    fn cuCtxEnablePeerAccess(peer: Handle, flags: c_uint) {
        let device = current_device()?;
        let peer = device_of(peer)?;
        if flags != 0 || peer == device {
            return Err(status::INVALID_VALUE);
        }
        let mut state = state();
        state.device(peer as c_int)?;
        if !state.devices[device].peers.insert(peer) {
            return Err(status::PEER_ACCESS_ALREADY_ENABLED);
        }
    }

    fn cuCtxDisablePeerAccess(peer: Handle) {
        let device = current_device()?;
        let peer = device_of(peer)?;
        if !state().devices[device].peers.remove(&peer) {
            return Err(status::PEER_ACCESS_NOT_ENABLED);
        }
    }
}

/// The device of a context that may be anything.
fn existing_device(context: Handle) -> Outcome<usize> {
    let device = device_of(context)?;
    state().device(device as c_int).map_err(|_| status::INVALID_CONTEXT)?;
    Ok(device)
}

/// # Safety
/// `context` must be null or valid for a write.
unsafe fn create(context: *mut Handle, device: c_int) -> Outcome {
    state().device_mut(device)?.primary_retained += 1;
    let handle = context_of(device as usize);
    CONTEXTS.with_borrow_mut(|contexts| contexts.push(handle));
    // SAFETY: as promised by the caller.
    unsafe { put(context, handle) }
}

/// Finishes what is queued, as far as the device still works, and destroys all that is in the context.
fn end_context(device: usize) {
    // A device that has faulted says so here, which is of no interest any more.
    let _ = stream::synchronize_device(device);
    state().reset_context(device);
}
