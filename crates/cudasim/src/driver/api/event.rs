//! Events.

use super::{driver_api, put};
use crate::driver::state::{Handle, current_device, state};
use crate::driver::status::{self, Outcome};
use crate::driver::stream::{self, Event};
use std::ffi::c_uint;

const DISABLE_TIMING: c_uint = 2;

driver_api! {
    fn cuEventCreate(event: *mut Handle, flags: c_uint) {
        let device = current_device()?;
        let mut state = state();
        state.check_sticky(device)?;
        let handle = state.new_handle();
        let timing = flags & DISABLE_TIMING == 0;
        state.events.insert(handle, Event { device, timing, recorded: None, time: None, captured: false });
        put(event, handle as Handle)?;
    }

    fn cuEventDestroy_v2(event: Handle) {
        let mut state = state();
        let event = state.events.remove(&(event as usize)).ok_or(status::INVALID_HANDLE)?;
        state.check_sticky(event.device)?;
    }

    fn cuEventRecord(event: Handle, stream: Handle) {
        stream::record(event, stream)?;
    }

    fn cuEventRecordWithFlags(event: Handle, stream: Handle, _flags: c_uint) {
        stream::record(event, stream)?;
    }

    fn cuEventQuery(event: Handle) {
        if let Some((stream, sequence)) = recorded(event)? {
            stream::poll(stream, sequence)?;
        }
    }

    fn cuEventSynchronize(event: Handle) {
        let device = state().events.get(&(event as usize)).ok_or(status::INVALID_HANDLE)?.device;
        if let Some((stream, sequence)) = recorded(event)? {
            stream::run_until(stream, sequence);
        }
        state().check_sticky(device)?;
    }

    fn cuEventElapsedTime(milliseconds: *mut f32, start: Handle, end: Handle) {
        put(milliseconds, elapsed(start, end)?)?;
    }

    fn cuEventElapsedTime_v2(milliseconds: *mut f32, start: Handle, end: Handle) {
        put(milliseconds, elapsed(start, end)?)?;
    }
}

/// Where an event was last recorded.
fn recorded(event: Handle) -> Outcome<Option<(usize, u64)>> {
    Ok(state().events.get(&(event as usize)).ok_or(status::INVALID_HANDLE)?.recorded)
}

fn elapsed(start: Handle, end: Handle) -> Outcome<f32> {
    let state = state();
    let time = |event: Handle| {
        let event = state.events.get(&(event as usize)).ok_or(status::INVALID_HANDLE)?;
        state.check_sticky(event.device)?;
        if !event.timing || event.recorded.is_none() {
            return Err(status::INVALID_HANDLE);
        }
        event.time.ok_or(status::NOT_READY)
    };
    let (start, end) = (time(start)?, time(end)?);
    Ok(match end.checked_duration_since(start) {
        Some(after) => after.as_secs_f32() * 1e3,
        None => -start.duration_since(end).as_secs_f32() * 1e3,
    })
}
