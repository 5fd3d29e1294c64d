//! Generates the tables as Parquet files.
//!
//! A table is cut into parts of about a million rows. Parts are generated and encoded in parallel, one row group
//! each, and written in order; so the file is the same on any number of threads.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use arrow::array::{RecordBatch, RecordBatchReader};
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;
use datafusion::parquet::arrow::ArrowWriter;
use datafusion::parquet::arrow::arrow_writer::{
    ArrowColumnChunk, ArrowRowGroupWriterFactory, compute_leaves,
};
use datafusion::parquet::basic::{Compression, ZstdLevel};
use datafusion::parquet::errors::ParquetError;
use datafusion::parquet::file::properties::WriterProperties;
use tpchgen::generators::{
    CustomerGenerator, LineItemGenerator, NationGenerator, OrderGenerator, PartGenerator, PartSuppGenerator,
    RegionGenerator, SupplierGenerator,
};
use tpchgen_arrow::{
    CustomerArrow, LineItemArrow, NationArrow, OrderArrow, PartArrow, PartSuppArrow, RegionArrow,
    SupplierArrow,
};

use super::table::Table;
use crate::error::{Error, Result};
use crate::observe::progress;
use crate::session::WholeFile;

/// The largest scale factor that the specification defines: 100 TB of text.
const SCALE_FACTOR_MAX: f64 = 100_000.0;

/// Rows of a part, and so of a row group; large enough for a device, small enough to spread over threads.
const PART_ROWS_TARGET: f64 = 1_000_000.0;
const BATCH_ROWS: usize = 65_536;

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

/// Generates the tables that `folder` lacks; returns those it made. Each file appears only when it is whole.
///
/// # Errors
/// A scale factor that is not a positive number; a folder that cannot be written to; a stop.
pub fn generate(folder: &Path, scale_factor: f64, threads: usize, stop: &Stop) -> Result<Vec<Table>> {
    if !(scale_factor > 0.0 && scale_factor <= SCALE_FACTOR_MAX) {
        return Err(Error::user(format!(
            "{scale_factor} is not a scale factor; give a number above 0, such as 0.01, and up to {SCALE_FACTOR_MAX}"
        )));
    }
    std::fs::create_dir_all(folder)
        .map_err(|error| Error::io(format!("cannot create the folder '{}': {error}", folder.display())))?;
    let missing: Vec<Table> = Table::ALL.into_iter().filter(|table| !table.file(folder).exists()).collect();
    let parts: usize = missing.iter().map(|table| part_count(*table, scale_factor)).sum();
    let bar = progress::bar(parts as u64, "generating TPC-H");
    for table in &missing {
        bar.set_message(format!("generating {}", table.name()));
        write_table(*table, folder, scale_factor, threads.max(1), stop, &|| bar.inc(1)).map_err(|error| {
            match error.is_cancelled() {
                true => error,
                false => error.context(format!("cannot generate '{}'", table.file(folder).display())),
            }
        })?;
    }
    bar.finish_and_clear();
    Ok(missing)
}

/// Rows of a table at scale factor 1; nation and region do not grow.
fn rows_at_one(table: Table) -> f64 {
    match table {
        Table::Region | Table::Nation => 0.0,
        Table::Supplier => 10_000.0,
        Table::Customer => 150_000.0,
        Table::Part => 200_000.0,
        Table::PartSupp => 800_000.0,
        Table::Orders => 1_500_000.0,
        Table::LineItem => 6_000_000.0,
    }
}

fn part_count(table: Table, scale_factor: f64) -> usize {
    ((rows_at_one(table) * scale_factor / PART_ROWS_TARGET).ceil() as usize).max(1)
}

fn write_table(
    table: Table,
    folder: &Path,
    scale_factor: f64,
    threads: usize,
    stop: &Stop,
    part_done: &dyn Fn(),
) -> Result<()> {
    let parts = part_count(table, scale_factor);
    let whole = WholeFile::create(&table.file(folder))?;
    let schema = rows(table, scale_factor, 1, parts).schema();
    let level = ZstdLevel::try_new(1).expect("1 is a level of zstd");
    let properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(level))
        .set_max_row_group_row_count(None)
        .build();
    let (mut writer, factory) = ArrowWriter::try_new(whole.file(), Arc::clone(&schema), Some(properties))
        .and_then(ArrowWriter::into_serialized_writer)
        .map_err(parquet_failed)?;
    let numbers: Vec<usize> = (0..parts).collect();
    for wave in numbers.chunks(threads) {
        stop.check()?;
        let encoded: Vec<Result<Vec<ArrowColumnChunk>>> = thread::scope(|scope| {
            let running: Vec<_> = wave
                .iter()
                .map(|&part| {
                    let (schema, factory) = (&schema, &factory);
                    scope.spawn(move || encode_part(table, scale_factor, part, parts, schema, factory, stop))
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
    table: Table,
    scale_factor: f64,
    part: usize,
    parts: usize,
    schema: &SchemaRef,
    factory: &ArrowRowGroupWriterFactory,
    stop: &Stop,
) -> Result<Vec<ArrowColumnChunk>> {
    let mut columns = factory.create_column_writers(part).map_err(parquet_failed)?;
    for batch in rows(table, scale_factor, part + 1, parts) {
        stop.check()?;
        let batch: RecordBatch = batch.map_err(|error: ArrowError| Error::bug(error.to_string()))?;
        // No column is nested: each has one leaf.
        for ((column, field), writer) in batch.columns().iter().zip(schema.fields()).zip(&mut columns) {
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

/// The rows of part `part` of `parts`, counted from 1.
fn rows(table: Table, scale_factor: f64, part: usize, parts: usize) -> Box<dyn RecordBatchReader> {
    let (part, parts) = (part as i32, parts as i32);
    macro_rules! reader {
        ($arrow:ident, $generator:ident) => {
            Box::new($arrow::new($generator::new(scale_factor, part, parts)).with_batch_size(BATCH_ROWS))
        };
    }
    match table {
        Table::Region => reader!(RegionArrow, RegionGenerator),
        Table::Nation => reader!(NationArrow, NationGenerator),
        Table::Supplier => reader!(SupplierArrow, SupplierGenerator),
        Table::Customer => reader!(CustomerArrow, CustomerGenerator),
        Table::Part => reader!(PartArrow, PartGenerator),
        Table::PartSupp => reader!(PartSuppArrow, PartSuppGenerator),
        Table::Orders => reader!(OrderArrow, OrderGenerator),
        Table::LineItem => reader!(LineItemArrow, LineItemGenerator),
    }
}
