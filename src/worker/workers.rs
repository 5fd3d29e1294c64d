//! The worker threads and the handles to them.

use std::future::Future;
use std::sync::Arc;

use super::cancel::CancelToken;
use super::residents::ResidentInfo;
use super::task::Task;
use crate::Result;
use crate::config::Config;
use crate::device::DeviceInfo;
use crate::memory::PinnedPool;

/// Every worker of a session. Cheap to clone; the threads end with the last clone.
#[derive(Clone, Default)]
pub struct Workers(Arc<Vec<Worker>>);

#[allow(unused_variables)]
impl Workers {
    /// Starts no worker: everything runs on the CPU.
    pub fn none() -> Workers {
        Workers::default()
    }

    /// Starts one worker for each device in `ordinals`; [`devices`](crate::device::devices) lists what there is.
    ///
    /// # Errors
    /// The first device's that cannot be opened.
    pub fn start(ordinals: &[usize], config: &Config) -> Result<Workers> {
        todo!()
    }

    /// The workers, in the order they were asked for.
    pub fn iter(&self) -> std::slice::Iter<'_, Worker> {
        self.0.iter()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// A handle to one worker. Cheap to clone.
#[derive(Clone)]
pub struct Worker {}

#[allow(unused_variables)]
impl Worker {
    /// What the device is.
    pub fn info(&self) -> &DeviceInfo {
        todo!()
    }

    /// The pool to stage uploads in, from any thread.
    pub fn pinned_pool(&self) -> &PinnedPool {
        todo!()
    }

    /// Bytes of device memory that may be used: the limit of the configuration, or what was free at the start.
    pub fn memory_limit(&self) -> u64 {
        todo!()
    }

    /// Bytes that could be allocated now, if every resident table were evicted.
    pub fn free_bytes(&self) -> u64 {
        todo!()
    }

    /// Counts the contexts that the worker has had: rises by one after each fault. Buffers of an earlier one are lost.
    pub fn generation(&self) -> u64 {
        todo!()
    }

    /// Runs `work` on the worker's thread, after what was queued before, and answers what it answers.
    ///
    /// `label` names the work in messages. Dropping the future, or `cancel`, stops it at its next step; what it holds
    /// is released.
    ///
    /// # Errors
    /// What `work` answers; `bug` where it panics; `device` where the device failed under it, even if `work` did not
    /// notice; `cancelled`.
    pub fn run<R, F>(
        &self,
        label: impl Into<String>,
        cancel: CancelToken,
        work: F,
    ) -> impl Future<Output = Result<R>> + Send + 'static
    where
        R: Send + 'static,
        F: FnOnce(&mut Task<'_>) -> Result<R> + Send + 'static,
    {
        async move { todo!() }
    }

    /// Whether the resident table `key` is there.
    pub fn has_resident(&self, key: &str) -> bool {
        todo!()
    }

    /// Lets the resident table `key` go; answers whether there was one. Memory is freed when nobody uses it.
    pub fn drop_resident(&self, key: &str) -> bool {
        todo!()
    }

    /// Lists the resident tables by key.
    pub fn residents(&self) -> Vec<ResidentInfo> {
        todo!()
    }
}
