//! Placement: which parts of a DataFusion physical plan run on a device, and the nodes that run them there.
//!
//! The only module, with the session above it, that knows DataFusion's plans. A plan that comes in runs on the CPU as
//! it stands; placement replaces subtrees by [`DeviceExec`](device_exec::DeviceExec) nodes and leaves the rest alone.
//!
//! | module | what lives there |
//! |---|---|
//! | [`engine`] | the devices of a process, the `swath.*` options, and the rule's registration |
//! | [`explain`] | the text of a placed plan |
//! | [`receipt`] | the receipt of an executed plan |
//! | [`resident`] | tables pinned in device memory |

pub mod engine;
mod explain;
mod expression;
mod receipt;
mod resident;

pub use engine::{Engine, SwathOptions, install};
pub use explain::explain;
pub use receipt::{QueryTimes, receipt};
pub use resident::{PinReport, pin, unpin};
