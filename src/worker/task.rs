//! What an operator sees of a device.

use std::sync::Arc;

use arrow::record_batch::RecordBatch;

use super::kernels::Kernel;
use super::stats::TaskStats;
use crate::Result;
use crate::column::{DeviceChunk, DeviceTable, StagedChunk};
use crate::device::{DeviceBuffer, DeviceInfo, Function, KernelSource};
use crate::memory::PinnedPool;

/// One task on the worker's thread. All work goes to the compute stream, in order, unless said otherwise.
///
/// Most calls only enqueue; `read`, `download` and `synchronize` wait for the device. A device fault comes back from
/// whichever call notices it, and then from every later one.
pub struct Task<'a> {
    engine: &'a mut (),
}

#[allow(unused_variables)]
impl Task<'_> {
    /// Allocates `bytes` of device memory with undefined contents, usable on the compute stream from here on.
    ///
    /// Reserves first, evicting resident tables that nobody uses, least recently used first. Rounded up to a
    /// multiple of 16 bytes, at least 16.
    ///
    /// # Errors
    /// `out_of_memory`, naming device, bytes asked and free, and the option that helps.
    pub fn alloc(&mut self, bytes: usize) -> Result<DeviceBuffer> {
        todo!()
    }

    /// Allocates `bytes` of device memory, each set to `byte`, the rounding too.
    ///
    /// # Errors
    /// As [`alloc`](Task::alloc).
    pub fn alloc_filled(&mut self, bytes: usize, byte: u8) -> Result<DeviceBuffer> {
        todo!()
    }

    /// Sets every byte of `buffer`, the rounding too, to `byte`.
    pub fn fill(&mut self, buffer: &DeviceBuffer, byte: u8) -> Result<()> {
        todo!()
    }

    /// Copies a little host data, such as a pool of literals, into a new buffer.
    ///
    /// # Errors
    /// As [`alloc`](Task::alloc).
    pub fn write(&mut self, bytes: &[u8]) -> Result<DeviceBuffer> {
        todo!()
    }

    /// Waits for the device and returns `len` bytes of `buffer` from `offset` on: counters and the like.
    pub fn read(&mut self, buffer: &DeviceBuffer, offset: usize, len: usize) -> Result<Vec<u8>> {
        todo!()
    }

    /// Copies the first `len` bytes of `source` to the start of `target`, on the device.
    pub fn copy(&mut self, target: &DeviceBuffer, source: &DeviceBuffer, len: usize) -> Result<()> {
        todo!()
    }

    /// Returns the kernels of `source`, loaded: from the worker's memory, else from disk, else compiled.
    ///
    /// # Errors
    /// As [`compile`](crate::device::compile), and `device` where the driver refuses the code.
    pub fn kernel(&mut self, source: &KernelSource) -> Result<Kernel> {
        todo!()
    }

    /// Enqueues a kernel with `grid` blocks of `block` threads. `parameters` are the bytes of its one by-value struct,
    /// as the kernel's source declares it; addresses in it come from buffers that live until the next
    /// synchronisation or are dropped on this thread (which frees in stream order).
    ///
    /// # Errors
    /// `cancelled` once the task was; `unsupported` where the parameters exceed 4,096 bytes or the device lacks the
    /// shared memory; `device` for a fault.
    pub fn launch(
        &mut self,
        function: &Function,
        grid: u32,
        block: u32,
        shared_bytes: u32,
        parameters: &[u8],
    ) -> Result<()> {
        todo!()
    }

    /// Copies a staged chunk to the device on the upload stream, overlapping with kernels that were launched before;
    /// kernels launched afterwards wait for it on the device. The staging memory is recycled when the copy is done.
    ///
    /// # Errors
    /// As [`alloc`](Task::alloc).
    pub fn upload(&mut self, staged: StagedChunk) -> Result<DeviceChunk> {
        todo!()
    }

    /// Waits for the device and returns the chunk as a record batch of exactly its schema.
    ///
    /// # Errors
    /// `bug` where the bytes are no valid values of their type (UTF-8, offsets that fall).
    pub fn download(&mut self, chunk: &DeviceChunk) -> Result<RecordBatch> {
        todo!()
    }

    /// Waits for everything enqueued so far; faults come back from here.
    pub fn synchronize(&mut self) -> Result<()> {
        todo!()
    }

    /// Returns the resident table `key`, which counts as used now.
    pub fn resident(&mut self, key: &str) -> Option<Arc<DeviceTable>> {
        todo!()
    }

    /// Keeps `table` in device memory under `key`, in place of what was there, until it is dropped or evicted.
    pub fn keep_resident(&mut self, key: &str, table: DeviceTable) -> Arc<DeviceTable> {
        todo!()
    }

    /// The pool to stage uploads in.
    pub fn pinned_pool(&self) -> &PinnedPool {
        todo!()
    }

    /// Multiprocessors of the device.
    pub fn sm_count(&self) -> u32 {
        todo!()
    }

    /// What the device is.
    pub fn info(&self) -> &DeviceInfo {
        todo!()
    }

    /// Bytes that could be allocated now, if resident tables that nobody uses were evicted.
    pub fn free_bytes(&self) -> u64 {
        todo!()
    }

    /// Fails with `cancelled` once the task was; long host loops ask now and then.
    pub fn check_cancelled(&self) -> Result<()> {
        todo!()
    }

    /// What the task did so far; times of work that is still running are missing until the next synchronisation.
    pub fn stats(&self) -> TaskStats {
        todo!()
    }
}
