//! Placement: which parts of a DataFusion physical plan run on a device, and the nodes that run them there.
//!
//! The only module, with the session above it, that knows DataFusion's plans. A plan that comes in runs on the CPU as
//! it stands; placement replaces subtrees by [`DeviceExec`] nodes and leaves the rest alone.
//!
//! | module | what lives there |
//! |---|---|
//! | [`engine`] | the devices of a process, the `swath.*` options, and the rule's registration |
//! | [`placement`] | the optimizer rule, and the root node that keeps what it decided |
//! | [`lower`] | the walk over the plan that finds trees of operators a device can take |
//! | [`tree`] | such a tree; [`stages`]: the device programs that it becomes |
//! | [`expression`], [`aggregate`], [`join`], [`window`] | DataFusion's expressions and operators in the terms of a device program |
//! | [`exact_sum`] | float sums without rounding on the CPU, and the rule that plans them |
//! | [`cost`] | what a tree costs on either side: plain functions of sizes |
//! | [`device_exec`], [`device_run`], [`stage_run`] | the node that stands for a tree, one execution of it, and of its stages |
//! | [`spill_run`] | stages that do not fit a device's memory at once |
//! | [`feed`] | the inputs of a node as chunks |
//! | [`carried`] | columns that stay on the host while their rows are on a device |
//! | [`unnest`] | a row for each value of a list |
//! | [`resident`] | tables pinned in device memory |
//! | [`scan_projection`] | keeping computations out of file readers |
//! | [`array`] | arrays in query plans |
//! | [`explain`], [`receipt`] | what a plan will do, and what it did |

mod aggregate;
pub mod array;
mod carried;
pub mod cost;
mod device_exec;
mod device_run;
mod engine;
mod exact_sum;
mod explain;
mod expression;
mod feed;
mod grouping;
mod join;
mod lower;
mod placement;
mod receipt;
mod resident;
mod scan_projection;
mod spill_run;
mod stage_run;
mod stages;
mod tier_metrics;
mod tree;
mod unnest;
mod window;

pub use device_exec::DeviceExec;
pub use engine::{Engine, SwathOptions, install};
pub use explain::explain;
pub use lower::NodeNote;
pub use placement::PlacementExec;
pub use receipt::{QueryTimes, receipt};
pub use resident::{PinReport, PinnedColumn, ResidentScanExec, pin, unpin};
pub use window::{WindowStep, translate_window};

use std::sync::Arc;

use datafusion::error::DataFusionError;
use datafusion::physical_plan::ExecutionPlan;

use crate::error::Error;

/// Carries an error of ours through DataFusion, to be found again by [`from_plan_error`] or by the session.
fn to_plan_error(error: Error) -> DataFusionError {
    DataFusionError::External(Box::new(error))
}

/// Finds the error of ours that DataFusion carries, or says what DataFusion says.
fn from_plan_error(error: DataFusionError) -> Error {
    match error.find_root() {
        DataFusionError::External(inner) => match inner.downcast_ref::<Error>() {
            Some(ours) => ours.clone(),
            None => Error::user(inner.to_string()),
        },
        root => Error::user(root.strip_backtrace()),
    }
}

/// Takes the one input that a node of ours has from what DataFusion puts in its place.
fn only_input(
    node: &str,
    children: Vec<Arc<dyn ExecutionPlan>>,
) -> datafusion::error::Result<Arc<dyn ExecutionPlan>> {
    let [input] = <[_; 1]>::try_from(children)
        .map_err(|given| DataFusionError::Internal(format!("{node} has one input, not {}", given.len())))?;
    Ok(input)
}
