//! Frames that a program composes, where SQL is not what it writes: files and batches as DataFusion frames, queries over
//! tables that only they see, results into files.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use datafusion::catalog::TableProvider;
use datafusion::common::TableReference;
use datafusion::common::config::{CsvOptions, JsonOptions, TableParquetOptions};
use datafusion::datasource::file_format::arrow::ArrowFormatFactory;
use datafusion::datasource::file_format::csv::CsvFormatFactory;
use datafusion::datasource::file_format::json::JsonFormatFactory;
use datafusion::datasource::file_format::parquet::ParquetFormatFactory;
use datafusion::datasource::file_format::{FileFormatFactory, format_as_file_type};
use datafusion::datasource::{MemTable, provider_as_source};
use datafusion::error::DataFusionError;
use datafusion::logical_expr::{LogicalPlan, LogicalPlanBuilder};
use datafusion::prelude::{DataFrame, SessionContext};

use super::{Frame, Session, TableSource, WholeFile, diagnose, error, table};
use crate::error::{Error, Result};

/// How rows are written to a file.
#[derive(Clone, Debug)]
pub enum WriteFormat {
    Parquet(Box<TableParquetOptions>),
    Csv(Box<CsvOptions>),
    /// One JSON object per line.
    Json(Box<JsonOptions>),
    /// Arrow IPC, the file format.
    Arrow,
}

/// The tables that one query sees beside those of its session; they go when this is dropped.
struct Overlay<'a> {
    context: &'a SessionContext,
    /// The names, each with the table that it hides.
    hidden: Vec<(TableReference, Option<Arc<dyn TableProvider>>)>,
}

impl<'a> Overlay<'a> {
    fn lay(context: &'a SessionContext, tables: &[(String, Arc<dyn TableProvider>)]) -> Result<Self> {
        let mut overlay = Overlay { context, hidden: Vec::with_capacity(tables.len()) };
        for (name, table) in tables {
            let reference = TableReference::bare(name.as_str());
            let before = context.deregister_table(reference.clone()).map_err(error::translate)?;
            overlay.hidden.push((reference.clone(), before));
            context.register_table(reference, Arc::clone(table)).map_err(error::translate)?;
        }
        Ok(overlay)
    }
}

impl Drop for Overlay<'_> {
    fn drop(&mut self) {
        for (reference, before) in self.hidden.drain(..).rev() {
            // Both fail only for a catalog that cannot be written to, which is where the table came from.
            let _ = self.context.deregister_table(reference.clone());
            if let Some(before) = before {
                let _ = self.context.register_table(reference, before);
            }
        }
    }
}

impl Session {
    /// Plans a statement over tables that only it sees, beside those of the session; a table of the same name is hidden
    /// from it. Calls follow one another: the names are the session's while the statement is planned.
    ///
    /// # Errors
    /// Those of [`Session::sql`].
    pub async fn sql_over(&self, text: &str, tables: &[(String, Arc<dyn TableProvider>)]) -> Result<Frame> {
        let _turn = self.overlaid.lock().await;
        let _overlay = Overlay::lay(&self.context, tables)?;
        self.sql(text).await
    }

    /// Opens files as a frame, without registering a table.
    ///
    /// # Errors
    /// Those of [`Session::register`].
    pub async fn read(&self, source: &TableSource) -> Result<DataFrame> {
        let (provider, registered) = table::open(&self.context, source).await?;
        // Errors at run time find the files by this name, so other ways of reading the same paths have another.
        let name = match source.paths.as_slice() {
            [path] => format!("{path}{}", source.options.suffix()),
            paths => format!("[{}]{}", paths.join(", "), source.options.suffix()),
        };
        self.tables
            .lock()
            .expect("no thread panics while it holds this lock")
            .insert(name.clone(), registered);
        let plan = LogicalPlanBuilder::scan(TableReference::bare(name), provider_as_source(provider), None)
            .and_then(LogicalPlanBuilder::build)
            .map_err(error::translate)?;
        Ok(DataFrame::new(self.context.state(), plan))
    }

    /// Makes a frame of batches in memory.
    ///
    /// # Errors
    /// Batches of another schema.
    pub fn read_batches(&self, schema: SchemaRef, batches: Vec<RecordBatch>) -> Result<DataFrame> {
        let table = MemTable::try_new(schema, vec![batches]).map_err(error::translate)?;
        self.context.read_table(Arc::new(table)).map_err(error::translate)
    }

    /// Makes a frame that runs with a receipt of one that was composed with DataFusion's methods.
    pub fn frame_of(&self, data_frame: DataFrame, text: Option<&str>) -> Frame {
        self.frame(text, data_frame, None, Instant::now())
    }

    /// Makes a frame that, when it is collected, writes the rows to one file: beside its place, and renamed when whole.
    ///
    /// # Errors
    /// A folder that is missing or may not be written to, a path that is a folder.
    pub fn write(&self, data_frame: DataFrame, path: &Path, format: WriteFormat) -> Result<Frame> {
        let started = Instant::now();
        let factory: Arc<dyn FileFormatFactory> = match format {
            WriteFormat::Parquet(options) => Arc::new(ParquetFormatFactory::new_with_options(*options)),
            WriteFormat::Csv(options) => Arc::new(CsvFormatFactory::new_with_options(*options)),
            WriteFormat::Json(options) => Arc::new(JsonFormatFactory::new_with_options(*options)),
            WriteFormat::Arrow => Arc::new(ArrowFormatFactory::new()),
        };
        let output = WholeFile::create(path)?;
        let Some(partial) = output.partial_path().to_str() else {
            return Err(Error::user(format!("cannot write '{}': the path is not UTF-8", path.display())));
        };
        let (state, plan) = data_frame.into_parts();
        let plan = LogicalPlanBuilder::copy_to(
            plan,
            partial.to_string(),
            format_as_file_type(factory),
            Default::default(),
            vec![],
        )
        .and_then(LogicalPlanBuilder::build)
        .map_err(error::translate)?;
        Ok(self.frame(None, DataFrame::new(state, plan), Some(output), started))
    }

    /// Translates an error of composing a frame, as those of SQL are; `plan` is what was composed so far.
    pub fn translate(&self, failure: DataFusionError, plan: &LogicalPlan) -> Error {
        diagnose::translate(failure, plan, &self.tables)
    }
}
