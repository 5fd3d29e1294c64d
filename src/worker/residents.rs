//! Tables that stay in device memory between tasks.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::column::DeviceTable;
use crate::memory::{Admission, Reservation, ResidentId, SharedBudget};

/// A resident table, for display.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResidentInfo {
    pub key: String,
    pub rows: usize,
    pub device_bytes: usize,
}

/// The resident tables of one device, and its budget, which counts them.
///
/// Locks are taken in the order residents, budget; a table is never dropped while the budget is locked, because its
/// buffers release their bytes there.
#[derive(Debug)]
pub(super) struct Residents {
    budget: SharedBudget,
    tables: Mutex<Tables>,
}

#[derive(Debug, Default)]
struct Tables {
    by_key: BTreeMap<String, (ResidentId, Arc<DeviceTable>)>,
    next_id: ResidentId,
}

/// What [`Residents::reserve`] answers.
pub(super) enum Reserved {
    /// The bytes, and how many tables were evicted for them.
    Granted(Reservation, u64),
    /// Too little would be free, whatever is evicted.
    Refused { free: u64 },
}

impl Residents {
    pub(super) fn new(budget: SharedBudget) -> Residents {
        Residents { budget, tables: Mutex::new(Tables::default()) }
    }

    pub(super) fn budget(&self) -> &SharedBudget {
        &self.budget
    }

    /// Reserves `bytes`, evicting tables that nobody uses where that is needed and suffices.
    pub(super) fn reserve(&self, bytes: u64) -> Reserved {
        let mut tables = self.lock();
        let mut evictions = 0;
        loop {
            let admission = self.budget.lock().reserve(bytes, |id| tables.is_evictable(id));
            match admission {
                Admission::Granted => return Reserved::Granted(self.budget.token(bytes), evictions),
                Admission::Refused { free, .. } => return Reserved::Refused { free },
                Admission::Evict(ids) => {
                    evictions += ids.len() as u64;
                    ids.into_iter().for_each(|id| self.remove(&mut tables, id));
                }
            }
        }
    }

    /// Evicts every table that nobody uses; answers how many.
    pub(super) fn evict_unused(&self) -> u64 {
        let mut tables = self.lock();
        let ids: Vec<ResidentId> =
            tables.by_key.values().map(|(id, _)| *id).filter(|id| tables.is_evictable(*id)).collect();
        ids.iter().for_each(|id| self.remove(&mut tables, *id));
        ids.len() as u64
    }

    pub(super) fn get(&self, key: &str) -> Option<Arc<DeviceTable>> {
        let tables = self.lock();
        let (id, table) = tables.by_key.get(key)?;
        self.budget.lock().touch(*id);
        Some(Arc::clone(table))
    }

    pub(super) fn contains(&self, key: &str) -> bool {
        self.lock().by_key.contains_key(key)
    }

    pub(super) fn insert(&self, key: &str, table: DeviceTable) -> Arc<DeviceTable> {
        let table = Arc::new(table);
        let mut tables = self.lock();
        self.remove_key(&mut tables, key);
        let id = tables.next_id;
        tables.next_id += 1;
        self.budget.lock().add_resident(id, table.device_bytes() as u64);
        tables.by_key.insert(key.to_string(), (id, Arc::clone(&table)));
        table
    }

    pub(super) fn drop_key(&self, key: &str) -> bool {
        self.remove_key(&mut self.lock(), key)
    }

    pub(super) fn clear(&self) {
        let mut tables = self.lock();
        for (id, _) in tables.by_key.values() {
            self.budget.lock().remove_resident(*id);
        }
        tables.by_key.clear();
    }

    pub(super) fn list(&self) -> Vec<ResidentInfo> {
        let tables = self.lock();
        let info = |(key, (_, table)): (&String, &(ResidentId, Arc<DeviceTable>))| ResidentInfo {
            key: key.clone(),
            rows: table.rows(),
            device_bytes: table.device_bytes(),
        };
        tables.by_key.iter().map(info).collect()
    }

    fn remove_key(&self, tables: &mut Tables, key: &str) -> bool {
        match tables.by_key.remove(key) {
            Some((id, _table)) => {
                self.budget.lock().remove_resident(id);
                true
            }
            None => false,
        }
    }

    fn remove(&self, tables: &mut Tables, id: ResidentId) {
        self.budget.lock().remove_resident(id);
        tables.by_key.retain(|_, (other, _)| *other != id);
    }

    fn lock(&self) -> MutexGuard<'_, Tables> {
        self.tables.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Tables {
    /// Whether dropping the table would free its memory: nobody holds it or a part of it.
    fn is_evictable(&self, id: ResidentId) -> bool {
        self.by_key
            .values()
            .any(|(other, table)| *other == id && Arc::strong_count(table) == 1 && !table.is_shared())
    }
}
