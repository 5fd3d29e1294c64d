//! Elements by value: which are not 0, which differ, which are in a set, how many fall where.

mod nonzero;

pub use nonzero::nonzero;
pub(crate) use nonzero::nonzero_numbers;
