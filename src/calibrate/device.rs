//! The device: the times of kernels over tables in its memory, of copies, launches and tasks, and of compiling.

use std::sync::Arc;
use std::time::Instant;

use indicatif::ProgressBar;

use super::Fitted;
use super::fit::{Sample, fit};
use super::probe::{probes, tables};
use crate::bench::run::DeviceWork;
use crate::config::Config;
use crate::device::{KernelSource, transfer_bandwidth};
use crate::error::{Error, Result};
use crate::operator_bench::run::device_session;
use crate::plan::cost::DeviceCosts;
use crate::worker::{CancelToken, Worker};

/// Runs of a query; the best counts.
const RUNS: usize = 5;
/// Copies each way that are timed.
const COPIES: usize = 5;
/// Launches in a row, and tasks one after the other.
const LAUNCHES: usize = 2000;
const TASKS: usize = 200;

/// A kernel that does nothing, with parameters of the usual size.
const NOTHING: &str = "struct Words { unsigned long long words[32]; };\n\
                       extern \"C\" __global__ void nothing(Words words) {}\n";
const NOTHING_BYTES: usize = 256;

/// Steps that [`measure`] advances its bar by.
pub fn steps() -> u64 {
    probes(1).len() as u64 + 3
}

/// Measures the first device over tables of `rows` rows in its memory; what is not measured stays as in `old`, as does
/// what took no time. Of a simulated device the constants say nothing.
///
/// # Errors
/// Without a device; where the tables do not fit in its memory; a query that fails or falls back.
pub async fn measure(old: &DeviceCosts, rows: u64, bar: &ProgressBar) -> Result<Fitted<DeviceCosts>> {
    bar.set_message("device: copies");
    // Kernels are compiled anew, and kept nowhere.
    let folder = tempfile::tempdir()
        .map_err(|error| Error::io(format!("cannot make a temporary folder for kernels: {error}")))?;
    let config = Config { cache_dir: Some(folder.path().to_path_buf()), ..Config::default() };
    let session = device_session(&config)?;
    let worker = session.engine().worker().cloned().ok_or_else(|| {
        let absence = session.engine().absence().unwrap_or("none was started");
        Error::unsupported(format!("no device can be measured: {absence}"))
    })?;
    let ordinal = worker.info().ordinal;
    let copied = tokio::task::spawn_blocking(move || transfer_bandwidth(ordinal, COPIES)).await;
    let copies = copied.map_err(|_| Error::bug("measuring copies panicked"))??;
    bar.inc(1);
    bar.set_message("device: launches");
    let (launch_s, task_s) = (launch_seconds(&worker).await?, task_seconds(&worker).await?);
    bar.inc(1);
    bar.set_message("device: tables");
    for table in tables(rows) {
        let provider = Arc::new(table.generate(crate::device::cpu_cores())?);
        let registered = session.context().register_table(table.name, provider);
        registered.map_err(|error| Error::bug(error.to_string()))?;
        session.pin(table.name).await?;
    }
    bar.inc(1);
    let (mut whats, mut samples) = (Vec::new(), Vec::new());
    let (mut compile_s, mut stages) = (0.0, 0.0);
    for probe in probes(rows) {
        bar.set_message(format!("device: {}", probe.what));
        let mut best = f64::INFINITY;
        for run in 0..=RUNS {
            let result = session.sql(probe.sql).await?.collect().await?;
            let work = DeviceWork::of(&result.receipt);
            match run {
                0 => compile_s += work.compile_ms / 1e3,
                _ => best = best.min(work.kernel_ms / 1e3),
            }
        }
        stages += probe.tree.stages();
        let units = probe.tree.device_units().terms(old).map(|(units, _)| units).to_vec();
        whats.push(probe.what);
        samples.push(Sample { units, seconds: best });
        bar.inc(1);
    }
    let start = probes(rows)[0].tree.device_units().terms(old).map(|(_, each)| each);
    let found = fit(&samples, &start);
    let rate = |index: usize| 1.0 / found[index];
    let measured = |new: f64, old: f64| if new > 0.0 { new } else { old };
    let costs = DeviceCosts {
        upload_bytes_per_s: measured(copies.up_bytes_per_second, old.upload_bytes_per_s),
        download_bytes_per_s: measured(copies.down_bytes_per_second, old.download_bytes_per_s),
        bytes_per_s: rate(0),
        nodes_per_s: rate(1),
        groups_per_s: rate(2),
        group_misses_per_s: rate(3),
        joins_per_s: rate(4),
        join_misses_per_s: rate(5),
        sort_keys_per_s: rate(6),
        window_values_per_s: rate(7),
        task_s: measured(task_s, old.task_s),
        launch_s: measured(launch_s, old.launch_s),
        compile_s: measured(compile_s / stages, old.compile_s),
    };
    Ok(Fitted::of(costs, &whats, &samples, &found))
}

/// One launch among many, as tasks launch: with the events that time it.
async fn launch_seconds(worker: &Worker) -> Result<f64> {
    worker
        .run("calibrate", CancelToken::new(), |task| {
            let source = KernelSource::new("nothing", NOTHING, vec!["nothing".to_string()]);
            let kernel = task.kernel(&source)?;
            let nothing = kernel.function("nothing")?;
            task.launch(nothing, 1, 32, 0, &[0; NOTHING_BYTES])?;
            task.synchronize()?;
            let started = Instant::now();
            for _ in 0..LAUNCHES {
                task.launch(nothing, 1, 32, 0, &[0; NOTHING_BYTES])?;
            }
            task.synchronize()?;
            Ok(started.elapsed().as_secs_f64() / LAUNCHES as f64)
        })
        .await
}

/// The median of tasks that do nothing.
async fn task_seconds(worker: &Worker) -> Result<f64> {
    let mut times = Vec::with_capacity(TASKS);
    for _ in 0..TASKS {
        let started = Instant::now();
        worker.run("calibrate", CancelToken::new(), |_| Ok(())).await?;
        times.push(started.elapsed().as_secs_f64());
    }
    times.sort_by(f64::total_cmp);
    Ok(times[TASKS / 2])
}
