//! Answers as text: those that another engine gave, kept in files, and those of a result.

use arrow::array::{Array, RecordBatch};
use arrow::compute::cast;
use arrow::csv::ReaderBuilder;
use arrow::datatypes::{DataType, Field, Schema};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use std::sync::Arc;

use crate::error::{Error, Result};

/// The rows of a result as text.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    pub columns: Vec<AnswerColumn>,
    pub rows: Vec<Vec<Option<String>>>,
}

/// How the values of a column compare.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AnswerColumn {
    pub name: String,
    pub precision: Precision,
}

/// How far a value may be from another that is also right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Precision {
    /// Text, dates and integers.
    Exact,
    /// A decimal with that many digits after the point: exact against another decimal.
    Decimal(i8),
    /// A floating-point number.
    Float,
}

/// Reads an answer file: a header of `name:TYPE` cells, then rows; an empty cell is null.
pub fn parse(text: &str) -> Result<Answer> {
    let damaged = |what: String| Error::bug(format!("a kept answer is damaged: {what}"));
    let header = text.lines().next().unwrap_or_default();
    // A type such as DECIMAL(38,4) holds a comma: its cell is quoted.
    let mut cells = vec![String::new()];
    let mut quoted = false;
    for letter in header.chars() {
        match letter {
            '"' => quoted = !quoted,
            ',' if !quoted => cells.push(String::new()),
            _ => cells.last_mut().expect("starts with one cell").push(letter),
        }
    }
    let columns: Vec<AnswerColumn> = cells
        .iter()
        .map(|cell| {
            let (name, kind) =
                cell.rsplit_once(':').ok_or_else(|| damaged(format!("header cell '{cell}'")))?;
            let precision = match kind.strip_prefix("DECIMAL(").and_then(|rest| rest.strip_suffix(')')) {
                Some(digits) => {
                    let scale = digits.split_once(',').and_then(|(_, scale)| scale.trim().parse().ok());
                    Precision::Decimal(scale.ok_or_else(|| damaged(format!("type '{kind}'")))?)
                }
                None if matches!(kind, "DOUBLE" | "FLOAT") => Precision::Float,
                None => Precision::Exact,
            };
            Ok(AnswerColumn { name: name.to_string(), precision })
        })
        .collect::<Result<_>>()?;
    let fields: Vec<Field> =
        columns.iter().map(|column| Field::new(&column.name, DataType::Utf8, true)).collect();
    let batches: Vec<RecordBatch> = ReaderBuilder::new(Arc::new(Schema::new(fields)))
        .with_header(true)
        .build(text.as_bytes())
        .and_then(|reader| reader.collect())
        .map_err(|error| damaged(error.to_string()))?;
    Ok(Answer { rows: rows_of(&batches)?, columns })
}

/// The answer in a result.
pub fn of_batches(schema: &Schema, batches: &[RecordBatch]) -> Result<Answer> {
    let columns = schema
        .fields()
        .iter()
        .map(|field| AnswerColumn {
            name: field.name().clone(),
            precision: match field.data_type() {
                DataType::Decimal32(_, scale)
                | DataType::Decimal64(_, scale)
                | DataType::Decimal128(_, scale)
                | DataType::Decimal256(_, scale) => Precision::Decimal(*scale),
                data_type if data_type.is_floating() => Precision::Float,
                _ => Precision::Exact,
            },
        })
        .collect();
    Ok(Answer { columns, rows: rows_of(batches)? })
}

fn rows_of(batches: &[RecordBatch]) -> Result<Vec<Vec<Option<String>>>> {
    let failed = |error: arrow::error::ArrowError| Error::bug(format!("cannot print a value: {error}"));
    let options = FormatOptions::default();
    let mut rows = Vec::new();
    for batch in batches {
        let columns = batch
            .columns()
            .iter()
            .map(|column| match column.data_type() {
                DataType::Dictionary(_, values) => cast(column, values).map_err(failed),
                _ => Ok(Arc::clone(column)),
            })
            .collect::<Result<Vec<_>>>()?;
        let formatters = columns
            .iter()
            .map(|column| ArrayFormatter::try_new(column, &options).map_err(failed))
            .collect::<Result<Vec<_>>>()?;
        for row in 0..batch.num_rows() {
            let cells = columns.iter().zip(&formatters);
            rows.push(
                cells
                    .map(|(column, text)| column.is_valid(row).then(|| text.value(row).to_string()))
                    .collect(),
            );
        }
    }
    Ok(rows)
}
