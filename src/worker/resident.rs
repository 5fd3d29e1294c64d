//! Tables that stay with a worker between tasks, under a key: on its device, or where they were moved to make room.

use std::sync::Arc;

use arrow::datatypes::SchemaRef;

use super::store::{Inner, Store, StoredChunk};
use super::task::Task;
use crate::Result;
use crate::column::DeviceTable;
use crate::memory::{ChunkId, Tier};

/// A resident table, for display.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResidentInfo {
    pub key: String,
    pub rows: usize,
    /// Bytes that the table takes when all of it is on the device.
    pub device_bytes: usize,
}

/// A resident table. If one of its chunks goes, so does the table: it is loaded again as a whole.
#[derive(Debug)]
pub(super) struct Table {
    schema: SchemaRef,
    chunks: Vec<StoredChunk>,
}

impl Table {
    pub(super) fn has(&self, id: ChunkId) -> bool {
        self.chunks.iter().any(|chunk| chunk.0.id == id)
    }
}

impl Store {
    pub(super) fn has_table(&self, key: &str) -> bool {
        self.lock().tables.contains_key(key)
    }

    pub(super) fn spilled_share(&self, key: &str) -> f64 {
        let inner = self.lock();
        let Some(table) = inner.tables.get(key) else { return 0.0 };
        let (mut all, mut spilled) = (0, 0);
        for chunk in &table.chunks {
            all += chunk.device_bytes();
            if inner.tiers.tier(chunk.0.id) != Some(Tier::Device) {
                spilled += chunk.device_bytes();
            }
        }
        spilled as f64 / all.max(1) as f64
    }

    pub(super) fn drop_table(&self, key: &str) -> bool {
        // The chunks go without the lock.
        let dropped = self.lock().remove_tables_by_key(|other| other == key);
        !dropped.is_empty()
    }

    pub(super) fn list_tables(&self) -> Vec<ResidentInfo> {
        let inner = self.lock();
        let info = |(key, table): (&String, &Table)| ResidentInfo {
            key: key.clone(),
            rows: table.chunks.iter().map(StoredChunk::rows).sum(),
            device_bytes: table.chunks.iter().map(StoredChunk::device_bytes).sum(),
        };
        inner.tables.iter().map(info).collect()
    }

    fn insert_table(&self, key: &str, table: Table) {
        let mut inner = self.lock();
        // One that was lost since it was stored cannot be read any more: the table is loaded again when it is wanted.
        if table.chunks.iter().any(|chunk| inner.tiers.tier(chunk.0.id).is_none()) {
            drop(inner);
            drop(table);
            return;
        }
        let replaced = inner.remove_tables_by_key(|other| other == key);
        for chunk in &table.chunks {
            if let Some(entry) = inner.entries.get_mut(&chunk.0.id) {
                entry.is_resident = true;
            }
        }
        inner.tables.insert(key.to_string(), table);
        drop(inner);
        drop(replaced);
    }
}

impl Inner {
    /// Takes out the tables that `is_meant` says, to be dropped without the lock. Who holds a chunk of one keeps it.
    pub(super) fn remove_tables(&mut self, is_meant: impl Fn(&Table) -> bool) -> Vec<Table> {
        let keys: Vec<String> =
            self.tables.iter().filter(|(_, table)| is_meant(table)).map(|(key, _)| key.clone()).collect();
        self.remove_tables_by_key(|key| keys.iter().any(|meant| meant == key))
    }

    fn remove_tables_by_key(&mut self, is_meant: impl Fn(&str) -> bool) -> Vec<Table> {
        let removed: Vec<Table> =
            self.tables.extract_if(.., |key, _| is_meant(key)).map(|(_, table)| table).collect();
        for chunk in removed.iter().flat_map(|table| &table.chunks) {
            if let Some(entry) = self.entries.get_mut(&chunk.0.id) {
                entry.is_resident = false;
            }
        }
        removed
    }
}

impl Task<'_> {
    /// Returns the resident table `key` with all of it on the device; what was moved away to make room is brought back.
    ///
    /// # Errors
    /// As [`fetch`](Task::fetch): `out_of_memory` where the device has no room for all of it at a time; then
    /// [`resident_chunks`](Task::resident_chunks) may do.
    pub fn resident(&mut self, key: &str) -> Result<Option<Arc<DeviceTable>>> {
        let Some((schema, stored)) = self.resident_chunks(key) else { return Ok(None) };
        let chunks = stored.iter().map(|chunk| self.fetch(chunk)).collect::<Result<_>>()?;
        Ok(Some(Arc::new(DeviceTable { schema, chunks })))
    }

    /// Returns the chunks of the resident table `key`, to be fetched one by one, wherever they are.
    pub fn resident_chunks(&self, key: &str) -> Option<(SchemaRef, Vec<StoredChunk>)> {
        let inner = self.shared.store.lock();
        let table = inner.tables.get(key)?;
        Some((SchemaRef::clone(&table.schema), table.chunks.clone()))
    }

    /// Keeps `table` under `key`, in place of what was there, until it is dropped. When room is needed it leaves the
    /// device like any stored chunk; where host memory has no free room for it either, it is dropped.
    ///
    /// # Errors
    /// A device fault.
    pub fn keep_resident(&mut self, key: &str, table: DeviceTable) -> Result<Arc<DeviceTable>> {
        let table = Arc::new(table);
        let chunks = table.chunks.iter().map(|chunk| self.store_shared(Arc::clone(chunk)));
        let chunks = chunks.collect::<Result<Vec<_>>>()?;
        self.keep_resident_chunks(key, SchemaRef::clone(&table.schema), chunks);
        Ok(table)
    }

    /// As [`keep_resident`](Task::keep_resident), of chunks that were stored one by one: a table that is larger than
    /// the device's memory never is there as a whole.
    pub fn keep_resident_chunks(&mut self, key: &str, schema: SchemaRef, chunks: Vec<StoredChunk>) {
        self.shared.store.insert_table(key, Table { schema, chunks });
    }
}
