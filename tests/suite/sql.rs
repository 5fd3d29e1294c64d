//! The sqllogictest files of `tests/sql`, each under the host and on simulated devices, with the same expected answers.
//!
//! A file that launches no kernel on the device fails, for it would prove nothing there, unless its first line is
//! `# host-only: <reason>`. What each file ran where is printed: `cargo nextest run --workspace sql::
//! --success-output immediate` shows it. `SWATH_TEST_COMPLETE=1` writes the host's answers into a file instead of
//! checking it; they are then to be checked against another engine or by thought before they are kept.

use std::collections::BTreeSet;
use std::future::ready;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use arrow::array::{Array, AsArray};
use arrow::compute::concat_batches;
use arrow::datatypes::{DataType, Float16Type, Float32Type, Float64Type};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use async_trait::async_trait;
use datafusion::datasource::MemTable;
use sqllogictest::{
    AsyncDB, ColumnType, DBOutput, Record, Runner, default_normalizer, default_validator, parse_file,
    strict_column_validator,
};
use swath::config::{Config, Fallback, Placement};
use swath::device::launch_count;
use swath::session::{QueryResult, Session};

use crate::simulator::{kernel_folder, mode, use_device};

const COMPLETE: &str = "SWATH_TEST_COMPLETE";

/// One way to run every file.
struct Variant {
    name: &'static str,
    lazy: bool,
    /// Whether tables are cut into slices over two partitions, and batches are small: then even a table of few rows
    /// comes in several batches, with offsets that are not zero.
    sliced: bool,
    config: Config,
}

impl Variant {
    fn device(name: &'static str) -> Variant {
        let config = Config {
            placement: Placement::Device,
            fallback: Fallback::Allow,
            cache_dir: Some(kernel_folder()),
            target_partitions: Some(1),
            chunk_bytes_target: Some(64 << 10),
            ..Config::default()
        };
        Variant { name, lazy: false, sliced: false, config }
    }

    fn all() -> [Variant; 4] {
        let host = Variant {
            name: "host",
            lazy: false,
            sliced: false,
            config: Config { placement: Placement::Host, target_partitions: Some(2), ..Config::default() },
        };
        let mut lazy = Variant::device("device, lazy, sliced tables");
        lazy.lazy = true;
        lazy.sliced = true;
        lazy.config.target_partitions = Some(2);
        lazy.config.chunk_bytes_target = Some(16 << 10);
        let mut short = Variant::device("device, short of memory");
        short.config.device_memory_limit = Some(300_000);
        [host, Variant::device("device, eager"), lazy, short]
    }

    fn on_device(&self) -> bool {
        self.config.placement == Placement::Device
    }
}

/// What the queries of a file did.
#[derive(Default)]
struct Tally {
    queries: usize,
    /// Queries that launched a kernel.
    on_device: usize,
    kernels: u64,
    fallbacks: BTreeSet<String>,
}

impl Tally {
    fn add(&mut self, result: &QueryResult) {
        let launched = result.receipt.totals.kernels_launched;
        self.queries += 1;
        self.on_device += usize::from(launched > 0);
        self.kernels += launched;
        for fallback in &result.receipt.fallbacks {
            self.fallbacks.insert(format!("{}: {}", fallback.operator, fallback.reason));
        }
    }
}

struct Database {
    session: Session,
    sliced: bool,
    tally: Arc<Mutex<Tally>>,
}

impl Database {
    /// Replaces a table by its slices, dealt to two partitions.
    async fn slice(&self, table: &str) {
        let context = self.session.context();
        let frame = context.table(table).await.expect("was created");
        let schema = Arc::clone(frame.schema().inner());
        let batches = frame.collect().await.expect("is in memory");
        let whole = concat_batches(&schema, &batches).expect("all of one table");
        let rows = (whole.num_rows() / 12).max(1);
        let mut partitions = vec![vec![], vec![]];
        for (index, from) in (0..whole.num_rows()).step_by(rows).enumerate() {
            partitions[index % 2].push(whole.slice(from, rows.min(whole.num_rows() - from)));
        }
        let sliced = MemTable::try_new(schema, partitions).expect("slices have the table's schema");
        context.deregister_table(table).expect("is there");
        context.register_table(table, Arc::new(sliced)).expect("the name is free");
    }
}

/// The table that a statement creates.
fn created_table(sql: &str) -> Option<&str> {
    let rest = sql.strip_prefix("CREATE ")?;
    let rest = rest.strip_prefix("OR REPLACE ").unwrap_or(rest).strip_prefix("TABLE ")?;
    rest.split_ascii_whitespace().next()
}

#[async_trait]
impl AsyncDB for Database {
    type Error = swath::Error;
    type ColumnType = Kind;

    async fn run(&mut self, sql: &str) -> Result<DBOutput<Kind>, swath::Error> {
        let result = self.session.sql(sql).await?.collect().await?;
        if result.schema.fields().is_empty() {
            if let (true, Some(table)) = (self.sliced, created_table(sql)) {
                self.slice(table).await;
            }
            return Ok(DBOutput::StatementComplete(0));
        }
        self.tally.lock().expect("no thread panics while it holds this lock").add(&result);
        let types = result.schema.fields().iter().map(|field| Kind::of(field.data_type())).collect();
        let mut rows = vec![];
        for batch in &result.batches {
            for row in 0..batch.num_rows() {
                rows.push(batch.columns().iter().map(|column| cell(column, row)).collect());
            }
        }
        Ok(DBOutput::Rows { types, rows })
    }

    async fn shutdown(&mut self) {}
}

/// A column's type as the files write it: one letter, as in DataFusion's own files.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Kind {
    Boolean,
    Date,
    Integer,
    Timestamp,
    /// Floats and decimals.
    Real,
    Text,
    Other,
}

impl Kind {
    fn of(data_type: &DataType) -> Kind {
        match data_type {
            DataType::Boolean => Kind::Boolean,
            DataType::Date32 | DataType::Date64 => Kind::Date,
            DataType::Timestamp(..) => Kind::Timestamp,
            DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => Kind::Text,
            DataType::Dictionary(_, values) => Kind::of(values),
            other if other.is_integer() => Kind::Integer,
            other if other.is_floating() || other.is_decimal() => Kind::Real,
            _ => Kind::Other,
        }
    }
}

impl ColumnType for Kind {
    fn from_char(letter: char) -> Option<Kind> {
        Some(match letter {
            'B' => Kind::Boolean,
            'D' => Kind::Date,
            'I' => Kind::Integer,
            'P' => Kind::Timestamp,
            'R' => Kind::Real,
            'T' => Kind::Text,
            '?' => Kind::Other,
            _ => return None,
        })
    }

    fn to_char(&self) -> char {
        match self {
            Kind::Boolean => 'B',
            Kind::Date => 'D',
            Kind::Integer => 'I',
            Kind::Timestamp => 'P',
            Kind::Real => 'R',
            Kind::Text => 'T',
            Kind::Other => '?',
        }
    }
}

/// A value as the files write it. Floats keep 12 digits (7 of single precision): a sum's last digits depend on its
/// order, and a device's functions differ in theirs.
fn cell(column: &dyn Array, row: usize) -> String {
    if column.is_null(row) {
        return "NULL".to_string();
    }
    match column.data_type() {
        DataType::Float16 => float(column.as_primitive::<Float16Type>().value(row).to_f64(), 3),
        DataType::Float32 => float(column.as_primitive::<Float32Type>().value(row).into(), 7),
        DataType::Float64 => float(column.as_primitive::<Float64Type>().value(row), 12),
        _ => {
            let options = FormatOptions::default().with_null("NULL");
            let text = ArrayFormatter::try_new(column, &options)
                .map(|formatter| formatter.value(row).to_string())
                .unwrap_or_else(|error| error.to_string());
            // The files are compared without regard to the width of spaces: those that matter are made visible.
            match text.as_str() {
                "" => "(empty)".to_string(),
                _ if text.trim() != text || text.contains("  ") => text.replace(' ', "␣"),
                _ => text.replace('\n', "\\n"),
            }
        }
    }
}

fn float(value: f64, digits: usize) -> String {
    let rounded: f64 =
        format!("{value:.*e}", digits - 1).parse().expect("what Rust prints of a float it also reads");
    match rounded.abs() {
        0.0 | 1e-4..1e16 => format!("{rounded}"),
        _ => format!("{rounded:e}"),
    }
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/sql")
}

/// Runs one file under every variant; fails with all that is wrong in it.
fn check(name: &str) {
    let path = folder().join(format!("{name}.slt"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let host_only = text.starts_with("# host-only: ");
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let runtime = runtime.expect("a runtime starts");
    let complete = std::env::var_os(COMPLETE).is_some();
    let mut wrong = vec![];
    for variant in Variant::all() {
        let tally = Arc::new(Mutex::new(Tally::default()));
        let launched = launch_count();
        let failures = runtime.block_on(run(&path, &variant, &tally, complete));
        if complete {
            return;
        }
        let tally = tally.lock().expect("no thread panics while it holds this lock");
        println!(
            "{name} ({}): {} queries, {} with kernels, {} kernels launched",
            variant.name, tally.queries, tally.on_device, tally.kernels
        );
        for fallback in &tally.fallbacks {
            println!("    fell back: {fallback}");
        }
        wrong.extend(failures.into_iter().map(|failure| format!("{}: {failure}", variant.name)));
        if variant.on_device() && !host_only && (tally.kernels == 0 || launch_count() == launched) {
            wrong.push(format!("{}: {} launched no kernel", variant.name, path.display()));
        }
    }
    assert!(wrong.is_empty(), "{} failures\n\n{}", wrong.len(), wrong.join("\n"));
}

/// Runs all records of a file in one session; answers those that failed, with file and line.
async fn run(path: &Path, variant: &Variant, tally: &Arc<Mutex<Tally>>, complete: bool) -> Vec<String> {
    // Before any session: what devices there are is found out once.
    use_device();
    // The host's answers come from no device: it takes whatever mode there is.
    let _mode = variant.on_device().then(|| mode(variant.lazy));
    let session = Session::with_config(variant.config.clone()).expect("the session starts");
    if variant.on_device() {
        assert_eq!(session.engine().absence(), None);
    }
    if variant.sliced {
        session.set("datafusion.execution.batch_size", "100").await.expect("is an option");
    }
    let mut database = Some(Database { session, sliced: variant.sliced, tally: Arc::clone(tally) });
    let mut runner = Runner::new(|| ready(Ok(database.take().expect("the files use one connection"))));
    runner.with_column_validator(strict_column_validator);
    if complete {
        let done = runner
            .update_test_file(path, " ", default_validator, default_normalizer, strict_column_validator)
            .await;
        done.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        return vec![];
    }
    let records: Vec<Record<Kind>> = parse_file(path).unwrap_or_else(|error| panic!("{error}"));
    let mut failures = vec![];
    for record in records {
        if let Err(error) = runner.run_async(record).await {
            failures.push(error.to_string());
        }
    }
    failures
}

/// A test for each file, so that one failure hides no other.
macro_rules! files {
    ($($name:ident),* $(,)?) => {
        $(
            #[test]
            fn $name() {
                check(stringify!($name));
            }
        )*

        const FILES: &[&str] = &[$(stringify!($name)),*];
    };
}

files!(
    aggregates,
    aggregates_distinct,
    aggregates_statistics,
    arithmetic,
    casts,
    conditionals,
    ctes,
    dates,
    dictionaries_and_binary,
    distinct,
    errors,
    group_by,
    grouping_sets,
    joins_inner,
    joins_nested_loop,
    joins_outer,
    joins_semi_anti,
    large_tables,
    like_and_regexp,
    nested,
    nulls,
    recursive_ctes,
    set_operations,
    sort,
    strings,
    subqueries,
    types_decimals,
    types_floats,
    types_integers,
    types_times,
    values,
    windows,
    windows_frames,
);

#[test]
fn every_file_has_a_test() {
    let mut found: Vec<String> = std::fs::read_dir(folder())
        .expect("the folder is there")
        .map(|entry| entry.expect("is readable").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "slt"))
        .map(|path| path.file_stem().expect("has a name").to_string_lossy().into_owned())
        .collect();
    found.sort();
    let mut listed = FILES.to_vec();
    listed.sort();
    assert_eq!(found, listed);
}
