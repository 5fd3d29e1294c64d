//! Memory is asked for before it is used.

use std::any::Any;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::error::{Error, Result};

/// What is held of a budget; given back when dropped.
pub type Reservation = Box<dyn Any + Send + Sync>;

/// A budget of host memory.
pub trait Memory: fmt::Debug + Send + Sync {
    /// Takes `bytes` out of the budget until the reservation is dropped.
    ///
    /// # Errors
    /// `OutOfMemory`, with bytes asked and free and the option that helps.
    fn reserve(&self, bytes: u64, what: &str) -> Result<Reservation>;
    /// The bytes that there are in all.
    fn limit(&self) -> u64;
}

/// A budget that counts.
#[derive(Debug)]
pub struct Budget {
    limit: u64,
    used: AtomicU64,
    peak: AtomicU64,
}

impl Budget {
    pub fn new(limit: u64) -> Arc<Budget> {
        Arc::new(Budget { limit, used: AtomicU64::new(0), peak: AtomicU64::new(0) })
    }

    /// The most bytes that were reserved at once.
    pub fn peak(&self) -> u64 {
        self.peak.load(Ordering::Relaxed)
    }
}

struct Held {
    budget: Arc<Budget>,
    bytes: u64,
}

impl Drop for Held {
    fn drop(&mut self) {
        self.budget.used.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

impl Memory for Arc<Budget> {
    fn reserve(&self, bytes: u64, what: &str) -> Result<Reservation> {
        let within = |used: u64| used.checked_add(bytes).filter(|&used| used <= self.limit);
        match self.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, within) {
            Ok(before) => {
                self.peak.fetch_max(before + bytes, Ordering::Relaxed);
                Ok(Box::new(Held { budget: Arc::clone(self), bytes }))
            }
            Err(used) => Err(Error::out_of_memory(format!(
                "{what} takes {bytes} bytes of host memory; {} of {} are free: raise memory_limit, or write the \
                 array to a file chunk by chunk",
                self.limit - used.min(self.limit),
                self.limit
            ))),
        }
    }

    fn limit(&self) -> u64 {
        self.limit
    }
}

/// As much as the machine has.
#[derive(Debug)]
pub struct Unlimited;

impl Memory for Unlimited {
    fn reserve(&self, _bytes: u64, _what: &str) -> Result<Reservation> {
        Ok(Box::new(()))
    }

    fn limit(&self) -> u64 {
        u64::MAX
    }
}
