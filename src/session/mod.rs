//! The user's entry point: tables, SQL, results.
//!
//! A [`Session`] is a DataFusion `SessionContext` with placement installed. It adds what a user meets first: files
//! registered with their faults found early, errors that name file, line and column, and a receipt with every
//! result. Only the command line stands above it.

mod compose;
mod diagnose;
mod error;
mod frame;
mod statement;
mod suggest;
mod table;
mod whole_file;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use arrow::array::{ArrayRef, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Schema};
use datafusion::common::TableReference;
use datafusion::execution::SessionStateBuilder;
use datafusion::execution::cache::cache_manager::CacheManagerConfig;
use datafusion::execution::memory_pool::FairSpillPool;
use datafusion::execution::runtime_env::{RuntimeEnv, RuntimeEnvBuilder};
use datafusion::logical_expr::dml::CopyTo;
use datafusion::logical_expr::{ExplainFormat, LogicalPlan, Statement};
use datafusion::prelude::{DataFrame, SessionConfig, SessionContext};

use crate::config::{Config, Fallback};
use crate::device;
use crate::error::{Error, Result};
use crate::observe::receipt::{OperatorReceipt, Receipt, Totals, human_bytes};
use crate::plan;

pub use crate::plan::cost::{CostFile, Costs, DeviceCosts};
pub use compose::WriteFormat;
pub use error::translate;
pub use frame::{Frame, QueryResult, ResultStream};
pub use statement::{ends_statement, split as split_statements};
pub use table::{Compression, Format, TableOptions, TableSource};
pub use whole_file::WholeFile;

use frame::Origin;
use table::RegisteredTable;

/// The tables that were registered from files, by name: what errors at run time are traced back to.
type Tables = Arc<Mutex<BTreeMap<String, RegisteredTable>>>;

/// DataFusion's memory pool, the folder that it spills to, and its caches.
fn runtime(config: &Config) -> Result<Arc<RuntimeEnv>> {
    // A listing that is kept would hide files that come into a folder, and show those that are gone.
    let caches = CacheManagerConfig::default().with_list_files_cache_limit(0);
    let mut runtime = RuntimeEnvBuilder::new().with_cache_manager(caches);
    if let Some(bytes) = config.memory_limit {
        let bytes = usize::try_from(bytes).unwrap_or(usize::MAX);
        runtime = runtime.with_memory_pool(Arc::new(FairSpillPool::new(bytes)));
    }
    if let Some(folder) = &config.spill_dir {
        runtime = runtime.with_temp_file_path(folder);
    }
    runtime.build_arc().map_err(error::translate)
}

/// Runs SQL over registered tables.
///
/// Cheap to make where there is no driver: no thread is started, and at most the file of cost constants is read. Devices are looked for when
/// the first query that could use one is planned.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> swath::Result<()> {
/// let session = swath::session::Session::new()?;
/// let result = session.sql("SELECT 1 + 1 AS two").await?.collect().await?;
/// assert_eq!(result.rows(), 1);
/// # Ok(())
/// # }
/// ```
pub struct Session {
    context: SessionContext,
    engine: Arc<plan::Engine>,
    tables: Tables,
    /// Held while a statement is planned over tables that only it sees.
    overlaid: tokio::sync::Mutex<()>,
}

impl Session {
    /// Opens a session with the default configuration.
    ///
    /// # Errors
    /// Those of [`Session::with_config`].
    pub fn new() -> Result<Self> {
        Self::with_config(Config::default())
    }

    /// Opens a session.
    ///
    /// # Errors
    /// A device option that no device here can meet.
    pub fn with_config(config: Config) -> Result<Self> {
        let mut options = SessionConfig::new().with_information_schema(true);
        if let Some(partitions) = config.target_partitions {
            options = options.with_target_partitions(partitions);
        }
        let engine = plan::Engine::start(&config)?;
        let builder = SessionStateBuilder::new()
            .with_config(options)
            .with_runtime_env(runtime(&config)?)
            .with_default_features();
        let state = plan::install(builder, Arc::clone(&engine)).build();
        Ok(Session {
            context: SessionContext::new_with_state(state),
            engine,
            tables: Tables::default(),
            overlaid: tokio::sync::Mutex::default(),
        })
    }

    /// The DataFusion context underneath, for what this type does not wrap.
    pub fn context(&self) -> &SessionContext {
        &self.context
    }

    /// The placement engine and its devices.
    pub fn engine(&self) -> &Arc<plan::Engine> {
        &self.engine
    }

    /// Registers files as a table. A table of the same name is replaced.
    ///
    /// # Errors
    /// A path that leads to no file, a file that cannot be read as its format, an empty file, a column
    /// name that occurs twice, files whose columns or types differ.
    pub async fn register(&self, name: &str, source: &TableSource) -> Result<()> {
        let reference = TableReference::parse_str(name);
        let (provider, registered) = table::open(&self.context, source)
            .await
            .map_err(|error| error.context(format!("table '{name}'")))?;
        self.context.register_table(reference.clone(), provider).map_err(error::translate)?;
        self.tables
            .lock()
            .expect("no thread panics while it holds this lock")
            .insert(reference.table().to_string(), registered);
        Ok(())
    }

    /// Plans one SQL statement. Statements that change the session (`SET`, `CREATE TABLE`, `PIN TABLE`) take effect
    /// here; queries run when the frame is collected.
    ///
    /// Beyond DataFusion's SQL: `PIN TABLE t` loads a table into device memory, `UNPIN TABLE t` frees it, and a
    /// plain `EXPLAIN` shows for each node where it runs and why.
    ///
    /// # Errors
    /// A statement that does not parse, an unknown table, column or function, clashing types.
    pub async fn sql(&self, text: &str) -> Result<Frame> {
        if let Some(command) = statement::pin_command(text)? {
            return self.run_pin(command).await;
        }
        let started = Instant::now();
        let state = self.context.state();
        let plan = match state.create_logical_plan(text).await {
            Ok(plan) => plan,
            Err(error) => return Err(self.planning_error(text, error).await),
        };
        if let LogicalPlan::Explain(explain) = &plan
            && !explain.verbose
            && explain.explain_format == ExplainFormat::Indent
        {
            let inner = DataFrame::new(state, explain.plan.as_ref().clone());
            let placed = self.frame(Some(text), inner, None, started).explain().await?;
            return Ok(Frame::ready(text_rows("plan", placed.lines())?, Receipt::default()));
        }
        let setting = match &plan {
            LogicalPlan::Statement(Statement::SetVariable(set)) => {
                self.check_option(&set.variable)?;
                Some(format!("{} = '{}'", set.variable, set.value))
            }
            _ => None,
        };
        let (plan, output) = match plan {
            LogicalPlan::Copy(copy) => copy_whole(copy)?,
            plan => (plan, None),
        };
        let data_frame = self.context.execute_logical_plan(plan).await.map_err(|error| {
            let error = error::translate(error);
            match setting {
                Some(setting) => error.context(setting),
                None => error,
            }
        })?;
        Ok(self.frame(Some(text), data_frame, output, started))
    }

    /// Loads a table into device memory; queries then read it from there.
    ///
    /// # Errors
    /// No device, an unknown table, device memory that is too small.
    pub async fn pin(&self, table: &str) -> Result<plan::PinReport> {
        self.check_table(table)?;
        plan::pin(&self.engine, &self.context, table).await
    }

    /// Frees the device memory of a pinned table.
    ///
    /// # Errors
    /// A table that is not pinned.
    pub async fn unpin(&self, table: &str) -> Result<()> {
        plan::unpin(&self.engine, &self.context, table).await
    }

    /// Sets an option, such as `swath.placement` or `datafusion.execution.batch_size`.
    ///
    /// # Errors
    /// An unknown option, with the one that was probably meant; a value that it does not take.
    pub async fn set(&self, option: &str, value: &str) -> Result<()> {
        self.check_option(option)?;
        self.sql(&format!("SET {option} = '{}'", value.replace('\'', "''"))).await?;
        Ok(())
    }

    /// What a fallback does now: the configuration's policy, or what `SET swath.fallback` made it.
    pub fn fallback(&self) -> Fallback {
        let state = self.context.state();
        let options = state.config_options().extensions.get::<plan::SwathOptions>();
        options.map(|options| options.fallback).unwrap_or_default()
    }

    /// Looks at the machine: driver, NVRTC, devices, and what is missing.
    pub fn doctor(&self) -> device::DriverReport {
        device::probe()
    }

    /// The names of the registered tables, sorted.
    pub fn table_names(&self) -> Vec<String> {
        let mut names = Vec::new();
        for catalog in self.context.catalog_names() {
            let Some(catalog) = self.context.catalog(&catalog) else { continue };
            for schema in catalog.schema_names() {
                if schema != "information_schema"
                    && let Some(schema) = catalog.schema(&schema)
                {
                    names.extend(schema.table_names());
                }
            }
        }
        names.sort();
        names
    }

    /// The column names of a table, in order.
    ///
    /// # Errors
    /// An unknown table, with the one that was probably meant.
    pub async fn column_names(&self, table: &str) -> Result<Vec<String>> {
        match self.context.table_provider(TableReference::bare(table)).await {
            Ok(provider) => Ok(provider.schema().fields().iter().map(|field| field.name().clone()).collect()),
            Err(_) => Err(error::unknown_table(table, &self.table_names())),
        }
    }

    fn frame(
        &self,
        text: Option<&str>,
        data_frame: DataFrame,
        output: Option<WholeFile>,
        started: Instant,
    ) -> Frame {
        let origin = Origin {
            text: text.map(str::to_string),
            engine: Arc::clone(&self.engine),
            tables: Arc::clone(&self.tables),
        };
        Frame::query(data_frame, origin, output, started.elapsed())
    }

    async fn run_pin(&self, command: statement::PinCommand) -> Result<Frame> {
        match command {
            statement::PinCommand::Pin(table) => {
                let report = self.pin(&table).await?;
                let line = format!(
                    "{} rows of {} on {}: {} in {:.3} s",
                    report.rows,
                    report.table,
                    report.device,
                    human_bytes(report.bytes),
                    report.elapsed.as_secs_f64()
                );
                Ok(Frame::ready(text_rows("pinned", [line.as_str()])?, pin_receipt(&report)))
            }
            statement::PinCommand::Unpin(table) => {
                self.unpin(&table).await?;
                Ok(Frame::ready(text_rows("unpinned", [table.as_str()])?, Receipt::default()))
            }
        }
    }

    fn check_option(&self, option: &str) -> Result<()> {
        let state = self.context.state();
        let mut known = state.config_options().entries();
        known.extend(state.runtime_env().config_entries());
        // Another name of an option, which SQL takes too.
        let is_known = option.eq_ignore_ascii_case("timezone")
            || known.iter().any(|entry| entry.key.eq_ignore_ascii_case(option));
        if is_known {
            return Ok(());
        }
        let hint = suggest::did_you_mean(option, known.iter().map(|entry| entry.key.as_str()));
        Err(Error::user(format!("there is no option '{option}'{hint}")))
    }

    fn check_table(&self, table: &str) -> Result<()> {
        let names = self.table_names();
        if names.iter().any(|name| name == table) {
            return Ok(());
        }
        Err(error::unknown_table(table, &names))
    }

    /// Names the unknown table where that is what went wrong, else translates.
    async fn planning_error(&self, text: &str, error: datafusion::error::DataFusionError) -> Error {
        let state = self.context.state();
        let dialect = state.config_options().sql_parser.dialect;
        let references = state
            .sql_to_statement(text, &dialect)
            .and_then(|statement| state.resolve_table_references(&statement))
            .unwrap_or_default();
        // A call such as generate_series(1, 9) is among them, and is no table.
        let functions = state.table_functions();
        for reference in references.into_iter().filter(|found| !functions.contains_key(found.table())) {
            if let Ok(false) = self.context.table_exist(reference.clone()) {
                return error::unknown_table(reference.table(), &self.table_names());
            }
        }
        error::translate(error)
    }
}

/// Lets `COPY … TO` one local file write beside it. DataFusion finishes the file even of a query that fails.
fn copy_whole(mut copy: CopyTo) -> Result<(LogicalPlan, Option<WholeFile>)> {
    let path = Path::new(&copy.output_url);
    let in_parts = !copy.partition_by.is_empty()
        || copy.options.keys().any(|key| key.ends_with("single_file_output"))
        || copy.output_url.ends_with('/')
        || path.extension().is_none();
    if in_parts || copy.output_url.contains("://") {
        return Ok((LogicalPlan::Copy(copy), None));
    }
    let output = WholeFile::create(path)?;
    copy.output_url = output.partial_path().to_string_lossy().into_owned();
    Ok((LogicalPlan::Copy(copy), Some(output)))
}

/// One text column.
fn text_rows<'a>(column: &str, lines: impl IntoIterator<Item = &'a str>) -> Result<RecordBatch> {
    let lines: Vec<&str> = lines.into_iter().collect();
    let schema = Arc::new(Schema::new(vec![Field::new(column, DataType::Utf8, false)]));
    let values: ArrayRef = Arc::new(StringArray::from_iter_values(lines));
    RecordBatch::try_new(schema, vec![values]).map_err(|error| Error::bug(error.to_string()))
}

/// The paths of the files of a registered table, as errors print them.
fn short_path(path: &Path) -> PathBuf {
    match std::env::current_dir() {
        Ok(folder) => path.strip_prefix(folder).unwrap_or(path).to_path_buf(),
        Err(_) => path.to_path_buf(),
    }
}

/// What loading a table into device memory did.
fn pin_receipt(report: &plan::PinReport) -> Receipt {
    let elapsed_ms = report.elapsed.as_secs_f64() * 1e3;
    let operator = OperatorReceipt {
        name: "Pin".to_string(),
        detail: report.table.clone(),
        place: report.device.clone(),
        rows_in: report.rows,
        rows_out: report.rows,
        bytes_up: report.bytes,
        elapsed_ms,
        ..OperatorReceipt::default()
    };
    let totals = Totals { wall_ms: elapsed_ms, bytes_up: report.bytes, rows: 1, ..Totals::default() };
    Receipt { operators: vec![operator], totals, ..Receipt::default() }
}
