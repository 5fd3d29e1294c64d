//! Tables that stay in device memory between tasks.

/// A resident table, for display.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResidentInfo {
    pub key: String,
    pub rows: usize,
    pub device_bytes: usize,
}
