//! Device memory by reservation, and pinned host memory for staging.
//!
//! [`Budget`] decides (pure, no I/O); [`PinnedPool`] keeps host buffers for reuse. Knows nothing of columns.

mod budget;
mod pinned_pool;

pub use budget::{Admission, Budget, Reservation, ResidentId, SharedBudget};
pub use pinned_pool::{PinnedLease, PinnedPool};
