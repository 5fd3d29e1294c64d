//! Seeded tables in memory, with columns of a few kinds.

use std::sync::Arc;
use std::thread;

use arrow::array::{
    ArrayRef, Date32Array, Decimal128Array, Float64Array, Int64Array, RecordBatch, StringArray,
};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::datasource::MemTable;

use crate::bench::draw::{Draw, Permutation};
use crate::error::{Error, Result};

/// Rows of a batch: what DataFusion's own readers give.
const BATCH_ROWS: usize = 8192;
const SEED: u64 = 42;
const WORDS: [&str; 16] = [
    "amber", "brass", "copper", "drift", "ember", "frost", "green", "hazel", "ivory", "jade", "kelp",
    "lemon", "metal", "navy", "ochre", "pearl",
];

/// What the values of a column are.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Values {
    /// The number of the row.
    Row,
    /// Each number below that of the rows once, in a random order.
    Unique,
    /// Integers below a bound, each as likely.
    Below(u64),
    /// Multiples of 2⁻¹⁰ below 1,000, so that their sums are exact.
    Float,
    /// Decimals of 15 digits, 2 of them behind the point, below 100,000.
    Decimal,
    /// Days of some twenty years.
    Date,
    /// Four of sixteen words and a number: some 28 letters.
    Text,
}

/// A table: its name, its rows and its columns.
#[derive(Clone, Debug)]
pub struct TableSpec {
    pub name: &'static str,
    pub rows: u64,
    pub columns: Vec<(&'static str, Values)>,
}

impl TableSpec {
    pub fn new(name: &'static str, rows: u64, columns: &[(&'static str, Values)]) -> Self {
        TableSpec { name, rows, columns: columns.to_vec() }
    }

    fn schema(&self) -> SchemaRef {
        let fields = self.columns.iter().map(|(name, values)| Field::new(*name, values.data_type(), false));
        Arc::new(Schema::new(fields.collect::<Vec<_>>()))
    }

    /// Generates the rows, in so many partitions. The same ones every time, whatever the partitions.
    ///
    /// # Errors
    /// A bug alone.
    pub fn generate(&self, partitions: usize) -> Result<MemTable> {
        let (schema, partitions) = (self.schema(), partitions.max(1) as u64);
        let made: Vec<Result<Vec<RecordBatch>>> = thread::scope(|scope| {
            let running: Vec<_> = (0..partitions)
                .map(|part| {
                    let range = self.rows * part / partitions..self.rows * (part + 1) / partitions;
                    let schema = &schema;
                    scope.spawn(move || {
                        let starts = range.clone().step_by(BATCH_ROWS);
                        let end = |start: u64| range.end.min(start + BATCH_ROWS as u64);
                        starts.map(|start| self.batch(schema, start..end(start))).collect()
                    })
                })
                .collect();
            let panicked = |_| Err(Error::bug("generating rows panicked"));
            running.into_iter().map(|part| part.join().unwrap_or_else(panicked)).collect()
        });
        MemTable::try_new(schema, made.into_iter().collect::<Result<_>>()?)
            .map_err(|error| Error::bug(error.to_string()))
    }

    /// Generates the rows as batches in one row.
    ///
    /// # Errors
    /// A bug alone.
    pub fn batches(&self) -> Result<Vec<RecordBatch>> {
        let schema = self.schema();
        let starts = (0..self.rows).step_by(BATCH_ROWS);
        starts.map(|start| self.batch(&schema, start..self.rows.min(start + BATCH_ROWS as u64))).collect()
    }

    fn batch(&self, schema: &SchemaRef, rows: std::ops::Range<u64>) -> Result<RecordBatch> {
        let column = |(index, (_, values)): (usize, &(&str, Values))| {
            values.column(index as u64 + 1, self.rows, rows.clone())
        };
        let columns = self.columns.iter().enumerate().map(column).collect::<Result<_>>()?;
        RecordBatch::try_new(schema.clone(), columns).map_err(|error| Error::bug(error.to_string()))
    }
}

impl Values {
    fn data_type(self) -> DataType {
        match self {
            Values::Row | Values::Unique | Values::Below(_) => DataType::Int64,
            Values::Float => DataType::Float64,
            Values::Decimal => DataType::Decimal128(15, 2),
            Values::Date => DataType::Date32,
            Values::Text => DataType::Utf8,
        }
    }

    fn column(self, column: u64, rows: u64, range: std::ops::Range<u64>) -> Result<ArrayRef> {
        let draw = Draw::new(SEED, column);
        Ok(match self {
            Values::Row => Arc::new(Int64Array::from_iter_values(range.map(|row| row as i64))),
            Values::Unique => {
                let permutation = Permutation::new(SEED, column, rows);
                Arc::new(Int64Array::from_iter_values(range.map(|row| permutation.of(row) as i64)))
            }
            Values::Below(bound) => {
                Arc::new(Int64Array::from_iter_values(range.map(|row| draw.below(row, bound) as i64)))
            }
            Values::Float => Arc::new(Float64Array::from_iter_values(
                range.map(|row| draw.below(row, 1000 << 10) as f64 / 1024.0),
            )),
            Values::Decimal => {
                let cents = range.map(|row| i128::from(draw.below(row, 10_000_000)));
                let decimals = Decimal128Array::from_iter_values(cents).with_precision_and_scale(15, 2);
                Arc::new(decimals.map_err(|error| Error::bug(error.to_string()))?)
            }
            Values::Date => {
                Arc::new(Date32Array::from_iter_values(range.map(|row| 9000 + draw.below(row, 7300) as i32)))
            }
            Values::Text => Arc::new(StringArray::from_iter_values(range.map(|row| {
                let bits = draw.bits(row);
                let word = |at: u32| WORDS[(bits >> (4 * at)) as usize % WORDS.len()];
                format!("{} {} {} {} {}", word(0), word(1), word(2), word(3), bits >> 48)
            }))),
        })
    }
}
