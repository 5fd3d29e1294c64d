//! Partition: the rows of a chunk, apart by a number that each has.

use std::ops::Range;

use super::gather::gather_from;
use super::sort::{SortKey, sort};
use crate::column::DeviceChunk;
use crate::error::{Error, Result};
use crate::worker::Task;

/// Cuts a chunk by its last column, a `UInt8` that is never null: partition p gets the rows where it is p, without that
/// column.
///
/// # Shape      chunk [n] → `count` chunks of n rows in all, some of them empty.
/// # Memory     the rows once more, and the row numbers.
/// # Traffic    sorts n bytes, then reads and writes every column once.
/// # Guarantee  rows keep their order within a partition; deterministic.
/// # Errors     `bug` where a number is not below `count`; out of memory.
pub fn partition(task: &mut Task<'_>, chunk: &DeviceChunk, count: usize) -> Result<Vec<DeviceChunk>> {
    let Some(last) = chunk.columns.len().checked_sub(1) else {
        return Err(Error::bug("a chunk without the numbers of its partitions"));
    };
    let indices: Vec<usize> = (0..last).collect();
    let project = |indices: &[usize]| {
        let schema = chunk.schema.project(indices);
        let schema = schema.map_err(|error| Error::bug(format!("a chunk lacks its own columns: {error}")))?;
        let columns = indices.iter().map(|&index| chunk.columns[index].clone()).collect();
        DeviceChunk::new(schema.into(), columns, chunk.rows)
    };
    let (payload, numbers) = (project(&indices)?, project(&[last])?);
    let key = SortKey { column: 0, descending: false, nulls_first: false };
    let order = sort(task, &numbers, &[key], None)?;
    let sorted = gather_from(task, &numbers, &order.rows, 0, order.count, false)?;
    let mut ends = vec![];
    for partition in 0..count {
        let begin = ends.last().copied().unwrap_or(0);
        ends.push(first_above(task, &sorted, begin..order.count, partition)?);
    }
    if ends.last().is_some_and(|&end| end != order.count) {
        return Err(Error::bug(format!("a row is in none of {count} partitions")));
    }
    let mut begin = 0;
    let mut partitions = vec![];
    for end in ends {
        partitions.push(gather_from(task, &payload, &order.rows, begin, end - begin, false)?);
        begin = end;
    }
    Ok(partitions)
}

/// The first row of `rows` whose number is above `partition`: a few reads of one byte, whatever the rows.
fn first_above(
    task: &mut Task<'_>,
    sorted: &DeviceChunk,
    mut rows: Range<usize>,
    partition: usize,
) -> Result<usize> {
    while !rows.is_empty() {
        let middle = rows.start + rows.len() / 2;
        let number = task.read(&sorted.columns[0].values, middle, 1)?;
        if usize::from(number[0]) <= partition {
            rows.start = middle + 1;
        } else {
            rows.end = middle;
        }
    }
    Ok(rows.start)
}
