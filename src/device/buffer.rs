//! Memory of a device, and host memory that the device copies from and to.

use std::alloc::{self, Layout};
use std::any::Any;
use std::fmt;
use std::sync::Arc;

use cudarc::driver::sys;

use super::context::Device;
use super::driver::check;
use super::stream::Stream;
use crate::{Error, Result};

/// The multiple that every size is rounded up to: kernels load and store 16 bytes at a time.
const GRANULE_BYTES: usize = 16;

/// Device memory that is given back in stream order when it is dropped, on any thread.
///
/// There is no `Clone`: a copy is [`copy_from`](DeviceBuffer::copy_from), which says so and can fail. Holders that
/// share one use `Arc<DeviceBuffer>`.
pub struct DeviceBuffer {
    address: u64,
    len: usize,
    stream: Arc<Stream>,
    is_lent: bool,
    /// Dropped right after the memory was given back: what accounts for the bytes, or of lent ones the lender.
    owner: Option<Box<dyn Any + Send + Sync>>,
}

impl DeviceBuffer {
    /// Allocates `len` bytes, rounded up to a multiple of 16 and at least 16, in the order of `allocate_on`.
    ///
    /// The bytes are undefined. Only work behind this point of `allocate_on`, or that waits for it, may touch them.
    /// The memory is freed in the order of `free_on`, so every last use must be ordered before that stream's end.
    ///
    /// # Errors
    /// `out_of_memory` where the device has no such block.
    pub fn new(len: usize, allocate_on: &Stream, free_on: &Arc<Stream>) -> Result<DeviceBuffer> {
        let capacity = Self::capacity_for(len)?;
        let mut address = 0;
        // SAFETY: writes one address; freed in `drop`.
        check("cuMemAllocAsync", unsafe { sys::cuMemAllocAsync(&mut address, capacity, allocate_on.raw()) })?;
        Ok(DeviceBuffer { address, len, stream: Arc::clone(free_on), is_lent: false, owner: None })
    }

    /// Takes `len` bytes that belong to somebody else, who gets them back when `lender` is dropped: after the buffer was,
    /// and all that `used_on` had to do until then is done.
    ///
    /// # Safety
    /// The bytes must be device memory that the context of `used_on` may read, and stay so until `lender` is dropped. All
    /// work on them must be ordered before the end of `used_on`.
    pub unsafe fn lent(
        address: u64,
        len: usize,
        used_on: &Arc<Stream>,
        lender: impl Any + Send + Sync,
    ) -> DeviceBuffer {
        let owner: Option<Box<dyn Any + Send + Sync>> = Some(Box::new(lender));
        DeviceBuffer { address, len, stream: Arc::clone(used_on), is_lent: true, owner }
    }

    /// Returns the bytes that a buffer of `len` bytes takes.
    ///
    /// # Errors
    /// `unsupported` where that is more than any memory has.
    pub fn capacity_for(len: usize) -> Result<usize> {
        len.max(1)
            .checked_next_multiple_of(GRANULE_BYTES)
            .filter(|capacity| *capacity <= isize::MAX as usize)
            .ok_or_else(|| Error::unsupported(format!("a device buffer of {len} bytes")))
    }

    /// Ties `reservation` to a buffer of our own: it is dropped when the memory is given back.
    pub fn with_reservation(mut self, reservation: impl Any + Send + Sync) -> DeviceBuffer {
        self.owner = Some(Box::new(reservation));
        self
    }

    /// Whether the memory belongs to somebody else.
    pub fn is_lent(&self) -> bool {
        self.is_lent
    }

    /// Bytes asked for.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether no bytes were asked for.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Bytes there are: `len` rounded up to a multiple of 16, at least 16; of lent memory, `len`.
    pub fn capacity(&self) -> usize {
        if self.is_lent { self.len } else { self.len.max(1).next_multiple_of(GRANULE_BYTES) }
    }

    /// The address that kernels take, or 0 where the context has ended since: a kernel that is given such a buffer
    /// faults, where it would otherwise read someone else's memory.
    pub fn address(&self) -> u64 {
        if self.is_alive() { self.address } else { 0 }
    }

    /// Whether the context that the memory belongs to lives.
    pub fn is_alive(&self) -> bool {
        self.stream.device().is_alive()
    }

    /// Fills the first `len` bytes with `byte`, in the order of `stream`.
    pub fn fill(&self, byte: u8, len: usize, stream: &Stream) -> Result<()> {
        let (address, len) = self.range("fill", 0, len)?;
        // SAFETY: the range lies inside the allocation.
        check("cuMemsetD8Async", unsafe { sys::cuMemsetD8Async(address, byte, len, stream.raw()) })
    }

    /// Copies `source` from host memory to `offset`, in the order of `stream`.
    ///
    /// # Safety
    /// `source` must stay alive and unchanged until the copy is done.
    pub unsafe fn upload(&self, offset: usize, source: &[u8], stream: &Stream) -> Result<()> {
        let (address, len) = self.range("upload", offset, source.len())?;
        if len == 0 {
            return Ok(());
        }
        // SAFETY: the range lies inside the allocation; the caller keeps `source`.
        check("cuMemcpyHtoDAsync", unsafe {
            sys::cuMemcpyHtoDAsync_v2(address, source.as_ptr().cast(), len, stream.raw())
        })
    }

    /// Copies bytes from `offset` on into `target` in host memory, in the order of `stream`.
    ///
    /// # Safety
    /// `target` must stay alive and untouched until the copy is done.
    pub unsafe fn download(&self, offset: usize, target: &mut [u8], stream: &Stream) -> Result<()> {
        let (address, len) = self.range("download", offset, target.len())?;
        if len == 0 {
            return Ok(());
        }
        // SAFETY: the range lies inside the allocation; the caller keeps `target`.
        check("cuMemcpyDtoHAsync", unsafe {
            sys::cuMemcpyDtoHAsync_v2(target.as_mut_ptr().cast(), address, len, stream.raw())
        })
    }

    /// Copies the first `len` bytes of `source`, a buffer of the same device, to `offset`, in the order of `stream`.
    pub fn copy_from(&self, offset: usize, source: &DeviceBuffer, len: usize, stream: &Stream) -> Result<()> {
        let (from, _) = source.range("copy", 0, len)?;
        let (to, len) = self.range("copy", offset, len)?;
        if len == 0 {
            return Ok(());
        }
        // SAFETY: both ranges lie inside their allocations.
        check("cuMemcpyDtoDAsync", unsafe { sys::cuMemcpyDtoDAsync_v2(to, from, len, stream.raw()) })
    }

    /// Checks that `[offset, offset + len)` lies inside and the memory still exists.
    fn range(&self, operation: &str, offset: usize, len: usize) -> Result<(u64, usize)> {
        if !self.is_alive() {
            return Err(Error::device(format!(
                "{operation}: the buffer was lost when the device's context ended"
            )));
        }
        match offset.checked_add(len) {
            Some(end) if end <= self.capacity() => Ok((self.address + offset as u64, len)),
            _ => Err(Error::bug(format!(
                "{operation} of {len} bytes at {offset} in a device buffer of {} bytes",
                self.capacity()
            ))),
        }
    }
}

impl fmt::Debug for DeviceBuffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DeviceBuffer({:#x}, {} bytes)", self.address, self.len)
    }
}

impl Drop for DeviceBuffer {
    fn drop(&mut self) {
        self.stream.device().release(|| {
            if self.is_lent {
                // The lender's own work does not wait for ours. A fault comes back from the next call that waits.
                let _ = self.stream.synchronize();
            } else {
                // SAFETY: allocated in `new`, freed once, in a context that lives; `stream` lives in it too.
                unsafe { sys::cuMemFreeAsync(self.address, self.stream.raw()) };
            }
        });
    }
}

/// Alignment of host memory: huge pages where the system gives them, which makes pinning quicker.
const HOST_ALIGNMENT_BYTES: usize = 2 << 20;
/// Below this, host memory is aligned to a small page.
const PAGE_BYTES: usize = 4096;

/// Host memory that the device copies from and to at full speed.
///
/// The memory is this process's own and is only registered with the driver. So it outlives a context that faults:
/// a host thread may be filling it at that moment. Where the driver refuses to pin (a limit on locked memory), the
/// memory is pageable, and copies are slower but right.
pub struct PinnedBuffer {
    start: std::ptr::NonNull<u8>,
    layout: Layout,
    /// Set where the memory is pinned.
    device: Option<Device>,
}

// SAFETY: owns its memory; nothing in it is tied to a thread.
unsafe impl Send for PinnedBuffer {}
// SAFETY: shared access only reads.
unsafe impl Sync for PinnedBuffer {}

impl PinnedBuffer {
    /// Allocates `len` zeroed bytes, at least 1, and pins them for `device` where one is given.
    ///
    /// # Errors
    /// `out_of_memory` where the host has no such block.
    pub fn new(len: usize, device: Option<&Device>) -> Result<PinnedBuffer> {
        let alignment = if len >= HOST_ALIGNMENT_BYTES { HOST_ALIGNMENT_BYTES } else { PAGE_BYTES };
        let layout = Layout::from_size_align(len.max(1), alignment)
            .map_err(|_| Error::unsupported(format!("a host buffer of {len} bytes")))?;
        // SAFETY: the layout is not empty.
        let start = std::ptr::NonNull::new(unsafe { alloc::alloc_zeroed(layout) }).ok_or_else(|| {
            Error::out_of_memory(format!(
                "host memory: {len} bytes for staging could not be allocated; a smaller chunk size \
                 (swath.chunk_bytes_target) needs less"
            ))
        })?;
        let mut buffer = PinnedBuffer { start, layout, device: None };
        if let Some(device) = device {
            buffer.pin(device);
        }
        Ok(buffer)
    }

    fn pin(&mut self, device: &Device) {
        let alive = device.alive();
        if !*alive || device.bind().is_err() {
            return;
        }
        // SAFETY: the range is ours until `drop`, which unregisters it first.
        let result = unsafe {
            sys::cuMemHostRegister_v2(
                self.start.as_ptr().cast(),
                self.layout.size(),
                sys::CU_MEMHOSTREGISTER_PORTABLE,
            )
        };
        if check("cuMemHostRegister", result).is_ok() {
            self.device = Some(device.clone());
        }
    }

    /// Bytes there are.
    pub fn len(&self) -> usize {
        self.layout.size()
    }

    /// Whether there are no bytes: never.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether the memory is pinned in a context that lives.
    pub fn is_pinned(&self) -> bool {
        self.device.as_ref().is_some_and(Device::is_alive)
    }

    /// The bytes.
    pub fn as_slice(&self) -> &[u8] {
        // SAFETY: initialised by `alloc_zeroed`, owned by `self`.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr(), self.len()) }
    }

    /// The bytes, to write.
    pub fn as_mut_slice(&mut self) -> &mut [u8] {
        // SAFETY: as in `as_slice`, and borrowed alone.
        unsafe { std::slice::from_raw_parts_mut(self.start.as_ptr(), self.len()) }
    }
}

impl fmt::Debug for PinnedBuffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PinnedBuffer({} bytes, pinned: {})", self.len(), self.is_pinned())
    }
}

impl Drop for PinnedBuffer {
    fn drop(&mut self) {
        if let Some(device) = &self.device {
            let alive = device.alive();
            if *alive {
                // Without a current context the driver refuses the next call, and the memory stays pinned until exit.
                let _ = device.bind();
            }
            // SAFETY: registered in `pin`. The end of a context ends its registrations, and then the driver refuses
            // this; one that did keep them must not go on to pin memory that someone else gets next.
            unsafe { sys::cuMemHostUnregister(self.start.as_ptr().cast()) };
        }
        // SAFETY: allocated in `new` with this layout.
        unsafe { alloc::dealloc(self.start.as_ptr(), self.layout) };
    }
}
