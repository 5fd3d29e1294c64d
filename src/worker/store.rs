//! Chunks that outlive the operator that made them: what stages leave for later stages, and resident tables.
//!
//! The store knows where each chunk lies and decides, by [`Budget`](crate::memory::Budget) and [`Tiers`], which has to
//! leave the device and where it goes. It moves nothing itself: that is a task's work, outside of the store's lock.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use arrow::datatypes::SchemaRef;

use super::dictionaries::Dictionaries;
use super::resident::Table;
use crate::column::{ChunkImage, DeviceChunk, DeviceColumn};
use crate::device::DeviceBuffer;
use crate::memory::{
    Admission, ChunkBytes, ChunkId, Demotion, PinnedLease, PinnedPool, Reservation, SharedBudget, SpillFile,
    SpillFolder, Tier, TierLimits, Tiers,
};
use crate::{Error, Result};

/// A chunk that a worker keeps: on its device, or where it was moved to make room. Cheap to clone; the chunk goes with
/// the last clone, on any thread.
///
/// It is read by [`Task::fetch`](super::Task::fetch), in any task of the worker that stored it. When the device's
/// context is lost, so are the chunks that were on the device; those in host memory and on disk survive.
#[derive(Clone, Debug)]
pub struct StoredChunk(pub(super) Arc<Handle>);

#[derive(Debug)]
pub(super) struct Handle {
    /// Gone once the worker is. Weak, because resident tables keep handles inside the store.
    store: Weak<Store>,
    pub(super) id: ChunkId,
    schema: SchemaRef,
    rows: usize,
    device_bytes: usize,
}

impl StoredChunk {
    /// Names and types.
    pub fn schema(&self) -> &SchemaRef {
        &self.0.schema
    }

    /// Rows there are.
    pub fn rows(&self) -> usize {
        self.0.rows
    }

    /// Bytes of device memory that the chunk took when it was stored.
    pub fn device_bytes(&self) -> usize {
        self.0.device_bytes
    }

    /// Where the chunk lies now; `None` where it was lost with the device's context.
    pub fn tier(&self) -> Option<Tier> {
        self.0.store.upgrade().and_then(|store| store.lock().tiers.tier(self.0.id))
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        if let Some(store) = self.store.upgrade() {
            store.forget(self.id);
        }
    }
}

/// The chunks of one worker, and the budget of its device, which counts them.
///
/// Locks are taken in the order store, budget. A chunk is never dropped while the budget is locked, because its buffers
/// release their bytes there; a handle or a file never while the store is.
#[derive(Debug)]
pub(super) struct Store {
    budget: SharedBudget,
    folder: SpillFolder,
    inner: Mutex<Inner>,
}

#[derive(Debug)]
pub(super) struct Inner {
    pub(super) tiers: Tiers,
    pub(super) entries: BTreeMap<ChunkId, Entry>,
    /// Resident tables by key.
    pub(super) tables: BTreeMap<String, Table>,
    pub(super) dictionaries: Dictionaries,
    next_id: ChunkId,
}

#[derive(Debug)]
pub(super) struct Entry {
    content: Content,
    handle: Weak<Handle>,
    /// Whether a resident table has it, so that it can be loaded again.
    pub(super) is_resident: bool,
}

/// A chunk's bytes, wherever they are.
#[derive(Debug)]
pub(super) enum Content {
    Device(Arc<DeviceChunk>),
    Host(HostChunk),
    /// A task has it, to move it.
    Moving,
    /// It went with the device's context, or was dropped because it can be loaded again.
    Lost,
}

/// A chunk below the device.
#[derive(Debug)]
pub(super) struct HostChunk {
    pub(super) image: Arc<ChunkImage>,
    pub(super) bytes: HostBytes,
}

#[derive(Debug)]
pub(super) enum HostBytes {
    Pinned(PinnedLease),
    Pageable(Vec<u8>),
    Disk(SpillFile),
}

impl HostBytes {
    pub(super) fn tier(&self) -> Tier {
        match self {
            HostBytes::Pinned(_) => Tier::Pinned,
            HostBytes::Pageable(_) => Tier::Pageable,
            HostBytes::Disk(_) => Tier::Disk,
        }
    }
}

/// The answer to [`Store::admit`].
pub(super) enum Admitted {
    Granted(Reservation),
    /// Make these leave the device, oldest first, and ask again.
    Evict(Vec<ChunkId>),
    /// Too little would be free, whatever leaves.
    Refused {
        free: u64,
    },
}

/// What a task is to do next for a chunk that has to leave the device.
pub(super) enum Next {
    /// Move this one, and say how it ended.
    Move {
        chunk: ChunkId,
        content: Content,
        to: Tier,
    },
    /// It was dropped, and goes with this.
    Dropped {
        chunk: ChunkId,
        _garbage: Garbage,
    },
    Full {
        asked: u64,
        free: Vec<(Tier, u64)>,
    },
    /// It is not on the device any more.
    Gone,
}

/// What is to be dropped without the store's lock.
#[derive(Default)]
pub(super) struct Garbage {
    pub(super) contents: Vec<Content>,
    pub(super) tables: Vec<Table>,
}

/// Where a chunk that a task wants lies.
pub(super) enum Found {
    OnDevice(Arc<DeviceChunk>),
    /// Below: it has to be brought back, and the end of that to be reported.
    Below(HostChunk),
    Lost,
}

impl Store {
    pub(super) fn new(budget: SharedBudget, limits: TierLimits, folder: SpillFolder) -> Store {
        let inner = Inner {
            tiers: Tiers::new(limits),
            entries: BTreeMap::new(),
            tables: BTreeMap::new(),
            dictionaries: Dictionaries::default(),
            next_id: 0,
        };
        Store { budget, folder, inner: Mutex::new(inner) }
    }

    pub(super) fn budget(&self) -> &SharedBudget {
        &self.budget
    }

    pub(super) fn folder(&self) -> &SpillFolder {
        &self.folder
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps `chunk`, which lies on the device; it counts as used now.
    pub(super) fn add(self: &Arc<Self>, chunk: Arc<DeviceChunk>) -> StoredChunk {
        let device_bytes = chunk.device_bytes();
        let plain = ChunkImage::of(&chunk).0.bytes();
        let bytes = ChunkBytes { pinned: PinnedPool::lease_bytes(plain) as u64, plain: plain as u64 };
        let mut inner = self.lock();
        let id = inner.next_id;
        inner.next_id += 1;
        let handle = Arc::new(Handle {
            store: Arc::downgrade(self),
            id,
            schema: SchemaRef::clone(&chunk.schema),
            rows: chunk.rows,
            device_bytes,
        });
        inner.tiers.add(id, bytes);
        self.budget.lock().add_resident(id, device_bytes as u64);
        let entry =
            Entry { content: Content::Device(chunk), handle: Arc::downgrade(&handle), is_resident: false };
        inner.entries.insert(id, entry);
        StoredChunk(handle)
    }

    /// Whether `stored` is of this worker.
    pub(super) fn owns(self: &Arc<Self>, stored: &StoredChunk) -> bool {
        Weak::as_ptr(&stored.0.store) == Arc::as_ptr(self)
    }

    /// Asks for `bytes` of device memory; chunks for which `is_stuck` holds are not to be evicted.
    pub(super) fn admit(&self, bytes: u64, is_stuck: impl Fn(ChunkId) -> bool) -> Admitted {
        let mut inner = self.lock();
        // Most of the time there is room, and who holds what need not be known.
        if self.budget.lock().free() < bytes {
            inner.dictionaries.forget_unused();
        }
        let idle = std::cell::OnceCell::new();
        let is_evictable = |id| !is_stuck(id) && idle.get_or_init(|| Idle::of(&inner)).holds(&inner, id);
        let admission = self.budget.lock().reserve(bytes, is_evictable);
        match admission {
            Admission::Granted => Admitted::Granted(self.budget.token(bytes)),
            Admission::Evict(ids) => Admitted::Evict(ids),
            Admission::Refused { free, .. } => Admitted::Refused { free },
        }
    }

    /// The least recently used chunks of at least `bytes` that could leave the device.
    pub(super) fn oldest(&self, bytes: u64, is_stuck: impl Fn(ChunkId) -> bool) -> Vec<ChunkId> {
        let inner = self.lock();
        let idle = Idle::of(&inner);
        self.budget.lock().oldest(bytes, |id| !is_stuck(id) && idle.holds(&inner, id))
    }

    /// Decides the next step to make `id` leave the device, over tiers that are usable.
    pub(super) fn demote(&self, id: ChunkId, is_usable: impl Fn(Tier) -> bool) -> Next {
        let mut inner = self.lock();
        let inner = &mut *inner;
        if !matches!(inner.entries.get(&id), Some(Entry { content: Content::Device(_), .. })) {
            return Next::Gone;
        }
        let entries = &inner.entries;
        let may_drop = |id: ChunkId| entries.get(&id).is_some_and(Entry::may_drop);
        match inner.tiers.demote(id, &may_drop, &is_usable) {
            Demotion::Move { chunk, from, to } => {
                if from == Tier::Device {
                    self.budget.lock().remove_resident(chunk);
                }
                let content = inner.take(chunk);
                if let Content::Device(chunk) = &content {
                    inner.dictionaries.remember(chunk);
                }
                Next::Move { chunk, content, to }
            }
            Demotion::Drop { chunk } => {
                self.budget.lock().remove_resident(chunk);
                let contents = vec![inner.replace(chunk, Content::Lost)];
                let tables = inner.remove_tables(|table| table.has(chunk));
                Next::Dropped { chunk, _garbage: Garbage { contents, tables } }
            }
            Demotion::Full { asked, free } => Next::Full { asked, free },
        }
    }

    /// Reports that the move of `chunk` ended, well or not, and gives its content back.
    #[must_use = "to be dropped without the lock"]
    pub(super) fn moved(&self, chunk: ChunkId, content: Content, is_there: bool) -> Garbage {
        let mut inner = self.lock();
        let is_wanted = if is_there { inner.tiers.finished(chunk) } else { inner.tiers.failed(chunk) };
        if !is_wanted {
            return Garbage { contents: vec![content], ..Garbage::default() };
        }
        if let Content::Device(on_device) = &content {
            self.budget.lock().add_resident(chunk, on_device.device_bytes() as u64);
        }
        Garbage { contents: vec![inner.replace(chunk, content)], ..Garbage::default() }
    }

    /// Finds `id` for a task; it counts as used now.
    pub(super) fn find(&self, id: ChunkId) -> Result<Found> {
        let mut inner = self.lock();
        inner.tiers.touch(id);
        self.budget.lock().touch(id);
        match inner.entries.get(&id).map(|entry| &entry.content) {
            Some(Content::Device(chunk)) => Ok(Found::OnDevice(Arc::clone(chunk))),
            Some(Content::Host(_)) => {
                inner.tiers.promote(id);
                match inner.take(id) {
                    Content::Host(chunk) => Ok(Found::Below(chunk)),
                    _ => Err(Error::bug("a chunk changed its place under the lock")),
                }
            }
            Some(Content::Moving) => Err(Error::bug("a chunk is fetched while it moves")),
            Some(Content::Lost) | None => Ok(Found::Lost),
        }
    }

    /// Drops what the last handle of `id` kept.
    fn forget(&self, id: ChunkId) {
        let mut inner = self.lock();
        inner.tiers.remove(id);
        self.budget.lock().remove_resident(id);
        let content = inner.entries.remove(&id);
        drop(inner);
        drop(content);
    }

    /// Forgets everything that was in the device's context, which has ended: what is below the device stays.
    pub(super) fn lose_device(&self) {
        let mut garbage = Garbage::default();
        let mut inner = self.lock();
        inner.dictionaries.clear();
        let on_device = |(_, entry): &(&ChunkId, &Entry)| matches!(entry.content, Content::Device(_));
        let ids: Vec<ChunkId> = inner.entries.iter().filter(on_device).map(|(id, _)| *id).collect();
        for id in ids {
            inner.tiers.remove(id);
            self.budget.lock().remove_resident(id);
            garbage.contents.push(inner.replace(id, Content::Lost));
            garbage.tables.extend(inner.remove_tables(|table| table.has(id)));
        }
        drop(inner);
        drop(garbage);
    }

    /// Lets everything go when the worker ends.
    pub(super) fn close(&self) {
        let tables = self.lock().remove_tables(|_| true);
        drop(tables);
        self.lose_device();
    }
}

impl Inner {
    fn take(&mut self, id: ChunkId) -> Content {
        self.replace(id, Content::Moving)
    }

    /// Puts `content` in the place of what `id` had; where nobody knows `id` any more, answers it.
    fn replace(&mut self, id: ChunkId, content: Content) -> Content {
        match self.entries.get_mut(&id) {
            Some(entry) => std::mem::replace(&mut entry.content, content),
            None => content,
        }
    }
}

impl Entry {
    /// Whether the chunk can be loaded again, and nobody is about to read it.
    fn may_drop(&self) -> bool {
        self.is_resident && self.handle.strong_count() == 1
    }
}

/// How often the store itself holds each column and buffer: who holds one more often uses it.
struct Idle {
    columns: BTreeMap<*const DeviceColumn, usize>,
    buffers: BTreeMap<*const DeviceBuffer, usize>,
}

impl Idle {
    fn of(inner: &Inner) -> Idle {
        let mut idle = Idle { columns: BTreeMap::new(), buffers: BTreeMap::new() };
        for entry in inner.entries.values() {
            let Content::Device(chunk) = &entry.content else { continue };
            for column in &chunk.columns {
                let held = idle.columns.entry(Arc::as_ptr(column)).or_default();
                *held += 1;
                if *held == 1 {
                    for buffer in column.buffers() {
                        *idle.buffers.entry(Arc::as_ptr(buffer)).or_default() += 1;
                    }
                }
            }
        }
        idle
    }

    /// Whether `id` is on the device, and nobody beside the store holds it or a part of it.
    fn holds(&self, inner: &Inner, id: ChunkId) -> bool {
        let Some(Entry { content: Content::Device(chunk), .. }) = inner.entries.get(&id) else {
            return false;
        };
        let is_idle = |column: &Arc<DeviceColumn>| {
            self.columns.get(&Arc::as_ptr(column)) == Some(&Arc::strong_count(column))
                && column
                    .buffers()
                    .all(|buffer| self.buffers.get(&Arc::as_ptr(buffer)) == Some(&Arc::strong_count(buffer)))
        };
        Arc::strong_count(chunk) == 1 && chunk.columns.iter().all(is_idle)
    }
}
