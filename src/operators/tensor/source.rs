//! The sources of tensor kernels, made once for each text.

use std::collections::HashMap;
use std::sync::{LazyLock, Mutex, PoisonError};

use crate::device::KernelSource;
use crate::program::tensor::TensorKernel;

/// Sources kept; beyond that all are dropped.
const KEPT_MAX: usize = 4096;

/// The source of a kernel: a text that was seen before is not put together and hashed again.
pub(super) fn source(kernel: &TensorKernel) -> KernelSource {
    static KEPT: LazyLock<Mutex<HashMap<String, KernelSource>>> = LazyLock::new(Mutex::default);
    let mut kept = KEPT.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(source) = kept.get(&kernel.body) {
        return source.clone();
    }
    let source = KernelSource::new(
        kernel.name,
        kernel.text(),
        kernel.entries.iter().map(|entry| entry.to_string()).collect(),
    );
    if kept.len() >= KEPT_MAX {
        kept.clear();
    }
    kept.insert(kernel.body.clone(), source.clone());
    source
}
