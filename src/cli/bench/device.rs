//! `swath bench device`.

use std::path::PathBuf;

use clap::Args;
use serde::Serialize;

use super::report::{TextTable, milliseconds, minimum};
use crate::cli::generate::tpch_data;
use crate::cli::print;
use crate::device::{self, CopyBandwidth, DeviceInfo};
use crate::error::{Error, Result};
use crate::observe::progress;
use crate::observe::receipt::human_bytes;
use crate::session::WholeFile;
use crate::tpch::pinned::{self, PinnedBench, PinnedReport};

/// Copies that are timed; the best counts.
const COPIES: usize = 10;

#[derive(Args, Clone, Debug)]
pub(in crate::cli) struct DeviceBenchArguments {
    /// Scale factor: 1 is about 1 GB of text.
    #[arg(long, short = 's', value_name = "NUMBER", default_value_t = 1.0)]
    pub scale_factor: f64,
    /// Runs of each query; the best counts.
    #[arg(long, value_name = "COUNT", default_value_t = 10, value_parser = clap::value_parser!(u16).range(1..))]
    pub iterations: u16,
    /// A file for the figures as JSON.
    #[arg(long, short = 'o', value_name = "PATH")]
    pub output: Option<PathBuf>,
    /// Folder for the data of all scale factors; what is missing there is generated.
    #[arg(long, value_name = "FOLDER", default_value = "data/tpch")]
    pub data: PathBuf,
}

/// Everything that the bench found, as `--output` writes it.
#[derive(Serialize)]
struct Report<'a> {
    device: &'a DeviceInfo,
    driver: Option<&'a str>,
    nvrtc: Option<&'a str>,
    simulated: bool,
    scale_factor: f64,
    iterations: u16,
    copy: CopyBandwidth,
    lineitem: PinnedReport,
}

pub(super) async fn run(arguments: &DeviceBenchArguments) -> Result<()> {
    let probe = device::probe();
    let Some(device) = probe.usable().first() else {
        let problems: Vec<&str> = probe.problems.iter().map(|problem| problem.what.as_str()).collect();
        return Err(Error::unsupported(format!(
            "no device can be measured: {}; swath doctor says what to do",
            problems.join("; ")
        )));
    };
    let file = arguments.output.as_deref().map(WholeFile::create).transpose()?;
    let folder = tpch_data(&arguments.data, arguments.scale_factor).await?;
    let kernels = tempfile::tempdir()
        .map_err(|error| Error::io(format!("cannot make a temporary folder for kernels: {error}")))?;
    let bar = progress::bar(2, "device");
    bar.set_message("copies");
    let ordinal = device.ordinal;
    let copied = tokio::task::spawn_blocking(move || device::copy_bandwidth(ordinal, COPIES)).await;
    let copy = copied.map_err(|_| Error::bug("measuring the copy bandwidth panicked"))??;
    bar.inc(1);
    bar.set_message("queries over lineitem");
    let bench = PinnedBench {
        folder: &folder,
        scale_factor: arguments.scale_factor,
        iterations: usize::from(arguments.iterations),
        kernel_folder: kernels.path(),
    };
    let lineitem = pinned::run(&bench).await;
    bar.finish_and_clear();
    let report = Report {
        device,
        driver: probe.driver.version.as_deref(),
        nvrtc: probe.nvrtc.version.as_deref(),
        simulated: device.is_simulated(),
        scale_factor: arguments.scale_factor,
        iterations: arguments.iterations,
        copy,
        lineitem: lineitem?,
    };
    print(&text(&report))?;
    if let Some(file) = file {
        let json = serde_json::to_string_pretty(&report).map_err(|error| Error::bug(error.to_string()))?;
        file.write_all(json.as_bytes())?;
        file.finish()?;
    }
    match report.lineitem.queries.iter().map(|query| query.kernels_compiled_later).sum::<u64>() {
        0 => Ok(()),
        again => {
            Err(Error::bug(format!("{again} kernels were compiled again, though they were kept on disk")))
        }
    }
}

fn text(report: &Report) -> String {
    let mut out = format!("device     {}: {}", report.device.ordinal, report.device.name);
    out.push_str(&format!(", {}\n", human_bytes(report.device.memory_bytes)));
    if report.simulated {
        out.push_str("           SIMULATED: the times mean nothing\n");
    }
    out.push_str(&format!(
        "CUDA       driver {}, NVRTC {}\n",
        report.driver.unwrap_or("?"),
        report.nvrtc.unwrap_or("?")
    ));
    out.push_str(&format!(
        "lineitem   scale factor {}, {} rows, {} in device memory, pinned in {:.1} s\n",
        report.scale_factor,
        report.lineitem.rows,
        human_bytes(report.lineitem.table_bytes),
        report.lineitem.pin_ms / 1e3
    ));
    out.push_str(&format!(
        "times      ms, best of {} (copy: of {COPIES}); kernels: on the device; wall: from text to rows\n",
        report.iterations
    ));
    out.push_str(
        "of copy    bytes of the columns read over the kernels' time, to bytes read plus written by a copy\n",
    );
    out.push_str("compiled   kernels by NVRTC in the first session, and in the second\n\n");
    let header = [
        "what",
        "read",
        "kernels ms",
        "GB/s",
        "of copy",
        "wall ms",
        "launches",
        "compiled",
        "ms each",
        "2nd",
    ];
    let mut table = TextTable::new(header);
    let copied = report.copy.best_bytes_per_second;
    let blank = || "-".to_string();
    // A rate of what took no real time says nothing.
    let rate = |rate: String| if report.simulated { blank() } else { rate };
    table.row(vec![
        "copy".to_string(),
        human_bytes(report.copy.buffer_bytes),
        precise(minimum(&report.copy.copies_ms)),
        rate(gigabytes(copied)),
        blank(),
        blank(),
        blank(),
        blank(),
        blank(),
        blank(),
    ]);
    for query in &report.lineitem.queries {
        let share = query.bytes_per_second / copied;
        let compiled = query.cold.kernels_compiled;
        table.row(vec![
            format!("Q{}", query.query),
            human_bytes(query.column_bytes),
            precise(minimum(&query.kernel_ms)),
            rate(gigabytes(query.bytes_per_second)),
            rate(format!("{:.0} %", share * 100.0)),
            milliseconds(minimum(&query.wall_ms)),
            query.kernels_launched.to_string(),
            compiled.to_string(),
            milliseconds((compiled > 0).then(|| query.cold.compile_ms / compiled as f64)),
            query.kernels_compiled_later.to_string(),
        ]);
    }
    out.push_str(&table.to_string());
    out
}

/// Milliseconds of work that may take a fraction of one.
fn precise(value: Option<f64>) -> String {
    value.map_or_else(|| "-".to_string(), |value| format!("{value:.3}"))
}

fn gigabytes(bytes_per_second: f64) -> String {
    format!("{:.0}", bytes_per_second / 1e9)
}
