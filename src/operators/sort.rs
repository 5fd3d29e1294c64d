//! Sort: the order of a chunk's rows (`kernels/sort.cu`).

pub use super::radix_sort::{KeyWidth, radix_sort};

/// A column to sort by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SortKey {
    pub column: usize,
    pub descending: bool,
    pub nulls_first: bool,
}

pub fn sort(
    _: &mut crate::worker::Task<'_>,
    _: &crate::column::DeviceChunk,
    _: &[SortKey],
    _: Option<usize>,
) -> crate::error::Result<(crate::device::DeviceBuffer, usize)> {
    Err(crate::error::Error::unsupported("no device form of sorts"))
}
