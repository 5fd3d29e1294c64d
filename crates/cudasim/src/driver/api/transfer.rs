//! Copies and fills.
//!
//! A copy from pageable memory reads its source before the call returns, and one to pageable memory
//! returns when it is done; with pinned memory both happen when the copy runs.

use super::driver_api;
use crate::driver::memory::InUse;
use crate::driver::state::{Handle, State, current_device, device_of, state};
use crate::driver::status::{self, Outcome};
use crate::driver::stream;
use std::ffi::{c_uchar, c_uint, c_ushort, c_void};
use std::sync::Arc;

const DEFAULT_STREAM: Handle = std::ptr::null_mut();

driver_api! {
    fn cuMemcpyHtoD_v2(to: u64, from: *const c_void, bytes: usize) {
        Copy::new(to as usize, from as usize, bytes).into_device_memory().now()?;
    }

    fn cuMemcpyHtoDAsync_v2(to: u64, from: *const c_void, bytes: usize, stream: Handle) {
        Copy::new(to as usize, from as usize, bytes).into_device_memory().on(stream)?;
    }

    fn cuMemcpyDtoH_v2(to: *mut c_void, from: u64, bytes: usize) {
        Copy::new(to as usize, from as usize, bytes).out_of_device_memory().now()?;
    }

    fn cuMemcpyDtoHAsync_v2(to: *mut c_void, from: u64, bytes: usize, stream: Handle) {
        Copy::new(to as usize, from as usize, bytes).out_of_device_memory().on(stream)?;
    }

    fn cuMemcpyDtoD_v2(to: u64, from: u64, bytes: usize) {
        Copy::new(to as usize, from as usize, bytes).into_device_memory().out_of_device_memory().now()?;
    }

    fn cuMemcpyDtoDAsync_v2(to: u64, from: u64, bytes: usize, stream: Handle) {
        Copy::new(to as usize, from as usize, bytes).into_device_memory().out_of_device_memory().on(stream)?;
    }

    fn cuMemcpy(to: u64, from: u64, bytes: usize) {
        Copy::new(to as usize, from as usize, bytes).now()?;
    }

    fn cuMemcpyAsync(to: u64, from: u64, bytes: usize, stream: Handle) {
        Copy::new(to as usize, from as usize, bytes).on(stream)?;
    }

    fn cuMemcpyPeer(to: u64, to_context: Handle, from: u64, from_context: Handle, bytes: usize) {
        check_owner(to, to_context, bytes)?;
        check_owner(from, from_context, bytes)?;
        Copy::new(to as usize, from as usize, bytes).into_device_memory().out_of_device_memory().now()?;
    }

    fn cuMemcpyPeerAsync(
        to: u64,
        to_context: Handle,
        from: u64,
        from_context: Handle,
        bytes: usize,
        stream: Handle,
    ) {
        check_owner(to, to_context, bytes)?;
        check_owner(from, from_context, bytes)?;
        Copy::new(to as usize, from as usize, bytes).into_device_memory().out_of_device_memory().on(stream)?;
    }

    fn cuMemsetD8_v2(to: u64, value: c_uchar, count: usize) {
        fill(to, value, count, DEFAULT_STREAM)?;
    }

    fn cuMemsetD8Async(to: u64, value: c_uchar, count: usize, stream: Handle) {
        fill(to, value, count, stream)?;
    }

    fn cuMemsetD16_v2(to: u64, value: c_ushort, count: usize) {
        fill(to, value, count, DEFAULT_STREAM)?;
    }

    fn cuMemsetD16Async(to: u64, value: c_ushort, count: usize, stream: Handle) {
        fill(to, value, count, stream)?;
    }

    fn cuMemsetD32_v2(to: u64, value: c_uint, count: usize) {
        fill(to, value, count, DEFAULT_STREAM)?;
    }

    fn cuMemsetD32Async(to: u64, value: c_uint, count: usize, stream: Handle) {
        fill(to, value, count, stream)?;
    }
}

/// A copy, and which ends of it must be device memory.
struct Copy {
    to: usize,
    from: usize,
    bytes: usize,
    to_device: bool,
    from_device: bool,
}

impl Copy {
    fn new(to: usize, from: usize, bytes: usize) -> Copy {
        Copy { to, from, bytes, to_device: false, from_device: false }
    }

    fn into_device_memory(self) -> Copy {
        Copy { to_device: true, ..self }
    }

    fn out_of_device_memory(self) -> Copy {
        Copy { from_device: true, ..self }
    }

    /// Copies in the order of the default stream, and waits.
    fn now(self) -> Outcome {
        let key = state().stream_key(DEFAULT_STREAM)?;
        self.submit(key)?;
        stream::synchronize_stream(key)
    }

    fn on(self, stream: Handle) -> Outcome {
        let key = state().stream_key(stream)?;
        self.submit(key)
    }

    fn submit(self, key: usize) -> Outcome {
        if self.bytes == 0 {
            return Ok(());
        }
        let (from_pageable, to_pageable, device) = {
            let mut state = state();
            let device = state.stream(key)?.device;
            state.check_sticky(device)?;
            for (address, must_be_device) in [(self.to, self.to_device), (self.from, self.from_device)] {
                check_range(&mut state, device, address, self.bytes, must_be_device)?;
            }
            let is_pageable = |address| state.memory.holding(address).is_none();
            (is_pageable(self.from), is_pageable(self.to), device)
        };
        let Copy { to, from, bytes, .. } = self;
        // SAFETY: pageable memory is valid for the length of the call by the caller's promise.
        let staged =
            from_pageable.then(|| unsafe { std::slice::from_raw_parts(from as *const u8, bytes) }.to_vec());
        let operation = move || {
            let known = [(to, !to_pageable), (from, !from_pageable)];
            let known = known.into_iter().filter(|(_, is_known)| *is_known).map(|(address, _)| address);
            let Some(_in_use) = hold(device, known, bytes) else { return };
            let source = staged.as_ref().map_or(from as *const u8, |staged| staged.as_ptr());
            // SAFETY: both ranges are held, or are the caller's.
            unsafe { std::ptr::copy(source, to as *mut u8, bytes) };
        };
        stream::submit(key, Arc::new(operation))?;
        let is_captured = state().stream(key)?.capture.is_some();
        if to_pageable && !is_captured { stream::synchronize_stream(key) } else { Ok(()) }
    }
}

/// Checks that a range does not leave the allocation it starts in, and that it starts in one of a
/// device if it must.
fn check_range(
    state: &mut State,
    device: usize,
    address: usize,
    bytes: usize,
    must_be_device: bool,
) -> Outcome {
    let problem = match state.memory.holding(address) {
        None if !must_be_device => return Ok(()),
        None => format!("address {address:#x} of a copy or fill is {}", state.memory.describe(address)),
        Some(_) if state.memory.holding_range(address, bytes).is_some() => return Ok(()),
        Some(_) => {
            format!("copy or fill of {bytes} bytes from {} leaves it", state.memory.describe(address))
        }
    };
    state.report(device, problem);
    Err(status::INVALID_VALUE)
}

/// Holds ranges in place while work uses them. In lazy mode they may have been freed since the work was
/// queued, which is the device's fault then.
fn hold(device: usize, addresses: impl Iterator<Item = usize>, bytes: usize) -> Option<InUse> {
    let mut state = state();
    for address in addresses {
        if state.memory.holding_range(address, bytes).is_none() {
            let place = state.memory.describe(address);
            let message = format!("copy or fill at address {address:#x}, which is {place}");
            state.fault(device, status::ILLEGAL_ADDRESS, message);
            return None;
        }
    }
    Some(state.memory.hold())
}

/// Checks that memory belongs to the context that the caller says.
fn check_owner(address: u64, context: Handle, bytes: usize) -> Outcome {
    let device = device_of(context)?;
    let mut state = state();
    state.device(device as i32)?;
    let owner = state.memory.holding(address as usize).map(|(_, allocation)| allocation.device);
    if bytes > 0 && owner != Some(device) {
        let place = state.memory.describe(address as usize);
        state.report(
            device,
            format!("peer copy names device {device} for address {address:#x}, which is {place}"),
        );
        return Err(status::INVALID_VALUE);
    }
    Ok(())
}

/// Fills `count` elements.
fn fill<T: std::marker::Copy + Send + Sync + 'static>(
    to: u64,
    value: T,
    count: usize,
    stream: Handle,
) -> Outcome {
    current_device()?;
    let to = to as usize;
    let bytes = count.checked_mul(size_of::<T>()).ok_or(status::INVALID_VALUE)?;
    if bytes == 0 {
        return Ok(());
    }
    if !to.is_multiple_of(size_of::<T>()) {
        return Err(status::INVALID_VALUE);
    }
    let (key, device) = {
        let mut state = state();
        let key = state.stream_key(stream)?;
        let device = state.stream(key)?.device;
        state.check_sticky(device)?;
        check_range(&mut state, device, to, bytes, true)?;
        (key, device)
    };
    let operation = move || {
        let Some(_in_use) = hold(device, std::iter::once(to), bytes) else { return };
        // SAFETY: the range is held, and aligned.
        unsafe { std::slice::from_raw_parts_mut(to as *mut T, count) }.fill(value);
    };
    stream::submit(key, Arc::new(operation))
}
