//! What a worker's thread owns for as long as one context lives, and what outlives it.

use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::kernels::LoadedKernels;
use super::store::Store;
use super::tier_limits::tier_limits;
use super::timeline::Timeline;
use crate::config::Config;
use crate::device::{Blas, Device, DeviceInfo, Event, Fft, KernelCache, Solver, Stream};
use crate::memory::{PinnedLease, PinnedPool, SharedBudget, SpillFolder};
use crate::{Error, Result};

/// Pinned memory that copies may be reading from at a time; beyond it an upload waits for the oldest copy.
const UPLOADING_BYTES_MAX: usize = 512 << 20;

/// Part of the free memory that is used where the configuration does not say: the rest is for what the driver itself
/// takes, such as code and stacks.
const MEMORY_SHARE: f64 = 0.9;

/// One context and all that lives in it.
#[derive(Debug)]
pub(super) struct Engine {
    pub(super) device: Device,
    /// Kernels, downloads, and every free.
    pub(super) compute: Arc<Stream>,
    /// Uploads, so that they overlap with kernels.
    pub(super) upload: Stream,
    pub(super) kernels: LoadedKernels,
    pub(super) timeline: Timeline,
    /// Once they were asked for: cuBLAS, cuFFT and cuSOLVER on the compute stream, or why there is none.
    blas: Option<Result<Blas>>,
    fft: Option<Result<Fft>>,
    solver: Option<Result<Solver>>,
    /// Copies that may be running, oldest first, with the host memory that they read.
    uploading: VecDeque<(Rc<Event>, PinnedLease)>,
}

impl Engine {
    pub(super) fn open(ordinal: usize) -> Result<Engine> {
        let device = Device::open(ordinal)?;
        Ok(Engine {
            compute: Arc::new(Stream::new(&device)?),
            upload: Stream::new(&device)?,
            kernels: LoadedKernels::default(),
            timeline: Timeline::default(),
            blas: None,
            fft: None,
            solver: None,
            uploading: VecDeque::new(),
            device,
        })
    }

    /// cuBLAS on the compute stream.
    ///
    /// # Errors
    /// As [`Blas::open`], the first time and ever after.
    pub(super) fn blas(&mut self) -> Result<&Blas> {
        let compute = &self.compute;
        self.blas.get_or_insert_with(|| Blas::open(compute)).as_ref().map_err(Clone::clone)
    }

    /// cuFFT on the compute stream.
    ///
    /// # Errors
    /// As [`Fft::open`], the first time and ever after.
    pub(super) fn fft(&mut self) -> Result<&mut Fft> {
        let compute = &self.compute;
        self.fft.get_or_insert_with(|| Fft::open(compute)).as_mut().map_err(|error| error.clone())
    }

    /// cuSOLVER on the compute stream.
    ///
    /// # Errors
    /// As [`Solver::open`], the first time and ever after.
    pub(super) fn solver(&mut self) -> Result<&Solver> {
        let compute = &self.compute;
        self.solver.get_or_insert_with(|| Solver::open(compute)).as_ref().map_err(Clone::clone)
    }

    /// Waits for everything that was enqueued and takes staging memory back.
    pub(super) fn synchronize(&mut self) -> Result<()> {
        self.upload.synchronize()?;
        self.compute.synchronize()?;
        self.uploading.clear();
        Ok(())
    }

    /// Keeps `memory` until everything that `stream` has to do so far is done.
    pub(super) fn keep_until_copied(&mut self, memory: PinnedLease, event: Rc<Event>) -> Result<()> {
        self.uploading.push_back((event, memory));
        let bytes = |uploading: &VecDeque<(Rc<Event>, PinnedLease)>| -> usize {
            uploading.iter().map(|(_, memory)| memory.len()).sum()
        };
        while bytes(&self.uploading) > UPLOADING_BYTES_MAX
            && let Some((event, _)) = self.uploading.front()
        {
            event.synchronize()?;
            self.uploading.pop_front();
        }
        while let Some((event, _)) = self.uploading.front()
            && event.is_reached()?
        {
            self.uploading.pop_front();
        }
        Ok(())
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        let device = self.device.clone();
        let _held = device.hold();
        // Copies may still read staging memory that is about to be lent again; in a context that ended, none do.
        if device.is_alive() {
            let _ = self.synchronize();
        }
    }
}

/// What handles and the thread of a worker share; it outlives faults.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) info: DeviceInfo,
    pub(super) store: Arc<Store>,
    pub(super) pool: PinnedPool,
    pub(super) cache: KernelCache,
    pub(super) generation: AtomicU64,
}

impl Shared {
    pub(super) fn new(device: &Device, config: &Config) -> Result<Shared> {
        let (free, total) = device.memory()?;
        let limit = match config.device_memory_limit {
            Some(limit) => limit.min(total),
            None => (free as f64 * MEMORY_SHARE) as u64,
        };
        let limits = tier_limits(config);
        let folder = SpillFolder::new(config.spill_dir.clone().unwrap_or_else(std::env::temp_dir));
        Ok(Shared {
            info: device.info().clone(),
            store: Arc::new(Store::new(SharedBudget::new(limit), limits, folder)),
            pool: PinnedPool::new(Some(device.clone())),
            cache: KernelCache::new(config.cache_dir.clone()),
            generation: AtomicU64::new(0),
        })
    }
}

/// The engine of a worker, if its device works.
#[derive(Debug)]
pub(super) struct EngineSlot {
    pub(super) shared: Arc<Shared>,
    pub(super) engine: Option<Engine>,
}

impl EngineSlot {
    /// Returns the engine, making one where a fault ended the last: one of this worker's, or of another that shares
    /// the device.
    pub(super) fn engine(&mut self) -> Result<&mut Engine> {
        if self.engine.as_ref().is_some_and(|engine| !engine.device.is_alive()) {
            self.lose();
        }
        if self.engine.is_none() {
            let engine = Engine::open(self.shared.info.ordinal).map_err(|error| {
                Error::device(format!("{} does not recover from a fault: {error}", self.shared.info))
            })?;
            self.shared.pool.rebind(engine.device.clone());
            self.engine = Some(engine);
        }
        self.engine.as_mut().ok_or_else(|| Error::bug("an engine that was just made is gone"))
    }

    /// Replaces a context that a fault has made useless. Chunks that were in it are lost with it.
    pub(super) fn rebuild(&mut self) {
        self.lose();
        // A failure is reported to the next task, which tries once more.
        let _ = self.engine();
    }

    /// Ends the context, if nobody did yet, and forgets all that was in it.
    fn lose(&mut self) {
        if let Some(engine) = self.engine.take() {
            // The driver may fail even at this; what counts is that nobody uses the context any more.
            let _ = engine.device.close();
        }
        self.shared.store.lose_device();
        self.shared.generation.fetch_add(1, Ordering::AcqRel);
    }

    /// Waits for all work on the device, that of other libraries of this process too.
    pub(super) fn wait_for_everybody(&self) {
        if let Some(engine) = &self.engine {
            let _held = engine.device.hold();
            if engine.device.is_alive() {
                // The next task meets a fault, and rebuilds the context.
                let _ = engine.device.bind().and_then(|()| engine.device.synchronize());
            }
        }
    }

    /// Gives back memory that is kept only to be quick.
    pub(super) fn trim(&mut self) {
        self.shared.pool.trim();
        if let Some(engine) = &self.engine {
            let _held = engine.device.hold();
            if engine.device.is_alive() {
                // Trimming is a courtesy to other processes: failing at it harms nobody here.
                let _ = engine.device.trim(0);
            }
        }
    }
}
