//! Indexing, by NumPy's rules: integers, slices, new axes, an ellipsis, masks, integer arrays; and its like by name.

mod gather;
mod get;
mod pick;
mod resolve;
mod scatter;
mod set;

#[cfg(test)]
mod tests;

pub use gather::{take, take_along_axis};
pub use get::get;
pub use pick::{argwhere, choose, compress, extract, flatnonzero, select};
pub use resolve::{Index, axis_slice};
pub use scatter::{put, put_along_axis};
pub use set::set;

pub(crate) use gather::as_i64;
