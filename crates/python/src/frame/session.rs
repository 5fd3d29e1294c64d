//! Sessions: options, SQL, files.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{Field, Schema};
use datafusion::catalog::TableProvider;
use datafusion::datasource::ViewTable;
use datafusion::logical_expr::LogicalPlan;
use datafusion::prelude::SessionContext;
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use swath::array::to_frame;
use swath::config::Config;
use swath::observe::Receipt;
use swath::plan::SwathOptions;
use swath::session::{Format, QueryResult, Session, TableOptions, TableSource};

use super::ingest::Column;
use super::interchange;
use super::lazy::{PyFrame, run_now};
use super::raise::Raise;
use super::run::wait_for;
use crate::array::class::PyArray;
use crate::error::IntoPython;

/// The entry point: a session of the engine.
#[pyclass(frozen, name = "Session", module = "swath._swath")]
pub struct PySession(Arc<Session>);

impl PySession {
    /// The session of the engine.
    pub fn session(&self) -> Arc<Session> {
        Arc::clone(&self.0)
    }
}

/// The options that are fixed when a session starts, and set by the configuration.
fn configure(config: &mut Config, key: &str, value: &str) -> swath::Result<()> {
    let bytes = || {
        let failed = |_| swath::Error::user(format!("'{value}' is not a number of bytes for {key}"));
        value.parse::<u64>().map(Some).map_err(failed)
    };
    match key {
        "placement" => config.placement = value.parse()?,
        "fallback" => config.fallback = value.parse()?,
        "float_sums" => config.float_sums = value.parse()?,
        "memory_limit" => config.memory_limit = bytes()?,
        "device_memory_limit" => config.device_memory_limit = bytes()?,
        "pinned_memory_limit" => config.pinned_memory_limit = bytes()?,
        "pageable_memory_limit" => config.pageable_memory_limit = bytes()?,
        "spill_disk_limit" => config.spill_disk_limit = bytes()?,
        "chunk_bytes_target" => config.chunk_bytes_target = bytes()?.map(|bytes| bytes as usize),
        "threads" => config.target_partitions = bytes()?.map(|count| count as usize),
        "spill_dir" => config.spill_dir = Some(PathBuf::from(value)),
        "cache_dir" => config.cache_dir = Some(PathBuf::from(value)),
        "cost_file" => config.cost_file = Some(PathBuf::from(value)),
        _ => return Err(swath::Error::user(format!("there is no option '{key}'"))),
    }
    Ok(())
}

#[pymethods]
impl PySession {
    /// Opens a session; the values of options are text, numbers of bytes included.
    #[new]
    fn new(py: Python<'_>, options: BTreeMap<String, String>) -> PyResult<Self> {
        let mut config = Config::default();
        for (key, value) in &options {
            configure(&mut config, key, value).raise()?;
        }
        // Devices are looked for, which takes a moment where there are some.
        let session = py.detach(|| Session::with_config(config)).raise()?;
        Ok(PySession(Arc::new(session)))
    }

    /// Raises unless a session could be opened with these options; opens none.
    #[staticmethod]
    fn check(options: BTreeMap<String, String>) -> PyResult<()> {
        let mut config = Config::default();
        options.iter().try_for_each(|(key, value)| configure(&mut config, key, value)).raise()
    }

    /// Sets an option by its name in SQL.
    fn set(&self, py: Python<'_>, option: String, value: String) -> PyResult<()> {
        let session = Arc::clone(&self.0);
        wait_for(py, async move { session.set(&option, &value).await })
    }

    /// The options of the session under `swath.`, as they are now.
    fn options(&self) -> Vec<(String, String)> {
        use datafusion::common::config::ExtensionOptions;
        let state = self.0.context().state();
        let entries = SwathOptions::of(state.config_options()).entries().into_iter();
        entries.map(|entry| (entry.key, entry.value.unwrap_or_default())).collect()
    }

    /// The device that queries may run on, or `None` and why there is none.
    fn device(&self) -> (Option<String>, Option<String>) {
        let engine = self.0.engine();
        let name = engine.device_name().map(|name| format!("{} ({name})", engine.place()));
        (name, engine.absence().map(str::to_string))
    }

    /// What is found of drivers and devices, as text.
    fn doctor(&self, py: Python<'_>) -> String {
        let session = Arc::clone(&self.0);
        py.detach(move || format!("{:#?}", session.doctor()))
    }

    /// Plans a statement over frames that it sees as tables of these names. What changes something runs at once.
    fn sql(
        &self,
        py: Python<'_>,
        text: String,
        tables: Vec<(String, PyRef<'_, PyFrame>)>,
        progress: bool,
    ) -> PyResult<PyFrame> {
        let views: Vec<(String, Arc<dyn TableProvider>)> =
            tables.iter().map(|(name, frame)| (name.clone(), view(frame))).collect();
        let (session, statement) = (Arc::clone(&self.0), text.clone());
        let frame = wait_for(py, async move { session.sql_over(&statement, &views).await })?;
        match frame.data_frame() {
            Some(query) if !acts(query.logical_plan()) => {
                PyFrame::lazy(&self.0, query.logical_plan().clone(), Some(text))
            }
            _ => run_now(py, &self.0, frame, progress),
        }
    }

    /// Opens files as a frame.
    #[pyo3(signature = (paths, format, header = true, delimiter = None, infer_rows = None))]
    fn read(
        &self,
        py: Python<'_>,
        paths: Vec<String>,
        format: Option<&str>,
        header: bool,
        delimiter: Option<&str>,
        infer_rows: Option<usize>,
    ) -> PyResult<PyFrame> {
        let source = source(paths, format, header, delimiter, infer_rows)?;
        let session = Arc::clone(&self.0);
        let opened = wait_for(py, async move { session.read(&source).await })?;
        PyFrame::lazy(&self.0, opened.into_unoptimized_plan(), None)
    }

    /// Takes Arrow data; `None` for an object that has none.
    fn take_arrow(&self, object: &Bound<'_, PyAny>) -> PyResult<Option<PyFrame>> {
        let Some((schema, batches)) = interchange::import(object)? else { return Ok(None) };
        let result = QueryResult { schema, batches, receipt: Receipt::default() };
        PyFrame::computed(&self.0, result).map(Some)
    }

    /// Makes a frame of an array of one or two axes, lazily.
    fn take_array(&self, array: PyRef<'_, PyArray>, names: Vec<String>) -> PyResult<PyFrame> {
        let frame = to_frame(&self.0, &array.array(), &names).py()?;
        PyFrame::lazy(&self.0, frame.into_unoptimized_plan(), None)
    }

    /// Makes a frame of columns.
    fn take_columns(&self, columns: Vec<(String, PyRef<'_, Column>)>) -> PyResult<PyFrame> {
        if let Some((first, _)) = columns.first()
            && let Some((name, other)) =
                columns.iter().find(|(_, column)| column.0.len() != columns[0].1.0.len())
        {
            return Err(PyValueError::new_err(format!(
                "the columns differ in length: '{first}' has {} rows, '{name}' has {}",
                columns[0].1.0.len(),
                other.0.len()
            )));
        }
        let fields: Vec<Field> = columns
            .iter()
            .map(|(name, column)| Field::new(name, column.0.data_type().clone(), true))
            .collect();
        let schema = Arc::new(Schema::new(fields));
        let arrays = columns.iter().map(|(_, column)| Arc::clone(&column.0)).collect::<Vec<_>>();
        let batches = match arrays.is_empty() {
            true => vec![],
            false => vec![
                RecordBatch::try_new(Arc::clone(&schema), arrays)
                    .map_err(|error| PyValueError::new_err(error.to_string()))?,
            ],
        };
        PyFrame::computed(&self.0, QueryResult { schema, batches, receipt: Receipt::default() })
    }

    /// Registers a frame as a table; a table of the same name is replaced.
    fn register(&self, name: &str, frame: PyRef<'_, PyFrame>) -> PyResult<()> {
        let context: &SessionContext = self.0.context();
        let replaced =
            context.deregister_table(name).and_then(|_| context.register_table(name, view(&frame)));
        replaced.map(|_| ()).map_err(|error| self.0.translate(error, frame.plan())).raise()
    }

    /// The names of the registered tables.
    fn table_names(&self) -> Vec<String> {
        self.0.table_names()
    }
}

/// A frame as a table: its rows where they are in memory, else its plan.
fn view(frame: &PyFrame) -> Arc<dyn TableProvider> {
    Arc::new(ViewTable::new(frame.plan().clone(), None))
}

/// Whether the statement does something beside returning rows.
fn acts(plan: &LogicalPlan) -> bool {
    matches!(
        plan,
        LogicalPlan::Copy(_) | LogicalPlan::Dml(_) | LogicalPlan::Ddl(_) | LogicalPlan::Statement(_)
    ) || plan.schema().fields().is_empty()
}

fn source(
    paths: Vec<String>,
    format: Option<&str>,
    header: bool,
    delimiter: Option<&str>,
    infer_rows: Option<usize>,
) -> PyResult<TableSource> {
    let format = format.map(str::parse::<Format>).transpose().raise()?;
    let delimiter = match delimiter.map(str::as_bytes) {
        None => None,
        Some([byte]) if byte.is_ascii() => Some(*byte),
        Some(_) => {
            return Err(PyTypeError::new_err(format!(
                "the delimiter is one ASCII character, not {:?}",
                delimiter.unwrap_or_default()
            )));
        }
    };
    let usual = TableOptions::default();
    let options =
        TableOptions { header, delimiter, infer_rows_max: infer_rows.unwrap_or(usual.infer_rows_max) };
    Ok(TableSource { paths, format, options })
}
