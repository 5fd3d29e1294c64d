//! Operators run in a task of their own, without a plan around them.

use std::sync::Arc;

use arrow::record_batch::RecordBatch;
use futures::executor::block_on;
use swath::column::{DeviceChunk, StagedChunk};
use swath::config::Config;
use swath::device::DeviceBuffer;
use swath::worker::{CancelToken, Task, Workers};

use crate::simulator::{kernel_folder, mode, use_device};

/// Runs `work` on device 0, eagerly and lazily, and returns the last answer.
pub fn on_device<R: Send + 'static>(
    work: impl Fn(&mut Task<'_>) -> swath::Result<R> + Send + Sync + 'static,
) -> swath::Result<R> {
    use_device();
    let work = Arc::new(work);
    let run = |lazy| {
        let _mode = mode(lazy);
        let config = Config { cache_dir: Some(kernel_folder()), ..Default::default() };
        let workers = Workers::start(&[0], &config).expect("device 0 starts");
        let work = Arc::clone(&work);
        let worker = workers.first().expect("there is one");
        block_on(worker.run("test", CancelToken::new(), move |task| work(task)))
    };
    run(false)?;
    run(true)
}

pub fn upload(task: &mut Task<'_>, batch: &RecordBatch) -> swath::Result<Arc<DeviceChunk>> {
    let staged = StagedChunk::stage(&batch.schema(), std::slice::from_ref(batch), task.pinned_pool())?;
    Ok(Arc::new(task.upload(staged)?))
}

/// Writes row numbers.
pub fn write_index(task: &mut Task<'_>, rows: &[u32]) -> swath::Result<DeviceBuffer> {
    task.write(&rows.iter().flat_map(|row| row.to_le_bytes()).collect::<Vec<u8>>())
}

/// Reads row numbers.
pub fn read_rows(task: &mut Task<'_>, rows: &DeviceBuffer, count: usize) -> swath::Result<Vec<u32>> {
    let bytes = task.read(rows, 0, count * 4)?;
    Ok(bytes.chunks_exact(4).map(|row| u32::from_le_bytes(row.try_into().unwrap())).collect())
}
