//! Pinned host buffers, kept for reuse because pinning is slow.

use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Mutex, PoisonError};

use crate::Result;
use crate::device::{Device, PinnedBuffer};

/// Bytes of unused buffers that a pool keeps; what comes back beyond that is given to the system.
const KEPT_BYTES_MAX: usize = 1 << 30;
/// The smallest buffer: smaller ones would not be worth keeping apart.
const BUFFER_BYTES_MIN: usize = 64 << 10;

/// A pool of pinned host buffers. Cheap to clone; may be used on any thread.
#[derive(Clone, Debug)]
pub struct PinnedPool(Arc<Pool>);

#[derive(Debug)]
struct Pool {
    device: Mutex<Option<Device>>,
    /// Unused buffers; the newest last, as it is the warmest.
    unused: Mutex<Vec<PinnedBuffer>>,
}

impl Pool {
    fn device(&self) -> Option<Device> {
        self.device.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl PinnedPool {
    /// Makes a pool of memory pinned for `device`; without one, of pageable memory, which works the same.
    pub fn new(device: Option<Device>) -> PinnedPool {
        PinnedPool(Arc::new(Pool { device: Mutex::new(device), unused: Mutex::new(Vec::new()) }))
    }

    /// Returns the bytes that a buffer for `len` bytes takes.
    pub fn lease_bytes(len: usize) -> usize {
        size_class(len)
    }

    /// Lends a buffer of at least `len` bytes, with undefined contents.
    ///
    /// # Errors
    /// `out_of_memory` where the host has no such block.
    pub fn lease(&self, len: usize) -> Result<PinnedLease> {
        let size = size_class(len);
        let kept = {
            let mut unused = self.0.unused.lock().unwrap_or_else(PoisonError::into_inner);
            unused.iter().rposition(|buffer| buffer.len() == size).map(|index| unused.swap_remove(index))
        };
        let buffer = match kept {
            Some(buffer) => buffer,
            None => PinnedBuffer::new(size, self.0.device().as_ref())?,
        };
        Ok(PinnedLease { buffer: Some(buffer), len, pool: Arc::clone(&self.0) })
    }

    /// Pins for `device` from now on, whose context takes the place of one that ended.
    pub fn rebind(&self, device: Device) {
        *self.0.device.lock().unwrap_or_else(PoisonError::into_inner) = Some(device);
        self.trim();
    }

    /// Gives unused buffers back to the system.
    pub fn trim(&self) {
        self.0.unused.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// Bytes of unused buffers that are kept.
    pub fn unused_bytes(&self) -> usize {
        self.0.unused.lock().unwrap_or_else(PoisonError::into_inner).iter().map(PinnedBuffer::len).sum()
    }
}

/// Rounds up to a power of two or to one and a half of one, so that buffers fit again: at most a third is unused.
fn size_class(len: usize) -> usize {
    let power = len.max(BUFFER_BYTES_MIN).checked_next_power_of_two().unwrap_or(len);
    let between = power / 4 * 3;
    if len <= between && between >= BUFFER_BYTES_MIN { between } else { power }
}

/// A buffer on loan; dropping it gives it back. It derefs to as many bytes as were asked for.
#[derive(Debug)]
pub struct PinnedLease {
    /// Present until dropped.
    buffer: Option<PinnedBuffer>,
    len: usize,
    pool: Arc<Pool>,
}

impl Deref for PinnedLease {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        &self.buffer.as_ref().expect("present until dropped").as_slice()[..self.len]
    }
}

impl DerefMut for PinnedLease {
    fn deref_mut(&mut self) -> &mut [u8] {
        &mut self.buffer.as_mut().expect("present until dropped").as_mut_slice()[..self.len]
    }
}

impl Drop for PinnedLease {
    fn drop(&mut self) {
        let Some(buffer) = self.buffer.take() else { return };
        // Memory that was pinned in a context that has ended is slow from now on: let it go.
        if self.pool.device().is_some() && !buffer.is_pinned() {
            return;
        }
        let mut unused = self.pool.unused.lock().unwrap_or_else(PoisonError::into_inner);
        let kept: usize = unused.iter().map(PinnedBuffer::len).sum();
        if kept + buffer.len() <= KEPT_BYTES_MAX {
            unused.push(buffer);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_class_holds_what_was_asked_and_wastes_at_most_a_third() {
        for len in
            [0, 1, 65_536, 65_537, 98_304, 98_305, 131_073, 1 << 20, (1 << 20) + 1, 3 << 20, 100_000_000]
        {
            let class = size_class(len);
            assert!(class >= len.max(BUFFER_BYTES_MIN));
            assert!(len <= BUFFER_BYTES_MIN || class - len <= class / 3 + 1, "{len} → {class}");
            assert_eq!(size_class(class), class, "{len}");
        }
    }

    #[test]
    fn a_buffer_that_came_back_is_lent_again() {
        let pool = PinnedPool::new(None);
        let mut lease = pool.lease(100_000).unwrap();
        assert_eq!(lease.len(), 100_000);
        lease.fill(7);
        let address = lease.as_ptr();
        drop(lease);
        assert_eq!(pool.unused_bytes(), 131_072);
        assert_eq!(pool.lease(120_000).unwrap().as_ptr(), address);
        pool.trim();
        assert_eq!(pool.unused_bytes(), 0);
    }
}
