//! What a query did, as data for people and programs: receipts.
//!
//! Nothing here knows of plans or devices; those who run things fill the data in.

pub mod progress;
pub mod receipt;

pub use receipt::{FallbackReceipt, OperatorReceipt, Receipt, TierReceipt, Totals};
