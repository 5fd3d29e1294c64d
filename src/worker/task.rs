//! What an operator sees of a device.

use std::any::Any;
use std::rc::Rc;
use std::sync::Arc;

use super::cancel::CancelToken;
use super::engine::{Engine, Shared};
use super::kernels::Kernel;
use super::stats::TaskStats;
use super::timeline::Activity;
use crate::column::DeviceChunk;
use crate::device::{
    BLAS_WORKSPACE_BYTES, DeviceBuffer, DeviceInfo, Event, FftRows, Function, Gemm, KernelSource, LuBatch,
    SolverStep, SolverType, SolverWorkspace,
};
use crate::memory::PinnedPool;
use crate::{Error, Result};

/// One task on the worker's thread. All work goes to the compute stream, in order, unless said otherwise.
///
/// Most calls only enqueue; `read`, `download` and `synchronize` wait for the device. A device fault comes back from
/// whichever call notices it, and then from every later one.
pub struct Task<'a> {
    pub(super) engine: &'a mut Engine,
    pub(super) shared: &'a Shared,
    pub(super) stats: TaskStats,
    /// Raised by the caller's token, or by dropping the future of the task.
    cancel: [CancelToken; 2],
    /// The first device fault that a call met.
    fault: Option<Error>,
    /// Chunks that the compute stream does not wait for yet, with the events behind their copies. They are kept here
    /// because their memory is freed in the order of the compute stream.
    pub(super) in_flight: Vec<(Rc<Event>, DeviceChunk)>,
}

/// Which stream first uses an allocation.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum UsedBy {
    Compute,
    Upload,
}

impl<'a> Task<'a> {
    pub(super) fn new(engine: &'a mut Engine, shared: &'a Shared, cancel: [CancelToken; 2]) -> Task<'a> {
        shared.store.budget().lock().start_peak();
        Task { engine, shared, stats: TaskStats::default(), cancel, fault: None, in_flight: Vec::new() }
    }

    /// Allocates `bytes` of device memory with undefined contents, usable on the compute stream from here on.
    ///
    /// Reserves first, moving stored chunks that nobody holds off the device, least recently used first, those of
    /// resident tables among them. Rounded up to a multiple of 16 bytes, at least 16.
    ///
    /// # Errors
    /// `out_of_memory`, naming device, tier, bytes asked and free, and the options that help.
    pub fn alloc(&mut self, bytes: usize) -> Result<DeviceBuffer> {
        self.step(|task| task.allocate(bytes, UsedBy::Compute))
    }

    /// Allocates `bytes` of device memory, each set to `byte`, the rounding too.
    ///
    /// # Errors
    /// As [`alloc`](Task::alloc).
    pub fn alloc_filled(&mut self, bytes: usize, byte: u8) -> Result<DeviceBuffer> {
        let buffer = self.alloc(bytes)?;
        self.fill(&buffer, byte)?;
        Ok(buffer)
    }

    /// Sets every byte of `buffer`, the rounding too, to `byte`.
    pub fn fill(&mut self, buffer: &DeviceBuffer, byte: u8) -> Result<()> {
        self.step(|task| buffer.fill(byte, buffer.capacity(), &task.engine.compute))
    }

    /// Copies a little host data, such as a pool of literals, into a new buffer.
    ///
    /// # Errors
    /// As [`alloc`](Task::alloc).
    pub fn write(&mut self, bytes: &[u8]) -> Result<DeviceBuffer> {
        self.step(|task| {
            let buffer = task.allocate(bytes.len(), UsedBy::Compute)?;
            let mut memory = task.shared.pool.lease(bytes.len())?;
            memory.copy_from_slice(bytes);
            let copied = Rc::new(Event::new(&task.engine.device)?);
            // SAFETY: `memory` is kept until the event behind the copy was reached; where a call between fails, the
            // engine waits for the stream before the memory is lent again.
            let enqueued = unsafe { buffer.upload(0, &memory, &task.engine.compute) }
                .and_then(|()| copied.record(&task.engine.compute));
            if let Err(error) = enqueued {
                task.engine.compute.synchronize()?;
                return Err(error);
            }
            task.engine.keep_until_copied(memory, copied)?;
            task.stats.bytes_up += bytes.len() as u64;
            Ok(buffer)
        })
    }

    /// Waits for the device and returns `len` bytes of `buffer` from `offset` on: counters and the like, of what was
    /// not uploaded or was waited for.
    pub fn read(&mut self, buffer: &DeviceBuffer, offset: usize, len: usize) -> Result<Vec<u8>> {
        self.step(|task| {
            let mut memory = task.shared.pool.lease(len)?;
            // SAFETY: `memory` is not touched until the stream has finished, whether that fails or not.
            let copied = unsafe { buffer.download(offset, &mut memory, &task.engine.compute) };
            let finished = task.engine.compute.synchronize();
            copied.and(finished)?;
            task.stats.bytes_down += len as u64;
            Ok(memory.to_vec())
        })
    }

    /// Copies the first `len` bytes of `source` to the start of `target`, on the device; what was uploaded must have
    /// been waited for.
    pub fn copy(&mut self, target: &DeviceBuffer, source: &DeviceBuffer, len: usize) -> Result<()> {
        self.copy_to(target, 0, source, len)
    }

    /// As [`copy`](Task::copy), but to `offset` of `target`.
    pub fn copy_to(
        &mut self,
        target: &DeviceBuffer,
        offset: usize,
        source: &DeviceBuffer,
        len: usize,
    ) -> Result<()> {
        self.step(|task| target.copy_from(offset, source, len, &task.engine.compute))
    }

    /// Takes `len` bytes of device memory at `address` that belong to another library of this process, to be read on the
    /// compute stream. They get `lender` dropped, on any thread, when the buffer is gone and nothing uses it any more.
    /// They are not counted as the worker's.
    ///
    /// # Safety
    /// The bytes must be readable until `lender` is dropped, and what writes them ordered before the compute stream.
    ///
    /// # Errors
    /// `user` where the driver does not know the address as this device's, or it is of another context.
    pub unsafe fn borrow(
        &mut self,
        address: u64,
        len: usize,
        lender: impl Any + Send + Sync,
    ) -> Result<DeviceBuffer> {
        self.step(|task| {
            task.engine.device.check_address(address)?;
            // SAFETY: the caller vouches for the memory; whoever reads it does so on the compute stream.
            Ok(unsafe { DeviceBuffer::lent(address, len, &task.engine.compute, lender) })
        })
    }

    /// The compute stream as the driver's handle: what other libraries of this process are to order their work before.
    pub fn stream_handle(&self) -> u64 {
        self.engine.compute.handle()
    }

    /// Returns the kernels of `source`, loaded: from the worker's memory, else from disk, else compiled.
    ///
    /// # Errors
    /// As [`compile`](crate::device::compile), and `unsupported` where the driver does not take the code.
    pub fn kernel(&mut self, source: &KernelSource) -> Result<Kernel> {
        self.step(|task| {
            let Engine { kernels, device, .. } = &mut *task.engine;
            kernels.get(source, device, &task.shared.cache, &mut task.stats)
        })
    }

    /// Makes what is launched from here on wait, on the device, for the copies of `chunk`, if this task uploaded it or
    /// what its columns come from. Asked for a chunk at a time, so that kernels over one chunk run while the next is
    /// still being copied.
    pub fn wait_for(&mut self, chunk: &DeviceChunk) -> Result<()> {
        self.wait_where(|uploaded| {
            let shares = |column| uploaded.columns.iter().any(|other| Arc::ptr_eq(column, other));
            chunk.columns.iter().any(shares)
        })
    }

    fn wait_where(&mut self, is_needed: impl Fn(&DeviceChunk) -> bool) -> Result<()> {
        self.step(|task| {
            let (needed, others) = task.in_flight.drain(..).partition(|(_, chunk)| is_needed(chunk));
            task.in_flight = others;
            let needed: Vec<(Rc<Event>, DeviceChunk)> = needed;
            needed.iter().try_for_each(|(copied, _)| task.engine.compute.wait(copied))
        })
    }

    /// Enqueues a kernel with `grid` blocks of `block` threads. `parameters` are the bytes of its one by-value struct,
    /// as the kernel's source declares it. Chunks that it reads must have been given to [`wait_for`](Task::wait_for).
    /// Buffers whose addresses are in it may be dropped right afterwards: memory is freed in the order of the compute
    /// stream.
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
        self.step(|task| {
            task.timed_kernel(|engine| {
                // SAFETY: operators write parameters as the source that they generated declares them; memory that they
                // point to is freed behind this launch on the same stream. A wrong address is a fault of the device's
                // context, which is found and rebuilt, not of this process.
                unsafe { function.launch(grid, block, shared_bytes, parameters, &engine.compute) }
            })
        })
    }

    /// Starts cuBLAS, if that was not done yet, and returns its name and version.
    ///
    /// # Errors
    /// `unsupported`, with the reason, where there is none that can be used.
    pub fn blas(&mut self) -> Result<String> {
        self.step(|task| Ok(task.engine.blas()?.to_string()))
    }

    /// Enqueues products of matrices by cuBLAS, each of which counts as a kernel. Their buffers may be dropped right
    /// afterwards, as with [`launch`](Task::launch).
    ///
    /// # Errors
    /// As [`blas`](Task::blas) and [`alloc`](Task::alloc); `unsupported` where cuBLAS has no method for one of them;
    /// `device` for a fault.
    pub fn multiply(&mut self, products: &[Gemm]) -> Result<()> {
        self.step(|task| {
            task.engine.blas()?;
            let workspace = task.allocate(BLAS_WORKSPACE_BYTES, UsedBy::Compute)?;
            for product in products {
                task.timed_kernel(|engine| {
                    // SAFETY: operators describe tensors that they hold; memory is freed behind the product on its stream.
                    unsafe { engine.blas()?.multiply(product, &workspace) }
                })?;
            }
            Ok(())
        })
    }

    /// Enqueues a step on many small matrices by cuBLAS, which counts as a kernel. Buffers may be dropped right afterwards,
    /// as with [`launch`](Task::launch).
    ///
    /// # Errors
    /// As [`blas`](Task::blas); `unsupported` for matrices that cuBLAS does not take; `device` for a fault.
    pub fn factor(&mut self, batch: &LuBatch) -> Result<()> {
        self.step(|task| {
            task.timed_kernel(|engine| {
                // SAFETY: as in `multiply`.
                unsafe { engine.blas()?.factor(batch) }
            })
        })
    }

    /// Starts cuFFT, if that was not done yet, and returns its name and version.
    ///
    /// # Errors
    /// `unsupported`, with the reason, where there is none that can be used.
    pub fn fft(&mut self) -> Result<String> {
        self.step(|task| Ok(task.engine.fft()?.to_string()))
    }

    /// Enqueues Fourier transforms by cuFFT, which count as a kernel. Buffers may be dropped right afterwards, as with
    /// [`launch`](Task::launch).
    ///
    /// # Errors
    /// As [`fft`](Task::fft) and [`alloc`](Task::alloc); `unsupported` for sizes that cuFFT does not take; `device` for a
    /// fault.
    pub fn transform(&mut self, rows: &FftRows, input: u64, output: u64) -> Result<()> {
        self.step(|task| {
            let bytes = task.engine.fft()?.workspace_bytes(rows)?;
            let workspace = task.allocate(bytes, UsedBy::Compute)?;
            task.timed_kernel(|engine| {
                // SAFETY: operators describe tensors that they hold; memory is freed behind the work on its stream.
                unsafe { engine.fft()?.transform(rows, input, output, &workspace) }
            })
        })
    }

    /// Starts cuSOLVER, if that was not done yet, and returns its name and version.
    ///
    /// # Errors
    /// `unsupported`, with the reason, where there is none that can be used.
    pub fn solver(&mut self) -> Result<String> {
        self.step(|task| Ok(task.engine.solver()?.to_string()))
    }

    /// Whether cuSOLVER finds the eigenvalues of many small matrices in one step.
    ///
    /// # Errors
    /// As [`solver`](Task::solver).
    pub fn has_eigen_batch(&mut self) -> Result<bool> {
        self.step(|task| Ok(task.engine.solver()?.has_eigen_batch()))
    }

    /// Enqueues steps on matrices by cuSOLVER, each of which counts as a kernel; what it says of the matrix of step `i` is
    /// the `i`th `int32` from `infos` on, or of those of a single step's batch all from there on. Buffers may be dropped right afterwards, as with [`launch`](Task::launch).
    ///
    /// # Errors
    /// As [`solver`](Task::solver) and [`alloc`](Task::alloc); `unsupported` for shapes that cuSOLVER does not take;
    /// `device` for a fault.
    pub fn solve(&mut self, numbers: SolverType, steps: &[SolverStep], infos: u64) -> Result<()> {
        self.step(|task| {
            let solver = task.engine.solver()?;
            let needs: Vec<_> =
                steps.iter().map(|step| solver.workspace(numbers, step)).collect::<Result<_>>()?;
            let most = |bytes: fn(&SolverWorkspace) -> usize| needs.iter().map(bytes).max().unwrap_or(0);
            let workspace = task.allocate(most(|need| need.device_bytes), UsedBy::Compute)?;
            let mut host = vec![0u8; most(|need| need.host_bytes)];
            let ran = steps.iter().zip(&needs).enumerate().try_for_each(|(i, (step, need))| {
                // The library does not say when it is done with what it has on the host.
                if i > 0 && need.host_bytes > 0 {
                    task.engine.compute.synchronize()?;
                }
                let info = infos + 4 * i as u64;
                task.timed_kernel(|engine| {
                    // SAFETY: as in `transform`; what lies on the host is waited for before it is used again or freed.
                    unsafe { engine.solver()?.run(numbers, step, &workspace, &mut host, info) }
                })
            });
            if !host.is_empty() {
                task.engine.compute.synchronize()?;
            }
            ran
        })
    }

    /// Enqueues what counts as a kernel, with the time that it takes.
    fn timed_kernel(&mut self, enqueue: impl FnOnce(&mut Engine) -> Result<()>) -> Result<()> {
        let start = self.engine.timeline.start(&self.engine.device, &self.engine.compute)?;
        enqueue(self.engine)?;
        let Engine { device, compute, timeline, .. } = &mut *self.engine;
        timeline.finish(Activity::Kernel, start, device, compute, &mut self.stats)?;
        self.stats.kernels_launched += 1;
        Ok(())
    }

    /// Waits for everything enqueued so far; faults come back from here.
    pub fn synchronize(&mut self) -> Result<()> {
        self.step(|task| {
            task.engine.synchronize()?;
            task.engine.timeline.collect(&mut task.stats)
        })
    }

    /// The pool to stage uploads in.
    pub fn pinned_pool(&self) -> &PinnedPool {
        &self.shared.pool
    }

    /// Multiprocessors of the device.
    pub fn sm_count(&self) -> u32 {
        self.shared.info.sm_count
    }

    /// What the device is.
    pub fn info(&self) -> &DeviceInfo {
        &self.shared.info
    }

    /// Bytes that could be allocated now, if every stored chunk left the device.
    pub fn free_bytes(&self) -> u64 {
        self.shared.store.budget().lock().free_after_eviction()
    }

    /// Fails with `cancelled` once the task was; long host loops ask now and then.
    pub fn check_cancelled(&self) -> Result<()> {
        self.cancel.iter().try_for_each(CancelToken::check)
    }

    /// What the task did so far; times of work that is still running are missing until the next synchronisation.
    pub fn stats(&self) -> TaskStats {
        TaskStats { peak_bytes: self.shared.store.budget().lock().peak(), ..self.stats.clone() }
    }

    /// Runs one step unless the task was cancelled or has met a fault, and notes a fault.
    pub(super) fn step<T>(&mut self, step: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        if let Some(fault) = &self.fault {
            return Err(fault.clone());
        }
        self.check_cancelled()?;
        step(self).map_err(|error| {
            let error = error.context(&self.shared.info);
            if error.is_device_fault() {
                self.fault = Some(error.clone());
            }
            error
        })
    }

    /// Allocates for the stream that first uses the memory; it is freed in the order of the compute stream.
    pub(super) fn allocate(&mut self, bytes: usize, used_by: UsedBy) -> Result<DeviceBuffer> {
        let capacity = DeviceBuffer::capacity_for(bytes)?;
        let reservation = self.reserve(capacity as u64)?;
        let buffer = match self.try_allocate(bytes, used_by) {
            Err(error) if error.is_out_of_memory() => self.allocate_after_cleaning(bytes, used_by),
            other => other,
        }?;
        Ok(buffer.with_reservation(reservation))
    }

    /// Tries again where the driver has less than the budget says: others use the device, or memory is in pieces.
    fn allocate_after_cleaning(&mut self, bytes: usize, used_by: UsedBy) -> Result<DeviceBuffer> {
        self.engine.synchronize()?;
        self.engine.device.trim(0)?;
        loop {
            match self.try_allocate(bytes, used_by) {
                Err(error) if error.is_out_of_memory() => {
                    let (has_room, reasons) = self.make_room(bytes as u64)?;
                    if !has_room {
                        let (free, _) = self.engine.device.memory()?;
                        return Err(self.out_of_memory(bytes as u64, free, &reasons));
                    }
                    self.engine.synchronize()?;
                    self.engine.device.trim(0)?;
                }
                other => return other,
            }
        }
    }

    fn try_allocate(&self, bytes: usize, used_by: UsedBy) -> Result<DeviceBuffer> {
        let stream = match used_by {
            UsedBy::Compute => &*self.engine.compute,
            UsedBy::Upload => &self.engine.upload,
        };
        DeviceBuffer::new(bytes, stream, &self.engine.compute)
    }

    /// `reasons` say why stored chunks did not make room.
    pub(super) fn out_of_memory(&self, asked: u64, free: u64, reasons: &[String]) -> Error {
        let budget = self.shared.store.budget().lock();
        Error::out_of_memory(format!(
            "out of device memory: {asked} bytes asked, {free} free, {} of {} reserved{}; raise \
             swath.device_memory_limit if the device has more{}",
            budget.reserved(),
            budget.limit(),
            reasons.iter().map(|reason| format!("; {reason}")).collect::<String>(),
            if reasons.is_empty() { "" } else { ", or the limits of the tiers below it" }
        ))
    }
}

impl Drop for Task<'_> {
    fn drop(&mut self) {
        for (copied, _) in &self.in_flight {
            // Their memory is freed next, behind this wait. A fault comes back from the synchronisation that follows.
            let _ = self.engine.compute.wait(copied);
        }
    }
}
