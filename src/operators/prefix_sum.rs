//! Fixed kernels: exclusive prefix sums over tiles, strings from references to columns, and the order of groups
//! (`kernels/gather.cu`).

use std::sync::LazyLock;

use crate::device::{DeviceBuffer, KernelSource};
use crate::error::{Error, Result};
use crate::worker::Task;

use super::binding::{BLOCK, Control, to_bytes};

/// Values of a block; `SCAN_TILE` in the source.
const SCAN_TILE: usize = BLOCK * 8;

static SOURCE: LazyLock<KernelSource> = LazyLock::new(|| {
    let text = [
        include_str!("../../kernels/prelude.cuh"),
        include_str!("../../kernels/string.cuh"),
        include_str!("../../kernels/scan.cuh"),
        include_str!("../../kernels/gather.cu"),
    ]
    .join("\n");
    let entries = ["scan_lengths", "scan_set_bits", "scan_counts", "gather_strings", "mark_first_rows"]
        .map(String::from)
        .to_vec();
    KernelSource::new("gather", text, entries)
});

/// What is summed.
#[derive(Clone, Copy)]
pub(super) enum Summand {
    /// Lengths of string references; sums are 4-byte offsets.
    Lengths,
    /// Set bits of 32-bit words; sums are 8 bytes.
    SetBits,
    /// 32-bit words; sums are 8 bytes.
    Counts,
}

/// Sums `count` values before each, and all of them one past the end.
///
/// # Memory     (count + 1)·4 or ·8 bytes out; ⌈count/2048⌉·8 bytes of scratch.
/// # Traffic    reads and writes each value once (single pass with decoupled look-back).
pub(super) fn prefix_sum(
    task: &mut Task<'_>,
    summand: Summand,
    count: usize,
    input: &DeviceBuffer,
) -> Result<(DeviceBuffer, usize)> {
    let (entry, width) = match summand {
        Summand::Lengths => ("scan_lengths", 4),
        Summand::SetBits => ("scan_set_bits", 8),
        Summand::Counts => ("scan_counts", 8),
    };
    if count == 0 {
        return Ok((task.alloc_filled(width, 0)?, 0));
    }
    let output = task.alloc((count + 1) * width)?;
    let grid = count.div_ceil(SCAN_TILE);
    let tiles = task.alloc_filled(grid * 8, 0)?;
    let control = Control::new(task)?;
    let words = [count as u64, input.address(), output.address(), tiles.address(), control.address()];
    let kernel = task.kernel(&SOURCE)?;
    task.launch(kernel.function(entry)?, grid as u32, BLOCK as u32, 0, &to_bytes(&words))?;
    let total = control.read(task, &[])?.bytes;
    Ok((output, total))
}

/// Turns `rows` string references into offsets and bytes.
///
/// # Errors
/// `is_out_of_memory` where the bytes exceed what a chunk's offsets can count: fewer rows at once will do.
pub(super) fn gather_strings(
    task: &mut Task<'_>,
    rows: usize,
    references: &DeviceBuffer,
) -> Result<(DeviceBuffer, DeviceBuffer)> {
    let (offsets, total) = prefix_sum(task, Summand::Lengths, rows, references)?;
    if total > i32::MAX as usize {
        return Err(Error::out_of_memory(format!("a chunk's strings take {total} bytes; 2 GiB is the most")));
    }
    let bytes = task.alloc(total)?;
    if rows > 0 {
        let words = [rows as u64, references.address(), offsets.address(), bytes.address()];
        let kernel = task.kernel(&SOURCE)?;
        let grid = rows.div_ceil(BLOCK) as u32;
        task.launch(kernel.function("gather_strings")?, grid, BLOCK as u32, 0, &to_bytes(&words))?;
    }
    Ok((offsets, bytes))
}

/// Ranks the first rows of a hash table's groups: returns a bitmap of `rows` bits, set for first rows, and for each of
/// its 32-bit words the set bits before it.
pub(super) fn rank_first_rows(
    task: &mut Task<'_>,
    rows: usize,
    slots: &DeviceBuffer,
    slot_count: usize,
    slot_words: usize,
) -> Result<(DeviceBuffer, DeviceBuffer)> {
    let bitmap_words = rows.div_ceil(32);
    let first_rows = task.alloc_filled(bitmap_words * 4, 0)?;
    let words = [slot_count as u64, slot_words as u64, slots.address(), first_rows.address()];
    let kernel = task.kernel(&SOURCE)?;
    let grid = slot_count.div_ceil(BLOCK) as u32;
    task.launch(kernel.function("mark_first_rows")?, grid, BLOCK as u32, 0, &to_bytes(&words))?;
    let (ranks, _) = prefix_sum(task, Summand::SetBits, bitmap_words, &first_rows)?;
    Ok((first_rows, ranks))
}
