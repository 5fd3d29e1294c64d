//! Runs cases: on plain DataFusion, and on the device with tables there and with tables to upload.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::compute::concat_batches;
use arrow::datatypes::SchemaRef;
use datafusion::datasource::MemTable;
use datafusion::error::DataFusionError;
use datafusion::prelude::{SessionConfig, SessionContext};
use indicatif::ProgressBar;
use serde::Serialize;

use super::case::{Case, Family};
use crate::bench::question::Question;
use crate::bench::reference::{Outcome, Reference};
use crate::bench::run::{DeviceWork, timed};
use crate::config::{Config, Fallback, Placement};
use crate::error::{Error, Result};
use crate::session::Session;

/// What was measured of one case. Times are of each round, in milliseconds.
#[derive(Clone, Debug, Serialize)]
pub struct CaseReport {
    pub operator: &'static str,
    pub case: String,
    /// Rows of its tables.
    pub rows: u64,
    pub rows_out: usize,
    /// DataFusion on the CPU, from the text to the last row.
    pub host_ms: Vec<f64>,
    /// What a device did; `None` where there is none.
    pub device: Option<DeviceReport>,
    /// Where the answers differ, or what failed.
    pub fault: Option<String>,
}

/// What a device did in one case.
#[derive(Clone, Debug, Default, Serialize)]
pub struct DeviceReport {
    /// Device memory of the tables' columns, all of which are read.
    pub column_bytes: u64,
    /// The kernels' own time with the tables in device memory, by events on the device.
    pub kernel_ms: Vec<f64>,
    /// From the text to the last row with the tables in device memory.
    pub resident_ms: Vec<f64>,
    /// From the text to the last row with the tables in host memory.
    pub upload_ms: Vec<f64>,
    /// The first run: it compiles what the cache does not have.
    pub cold_ms: f64,
    pub kernels_compiled: u64,
    pub compile_ms: f64,
    /// Kernels launched by one run over tables in device memory.
    pub kernels_launched: u64,
    /// The most device memory that was reserved at a time, the tables included.
    pub peak_bytes: u64,
}

impl CaseReport {
    fn new(case: &Case, rows: u64) -> Self {
        CaseReport {
            operator: case.operator,
            case: case.name.clone(),
            rows,
            rows_out: 0,
            host_ms: Vec::new(),
            device: None,
            fault: None,
        }
    }
}

/// Opens a session that runs on the device or fails.
///
/// # Errors
/// A configuration that cannot be met.
pub fn device_session(config: &Config) -> Result<Session> {
    Session::with_config(Config { placement: Placement::Device, fallback: Fallback::Error, ..config.clone() })
}

/// Runs all cases of a family, `rounds` times each after one that is not counted; the device's where `device` is a
/// session for it. What fails is part of the report. `bar` advances by one for each case.
///
/// # Errors
/// Tables that cannot be made.
pub async fn family(
    family: &Family,
    rounds: usize,
    partitions: usize,
    device: Option<&Session>,
    bar: &ProgressBar,
) -> Result<Vec<CaseReport>> {
    let tables = family
        .tables
        .iter()
        .map(|table| Ok((table.name, Arc::new(table.generate(partitions)?))))
        .collect::<Result<Vec<_>>>()?;
    let host = host_context(partitions, &tables)?;
    let mut reports = Vec::new();
    let mut answers = Vec::new();
    for case in &family.cases {
        bar.set_message(format!("{} {}", case.operator, case.name));
        let mut report = CaseReport::new(case, family.rows());
        let answer = on_host(&host, case, rounds, &mut report).await?;
        report.rows_out = answer.rows();
        answers.push(Expected::of(case, answer)?);
        reports.push(report);
        if device.is_none() {
            bar.inc(1);
        }
    }
    let Some(session) = device else { return Ok(reports) };
    register(session.context(), &tables)?;
    for ((case, report), expected) in family.cases.iter().zip(&mut reports).zip(&answers) {
        bar.set_message(format!("{} {}, upload", case.operator, case.name));
        report.device = Some(DeviceReport::default());
        if let Err(error) = with_upload(session, case, rounds, expected, report).await {
            report.fault.get_or_insert(error.to_string());
        }
    }
    let mut column_bytes = 0;
    for (table, _) in &tables {
        column_bytes += session.pin(table).await?.bytes;
    }
    for ((case, report), expected) in family.cases.iter().zip(&mut reports).zip(&answers) {
        bar.set_message(format!("{} {}, resident", case.operator, case.name));
        if let Some(of_device) = &mut report.device {
            of_device.column_bytes = column_bytes;
        }
        if let Err(error) = resident(session, case, rounds, expected, report).await {
            report.fault.get_or_insert(error.to_string());
        }
        bar.inc(1);
    }
    for (table, _) in &tables {
        session.context().deregister_table(*table).map_err(failed)?;
    }
    Ok(reports)
}

/// A DataFusion context over tables, without anything of ours.
///
/// # Errors
/// Two tables of one name.
pub fn host_context(partitions: usize, tables: &[(&'static str, Arc<MemTable>)]) -> Result<SessionContext> {
    let config = SessionConfig::new().with_target_partitions(partitions);
    let context = SessionContext::new_with_config(config);
    register(&context, tables)?;
    Ok(context)
}

fn register(context: &SessionContext, tables: &[(&'static str, Arc<MemTable>)]) -> Result<()> {
    for (name, table) in tables {
        context.register_table(*name, Arc::clone(table) as Arc<_>).map_err(failed)?;
    }
    Ok(())
}

/// Runs a query on plain DataFusion.
///
/// # Errors
/// DataFusion's own.
pub async fn collect(context: &SessionContext, sql: &str) -> Result<Outcome> {
    let frame = context.sql(sql).await.map_err(failed)?;
    let schema = Arc::clone(frame.schema().inner());
    let batches = frame.collect().await.map_err(failed)?;
    Ok(Outcome { schema, batches })
}

async fn on_host(
    context: &SessionContext,
    case: &Case,
    rounds: usize,
    report: &mut CaseReport,
) -> Result<Outcome> {
    let mut answer = collect(context, &case.sql).await?;
    for _ in 0..rounds {
        let (elapsed, again) = timed(collect(context, &case.sql)).await?;
        report.host_ms.push(elapsed);
        answer = again;
    }
    Ok(answer)
}

async fn with_upload(
    session: &Session,
    case: &Case,
    rounds: usize,
    expected: &Expected,
    report: &mut CaseReport,
) -> Result<()> {
    for round in 0..=rounds {
        let (elapsed, work, _) = once(session, case, expected, report).await?;
        let Some(device) = &mut report.device else { continue };
        if round == 0 {
            device.cold_ms = elapsed;
            device.kernels_compiled = work.kernels_compiled;
            device.compile_ms = work.compile_ms;
        } else {
            device.upload_ms.push(elapsed);
        }
    }
    Ok(())
}

async fn resident(
    session: &Session,
    case: &Case,
    rounds: usize,
    expected: &Expected,
    report: &mut CaseReport,
) -> Result<()> {
    for round in 0..=rounds {
        let (elapsed, work, peak_bytes) = once(session, case, expected, report).await?;
        let Some(device) = &mut report.device else { continue };
        device.kernels_launched = work.kernels_launched;
        device.peak_bytes = device.peak_bytes.max(peak_bytes);
        if round > 0 {
            device.resident_ms.push(elapsed);
            device.kernel_ms.push(work.kernel_ms);
        }
    }
    Ok(())
}

/// Runs a case on the device and checks its answer; says how long it took, what the device did, and its peak memory.
async fn once(
    session: &Session,
    case: &Case,
    expected: &Expected,
    report: &mut CaseReport,
) -> Result<(f64, DeviceWork, u64)> {
    let (elapsed, result) = timed(async { session.sql(&case.sql).await?.collect().await }).await?;
    let work = DeviceWork::of(&result.receipt);
    let peak_bytes = result.receipt.device_operators().map(|operator| operator.peak_bytes).max();
    if work.kernels_launched == 0 {
        return Err(Error::device("no kernel was launched"));
    }
    if let Err(difference) = expected.check(&Outcome { schema: result.schema, batches: result.batches })? {
        report.fault.get_or_insert(difference);
    }
    Ok((elapsed, work, peak_bytes.unwrap_or(0)))
}

/// What the device must answer.
enum Expected {
    /// Rows in this order.
    InOrder(RecordBatch),
    AnyOrder(Box<(Question, Reference)>),
}

impl Expected {
    fn of(case: &Case, answer: Outcome) -> Result<Expected> {
        if case.ordered {
            return Ok(Expected::InOrder(whole(&answer.schema, &answer.batches)?));
        }
        let question = Question {
            number: 1,
            name: case.name.clone(),
            text: case.sql.clone(),
            partial_order: Some(&[]),
            cut: None,
            kept: None,
        };
        let (reference, _) = Reference::of(&question, &answer, None)?;
        Ok(Expected::AnyOrder(Box::new((question, reference))))
    }

    fn check(&self, answer: &Outcome) -> Result<std::result::Result<(), String>> {
        match self {
            Expected::AnyOrder(expected) => expected.1.check(&expected.0, answer),
            Expected::InOrder(expected) => {
                let found = whole(&answer.schema, &answer.batches)?;
                Ok(match found.columns() == expected.columns() {
                    true => Ok(()),
                    false => Err("rows differ from the CPU's, or their order does".to_string()),
                })
            }
        }
    }
}

fn whole(schema: &SchemaRef, batches: &[RecordBatch]) -> Result<RecordBatch> {
    concat_batches(schema, batches).map_err(|error| Error::bug(error.to_string()))
}

fn failed(error: DataFusionError) -> Error {
    Error::io(format!("DataFusion: {}", error.strip_backtrace()))
}
