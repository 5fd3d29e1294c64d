//! The shape of the data, and where it lies.

use std::path::{Path, PathBuf};

use super::query::Task;
use super::{groupby, join};
use crate::bench::generate::{Job, Stop, create_folder, write};
use crate::bench::run::TableFile;
use crate::error::{Error, Result};

/// Tables have no fewer rows: the join's `medium` has a thousandth of them.
pub const ROWS_MIN: u64 = 1_000;
/// The largest size that is published.
pub const ROWS_MAX: u64 = 1_000_000_000;
/// Rows are put in order in memory.
const SORTED_ROWS_MAX: u64 = 100_000_000;

/// The shape of the data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    pub rows: u64,
    /// Groups of `id1`, `id2`, `id4` and `id5`; `id3` and `id6` have rows / groups. Joins have none.
    pub groups: u64,
    /// Percent of the values that are null.
    pub nulls: u8,
    /// Whether rows are ordered by their keys.
    pub sorted: bool,
}

impl Shape {
    /// # Errors
    /// What is out of its range.
    pub fn check(&self) -> Result<()> {
        if !(ROWS_MIN..=ROWS_MAX).contains(&self.rows) {
            return Err(Error::user(format!(
                "{} rows cannot be generated; give a number from {ROWS_MIN} to {ROWS_MAX}, such as 1e7",
                self.rows
            )));
        }
        if !(1..=self.rows).contains(&self.groups) {
            return Err(Error::user(format!(
                "{} groups cannot be made of {} rows; give a number from 1 to that of the rows, such as 1e2",
                self.groups, self.rows
            )));
        }
        if self.nulls > 100 {
            return Err(Error::user(format!("{} % of the values cannot be null; give 0 to 100", self.nulls)));
        }
        if self.sorted && self.rows > SORTED_ROWS_MAX {
            return Err(Error::user(format!(
                "{} rows cannot be sorted, which is done in memory; give {SORTED_ROWS_MAX} at most",
                self.rows
            )));
        }
        Ok(())
    }

    /// The published name: `G1_1e7_1e2_0_0`, `J1_1e7_NA_0_0`.
    pub fn name(&self, task: Task) -> String {
        let (nulls, sorted) = (self.nulls, u8::from(self.sorted));
        match task {
            Task::GroupBy => format!("G1_{:e}_{:e}_{nulls}_{sorted}", self.rows, self.groups),
            Task::Join => format!("J1_{:e}_NA_{nulls}_{sorted}", self.rows),
        }
    }

    /// The folder of a task's tables below the data folder.
    pub fn folder(&self, data: &Path, task: Task) -> PathBuf {
        data.join(self.name(task))
    }

    /// The files of a task's tables.
    pub fn files(&self, data: &Path, task: Task) -> Vec<TableFile> {
        let folder = self.folder(data, task);
        let path = |name: &str| folder.join(format!("{name}.parquet"));
        task.tables().iter().map(|name| TableFile { name, path: path(name) }).collect()
    }
}

/// Generates the tables of a task that `data` lacks; returns the paths of those it made.
///
/// # Errors
/// A shape out of range; a folder that cannot be written to; a stop.
pub fn generate(data: &Path, shape: Shape, task: Task, threads: usize, stop: &Stop) -> Result<Vec<PathBuf>> {
    shape.check()?;
    create_folder(&shape.folder(data, task))?;
    let missing: Vec<TableFile> =
        shape.files(data, task).into_iter().filter(|table| !table.path.exists()).collect();
    let jobs: Vec<Job> = missing
        .iter()
        .map(|table| match task {
            Task::GroupBy => groupby::job(shape, &table.path),
            Task::Join => join::job(shape, table.name, &table.path),
        })
        .collect();
    write(&jobs, &shape.name(task), threads, stop)?;
    Ok(missing.into_iter().map(|table| table.path).collect())
}

/// The rows in the order of their keys; `None` where they stay in their random order.
pub(super) fn order<K: Ord>(shape: Shape, rows: u64, key: impl Fn(u64) -> K) -> Option<Vec<u64>> {
    shape.sorted.then(|| {
        let mut order: Vec<u64> = (0..rows).collect();
        order.sort_by_cached_key(|row| key(*row));
        order
    })
}
