//! Streams and host functions.

use super::{driver_api, put};
use crate::driver::state::{Handle, context_of, current_device, state};
use crate::driver::status;
use crate::driver::stream::{self, IN_HOST_FUNCTION, Stream};
use std::ffi::{c_int, c_uint, c_void};
use std::sync::Arc;

const NON_BLOCKING: c_uint = 1;

driver_api! {
    fn cuStreamCreate(stream: *mut Handle, flags: c_uint) {
        create(stream, flags, 0)?;
    }

    fn cuStreamCreateWithPriority(stream: *mut Handle, flags: c_uint, priority: c_int) {
        create(stream, flags, priority.clamp(-5, 0))?;
    }

    fn cuStreamDestroy_v2(stream: Handle) {
        let key = stream as usize;
        let (device, queued) = {
            let mut state = state();
            if state.stream_key(stream)? != key {
                return Err(status::INVALID_HANDLE);
            }
            let stream = state.stream(key)?;
            (stream.device, stream.queued)
        };
        // The work that is queued still has to be done, and now is as good a time as any.
        stream::run_until(key, queued);
        let mut state = state();
        state.streams.remove(&key);
        state.check_sticky(device)?;
    }

    fn cuStreamSynchronize(stream: Handle) {
        let key = state().stream_key(stream)?;
        stream::synchronize_stream(key)?;
    }

    fn cuStreamQuery(stream: Handle) {
        let (key, queued) = {
            let mut state = state();
            let key = state.stream_key(stream)?;
            (key, state.stream(key)?.queued)
        };
        stream::poll(key, queued)?;
    }

    fn cuStreamWaitEvent(stream: Handle, event: Handle, _flags: c_uint) {
        stream::wait_event(stream, event)?;
    }

    fn cuStreamGetPriority(stream: Handle, priority: *mut c_int) {
        let mut state = state();
        let key = state.stream_key(stream)?;
        put(priority, state.stream(key)?.priority)?;
    }

    fn cuStreamGetFlags(stream: Handle, flags: *mut c_uint) {
        let mut state = state();
        let key = state.stream_key(stream)?;
        put(flags, if state.stream(key)?.blocking { 0 } else { NON_BLOCKING })?;
    }

    fn cuStreamGetId(stream: Handle, id: *mut u64) {
        let key = state().stream_key(stream)?;
        put(id, key as u64)?;
    }

    fn cuStreamGetCtx(stream: Handle, context: *mut Handle) {
        let mut state = state();
        let key = state.stream_key(stream)?;
        put(context, context_of(state.stream(key)?.device))?;
    }

    fn cuStreamGetDevice(stream: Handle, device: *mut c_int) {
        let mut state = state();
        let key = state.stream_key(stream)?;
        put(device, state.stream(key)?.device as c_int)?;
    }

    fn cuStreamAttachMemAsync(stream: Handle, _address: u64, _length: usize, _flags: c_uint) {
        state().stream_key(stream)?;
    }

    fn cuLaunchHostFunc(stream: Handle, function: Option<extern "C" fn(*mut c_void)>, data: *mut c_void) {
        let function = function.ok_or(status::INVALID_VALUE)?;
        let key = state().stream_key(stream)?;
        let data = data as usize;
        stream::submit(key, Arc::new(move || {
            IN_HOST_FUNCTION.set(true);
            function(data as *mut c_void);
            IN_HOST_FUNCTION.set(false);
        }))?;
    }
}

/// # Safety
/// `to` must be null or valid for a write.
unsafe fn create(to: *mut Handle, flags: c_uint, priority: c_int) -> status::Outcome {
    if flags & !NON_BLOCKING != 0 {
        return Err(status::INVALID_VALUE);
    }
    let device = current_device()?;
    let mut state = state();
    state.check_sticky(device)?;
    let handle = state.new_handle();
    state.streams.insert(handle, Stream::new(device, flags & NON_BLOCKING == 0, priority));
    // SAFETY: as promised by the caller.
    unsafe { put(to, handle as Handle) }
}
