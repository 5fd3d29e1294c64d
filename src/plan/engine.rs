//! The devices of a process, as placement sees them, and the options of a session.

use std::any::Any;
use std::collections::HashMap;
use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use datafusion::common::config::{ConfigEntry, ConfigExtension, ConfigOptions, ExtensionOptions};
use datafusion::error::Result as PlanResult;
use datafusion::execution::session_state::SessionStateBuilder;
use datafusion::prelude::SessionConfig;

use super::array::ArrayPlanner;
use super::cost::{CostFile, Costs};
use super::exact_sum::ExactSumsRule;
use super::placement::PlacementRule;
use super::scan_projection::ScanProjection;
use super::stages::DevicePlan;
use super::to_plan_error;
use crate::config::{Config, Fallback, FloatSums, Placement};
use crate::device::{self, KernelSource};
use crate::error::{Error, Result};
use crate::program::CompiledPipeline;
use crate::worker::{Worker, Workers};

/// The devices of a process and how to use them. Shared by the sessions that were started with it.
pub struct Engine {
    config: Config,
    workers: Workers,
    /// Why there is no device; `None` where there is one.
    absence: Option<String>,
    costs: Costs,
    /// What is known of kernels, by the hash of their source.
    kernels: Mutex<HashMap<u64, KernelHistory>>,
}

/// What placement remembers of a kernel.
#[derive(Clone, Copy, Debug)]
enum KernelHistory {
    /// It has run: it needs no compiling any more.
    Ran,
    /// Seconds lost so far for want of it.
    Missed(f64),
}

impl Engine {
    /// Finds the devices and starts a worker for the first. Without a driver it starts nothing and costs nothing.
    ///
    /// # Errors
    /// A file of cost constants that the configuration names and that is missing or cannot be used. A device that cannot be used is an
    /// [absence](Engine::absence), and everything runs on the CPU.
    pub fn start(config: &Config) -> Result<Arc<Engine>> {
        let (workers, absence) = match start_workers(config) {
            Ok(workers) => (workers, None),
            Err(reason) => (Workers::none(), Some(reason)),
        };
        let device = workers.first().map(|worker| worker.info().name.as_str());
        let path = config.cost_file.clone().or_else(CostFile::default_path);
        let costs = Costs::find(path.as_deref(), device, device::cpu_cores());
        // What was asked for by name must be there and whole.
        if let Some(path) = &config.cost_file
            && CostFile::load(path)?.is_none()
        {
            return Err(Error::user(format!("there is no file '{}' of cost constants", path.display())));
        }
        let kernels = Mutex::default();
        Ok(Arc::new(Engine { config: config.clone(), workers, absence, costs, kernels }))
    }

    /// Returns why there is no device to run on, or `None` where there is one.
    pub fn absence(&self) -> Option<&str> {
        self.absence.as_deref()
    }

    /// Returns the constants that placement decides by, and where they come from.
    pub fn costs(&self) -> &Costs {
        &self.costs
    }

    /// Returns the configuration that the engine was started with.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Returns every worker.
    pub fn workers(&self) -> &Workers {
        &self.workers
    }

    /// Returns the worker that queries run on, if there is one.
    pub fn worker(&self) -> Option<&Worker> {
        self.workers.first()
    }

    /// Returns where device nodes run: `gpu:0`, or `host` without a device.
    pub fn place(&self) -> String {
        self.worker().map_or("host".to_string(), |worker| format!("gpu:{}", worker.info().ordinal))
    }

    /// Returns the name of the device that queries run on.
    pub fn device_name(&self) -> Option<String> {
        self.worker().map(|worker| worker.info().name.clone())
    }

    /// Whether the kernels of `plan` are compiled: they ran before in this process, or another kept them on disk.
    pub fn is_compiled(&self, plan: &DevicePlan) -> bool {
        // The look on disk does not hold the lock.
        plan.pipelines().all(|stage| self.has_run(stage) || self.is_kept(stage))
    }

    fn has_run(&self, stage: &CompiledPipeline) -> bool {
        let kernels = self.kernels.lock().unwrap_or_else(PoisonError::into_inner);
        matches!(kernels.get(&source_hash(stage)), Some(KernelHistory::Ran))
    }

    fn is_kept(&self, stage: &CompiledPipeline) -> bool {
        let Some((worker, module)) = self.worker().zip(stage.modules.first()) else { return false };
        worker.is_kept(&KernelSource::new("placement", module.source.clone(), vec![]))
    }

    /// Returns the seconds lost so far for want of the kernels of `plan`.
    pub fn missed_seconds(&self, plan: &DevicePlan) -> f64 {
        let kernels = self.kernels.lock().unwrap_or_else(PoisonError::into_inner);
        match plan.pipelines().next().and_then(|stage| kernels.get(&source_hash(stage))) {
            Some(KernelHistory::Missed(seconds)) => *seconds,
            _ => 0.0,
        }
    }

    /// Adds to the seconds lost for want of the kernels of `plan`.
    pub fn miss(&self, plan: &DevicePlan, seconds: f64) {
        let mut kernels = self.kernels.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(stage) = plan.pipelines().next()
            && let KernelHistory::Missed(total) =
                kernels.entry(source_hash(stage)).or_insert(KernelHistory::Missed(0.0))
        {
            *total += seconds;
        }
    }

    /// Remembers that the kernels of `plan` are compiled.
    pub fn remember(&self, plan: &DevicePlan) {
        let mut kernels = self.kernels.lock().unwrap_or_else(PoisonError::into_inner);
        kernels.extend(plan.pipelines().map(|stage| (source_hash(stage), KernelHistory::Ran)));
    }
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine").field("place", &self.place()).field("absence", &self.absence).finish()
    }
}

/// Tells pipelines apart by the module that every run of them needs.
fn source_hash(stage: &CompiledPipeline) -> u64 {
    let mut hasher = DefaultHasher::new();
    stage.modules.first().map(|module| &module.source).hash(&mut hasher);
    hasher.finish()
}

/// Starts a worker for the first device, or says why there is none that can be used.
fn start_workers(config: &Config) -> Result<Workers, String> {
    match device::available() {
        Err(error) => return Err(error.to_string()),
        Ok(0) => return Err("the driver offers no device".to_string()),
        Ok(_) => {}
    }
    let report = device::probe();
    if !report.is_usable() {
        let problems: Vec<_> = report.problems.iter().map(|problem| problem.what.clone()).collect();
        return Err(problems.join("; "));
    }
    let first = report.devices[0].ordinal;
    Workers::start(&[first], config).map_err(|error| error.to_string())
}

/// The options under `swath.` in SQL.
#[derive(Clone, Debug)]
pub struct SwathOptions {
    /// Where operators run.
    pub placement: Placement,
    /// What running on the CPU instead of a device does.
    pub fallback: Fallback,
    /// How floats are summed.
    pub float_sums: FloatSums,
    /// Bytes of input gathered on the host before a chunk is sent to a device.
    pub chunk_bytes_target: usize,
    /// Bytes of device memory that may be used per device; 0 means 90 % of what was free. Fixed when the session
    /// starts.
    pub device_memory_limit: u64,
    /// Bytes that chunks without room on a device may take in pinned host memory; `None` is a quarter of what was
    /// free. Fixed when the session starts, like the next three.
    pub pinned_memory_limit: Option<u64>,
    /// The same in pageable host memory.
    pub pageable_memory_limit: Option<u64>,
    /// The same on disk; `None` is no limit but the disk's own.
    pub spill_disk_limit: Option<u64>,
    /// The folder that chunks are written below; `None` is the system's temporary folder.
    pub spill_dir: Option<PathBuf>,
}

impl Default for SwathOptions {
    fn default() -> Self {
        SwathOptions {
            placement: Placement::default(),
            fallback: Fallback::default(),
            float_sums: FloatSums::default(),
            chunk_bytes_target: 64 << 20,
            device_memory_limit: 0,
            pinned_memory_limit: None,
            pageable_memory_limit: None,
            spill_disk_limit: None,
            spill_dir: None,
        }
    }
}

impl ConfigExtension for SwathOptions {
    const PREFIX: &'static str = "swath";
}

impl ExtensionOptions for SwathOptions {
    fn as_any(&self) -> &dyn Any {
        self
    }

    fn as_any_mut(&mut self) -> &mut dyn Any {
        self
    }

    fn cloned(&self) -> Box<dyn ExtensionOptions> {
        Box::new(self.clone())
    }

    fn set(&mut self, key: &str, value: &str) -> PlanResult<()> {
        match key {
            "placement" => self.placement = value.trim().parse().map_err(to_plan_error)?,
            "fallback" => self.fallback = value.trim().parse().map_err(to_plan_error)?,
            "float_sums" => self.float_sums = value.trim().parse().map_err(to_plan_error)?,
            "chunk_bytes_target" => match value.trim().parse() {
                Ok(bytes) if bytes > 0 => self.chunk_bytes_target = bytes,
                _ => {
                    let message = format!("'{value}' is not a value of swath.{key}; use a number of bytes");
                    return Err(to_plan_error(Error::user(message)));
                }
            },
            "device_memory_limit"
            | "pinned_memory_limit"
            | "pageable_memory_limit"
            | "spill_disk_limit"
            | "spill_dir" => {
                return Err(to_plan_error(Error::user(format!(
                    "swath.{key} is fixed when the session starts: give --{} to `swath`, or set it in the Config",
                    key.replace('_', "-")
                ))));
            }
            _ => return Err(to_plan_error(Error::user(format!("there is no option 'swath.{key}'")))),
        }
        Ok(())
    }

    /// With the prefix, which is how `SHOW` looks for them.
    fn entries(&self) -> Vec<ConfigEntry> {
        let limit = |bytes: Option<u64>| bytes.map_or("default".to_string(), |bytes| bytes.to_string());
        let entry = |key: &str, value: String, description| ConfigEntry {
            key: format!("swath.{key}"),
            value: Some(value),
            description,
        };
        vec![
            entry("placement", self.placement.to_string(), "Where operators run: auto, device or host."),
            entry(
                "fallback",
                self.fallback.to_string(),
                "What running on the CPU instead of a device does: allow, warn or error.",
            ),
            entry(
                "float_sums",
                self.float_sums.to_string(),
                "How sum and avg add floats: fast, or exact, the same bits wherever they run.",
            ),
            entry(
                "chunk_bytes_target",
                self.chunk_bytes_target.to_string(),
                "Bytes of input gathered on the host before a chunk is sent to a device.",
            ),
            entry(
                "device_memory_limit",
                self.device_memory_limit.to_string(),
                "Bytes of memory to use on each device; 0 means 90 % of what was free. Fixed for a session.",
            ),
            entry(
                "pinned_memory_limit",
                limit(self.pinned_memory_limit),
                "Bytes of pinned host memory for chunks without room on a device; a quarter of what was free by \
                 default. Fixed for a session.",
            ),
            entry(
                "pageable_memory_limit",
                limit(self.pageable_memory_limit),
                "Bytes of pageable host memory for chunks without room in pinned memory; a quarter of what was free \
                 by default. Fixed for a session.",
            ),
            entry(
                "spill_disk_limit",
                limit(self.spill_disk_limit),
                "Bytes on disk for chunks without room in memory; no limit by default. Fixed for a session.",
            ),
            entry(
                "spill_dir",
                self.spill_dir.clone().unwrap_or_else(std::env::temp_dir).display().to_string(),
                "The folder that chunks without room in memory are written below. Fixed for a session.",
            ),
        ]
    }
}

impl SwathOptions {
    /// Takes the options that a session starts with from its configuration.
    pub fn from_config(config: &Config) -> Self {
        let mut options = SwathOptions {
            placement: config.placement,
            fallback: config.fallback,
            float_sums: config.float_sums,
            ..Default::default()
        };
        if let Some(bytes) = config.chunk_bytes_target {
            options.chunk_bytes_target = bytes;
        }
        options.device_memory_limit = config.device_memory_limit.unwrap_or(0);
        options.pinned_memory_limit = config.pinned_memory_limit;
        options.pageable_memory_limit = config.pageable_memory_limit;
        options.spill_disk_limit = config.spill_disk_limit;
        options.spill_dir = config.spill_dir.clone();
        options
    }

    /// Returns the options of a query; the defaults where the session was set up without them.
    pub fn of(options: &ConfigOptions) -> Self {
        options.extensions.get::<SwathOptions>().cloned().unwrap_or_default()
    }
}

/// Adds placement to a session that is being built: the `swath.*` options, the rule that plans exact float sums, and
/// the optimizer rule, last.
///
/// Call it after `with_config`: the options are added to the session's configuration.
pub fn install(mut builder: SessionStateBuilder, engine: Arc<Engine>) -> SessionStateBuilder {
    let config = builder.config().get_or_insert_with(SessionConfig::new);
    config.options_mut().extensions.insert(SwathOptions::from_config(engine.config()));
    let rules = builder.physical_optimizers().take().unwrap_or_default().rules;
    let rules = rules.into_iter().map(|rule| match rule.name() == ScanProjection::RULE {
        true => Arc::new(ScanProjection::new(rule, engine.clone())) as Arc<_>,
        false => rule,
    });
    let placement = Arc::new(PlacementRule::new(engine.clone())) as Arc<_>;
    let builder =
        builder.with_analyzer_rule(Arc::new(ExactSumsRule)).with_query_planner(Arc::new(ArrayPlanner));
    builder.with_physical_optimizer_rules(rules.chain([placement]).collect())
}
