//! The CPU: the times of DataFusion's operators on one core, and what several cores make of them.

use std::sync::Arc;
use std::time::{Duration, Instant};

use datafusion::error::DataFusionError;
use datafusion::execution::options::ParquetReadOptions;
use datafusion::parquet::arrow::ArrowWriter;
use datafusion::parquet::basic::{Compression, ZstdLevel};
use datafusion::parquet::file::properties::WriterProperties;
use datafusion::physical_plan::collect;
use datafusion::prelude::SessionContext;
use indicatif::ProgressBar;

use super::Fitted;
use super::fit::{Sample, fit};
use super::probe::{Probe, decode, operators, probes, tables};
use crate::device::PinnedBuffer;
use crate::error::{Error, Result};
use crate::operator_bench::data::{TableSpec, Values};
use crate::operator_bench::run::host_context;
use crate::plan::cost::HostCosts;

/// Runs of a query; the best counts.
const RUNS: usize = 3;
/// Runs of a query over one row, which takes no time.
const SHORT_RUNS: usize = 50;
/// Bytes that are gathered into one buffer, and the size of the pieces: a column of a batch.
const STAGED_BYTES: usize = 64 << 20;
const PIECE_BYTES: usize = 64 << 10;

/// Steps that [`measure`] advances its bar by.
pub fn steps() -> u64 {
    probes(1).len() as u64 + 5
}

/// Measures the CPU over tables of `rows` rows; what is not measured stays as in `old`.
///
/// # Errors
/// A temporary file that cannot be written; DataFusion's own.
pub async fn measure(
    old: &HostCosts,
    rows: u64,
    cores: usize,
    bar: &ProgressBar,
) -> Result<Fitted<HostCosts>> {
    bar.set_message("host: tables");
    let specs = tables(rows);
    let generated = specs
        .iter()
        .map(|table| Ok((table.name, Arc::new(table.generate(1)?))))
        .collect::<Result<Vec<_>>>()?;
    let one = host_context(1, &generated)?;
    bar.inc(1);
    let folder = tempfile::tempdir()
        .map_err(|error| Error::io(format!("cannot make a temporary folder for a table: {error}")))?;
    let path = folder.path().join("f.parquet");
    write_parquet(&path, rows)?;
    let path = path.display().to_string();
    one.register_parquet("f", &path, ParquetReadOptions::default()).await.map_err(failed)?;
    bar.inc(1);
    let mut all = probes(rows);
    all.extend([operators(), decode(rows)]);
    let (mut whats, mut samples) = (Vec::new(), Vec::new());
    for probe in &all {
        bar.set_message(format!("host: {}", probe.what));
        let runs = if probe.tree.inputs[0].rows.rows < 2.0 { SHORT_RUNS } else { RUNS };
        let seconds = best_seconds(&one, probe, runs).await?;
        let units = probe.tree.host_units().terms(old).map(|(units, _)| units).to_vec();
        whats.push(probe.what);
        samples.push(Sample { units, seconds });
        bar.inc(1);
    }
    let start = all[0].tree.host_units().terms(old).map(|(_, each)| each);
    let found = fit(&samples, &start);
    bar.set_message("host: several cores");
    let core_share = match cores {
        1 => old.core_share,
        cores => core_share(&specs, &all, &whats, &samples, cores).await?,
    };
    bar.inc(1);
    let rate = |index: usize| 1.0 / found[index];
    let costs = HostCosts {
        nodes_per_s: rate(0),
        copy_bytes_per_s: rate(1),
        groups_per_s: rate(2),
        group_misses_per_s: rate(3),
        joins_per_s: rate(4),
        join_misses_per_s: rate(5),
        aggregates_per_s: rate(6),
        compares_per_s: rate(7),
        window_values_per_s: rate(8),
        decode_bytes_per_s: rate(9),
        operator_s: found[10],
        stage_bytes_per_s: stage_bytes_per_s()?,
        core_share,
    };
    Ok(Fitted::of(costs, &whats, &samples, &found))
}

/// The best time of a query from its plan to its last row.
async fn best_seconds(context: &SessionContext, probe: &Probe, runs: usize) -> Result<f64> {
    let mut best = Duration::MAX;
    for _ in 0..runs {
        let frame = context.sql(probe.sql).await.map_err(failed)?;
        let plan = frame.create_physical_plan().await.map_err(failed)?;
        let started = Instant::now();
        collect(plan, context.task_ctx()).await.map_err(failed)?;
        best = best.min(started.elapsed());
    }
    Ok(best.as_secs_f64())
}

/// The share of their number by which so many cores are faster than one: the geometric mean over some of the probes.
async fn core_share(
    specs: &[TableSpec],
    probes: &[Probe],
    whats: &[&'static str],
    samples: &[Sample],
    cores: usize,
) -> Result<f64> {
    const PROBES: [&str; 4] = ["ten expression nodes", "few groups", "join with many rows", "sort"];
    let generated = specs
        .iter()
        .map(|table| Ok((table.name, Arc::new(table.generate(cores)?))))
        .collect::<Result<Vec<_>>>()?;
    let context = host_context(cores, &generated)?;
    let mut logarithms = 0.0;
    for what in PROBES {
        let index = whats.iter().position(|other| *other == what);
        let index = index.ok_or_else(|| Error::bug(format!("there is no probe '{what}'")))?;
        let together = best_seconds(&context, &probes[index], RUNS).await?;
        logarithms += (samples[index].seconds / together.max(1e-9)).ln();
    }
    let faster = (logarithms / PROBES.len() as f64).exp();
    Ok((faster / cores as f64).clamp(1.0 / cores as f64, 1.0))
}

/// How fast one core gathers the columns of batches into one buffer.
fn stage_bytes_per_s() -> Result<f64> {
    let source = PinnedBuffer::new(STAGED_BYTES, None)?;
    let mut target = PinnedBuffer::new(STAGED_BYTES, None)?;
    let mut best = Duration::MAX;
    // The first run meets pages that are not there yet.
    for _ in 0..=RUNS {
        let started = Instant::now();
        let pieces = source.as_slice().chunks(PIECE_BYTES);
        for (from, into) in pieces.zip(target.as_mut_slice().chunks_mut(PIECE_BYTES)) {
            into.copy_from_slice(from);
        }
        std::hint::black_box(target.as_slice());
        best = best.min(started.elapsed());
    }
    Ok(STAGED_BYTES as f64 / best.as_secs_f64().max(1e-9))
}

/// Writes the table `f(a, c, x)` as other tools do.
fn write_parquet(path: &std::path::Path, rows: u64) -> Result<()> {
    let shown =
        |error: &dyn std::fmt::Display| Error::io(format!("cannot write '{}': {error}", path.display()));
    let columns = [("a", Values::Below(1 << 30)), ("c", Values::Unique), ("x", Values::Float)];
    let batches = TableSpec::new("f", rows, &columns).batches()?;
    let file = std::fs::File::create(path).map_err(|error| shown(&error))?;
    let level = ZstdLevel::try_new(1).map_err(|error| shown(&error))?;
    let properties = WriterProperties::builder().set_compression(Compression::ZSTD(level)).build();
    let schema = batches.first().ok_or_else(|| Error::bug("a table without a batch"))?.schema();
    let mut writer = ArrowWriter::try_new(file, schema, Some(properties)).map_err(|error| shown(&error))?;
    for batch in &batches {
        writer.write(batch).map_err(|error| shown(&error))?;
    }
    writer.close().map_err(|error| shown(&error))?;
    Ok(())
}

fn failed(error: DataFusionError) -> Error {
    Error::io(format!("DataFusion: {}", error.strip_backtrace()))
}
