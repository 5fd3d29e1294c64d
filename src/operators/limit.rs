//! Limit: some rows of several chunks, by their place.

use std::sync::Arc;

use super::binding::to_bytes;
use super::gather::gather;
use crate::column::DeviceChunk;
use crate::error::Result;
use crate::worker::Task;

/// Keeps `fetch` rows, or all, behind the first `skip`.
///
/// # Shape      chunks [n₀], [n₁], … → chunks of min(fetch, Σnᵢ − skip) rows in all, one at least.
/// # Memory     the rows of at most two chunks that are cut; whole chunks are passed on.
/// # Traffic    reads and writes the rows of cut chunks.
/// # Guarantee  order preserved.
pub fn limit(
    task: &mut Task<'_>,
    chunks: Vec<Arc<DeviceChunk>>,
    skip: usize,
    fetch: Option<usize>,
) -> Result<Vec<Arc<DeviceChunk>>> {
    let end = fetch.map_or(usize::MAX, |fetch| skip.saturating_add(fetch));
    let mut kept = vec![];
    let mut before = 0;
    for chunk in chunks {
        let (from, to) = (skip.clamp(before, before + chunk.rows), end.clamp(before, before + chunk.rows));
        let (first, rows) = (from - before, to.saturating_sub(from));
        before += chunk.rows;
        if rows == chunk.rows {
            kept.push(chunk);
        } else if rows > 0 || kept.is_empty() {
            kept.push(Arc::new(slice(task, &chunk, first, rows)?));
        }
    }
    if kept.len() > 1 {
        // An empty chunk stood for the columns until there were rows.
        kept.retain(|chunk| chunk.rows > 0);
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
