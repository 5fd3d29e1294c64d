//! Who may take how much of one device's memory: a state machine, without I/O, threads or a clock.
//!
//! Bytes are reserved before they are allocated and released after they were freed. Resident tables are made of
//! reserved bytes too; naming them here makes them candidates for eviction, least recently used first.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Names a resident table in a [`Budget`].
pub type ResidentId = u64;

/// The answer to [`Budget::reserve`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Admission {
    /// The bytes are reserved.
    Granted,
    /// Nothing is reserved yet: evict these, oldest first, and ask again.
    Evict(Vec<ResidentId>),
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
    /// Resident tables; their bytes are part of `reserved`.
    residents: BTreeMap<ResidentId, Resident>,
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
    pub fn reserve(&mut self, asked: u64, is_evictable: impl Fn(ResidentId) -> bool) -> Admission {
        if asked <= self.free() {
            self.reserved += asked;
            self.peak = self.peak.max(self.reserved);
            return Admission::Granted;
        }
        let mut oldest_first: Vec<(ResidentId, Resident)> = self
            .residents
            .iter()
            .map(|(id, resident)| (*id, *resident))
            .filter(|(id, _)| is_evictable(*id))
            .collect();
        oldest_first.sort_by_key(|(_, resident)| resident.used_at);
        let mut reserved = self.reserved;
        let mut victims = Vec::new();
        for (id, resident) in oldest_first {
            reserved = reserved.saturating_sub(resident.bytes);
            victims.push(id);
            if asked <= self.limit.saturating_sub(reserved) {
                return Admission::Evict(victims);
            }
        }
        Admission::Refused { asked, free: self.limit.saturating_sub(reserved) }
    }

    /// Takes back `bytes` that were granted.
    pub fn release(&mut self, bytes: u64) {
        self.reserved = self.reserved.saturating_sub(bytes);
    }

    /// Makes `id`, of `bytes` that are reserved already, a candidate for eviction; it counts as used now.
    pub fn add_resident(&mut self, id: ResidentId, bytes: u64) {
        self.clock += 1;
        self.residents.insert(id, Resident { bytes, used_at: self.clock });
    }

    /// Notes that `id` was used.
    pub fn touch(&mut self, id: ResidentId) {
        self.clock += 1;
        if let Some(resident) = self.residents.get_mut(&id) {
            resident.used_at = self.clock;
        }
    }

    /// Forgets `id`; its bytes are released as its buffers are freed.
    pub fn remove_resident(&mut self, id: ResidentId) {
        self.residents.remove(&id);
    }

    /// Checks every invariant.
    ///
    /// # Panics
    /// If one does not hold: for tests.
    pub fn validate(&self) {
        assert!(self.reserved <= self.peak || self.peak == 0, "the peak is no peak");
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
