//! What a tree of operators costs on the CPU and on a device: plain functions of sizes.
//!
//! A tree becomes units of work — rows through an expression, rows into groups, bytes copied — and [`constants`] says
//! how many of each a core and a device do in a second. So what `swath calibrate` measures can be solved for the
//! constants with the very functions that are used to predict.
//!
//! The absolute numbers are rough; what matters is that the large terms are right: the copy over the bus, the fixed
//! cost of a launch and of a compile, and the rate at which each side gets through rows.

mod constants;
mod file;
mod units;

use std::fmt;

use crate::config::Placement;
use crate::observe::receipt::human_bytes;

pub use constants::{DeviceCosts, HostCosts};
pub use file::{CostFile, Costs, Origin};
pub use units::{DeviceUnits, HostUnits, speed_up};

/// What the two sides do in a second.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct CostModel {
    pub host: HostCosts,
    pub device: DeviceCosts,
}

/// A number of rows, and how far it can be trusted.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Estimate {
    pub rows: f64,
    pub certainty: Certainty,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Certainty {
    /// Nothing is known; [`ROWS_GUESS`] was taken.
    Guessed,
    /// Derived from statistics.
    Estimated,
    /// Known.
    Exact,
}

/// Rows of an input of which nothing is known: large enough to be worth a thought, too small to be worth a compile.
pub const ROWS_GUESS: f64 = 1e6;

/// Groups of an aggregate of which nothing is known, as a share of its rows.
pub const GROUPS_SHARE_GUESS: f64 = 0.1;

/// One operator, in sizes.
#[derive(Clone, Debug, PartialEq)]
pub struct StepSize {
    pub work: Work,
    /// Rows of the built side of a join; 0 for others.
    pub rows_built: f64,
    /// Rows that come in; of a join, those that look up.
    pub rows_in: f64,
    pub rows_out: f64,
    /// Bytes of one row that leaves the step.
    pub row_bytes_out: f64,
}

/// What a step does to a row.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Work {
    /// Evaluates `nodes` expression nodes, keeps some rows.
    Filter { nodes: usize },
    /// Evaluates `nodes` expression nodes.
    Project { nodes: usize },
    /// Evaluates `nodes`, then adds to `aggregates`, in groups where `keys` is not 0.
    /// `passes` counts how often rows are grouped: for distinct values and values in order more than once.
    Aggregate { nodes: usize, keys: usize, aggregates: usize, passes: usize },
    /// Evaluates `nodes` on a pair of rows that have the same `keys`; on every pair where there are no keys.
    Join { nodes: usize, keys: usize },
    /// Orders by `keys`, and keeps the first `fetch` rows or all.
    Sort { keys: usize, fetch: Option<usize> },
    /// Evaluates `nodes`, then computes `functions` columns over the rows around each.
    Window { nodes: usize, functions: usize },
}

/// An input of a tree, in sizes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct InputSize {
    pub rows: Estimate,
    /// Bytes of one row, in the columns that are read.
    pub row_bytes: f64,
    /// Whether it is in device memory already.
    pub resident: bool,
    /// Of what is resident, the share that had to leave the device and must come back.
    pub spilled_share: f64,
    /// Whether the CPU would have to decode it from files, though a device has it already. Where neither has it,
    /// decoding costs the same on both sides.
    pub decoded: bool,
}

impl InputSize {
    fn bytes(&self) -> f64 {
        self.rows.rows * self.row_bytes
    }

    fn bytes_up(&self) -> f64 {
        self.bytes() * if self.resident { self.spilled_share } else { 1.0 }
    }
}

/// A tree, in sizes.
#[derive(Clone, Debug, PartialEq)]
pub struct TreeSize {
    pub inputs: Vec<InputSize>,
    /// Whether its kernels have been compiled before.
    pub compiled: bool,
    /// Seconds lost so far by running such trees on the CPU for want of kernels. They count against the time to
    /// compile: work that comes again and again is compiled once it has cost as much as compiling does, so that at
    /// worst twice the best possible time is spent.
    pub missed_s: f64,
    pub chunk_bytes: f64,
    /// The operators, inputs first.
    pub steps: Vec<StepSize>,
}

/// Where a tree runs, and why.
#[derive(Clone, Debug, PartialEq)]
pub struct Decision {
    pub on_device: bool,
    pub host_s: f64,
    pub device_s: f64,
    /// Of each operator, inputs first, the seconds on the CPU and in kernels.
    pub steps: Vec<(f64, f64)>,
    pub reason: String,
}

/// The parts of what a device takes, in seconds.
#[derive(Clone, Copy, Debug, PartialEq)]
struct DeviceCost {
    upload: f64,
    kernels: f64,
    compile: f64,
    download: f64,
    fixed: f64,
}

impl DeviceCost {
    fn total(&self) -> f64 {
        // Copies up overlap with kernels, chunk by chunk.
        self.upload.max(self.kernels) + self.compile + self.download + self.fixed
    }
}

impl TreeSize {
    fn bytes_in(&self) -> f64 {
        self.inputs.iter().map(InputSize::bytes).sum()
    }

    fn bytes_up(&self) -> f64 {
        self.inputs.iter().map(InputSize::bytes_up).sum()
    }

    fn is_resident(&self) -> bool {
        self.inputs.iter().all(|input| input.resident)
    }

    fn bytes_out(&self) -> f64 {
        self.steps.last().map_or(0.0, |step| step.rows_out * step.row_bytes_out)
    }

    /// Returns the work of the CPU for all of it. Making inputs costs the same on either side and is left out, but where
    /// a device has them already.
    pub fn host_units(&self) -> HostUnits {
        let mut all = HostUnits::default();
        for input in self.inputs.iter().filter(|input| input.resident && input.decoded) {
            all.decoded_bytes += input.bytes();
        }
        for step in &self.steps {
            let units = step.host_units();
            all.nodes += units.nodes;
            all.copied_bytes += units.copied_bytes;
            all.grouped += units.grouped;
            all.group_misses += units.group_misses;
            all.joined += units.joined;
            all.join_misses += units.join_misses;
            all.aggregated += units.aggregated;
            all.compared += units.compared;
            all.windowed += units.windowed;
            all.operators += units.operators;
        }
        all
    }

    /// Returns the work of the kernels for all of it.
    pub fn device_units(&self) -> DeviceUnits {
        // Inputs are read, and the result is written.
        let mut all = DeviceUnits { bytes: self.bytes_in() + self.bytes_out(), ..DeviceUnits::default() };
        for step in &self.steps {
            all.add(step.device_units());
        }
        all
    }

    fn chunks(&self) -> f64 {
        match self.is_resident() {
            true => 1.0,
            false => (self.bytes_up() / self.chunk_bytes.max(1.0)).ceil().max(1.0),
        }
    }

    /// Counts the stages, each a task and some kernels to compile.
    pub fn stages(&self) -> f64 {
        let breaks = |step: &&StepSize| match step.work {
            Work::Aggregate { .. } => true,
            Work::Join { keys, .. } => keys > 0,
            _ => false,
        };
        1.0 + self.steps.iter().filter(breaks).count() as f64
    }

    fn launches(&self) -> f64 {
        3.0 * self.chunks() + self.steps.iter().map(StepSize::launches).sum::<f64>()
    }
}

impl CostModel {
    /// Returns the seconds that the operators of `tree` take on `cores` cores.
    pub fn host_seconds(&self, tree: &TreeSize, cores: usize) -> f64 {
        tree.host_units().seconds(&self.host, cores)
    }

    /// Returns the seconds that `tree` takes on a device, copies both ways included.
    pub fn device_seconds(&self, tree: &TreeSize) -> f64 {
        self.device_cost(tree).total()
    }

    /// Returns the seconds that one operator takes on the CPU and in kernels: its share of what its tree takes.
    pub fn step_seconds(&self, step: &StepSize, cores: usize) -> (f64, f64) {
        let kernels = step.device_units().seconds(&self.device) + step.launches() * self.device.launch_s;
        (step.host_units().seconds(&self.host, cores), kernels)
    }

    fn device_cost(&self, tree: &TreeSize) -> DeviceCost {
        let costs = &self.device;
        let (chunks, stages) = (tree.chunks(), tree.stages());
        DeviceCost {
            upload: tree.bytes_up() / costs.upload_bytes_per_s.min(self.host.stage_bytes_per_s),
            kernels: tree.device_units().seconds(costs),
            compile: match tree.compiled {
                true => 0.0,
                false => (costs.compile_s * stages - tree.missed_s).max(0.0),
            },
            download: tree.bytes_out() / costs.download_bytes_per_s,
            fixed: (chunks + stages) * costs.task_s + tree.launches() * costs.launch_s,
        }
    }

    /// Returns the seconds that running `tree` on the CPU loses for want of kernels alone.
    pub fn missed_seconds(&self, tree: &TreeSize, cores: usize) -> f64 {
        let compiled = TreeSize { compiled: true, ..tree.clone() };
        (self.host_seconds(tree, cores) - self.device_seconds(&compiled)).max(0.0)
    }

    /// Decides where `tree` runs under `placement`, with the reason in words.
    pub fn decide(&self, placement: Placement, tree: &TreeSize, cores: usize) -> Decision {
        let (cost, host_s) = (self.device_cost(tree), self.host_seconds(tree, cores));
        let device_s = cost.total();
        let steps: Vec<_> = tree.steps.iter().map(|step| self.step_seconds(step, cores)).collect();
        let decision = |on_device, reason: String| Decision {
            on_device,
            host_s,
            device_s,
            steps: steps.clone(),
            reason,
        };
        match placement {
            Placement::Device => decision(true, "swath.placement = device".into()),
            Placement::Host => decision(false, "swath.placement = host".into()),
            Placement::Auto if device_s < host_s => {
                let input = if tree.is_resident() {
                    "its input is in device memory".to_string()
                } else {
                    format!(
                        "upload of {} takes {}",
                        human_bytes(tree.bytes_up() as u64),
                        Seconds(cost.upload)
                    )
                };
                decision(
                    true,
                    format!("{input}, kernels {}; the CPU takes {}", Seconds(cost.kernels), Seconds(host_s)),
                )
            }
            Placement::Auto => {
                let parts = [
                    (cost.compile, "compiling its kernels".to_string()),
                    (cost.upload, format!("upload of {}", human_bytes(tree.bytes_up() as u64))),
                    (cost.download, format!("download of {}", human_bytes(tree.bytes_out() as u64))),
                    (cost.kernels, "its kernels".to_string()),
                    (cost.fixed, "starting its kernels".to_string()),
                ];
                let (seconds, what) = parts
                    .into_iter()
                    .reduce(|most, part| if part.0 > most.0 { part } else { most })
                    .unwrap_or_default();
                decision(
                    false,
                    format!("{what} takes {}; the CPU takes {}", Seconds(seconds), Seconds(host_s)),
                )
            }
        }
    }
}

/// Writes a duration in the unit that suits it.
pub struct Seconds(pub f64);

impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            seconds if seconds >= 1.0 => write!(f, "{seconds:.2} s"),
            seconds if seconds >= 1e-3 => write!(f, "{:.1} ms", seconds * 1e3),
            seconds => write!(f, "{:.0} µs", seconds * 1e6),
        }
    }
}

#[cfg(test)]
mod tests;
