//! The table `x` of the group-by task.

use std::path::Path;
use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, Int32Array, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};

use super::data::{Shape, order};
use crate::bench::draw::Draw;
use crate::bench::generate::{Job, part_count, part_rows};

/// The seed of the published generator; the values are not its.
const SEED: u64 = 108;

/// The integers of a row, by column: `id1` to `id6`, `v1`, `v2`; `None` is null.
#[derive(Clone, Copy)]
struct Rows(Shape);

impl Rows {
    fn integer(self, column: usize, row: u64) -> Option<u64> {
        let Shape { rows, groups, .. } = self.0;
        let small_groups = (rows / groups).max(1);
        let bound = [groups, groups, small_groups, groups, groups, small_groups, 5, 15][column];
        self.is_valid(column, row).then(|| Draw::new(SEED, column as u64).below(row, bound) + 1)
    }

    fn number(self, row: u64) -> Option<f64> {
        self.is_valid(8, row).then(|| Draw::new(SEED, 8).six_digits(row))
    }

    fn is_valid(self, column: usize, row: u64) -> bool {
        !Draw::new(SEED, 100 + column as u64).happens(row, u64::from(self.0.nulls))
    }
}

/// How `x` is written.
pub(super) fn job(shape: Shape, path: &Path) -> Job<'static> {
    let schema = schema();
    let rows = Rows(shape);
    let key = |row| [0, 1, 2, 3, 4, 5].map(|column| rows.integer(column, row).unwrap_or(0) as u32);
    let order = Arc::new(order(shape, shape.rows, key));
    Job {
        path: path.to_path_buf(),
        schema: Arc::clone(&schema),
        parts: part_count(shape.rows),
        part: Box::new(move |part| {
            let (schema, order) = (Arc::clone(&schema), Arc::clone(&order));
            part_rows(shape.rows, part, move |range| {
                let at = |place: u64| order.as_ref().as_ref().map_or(place, |order| order[place as usize]);
                let wanted: Vec<u64> = range.map(at).collect();
                RecordBatch::try_new(Arc::clone(&schema), columns(rows, &wanted))
            })
        }),
    }
}

fn schema() -> SchemaRef {
    let text = ["id1", "id2", "id3"].map(|name| Field::new(name, DataType::Utf8, true));
    let integers = ["id4", "id5", "id6", "v1", "v2"].map(|name| Field::new(name, DataType::Int32, true));
    let number = Field::new("v3", DataType::Float64, true);
    Arc::new(Schema::new(text.into_iter().chain(integers).chain([number]).collect::<Vec<_>>()))
}

fn columns(rows: Rows, wanted: &[u64]) -> Vec<ArrayRef> {
    let mut columns: Vec<ArrayRef> = Vec::new();
    for column in 0..8 {
        let values = wanted.iter().map(|row| rows.integer(column, *row));
        columns.push(match column {
            0 | 1 => Arc::new(values.map(|id| id.map(|id| format!("id{id:03}"))).collect::<StringArray>()),
            2 => Arc::new(values.map(|id| id.map(|id| format!("id{id:010}"))).collect::<StringArray>()),
            _ => Arc::new(values.map(|value| value.map(|value| value as i32)).collect::<Int32Array>()),
        });
    }
    columns.push(Arc::new(wanted.iter().map(|row| rows.number(*row)).collect::<Float64Array>()));
    columns
}
