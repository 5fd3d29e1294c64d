//! Sort: the order of a chunk's rows (`kernels/sort.cu`, `radix_sort.cu`, `merge_sort.cu`).

use crate::column::DeviceChunk;
use crate::device::DeviceBuffer;
use crate::error::Result;
use crate::worker::Task;

use super::binding::{BLOCK, Control};
use super::fixed::{launch, write_words};
use super::merge_sort::{MERGE_TILE, Places, merge_sort};
use super::radix_select::select_least;
use super::radix_sort::sort_rows;
pub use super::radix_sort::{KeyWidth, radix_sort};
pub use super::sort_key::SortKey;
use super::sort_key::{Key, SOURCE};
use super::sort_words::EncodedWords;

/// Places of a block of the kernel that finds ties; as in the source.
const TIES_TILE: usize = BLOCK * 8;
/// A fetch of at most this share of the rows is worth a selection before the sort.
const FETCH_SHARE: usize = 4;

/// Rows in order.
pub struct SortedRows {
    /// Numbers of rows, 4 bytes each; there may be room for more than `count`.
    pub rows: DeviceBuffer,
    pub count: usize,
}

/// Finds the order of the chunk's rows by `keys`, the first above all; of `fetch` rows if given, else of all.
///
/// The order is that of DataFusion's sorts: floats in total order (−0.0 before 0.0, NaN last), strings by bytes.
///
/// Up to 2,048 rows are compared by one kernel. More are sorted by words: each column's values, counted from the least
/// one, take as many bits as their range needs, and lie side by side in words of 64 bits. Of strings the first bytes
/// that all share are left out; those of more than 32 bytes beyond are sorted by 16, and where rows are still equal
/// they are compared. With `fetch`, rows whose first word is too large are left out before the rest is sorted.
///
/// # Shape      chunk [n] → row numbers [min(n, fetch)].
/// # Nulls      before or behind all values, as each key says; equal to each other.
/// # Memory     per row 8 bytes a word, twice while it is sorted, and 8 bytes of row numbers.
/// # Traffic    reads keys twice, strings' bytes three times; then keys and row numbers once for each 8 bits. With
/// `fetch`, reads the first word once for each 11 bits until few rows are left, sorts only those.
/// # Guarantee  stable, also with `fetch`; deterministic; equal to the CPU's.
/// # Errors     out of memory.
/// # Source     Adinets and Merrill, "Onesweep: a faster least significant digit radix sort for GPUs", 2022.
pub fn sort(
    task: &mut Task<'_>,
    chunk: &DeviceChunk,
    keys: &[SortKey],
    fetch: Option<usize>,
) -> Result<SortedRows> {
    let count = fetch.unwrap_or(chunk.rows).min(chunk.rows);
    task.wait_for(chunk)?;
    if keys.is_empty() || count == 0 {
        return Ok(SortedRows { rows: sort_rows(task, &[], count)?, count });
    }
    if chunk.rows <= MERGE_TILE {
        let places = Places { count: chunk.rows, from: None, rows: None };
        return Ok(SortedRows { rows: compare(task, chunk, keys, places)?, count });
    }
    let key = Key::packed(task, chunk, keys)?;
    if count < chunk.rows / FETCH_SHARE && key.word_count() > 0 {
        let first = key.encode(task, None, chunk.rows, 1)?;
        if let Some((candidates, found)) = select_least(task, first.words()[0], chunk.rows, count)? {
            drop(first);
            if found <= MERGE_TILE {
                let places = Places { count: found, from: Some(&candidates), rows: None };
                return Ok(SortedRows { rows: compare(task, chunk, keys, places)?, count });
            }
            let order = sort_places(task, &key, Some(&candidates), found)?;
            let rows = task.alloc(count * 4)?;
            move_rows(task, "sort_gather", count, &candidates, &order, &rows)?;
            return Ok(SortedRows { rows, count });
        }
    }
    Ok(SortedRows { rows: sort_places(task, &key, None, chunk.rows)?, count })
}

/// Sorts places that are rows by comparison alone.
fn compare(
    task: &mut Task<'_>,
    chunk: &DeviceChunk,
    keys: &[SortKey],
    places: Places<'_>,
) -> Result<DeviceBuffer> {
    let key = Key::compared(task, chunk, keys)?;
    merge_sort(task, places, &[], &key.compared)
}

/// Sorts `count` places by words, and by comparison where words are equal and do not hold the whole key.
fn sort_places(
    task: &mut Task<'_>,
    key: &Key,
    rows: Option<&DeviceBuffer>,
    count: usize,
) -> Result<DeviceBuffer> {
    let encoded = key.encode(task, rows, count, key.word_count())?;
    let order = sort_rows(task, &encoded.words(), count)?;
    if key.compared.is_empty() {
        return Ok(order);
    }
    compare_ties(task, key, &encoded, rows, count, &order)?;
    Ok(order)
}

/// Orders those of the sorted places whose words are equal, in place.
fn compare_ties(
    task: &mut Task<'_>,
    key: &Key,
    encoded: &EncodedWords,
    rows: Option<&DeviceBuffer>,
    count: usize,
    order: &DeviceBuffer,
) -> Result<()> {
    let words = encoded.words();
    let table = write_words(task, &encoded.table())?;
    let (tied_at, tied) = (task.alloc(count * 4)?, task.alloc(count * 4)?);
    let blocks = count.div_ceil(TIES_TILE);
    let tiles = task.alloc_filled(blocks * 8, 0)?;
    let control = Control::new(task)?;
    let parameters = [
        count as u64,
        order.address(),
        words.len() as u64,
        table.address(),
        tied_at.address(),
        tied.address(),
        tiles.address(),
        control.address(),
    ];
    launch(task, &SOURCE, "sort_ties", blocks, &parameters)?;
    let tied_count = control.read(task, &[])?.rows;
    if tied_count == 0 {
        return Ok(());
    }
    let places = Places { count: tied_count, from: Some(&tied), rows };
    let sorted = merge_sort(task, places, &words, &key.compared)?;
    move_rows(task, "sort_scatter", tied_count, &sorted, &tied_at, order)
}

fn move_rows(
    task: &mut Task<'_>,
    entry: &str,
    count: usize,
    from: &DeviceBuffer,
    index: &DeviceBuffer,
    to: &DeviceBuffer,
) -> Result<()> {
    let words = [count as u64, from.address(), index.address(), to.address()];
    launch(task, &SOURCE, entry, count.div_ceil(BLOCK), &words)
}
