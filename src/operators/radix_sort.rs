//! Radix sort of row numbers by words (`kernels/radix_sort.cu`).

use std::sync::LazyLock;

use crate::device::{DeviceBuffer, KernelSource};
use crate::error::{Error, Result};
use crate::worker::Task;

use super::binding::BLOCK;
use super::fixed::{launch, write_words};

/// Rows of a block of a pass; as in the source.
const TILE: usize = BLOCK * 16;
const BUCKETS: usize = 256;
const DIGIT_BITS: u32 = 8;
const WORD_DIGITS: usize = 8;
/// Rows that a thread counts at least, and blocks for each multiprocessor at most: each block ends with atomics.
const COUNT_ITEMS: usize = 16;
const COUNT_BLOCKS_PER_SM: usize = 8;

static SOURCE: LazyLock<KernelSource> = LazyLock::new(|| {
    let text = [
        include_str!("../../kernels/prelude.cuh"),
        include_str!("../../kernels/scan.cuh"),
        include_str!("../../kernels/radix_sort.cu"),
    ]
    .join("\n");
    let entries = ["radix_count", "radix_pass_32", "radix_pass_64", "radix_iota"].map(String::from).to_vec();
    KernelSource::new("radix_sort", text, entries)
});

/// The width of key words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyWidth {
    Bits32,
    Bits64,
}

impl KeyWidth {
    /// The narrowest width for `bits` bits.
    pub fn of(bits: u32) -> KeyWidth {
        if bits <= 32 { KeyWidth::Bits32 } else { KeyWidth::Bits64 }
    }

    /// Bytes of a word.
    pub fn bytes(self) -> usize {
        match self {
            KeyWidth::Bits32 => 4,
            KeyWidth::Bits64 => 8,
        }
    }

    fn entry(self) -> &'static str {
        match self {
            KeyWidth::Bits32 => "radix_pass_32",
            KeyWidth::Bits64 => "radix_pass_64",
        }
    }
}

/// Sorts the rows `0..count` by the unsigned numbers in the low `key_bits` bits of their words, ascending: returns the
/// row numbers, 4 bytes each, in that order. `key_bits` = 0 leaves the rows as they are.
///
/// # Shape      keys [n] → row numbers [n].
/// # Memory     2·n·(4 + the word's bytes) at most, and 2 KiB for each 4,096 rows; 4·n of it stays.
/// # Traffic    reads the keys once, then reads and writes keys and rows once for each 8 bits in which keys differ.
/// # Guarantee  stable; deterministic.
/// # Errors     out of memory.
/// # Source     Adinets and Merrill, "Onesweep: a faster least significant digit radix sort for GPUs", 2022.
pub fn radix_sort(
    task: &mut Task<'_>,
    keys: &DeviceBuffer,
    width: KeyWidth,
    key_bits: u32,
    count: usize,
) -> Result<DeviceBuffer> {
    sort_rows(task, &[Word { words: keys, width, bits: key_bits }], count)
}

/// A borrowed word of the key.
#[derive(Clone, Copy)]
pub(super) struct Word<'a> {
    pub words: &'a DeviceBuffer,
    pub width: KeyWidth,
    pub bits: u32,
}

/// As [`radix_sort`], by keys of several words, the most significant first.
pub(super) fn sort_rows(task: &mut Task<'_>, words: &[Word<'_>], count: usize) -> Result<DeviceBuffer> {
    if u32::try_from(count).is_err() {
        return Err(Error::bug(format!("a sort of {count} rows: their numbers have 32 bits")));
    }
    for word in words {
        if word.words.capacity() < count * word.width.bytes() || word.bits as usize > word.width.bytes() * 8 {
            return Err(Error::bug(format!(
                "a sort of {count} rows by {} bits of a buffer of {} bytes",
                word.bits,
                word.words.len()
            )));
        }
    }
    let passes = plan(task, words, count)?;
    if passes.is_empty() {
        let rows = task.alloc(count * 4)?;
        launch(task, &SOURCE, "radix_iota", count.div_ceil(BLOCK), &[count as u64, rows.address()])?;
        return Ok(rows);
    }
    let bases: Vec<u64> = passes.iter().flat_map(|pass| pass.bases).collect();
    let bases = write_words(task, &bases)?;
    let tile_count = count.div_ceil(TILE);
    let tiles = task.alloc(16 + tile_count * BUCKETS * 8)?;
    let mut rows: Option<DeviceBuffer> = None;
    let mut spare_rows: Option<DeviceBuffer> = None;
    // The word's keys in the order of `rows`, once a pass has put them so.
    let mut keys: Option<DeviceBuffer> = None;
    let mut spare_keys: Option<DeviceBuffer> = None;
    for (index, pass) in passes.iter().enumerate() {
        let word = words[pass.word];
        let is_first = index == 0 || passes[index - 1].word != pass.word;
        let is_last = passes.get(index + 1).is_none_or(|next| next.word != pass.word);
        if is_first {
            keys = None;
        }
        let rows_out = match spare_rows.take() {
            Some(spare) => spare,
            None => task.alloc(count * 4)?,
        };
        let keys_out = match (is_last, spare_keys.take()) {
            (true, spare) => {
                spare_keys = spare;
                None
            }
            (false, Some(spare)) if spare.capacity() >= count * word.width.bytes() => Some(spare),
            (false, _) => Some(task.alloc(count * word.width.bytes())?),
        };
        task.fill(&tiles, 0)?;
        let parameters = [
            count as u64,
            keys.as_ref().unwrap_or(word.words).address(),
            rows.as_ref().map_or(0, |rows| rows.address()),
            u64::from(is_first && rows.is_some()),
            keys_out.as_ref().map_or(0, |keys| keys.address()),
            rows_out.address(),
            u64::from(pass.shift),
            pass.mask,
            bases.address() + (index * BUCKETS * 8) as u64,
            tiles.address() + 16,
            tiles.address(),
        ];
        launch(task, &SOURCE, word.width.entry(), tile_count, &parameters)?;
        spare_rows = rows.replace(rows_out);
        spare_keys = spare_keys.or(keys.take());
        keys = keys_out;
    }
    rows.ok_or_else(|| Error::bug("a sort's passes left no rows"))
}

/// One digit to sort by.
struct Pass {
    word: usize,
    shift: u32,
    mask: u64,
    /// Where each bucket begins.
    bases: [u64; BUCKETS],
}

/// Counts every digit of every word, and lists those in which rows differ, the least significant first.
fn plan(task: &mut Task<'_>, words: &[Word<'_>], count: usize) -> Result<Vec<Pass>> {
    if count < 2 || words.iter().all(|word| word.bits == 0) {
        return Ok(vec![]);
    }
    let table: Vec<u64> = words
        .iter()
        .flat_map(|word| [word.words.address(), word.width.bytes() as u64, u64::from(word.bits)])
        .collect();
    let table = write_words(task, &table)?;
    let bytes = words.len() * WORD_DIGITS * BUCKETS * 4;
    let counts = task.alloc_filled(bytes, 0)?;
    let blocks_max = task.sm_count() as usize * COUNT_BLOCKS_PER_SM;
    let blocks_each = count.div_ceil(BLOCK * COUNT_ITEMS).clamp(1, blocks_max);
    let parameters = [count as u64, blocks_each as u64, table.address(), counts.address()];
    launch(task, &SOURCE, "radix_count", blocks_each * words.len(), &parameters)?;
    let counts = task.read(&counts, 0, bytes)?;
    let mut passes = vec![];
    for (index, word) in words.iter().enumerate().rev() {
        for digit in 0..word.bits.div_ceil(DIGIT_BITS) {
            let first = (index * WORD_DIGITS + digit as usize) * BUCKETS * 4;
            let (buckets, _) = counts[first..first + BUCKETS * 4].as_chunks::<4>();
            if buckets.iter().any(|bucket| u32::from_le_bytes(*bucket) as usize == count) {
                continue;
            }
            let mut bases = [0; BUCKETS];
            let mut before = 0;
            for (base, bucket) in bases.iter_mut().zip(buckets) {
                *base = before;
                before += u64::from(u32::from_le_bytes(*bucket));
            }
            let shift = digit * DIGIT_BITS;
            let mask = (1u64 << (word.bits - shift).min(DIGIT_BITS)) - 1;
            passes.push(Pass { word: index, shift, mask, bases });
        }
    }
    Ok(passes)
}
