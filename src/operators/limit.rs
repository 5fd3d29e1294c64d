//! Limit: some rows of several chunks, by their place.

use super::binding::to_bytes;
use super::gather::gather;
use crate::column::DeviceChunk;
use crate::error::Result;
use crate::worker::{StoredChunk, Task};

/// Keeps `fetch` rows, or all, behind the first `skip`, of chunks that may lie in any tier.
///
/// # Shape      chunks [n₀], [n₁], … → chunks of min(fetch, Σnᵢ − skip) rows in all, one at least.
/// # Memory     the rows of at most two chunks that are cut; whole chunks are passed on.
/// # Traffic    reads and writes the rows of cut chunks.
/// # Guarantee  order preserved.
pub fn limit(
    task: &mut Task<'_>,
    chunks: Vec<StoredChunk>,
    skip: usize,
    fetch: Option<usize>,
) -> Result<Vec<StoredChunk>> {
    let end = fetch.map_or(usize::MAX, |fetch| skip.saturating_add(fetch));
    let mut kept = vec![];
    let mut before = 0;
    for chunk in chunks {
        let all = before..before + chunk.rows();
        let (from, to) = (skip.clamp(all.start, all.end), end.clamp(all.start, all.end));
        let (first, rows) = (from - before, to.saturating_sub(from));
        before = all.end;
        if rows == chunk.rows() {
            kept.push(chunk);
        } else if rows > 0 || kept.is_empty() {
            let whole = task.fetch(&chunk)?;
            let slice = slice(task, &whole, first, rows)?;
            kept.push(task.store(slice)?);
        }
    }
    if kept.len() > 1 {
        // An empty chunk stood for the columns until there were rows.
        kept.retain(|chunk: &StoredChunk| chunk.rows() > 0);
    }
    Ok(kept)
}

fn slice(task: &mut Task<'_>, chunk: &DeviceChunk, first: usize, rows: usize) -> Result<DeviceChunk> {
    let words: Vec<u64> = (0..rows.div_ceil(2))
        .map(|pair| (first + 2 * pair) as u64 | (((first + 2 * pair + 1) as u64) << 32))
        .collect();
    let index = task.write(&to_bytes(&words))?;
    gather(task, chunk, &index, rows, false)
}
