//! A DataFusion memory pool as the budget of arrays.

use std::sync::Arc;

use datafusion::execution::memory_pool::{MemoryConsumer, MemoryLimit, MemoryPool};
use swath_array::Error;
use swath_array::run::memory::{Memory, Reservation};

/// The pool that the queries of a session share.
#[derive(Debug)]
pub struct PoolMemory(pub Arc<dyn MemoryPool>);

impl Memory for PoolMemory {
    fn reserve(&self, bytes: u64, what: &str) -> swath_array::Result<Reservation> {
        let reservation = MemoryConsumer::new("ArrayExec").register(&self.0);
        reservation.try_grow(bytes as usize).map_err(|_| {
            Error::out_of_memory(format!(
                "{what} takes {bytes} bytes of host memory; {} of {} are in use: raise memory_limit, or write the \
                 array to a file chunk by chunk",
                self.0.reserved(),
                self.limit()
            ))
        })?;
        Ok(Box::new(reservation))
    }

    fn limit(&self) -> u64 {
        match self.0.memory_limit() {
            MemoryLimit::Finite(bytes) => bytes as u64,
            _ => u64::MAX,
        }
    }
}
