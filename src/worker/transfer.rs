//! Chunks up to the device and down from it.

use std::ops::Range;
use std::rc::Rc;
use std::sync::Arc;

use arrow::record_batch::RecordBatch;

use super::task::{Task, UsedBy};
use super::timeline::Activity;
use crate::column::{
    DeviceChunk, DeviceColumn, DeviceDictionary, HostColumn, StagedChunk, StagedColumn, Storage, assemble,
};
use crate::device::{DeviceBuffer, Event};
use crate::{Error, Result};

/// Where a part of a download may begin, so that it can be read as any type.
const PART_ALIGNMENT_BYTES: usize = 16;

impl Task<'_> {
    /// Copies a staged chunk to the device on the upload stream, while kernels run on the compute stream: those that
    /// read it wait only where [`wait_for`](Task::wait_for) says so. The staging memory is recycled when the copy is
    /// done.
    ///
    /// # Errors
    /// As [`alloc`](Task::alloc).
    pub fn upload(&mut self, staged: StagedChunk) -> Result<DeviceChunk> {
        self.step(|task| {
            let mut copies = Vec::new();
            let enqueued = task.allocate_columns(&staged, &mut copies).and_then(|columns| {
                let copied = task.enqueue_copies(&staged, &copies)?;
                Ok((columns, copied))
            });
            let (columns, copied) = match enqueued {
                Ok(enqueued) => enqueued,
                Err(error) => {
                    // Buffers are freed on the compute stream, which does not wait for the upload stream yet, and
                    // copies may still read the staging memory: let the upload stream finish before either goes.
                    task.engine.upload.synchronize()?;
                    drop(copies);
                    return Err(error);
                }
            };
            task.stats.bytes_up += staged.bytes() as u64;
            let copied = Rc::new(copied);
            task.engine.keep_until_copied(staged.memory, Rc::clone(&copied))?;
            let chunk = DeviceChunk::new(staged.schema, columns, staged.rows)?;
            task.in_flight.push((copied, chunk.clone()));
            Ok(chunk)
        })
    }

    /// Allocates every buffer of the chunk and lists what is to be copied into it.
    fn allocate_columns(
        &mut self,
        staged: &StagedChunk,
        copies: &mut Vec<(Arc<DeviceBuffer>, Range<usize>)>,
    ) -> Result<Vec<Arc<DeviceColumn>>> {
        let mut part = |range: &Range<usize>| -> Result<Arc<DeviceBuffer>> {
            let buffer = Arc::new(self.allocate(range.len(), UsedBy::Upload)?);
            copies.push((Arc::clone(&buffer), range.clone()));
            Ok(buffer)
        };
        let mut allocate = |column: &StagedColumn| {
            Ok(Arc::new(DeviceColumn {
                data_type: column.data_type.clone(),
                storage: column.storage,
                rows: staged.rows,
                values: part(&column.values)?,
                validity: column.validity.as_ref().map(&mut part).transpose()?,
                offsets: column.offsets.as_ref().map(&mut part).transpose()?,
                dictionary: match &column.dictionary {
                    Some(dictionary) => Some(Arc::new(DeviceDictionary {
                        values: part(&dictionary.values)?,
                        offsets: part(&dictionary.offsets)?,
                        len: dictionary.host.len(),
                        host: Arc::clone(&dictionary.host),
                    })),
                    None => None,
                },
            }))
        };
        staged.columns.iter().map(&mut allocate).collect()
    }

    /// Enqueues the copies on the upload stream; the event is reached when they are done.
    fn enqueue_copies(
        &mut self,
        staged: &StagedChunk,
        copies: &[(Arc<DeviceBuffer>, Range<usize>)],
    ) -> Result<Event> {
        let engine = &mut *self.engine;
        let copied = Event::new(&engine.device)?;
        let start = engine.timeline.start(&engine.device, &engine.upload)?;
        for (buffer, range) in copies {
            // SAFETY: the caller keeps the staging memory until the copies are done, also where a later call fails.
            unsafe { buffer.upload(0, &staged.memory[range.clone()], &engine.upload) }?;
        }
        engine.timeline.finish(Activity::Upload, start, &engine.device, &engine.upload, &mut self.stats)?;
        copied.record(&engine.upload)?;
        Ok(copied)
    }

    /// Waits for the device and returns the chunk as a record batch of exactly its schema.
    ///
    /// # Errors
    /// `bug` where the bytes are no valid values of their type (UTF-8, offsets that fall).
    pub fn download(&mut self, chunk: &DeviceChunk) -> Result<RecordBatch> {
        self.wait_for(chunk)?;
        self.step(|task| {
            let ends = task.string_ends(chunk)?;
            let mut plan = DownloadPlan::default();
            let columns: Vec<ColumnParts> = chunk
                .columns
                .iter()
                .zip(&ends)
                .map(|(column, end)| plan.column(column, chunk.rows, *end))
                .collect::<Result<_>>()?;
            let mut memory = task.shared.pool.lease(plan.end)?;
            task.copy_down(&plan.copies, &mut memory)?;
            let host: Vec<HostColumn> = chunk
                .columns
                .iter()
                .zip(&columns)
                .map(|(column, parts)| HostColumn {
                    data_type: &column.data_type,
                    storage: column.storage,
                    values: &memory[parts.values.clone()],
                    validity: parts.validity.clone().map(|range| &memory[range]),
                    offsets: parts.offsets.clone().map(|range| &memory[range]),
                    dictionary: column.dictionary.as_ref().map(|dictionary| &dictionary.host),
                })
                .collect();
            assemble(&chunk.schema, chunk.rows, &host)
        })
    }

    /// Returns, for each column of strings, how many bytes its rows have; 0 for other columns.
    fn string_ends(&mut self, chunk: &DeviceChunk) -> Result<Vec<usize>> {
        let mut plan = DownloadPlan::default();
        let mut parts = Vec::new();
        for (index, column) in chunk.columns.iter().enumerate() {
            if column.storage == Storage::Bytes {
                let offsets = column.offsets.as_ref().ok_or_else(|| Error::bug("strings without offsets"))?;
                parts.push((index, plan.part(offsets, chunk.rows * 4, 4)));
            }
        }
        let mut ends = vec![0; chunk.columns.len()];
        if parts.is_empty() {
            return Ok(ends);
        }
        let mut memory = self.shared.pool.lease(plan.end)?;
        self.copy_down(&plan.copies, &mut memory)?;
        for (index, part) in parts {
            let end: [u8; 4] = memory[part].try_into().map_err(|_| Error::bug("an offset has 4 bytes"))?;
            ends[index] = usize::try_from(i32::from_le_bytes(end)).map_err(|_| {
                Error::bug(format!("column '{}': a negative offset", chunk.schema.field(index).name()))
            })?;
        }
        Ok(ends)
    }

    /// Copies every part down and waits for it.
    fn copy_down(&mut self, copies: &[Copy<'_>], memory: &mut [u8]) -> Result<()> {
        let engine = &mut *self.engine;
        let start = engine.timeline.start(&engine.device, &engine.compute)?;
        let enqueued = copies.iter().try_for_each(|copy| {
            // SAFETY: `memory` is not touched until the stream has finished, whether that fails or not.
            unsafe { copy.source.download(copy.offset, &mut memory[copy.target.clone()], &engine.compute) }
        });
        let marked = engine.timeline.finish(
            Activity::Download,
            start,
            &engine.device,
            &engine.compute,
            &mut self.stats,
        );
        let finished = engine.compute.synchronize();
        enqueued.and(marked).and(finished)?;
        self.stats.bytes_down += copies.iter().map(|copy| copy.target.len() as u64).sum::<u64>();
        Ok(())
    }
}

/// Which bytes come down, and where they will lie in host memory.
#[derive(Default)]
struct DownloadPlan<'a> {
    copies: Vec<Copy<'a>>,
    end: usize,
}

struct Copy<'a> {
    source: &'a DeviceBuffer,
    offset: usize,
    target: Range<usize>,
}

struct ColumnParts {
    values: Range<usize>,
    validity: Option<Range<usize>>,
    offsets: Option<Range<usize>>,
}

impl<'a> DownloadPlan<'a> {
    fn column(&mut self, column: &'a DeviceColumn, rows: usize, string_end: usize) -> Result<ColumnParts> {
        let bytes = match column.storage {
            Storage::Bits => rows.div_ceil(8),
            Storage::Bytes => string_end,
            fixed => rows * fixed.width().ok_or_else(|| Error::bug(format!("{fixed:?} has no width")))?,
        };
        Ok(ColumnParts {
            values: self.part(&column.values, 0, bytes),
            validity: column.validity.as_ref().map(|validity| self.part(validity, 0, rows.div_ceil(8))),
            offsets: column.offsets.as_ref().map(|offsets| self.part(offsets, 0, (rows + 1) * 4)),
        })
    }

    fn part(&mut self, source: &'a DeviceBuffer, offset: usize, len: usize) -> Range<usize> {
        let target = self.end..self.end + len;
        self.end = target.end.next_multiple_of(PART_ALIGNMENT_BYTES);
        self.copies.push(Copy { source, offset, target: target.clone() });
        target
    }
}
