//! Queries over `lineitem` pinned in device memory: how long their kernels take, and how many bytes those read.

use std::path::Path;

use serde::Serialize;

use super::answer;
use super::query::Query;
use super::table::Table;
use crate::bench::answer::{Answer, of_batches};
use crate::bench::compare::compare;
use crate::bench::run::{DeviceWork, timed};
use crate::config::{Config, Fallback, Placement};
use crate::error::{Error, Result};
use crate::session::{Session, TableSource};

/// The queries that read `lineitem` alone, by number, with the columns that each reads.
const QUERIES: [(&str, &[&str]); 2] = [
    ("6", &["l_quantity", "l_extendedprice", "l_discount", "l_shipdate"]),
    (
        "1",
        &[
            "l_quantity",
            "l_extendedprice",
            "l_discount",
            "l_tax",
            "l_returnflag",
            "l_linestatus",
            "l_shipdate",
        ],
    ),
];

/// What is run.
#[derive(Clone, Debug)]
pub struct PinnedBench<'a> {
    /// The folder with the table files.
    pub folder: &'a Path,
    pub scale_factor: f64,
    /// Runs of each query after the first.
    pub iterations: usize,
    /// A folder without kernels; they are kept there.
    pub kernel_folder: &'a Path,
}

/// What was measured.
#[derive(Clone, Debug, Serialize)]
pub struct PinnedReport {
    pub rows: u64,
    /// Device memory of the whole table.
    pub table_bytes: u64,
    /// From the file to the device's memory.
    pub pin_ms: f64,
    pub queries: Vec<PinnedQuery>,
}

/// One query.
#[derive(Clone, Debug, Serialize)]
pub struct PinnedQuery {
    pub query: usize,
    /// Rows of the answer.
    pub rows: usize,
    /// Device memory of the columns that the query reads. Kernels that filter may read less of some.
    pub column_bytes: u64,
    /// The first run of a session that found no kernel on disk.
    pub cold: DeviceWork,
    pub cold_ms: f64,
    /// The first run of the next session, which loads from disk what the first compiled.
    pub second: DeviceWork,
    pub second_ms: f64,
    /// The kernels' own time in each later run, by events on the device.
    pub kernel_ms: Vec<f64>,
    /// From the text to the last row in each later run.
    pub wall_ms: Vec<f64>,
    /// Kernels launched by one run.
    pub kernels_launched: u64,
    /// Kernels compiled by all runs but the cold one.
    pub kernels_compiled_later: u64,
    /// Bytes of the columns over the best time of the kernels; 0 where no time passed, as on a simulated device.
    pub bytes_per_second: f64,
}

/// Pins `lineitem` in one session for cold runs, then in another for all further ones; every answer is checked.
///
/// # Errors
/// Without a device; where the table does not fit in its memory; where a query fails, falls back to the CPU, or
/// answers wrong.
pub async fn run(bench: &PinnedBench<'_>) -> Result<PinnedReport> {
    let host = Session::with_config(Config { placement: Placement::Host, ..Config::default() })?;
    register(&host, bench).await?;
    let mut queries = Vec::new();
    let mut references = Vec::new();
    let cold = session(bench)?;
    register(&cold, bench).await?;
    cold.pin(Table::LineItem.name()).await?;
    for (number, _) in QUERIES {
        let query: Query = number.parse()?;
        let reference = match answer::kept(query, bench.scale_factor) {
            Some(kept) => kept?,
            None => once(&host, query, bench, None).await?.answer,
        };
        let run = once(&cold, query, bench, Some(&reference)).await?;
        queries.push(PinnedQuery {
            query: query.number(),
            rows: run.answer.rows.len(),
            column_bytes: 0,
            cold: run.work,
            cold_ms: run.wall_ms,
            second: DeviceWork::default(),
            second_ms: 0.0,
            kernel_ms: Vec::new(),
            wall_ms: Vec::new(),
            kernels_launched: 0,
            kernels_compiled_later: 0,
            bytes_per_second: 0.0,
        });
        references.push((query, reference));
    }
    // Its device memory goes with it.
    drop(cold);
    let warm = session(bench)?;
    register(&warm, bench).await?;
    let pinned = warm.pin(Table::LineItem.name()).await?;
    for ((entry, (query, reference)), (_, columns)) in queries.iter_mut().zip(&references).zip(QUERIES) {
        let read = pinned.columns.iter().filter(|column| columns.contains(&column.name.as_str()));
        entry.column_bytes = read.map(|column| column.bytes).sum();
        let second = once(&warm, *query, bench, Some(reference)).await?;
        entry.kernels_compiled_later = second.work.kernels_compiled;
        (entry.second, entry.second_ms) = (second.work, second.wall_ms);
        for _ in 0..bench.iterations {
            let run = once(&warm, *query, bench, Some(reference)).await?;
            entry.kernel_ms.push(run.work.kernel_ms);
            entry.wall_ms.push(run.wall_ms);
            entry.kernels_launched = run.work.kernels_launched;
            entry.kernels_compiled_later += run.work.kernels_compiled;
        }
        let best = entry.kernel_ms.iter().copied().min_by(f64::total_cmp).unwrap_or(0.0);
        if best > 0.0 {
            entry.bytes_per_second = entry.column_bytes as f64 / best * 1e3;
        }
    }
    Ok(PinnedReport {
        rows: pinned.rows,
        table_bytes: pinned.bytes,
        pin_ms: pinned.elapsed.as_secs_f64() * 1e3,
        queries,
    })
}

/// A session that runs on the device or fails.
fn session(bench: &PinnedBench<'_>) -> Result<Session> {
    Session::with_config(Config {
        placement: Placement::Device,
        fallback: Fallback::Error,
        cache_dir: Some(bench.kernel_folder.to_path_buf()),
        ..Config::default()
    })
}

async fn register(session: &Session, bench: &PinnedBench<'_>) -> Result<()> {
    let file = Table::LineItem.file(bench.folder);
    session.register(Table::LineItem.name(), &TableSource::path(file.display().to_string())).await
}

/// One run of a query.
struct Once {
    answer: Answer,
    work: DeviceWork,
    wall_ms: f64,
}

/// Runs a query; compares its answer with `reference`, where there is one.
async fn once(
    session: &Session,
    query: Query,
    bench: &PinnedBench<'_>,
    reference: Option<&Answer>,
) -> Result<Once> {
    let text = query.text(bench.scale_factor);
    let ran = timed(async { session.sql(&text).await?.collect().await }).await;
    let (wall_ms, result) = ran.map_err(|error| error.context(query))?;
    let answer = of_batches(&result.schema, &result.batches)?;
    if let Some(reference) = reference {
        compare(reference, &answer, query.partial_order())
            .map_err(|difference| Error::device(format!("{query} answers wrong: {difference}")))?;
    }
    Ok(Once { answer, work: DeviceWork::of(&result.receipt), wall_ms })
}
