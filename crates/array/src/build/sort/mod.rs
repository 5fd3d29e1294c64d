//! Order: sorts, their numbers, the first few, places in what is sorted, quantiles.

mod quantile;
mod rows;
mod search;

#[cfg(test)]
mod tests;

pub use quantile::{QuantileMethod, median, nanmedian, nanquantile, quantile};
pub use rows::{argpartition, argsort, partition, sort, topk};
pub use search::searchsorted;

pub(crate) use rows::rows_region;
