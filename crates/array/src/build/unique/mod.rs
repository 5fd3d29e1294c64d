//! Elements by value: which are not 0, which differ, which are in a set, how many fall where.

mod histogram;
mod nonzero;
mod set;
mod values;

#[cfg(test)]
mod tests;

pub use histogram::{Bins, bincount, digitize, histogram, histogramdd};
pub use nonzero::nonzero;
pub(crate) use nonzero::nonzero_numbers;
pub use set::{intersect1d, isin, setdiff1d, setxor1d, union1d};
pub use values::{Unique, unique, unique_values};
