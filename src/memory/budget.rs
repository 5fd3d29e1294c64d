//! Who may take how much of one device's memory: a state machine, without I/O, threads or a clock.
//!
//! Bytes are reserved before they are allocated and released after they were freed. Stored chunks, those of resident
//! tables too, are made of reserved bytes; naming them here makes them candidates for eviction, least recently used
//! first. Where an evicted chunk goes is up to [`Tiers`](super::Tiers).

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Names a stored chunk.
pub type ChunkId = u64;

/// The answer to [`Budget::reserve`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Admission {
    /// The bytes are reserved.
    Granted,
    /// Nothing is reserved yet: evict these, oldest first, and ask again.
    Evict(Vec<ChunkId>),
    /// It does not fit, whatever is evicted.
    Refused { asked: u64, free: u64 },
}

/// The memory of one device.
#[derive(Clone, Debug)]
pub struct Budget {
    /// Bytes that may be reserved at a time; may be lowered below what is reserved already.
    limit: u64,
    /// Bytes reserved, residents included.
    reserved: u64,
    /// The most that was reserved since [`Budget::start_peak`].
    peak: u64,
    /// Stored chunks on the device; their bytes are part of `reserved`.
    residents: BTreeMap<ChunkId, Resident>,
    /// Rises with each use of a resident; orders them by age.
    clock: u64,
}

#[derive(Clone, Copy, Debug)]
struct Resident {
    bytes: u64,
    /// When it was last used; no two residents have the same.
    used_at: u64,
}

impl Budget {
    /// Makes a budget of `limit` bytes with nothing reserved.
    pub fn new(limit: u64) -> Budget {
        Budget { limit, reserved: 0, peak: 0, residents: BTreeMap::new(), clock: 0 }
    }

    /// Bytes that may be reserved at a time.
    pub fn limit(&self) -> u64 {
        self.limit
    }

    /// Bytes reserved now.
    pub fn reserved(&self) -> u64 {
        self.reserved
    }

    /// Bytes that may still be reserved without evicting anything.
    pub fn free(&self) -> u64 {
        self.limit.saturating_sub(self.reserved)
    }

    /// Bytes that could be reserved if every resident were evicted.
    pub fn free_after_eviction(&self) -> u64 {
        let resident: u64 = self.residents.values().map(|resident| resident.bytes).sum();
        self.limit.saturating_sub(self.reserved.saturating_sub(resident))
    }

    /// Begins to measure the peak anew.
    pub fn start_peak(&mut self) {
        self.peak = self.reserved;
    }

    /// The most that was reserved at a time since [`start_peak`](Budget::start_peak).
    pub fn peak(&self) -> u64 {
        self.peak
    }

    /// Asks for `asked` bytes; `is_evictable` says which residents nobody uses at the moment.
    ///
    /// Only [`Admission::Granted`] changes anything. An eviction is asked for only if it suffices by what is known;
    /// it names the least recently used, and no more of them than needed.
    pub fn reserve(&mut self, asked: u64, is_evictable: impl Fn(ChunkId) -> bool) -> Admission {
        if asked <= self.free() {
            self.reserved += asked;
            self.peak = self.peak.max(self.reserved);
            return Admission::Granted;
        }
        let mut reserved = self.reserved;
        let mut victims = Vec::new();
        for (id, resident) in self.oldest_first(is_evictable) {
            reserved = reserved.saturating_sub(resident.bytes);
            victims.push(id);
            if asked <= self.limit.saturating_sub(reserved) {
                return Admission::Evict(victims);
            }
        }
        Admission::Refused { asked, free: self.limit.saturating_sub(reserved) }
    }

    /// Returns the least recently used chunks that are of at least `bytes` together, or all there are, of those that
    /// `is_evictable` allows: for a device that has less memory than the limit says.
    pub fn oldest(&self, bytes: u64, is_evictable: impl Fn(ChunkId) -> bool) -> Vec<ChunkId> {
        let mut found = 0;
        let wanted = |(_, resident): &(ChunkId, Resident)| {
            let wanted = found < bytes;
            found += resident.bytes;
            wanted
        };
        self.oldest_first(is_evictable).into_iter().take_while(wanted).map(|(id, _)| id).collect()
    }

    fn oldest_first(&self, is_evictable: impl Fn(ChunkId) -> bool) -> Vec<(ChunkId, Resident)> {
        let mut chunks: Vec<(ChunkId, Resident)> = self
            .residents
            .iter()
            .map(|(id, resident)| (*id, *resident))
            .filter(|(id, _)| is_evictable(*id))
            .collect();
        chunks.sort_by_key(|(_, resident)| resident.used_at);
        chunks
    }

    /// Takes back `bytes` that were granted.
    pub fn release(&mut self, bytes: u64) {
        self.reserved = self.reserved.saturating_sub(bytes);
    }

    /// Makes `id`, of `bytes` that are reserved already, a candidate for eviction; it counts as used now.
    pub fn add_resident(&mut self, id: ChunkId, bytes: u64) {
        self.clock += 1;
        self.residents.insert(id, Resident { bytes, used_at: self.clock });
    }

    /// Notes that `id` was used.
    pub fn touch(&mut self, id: ChunkId) {
        self.clock += 1;
        if let Some(resident) = self.residents.get_mut(&id) {
            resident.used_at = self.clock;
        }
    }

    /// Forgets `id`; its bytes are released as its buffers are freed.
    pub fn remove_resident(&mut self, id: ChunkId) {
        self.residents.remove(&id);
    }

    /// Checks every invariant.
    ///
    /// # Panics
    /// If one does not hold: for tests.
    pub fn validate(&self) {
        assert!(self.reserved <= self.peak, "the peak is no peak");
        let mut ages: Vec<u64> = self.residents.values().map(|resident| resident.used_at).collect();
        ages.sort_unstable();
        ages.dedup();
        assert_eq!(ages.len(), self.residents.len(), "two residents of one age");
        assert!(ages.last().is_none_or(|age| *age <= self.clock), "a resident used in the future");
    }
}

/// A budget that reservations on several threads return their bytes to. Cheap to clone.
#[derive(Clone, Debug)]
pub struct SharedBudget(Arc<Mutex<Budget>>);

impl SharedBudget {
    /// Shares a new budget of `limit` bytes.
    pub fn new(limit: u64) -> SharedBudget {
        SharedBudget(Arc::new(Mutex::new(Budget::new(limit))))
    }

    /// Locks the state machine; hold it for one call.
    pub fn lock(&self) -> MutexGuard<'_, Budget> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes the token for `bytes` that were just granted.
    pub fn token(&self, bytes: u64) -> Reservation {
        Reservation { budget: self.clone(), bytes }
    }
}

/// Bytes that were granted; dropping it releases them.
#[derive(Debug)]
pub struct Reservation {
    budget: SharedBudget,
    bytes: u64,
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.budget.lock().release(self.bytes);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// SplitMix64: a sequence for a seed.
    struct Random(u64);

    impl Random {
        fn below(&mut self, bound: u64) -> u64 {
            self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut z = self.0;
            z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            (z ^ (z >> 31)) % bound
        }
    }

    #[test]
    fn nothing_is_evicted_while_there_is_room() {
        let mut budget = Budget::new(100);
        assert_eq!(budget.reserve(60, |_| true), Admission::Granted);
        budget.add_resident(1, 60);
        assert_eq!(budget.reserve(40, |_| true), Admission::Granted);
        assert_eq!(budget.free(), 0);
        assert_eq!(budget.free_after_eviction(), 60);
    }

    #[test]
    fn the_least_recently_used_go_first_and_no_more_than_needed() {
        let mut budget = Budget::new(100);
        for id in 0..4 {
            assert_eq!(budget.reserve(25, |_| true), Admission::Granted);
            budget.add_resident(id, 25);
        }
        budget.touch(0);
        assert_eq!(budget.reserve(30, |_| true), Admission::Evict(vec![1, 2]));
        assert_eq!(budget.reserve(30, |id| id != 2), Admission::Evict(vec![1, 3]));
        assert_eq!(budget.reserve(30, |id| id == 3), Admission::Refused { asked: 30, free: 25 });
        assert_eq!(budget.reserved(), 100);
    }

    #[test]
    fn the_oldest_of_some_bytes_are_found_without_asking_for_room() {
        let mut budget = Budget::new(100);
        for id in 0..4 {
            assert_eq!(budget.reserve(20, |_| true), Admission::Granted);
            budget.add_resident(id, 20);
        }
        budget.touch(0);
        assert_eq!(budget.oldest(1, |_| true), [1]);
        assert_eq!(budget.oldest(21, |id| id != 2), [1, 3]);
        assert_eq!(budget.oldest(1_000, |_| true), [1, 2, 3, 0]);
        assert!(budget.oldest(1, |_| false).is_empty());
    }

    #[test]
    fn more_than_the_limit_is_refused_and_evicts_nothing() {
        let mut budget = Budget::new(100);
        assert_eq!(budget.reserve(50, |_| true), Admission::Granted);
        budget.add_resident(7, 50);
        assert_eq!(budget.reserve(101, |_| true), Admission::Refused { asked: 101, free: 100 });
        assert_eq!(budget.reserve(u64::MAX, |_| true), Admission::Refused { asked: u64::MAX, free: 100 });
        assert_eq!(budget.reserved(), 50);
    }

    #[test]
    fn a_token_releases_its_bytes_when_dropped() {
        let budget = SharedBudget::new(10);
        assert_eq!(budget.lock().reserve(10, |_| true), Admission::Granted);
        let token = budget.token(10);
        assert_eq!(budget.lock().free(), 0);
        drop(token);
        assert_eq!(budget.lock().free(), 10);
        assert_eq!(budget.lock().peak(), 10);
    }

    /// Drives a budget the way a worker does, against a model that keeps every reservation apart.
    #[test]
    fn random_sequences_keep_the_books() {
        for seed in 0..2_000 {
            let mut random = Random(seed);
            let limit = 1 + random.below(1_000);
            let mut budget = Budget::new(limit);
            let mut held: Vec<u64> = Vec::new();
            let mut residents: BTreeMap<ChunkId, u64> = BTreeMap::new();
            let mut used_in_order: Vec<ChunkId> = Vec::new();
            for step in 0..100 {
                match random.below(6) {
                    0 | 1 => {
                        let asked = random.below(limit + limit / 4 + 1);
                        let busy: BTreeSet<ChunkId> =
                            residents.keys().copied().filter(|_| random.below(3) == 0).collect();
                        let before = budget.reserved();
                        match budget.reserve(asked, |id| !busy.contains(&id)) {
                            Admission::Granted => held.push(asked),
                            Admission::Evict(ids) => {
                                assert_eq!(budget.reserved(), before, "seed {seed} step {step}");
                                assert!(ids.iter().all(|id| !busy.contains(id)));
                                let idle: Vec<_> =
                                    used_in_order.iter().copied().filter(|id| !busy.contains(id)).collect();
                                assert_eq!(ids, idle[..ids.len()], "seed {seed} step {step}: not the oldest");
                                for id in ids {
                                    budget.remove_resident(id);
                                    budget.release(residents.remove(&id).unwrap());
                                    used_in_order.retain(|other| *other != id);
                                }
                                assert_eq!(budget.reserve(asked, |_| false), Admission::Granted);
                                held.push(asked);
                            }
                            Admission::Refused { asked: told, free } => {
                                assert_eq!(told, asked);
                                assert!(free < asked, "seed {seed} step {step}: refused what fits");
                            }
                        }
                    }
                    2 if !held.is_empty() => {
                        let index = random.below(held.len() as u64) as usize;
                        budget.release(held.swap_remove(index));
                    }
                    3 if !held.is_empty() => {
                        budget.add_resident(step, held[0]);
                        residents.insert(step, held.swap_remove(0));
                        used_in_order.push(step);
                    }
                    4 if !used_in_order.is_empty() => {
                        let id = used_in_order.remove(random.below(used_in_order.len() as u64) as usize);
                        budget.touch(id);
                        used_in_order.push(id);
                    }
                    _ => budget.start_peak(),
                }
                budget.validate();
                let model = held.iter().sum::<u64>() + residents.values().sum::<u64>();
                assert_eq!(budget.reserved(), model, "seed {seed} step {step}");
                assert!(budget.reserved() <= limit && budget.peak() <= limit, "seed {seed} step {step}");
                assert_eq!(budget.free_after_eviction(), limit - held.iter().sum::<u64>());
            }
        }
    }
}
