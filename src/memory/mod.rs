//! Device memory by reservation, the tiers below it, and pinned host memory for staging.
//!
//! [`Budget`] and [`Tiers`] decide (pure, no I/O); [`PinnedPool`] keeps host buffers for reuse, and a [`SpillFolder`]
//! keeps what has no room in memory. Knows nothing of columns.

mod budget;
mod pinned_pool;
mod spill_file;
mod tiers;

pub use budget::{Admission, Budget, ChunkId, Reservation, SharedBudget};
pub use pinned_pool::{PinnedLease, PinnedPool};
pub use spill_file::{SpillFile, SpillFolder};
pub use tiers::{ChunkBytes, Demotion, Tier, TierLimits, Tiers};
