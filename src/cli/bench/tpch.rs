//! `swath bench tpch`.

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::Args;
use serde::Serialize;

use super::report::{TextTable, geometric_mean, milliseconds, ratio};
use crate::cli::arguments::DeviceArguments;
use crate::cli::generate::tpch_data;
use crate::cli::print;
use crate::config::Placement;
use crate::device;
use crate::error::{Error, Result};
use crate::observe::progress;
use crate::session::WholeFile;
use crate::tpch::answer;
use crate::tpch::bench::{Bench, Run, Runner, run as run_bench};
use crate::tpch::query::Query;

#[derive(Args, Clone, Debug)]
pub(in crate::cli) struct TpchBenchArguments {
    /// Scale factor: 1 is about 1 GB of text.
    #[arg(long, short = 's', value_name = "NUMBER", default_value_t = 1.0)]
    pub scale_factor: f64,
    /// Queries by number, such as 1,6; all of them by default.
    #[arg(long, value_name = "NUMBERS", value_delimiter = ',')]
    pub queries: Vec<Query>,
    /// Hot runs of each query; the best counts.
    #[arg(long, value_name = "COUNT", default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..))]
    pub iterations: u16,
    /// A file for the figures as JSON.
    #[arg(long, short = 'o', value_name = "PATH")]
    pub output: Option<PathBuf>,
    /// Folder for the data of all scale factors; what is missing there is generated.
    #[arg(long, value_name = "FOLDER", default_value = "data/tpch")]
    pub data: PathBuf,
    /// Leave tables in host memory for the hot runs: do not pin them in device memory.
    #[arg(long)]
    pub no_pin: bool,
    #[command(flatten)]
    pub device: DeviceArguments,
}

/// Everything that the bench found, as `--output` writes it.
#[derive(Serialize)]
struct Report<'a> {
    scale_factor: f64,
    iterations: u16,
    reference: &'static str,
    simulated: bool,
    devices: &'a [String],
    cpu_threads: usize,
    runs: &'a [Run],
}

pub(super) async fn run(arguments: &TpchBenchArguments) -> Result<()> {
    let file = arguments.output.as_deref().map(WholeFile::create).transpose()?;
    let folder = tpch_data(&arguments.data, arguments.scale_factor).await?;
    let probe = device::probe();
    let devices: Vec<String> = match probe.is_usable() {
        true => probe.devices.iter().map(|device| device.name.clone()).collect(),
        false => Vec::new(),
    };
    let placements = match arguments.device.placement {
        // One placement where one was asked for; else the host, and with a device also auto and device.
        Some(placement) => vec![placement],
        None if devices.is_empty() => vec![Placement::Host],
        None => vec![Placement::Host, Placement::Auto, Placement::Device],
    };
    let queries = match arguments.queries.is_empty() {
        true => Query::all().collect(),
        false => arguments.queries.clone(),
    };
    let bench = Bench {
        folder: &folder,
        scale_factor: arguments.scale_factor,
        queries,
        iterations: usize::from(arguments.iterations),
        placements,
        config: arguments.device.config(),
        pin: !arguments.no_pin,
    };
    let bar = progress::bar((bench.queries.len() * (bench.placements.len() + 1)) as u64, "TPC-H");
    let runs = run_bench(&bench, &bar).await;
    bar.finish_and_clear();
    let runs = runs?;
    let kept = bench.queries.iter().all(|query| answer::kept(*query, bench.scale_factor).is_some());
    let report = Report {
        scale_factor: bench.scale_factor,
        iterations: arguments.iterations,
        reference: match kept {
            true => "answers that DuckDB gave on the same data",
            false => "plain DataFusion in this run: there is no kept answer for this scale factor",
        },
        simulated: devices.iter().any(|name| name.to_lowercase().contains("simulat")),
        devices: &devices,
        cpu_threads: bench.config.target_partitions.unwrap_or_else(cpu_threads),
        runs: &runs,
    };
    print(&text(&report, &bench.queries))?;
    if let Some(file) = file {
        let json = serde_json::to_string_pretty(&report).map_err(|error| Error::bug(error.to_string()))?;
        file.write_all(json.as_bytes())?;
        file.finish()?;
    }
    match runs.iter().filter(|run| run.fault.is_some()).count() {
        0 => Ok(()),
        wrong => Err(Error::user(format!("{wrong} of {} runs failed or answered wrong", runs.len()))),
    }
}

fn cpu_threads() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

fn text(report: &Report, queries: &[Query]) -> String {
    let mut out = String::new();
    out.push_str(&format!("TPC-H, scale factor {}\n", report.scale_factor));
    let devices = match report.devices {
        [] => "no device was used: swath doctor says why".to_string(),
        names => names.join(", "),
    };
    out.push_str(&format!("devices    {devices}\n"));
    if report.simulated {
        out.push_str("           SIMULATED: the times of auto and device say nothing about a GPU\n");
    }
    out.push_str(&format!("CPU        {} threads\n", report.cpu_threads));
    out.push_str(&format!("reference  {}\n", report.reference));
    let mut runners: Vec<Runner> = Vec::new();
    for run in report.runs {
        if !runners.contains(&run.runner) {
            runners.push(run.runner);
        }
    }
    let pinned = runners.iter().any(|runner| matches!(runner, Runner::Auto | Runner::Device));
    out.push_str(&format!(
        "times      ms; cold: the first run, from Parquet; hot: best of {}, from memory{}\n",
        report.iterations,
        if pinned { " (auto and device: pinned in device memory)" } else { "" }
    ));
    out.push_str("ratio      how many times faster than datafusion, hot\n\n");
    out.push_str(&times(report, queries, &runners));
    out.push_str(&notes(report));
    let right = report.runs.iter().filter(|run| run.fault.is_none()).count();
    out.push_str(&format!("\n{right} of {} runs answered right\n", report.runs.len()));
    out
}

fn times(report: &Report, queries: &[Query], runners: &[Runner]) -> String {
    let find = |query: Query, runner: Runner| {
        report.runs.iter().find(|run| run.query == query.number() && run.runner == runner)
    };
    let mut header = vec!["query".to_string(), "rows".to_string()];
    for heat in ["cold", "hot"] {
        header.extend(runners.iter().map(|runner| format!("{heat} {}", runner.name())));
    }
    let ours = &runners[1..];
    header.extend(ours.iter().map(|runner| format!("ratio {}", runner.name())));
    header.push("answers".to_string());
    let mut table = TextTable::new(header);
    let mut sums = vec![0.0; runners.len() * 2];
    let mut means: Vec<Vec<f64>> = vec![Vec::new(); runners.len() * 2];
    let mut ratios: Vec<Vec<f64>> = vec![Vec::new(); ours.len()];
    for &query in queries {
        let of_query: Vec<&Run> = runners.iter().filter_map(|runner| find(query, *runner)).collect();
        let mut cells = vec![query.to_string(), of_query[0].rows.to_string()];
        let colds = of_query.iter().map(|run| Some(run.cold_ms).filter(|cold| *cold > 0.0));
        let hots = of_query.iter().map(|run| run.best_ms());
        for (index, time) in colds.chain(hots).enumerate() {
            cells.push(milliseconds(time));
            sums[index] += time.unwrap_or(0.0);
            means[index].extend(time);
        }
        for (index, run) in of_query[1..].iter().enumerate() {
            let faster = of_query[0].best_ms().zip(run.best_ms()).map(|(peer, ours)| peer / ours);
            cells.push(ratio(faster));
            ratios[index].extend(faster);
        }
        let right = of_query.iter().all(|run| run.fault.is_none());
        cells.push(if right { "right" } else { "WRONG" }.to_string());
        table.row(cells);
    }
    let mut sum_row = vec!["sum".to_string(), String::new()];
    sum_row.extend(sums.iter().map(|sum| milliseconds(Some(*sum))));
    let peer_sum = sums[runners.len()];
    sum_row.extend((1..runners.len()).map(|index| ratio(Some(peer_sum / sums[runners.len() + index]))));
    table.row(sum_row);
    let mut mean_row = vec!["geomean".to_string(), String::new()];
    mean_row.extend(means.iter().map(|times| milliseconds(geometric_mean(times.iter().copied()))));
    mean_row.extend(ratios.iter().map(|ratios| ratio(geometric_mean(ratios.iter().copied()))));
    table.row(mean_row);
    table.to_string()
}

/// What went wrong, what fell back, and what was compiled.
fn notes(report: &Report) -> String {
    let mut out = String::new();
    // Queries by what fell back in them: the same reason comes back in many.
    let mut fallbacks: BTreeMap<(&str, &str), Vec<String>> = BTreeMap::new();
    for run in report.runs {
        let query = format!("Q{}", run.query);
        if let Some(fault) = &run.fault {
            out.push_str(&format!("WRONG      {query} {}: {fault}\n", run.runner.name()));
        }
        for fallback in &run.fallbacks {
            fallbacks.entry((run.runner.name(), fallback)).or_default().push(query.clone());
        }
    }
    for ((runner, fallback), queries) in fallbacks {
        out.push_str(&format!("fell back  {runner}: {fallback} ({})\n", queries.join(" ")));
    }
    for runner in [Runner::Auto, Runner::Device] {
        let runs: Vec<&Run> = report.runs.iter().filter(|run| run.runner == runner).collect();
        if runs.is_empty() {
            continue;
        }
        let sum = |of: fn(&Run) -> u64| runs.iter().map(|run| of(run)).sum::<u64>();
        let compiled = sum(|run| run.cold.kernels_compiled);
        let compile_ms: f64 = runs.iter().map(|run| run.cold.compile_ms).sum();
        out.push_str(&format!(
            "kernels    {}: {} launched cold, {compiled} compiled in {compile_ms:.0} ms ({:.0} ms each); hot: {} \
             launched, {} compiled\n",
            runner.name(),
            sum(|run| run.cold.kernels_launched),
            compile_ms / compiled.max(1) as f64,
            sum(|run| run.hot.kernels_launched),
            sum(|run| run.hot.kernels_compiled),
        ));
    }
    if !out.is_empty() {
        out.insert(0, '\n');
    }
    out
}
