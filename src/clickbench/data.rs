//! The table `hits`: where it lies, and how it is generated.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{ArrayRef, Date32Array, Int16Array, Int32Array, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Schema};
use arrow::error::ArrowError;

use super::columns::{COLUMNS, Cell, Cells, Hit, Scale};
use crate::bench::draw::Draw;
use crate::bench::generate::{Job, Stop, create_folder, part_count, part_rows, write};
use crate::bench::run::TableFile;
use crate::error::{Error, Result};

/// Fewer rows leave most queries without any.
pub const ROWS_MIN: u64 = 1_000;
pub const ROWS_MAX: u64 = 10_000_000_000;
/// The published table has 99,997,497 rows.
pub const ROWS_PUBLISHED: u64 = 100_000_000;

/// The table of a number of rows below the data folder: `data/clickbench/1e6/hits.parquet`.
pub fn files(data: &Path, rows: u64) -> Vec<TableFile> {
    vec![TableFile { name: "hits", path: folder(data, rows).join("hits.parquet") }]
}

pub fn folder(data: &Path, rows: u64) -> PathBuf {
    data.join(format!("{rows:e}"))
}

/// # Errors
/// Too few or too many.
pub fn check(rows: u64) -> Result<()> {
    match (ROWS_MIN..=ROWS_MAX).contains(&rows) {
        true => Ok(()),
        false => Err(Error::user(format!(
            "{rows} rows cannot be generated; give a number from {ROWS_MIN} to {ROWS_MAX}, such as 1e6"
        ))),
    }
}

/// Generates the table where it is missing; returns the paths of what it made.
///
/// # Errors
/// A number of rows out of range; a folder that cannot be written to; a stop.
pub fn generate(data: &Path, rows: u64, threads: usize, stop: &Stop) -> Result<Vec<PathBuf>> {
    check(rows)?;
    create_folder(&folder(data, rows))?;
    let missing: Vec<PathBuf> =
        files(data, rows).into_iter().map(|table| table.path).filter(|path| !path.exists()).collect();
    let schema = Arc::new(schema());
    let jobs: Vec<Job> = missing
        .iter()
        .map(|path| {
            let schema = Arc::clone(&schema);
            Job {
                path: path.clone(),
                schema: Arc::clone(&schema),
                parts: part_count(rows),
                part: Box::new(move |part| {
                    let schema = Arc::clone(&schema);
                    part_rows(rows, part, move |range| {
                        let scale = Scale::of(rows);
                        let hits: Vec<Hit> = range.map(|row| Hit::of(row, &scale)).collect();
                        batch(&schema, &hits)
                    })
                }),
            }
        })
        .collect();
    write(&jobs, "ClickBench", threads, stop)?;
    Ok(missing)
}

fn schema() -> Schema {
    let field = |(name, cells): &(&str, Cells)| {
        let data_type = match cells {
            Cells::Int16(_) => DataType::Int16,
            Cells::Int32(_) => DataType::Int32,
            Cells::Int64(_) => DataType::Int64,
            Cells::Date(_) => DataType::Date32,
            Cells::Text(_) => DataType::Utf8,
        };
        Field::new(*name, data_type, false)
    };
    Schema::new(COLUMNS.iter().map(field).collect::<Vec<_>>())
}

fn batch(schema: &Arc<Schema>, hits: &[Hit]) -> std::result::Result<RecordBatch, ArrowError> {
    let column = |(column, (_, cells)): (usize, &(&str, Cells))| -> ArrayRef {
        let draw = Draw::new(super::columns::SEED, column as u64);
        let at = |hit| Cell { hit, draw };
        match cells {
            Cells::Int16(of) => {
                Arc::new(Int16Array::from_iter_values(hits.iter().map(|hit| of(&at(hit)) as i16)))
            }
            Cells::Int32(of) => {
                Arc::new(Int32Array::from_iter_values(hits.iter().map(|hit| of(&at(hit)) as i32)))
            }
            Cells::Int64(of) => Arc::new(Int64Array::from_iter_values(hits.iter().map(|hit| of(&at(hit))))),
            Cells::Date(of) => {
                Arc::new(Date32Array::from_iter_values(hits.iter().map(|hit| of(&at(hit)) as i32)))
            }
            Cells::Text(of) => Arc::new(StringArray::from_iter_values(hits.iter().map(|hit| of(&at(hit))))),
        }
    };
    RecordBatch::try_new(Arc::clone(schema), COLUMNS.iter().enumerate().map(column).collect())
}
