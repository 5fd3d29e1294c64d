//! Stored chunks from a task's side: kept, brought back, and moved out of the way of allocations.
//!
//! The store decides; here bytes are copied and files are written and read, without its lock.

use std::collections::BTreeSet;
use std::ops::Range;
use std::rc::Rc;
use std::sync::Arc;

use arrow::array::ArrayRef;

use super::store::{Admitted, Content, Found, HostBytes, HostChunk, Next, StoredChunk};
use super::task::{Task, UsedBy};
use super::timeline::Activity;
use crate::column::{ChunkImage, DeviceChunk, DeviceDictionary, stage_dictionary};
use crate::device::{DeviceBuffer, Event};
use crate::memory::{ChunkId, PinnedLease, Reservation, Tier};
use crate::{Error, Result};

/// Pinned memory that a copy between the device and pageable memory or a file goes through at a time: large enough that
/// starting a copy costs little beside it.
const STAGING_BYTES: usize = 8 << 20;

/// Chunks that could not leave the device while room was made for one allocation, and why.
#[derive(Default)]
struct Stuck {
    chunks: BTreeSet<ChunkId>,
    /// Tiers that failed, as opposed to being full.
    broken: BTreeSet<Tier>,
    /// How each of them failed.
    failures: Vec<String>,
    /// How full the tiers were for the first chunk that found no room.
    full: Option<String>,
}

impl Stuck {
    fn reasons(self) -> Vec<String> {
        self.failures.into_iter().chain(self.full).collect()
    }
}

/// Says that a chunk of `asked` bytes finds no room in the tiers that work.
fn full(asked: u64, free: &[(Tier, u64)], broken: &BTreeSet<Tier>) -> String {
    let free = free.iter().filter(|(tier, _)| !broken.contains(tier));
    let free: Vec<String> =
        free.map(|(tier, free)| format!("{free} free in {tier} ({})", tier.option())).collect();
    format!("a chunk of {asked} bytes cannot be spilled: {}", free.join(", "))
}

impl Task<'_> {
    /// Keeps `chunk` beyond this task, until the last clone of the handle is dropped. As long as nobody else holds a
    /// part of it, it may be moved off the device to make room; [`fetch`](Task::fetch) brings it back.
    ///
    /// # Memory     what the chunk takes already; nothing is copied now.
    /// # Errors     a device fault.
    pub fn store(&mut self, chunk: DeviceChunk) -> Result<StoredChunk> {
        self.store_shared(Arc::new(chunk))
    }

    pub(super) fn store_shared(&mut self, chunk: Arc<DeviceChunk>) -> Result<StoredChunk> {
        // What is still being uploaded is held by this task, and could not be moved.
        self.wait_for(&chunk)?;
        self.step(|task| {
            if !chunk.is_alive() {
                return Err(lost());
            }
            Ok(task.shared.store.add(chunk))
        })
    }

    /// Returns a stored chunk, on the device. As long as the answer is held, the chunk stays there.
    ///
    /// # Memory     the chunk's own where it had been moved away, with buffers cut behind their last row.
    /// # Traffic    none where it is on the device, else a copy of it up, in the order of the compute stream.
    /// # Errors     as [`alloc`](Task::alloc), and then it is where it was; `device` where it was lost with the
    /// device's context; `io` where its file cannot be read; `bug` where it is another worker's.
    pub fn fetch(&mut self, stored: &StoredChunk) -> Result<Arc<DeviceChunk>> {
        self.step(|task| {
            if !task.shared.store.owns(stored) {
                return Err(Error::bug("a stored chunk is fetched by a worker that did not store it"));
            }
            let below = match task.shared.store.find(stored.0.id)? {
                Found::OnDevice(chunk) => return Ok(chunk),
                Found::Lost => return Err(lost()),
                Found::Below(below) => below,
            };
            let (content, outcome) = match task.bring_back(&below) {
                Ok(chunk) => {
                    task.stats.fetched.add(below.bytes.tier(), below.image.bytes());
                    let kept = task.keep_pinned(below);
                    let chunk = Arc::new(chunk);
                    (Content::Device(Arc::clone(&chunk)), kept.map(|()| chunk))
                }
                Err(error) => (Content::Host(below), Err(error)),
            };
            let is_there = matches!(content, Content::Device(_));
            drop(task.shared.store.moved(stored.0.id, content, is_there));
            outcome
        })
    }

    /// Reserves `bytes` of device memory, moving chunks away where that is needed and suffices.
    pub(super) fn reserve(&mut self, bytes: u64) -> Result<Reservation> {
        let mut stuck = Stuck::default();
        loop {
            match self.shared.store.admit(bytes, |id| stuck.chunks.contains(&id)) {
                Admitted::Granted(reservation) => return Ok(reservation),
                Admitted::Evict(ids) => self.evict_all(&ids, &mut stuck)?,
                Admitted::Refused { free } => {
                    return Err(self.out_of_memory(bytes, free, &stuck.reasons()));
                }
            }
        }
    }

    /// Makes chunks of at least `bytes`, or all that can, leave the device: for a driver that has less than the budget
    /// says. Answers whether any did, and why others did not.
    pub(super) fn make_room(&mut self, bytes: u64) -> Result<(bool, Vec<String>)> {
        let mut stuck = Stuck::default();
        let before = self.stats.evictions;
        while self.stats.evictions == before {
            let ids = self.shared.store.oldest(bytes, |id| stuck.chunks.contains(&id));
            if ids.is_empty() {
                break;
            }
            self.evict_all(&ids, &mut stuck)?;
        }
        Ok((self.stats.evictions > before, stuck.reasons()))
    }

    fn evict_all(&mut self, ids: &[ChunkId], stuck: &mut Stuck) -> Result<()> {
        ids.iter().try_for_each(|id| self.evict(*id, stuck))
    }

    /// Makes `id` leave the device, and others below make room for it; notes where that does not work.
    fn evict(&mut self, id: ChunkId, stuck: &mut Stuck) -> Result<()> {
        loop {
            // Moving chunks takes a while: somebody may have lost interest.
            self.check_cancelled()?;
            match self.shared.store.demote(id, |tier| !stuck.broken.contains(&tier)) {
                Next::Gone => return Ok(()),
                Next::Dropped { chunk, _garbage } => {
                    self.stats.evictions += u64::from(chunk == id);
                    if chunk == id {
                        return Ok(());
                    }
                }
                Next::Move { chunk, content, to } => {
                    let (content, outcome) = self.move_down(content, to);
                    drop(self.shared.store.moved(chunk, content, outcome.is_ok()));
                    match outcome {
                        Ok(bytes) => self.stats.spilled.add(to, bytes),
                        Err(error) if error.is_out_of_memory() || error.is_io() => {
                            stuck.broken.insert(to);
                            stuck.failures.push(format!("{to}: {error}"));
                            continue;
                        }
                        Err(error) => return Err(error),
                    }
                    if chunk == id {
                        self.stats.evictions += 1;
                        return Ok(());
                    }
                }
                Next::Full { asked, free } => {
                    stuck.chunks.insert(id);
                    stuck.full.get_or_insert_with(|| full(asked, &free, &stuck.broken));
                    return Ok(());
                }
            }
        }
    }

    /// Copies a chunk to another tier; answers what it is there and its bytes, or what it was and why not.
    fn move_down(&mut self, content: Content, to: Tier) -> (Content, Result<usize>) {
        let made = match &content {
            Content::Device(chunk) => {
                let (image, buffers) = ChunkImage::of(chunk);
                self.spill_to(&image, &buffers, to).map(|bytes| (Arc::new(image), bytes))
            }
            Content::Host(chunk) => self.respill_to(chunk, to).map(|bytes| (Arc::clone(&chunk.image), bytes)),
            Content::Moving | Content::Lost => Err(Error::bug("a chunk without bytes is to be moved")),
        };
        match made {
            Ok((image, bytes)) => {
                let moved = image.bytes();
                (Content::Host(HostChunk { image, bytes }), Ok(moved))
            }
            Err(error) => (content, Err(error)),
        }
    }

    /// Copies a chunk off the device.
    fn spill_to(&mut self, image: &ChunkImage, buffers: &[Arc<DeviceBuffer>], to: Tier) -> Result<HostBytes> {
        let total = image.bytes();
        if to == Tier::Pinned {
            let mut memory = self.shared.pool.lease(total)?;
            self.spill_window(image, buffers, 0..total, &mut memory)?;
            return Ok(HostBytes::Pinned(memory));
        }
        let mut target = Sink::open(self, to, total)?;
        let mut staging = self.shared.pool.lease(total.min(STAGING_BYTES))?;
        for window in windows(total) {
            let staged = &mut staging[..window.len()];
            self.spill_window(image, buffers, window, staged)?;
            target.write(staged)?;
        }
        Ok(target.finish())
    }

    /// Copies a part of a chunk's image off the device, and waits for that.
    fn spill_window(
        &mut self,
        image: &ChunkImage,
        buffers: &[Arc<DeviceBuffer>],
        window: Range<usize>,
        target: &mut [u8],
    ) -> Result<()> {
        let engine = &mut *self.engine;
        let start = engine.timeline.start(&engine.device, &engine.compute)?;
        let enqueued = image.parts(window).try_for_each(|(place, from, within)| {
            // SAFETY: `target` is not touched until the stream has finished, whether that fails or not.
            unsafe { buffers[place].download(from, &mut target[within], &engine.compute) }
        });
        let marked = engine.timeline.finish(
            Activity::Download,
            start,
            &engine.device,
            &engine.compute,
            &mut self.stats,
        );
        let finished = engine.compute.synchronize();
        enqueued.and(marked).and(finished)
    }

    /// Copies a chunk from one tier below the device to a lower one.
    fn respill_to(&mut self, chunk: &HostChunk, to: Tier) -> Result<HostBytes> {
        let total = chunk.image.bytes();
        let mut target = Sink::open(self, to, total)?;
        match &chunk.bytes {
            HostBytes::Pinned(memory) => target.write(memory)?,
            HostBytes::Pageable(memory) => target.write(memory)?,
            HostBytes::Disk(_) => return Err(Error::bug("there is no tier below the disk")),
        }
        Ok(target.finish())
    }

    /// Copies a chunk back to the device, into new buffers.
    fn bring_back(&mut self, below: &HostChunk) -> Result<DeviceChunk> {
        let image = &below.image;
        let mut buffers = Vec::with_capacity(image.buffers().len());
        for range in image.buffers() {
            buffers.push(Arc::new(self.allocate(range.len(), UsedBy::Compute)?));
        }
        let made = self
            .fetch_into(below, &buffers)
            .and_then(|()| image.rebuild(&buffers, |values| self.dictionary_on_device(values)));
        if made.is_err() {
            // Copies may still read the memory that stays with the chunk.
            self.engine.compute.synchronize()?;
        }
        made
    }

    fn fetch_into(&mut self, below: &HostChunk, buffers: &[Arc<DeviceBuffer>]) -> Result<()> {
        let total = below.image.bytes();
        match &below.bytes {
            HostBytes::Pinned(memory) => self.fetch_window(&below.image, buffers, 0..total, memory),
            HostBytes::Pageable(memory) => self.fetch_staged(below, buffers, |from, staged| {
                staged.copy_from_slice(&memory[from..from + staged.len()]);
                Ok(())
            }),
            HostBytes::Disk(file) => {
                self.fetch_staged(below, buffers, |from, staged| file.read(from as u64, staged))
            }
        }
    }

    /// Copies a chunk up through pinned memory that `read` fills part by part, while the part before is copied.
    fn fetch_staged(
        &mut self,
        below: &HostChunk,
        buffers: &[Arc<DeviceBuffer>],
        read: impl Fn(usize, &mut [u8]) -> Result<()>,
    ) -> Result<()> {
        for window in windows(below.image.bytes()) {
            self.check_cancelled()?;
            let mut staged = self.shared.pool.lease(window.len())?;
            read(window.start, &mut staged)?;
            let copied = self.fetch_window(&below.image, buffers, window, &staged);
            self.keep_copied(staged, copied)?;
        }
        Ok(())
    }

    /// Enqueues the copy of a part of a chunk's image to the device. `source` must be kept until that is done.
    fn fetch_window(
        &mut self,
        image: &ChunkImage,
        buffers: &[Arc<DeviceBuffer>],
        window: Range<usize>,
        source: &[u8],
    ) -> Result<()> {
        let engine = &mut *self.engine;
        let start = engine.timeline.start(&engine.device, &engine.compute)?;
        image.parts(window).try_for_each(|(place, to, within)| {
            // SAFETY: the callers keep `source` until the copies are done, also where a later call fails.
            unsafe { buffers[place].upload(to, &source[within], &engine.compute) }
        })?;
        engine.timeline.finish(Activity::Upload, start, &engine.device, &engine.compute, &mut self.stats)
    }

    /// Keeps `memory` until the copies that read it are done, however enqueuing them ended.
    fn keep_copied(&mut self, memory: PinnedLease, enqueued: Result<()>) -> Result<()> {
        let marked = enqueued.and_then(|()| {
            let copied = Event::new(&self.engine.device)?;
            copied.record(&self.engine.compute)?;
            Ok(copied)
        });
        match marked {
            Ok(copied) => self.engine.keep_until_copied(memory, Rc::new(copied)),
            Err(error) => {
                self.engine.compute.synchronize()?;
                drop(memory);
                Err(error)
            }
        }
    }

    /// Lets the host memory of a chunk that was brought back go, once nothing reads it.
    fn keep_pinned(&mut self, below: HostChunk) -> Result<()> {
        match below.bytes {
            HostBytes::Pinned(memory) => self.keep_copied(memory, Ok(())),
            HostBytes::Pageable(_) | HostBytes::Disk(_) => Ok(()),
        }
    }

    /// Returns the device form of a dictionary's values: what somebody holds already, else a new copy.
    fn dictionary_on_device(&mut self, values: &ArrayRef) -> Result<Arc<DeviceDictionary>> {
        if let Some(found) = self.shared.store.lock().dictionaries.get(values) {
            return Ok(found);
        }
        let (memory, staged) = stage_dictionary(values, &self.shared.pool)?;
        let bytes = self.allocate(staged.values.len(), UsedBy::Compute)?;
        let offsets = self.allocate(staged.offsets.len(), UsedBy::Compute)?;
        let compute = &self.engine.compute;
        // SAFETY: `memory` is kept until the copies are done.
        let enqueued = unsafe {
            bytes
                .upload(0, &memory[staged.values.clone()], compute)
                .and_then(|()| offsets.upload(0, &memory[staged.offsets.clone()], compute))
        };
        self.keep_copied(memory, enqueued)?;
        let dictionary = Arc::new(DeviceDictionary {
            values: Arc::new(bytes),
            offsets: Arc::new(offsets),
            len: staged.host.len(),
            host: ArrayRef::clone(values),
        });
        self.shared.store.lock().dictionaries.add(&dictionary);
        Ok(dictionary)
    }
}

/// The parts in which `total` bytes go through staging memory.
fn windows(total: usize) -> impl Iterator<Item = Range<usize>> {
    (0..total).step_by(STAGING_BYTES).map(move |start| start..total.min(start + STAGING_BYTES))
}

/// Pageable memory or a file that a chunk is written to from its start to its end.
enum Sink {
    Pageable(Vec<u8>),
    Disk(crate::memory::SpillFile),
}

impl Sink {
    fn open(task: &Task<'_>, tier: Tier, bytes: usize) -> Result<Sink> {
        match tier {
            Tier::Pageable => {
                let mut memory = Vec::new();
                memory.try_reserve_exact(bytes).map_err(|_| {
                    Error::out_of_memory(format!("the host has no {bytes} bytes for a spilled chunk"))
                })?;
                Ok(Sink::Pageable(memory))
            }
            Tier::Disk => Ok(Sink::Disk(task.shared.store.folder().create()?)),
            Tier::Device | Tier::Pinned => Err(Error::bug(format!("{tier} is no place to write a chunk to"))),
        }
    }

    fn write(&mut self, bytes: &[u8]) -> Result<()> {
        match self {
            Sink::Pageable(memory) => {
                memory.extend_from_slice(bytes);
                Ok(())
            }
            Sink::Disk(file) => file.write(bytes),
        }
    }

    fn finish(self) -> HostBytes {
        match self {
            Sink::Pageable(memory) => HostBytes::Pageable(memory),
            Sink::Disk(mut file) => {
                file.finish();
                HostBytes::Disk(file)
            }
        }
    }
}

fn lost() -> Error {
    Error::device("a stored chunk was lost when the device's context ended: what made it has to run again")
}
