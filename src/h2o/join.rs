//! The tables of the join task: `x`, and `small`, `medium` and `big` with 10⁻⁶, 10⁻³ and as many rows.
//!
//! Each key column has 1.1·n keys: 0.9·n that both sides have, 0.1·n of the left side only and 0.1·n of the right.
//! Where the published sizes would leave less than 10 rows, a table has 10.

use std::path::Path;
use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, Int32Array, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Schema};

use super::data::{Shape, order};
use crate::bench::draw::{Draw, Permutation};
use crate::bench::generate::{Job, part_count, part_rows};

const SEED: u64 = 109;
const TABLE_ROWS_MIN: u64 = 10;

/// A table's generator.
#[derive(Clone)]
struct Table {
    shape: Shape,
    /// `x`, which has other keys than the tables that it is joined with.
    is_left: bool,
    rows: u64,
    keys: Vec<Keys>,
    value: Draw,
}

/// A key column of a table.
#[derive(Clone)]
struct Keys {
    /// Different keys.
    count: u64,
    /// Which numbers keys are; the same on both sides.
    numbers: Permutation,
    /// Which rows have the keys that no other row has to have.
    places: Permutation,
    others: Draw,
    nulls: Draw,
}

/// Rows of `small`, `medium` and `big`, which are also the numbers of keys `id1`, `id2` and `id3`.
fn sizes(shape: Shape) -> [u64; 3] {
    [1_000_000, 1_000, 1].map(|divisor| (shape.rows / divisor).max(TABLE_ROWS_MIN))
}

impl Table {
    fn new(shape: Shape, name: &str) -> Self {
        let sizes = sizes(shape);
        let (number, key_count, rows) = match name {
            "small" => (1, 1, sizes[0]),
            "medium" => (2, 2, sizes[1]),
            "big" => (3, 3, sizes[2]),
            _ => (0, 3, shape.rows),
        };
        let keys = (0..key_count).map(|key| {
            let (count, column) = (sizes[key], number * 10 + key as u64);
            Keys {
                count,
                numbers: Permutation::new(SEED, 1000 + key as u64, count + count / 10),
                places: Permutation::new(SEED, column, rows),
                others: Draw::new(SEED, 100 + column),
                nulls: Draw::new(SEED, 200 + column),
            }
        });
        Table {
            shape,
            is_left: number == 0,
            rows,
            keys: keys.collect(),
            value: Draw::new(SEED, 300 + number),
        }
    }

    /// A key of a row; every key of the table's side is on some row.
    fn key(&self, column: usize, row: u64) -> Option<u64> {
        let keys = &self.keys[column];
        let place = keys.places.of(row);
        let index = if place < keys.count { place } else { keys.others.below(row, keys.count) };
        let common = keys.count - keys.count / 10;
        let beyond = if self.is_left || index < common { 0 } else { keys.count / 10 };
        // Nulls are of the left side, and all rows of a key or none.
        let is_null = self.is_left && keys.nulls.happens(index, u64::from(self.shape.nulls));
        (!is_null).then(|| keys.numbers.of(index + beyond) + 1)
    }

    fn value(&self, row: u64) -> Option<f64> {
        let is_null = self.is_left && self.value.happens(row + self.rows, u64::from(self.shape.nulls));
        (!is_null).then(|| self.value.six_digits(row))
    }

    fn schema(&self) -> Schema {
        let integers = (1..=self.keys.len()).map(|id| Field::new(format!("id{id}"), DataType::Int32, true));
        let text = (1..=self.keys.len()).map(|id| Field::new(format!("id{}", id + 3), DataType::Utf8, true));
        let value = Field::new(if self.is_left { "v1" } else { "v2" }, DataType::Float64, true);
        Schema::new(integers.chain(text).chain([value]).collect::<Vec<_>>())
    }

    fn columns(&self, wanted: &[u64]) -> Vec<ArrayRef> {
        let ids: Vec<Vec<Option<u64>>> = (0..self.keys.len())
            .map(|column| wanted.iter().map(|row| self.key(column, *row)).collect())
            .collect();
        let mut columns: Vec<ArrayRef> = Vec::new();
        for ids in &ids {
            columns.push(Arc::new(ids.iter().map(|id| id.map(|id| id as i32)).collect::<Int32Array>()));
        }
        for ids in &ids {
            let text = ids.iter().map(|id| id.map(|id| format!("id{id}")));
            columns.push(Arc::new(text.collect::<StringArray>()));
        }
        columns.push(Arc::new(wanted.iter().map(|row| self.value(*row)).collect::<Float64Array>()));
        columns
    }
}

/// How a table is written.
pub(super) fn job(shape: Shape, name: &str, path: &Path) -> Job<'static> {
    let table = Arc::new(Table::new(shape, name));
    let schema = Arc::new(table.schema());
    // The left side by all its keys, the others by the key that they are joined on.
    let first = if table.is_left { 0 } else { table.keys.len() - 1 };
    let key = |row| (first..table.keys.len()).map(|column| table.key(column, row)).collect::<Vec<_>>();
    let order = Arc::new(order(shape, table.rows, key));
    let rows = table.rows;
    Job {
        path: path.to_path_buf(),
        schema: Arc::clone(&schema),
        parts: part_count(rows),
        part: Box::new(move |part| {
            let (schema, order, table) = (Arc::clone(&schema), Arc::clone(&order), Arc::clone(&table));
            part_rows(rows, part, move |range| {
                let at = |place: u64| order.as_ref().as_ref().map_or(place, |order| order[place as usize]);
                let wanted: Vec<u64> = range.map(at).collect();
                RecordBatch::try_new(Arc::clone(&schema), table.columns(&wanted))
            })
        }),
    }
}
