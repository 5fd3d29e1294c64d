//! Sort: the order of a chunk's rows (`kernels/sort.cu`).

pub use super::radix_sort::{KeyWidth, radix_sort};
