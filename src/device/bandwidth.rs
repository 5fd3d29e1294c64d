//! How fast a device copies within its own memory: the ceiling for every kernel that reads and writes there.

use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;

use super::buffer::{DeviceBuffer, PinnedBuffer};
use super::context::Device;
use super::stream::{Event, Stream};
use crate::Result;

/// The largest buffer that is copied: dozens of times the second-level cache of any device.
const BUFFER_BYTES_MAX: u64 = 4 << 30;
/// The share of the free memory that each of the two buffers may take.
const FREE_SHARE: u64 = 8;
/// Host memory that the source is filled from, over and over.
const PATTERN_BYTES: usize = 16 << 20;

/// What copying from one buffer of a device to another measured.
#[derive(Clone, Debug, Serialize)]
pub struct CopyBandwidth {
    /// Bytes of one buffer: read once and written once by each copy.
    pub buffer_bytes: u64,
    /// Milliseconds of each copy, by events on the device.
    pub copies_ms: Vec<f64>,
    /// Bytes read plus bytes written per second, in the best copy; 0 where no time passed, as on a simulated device.
    pub best_bytes_per_second: f64,
}

/// Copies one large buffer to another on device `ordinal`, `copies` times after one that is not counted.
///
/// # Memory     two buffers of an eighth of what is free, at most 4 GiB each; given back before it returns.
/// # Errors     without a driver or the device, or where the memory was taken by others meanwhile.
pub fn copy_bandwidth(ordinal: usize, copies: usize) -> Result<CopyBandwidth> {
    let device = Device::open(ordinal)?;
    let (free, _) = device.memory()?;
    let buffer_bytes = (free / FREE_SHARE).clamp(PATTERN_BYTES as u64, BUFFER_BYTES_MAX);
    let len = buffer_bytes as usize / PATTERN_BYTES * PATTERN_BYTES;
    let stream = Arc::new(Stream::new(&device)?);
    let source = DeviceBuffer::new(len, &stream, &stream)?;
    let target = DeviceBuffer::new(len, &stream, &stream)?;
    fill_with_noise(&source, &stream)?;
    let (start, end) = (Event::timing(&device)?, Event::timing(&device)?);
    let mut times = Vec::with_capacity(copies);
    for copy in 0..=copies {
        start.record(&stream)?;
        target.copy_from(0, &source, len, &stream)?;
        end.record(&stream)?;
        stream.synchronize()?;
        if copy > 0 {
            times.push(end.elapsed(&start)?);
        }
    }
    drop((source, target));
    stream.synchronize()?;
    device.trim(0)?;
    let best = times.iter().min().copied().unwrap_or(Duration::ZERO).as_secs_f64();
    Ok(CopyBandwidth {
        buffer_bytes: len as u64,
        copies_ms: times.iter().map(|time| time.as_secs_f64() * 1e3).collect(),
        best_bytes_per_second: if best > 0.0 { 2.0 * len as f64 / best } else { 0.0 },
    })
}

/// Bytes of a copy over the bus: large enough for its full speed.
const TRANSFER_BYTES: usize = 256 << 20;

/// What copying between pinned host memory and a device measured; 0 where no time passed.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct TransferBandwidth {
    pub up_bytes_per_second: f64,
    pub down_bytes_per_second: f64,
}

/// Copies a pinned buffer to device `ordinal` and back, `copies` times after one that is not counted; the best counts.
///
/// # Memory     256 MiB on the device, or an eighth of what is free, and as much pinned; given back before it returns.
/// # Errors     without a driver or the device, or where the memory was taken by others meanwhile.
pub fn transfer_bandwidth(ordinal: usize, copies: usize) -> Result<TransferBandwidth> {
    let device = Device::open(ordinal)?;
    let (free, _) = device.memory()?;
    let len = TRANSFER_BYTES.min((free / FREE_SHARE) as usize);
    let stream = Arc::new(Stream::new(&device)?);
    let on_device = DeviceBuffer::new(len, &stream, &stream)?;
    let mut pinned = PinnedBuffer::new(len, Some(&device))?;
    let (start, middle, end) = (Event::timing(&device)?, Event::timing(&device)?, Event::timing(&device)?);
    let (mut up, mut down) = (Duration::MAX, Duration::MAX);
    for copy in 0..=copies {
        start.record(&stream)?;
        // SAFETY: `pinned` lives, unchanged, until the stream was synchronised below, errors included.
        let copied = unsafe { on_device.upload(0, &pinned.as_slice()[..len], &stream) }
            .and_then(|()| middle.record(&stream))
            // SAFETY: as above; the copy up is done before, by the stream's order.
            .and_then(|()| unsafe { on_device.download(0, &mut pinned.as_mut_slice()[..len], &stream) })
            .and_then(|()| end.record(&stream));
        let finished = stream.synchronize();
        copied.and(finished)?;
        if copy > 0 {
            up = up.min(middle.elapsed(&start)?);
            down = down.min(end.elapsed(&middle)?);
        }
    }
    drop(on_device);
    stream.synchronize()?;
    device.trim(0)?;
    let rate = |time: Duration| match time {
        Duration::ZERO | Duration::MAX => 0.0,
        time => len as f64 / time.as_secs_f64(),
    };
    Ok(TransferBandwidth { up_bytes_per_second: rate(up), down_bytes_per_second: rate(down) })
}

/// Fills a buffer with bytes without a pattern: devices may move uniform data faster than real data.
fn fill_with_noise(buffer: &DeviceBuffer, stream: &Stream) -> Result<()> {
    // Xorshift, from any seed but 0.
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    let mut noise = Vec::with_capacity(PATTERN_BYTES);
    while noise.len() < PATTERN_BYTES {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        noise.extend_from_slice(&state.to_le_bytes());
    }
    let uploaded = (0..buffer.len()).step_by(PATTERN_BYTES).try_for_each(|offset| {
        // SAFETY: `noise` lives, unchanged, until the stream was synchronised below.
        unsafe { buffer.upload(offset, &noise, stream) }
    });
    let finished = stream.synchronize();
    uploaded.and(finished)
}
