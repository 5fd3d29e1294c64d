//! The class of frames: a plan that each method adds to, and the rows once it has run.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::{DataType, Int64Type};
use datafusion::common::NullEquality;
use datafusion::common::config::{ConfigField, CsvOptions, JsonOptions, TableParquetOptions};
use datafusion::common::parsers::CompressionTypeVariant;
use datafusion::error::{DataFusionError, Result as PlanResult};
use datafusion::functions::core::expr_fn::coalesce;
use datafusion::functions_aggregate::count::count_all;
use datafusion::logical_expr::expr::Sort;
use datafusion::logical_expr::{Expr, JoinType, LogicalPlan, LogicalPlanBuilder};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::prelude::{Column as Name, DataFrame, ident};
use futures::TryStreamExt;
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyCapsule, PyList};
use swath::array::from_frame;
use swath::config::Placement;
use swath::observe::progress::RowSpinner;
use swath::plan::{DeviceExec, PlacementExec, SwathOptions};
use swath::session::{Frame, QueryResult, ResultStream, Session, WriteFormat};

use super::bind::{Item, Scope, output_name};
use super::expression::PyExpression;
use super::raise::Raise;
use super::run::wait_for;
use super::{arrays, data_type, export, ingest, interchange};
use crate::array::class::PyArray;
use crate::error::IntoPython;

/// A lazy frame, or one that has been computed.
#[pyclass(frozen, name = "Frame", module = "swath._swath")]
pub struct PyFrame {
    session: Arc<Session>,
    /// Its columns have no qualifiers.
    plan: LogicalPlan,
    /// The SQL that the whole frame is, where it is that.
    text: Option<String>,
    result: Option<Arc<QueryResult>>,
}

/// The plan with columns of plain names, without the tables they are from.
fn unqualified(plan: LogicalPlan) -> PlanResult<LogicalPlan> {
    if plan.schema().iter().all(|(qualifier, _)| qualifier.is_none()) {
        return Ok(plan);
    }
    let columns = plan.schema().columns();
    let columns = columns.into_iter().map(|column| {
        let name = column.name.clone();
        Expr::Column(column).alias(name)
    });
    LogicalPlanBuilder::from(plan).project(columns.collect::<Vec<_>>())?.build()
}

impl PyFrame {
    /// A frame over what DataFusion planned.
    pub fn lazy(session: &Arc<Session>, plan: LogicalPlan, text: Option<String>) -> PyResult<Self> {
        let plan = unqualified(plan.clone()).map_err(|error| session.translate(error, &plan)).raise()?;
        Ok(PyFrame { session: Arc::clone(session), plan, text, result: None })
    }

    /// A frame of rows that are there.
    pub fn computed(session: &Arc<Session>, result: QueryResult) -> PyResult<Self> {
        let batches = result.batches.clone();
        let table = session.read_batches(Arc::clone(&result.schema), batches).raise()?;
        let frame = Self::lazy(session, table.into_unoptimized_plan(), None)?;
        Ok(PyFrame { result: Some(Arc::new(result)), ..frame })
    }

    pub fn plan(&self) -> &LogicalPlan {
        &self.plan
    }

    fn scope(&self) -> Scope<'_> {
        Scope { context: self.session.context(), plan: &self.plan }
    }

    fn builder(&self) -> LogicalPlanBuilder {
        LogicalPlanBuilder::from(self.plan.clone())
    }

    fn data_frame(&self, plan: LogicalPlan) -> DataFrame {
        DataFrame::new(self.session.context().state(), plan)
    }

    /// The frame of a plan that was composed of this one's.
    fn derived(&self, plan: PlanResult<LogicalPlan>) -> PyResult<Self> {
        let plan = plan.and_then(unqualified).map_err(|error| self.session.translate(error, &self.plan));
        Ok(PyFrame { session: Arc::clone(&self.session), plan: plan.raise()?, text: None, result: None })
    }

    fn query(&self) -> Frame {
        self.session.frame_of(self.data_frame(self.plan.clone()), self.text.as_deref())
    }

    fn rows(&self) -> PyResult<&QueryResult> {
        self.result.as_deref().ok_or_else(|| PyValueError::new_err("the frame is not computed"))
    }

    fn column_type(&self, index: usize) -> PyResult<&DataType> {
        match self.rows()?.schema.fields().get(index) {
            Some(field) => Ok(field.data_type()),
            None => Err(PyValueError::new_err(format!("there is no column {index}"))),
        }
    }

    fn join_plan(
        &self,
        right: LogicalPlan,
        left_on: &[String],
        right_on: &[String],
        how: &str,
        suffix: &str,
    ) -> PlanResult<LogicalPlan> {
        let kind = match how {
            "inner" | "cross" => JoinType::Inner,
            "left" => JoinType::Left,
            "right" => JoinType::Right,
            "full" | "outer" => JoinType::Full,
            "semi" => JoinType::LeftSemi,
            "anti" => JoinType::LeftAnti,
            _ => {
                return Err(DataFusionError::Plan(format!(
                    "'{how}' is not a kind of join; use one of: inner, left, right, full, semi, anti, cross"
                )));
            }
        };
        for (plan, keys) in [(&self.plan, left_on), (&right, right_on)] {
            for key in keys {
                plan.schema().qualified_field_from_column(&Name::new_unqualified(key))?;
            }
        }
        let of = |side: &str, name: &str| Name::new(Some(side), name);
        let columns = |plan: &LogicalPlan| {
            plan.schema().fields().iter().map(|field| field.name().clone()).collect::<Vec<_>>()
        };
        let (left_names, right_names) = (columns(&self.plan), columns(&right));
        let right = LogicalPlanBuilder::from(right).alias("right")?.build()?;
        let left = self.builder().alias("left")?;
        let joined = match how {
            "cross" => left.cross_join(right)?,
            _ => {
                let keys =
                    |side: &str, keys: &[String]| keys.iter().map(|key| of(side, key)).collect::<Vec<_>>();
                let on = (keys("left", left_on), keys("right", right_on));
                left.join_detailed(right, kind, on, None, NullEquality::NullEqualsNothing)?
            }
        };
        let right_key =
            |name: &String| left_on.iter().position(|key| key == name).map(|index| &right_on[index]);
        let mut output: Vec<Expr> = vec![];
        for name in &left_names {
            let own = Expr::Column(of("left", name));
            output.push(match (kind, right_key(name)) {
                (JoinType::Right, Some(key)) => Expr::Column(of("right", key)).alias(name),
                (JoinType::Full, Some(key)) => {
                    coalesce(vec![own, Expr::Column(of("right", key))]).alias(name)
                }
                _ => own.alias(name),
            });
        }
        if !matches!(kind, JoinType::LeftSemi | JoinType::LeftAnti) {
            for name in right_names.iter().filter(|name| how == "cross" || !right_on.contains(name)) {
                let own = Expr::Column(of("right", name));
                let clashes = left_names.contains(name);
                output.push(own.alias(if clashes { format!("{name}{suffix}") } else { name.clone() }));
            }
        }
        joined.project(output)?.build()
    }
}

/// Runs a query and gathers its rows, with a count of rows on a terminal where that is wanted.
async fn gather(frame: Frame, progress: bool) -> swath::Result<QueryResult> {
    let mut stream = frame.stream().await?;
    let spinner = progress.then(|| RowSpinner::start(stream.rows_read()));
    let mut batches = Vec::new();
    while let Some(batch) = stream.try_next().await? {
        batches.push(batch);
    }
    drop(spinner);
    Ok(QueryResult { schema: stream.schema(), batches, receipt: stream.receipt() })
}

/// Runs a statement now; the frame has its rows.
pub fn run_now(py: Python<'_>, session: &Arc<Session>, frame: Frame, progress: bool) -> PyResult<PyFrame> {
    let result = wait_for(py, gather(frame, progress))?;
    PyFrame::computed(session, result)
}

#[pymethods]
impl PyFrame {
    /// Each column: its name, the name of its type, whether it may be null.
    fn schema(&self) -> Vec<(String, String, bool)> {
        let fields = self.plan.schema().fields().iter();
        fields
            .map(|field| (field.name().clone(), data_type::name(field.data_type()), field.is_nullable()))
            .collect()
    }

    /// The expression of a column's name or of SQL text.
    fn parse(&self, text: String) -> PyResult<PyExpression> {
        let parsed = self.scope().expression(Item::Text(text));
        parsed.map(PyExpression).map_err(|error| self.session.translate(error, &self.plan)).raise()
    }

    fn is_computed(&self) -> bool {
        self.result.is_some()
    }

    /// The receipt as text and as JSON; `None` before the frame is computed.
    fn receipt(&self) -> PyResult<Option<(String, String)>> {
        let Some(result) = &self.result else { return Ok(None) };
        let json = serde_json::to_string(&result.receipt)
            .map_err(|error| PyValueError::new_err(error.to_string()))?;
        Ok(Some((result.receipt.to_string(), json)))
    }

    fn select(&self, columns: Vec<Item>) -> PyResult<Self> {
        let scope = self.scope();
        self.derived(scope.columns(columns).and_then(|columns| scope.select(columns)))
    }

    /// Adds columns, or replaces those of the same names; `None` takes the expression's own name.
    fn with_columns(&self, columns: Vec<(Option<String>, Item)>) -> PyResult<Self> {
        let scope = self.scope();
        let compose = || {
            let mut all: Vec<Expr> = scope.all().collect();
            for (name, item) in columns {
                let expr = match name {
                    Some(name) => scope.expression(item)?.unalias().alias(name),
                    None => match scope.columns(vec![item])?.as_slice() {
                        [one] => one.clone(),
                        _ => return Err(DataFusionError::Plan("'*' stands for many columns".into())),
                    },
                };
                let name = output_name(&expr);
                match all.iter_mut().find(|column| output_name(column) == name) {
                    Some(column) => *column = expr,
                    None => all.push(expr),
                }
            }
            scope.project(all)
        };
        self.derived(compose())
    }

    fn filter(&self, predicates: Vec<Item>) -> PyResult<Self> {
        let scope = self.scope();
        let predicates = predicates.into_iter().map(|item| scope.expression(item).map(Expr::unalias));
        let compose = |predicates: Vec<Expr>| match predicates.into_iter().reduce(Expr::and) {
            Some(predicate) => scope.filter(predicate),
            None => Ok(self.plan.clone()),
        };
        self.derived(predicates.collect::<PlanResult<Vec<_>>>().and_then(compose))
    }

    fn aggregate(&self, keys: Vec<Item>, columns: Vec<(Option<String>, Item)>) -> PyResult<Self> {
        let scope = self.scope();
        let compose = || {
            let keys = scope.columns(keys)?;
            let mut named = vec![];
            for (name, item) in columns {
                match name {
                    Some(name) => named.push(scope.expression(item)?.unalias().alias(name)),
                    None => named.extend(scope.columns(vec![item])?),
                }
            }
            scope.aggregate(keys, named)
        };
        self.derived(compose())
    }

    #[pyo3(signature = (right, left_on, right_on, how, suffix))]
    fn join(
        &self,
        right: PyRef<'_, PyFrame>,
        left_on: Vec<String>,
        right_on: Vec<String>,
        how: &str,
        suffix: &str,
    ) -> PyResult<Self> {
        let plan = self.join_plan(right.plan.clone(), &left_on, &right_on, how, suffix);
        // A missing key may be either side's: the error is told by the side that lacks it.
        self.derived(plan)
    }

    /// Sorts by keys: the expression, descending, nulls last.
    fn sort(&self, keys: Vec<(Item, bool, bool)>) -> PyResult<Self> {
        let scope = self.scope();
        let keys = keys.into_iter().map(|(item, descending, nulls_last)| {
            let key = scope.expression(item)?.unalias();
            Ok(Sort::new(key, !descending, !nulls_last))
        });
        let compose = |keys: Vec<Sort>| self.builder().sort(keys)?.build();
        self.derived(keys.collect::<PlanResult<Vec<_>>>().and_then(compose))
    }

    #[pyo3(signature = (skip, fetch))]
    fn limit(&self, skip: usize, fetch: Option<usize>) -> PyResult<Self> {
        self.derived(self.builder().limit(skip, fetch).and_then(LogicalPlanBuilder::build))
    }

    /// One row of those that agree in all columns, or in these.
    fn distinct(&self, columns: Vec<String>) -> PyResult<Self> {
        let compose = || {
            if columns.is_empty() {
                return self.builder().distinct()?.build();
            }
            let scope = self.scope();
            let keys = columns.into_iter().map(|name| scope.expression(Item::Expression(ident(name))));
            let keys = keys.collect::<PlanResult<Vec<_>>>()?;
            self.builder().distinct_on(keys, scope.all().collect(), None)?.build()
        };
        self.derived(compose())
    }

    /// The rows of both; columns are matched by name, or by place.
    fn union(&self, other: PyRef<'_, PyFrame>, by_name: bool) -> PyResult<Self> {
        let other = other.plan.clone();
        let plan = match by_name {
            true => self.builder().union_by_name(other),
            false => self.builder().union(other),
        };
        self.derived(plan.and_then(LogicalPlanBuilder::build))
    }

    /// A row for each value of the lists in these columns.
    fn unnest(&self, columns: Vec<String>) -> PyResult<Self> {
        let names: Vec<&str> = columns.iter().map(String::as_str).collect();
        let unnested = self.data_frame(self.plan.clone()).unnest_columns(&names);
        self.derived(unnested.map(DataFrame::into_unoptimized_plan))
    }

    /// Puts `value` for null, in the columns whose type takes it.
    fn fill_null(&self, value: &Bound<'_, PyAny>, columns: Vec<String>) -> PyResult<Self> {
        let value = ingest::scalar(value)?;
        for name in &columns {
            self.parse(name.clone())?;
        }
        let names: Vec<&str> = columns.iter().map(String::as_str).collect();
        let filled = self.data_frame(self.plan.clone()).fill_null(&value, &names);
        self.derived(filled.map(DataFrame::into_unoptimized_plan))
    }

    /// The physical plan as text, with where each node runs and why.
    fn explain(&self, py: Python<'_>) -> PyResult<String> {
        let frame = self.query();
        wait_for(py, async move { frame.explain().await })
    }

    /// Where the frame would run, in words.
    fn place(&self, py: Python<'_>) -> PyResult<String> {
        let engine = self.session.engine();
        if let Some(reason) = engine.absence() {
            return Ok(format!("host ({reason})"));
        }
        let data_frame = self.data_frame(self.plan.clone());
        let state = self.session.context().state();
        if SwathOptions::of(state.config_options()).placement == Placement::Host {
            return Ok("host (swath.placement = 'host')".into());
        }
        let device = engine.place();
        let session = Arc::clone(&self.session);
        let plan = self.plan.clone();
        let (on_device, all) = wait_for(py, async move {
            let plan =
                data_frame.create_physical_plan().await.map_err(|error| session.translate(error, &plan))?;
            Ok(count_placed(plan.as_ref()))
        })?;
        Ok(match on_device {
            0 => "host".into(),
            on_device if on_device == all => device,
            on_device => format!("{device} ({on_device} of {all} operators) and host"),
        })
    }

    /// Runs the frame; the rows are in the new one.
    fn compute(&self, py: Python<'_>, progress: bool) -> PyResult<Self> {
        if let Some(result) = &self.result {
            let (session, plan, result) = (Arc::clone(&self.session), self.plan.clone(), Arc::clone(result));
            return Ok(PyFrame { session, plan, text: None, result: Some(result) });
        }
        run_now(py, &self.session, self.query(), progress)
    }

    /// Starts the frame and hands out its rows as they come.
    fn batches(&self) -> PyBatches {
        let state = State::Planned(Box::new(self.query()));
        PyBatches { session: Arc::clone(&self.session), state: Mutex::new(state) }
    }

    /// The number of rows.
    fn count(&self, py: Python<'_>, progress: bool) -> PyResult<i64> {
        if let Some(result) = &self.result {
            return Ok(result.rows() as i64);
        }
        let none: [Expr; 0] = [];
        let counted =
            self.derived(self.builder().aggregate(none, [count_all()]).and_then(|plan| plan.build()))?;
        let counted = run_now(py, &self.session, counted.query(), progress)?;
        let batches = &counted.rows()?.batches;
        let count = batches.iter().find(|batch| batch.num_rows() > 0);
        count
            .and_then(|batch| batch.column(0).as_primitive_opt::<Int64Type>())
            .map(|counts| counts.value(0))
            .ok_or_else(|| PyValueError::new_err("a count gave no row"))
    }

    /// Writes the rows to one file, whole or not at all; answers the frame that has the receipt.
    #[pyo3(signature = (path, format, options, progress))]
    fn write(
        &self,
        py: Python<'_>,
        path: PathBuf,
        format: &str,
        options: Vec<(String, String)>,
        progress: bool,
    ) -> PyResult<Self> {
        let data_frame = self.data_frame(self.plan.clone());
        let frame = self.session.write(data_frame, &path, write_format(format, options)?).raise()?;
        run_now(py, &self.session, frame, progress)
    }

    /// Columns of numbers as an array, lazily; the rows are counted now.
    #[pyo3(signature = (columns, as_matrix))]
    fn to_array(&self, py: Python<'_>, columns: Option<Vec<String>>, as_matrix: bool) -> PyResult<PyArray> {
        for name in columns.iter().flatten() {
            self.select(vec![Item::Expression(ident(name))])?;
        }
        let data_frame = self.data_frame(self.plan.clone());
        let session = Arc::clone(&self.session);
        let made = wait_for(py, async move {
            let made = tokio::task::spawn_blocking(move || {
                let names: Option<Vec<&str>> =
                    columns.as_ref().map(|names| names.iter().map(String::as_str).collect());
                from_frame(&session, data_frame, names.as_deref(), as_matrix)
            });
            made.await.map_err(|_| swath::Error::bug("making an array of a frame panicked"))
        })?;
        arrays::remember(&self.session);
        Ok(PyArray::from(made.py()?))
    }

    /// The stream of a computed frame as a capsule.
    #[pyo3(signature = (wanted = None))]
    fn to_stream<'py>(
        &self,
        py: Python<'py>,
        wanted: Option<Bound<'py, PyCapsule>>,
    ) -> PyResult<Bound<'py, PyCapsule>> {
        let result = self.rows()?;
        interchange::export(py, &result.schema, &result.batches, wanted.as_ref())
    }

    /// The schema as a capsule.
    fn to_schema<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyCapsule>> {
        interchange::export_schema(py, self.plan.schema().as_arrow())
    }

    /// The values of a column of a computed frame.
    fn values<'py>(&self, py: Python<'py>, column: usize) -> PyResult<Bound<'py, PyList>> {
        let data_type = self.column_type(column)?;
        export::values(py, &export::whole_column(&self.rows()?.batches, column, data_type)?)
    }

    /// The bytes of a column of a computed frame for NumPy; `None` for a type that it has not.
    fn buffers(&self, column: usize) -> PyResult<Option<export::Buffers>> {
        let data_type = self.column_type(column)?;
        export::buffers(&export::whole_column(&self.rows()?.batches, column, data_type)?)
    }

    /// The first rows of a computed frame as text.
    fn cells(&self, rows_max: usize) -> PyResult<Vec<Vec<Option<String>>>> {
        export::cells(&self.rows()?.batches, rows_max)
    }
}

/// The nodes on a device, and all nodes.
fn count_placed(plan: &dyn ExecutionPlan) -> (usize, usize) {
    let counts = !plan.is::<PlacementExec>();
    let on_device = usize::from(plan.is::<DeviceExec>());
    plan.children()
        .into_iter()
        .map(|child| count_placed(child.as_ref()))
        .fold((on_device, usize::from(counts)), |(on_device, all), (more_on_device, more)| {
            (on_device + more_on_device, all + more)
        })
}

/// The options of a writer by their names.
fn write_format(format: &str, options: Vec<(String, String)>) -> PyResult<WriteFormat> {
    let unknown = |key: &str| PyTypeError::new_err(format!("{format} has no option '{key}'"));
    let bad = |error: DataFusionError| PyValueError::new_err(error.strip_backtrace());
    let compression = |value: &str| {
        value.to_ascii_lowercase().parse::<CompressionTypeVariant>().map_err(|_| {
            PyValueError::new_err(format!(
                "'{value}' is not a compression; use one of: gzip, bzip2, xz, zstd, none"
            ))
        })
    };
    match format {
        "parquet" => {
            let mut parquet = TableParquetOptions::default();
            for (key, value) in options {
                match key.as_str() {
                    "compression" | "max_row_group_size" => parquet.set(&key, &value).map_err(bad)?,
                    _ => return Err(unknown(&key)),
                }
            }
            Ok(WriteFormat::Parquet(Box::new(parquet)))
        }
        "csv" => {
            let mut csv = CsvOptions::default().with_has_header(true);
            for (key, value) in options {
                match key.as_str() {
                    "header" => csv.has_header = Some(value == "true"),
                    "delimiter" => csv.delimiter = value.bytes().next().unwrap_or(b','),
                    "null" => csv.null_value = Some(value),
                    "compression" => csv.compression = compression(&value)?,
                    _ => return Err(unknown(&key)),
                }
            }
            Ok(WriteFormat::Csv(Box::new(csv)))
        }
        "json" => {
            let mut json = JsonOptions::default();
            for (key, value) in options {
                match key.as_str() {
                    "compression" => json.compression = compression(&value)?,
                    _ => return Err(unknown(&key)),
                }
            }
            Ok(WriteFormat::Json(Box::new(json)))
        }
        "arrow" => match options.first() {
            Some((key, _)) => Err(unknown(key)),
            None => Ok(WriteFormat::Arrow),
        },
        _ => Err(PyValueError::new_err(format!("'{format}' is not a format"))),
    }
}

/// The batches of a query that is running.
#[pyclass(frozen, name = "Batches", module = "swath._swath")]
pub struct PyBatches {
    session: Arc<Session>,
    state: Mutex<State>,
}

enum State {
    Planned(Box<Frame>),
    Running(Box<ResultStream>),
    /// At the end, after an error, and while another thread waits for a batch.
    Ended,
}

#[pymethods]
impl PyBatches {
    fn __iter__(slf: PyRef<'_, Self>) -> PyRef<'_, Self> {
        slf
    }

    fn __next__(&self, py: Python<'_>) -> PyResult<Option<PyFrame>> {
        let state =
            std::mem::replace(&mut *self.state.lock().unwrap_or_else(PoisonError::into_inner), State::Ended);
        let next = wait_for(py, async move {
            let mut stream = match state {
                State::Planned(frame) => Box::new(frame.stream().await?),
                State::Running(stream) => stream,
                State::Ended => return Ok(None),
            };
            let batch = stream.try_next().await?;
            Ok(batch.map(|batch| (stream, batch)))
        })?;
        let Some((stream, batch)): Option<(Box<ResultStream>, RecordBatch)> = next else { return Ok(None) };
        let (schema, receipt) = (stream.schema(), stream.receipt());
        *self.state.lock().unwrap_or_else(PoisonError::into_inner) = State::Running(stream);
        PyFrame::computed(&self.session, QueryResult { schema, batches: vec![batch], receipt }).map(Some)
    }
}
