//! Sort of what does not fit at once: sorted runs, cut at the same keys, and put together range by range.

use std::sync::Arc;

use super::concat::concat;
use super::gather::{gather, gather_from};
use super::sort::{SortKey, sort};
use crate::column::DeviceChunk;
use crate::device::DeviceBuffer;
use crate::error::{Error, Result};
use crate::worker::{StoredChunk, Task};

/// Rows of each run that are looked at to choose where ranges end.
const SAMPLES: usize = 256;

/// Sorts the rows of `chunks`, which may lie in any tier, by `keys`; answers them in chunks of order.
///
/// # Shape      chunks [n₀], [n₁], … → chunks of Σnᵢ rows in all.
/// # Memory     some three times the largest chunk, or the largest range of about `bytes` bytes.
/// # Traffic    sorts every row three times, and moves it through the tiers twice.
/// # Guarantee  stable, as [`sort`]; deterministic for the same chunks.
/// # Errors     out of memory where one chunk, or the rows of one key, do not fit.
/// # Source     sample sort (Frazer and McKellar, 1970) over sorted runs.
pub fn sort_runs(
    task: &mut Task<'_>,
    chunks: Vec<StoredChunk>,
    keys: &[SortKey],
    bytes: usize,
) -> Result<Vec<StoredChunk>> {
    let total: usize = chunks.iter().map(StoredChunk::device_bytes).sum();
    let ranges = total.div_ceil(bytes.max(1)).max(1);
    let (mut runs, mut samples) = (vec![], vec![]);
    for chunk in chunks {
        let run = sorted(task, &chunk, keys)?;
        drop(chunk);
        if run.rows > 0 {
            samples.push(Arc::new(every_nth(task, &run, run.rows.div_ceil(SAMPLES))?));
            runs.push(task.store(run)?);
        }
    }
    if runs.is_empty() || ranges == 1 {
        return merge(task, runs, keys).map(|merged| vec![merged]);
    }
    let sample = concat(task, &samples)?;
    drop(samples);
    let order = sort(task, &sample, keys, None)?;
    let sample = gather(task, &sample, &order.rows, order.count, false)?;
    let splitters = Arc::new(every_nth(task, &sample, sample.rows.div_ceil(ranges))?);
    let mut cut: Vec<Vec<StoredChunk>> = (0..=splitters.rows).map(|_| vec![]).collect();
    for run in runs {
        let ends = ends_in_run(task, &run, &splitters, keys)?;
        let chunk = task.fetch(&run)?;
        drop(run);
        let numbers = iota(task, chunk.rows)?;
        let mut begin = 0;
        for (range, end) in ends.into_iter().chain([chunk.rows]).enumerate() {
            if end > begin {
                let part = gather_from(task, &chunk, &numbers, begin, end - begin, false)?;
                cut[range].push(task.store(part)?);
            }
            begin = end;
        }
    }
    let mut merged = vec![];
    for range in cut {
        if !range.is_empty() {
            merged.push(merge(task, range, keys)?);
        }
    }
    Ok(merged)
}

fn sorted(task: &mut Task<'_>, chunk: &StoredChunk, keys: &[SortKey]) -> Result<DeviceChunk> {
    let chunk = task.fetch(chunk)?;
    let order = sort(task, &chunk, keys, None)?;
    gather(task, &chunk, &order.rows, order.count, false)
}

/// Sorts what is in runs of one range: stably, so that equal rows stay in the order of the runs.
fn merge(task: &mut Task<'_>, runs: Vec<StoredChunk>, keys: &[SortKey]) -> Result<StoredChunk> {
    let chunks = runs.iter().map(|run| task.fetch(run)).collect::<Result<Vec<_>>>()?;
    let whole = concat(task, &chunks)?;
    drop((chunks, runs));
    let order = sort(task, &whole, keys, None)?;
    let merged = gather(task, &whole, &order.rows, order.count, false)?;
    task.store(merged)
}

/// Where each splitter stands in a sorted run: how many of its rows are not behind it.
fn ends_in_run(
    task: &mut Task<'_>,
    run: &StoredChunk,
    splitters: &Arc<DeviceChunk>,
    keys: &[SortKey],
) -> Result<Vec<usize>> {
    let run = task.fetch(run)?;
    let rows = run.rows;
    let both = concat(task, &[run, splitters.clone()])?;
    let order = sort(task, &both, keys, None)?;
    // The splitters were put behind the run, and the sort is stable: they stand behind the rows that equal them.
    let numbers = task.read(&order.rows, 0, order.count * 4)?;
    let numbers = numbers.chunks_exact(4).map(|word| u32::from_le_bytes(word.try_into().expect("4 bytes")));
    let (mut before, mut ends) = (0, vec![]);
    for number in numbers {
        if (number as usize) < rows {
            before += 1;
        } else {
            ends.push(before);
        }
    }
    match ends.len() == splitters.rows {
        true => Ok(ends),
        false => Err(Error::bug("a splitter was lost")),
    }
}

/// Every `n`th row of a chunk, beginning behind the first n − 1.
fn every_nth(task: &mut Task<'_>, chunk: &DeviceChunk, n: usize) -> Result<DeviceChunk> {
    let numbers: Vec<u32> = (n - 1..chunk.rows).step_by(n).map(|row| row as u32).collect();
    let bytes: Vec<u8> = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
    let rows = task.write(&bytes)?;
    gather(task, chunk, &rows, numbers.len(), false)
}

fn iota(task: &mut Task<'_>, rows: usize) -> Result<DeviceBuffer> {
    let bytes: Vec<u8> = (0..rows as u32).flat_map(u32::to_le_bytes).collect();
    task.write(&bytes)
}
