//! The device form of dictionaries, found by their values: chunks that shared one before they were spilled share one
//! again when they are back.

use std::collections::BTreeMap;
use std::sync::{Arc, Weak};

use arrow::array::ArrayRef;

use crate::column::{DeviceChunk, DeviceDictionary};

/// Dictionaries that are on the device, as long as somebody holds them.
#[derive(Debug, Default)]
pub(super) struct Dictionaries(BTreeMap<usize, Weak<DeviceDictionary>>);

impl Dictionaries {
    /// Notes the dictionaries of a chunk that is about to leave the device.
    pub(super) fn remember(&mut self, chunk: &DeviceChunk) {
        chunk
            .columns
            .iter()
            .filter_map(|column| column.dictionary.as_ref())
            .for_each(|found| self.add(found));
    }

    /// Notes one dictionary.
    pub(super) fn add(&mut self, dictionary: &Arc<DeviceDictionary>) {
        self.0.insert(key(&dictionary.host), Arc::downgrade(dictionary));
    }

    /// Returns the device form of `values`, if somebody holds it.
    pub(super) fn get(&self, values: &ArrayRef) -> Option<Arc<DeviceDictionary>> {
        let found = self.0.get(&key(values))?.upgrade()?;
        // An address may have been used again since the note was made.
        (Arc::ptr_eq(&found.host, values) && found.values.is_alive()).then_some(found)
    }

    /// Forgets what nobody holds.
    pub(super) fn forget_unused(&mut self) {
        self.0.retain(|_, dictionary| dictionary.strong_count() > 0);
    }

    /// Forgets everything: the device's context has ended.
    pub(super) fn clear(&mut self) {
        self.0.clear();
    }
}

fn key(values: &ArrayRef) -> usize {
    Arc::as_ptr(values).cast::<()>() as usize
}
