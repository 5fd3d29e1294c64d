//! Generates the tables as Parquet files.

use std::path::Path;

use arrow::array::RecordBatchReader;
use tpchgen::generators::{
    CustomerGenerator, LineItemGenerator, NationGenerator, OrderGenerator, PartGenerator, PartSuppGenerator,
    RegionGenerator, SupplierGenerator,
};
use tpchgen_arrow::{
    CustomerArrow, LineItemArrow, NationArrow, OrderArrow, PartArrow, PartSuppArrow, RegionArrow,
    SupplierArrow,
};

use super::table::Table;
use crate::bench::generate::{BATCH_ROWS, Job, PART_ROWS_TARGET, Stop, create_folder, write};
use crate::error::{Error, Result};

/// The largest scale factor that the specification defines: 100 TB of text.
const SCALE_FACTOR_MAX: f64 = 100_000.0;

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
    create_folder(folder)?;
    let missing: Vec<Table> = Table::ALL.into_iter().filter(|table| !table.file(folder).exists()).collect();
    let jobs: Vec<Job> = missing
        .iter()
        .map(|&table| {
            let parts = part_count(table, scale_factor);
            Job {
                path: table.file(folder),
                schema: rows(table, scale_factor, 1, parts).schema(),
                parts,
                part: Box::new(move |part| Box::new(rows(table, scale_factor, part + 1, parts))),
            }
        })
        .collect();
    write(&jobs, "TPC-H", threads, stop)?;
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
    ((rows_at_one(table) * scale_factor / PART_ROWS_TARGET as f64).ceil() as usize).max(1)
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
