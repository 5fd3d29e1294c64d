//! The work of operators on either side, in what the constants count.

use super::constants::{DeviceCosts, HostCosts};
use super::{StepSize, Work};

/// Entries of a hash table that a core's own caches hold, at some 50 bytes: the entry, and what points to it.
const HOST_CACHED_ENTRIES: f64 = 2e4;
/// Entries that a device's second-level cache holds.
const DEVICE_CACHED_ENTRIES: f64 = 1e6;

/// The work of operators on the CPU, each part in what one of the [`HostCosts`] counts.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct HostUnits {
    pub nodes: f64,
    pub copied_bytes: f64,
    pub grouped: f64,
    pub group_misses: f64,
    pub joined: f64,
    pub join_misses: f64,
    pub aggregated: f64,
    pub compared: f64,
    pub windowed: f64,
    pub decoded_bytes: f64,
    pub operators: f64,
}

impl HostUnits {
    /// The parts, and what one unit of each takes in seconds.
    pub fn terms(&self, costs: &HostCosts) -> [(f64, f64); 11] {
        [
            (self.nodes, 1.0 / costs.nodes_per_s),
            (self.copied_bytes, 1.0 / costs.copy_bytes_per_s),
            (self.grouped, 1.0 / costs.groups_per_s),
            (self.group_misses, 1.0 / costs.group_misses_per_s),
            (self.joined, 1.0 / costs.joins_per_s),
            (self.join_misses, 1.0 / costs.join_misses_per_s),
            (self.aggregated, 1.0 / costs.aggregates_per_s),
            (self.compared, 1.0 / costs.compares_per_s),
            (self.windowed, 1.0 / costs.window_values_per_s),
            (self.decoded_bytes, 1.0 / costs.decode_bytes_per_s),
            (self.operators, costs.operator_s),
        ]
    }

    /// Returns the seconds of all on so many cores.
    pub fn seconds(&self, costs: &HostCosts, cores: usize) -> f64 {
        let work: f64 = self.terms(costs)[..10].iter().map(|(units, each)| units * each).sum();
        work / speed_up(costs, cores) + self.operators * costs.operator_s
    }
}

/// How many times as fast as one core several are.
pub fn speed_up(costs: &HostCosts, cores: usize) -> f64 {
    (cores as f64 * costs.core_share).max(1.0)
}

/// The work of a tree's kernels, each part in what one of the [`DeviceCosts`] counts.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct DeviceUnits {
    /// Read and written, in turn and not at random.
    pub bytes: f64,
    pub nodes: f64,
    pub grouped: f64,
    pub group_misses: f64,
    pub joined: f64,
    pub join_misses: f64,
    pub sorted: f64,
    pub windowed: f64,
}

impl DeviceUnits {
    /// The parts, and what one unit of each takes in seconds.
    pub fn terms(&self, costs: &DeviceCosts) -> [(f64, f64); 8] {
        [
            (self.bytes, 1.0 / costs.bytes_per_s),
            (self.nodes, 1.0 / costs.nodes_per_s),
            (self.grouped, 1.0 / costs.groups_per_s),
            (self.group_misses, 1.0 / costs.group_misses_per_s),
            (self.joined, 1.0 / costs.joins_per_s),
            (self.join_misses, 1.0 / costs.join_misses_per_s),
            (self.sorted, 1.0 / costs.sort_keys_per_s),
            (self.windowed, 1.0 / costs.window_values_per_s),
        ]
    }

    pub(super) fn seconds(&self, costs: &DeviceCosts) -> f64 {
        self.terms(costs).iter().map(|(units, each)| units * each).sum()
    }

    pub(super) fn add(&mut self, other: DeviceUnits) {
        self.bytes += other.bytes;
        self.nodes += other.nodes;
        self.grouped += other.grouped;
        self.group_misses += other.group_misses;
        self.joined += other.joined;
        self.join_misses += other.join_misses;
        self.sorted += other.sorted;
        self.windowed += other.windowed;
    }
}

/// The rows that miss a cache of `cached` entries where each of `entries` is as likely to be met.
fn misses(rows: f64, entries: f64, cached: f64) -> f64 {
    rows * (1.0 - cached / entries.max(cached))
}

/// How often an aggregate of `passes` puts its rows into groups.
fn groupings(keys: usize, passes: usize) -> f64 {
    (if keys == 0 { passes.saturating_sub(1) } else { passes }) as f64
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
                group_misses: match keys {
                    0 => 0.0,
                    _ => misses(self.rows_in, self.rows_out, HOST_CACHED_ENTRIES),
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
                joined: self.rows_built + self.rows_in,
                join_misses: misses(self.rows_built + self.rows_in, self.rows_built, HOST_CACHED_ENTRIES),
                ..none
            },
            Work::Sort { keys, fetch: None } => HostUnits {
                compared: self.rows_in * self.rows_in.max(2.0).log2() * keys as f64,
                copied_bytes: out,
                ..none
            },
            // Nearly every row is compared with the last of those kept so far, many at a time, and no more.
            Work::Sort { keys, fetch: Some(fetch) } => HostUnits {
                nodes: 4.0 * self.rows_in * keys as f64,
                compared: self.kept_on_the_way(fetch) * (fetch as f64).max(2.0).log2() * keys as f64,
                copied_bytes: out,
                ..none
            },
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
                group_misses: match keys {
                    0 => 0.0,
                    _ => misses(self.rows_in, self.rows_out, DEVICE_CACHED_ENTRIES),
                },
                ..none
            },
            Work::Join { nodes: count, keys: 0 } => {
                DeviceUnits { nodes: self.pairs() * count.max(1) as f64, bytes: out, ..none }
            }
            Work::Join { nodes: count, .. } => DeviceUnits {
                nodes: nodes(count),
                bytes: out,
                joined: self.rows_built + self.rows_in,
                join_misses: misses(self.rows_built + self.rows_in, self.rows_built, DEVICE_CACHED_ENTRIES),
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

    /// Rows that are among the first `fetch` when a sort meets them, in any order.
    fn kept_on_the_way(&self, fetch: usize) -> f64 {
        let fetch = (fetch as f64).max(1.0);
        (fetch * (1.0 + (self.rows_in / fetch).max(1.0).ln())).min(self.rows_in)
    }

    pub(super) fn launches(&self) -> f64 {
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
