//! Kernels that were loaded into the worker's context.

use std::collections::HashMap;
use std::sync::Arc;

use super::stats::TaskStats;
use crate::device::{CacheOutcome, Device, Function, Image, KernelCache, KernelSource, Module};
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
        self.find(name).ok_or_else(|| Error::bug(format!("the kernel source lists no entry point '{name}'")))
    }

    fn find(&self, name: &str) -> Option<&Function> {
        self.0.iter().find(|function| function.name() == name)
    }
}

/// Sources kept loaded; beyond that all are dropped, which is simpler than ageing and as rare.
const LOADED_MAX: usize = 2048;

/// What one context has loaded, by the digest of the source.
#[derive(Debug, Default)]
pub(super) struct LoadedKernels(HashMap<[u8; 32], Kernel>);

impl LoadedKernels {
    /// Returns the kernels of `source`: loaded before, else from `cache`, which compiles what it does not have.
    pub(super) fn get(
        &mut self,
        source: &KernelSource,
        device: &Device,
        cache: &KernelCache,
        stats: &mut TaskStats,
    ) -> Result<Kernel> {
        if let Some(kernel) = self.0.get(source.digest())
            && source.entry_points().iter().all(|name| kernel.find(name).is_some())
        {
            stats.cache_hits += 1;
            return Ok(kernel.clone());
        }
        let architecture = device.info().architecture;
        let (image, outcome) = cache.image(source, architecture)?;
        note(outcome, stats);
        let kernel = match (load(source, device, &image), outcome) {
            // The driver refuses what an earlier process compiled: it may be for another driver. Compile anew.
            (Err(error), CacheOutcome::Hit) if !error.is_out_of_memory() => {
                let (image, outcome) = cache.compile(source, architecture)?;
                note(outcome, stats);
                load(source, device, &image)?
            }
            (kernel, _) => kernel?,
        };
        if self.0.len() >= LOADED_MAX {
            self.0.clear();
        }
        self.0.insert(*source.digest(), kernel.clone());
        Ok(kernel)
    }
}

fn note(outcome: CacheOutcome, stats: &mut TaskStats) {
    match outcome {
        CacheOutcome::Hit => stats.cache_hits += 1,
        CacheOutcome::Compiled(took) => {
            stats.kernels_compiled += 1;
            stats.compile_time += took;
        }
    }
}

fn load(source: &KernelSource, device: &Device, image: &Image) -> Result<Kernel> {
    let module =
        Module::load(device, image).map_err(|error| error.context(format!("kernel '{}'", source.name())))?;
    let functions =
        source.entry_points().iter().map(|name| module.function(name)).collect::<Result<Vec<_>>>()?;
    Ok(Kernel(Arc::new(functions)))
}
