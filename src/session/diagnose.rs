//! Finds out where an error at run time came from: the file, line and column, or the expression.
//!
//! Readers report a bad value by the number of a line within the piece of the file that they were reading, and the
//! name of neither file nor column. So the files are read again here, from the start, once something has failed.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::csv::ReaderBuilder;
use arrow::datatypes::{DataType, Field, Schema};
use arrow::error::ArrowError;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::error::DataFusionError;
use datafusion::logical_expr::{Expr, LogicalPlan, Operator};
use datafusion::parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use datafusion::parquet::errors::ParquetError;
use datafusion::sql::unparser::expr_to_sql;

use super::table::{Compression, Format, RegisteredTable};
use super::{Tables, error, short_path};
use crate::error::Error;

/// Records that the CSV reader decodes at once while the bad one is looked for.
const RECORDS_PER_READ: usize = 8192;
/// The most expressions that an error names.
const EXPRESSIONS_MAX: usize = 5;

/// Translates an error of a query that was planned or run, with what the plan and the files tell about it.
pub(super) fn translate(failure: DataFusionError, plan: &LogicalPlan, tables: &Tables) -> Error {
    if let DataFusionError::ParquetError(_) = error::root(&failure) {
        return parquet_fault(failure, plan, tables);
    }
    if let DataFusionError::ArrowError(inner, _) = error::root(&failure) {
        match inner.as_ref() {
            ArrowError::DivideByZero => {
                let found = expressions(plan, |op| matches!(op, Operator::Divide | Operator::Modulo));
                return Error::user(format!("division by zero{}", in_one_of(&found)));
            }
            ArrowError::ArithmeticOverflow(_) => {
                let found = expressions(plan, |op| {
                    matches!(op, Operator::Plus | Operator::Minus | Operator::Multiply | Operator::Divide)
                });
                let place = in_one_of(&found);
                return Error::user(format!("{}{place}", error::translate(failure)));
            }
            ArrowError::ParquetError(_) => return parquet_fault(failure, plan, tables),
            ArrowError::ParseError(_)
            | ArrowError::CsvError(_)
            | ArrowError::JsonError(_)
            | ArrowError::SchemaError(_)
            | ArrowError::InvalidArgumentError(_) => {
                if let Some(found) = file_fault(plan, tables) {
                    return found;
                }
            }
            _ => {}
        }
    }
    error::translate(failure)
}

fn in_one_of(expressions: &BTreeSet<String>) -> String {
    let shown: Vec<&str> = expressions.iter().take(EXPRESSIONS_MAX).map(String::as_str).collect();
    match shown.as_slice() {
        [] => String::new(),
        [one] => format!(" in `{one}`"),
        many => format!(" in one of: `{}`", many.join("`, `")),
    }
}

/// An expression as one would write it.
fn as_sql(expression: &Expr) -> String {
    match expr_to_sql(expression) {
        Ok(sql) => {
            let text = sql.to_string();
            let bare = text.strip_prefix('(').and_then(|rest| rest.strip_suffix(')'));
            bare.unwrap_or(&text).to_string()
        }
        Err(_) => expression.human_display().to_string(),
    }
}

/// The binary expressions of the plan whose operator is wanted.
fn expressions(plan: &LogicalPlan, wanted: impl Fn(&Operator) -> bool) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let walked = plan.apply_with_subqueries(|node| {
        node.apply_expressions(|expression| {
            expression.apply(|part| {
                if let Expr::BinaryExpr(binary) = part
                    && wanted(&binary.op)
                {
                    found.insert(as_sql(part));
                    return Ok(TreeNodeRecursion::Jump);
                }
                Ok(TreeNodeRecursion::Continue)
            })
        })
    });
    debug_assert!(walked.is_ok(), "the visitor returns no error");
    found
}

/// The tables from files that the plan scans.
fn scanned(plan: &LogicalPlan, tables: &Tables) -> Vec<RegisteredTable> {
    let mut names = BTreeSet::new();
    let walked = plan.apply_with_subqueries(|node| {
        if let LogicalPlan::TableScan(scan) = node {
            names.insert(scan.table_name.table().to_string());
        }
        Ok(TreeNodeRecursion::Continue)
    });
    debug_assert!(walked.is_ok(), "the visitor returns no error");
    let tables = tables.lock().expect("no thread panics while it holds this lock");
    names.iter().filter_map(|name| tables.get(name).cloned()).collect()
}

/// The first fault in the text files that the plan scans.
fn file_fault(plan: &LogicalPlan, tables: &Tables) -> Option<Error> {
    let plain = |table: &RegisteredTable| table.compression == Compression::None;
    for table in scanned(plan, tables).into_iter().filter(plain) {
        for file in &table.files {
            let fault = match table.format {
                Format::Csv => csv_fault(file, &table),
                Format::Json => json_fault(file, &table),
                Format::Parquet | Format::Arrow => Ok(None),
            };
            if let Ok(Some(fault)) = fault {
                return Some(fault);
            }
        }
    }
    None
}

/// The Parquet file that cannot be read.
fn parquet_fault(failure: DataFusionError, plan: &LogicalPlan, tables: &Tables) -> Error {
    let tables = scanned(plan, tables);
    let files = tables.iter().filter(|table| table.format == Format::Parquet).flat_map(|table| &table.files);
    let files: Vec<&PathBuf> = files.collect();
    // The file is known where there is one; else each is read until one fails.
    let damaged = match files.as_slice() {
        [only] => Some(*only),
        many => many.iter().copied().find(|file| !is_readable_parquet(file)),
    };
    let cause = error::translate(failure);
    match damaged {
        Some(file) => Error::user(format!("'{}' is damaged: {cause}", short_path(file).display())),
        None => cause,
    }
}

fn is_readable_parquet(path: &Path) -> bool {
    let reader = File::open(path)
        .map_err(ParquetError::from)
        .and_then(ParquetRecordBatchReaderBuilder::try_new)
        .and_then(|builder| builder.build());
    reader.is_ok_and(|mut batches| batches.all(|batch| batch.is_ok()))
}

/// The first bytes of a text file that are not UTF-8, as an error; `None` where all are or it cannot be read.
pub(super) fn invalid_utf8(path: &Path) -> Option<Error> {
    let mut reader = BufReader::new(File::open(path).ok()?);
    let mut line = Vec::new();
    for number in 1usize.. {
        line.clear();
        if reader.read_until(b'\n', &mut line).ok()? == 0 {
            return None;
        }
        if let Err(error) = std::str::from_utf8(&line) {
            let start = error.valid_up_to();
            let bytes: Vec<String> = line[start..].iter().take(4).map(|byte| format!("{byte:02x}")).collect();
            return Some(Error::user(format!(
                "'{}' line {number}, byte {}: not UTF-8 text (bytes {}); convert the file to UTF-8",
                short_path(path).display(),
                start + 1,
                bytes.join(" ")
            )));
        }
    }
    None
}

/// The first record that does not fit the table's schema.
fn csv_fault(path: &Path, table: &RegisteredTable) -> io::Result<Option<Error>> {
    if let Some(fault) = invalid_utf8(path) {
        return Ok(Some(fault));
    }
    let Some(record) = first_bad_record(path, table)? else { return Ok(None) };
    let Some(raw) = raw_record(path, record + usize::from(table.header))? else { return Ok(None) };
    let fields = raw.fields(table.delimiter);
    let shown = short_path(path).display().to_string();
    let columns = table.schema.fields();
    if fields.len() != columns.len() {
        return Ok(Some(Error::user(format!(
            "'{shown}' line {}: {} fields where there are {} columns: {}",
            raw.line,
            fields.len(),
            columns.len(),
            raw.shortened()
        ))));
    }
    for (index, column) in columns.iter().enumerate() {
        let mut reader = csv_reader(path, table, (record, record + 1), Some(index))?;
        if matches!(reader.next(), Some(Err(_))) {
            return Ok(Some(Error::user(format!(
                "'{shown}' line {}, column '{}': '{}' is not a value of type {}, which the first rows have",
                raw.line,
                column.name(),
                fields[index],
                column.data_type()
            ))));
        }
    }
    Ok(None)
}

/// The number, from 0 and without the header, of the first record that the reader refuses.
fn first_bad_record(path: &Path, table: &RegisteredTable) -> io::Result<Option<usize>> {
    let mut start = 0;
    for batch in csv_reader(path, table, (0, usize::MAX - 1), None)? {
        match batch {
            Ok(batch) => start += batch.num_rows(),
            Err(_) => break,
        }
    }
    // One record at a time, in the batch that failed; a batch of the reader may also be short.
    let mut record = start;
    let bounds = (start, start.saturating_add(RECORDS_PER_READ));
    let reader = csv_reader_sized(path, table, bounds, None, 1)?;
    for batch in reader {
        match batch {
            Ok(batch) => record += batch.num_rows(),
            Err(_) => return Ok(Some(record)),
        }
    }
    Ok(None)
}

type CsvReader = arrow::csv::Reader<File>;

fn csv_reader(
    path: &Path,
    table: &RegisteredTable,
    bounds: (usize, usize),
    column: Option<usize>,
) -> io::Result<CsvReader> {
    csv_reader_sized(path, table, bounds, column, RECORDS_PER_READ)
}

fn csv_reader_sized(
    path: &Path,
    table: &RegisteredTable,
    (start, end): (usize, usize),
    column: Option<usize>,
    batch_rows: usize,
) -> io::Result<CsvReader> {
    let mut builder = ReaderBuilder::new(Arc::clone(&table.schema))
        .with_header(table.header)
        .with_delimiter(table.delimiter)
        .with_bounds(start, end)
        .with_batch_size(batch_rows);
    if let Some(column) = column {
        builder = builder.with_projection(vec![column]);
    }
    builder.build(File::open(path)?).map_err(io::Error::other)
}

/// A record as it stands in the file.
pub(super) struct RawRecord {
    /// The line that it starts on, from 1.
    line: usize,
    text: String,
}

impl RawRecord {
    /// The fields, unquoted.
    pub fn fields(&self, delimiter: u8) -> Vec<String> {
        let mut fields = vec![String::new()];
        let mut quoted = false;
        let mut letters = self.text.trim_end_matches(['\n', '\r']).chars().peekable();
        while let Some(letter) = letters.next() {
            let field = fields.last_mut().expect("starts with one field");
            match letter {
                '"' if quoted && letters.peek() == Some(&'"') => {
                    letters.next();
                    field.push('"');
                }
                '"' => quoted = !quoted,
                _ if letter == char::from(delimiter) && !quoted => fields.push(String::new()),
                _ => field.push(letter),
            }
        }
        fields
    }

    fn shortened(&self) -> String {
        const SHOWN_MAX: usize = 100;
        let text = self.text.trim_end();
        match text.char_indices().nth(SHOWN_MAX) {
            Some((end, _)) => format!("{}…", &text[..end]),
            None => text.to_string(),
        }
    }
}

/// The record of that number, from 0, with the header counted. Blank lines are no records.
pub(super) fn raw_record(path: &Path, index: usize) -> io::Result<Option<RawRecord>> {
    let mut reader = BufReader::new(File::open(path)?);
    let mut lines_before = 0;
    let mut records_before = 0;
    let mut bytes = Vec::new();
    loop {
        bytes.clear();
        let mut lines = 0;
        // A quoted field may hold newlines: the record ends on the line where the quotes are even again.
        loop {
            if reader.read_until(b'\n', &mut bytes)? == 0 {
                break;
            }
            lines += 1;
            if bytes.iter().filter(|byte| **byte == b'"').count() % 2 == 0 {
                break;
            }
        }
        if lines == 0 {
            return Ok(None);
        }
        let blank = bytes.iter().all(|byte| matches!(byte, b'\n' | b'\r'));
        if !blank && records_before == index {
            let text = String::from_utf8_lossy(&bytes).into_owned();
            return Ok(Some(RawRecord { line: lines_before + 1, text }));
        }
        lines_before += lines;
        records_before += usize::from(!blank);
    }
}

/// The first line that does not decode to the table's schema.
fn json_fault(path: &Path, table: &RegisteredTable) -> io::Result<Option<Error>> {
    if let Some(fault) = invalid_utf8(path) {
        return Ok(Some(fault));
    }
    for (index, line) in BufReader::new(File::open(path)?).lines().enumerate() {
        let line = line?;
        if line.trim().is_empty() {
            continue;
        }
        let decoded = arrow::json::ReaderBuilder::new(Arc::clone(&table.schema))
            .build(line.as_bytes())
            .map_err(io::Error::other)?
            .collect::<Result<Vec<_>, _>>();
        if let Err(error) = decoded {
            let column = json_column(&line, table).map(|name| format!(", column '{name}'"));
            let text = error.to_string();
            return Ok(Some(Error::user(format!(
                "'{}' line {}{}: {}",
                short_path(path).display(),
                index + 1,
                column.unwrap_or_default(),
                text.trim_start_matches("Json error: ")
            ))));
        }
    }
    Ok(None)
}

/// The first column that does not decode by itself.
fn json_column(line: &str, table: &RegisteredTable) -> Option<String> {
    let object: serde_json::Map<String, serde_json::Value> = serde_json::from_str(line).ok()?;
    let bad = |field: &Field| {
        let Some(value) = object.get(field.name()) else { return false };
        let text = serde_json::json!({ field.name(): value }).to_string();
        let schema = Arc::new(Schema::new(vec![field.clone()]));
        match arrow::json::ReaderBuilder::new(schema).build(text.as_bytes()) {
            Ok(mut reader) => matches!(reader.next(), Some(Err(_))),
            Err(_) => false,
        }
    };
    let fields = table.schema.fields().iter();
    fields
        .filter(|field| *field.data_type() != DataType::Null)
        .find(|field| bad(field))
        .map(|f| f.name().clone())
}
