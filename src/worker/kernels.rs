//! Kernels that were loaded into the worker's context.

use std::sync::Arc;

use crate::device::Function;
use crate::{Error, Result};

/// The entry points of one source, loaded. Cheap to clone; good for as long as the worker's context lives, so ask
/// the task for it anew in each task: that costs a look-up.
#[derive(Clone, Debug)]
pub struct Kernel(Arc<Vec<Function>>);

impl Kernel {
    /// Returns the entry point called `name`.
    ///
    /// # Errors
    /// `bug` where the source did not list it.
    pub fn function(&self, name: &str) -> Result<&Function> {
        self.0
            .iter()
            .find(|function| function.name() == name)
            .ok_or_else(|| Error::bug(format!("the kernel source lists no entry point '{name}'")))
    }
}
