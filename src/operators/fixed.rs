//! Launching the fixed kernels: tables of descriptors, words read back.

use crate::device::{DeviceBuffer, KernelSource};
use crate::error::{Error, Result};
use crate::worker::Task;

use super::binding::{BLOCK, to_bytes};

/// Launches entry point `entry` of `source` with `grid` blocks; without blocks there is nothing to do.
pub(super) fn launch(
    task: &mut Task<'_>,
    source: &KernelSource,
    entry: &str,
    grid: usize,
    words: &[u64],
) -> Result<()> {
    if grid == 0 {
        return Ok(());
    }
    let grid = u32::try_from(grid).map_err(|_| Error::unsupported(format!("a launch of {grid} blocks")))?;
    let kernel = task.kernel(source)?;
    task.launch(kernel.function(entry)?, grid, BLOCK as u32, 0, &to_bytes(words))
}

/// Copies words to the device.
pub(super) fn write_words(task: &mut Task<'_>, words: &[u64]) -> Result<DeviceBuffer> {
    task.write(&to_bytes(words))
}

/// Waits for the device and reads the first `count` words of `buffer`.
pub(super) fn read_words(task: &mut Task<'_>, buffer: &DeviceBuffer, count: usize) -> Result<Vec<u64>> {
    let bytes = task.read(buffer, 0, count * 8)?;
    Ok(bytes
        .chunks_exact(8)
        .map(|word| u64::from_le_bytes(word.try_into().expect("chunks of 8 bytes")))
        .collect())
}
