//! Writes results: as a table, CSV, JSON or Parquet, to standard output or to a file.

use std::io::{self, BufWriter, IsTerminal, Write};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use arrow::array::RecordBatch;
use arrow::csv::WriterBuilder as CsvWriterBuilder;
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;
use arrow::json::writer::{LineDelimited, WriterBuilder as JsonWriterBuilder};
use arrow::util::pretty::pretty_format_batches_with_schema;
use clap::ValueEnum;
use datafusion::parquet::arrow::ArrowWriter;
use futures::TryStreamExt;

use super::stdout_failed;
use crate::error::{Error, Result};
use crate::observe::progress::RowSpinner;
use crate::observe::receipt::Receipt;
use crate::session::{Frame, ResultStream, WholeFile};

/// How a result is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum OutputFormat {
    /// Aligned columns, for reading.
    Table,
    /// Comma-separated values with a header.
    Csv,
    /// One JSON object per line.
    Json,
    /// Parquet; to a file only.
    Parquet,
}

impl OutputFormat {
    /// The format that was asked for, else the one of the file's extension, else a table.
    pub fn choose(given: Option<OutputFormat>, path: Option<&Path>) -> Result<OutputFormat> {
        if let Some(format) = given {
            return match (format, path) {
                (OutputFormat::Parquet, None) => {
                    Err(Error::user("Parquet goes to a file only: give --output"))
                }
                _ => Ok(format),
            };
        }
        let Some(path) = path else { return Ok(OutputFormat::Table) };
        match path.extension().and_then(|extension| extension.to_str()) {
            Some("csv") => Ok(OutputFormat::Csv),
            Some("json" | "jsonl" | "ndjson") => Ok(OutputFormat::Json),
            Some("parquet" | "pq") => Ok(OutputFormat::Parquet),
            Some("txt") => Ok(OutputFormat::Table),
            _ => Err(Error::user(format!(
                "cannot tell the format of '{}' by its extension; give --format",
                path.display()
            ))),
        }
    }
}

/// Where a result is written to.
pub(super) enum Target<'a> {
    Stdout,
    File(&'a WholeFile),
}

/// Runs a frame and writes its rows as they come; returns the number of rows and the receipt.
pub(super) async fn write(
    frame: Frame,
    format: OutputFormat,
    target: Target<'_>,
) -> Result<(usize, Receipt)> {
    let stream = frame.stream().await?;
    match target {
        Target::Stdout => {
            // Rows and a spinner must not share a terminal line: the spinner goes when the first rows come.
            write_stream(stream, format, BufWriter::new(io::stdout()), stdout_failed).await
        }
        Target::File(file) => {
            let failed = |error| Err(file.failed(&error));
            write_stream(stream, format, BufWriter::new(file.file()), failed).await
        }
    }
}

async fn write_stream<W: Write + Send>(
    mut stream: ResultStream,
    format: OutputFormat,
    out: W,
    failed: impl Fn(io::Error) -> Result<()>,
) -> Result<(usize, Receipt)> {
    let schema = stream.schema();
    let progress = RowSpinner::start(stream.rows_read());
    if schema.fields().is_empty() {
        while stream.try_next().await?.is_some() {}
        return Ok((0, stream.receipt()));
    }
    let failure = Failure::default();
    let checked = |written: Result<(), ArrowError>| match (written, failure.take()) {
        (_, Some(error)) => failed(error),
        (Ok(()), None) => Ok(()),
        (Err(error), None) => Err(Error::user(format!("cannot write the result: {error}"))),
    };
    let recorder = Recorder { out, failure: failure.clone() };
    let mut writer = match RowWriter::start(format, schema, recorder) {
        Ok(writer) => writer,
        Err(error) => {
            checked(Err(error))?;
            return Err(Error::bug("a writer failed without a reason"));
        }
    };
    let mut rows = 0;
    while let Some(batch) = stream.try_next().await? {
        rows += batch.num_rows();
        if io::stdout().is_terminal() && format != OutputFormat::Table {
            progress.clear();
        }
        checked(writer.write(batch))?;
    }
    progress.clear();
    checked(writer.finish())?;
    Ok((rows, stream.receipt()))
}

/// Why writing failed. The format writers turn it into text; the exit depends on what it was.
#[derive(Clone, Default)]
struct Failure(Arc<Mutex<Option<io::Error>>>);

impl Failure {
    fn take(&self) -> Option<io::Error> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// Remembers the failure of the writer that it passes bytes to.
struct Recorder<W> {
    out: W,
    failure: Failure,
}

impl<W> Recorder<W> {
    fn note<T>(&self, outcome: io::Result<T>) -> io::Result<T> {
        outcome.inspect_err(|error| {
            let copy = match error.raw_os_error() {
                Some(code) => io::Error::from_raw_os_error(code),
                None => io::Error::new(error.kind(), error.to_string()),
            };
            *self.failure.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(copy);
        })
    }
}

impl<W: Write> Write for Recorder<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let outcome = self.out.write(bytes);
        self.note(outcome)
    }

    fn flush(&mut self) -> io::Result<()> {
        let outcome = self.out.flush();
        self.note(outcome)
    }
}

enum RowWriter<W: Write + Send> {
    Table { schema: SchemaRef, batches: Vec<RecordBatch>, out: W },
    Csv(Box<arrow::csv::Writer<W>>),
    Json(Box<arrow::json::Writer<W, LineDelimited>>),
    Parquet(Box<ArrowWriter<W>>),
}

impl<W: Write + Send> RowWriter<W> {
    fn start(format: OutputFormat, schema: SchemaRef, out: W) -> Result<Self, ArrowError> {
        Ok(match format {
            OutputFormat::Table => RowWriter::Table { schema, batches: Vec::new(), out },
            OutputFormat::Csv => {
                let mut writer = CsvWriterBuilder::new().with_header(true).build(out);
                // The header comes with the first batch, and there may be none.
                writer.write(&RecordBatch::new_empty(schema))?;
                RowWriter::Csv(Box::new(writer))
            }
            OutputFormat::Json => {
                RowWriter::Json(Box::new(JsonWriterBuilder::new().with_explicit_nulls(true).build(out)))
            }
            OutputFormat::Parquet => RowWriter::Parquet(Box::new(ArrowWriter::try_new(out, schema, None)?)),
        })
    }

    fn write(&mut self, batch: RecordBatch) -> Result<(), ArrowError> {
        match self {
            RowWriter::Table { batches, .. } => batches.push(batch),
            RowWriter::Csv(writer) => writer.write(&batch)?,
            RowWriter::Json(writer) => writer.write(&batch)?,
            RowWriter::Parquet(writer) => writer.write(&batch)?,
        }
        Ok(())
    }

    fn finish(self) -> Result<(), ArrowError> {
        match self {
            RowWriter::Table { schema, batches, mut out } => {
                let table = pretty_format_batches_with_schema(schema, &batches)?;
                writeln!(out, "{table}").and_then(|()| out.flush()).map_err(ArrowError::from)
            }
            RowWriter::Csv(writer) => writer.into_inner().flush().map_err(ArrowError::from),
            RowWriter::Json(mut writer) => {
                writer.finish()?;
                writer.into_inner().flush().map_err(ArrowError::from)
            }
            RowWriter::Parquet(mut writer) => {
                writer.finish()?;
                writer.inner_mut().flush().map_err(ArrowError::from)
            }
        }
    }
}
