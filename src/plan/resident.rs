//! Tables pinned in device memory.

use std::sync::Arc;
use std::time::Duration;

use datafusion::prelude::SessionContext;
use serde::Serialize;

use super::engine::Engine;
use crate::error::{Error, Result};

/// What pinning a table did.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PinReport {
    pub table: String,
    pub rows: u64,
    /// Bytes of device memory that the table takes.
    pub bytes: u64,
    /// The device that holds it: `gpu:0`.
    pub device: String,
    pub elapsed: Duration,
}

/// Loads a table into device memory; scans of it then read it from there.
///
/// # Errors
/// A user error for an unknown table; unsupported without a device or for a column type that devices do not take;
/// out of memory where the table does not fit.
pub async fn pin(_engine: &Arc<Engine>, _context: &SessionContext, table: &str) -> Result<PinReport> {
    Err(Error::unsupported(format!("cannot pin table '{table}': there is no device")))
}

/// Frees a pinned table's device memory; scans of it read the original source again.
///
/// # Errors
/// A user error for a table that is unknown or not pinned.
pub async fn unpin(_engine: &Arc<Engine>, _context: &SessionContext, table: &str) -> Result<()> {
    Err(Error::user(format!("table '{table}' is not pinned")))
}
