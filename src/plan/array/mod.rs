//! Arrays in query plans: what DataFusion sees of a graph of arrays.
//!
//! An [`ArrayExec`] runs the stages of one or more arrays. Its children are the frames that they read; what it gives
//! is rows: of chunks, or of the columns that an array is turned into. So arrays and tables share one plan, one
//! `EXPLAIN`, one memory pool.
//!
//! | module | what lives there |
//! |---|---|
//! | [`node`] | the logical node, and its planning |
//! | [`exec`] | the physical node |
//! | [`device`] | stages on a device |
//! | [`operand`] | what a stage reads, as the device gets it |
//! | [`kept`] | what lies on a device |
//! | [`device_values`] | the same, lent to other libraries and borrowed from them |
//! | [`cost`] | what a stage costs on either side |
//! | [`frame_source`] | the columns of a frame as an array |
//! | [`memory`] | the session's memory pool as the budget of arrays |

mod cost;
mod device;
pub mod device_values;
pub mod exec;
pub mod frame_source;
mod kept;
mod memory;
pub mod node;
mod operand;

use std::any::Any;
use std::collections::HashSet;
use std::sync::Arc;

use datafusion::execution::memory_pool::MemoryPool;
use swath_array::Array;
use swath_array::graph::{Op, Source};
use swath_array::run::memory::Memory;

pub use device::DeviceStages;
pub use device_values::{BorrowedValues, Borrower, DeviceValues};
pub use exec::{ArrayExec, load_sources};
pub use frame_source::FrameSource;
pub use node::{ArrayNode, ArrayPlanner};

/// A session's memory pool as the budget of arrays.
pub fn pool_memory(pool: &Arc<dyn MemoryPool>) -> Arc<dyn Memory> {
    Arc::new(memory::PoolMemory(Arc::clone(pool)))
}

/// The frames that some arrays read, each once, in the order in which they are met.
pub fn sources_of(arrays: &[Array]) -> Vec<Arc<FrameSource>> {
    let mut found: Vec<Arc<FrameSource>> = Vec::new();
    let mut seen = HashSet::new();
    let mut pending: Vec<Array> = arrays.iter().rev().cloned().collect();
    while let Some(array) = pending.pop() {
        if !seen.insert(array.id()) || array.value().is_some() {
            continue;
        }
        if let Op::Source(source) = array.op() {
            let any: Arc<dyn Any + Send + Sync> = as_any(source);
            if let Ok(source) = any.downcast::<FrameSource>()
                && !found.iter().any(|known| Arc::ptr_eq(known, &source))
            {
                found.push(source);
            }
        }
        pending.extend(array.inputs().iter().rev().cloned());
    }
    found
}

fn as_any(source: &Arc<dyn Source>) -> Arc<dyn Any + Send + Sync> {
    // Every source is both, and the trait object keeps its type.
    Arc::clone(source) as Arc<dyn Any + Send + Sync>
}
