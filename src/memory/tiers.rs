//! Where stored chunks lie, and where one goes that has to make room: a state machine, without I/O, threads or a clock.
//!
//! ```text
//! device ──► pinned host memory ──► pageable host memory ──► disk
//!    ▲───────────────┴───────────────────────┴────────────────┘
//! ```
//!
//! A chunk that leaves the device goes to the first tier that takes it; what has lain there unused for longest makes
//! room by going further down. How much of the device is taken is [`Budget`](super::Budget)'s to know.
//!
//! A move is decided here, begun with the decision, done elsewhere, and reported as finished or failed. Meanwhile the
//! chunk counts in both tiers.

use std::collections::BTreeMap;
use std::fmt;

use super::budget::ChunkId;

/// A kind of memory, the fastest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Tier {
    Device,
    /// Host memory that the device copies from and to at full speed.
    Pinned,
    /// Host memory as any program has it.
    Pageable,
    /// Files in the spill folder.
    Disk,
}

impl Tier {
    /// Where chunks go that leave the device, in the order in which they are asked.
    pub const BELOW_DEVICE: [Tier; 3] = [Tier::Pinned, Tier::Pageable, Tier::Disk];

    /// The option that limits the tier.
    pub fn option(self) -> &'static str {
        match self {
            Tier::Device => "swath.device_memory_limit",
            Tier::Pinned => "swath.pinned_memory_limit",
            Tier::Pageable => "swath.pageable_memory_limit",
            Tier::Disk => "swath.spill_disk_limit",
        }
    }

    /// The place in arrays over [`Tier::BELOW_DEVICE`].
    fn below_index(self) -> Option<usize> {
        Tier::BELOW_DEVICE.iter().position(|tier| *tier == self)
    }
}

impl fmt::Display for Tier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Tier::Device => "device memory",
            Tier::Pinned => "pinned host memory",
            Tier::Pageable => "pageable host memory",
            Tier::Disk => "disk",
        })
    }
}

/// Bytes that chunks may take in each tier below the device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TierLimits {
    pub pinned: u64,
    pub pageable: u64,
    pub disk: u64,
}

/// Bytes that one chunk takes below the device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChunkBytes {
    /// In pinned memory, where buffers come in certain sizes.
    pub pinned: u64,
    /// In pageable memory or on disk.
    pub plain: u64,
}

impl ChunkBytes {
    fn at(self, tier: Tier) -> u64 {
        match tier {
            Tier::Device => 0,
            Tier::Pinned => self.pinned,
            Tier::Pageable | Tier::Disk => self.plain,
        }
    }
}

/// What comes next on a chunk's way down.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Demotion {
    /// Move this chunk, which may be another than the one asked about; report how that ended, and ask again if it was
    /// another.
    Move { chunk: ChunkId, from: Tier, to: Tier },
    /// Drop this chunk, which can be made again; it is forgotten here. Ask again if it was another.
    Drop { chunk: ChunkId },
    /// There is no room below that moving one more chunk would make.
    Full { asked: u64, free: Vec<(Tier, u64)> },
}

/// The chunks of one worker.
#[derive(Clone, Debug)]
pub struct Tiers {
    /// Indexed as [`Tier::BELOW_DEVICE`].
    limits: [u64; 3],
    /// Bytes of the chunks in each tier and of those on their way there; never more than the limit.
    used: [u64; 3],
    chunks: BTreeMap<ChunkId, Place>,
    /// Rises with each use of a chunk; orders them by age.
    clock: u64,
}

#[derive(Clone, Copy, Debug)]
struct Place {
    bytes: ChunkBytes,
    tier: Tier,
    /// Set between a decision and the report of its end.
    moving_to: Option<Tier>,
    /// Removed while it was moving: it goes when the move ends, because its bytes are there until then.
    is_removed: bool,
    /// When it was last used; no two chunks have the same.
    used_at: u64,
}

impl Tiers {
    /// Knows no chunks yet.
    pub fn new(limits: TierLimits) -> Tiers {
        Tiers {
            limits: [limits.pinned, limits.pageable, limits.disk],
            used: [0; 3],
            chunks: BTreeMap::new(),
            clock: 0,
        }
    }

    /// Adds a chunk that lies on the device; it counts as used now.
    pub fn add(&mut self, id: ChunkId, bytes: ChunkBytes) {
        self.clock += 1;
        let place =
            Place { bytes, tier: Tier::Device, moving_to: None, is_removed: false, used_at: self.clock };
        self.chunks.insert(id, place);
    }

    /// Notes that `id` was used.
    pub fn touch(&mut self, id: ChunkId) {
        self.clock += 1;
        if let Some(place) = self.chunks.get_mut(&id) {
            place.used_at = self.clock;
        }
    }

    /// Forgets `id`; where it is on its way, as soon as that ends.
    pub fn remove(&mut self, id: ChunkId) {
        match self.chunks.get_mut(&id) {
            Some(place) if place.moving_to.is_some() => place.is_removed = true,
            Some(_) => self.forget(id),
            None => {}
        }
    }

    /// Where `id` lies, or lay before the move that is under way.
    pub fn tier(&self, id: ChunkId) -> Option<Tier> {
        self.chunks.get(&id).map(|place| place.tier)
    }

    /// Bytes of chunks in `tier` and on their way there; none for the device, which a budget counts.
    pub fn used(&self, tier: Tier) -> u64 {
        tier.below_index().map_or(0, |index| self.used[index])
    }

    /// Bytes that `tier` may take.
    pub fn limit(&self, tier: Tier) -> u64 {
        tier.below_index().map_or(0, |index| self.limits[index])
    }

    /// Decides the next step on the way of `id` down from where it is, and begins it.
    ///
    /// `may_drop` says which chunks can be made again: they only take room that is free, and never a disk's.
    /// `is_usable` says which tiers work. Each step takes a chunk further down, so asking again comes to an end.
    pub fn demote(
        &mut self,
        id: ChunkId,
        may_drop: &dyn Fn(ChunkId) -> bool,
        is_usable: &dyn Fn(Tier) -> bool,
    ) -> Demotion {
        match self.next_down(id, may_drop, is_usable) {
            Some(Step::Move { chunk, to }) => {
                let from = self.chunks.get(&chunk).map_or(Tier::Device, |place| place.tier);
                self.begin(chunk, to);
                Demotion::Move { chunk, from, to }
            }
            Some(Step::Drop(chunk)) => {
                self.forget(chunk);
                Demotion::Drop { chunk }
            }
            None => Demotion::Full {
                asked: self.chunks.get(&id).map_or(0, |place| place.bytes.plain),
                free: Tier::BELOW_DEVICE.map(|tier| (tier, self.free(tier))).to_vec(),
            },
        }
    }

    /// Begins to bring `id` back to the device; answers where it lies. It is not moved for others meanwhile.
    pub fn promote(&mut self, id: ChunkId) -> Option<Tier> {
        let tier = self.tier(id)?;
        self.begin(id, Tier::Device);
        Some(tier)
    }

    /// Ends the move of `id`, which is where it was to go; answers whether the chunk is still wanted.
    pub fn finished(&mut self, id: ChunkId) -> bool {
        self.end(id, true)
    }

    /// Ends the move of `id`, which is where it was; answers whether the chunk is still wanted.
    pub fn failed(&mut self, id: ChunkId) -> bool {
        self.end(id, false)
    }

    fn next_down(
        &self,
        id: ChunkId,
        may_drop: &dyn Fn(ChunkId) -> bool,
        is_usable: &dyn Fn(Tier) -> bool,
    ) -> Option<Step> {
        let place = self.chunks.get(&id).filter(|place| place.moving_to.is_none())?;
        let below = Tier::BELOW_DEVICE.into_iter().filter(|tier| *tier > place.tier && is_usable(*tier));
        for tier in below {
            let bytes = place.bytes.at(tier);
            if may_drop(id) && tier == Tier::Disk || bytes > self.limit(tier) {
                continue;
            }
            if bytes <= self.free(tier) {
                return Some(Step::Move { chunk: id, to: tier });
            }
            if may_drop(id) {
                continue;
            }
            let further = self.oldest_in(tier).into_iter();
            if let Some(step) = further.filter_map(|other| self.next_down(other, may_drop, is_usable)).next()
            {
                return Some(step);
            }
        }
        may_drop(id).then_some(Step::Drop(id))
    }

    /// The chunks that lie still in `tier`, the least recently used first.
    fn oldest_in(&self, tier: Tier) -> Vec<ChunkId> {
        let lies = |(_, place): &(&ChunkId, &Place)| place.tier == tier && place.moving_to.is_none();
        let mut chunks: Vec<_> = self.chunks.iter().filter(lies).collect();
        chunks.sort_by_key(|(_, place)| place.used_at);
        chunks.into_iter().map(|(id, _)| *id).collect()
    }

    fn free(&self, tier: Tier) -> u64 {
        self.limit(tier).saturating_sub(self.used(tier))
    }

    fn begin(&mut self, id: ChunkId, to: Tier) {
        if let Some(place) = self.chunks.get_mut(&id) {
            place.moving_to = Some(to);
            let bytes = place.bytes;
            self.charge(to, bytes);
        }
    }

    fn end(&mut self, id: ChunkId, is_there: bool) -> bool {
        let Some(place) = self.chunks.get_mut(&id) else { return false };
        let Some(to) = place.moving_to.take() else { return true };
        let left = if is_there { std::mem::replace(&mut place.tier, to) } else { to };
        let (bytes, is_removed) = (place.bytes, place.is_removed);
        self.discharge(left, bytes);
        if is_removed {
            self.forget(id);
        }
        !is_removed
    }

    fn forget(&mut self, id: ChunkId) {
        if let Some(place) = self.chunks.remove(&id) {
            self.discharge(place.tier, place.bytes);
        }
    }

    fn charge(&mut self, tier: Tier, bytes: ChunkBytes) {
        if let Some(index) = tier.below_index() {
            self.used[index] += bytes.at(tier);
        }
    }

    fn discharge(&mut self, tier: Tier, bytes: ChunkBytes) {
        if let Some(index) = tier.below_index() {
            self.used[index] -= bytes.at(tier);
        }
    }

    /// Checks every invariant.
    ///
    /// # Panics
    /// If one does not hold: for tests.
    pub fn validate_state(&self) {
        for (index, tier) in Tier::BELOW_DEVICE.into_iter().enumerate() {
            let counts = |place: &&Place| place.tier == tier || place.moving_to == Some(tier);
            let used: u64 = self.chunks.values().filter(counts).map(|place| place.bytes.at(tier)).sum();
            assert_eq!(self.used[index], used, "the books of {tier} are wrong");
            assert!(used <= self.limits[index], "{tier} has more than its limit");
        }
        for (id, place) in &self.chunks {
            assert!(!place.is_removed || place.moving_to.is_some(), "chunk {id} is removed and still there");
            let moves = place.moving_to.is_none_or(|to| to > place.tier || to == Tier::Device);
            assert!(moves, "chunk {id} moves from {} to {:?}", place.tier, place.moving_to);
            assert!(place.used_at <= self.clock, "chunk {id} was used in the future");
        }
        let mut ages: Vec<u64> = self.chunks.values().map(|place| place.used_at).collect();
        ages.sort_unstable();
        ages.dedup();
        assert_eq!(ages.len(), self.chunks.len(), "two chunks of one age");
    }
}

/// A step that was found, before it is begun.
enum Step {
    Move { chunk: ChunkId, to: Tier },
    Drop(ChunkId),
}

#[cfg(test)]
mod tests;
