//! Merge sort by comparison, for few rows and for what words cannot tell apart (`kernels/merge_sort.cu`).

use std::sync::LazyLock;

use crate::device::{DeviceBuffer, KernelSource};
use crate::error::Result;
use crate::worker::Task;

use super::fixed::{launch, write_words};
use super::radix_sort::Word;
use super::sort_key::{Field, write_fields};

/// Places of a block; as in the source. So many are sorted by one kernel.
pub(super) const MERGE_TILE: usize = 2048;

static SOURCE: LazyLock<KernelSource> = LazyLock::new(|| {
    let text = [
        include_str!("../../kernels/prelude.cuh"),
        include_str!("../../kernels/bytes.cuh"),
        include_str!("../../kernels/sort_key.cuh"),
        include_str!("../../kernels/merge_sort.cu"),
    ]
    .join("\n");
    KernelSource::new("merge_sort", text, ["merge_tiles", "merge_runs"].map(String::from).to_vec())
});

/// What is sorted.
#[derive(Clone, Copy)]
pub(super) struct Places<'a> {
    pub count: usize,
    /// The places as they stand; `None` for 0, 1, 2, ….
    pub from: Option<&'a DeviceBuffer>,
    /// The row of each place; `None` where places are rows.
    pub rows: Option<&'a DeviceBuffer>,
}

/// Sorts places by `words`, and where these are equal by `fields`.
///
/// # Memory     8 bytes a place.
/// # Traffic    compares log₂(n/2048) + 11 times; one kernel for 2,048 places, one more each time they double.
/// # Guarantee  stable; deterministic.
/// # Source     merge path (Green, McColl and Bader, 2012).
pub(super) fn merge_sort(
    task: &mut Task<'_>,
    places: Places<'_>,
    words: &[Word<'_>],
    fields: &[Field],
) -> Result<DeviceBuffer> {
    let count = places.count;
    let table: Vec<u64> =
        words.iter().flat_map(|word| [word.words.address(), word.width.bytes() as u64]).collect();
    let table = write_words(task, &table)?;
    let described = write_fields(task, fields)?;
    let parameters = |from: Option<&DeviceBuffer>, to: &DeviceBuffer, run: usize| {
        [
            count as u64,
            from.map_or(0, |from| from.address()),
            to.address(),
            run as u64,
            places.rows.map_or(0, |rows| rows.address()),
            words.len() as u64,
            table.address(),
            fields.len() as u64,
            described.address(),
        ]
    };
    let blocks = count.div_ceil(MERGE_TILE);
    let mut sorted = task.alloc(count * 4)?;
    launch(task, &SOURCE, "merge_tiles", blocks, &parameters(places.from, &sorted, 0))?;
    if blocks > 1 {
        let mut spare = task.alloc(count * 4)?;
        let mut run = MERGE_TILE;
        while run < count {
            launch(task, &SOURCE, "merge_runs", blocks, &parameters(Some(&sorted), &spare, run))?;
            std::mem::swap(&mut sorted, &mut spare);
            run *= 2;
        }
    }
    Ok(sorted)
}
