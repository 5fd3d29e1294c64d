//! What a tree of operators costs on the CPU and on a device: plain functions of sizes.
//!
//! The absolute numbers are rough; what matters is that the large terms are right: the copy over the bus, the fixed
//! cost of a launch and of a compile, and the rate at which each side gets through rows.

use std::fmt;

use crate::config::Placement;
use crate::observe::receipt::human_bytes;

/// What machines do per second, and what a step costs whatever its size. The defaults are those of a host with
/// current server cores and a device of the H200 class on PCIe 5; simulated devices are judged by the same numbers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CostModel {
    /// Pinned copies to the device, one direction: PCIe 5 x16 gives 64 GB/s on paper, about 80 % of it in practice.
    pub upload_bytes_per_s: f64,
    /// Copies back.
    pub download_bytes_per_s: f64,
    /// Gathering batches into pinned memory, on one core; overlapped with the copy, so that the slower counts.
    pub stage_bytes_per_s: f64,
    /// Device memory as generated kernels read it: about 70 % of the 4.8 TB/s of an H200.
    pub device_bytes_per_s: f64,
    /// Rows through one expression node on the device: arithmetic only shows for long expressions over few bytes.
    pub device_nodes_per_s: f64,
    /// Rows into a hash table in device memory: random atomic updates.
    pub device_groups_per_s: f64,
    /// Queueing a task for the worker, and waiting for its answer.
    pub task_s: f64,
    /// One kernel launch with its parameters.
    pub launch_s: f64,
    /// Compiling one kernel: 20–60 ms measured for kernels without headers; nothing where it is known.
    pub compile_s: f64,
    /// Rows through one expression node on one core.
    pub host_nodes_per_s: f64,
    /// Bytes that one core copies when a filter compacts its output.
    pub host_copy_bytes_per_s: f64,
    /// Rows that one core puts into groups.
    pub host_groups_per_s: f64,
    /// Rows that one core adds to one aggregate.
    pub host_aggregates_per_s: f64,
    /// The least time that any operator takes on the host.
    pub host_operator_s: f64,
}

impl Default for CostModel {
    fn default() -> Self {
        CostModel {
            upload_bytes_per_s: 50e9,
            download_bytes_per_s: 50e9,
            stage_bytes_per_s: 8e9,
            device_bytes_per_s: 3.3e12,
            device_nodes_per_s: 1e12,
            device_groups_per_s: 4e9,
            task_s: 30e-6,
            launch_s: 6e-6,
            compile_s: 60e-3,
            host_nodes_per_s: 1e9,
            host_copy_bytes_per_s: 8e9,
            host_groups_per_s: 60e6,
            host_aggregates_per_s: 400e6,
            host_operator_s: 20e-6,
        }
    }
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
        self.inputs.iter().map(|input| input.rows.rows * input.row_bytes).sum()
    }

    fn bytes_up(&self) -> f64 {
        let away = self.inputs.iter().filter(|input| !input.resident);
        away.map(|input| input.rows.rows * input.row_bytes).sum()
    }

    fn is_resident(&self) -> bool {
        self.inputs.iter().all(|input| input.resident)
    }

    fn bytes_out(&self) -> f64 {
        self.steps.last().map_or(0.0, |step| step.rows_out * step.row_bytes_out)
    }
}

impl CostModel {
    /// Returns the seconds that the operators of `tree` take on `cores` cores; making its inputs costs the same on either
    /// side and is left out.
    pub fn host_seconds(&self, tree: &TreeSize, cores: usize) -> f64 {
        let cores = cores.max(1) as f64;
        tree.steps
            .iter()
            .map(|step| {
                let nodes = |nodes: usize| step.rows_in * nodes as f64 / self.host_nodes_per_s;
                let work = match step.work {
                    Work::Filter { nodes: count } => {
                        nodes(count) + step.rows_out * step.row_bytes_out / self.host_copy_bytes_per_s
                    }
                    Work::Project { nodes: count } => nodes(count),
                    Work::Aggregate { nodes: count, keys, aggregates, passes } => {
                        let groupings = if keys == 0 { passes - 1 } else { passes };
                        let grouping = groupings as f64 * step.rows_in / self.host_groups_per_s;
                        let adding = step.rows_in * aggregates as f64 / self.host_aggregates_per_s;
                        nodes(count) + grouping + adding
                    }
                    Work::Join { nodes: count, keys: 0 } => {
                        step.rows_built * step.rows_in * (count.max(1) as f64) / self.host_nodes_per_s
                    }
                    Work::Join { nodes: count, .. } => {
                        let looking_up = (step.rows_built + step.rows_in) / self.host_groups_per_s;
                        let writing = step.rows_out * step.row_bytes_out / self.host_copy_bytes_per_s;
                        nodes(count) + looking_up + writing
                    }
                    Work::Sort { keys, fetch } => {
                        let deep = fetch.map_or(step.rows_in, |fetch| fetch as f64).max(2.0).log2();
                        let comparing = step.rows_in * deep * keys as f64 / self.host_nodes_per_s;
                        comparing + step.rows_out * step.row_bytes_out / self.host_copy_bytes_per_s
                    }
                    Work::Window { nodes: count, functions } => {
                        nodes(count) + step.rows_in * functions as f64 / self.host_groups_per_s
                    }
                };
                work / cores + self.host_operator_s
            })
            .sum()
    }

    /// Returns the seconds that `tree` takes on a device, copies both ways included.
    pub fn device_seconds(&self, tree: &TreeSize) -> f64 {
        self.device_cost(tree).total()
    }

    fn device_cost(&self, tree: &TreeSize) -> DeviceCost {
        let chunks = if tree.is_resident() {
            1.0
        } else {
            (tree.bytes_up() / tree.chunk_bytes.max(1.0)).ceil().max(1.0)
        };
        let mut kernels = tree.bytes_in() / self.device_bytes_per_s;
        let (mut stages, mut launches) = (1, 3.0 * chunks);
        for step in &tree.steps {
            let evaluated = |nodes: usize| step.rows_in * nodes as f64 / self.device_nodes_per_s;
            let written = step.rows_out * step.row_bytes_out / self.device_bytes_per_s;
            kernels += match step.work {
                Work::Filter { nodes } | Work::Project { nodes } => evaluated(nodes),
                Work::Aggregate { nodes, keys, aggregates, passes } => {
                    stages += passes;
                    launches += 8.0 * passes as f64;
                    let groupings = if keys == 0 { passes - 1 } else { passes };
                    let grouped = groupings as f64 * step.rows_in / self.device_groups_per_s;
                    evaluated(nodes + aggregates) + grouped
                }
                Work::Join { nodes, keys: 0 } => {
                    launches += 4.0;
                    step.rows_built * step.rows_in * (nodes.max(1) as f64) / self.device_nodes_per_s
                }
                Work::Join { nodes, .. } => {
                    // Every look-up is a random read or two.
                    stages += 1;
                    launches += 8.0;
                    evaluated(nodes) + (step.rows_built + step.rows_in) / self.device_groups_per_s + written
                }
                Work::Sort { keys, .. } => {
                    // Some eight passes of a read and a write a key, of words and row numbers.
                    launches += 16.0;
                    step.rows_in * keys as f64 * 8.0 * 24.0 / self.device_bytes_per_s + 2.0 * written
                }
                Work::Window { nodes, functions } => {
                    launches += 5.0 + 3.0 * functions as f64;
                    evaluated(nodes)
                        + step.rows_in * functions as f64 * 48.0 / self.device_bytes_per_s
                        + written
                }
            };
        }
        kernels += tree.bytes_out() / self.device_bytes_per_s;
        DeviceCost {
            upload: tree.bytes_up() / self.upload_bytes_per_s.min(self.stage_bytes_per_s),
            kernels,
            compile: if tree.compiled {
                0.0
            } else {
                (self.compile_s * stages as f64 - tree.missed_s).max(0.0)
            },
            download: tree.bytes_out() / self.download_bytes_per_s,
            fixed: (chunks + stages as f64) * self.task_s + launches * self.launch_s,
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
        let decision = |on_device, reason: String| Decision { on_device, host_s, device_s, reason };
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
