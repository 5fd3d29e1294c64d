//! Writes generated tables as Parquet files.
//!
//! A table is cut into parts of about a million rows. Parts are generated and encoded in parallel, one row group
//! each, and written in order; so the file is the same on any number of threads.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;
use datafusion::parquet::arrow::ArrowWriter;
use datafusion::parquet::arrow::arrow_writer::{
    ArrowColumnChunk, ArrowRowGroupWriterFactory, compute_leaves,
};
use datafusion::parquet::basic::{Compression, ZstdLevel};
use datafusion::parquet::errors::ParquetError;
use datafusion::parquet::file::properties::WriterProperties;

use crate::error::{Error, Result};
use crate::observe::progress;
use crate::session::WholeFile;

/// Rows of a part, and so of a row group; large enough for a device, small enough to spread over threads.
pub const PART_ROWS_TARGET: usize = 1_000_000;
/// Rows of a batch that a part is generated in.
pub const BATCH_ROWS: usize = 65_536;

/// Lets the owner of a running generation stop it.
#[derive(Clone, Debug, Default)]
pub struct Stop(Arc<AtomicBool>);

impl Stop {
    pub fn request(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    fn check(&self) -> Result<()> {
        match self.0.load(Ordering::Relaxed) {
            true => Err(Error::cancelled()),
            false => Ok(()),
        }
    }
}

/// The batches of a part.
pub type Batches<'a> = Box<dyn Iterator<Item = std::result::Result<RecordBatch, ArrowError>> + 'a>;

/// A table to write.
pub struct Job<'a> {
    pub path: PathBuf,
    pub schema: SchemaRef,
    pub parts: usize,
    /// The batches of a part, counted from 0.
    pub part: Box<dyn Fn(usize) -> Batches<'a> + Sync + 'a>,
}

impl Job<'_> {
    fn name(&self) -> String {
        self.path.file_stem().unwrap_or_default().to_string_lossy().into_owned()
    }
}

/// Makes the folder of tables.
///
/// # Errors
/// A folder that cannot be made.
pub fn create_folder(folder: &Path) -> Result<()> {
    std::fs::create_dir_all(folder)
        .map_err(|error| Error::io(format!("cannot create the folder '{}': {error}", folder.display())))
}

/// Writes tables. Each file appears only when it is whole. `what` names the benchmark.
///
/// # Errors
/// A folder that cannot be written to; a stop.
pub fn write(jobs: &[Job], what: &str, threads: usize, stop: &Stop) -> Result<()> {
    let parts: usize = jobs.iter().map(|job| job.parts).sum();
    let bar = progress::bar(parts as u64, &format!("generating {what}"));
    for job in jobs {
        bar.set_message(format!("generating {}", job.name()));
        write_table(job, threads.max(1), stop, &|| bar.inc(1)).map_err(|error| {
            match error.is_cancelled() {
                true => error,
                false => error.context(format!("cannot generate '{}'", job.path.display())),
            }
        })?;
    }
    bar.finish_and_clear();
    Ok(())
}

fn write_table(job: &Job, threads: usize, stop: &Stop, part_done: &dyn Fn()) -> Result<()> {
    let whole = WholeFile::create(&job.path)?;
    let level = ZstdLevel::try_new(1).expect("1 is a level of zstd");
    let properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(level))
        .set_max_row_group_row_count(None)
        .build();
    let (mut writer, factory) = ArrowWriter::try_new(whole.file(), Arc::clone(&job.schema), Some(properties))
        .and_then(ArrowWriter::into_serialized_writer)
        .map_err(parquet_failed)?;
    let numbers: Vec<usize> = (0..job.parts).collect();
    for wave in numbers.chunks(threads) {
        stop.check()?;
        let encoded: Vec<Result<Vec<ArrowColumnChunk>>> = thread::scope(|scope| {
            let running: Vec<_> = wave
                .iter()
                .map(|&part| {
                    let factory = &factory;
                    scope.spawn(move || encode_part(job, part, factory, stop))
                })
                .collect();
            running
                .into_iter()
                .map(|thread| thread.join().unwrap_or_else(|_| Err(Error::bug("generating a part panicked"))))
                .collect()
        });
        for chunks in encoded {
            let mut row_group = writer.next_row_group().map_err(parquet_failed)?;
            for chunk in chunks? {
                chunk.append_to_row_group(&mut row_group).map_err(parquet_failed)?;
            }
            row_group.close().map_err(parquet_failed)?;
            part_done();
        }
    }
    writer.close().map_err(parquet_failed)?;
    whole.finish()
}

fn encode_part(
    job: &Job,
    part: usize,
    factory: &ArrowRowGroupWriterFactory,
    stop: &Stop,
) -> Result<Vec<ArrowColumnChunk>> {
    let mut columns = factory.create_column_writers(part).map_err(parquet_failed)?;
    for batch in (job.part)(part) {
        stop.check()?;
        let batch: RecordBatch = batch.map_err(|error: ArrowError| Error::bug(error.to_string()))?;
        // No column is nested: each has one leaf.
        for ((column, field), writer) in batch.columns().iter().zip(job.schema.fields()).zip(&mut columns) {
            for leaf in compute_leaves(field, column).map_err(parquet_failed)? {
                writer.write(&leaf).map_err(parquet_failed)?;
            }
        }
    }
    columns.into_iter().map(|writer| writer.close().map_err(parquet_failed)).collect()
}

fn parquet_failed(error: ParquetError) -> Error {
    match error {
        // A full disk and the like, which the writer wraps.
        ParquetError::External(cause) => Error::io(cause.to_string()),
        other => Error::io(other.to_string()),
    }
}

/// The parts of a table of `rows` rows.
pub fn part_count(rows: u64) -> usize {
    rows.div_ceil(PART_ROWS_TARGET as u64).max(1) as usize
}

/// The batches of a part of a table whose rows are generated by number.
pub fn part_rows<'a>(
    rows: u64,
    part: usize,
    batch: impl Fn(std::ops::Range<u64>) -> std::result::Result<RecordBatch, ArrowError> + 'a,
) -> Batches<'a> {
    let from = part as u64 * PART_ROWS_TARGET as u64;
    let to = (from + PART_ROWS_TARGET as u64).min(rows);
    let starts = (from..to).step_by(BATCH_ROWS);
    Box::new(starts.map(move |start| batch(start..(start + BATCH_ROWS as u64).min(to))))
}
