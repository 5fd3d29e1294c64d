//! Radix select: the rows that the least words belong to (`kernels/sort.cu`).

use crate::device::DeviceBuffer;
use crate::error::{Error, Result};
use crate::worker::Task;

use super::binding::{BLOCK, Control};
use super::fixed::launch;
use super::merge_sort::MERGE_TILE;
use super::radix_sort::Word;
use super::sort_key::SOURCE;

/// As in the source.
const BUCKET_BITS: u32 = 11;
const SELECT_TILE: usize = BLOCK * 16;
/// Rows that a thread counts at least, and blocks for each multiprocessor at most: each block ends with atomics.
const COUNT_ITEMS: usize = 16;
const COUNT_BLOCKS_PER_SM: usize = 4;

/// Lists, in their order, rows among which are the `wanted` (1 to `count`) of the least words, and all rows whose words
/// are equal to one of these; `None` where that would be more than half of all rows.
///
/// # Memory     2^11·4 bytes, and 4 bytes for each row listed.
/// # Traffic    reads the words once for each 11 bits until few enough rows are left, and once to list them.
/// # Guarantee  order preserved; deterministic.
/// # Source     Alabi et al., "Fast k-selection algorithms for graphics processing units", 2012.
pub(super) fn select_least(
    task: &mut Task<'_>,
    word: Word<'_>,
    count: usize,
    wanted: usize,
) -> Result<Option<(DeviceBuffer, usize)>> {
    let enough = (2 * wanted).max(MERGE_TILE);
    let (mut shift, mut prefix, mut below, mut found) = (word.bits, 0u64, 0, count);
    while shift > 0 && found > enough {
        let bits = shift.min(BUCKET_BITS);
        shift -= bits;
        let counts = count_buckets(task, word, count, prefix, shift, bits)?;
        let mut bucket = 0;
        while let Some(in_bucket) = counts.get(bucket)
            && below + in_bucket < wanted
        {
            below += in_bucket;
            bucket += 1;
        }
        let in_bucket = counts.get(bucket).ok_or_else(|| Error::bug("a selection counts too few rows"))?;
        prefix = prefix << bits | bucket as u64;
        found = below + in_bucket;
    }
    if found > count / 2 {
        return Ok(None);
    }
    let rows = task.alloc(found * 4)?;
    let blocks = count.div_ceil(SELECT_TILE);
    let tiles = task.alloc_filled(blocks * 8, 0)?;
    let control = Control::new(task)?;
    let words = [
        count as u64,
        word.words.address(),
        word.width.bytes() as u64,
        u64::from(shift),
        prefix,
        rows.address(),
        tiles.address(),
        control.address(),
    ];
    launch(task, &SOURCE, "select_rows", blocks, &words)?;
    Ok(Some((rows, found)))
}

/// Counts the words that begin with `prefix` by the `bits` bits behind it, which end at `shift`.
fn count_buckets(
    task: &mut Task<'_>,
    word: Word<'_>,
    count: usize,
    prefix: u64,
    shift: u32,
    bits: u32,
) -> Result<Vec<usize>> {
    let bytes = 4 << bits;
    let counts = task.alloc_filled(bytes, 0)?;
    let words = [
        count as u64,
        word.words.address(),
        word.width.bytes() as u64,
        prefix,
        u64::from(shift),
        u64::from(bits),
        counts.address(),
    ];
    let blocks_max = task.sm_count() as usize * COUNT_BLOCKS_PER_SM;
    launch(task, &SOURCE, "select_count", count.div_ceil(BLOCK * COUNT_ITEMS).min(blocks_max), &words)?;
    let counts = task.read(&counts, 0, bytes)?;
    let (counts, _) = counts.as_chunks::<4>();
    Ok(counts.iter().map(|count| u32::from_le_bytes(*count) as usize).collect())
}
