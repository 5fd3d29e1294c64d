//! Evaluation on the CPU: a graph is cut into stages, a stage into blocks, and a block is evaluated by region.

use crate::error::{Error, Result};
use crate::graph::{Array, Region};
use crate::tensor::Tensor;

/// Evaluates arrays: with how many threads, within how much memory.
#[derive(Clone, Debug, Default)]
pub struct Runner {}

/// Where an array is written to, block by block; calls come from many threads, for regions that do not overlap.
pub trait Sink: Send + Sync {
    /// The chunk lengths that regions have to be whole multiples of, but at an axis's end; `None` where any will do.
    fn chunks(&self) -> Option<Vec<usize>>;
    /// Writes a region.
    ///
    /// # Errors
    /// `Io`, naming the file.
    fn write(&self, region: &Region, values: &Tensor) -> Result<()>;
}

impl Runner {
    /// All cores, no limit of memory.
    pub fn new() -> Runner {
        Runner::default()
    }

    /// Computes an array whole.
    ///
    /// # Errors
    /// What its operators' values do not allow; out of memory; files that cannot be read.
    pub fn compute(&self, array: &Array) -> Result<Tensor> {
        Err(Error::bug(format!("not evaluated yet: {array:?}")))
    }
}
