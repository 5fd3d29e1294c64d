//! Streams, and the events that order and time them.

use cudarc::driver::sys::{self, CUevent_flags, CUresult, CUstream_flags};

use super::context::Device;
use super::driver::check;
use crate::Result;

/// A queue of work on one device; work of one stream runs in order.
///
/// Never synchronises with the default stream. Dropping it lets work that was enqueued finish.
#[derive(Debug)]
pub struct Stream {
    device: Device,
    raw: sys::CUstream,
}

// SAFETY: a stream handle may be used from any thread on which the context is current.
unsafe impl Send for Stream {}
// SAFETY: as above; the driver locks inside.
unsafe impl Sync for Stream {}

impl Stream {
    /// Makes a stream of `device`, whose context must be current.
    pub fn new(device: &Device) -> Result<Stream> {
        let mut raw = std::ptr::null_mut();
        let flags = CUstream_flags::CU_STREAM_NON_BLOCKING as u32;
        // SAFETY: writes one handle, destroyed in `drop`.
        check("cuStreamCreate", unsafe { sys::cuStreamCreate(&mut raw, flags) })?;
        Ok(Stream { device: device.clone(), raw })
    }

    /// The device that the stream belongs to.
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// Waits until all work enqueued so far is done; faults of that work come back from here.
    pub fn synchronize(&self) -> Result<()> {
        // SAFETY: the handle lives as long as `self`; after a context has ended the driver answers an error.
        check("cuStreamSynchronize", unsafe { sys::cuStreamSynchronize(self.raw) })
    }

    /// Makes work enqueued from now on wait until `event` was reached; the host does not wait.
    pub fn wait(&self, event: &Event) -> Result<()> {
        // SAFETY: both handles live; flags must be 0.
        check("cuStreamWaitEvent", unsafe { sys::cuStreamWaitEvent(self.raw, event.raw, 0) })
    }

    /// The driver's handle as a number, for other libraries of this process that are to order their work before ours.
    pub fn handle(&self) -> u64 {
        self.raw as u64
    }

    pub(super) fn raw(&self) -> sys::CUstream {
        self.raw
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        // SAFETY: made in `new`, destroyed once, in a context that lives.
        self.device.release(|| unsafe {
            sys::cuStreamDestroy_v2(self.raw);
        });
    }
}

/// A mark in a stream, to wait for or to take the time at.
#[derive(Debug)]
pub struct Event {
    device: Device,
    raw: sys::CUevent,
}

// SAFETY: an event handle may be used from any thread on which the context is current.
unsafe impl Send for Event {}

impl Event {
    /// Makes an event that orders streams and takes no time: the cheap kind.
    pub fn new(device: &Device) -> Result<Event> {
        Self::with_flags(device, CUevent_flags::CU_EVENT_DISABLE_TIMING)
    }

    /// Makes an event that also takes the time, for [`Event::elapsed`].
    pub fn timing(device: &Device) -> Result<Event> {
        Self::with_flags(device, CUevent_flags::CU_EVENT_DEFAULT)
    }

    fn with_flags(device: &Device, flags: CUevent_flags) -> Result<Event> {
        let mut raw = std::ptr::null_mut();
        // SAFETY: writes one handle, destroyed in `drop`.
        check("cuEventCreate", unsafe { sys::cuEventCreate(&mut raw, flags as u32) })?;
        Ok(Event { device: device.clone(), raw })
    }

    /// Puts the mark behind all work enqueued in `stream` so far.
    pub fn record(&self, stream: &Stream) -> Result<()> {
        // SAFETY: both handles live.
        check("cuEventRecord", unsafe { sys::cuEventRecord(self.raw, stream.raw) })
    }

    /// Whether the mark was reached; true for an event that was never recorded.
    pub fn is_reached(&self) -> Result<bool> {
        // SAFETY: the handle lives.
        match unsafe { sys::cuEventQuery(self.raw) } {
            CUresult::CUDA_ERROR_NOT_READY => Ok(false),
            result => check("cuEventQuery", result).map(|()| true),
        }
    }

    /// Waits on the host until the mark was reached.
    pub fn synchronize(&self) -> Result<()> {
        // SAFETY: the handle lives.
        check("cuEventSynchronize", unsafe { sys::cuEventSynchronize(self.raw) })
    }

    /// Returns the time from `earlier` to this mark; both must be timing events that were reached.
    pub fn elapsed(&self, earlier: &Event) -> Result<std::time::Duration> {
        let mut milliseconds = 0.0f32;
        // SAFETY: both handles live.
        check("cuEventElapsedTime", unsafe {
            sys::cuEventElapsedTime_v2(&mut milliseconds, earlier.raw, self.raw)
        })?;
        Ok(std::time::Duration::try_from_secs_f64(f64::from(milliseconds) / 1e3).unwrap_or_default())
    }
}

impl Drop for Event {
    fn drop(&mut self) {
        // SAFETY: made in `with_flags`, destroyed once, in a context that lives.
        self.device.release(|| unsafe {
            sys::cuEventDestroy_v2(self.raw);
        });
    }
}
