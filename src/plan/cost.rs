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

use std::fmt;

use crate::config::Placement;
use crate::observe::receipt::human_bytes;

pub use constants::{DeviceCosts, HostCosts};
pub use file::{CostFile, Costs, Origin};

/// Groups that a core's caches hold, at some 32 bytes: an entry of the table and what points to it.
const HOST_CACHED_GROUPS: f64 = 1e5;
/// Groups that a device's second-level cache holds.
const DEVICE_CACHED_GROUPS: f64 = 1e6;

/// What the two sides do in a second.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct CostModel {
    pub host: HostCosts,
    pub device: DeviceCosts,
}

/// The work of operators on the CPU, each part in what one of the [`HostCosts`] counts.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct HostUnits {
    pub nodes: f64,
    pub copied_bytes: f64,
    pub grouped: f64,
    pub scattered: f64,
    pub aggregated: f64,
    pub compared: f64,
    pub windowed: f64,
    pub decoded_bytes: f64,
    pub operators: f64,
}

impl HostUnits {
    /// The parts, and what one unit of each takes in seconds.
    pub fn terms(&self, costs: &HostCosts) -> [(f64, f64); 9] {
        [
            (self.nodes, 1.0 / costs.nodes_per_s),
            (self.copied_bytes, 1.0 / costs.copy_bytes_per_s),
            (self.grouped, 1.0 / costs.groups_per_s),
            (self.scattered, 1.0 / costs.scatters_per_s),
            (self.aggregated, 1.0 / costs.aggregates_per_s),
            (self.compared, 1.0 / costs.compares_per_s),
            (self.windowed, 1.0 / costs.window_values_per_s),
            (self.decoded_bytes, 1.0 / costs.decode_bytes_per_s),
            (self.operators, costs.operator_s),
        ]
    }

    /// Returns the seconds of all on so many cores.
    pub fn seconds(&self, costs: &HostCosts, cores: usize) -> f64 {
        let work: f64 = self.terms(costs)[..8].iter().map(|(units, each)| units * each).sum();
        work / speed_up(costs, cores) + self.operators * costs.operator_s
    }
}

/// How many times as fast as one core several are.
fn speed_up(costs: &HostCosts, cores: usize) -> f64 {
    (cores as f64 * costs.core_share).max(1.0)
}

/// The work of a tree's kernels, each part in what one of the [`DeviceCosts`] counts.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct DeviceUnits {
    /// Read and written, in turn and not at random.
    pub bytes: f64,
    pub nodes: f64,
    pub grouped: f64,
    pub scattered: f64,
    pub sorted: f64,
    pub windowed: f64,
}

impl DeviceUnits {
    /// The parts, and what one unit of each takes in seconds.
    pub fn terms(&self, costs: &DeviceCosts) -> [(f64, f64); 6] {
        [
            (self.bytes, 1.0 / costs.bytes_per_s),
            (self.nodes, 1.0 / costs.nodes_per_s),
            (self.grouped, 1.0 / costs.groups_per_s),
            (self.scattered, 1.0 / costs.scatters_per_s),
            (self.sorted, 1.0 / costs.sort_keys_per_s),
            (self.windowed, 1.0 / costs.window_values_per_s),
        ]
    }

    fn seconds(&self, costs: &DeviceCosts) -> f64 {
        self.terms(costs).iter().map(|(units, each)| units * each).sum()
    }

    fn add(&mut self, other: DeviceUnits) {
        self.bytes += other.bytes;
        self.nodes += other.nodes;
        self.grouped += other.grouped;
        self.scattered += other.scattered;
        self.sorted += other.sorted;
        self.windowed += other.windowed;
    }
}

/// The rows that miss a cache of `cached` entries where each of `entries` is as likely to be met.
fn scattered(rows: f64, entries: f64, cached: f64) -> f64 {
    rows * (1.0 - cached / entries.max(cached))
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
            all.scattered += units.scattered;
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

/// How often an aggregate of `passes` puts its rows into groups.
fn groupings(keys: usize, passes: usize) -> f64 {
    (if keys == 0 { passes - 1 } else { passes }) as f64
}

impl StepSize {
    /// Returns the work of the step on the CPU.
    pub fn host_units(&self) -> HostUnits {
        let out = self.rows_out * self.row_bytes_out;
        let nodes = |count: usize| self.rows_in * count as f64;
        let none = HostUnits { operators: 1.0, ..HostUnits::default() };
        match self.work {
            Work::Filter { nodes: count } => HostUnits { nodes: nodes(count), copied_bytes: out, ..none },
            Work::Project { nodes: count } => HostUnits { nodes: nodes(count), ..none },
            Work::Aggregate { nodes: count, keys, aggregates, passes } => HostUnits {
                nodes: nodes(count),
                grouped: groupings(keys, passes) * self.rows_in,
                scattered: match keys {
                    0 => 0.0,
                    _ => scattered(self.rows_in, self.rows_out, HOST_CACHED_GROUPS),
                },
                aggregated: self.rows_in * aggregates as f64,
                ..none
            },
            Work::Join { nodes: count, keys: 0 } => {
                HostUnits { nodes: self.pairs() * count.max(1) as f64, copied_bytes: out, ..none }
            }
            Work::Join { nodes: count, .. } => HostUnits {
                nodes: nodes(count),
                copied_bytes: out,
                grouped: self.rows_built + self.rows_in,
                scattered: scattered(self.rows_built + self.rows_in, self.rows_built, HOST_CACHED_GROUPS),
                ..none
            },
            Work::Sort { keys, fetch } => {
                HostUnits { compared: self.comparisons(fetch) * keys as f64, copied_bytes: out, ..none }
            }
            Work::Window { nodes: count, functions } => {
                HostUnits { nodes: nodes(count), windowed: self.rows_in * functions as f64, ..none }
            }
        }
    }

    /// Returns the work of the step's kernels, without reading the tree's inputs and writing its result.
    pub fn device_units(&self) -> DeviceUnits {
        let out = self.rows_out * self.row_bytes_out;
        let nodes = |count: usize| self.rows_in * count as f64;
        let none = DeviceUnits::default();
        match self.work {
            Work::Filter { nodes: count } | Work::Project { nodes: count } => {
                DeviceUnits { nodes: nodes(count), ..none }
            }
            Work::Aggregate { nodes: count, keys, aggregates, passes } => DeviceUnits {
                nodes: nodes(count + aggregates),
                grouped: groupings(keys, passes) * self.rows_in,
                scattered: match keys {
                    0 => 0.0,
                    _ => scattered(self.rows_in, self.rows_out, DEVICE_CACHED_GROUPS),
                },
                ..none
            },
            Work::Join { nodes: count, keys: 0 } => {
                DeviceUnits { nodes: self.pairs() * count.max(1) as f64, bytes: out, ..none }
            }
            Work::Join { nodes: count, .. } => DeviceUnits {
                nodes: nodes(count),
                bytes: out,
                grouped: self.rows_built + self.rows_in,
                scattered: scattered(self.rows_built + self.rows_in, self.rows_built, DEVICE_CACHED_GROUPS),
                ..none
            },
            // All rows are read for their keys once; the few that are left are ordered.
            Work::Sort { keys, fetch: Some(_) } => {
                let read = self.rows_in * keys as f64 * 16.0;
                DeviceUnits { bytes: read + 2.0 * out, sorted: self.rows_out * keys as f64, ..none }
            }
            Work::Sort { keys, fetch: None } => {
                DeviceUnits { bytes: 2.0 * out, sorted: self.rows_in * keys as f64, ..none }
            }
            Work::Window { nodes: count, functions } => DeviceUnits {
                nodes: nodes(count),
                bytes: out,
                windowed: self.rows_in * functions as f64,
                ..none
            },
        }
    }

    fn pairs(&self) -> f64 {
        self.rows_built * self.rows_in
    }

    /// Comparisons of a sort on the CPU; where only the first `fetch` rows are wanted, nearly every row is compared
    /// with the last of them and no more.
    fn comparisons(&self, fetch: Option<usize>) -> f64 {
        let rows = self.rows_in;
        let whole = rows * rows.max(2.0).log2();
        match fetch {
            Some(fetch) => {
                let fetch = (fetch as f64).max(1.0);
                let kept = fetch * (1.0 + (rows / fetch).max(1.0).ln());
                (rows + kept * fetch.max(2.0).log2()).min(whole)
            }
            None => whole,
        }
    }

    fn launches(&self) -> f64 {
        match self.work {
            Work::Filter { .. } | Work::Project { .. } => 0.0,
            Work::Aggregate { passes, .. } => 8.0 * passes as f64,
            Work::Join { keys: 0, .. } => 4.0,
            Work::Join { .. } => 8.0,
            Work::Sort { .. } => 16.0,
            Work::Window { functions, .. } => 5.0 + 3.0 * functions as f64,
        }
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
mod tests {
    use super::*;

    fn chain(rows: f64, resident: bool, compiled: bool) -> TreeSize {
        TreeSize {
            inputs: vec![InputSize {
                rows: Estimate { rows, certainty: Certainty::Exact },
                row_bytes: 30.0,
                resident,
                spilled_share: 0.0,
                decoded: false,
            }],
            compiled,
            missed_s: 0.0,
            chunk_bytes: 64e6,
            steps: vec![
                StepSize {
                    work: Work::Filter { nodes: 5 },
                    rows_built: 0.0,
                    rows_in: rows,
                    rows_out: rows / 2.0,
                    row_bytes_out: 30.0,
                },
                StepSize {
                    work: Work::Aggregate { nodes: 6, keys: 2, aggregates: 8, passes: 1 },
                    rows_built: 0.0,
                    rows_in: rows / 2.0,
                    rows_out: 4.0,
                    row_bytes_out: 100.0,
                },
            ],
        }
    }

    #[test]
    fn policy_overrides_cost() {
        let model = CostModel::default();
        let small = chain(10.0, false, false);
        assert!(model.decide(Placement::Device, &small, 8).on_device);
        assert!(!model.decide(Placement::Host, &chain(1e9, true, true), 8).on_device);
    }

    #[test]
    fn small_and_cold_work_stays_on_the_cpu() {
        let model = CostModel::default();
        let cold = model.decide(Placement::Auto, &chain(10_000.0, false, false), 8);
        assert!(!cold.on_device);
        assert!(cold.reason.contains("compiling its kernels takes"), "{}", cold.reason);
        assert!(!model.decide(Placement::Auto, &chain(100.0, false, true), 8).on_device);
    }

    #[test]
    fn work_that_comes_again_and_again_is_compiled() {
        let model = CostModel::default();
        let mut again = chain(3e6, true, false);
        assert!(!model.decide(Placement::Auto, &again, 16).on_device);
        let mut runs = 0;
        while !model.decide(Placement::Auto, &again, 16).on_device {
            again.missed_s += model.missed_seconds(&again, 16);
            runs += 1;
            assert!(runs < 100);
        }
        assert!(runs > 1);
        let never = chain(100.0, false, false);
        assert_eq!(model.missed_seconds(&never, 16), 0.0);
    }

    #[test]
    fn large_resident_work_goes_to_the_device() {
        let model = CostModel::default();
        let hot = model.decide(Placement::Auto, &chain(6e7, true, true), 16);
        assert!(hot.on_device, "{}", hot.reason);
        assert!(hot.reason.contains("in device memory"), "{}", hot.reason);
    }

    #[test]
    fn a_cheap_filter_is_not_worth_the_bus() {
        let model = CostModel::default();
        let mut filter = chain(1e8, false, true);
        filter.steps.truncate(1);
        let decision = model.decide(Placement::Auto, &filter, 32);
        assert!(!decision.on_device);
        assert!(decision.reason.contains("upload of"), "{}", decision.reason);
    }

    #[test]
    fn costs_grow_with_rows_and_are_finite() {
        let model = CostModel::default();
        for resident in [false, true] {
            for rows in [0.0, 1.0, 1e3, 1e6, 1e9] {
                let (less, more) = (chain(rows, resident, true), chain(rows * 2.0 + 1.0, resident, true));
                assert!(model.device_seconds(&less) <= model.device_seconds(&more));
                assert!(model.host_seconds(&less, 4) <= model.host_seconds(&more, 4));
                assert!(model.device_seconds(&more).is_finite());
            }
        }
    }
}
