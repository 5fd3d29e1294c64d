//! What the benches of whole benchmarks share: arguments, runs, and the report.

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::Args;
use serde::Serialize;

use super::report::{TextTable, geometric_mean, milliseconds, ratio};
use crate::bench::question::Question;
use crate::bench::run::{Bench, Run, Runner, TableFile, run as run_bench};
use crate::cli::arguments::DeviceArguments;
use crate::cli::print;
use crate::config::Placement;
use crate::device::{self, DeviceInfo};
use crate::error::{Error, Result};
use crate::observe::progress;
use crate::session::WholeFile;

#[derive(Args, Clone, Debug)]
pub(in crate::cli) struct SuiteArguments {
    /// Hot runs of each query, fewer where they take more than 30 s; the best counts.
    #[arg(long, value_name = "COUNT", default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..))]
    pub iterations: u16,
    /// A file for the figures as JSON.
    #[arg(long, short = 'o', value_name = "PATH")]
    pub output: Option<PathBuf>,
    /// Leave tables in host memory for the hot runs: do not pin them in device memory.
    #[arg(long)]
    pub no_pin: bool,
    /// Run each query under host, device and auto in turns, and print where auto was not the best of the two.
    #[arg(long, conflicts_with = "placement")]
    pub compare_placements: bool,
    #[command(flatten)]
    pub device: DeviceArguments,
}

/// Questions over tables of their own.
pub(super) struct Part {
    pub tables: Vec<TableFile>,
    pub questions: Vec<Question>,
}

/// What a suite says of itself, in the text and, flat, in the JSON.
pub(super) struct Suite<S> {
    /// Such as `TPC-H, scale factor 1`.
    pub title: String,
    /// Its parameters, for the JSON.
    pub parameters: S,
    pub reference: String,
    pub parts: Vec<Part>,
    pub check_candidates: bool,
}

/// Everything that the bench found, as `--output` writes it.
#[derive(Serialize)]
struct SuiteReport<'a, S = ()> {
    #[serde(flatten)]
    parameters: S,
    iterations: u16,
    reference: &'a str,
    simulated: bool,
    devices: &'a [String],
    cpu_threads: usize,
    runs: &'a [Run],
}

/// The file of `--output`: opened before the work begins, so that what is in the way shows at once.
pub(super) fn output(arguments: &SuiteArguments) -> Result<Option<WholeFile>> {
    arguments.output.as_deref().map(WholeFile::create).transpose()
}

/// What answers are compared with, where another engine's are kept as checksums or not at all.
pub(super) fn reference(kept: bool) -> String {
    match kept {
        true => "plain DataFusion in this run, whose answers have the checksums of DuckDB's on the same data",
        false => "plain DataFusion in this run alone: no other engine's answers are kept for this data",
    }
    .to_string()
}

/// Runs a suite, prints its tables and writes its figures.
///
/// # Errors
/// What keeps it from running; a run that failed or answered wrong.
pub(super) async fn run<S: Serialize>(
    suite: Suite<S>,
    arguments: &SuiteArguments,
    file: Option<WholeFile>,
) -> Result<()> {
    if arguments.compare_placements {
        return super::placement::run(suite, arguments, file).await;
    }
    let probe = device::probe();
    let devices: Vec<String> = probe.usable().iter().map(|device| device.name.clone()).collect();
    let placements = match arguments.device.placement {
        // One placement where one was asked for; else the host, and with a device also auto and device.
        Some(placement) => vec![placement],
        None if devices.is_empty() => vec![Placement::Host],
        None => vec![Placement::Host, Placement::Auto, Placement::Device],
    };
    let config = arguments.device.config();
    let mut runs = Vec::new();
    for part in suite.parts {
        let bench = Bench {
            tables: part.tables,
            questions: part.questions,
            iterations: usize::from(arguments.iterations),
            placements: placements.clone(),
            config: config.clone(),
            pin: !arguments.no_pin,
            check_candidates: suite.check_candidates,
        };
        let bar = progress::bar(bench.steps(), &suite.title);
        let of_part = run_bench(&bench, &bar).await;
        bar.finish_and_clear();
        runs.extend(of_part?);
    }
    let report = SuiteReport {
        parameters: (),
        iterations: arguments.iterations,
        reference: &suite.reference,
        simulated: probe.usable().iter().any(DeviceInfo::is_simulated),
        devices: &devices,
        cpu_threads: config.target_partitions.unwrap_or_else(device::cpu_cores),
        runs: &runs,
    };
    print(&text(&suite.title, &report))?;
    if let Some(file) = file {
        let report = SuiteReport {
            parameters: &suite.parameters,
            iterations: report.iterations,
            reference: report.reference,
            simulated: report.simulated,
            devices: report.devices,
            cpu_threads: report.cpu_threads,
            runs: report.runs,
        };
        let json = serde_json::to_string_pretty(&report).map_err(|error| Error::bug(error.to_string()))?;
        file.write_all(json.as_bytes())?;
        file.finish()?;
    }
    match runs.iter().filter(|run| run.fault.is_some()).count() {
        0 => Ok(()),
        wrong => Err(Error::user(format!("{wrong} of {} runs failed or answered wrong", runs.len()))),
    }
}

fn text(title: &str, report: &SuiteReport) -> String {
    let mut out = format!("{title}\n");
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
        "times      ms; cold: the first run, from Parquet; hot: best of at most {}, from memory{}\n",
        report.iterations,
        if pinned { " (auto and device: pinned in device memory)" } else { "" }
    ));
    out.push_str("ratio      how many times faster than datafusion, hot\n\n");
    out.push_str(&times(report, &runners));
    out.push_str(&notes(report));
    let right = report.runs.iter().filter(|run| run.fault.is_none()).count();
    out.push_str(&format!("\n{right} of {} runs answered right\n", report.runs.len()));
    out
}

fn times(report: &SuiteReport, runners: &[Runner]) -> String {
    let find = |query: usize, runner: Runner| {
        report.runs.iter().find(|run| run.query == query && run.runner == runner)
    };
    let queries = report.runs.iter().filter(|run| run.runner == Runner::DataFusion);
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
    for query in queries {
        let of_query: Vec<&Run> = runners.iter().filter_map(|runner| find(query.query, *runner)).collect();
        let mut cells = vec![query.name.clone(), of_query[0].rows.to_string()];
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
fn notes(report: &SuiteReport) -> String {
    let mut out = String::new();
    // Queries by what fell back in them: the same reason comes back in many.
    let mut fallbacks: BTreeMap<(&str, &str), Vec<String>> = BTreeMap::new();
    for run in report.runs {
        let query = run.name.clone();
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
