//! Device columns and tables; Arrow up and down.
//!
//! Knows Arrow and device memory; knows nothing of plans or programs.

mod storage;

pub use storage::Storage;
