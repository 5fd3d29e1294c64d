//! `swath bench operators`.

use std::path::PathBuf;

use clap::Args;
use serde::Serialize;

use super::report::{TextTable, minimum};
use crate::cli::arguments::parse_count;
use crate::cli::print;
use crate::config::Config;
use crate::device::{self, CopyBandwidth, DeviceInfo};
use crate::error::{Error, Result};
use crate::observe::progress;
use crate::observe::receipt::human_bytes;
use crate::operator_bench::case::{OPERATORS, families};
use crate::operator_bench::run::{self, CaseReport};
use crate::session::WholeFile;

/// Copies within the device's memory that are timed; the best counts.
const COPIES: usize = 10;

#[derive(Args, Clone, Debug)]
pub(in crate::cli) struct OperatorsBenchArguments {
    /// Rows of the largest table of each case, such as 1e7.
    #[arg(long, value_name = "COUNT", default_value = "1e7", value_parser = parse_count)]
    pub rows: u64,
    /// Operators: filter, project, aggregate, join, sort, top-k, window, strings; all of them by default.
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    pub only: Vec<String>,
    /// Rounds of each case after one that is not counted; the best counts.
    #[arg(long, value_name = "COUNT", default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..))]
    pub rounds: u16,
    /// A file for the figures as JSON.
    #[arg(long, short = 'o', value_name = "PATH")]
    pub output: Option<PathBuf>,
    /// CPU threads of a query.
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u16).range(1..))]
    pub threads: Option<u16>,
}

/// Everything that the bench found, as `--output` writes it.
#[derive(Serialize)]
struct Report<'a> {
    device: Option<&'a DeviceInfo>,
    simulated: bool,
    cpu_threads: usize,
    rows: u64,
    rounds: u16,
    copy: Option<CopyBandwidth>,
    cases: Vec<CaseReport>,
}

pub(super) async fn run(arguments: &OperatorsBenchArguments) -> Result<()> {
    let operators = match arguments.only.is_empty() {
        true => OPERATORS.map(str::to_string).to_vec(),
        false => arguments.only.clone(),
    };
    let mut all = Vec::new();
    for operator in &operators {
        all.extend(families(operator, arguments.rows)?);
    }
    let file = arguments.output.as_deref().map(WholeFile::create).transpose()?;
    let probe = device::probe();
    let device = probe.usable().first();
    let threads = arguments.threads.map_or_else(device::cpu_cores, usize::from);
    let copy = match device.map(|device| device.ordinal) {
        Some(ordinal) => {
            let copied = tokio::task::spawn_blocking(move || device::copy_bandwidth(ordinal, COPIES)).await;
            Some(copied.map_err(|_| Error::bug("measuring the copy bandwidth panicked"))??)
        }
        None => None,
    };
    let config = Config { target_partitions: Some(threads), ..Config::default() };
    let session = device.map(|_| run::device_session(&config)).transpose()?;
    let bar = progress::bar(all.iter().map(|family| family.cases.len() as u64).sum(), "operators");
    let mut cases = Vec::new();
    for family in &all {
        cases.extend(
            run::family(family, usize::from(arguments.rounds), threads, session.as_ref(), &bar).await?,
        );
    }
    bar.finish_and_clear();
    let report = Report {
        device,
        simulated: device.is_some_and(|device| device.is_simulated()),
        cpu_threads: threads,
        rows: arguments.rows,
        rounds: arguments.rounds,
        copy,
        cases,
    };
    print(&text(&report))?;
    if let Some(file) = file {
        let json = serde_json::to_string_pretty(&report).map_err(|error| Error::bug(error.to_string()))?;
        file.write_all(json.as_bytes())?;
        file.finish()?;
    }
    match report.cases.iter().filter(|case| case.fault.is_some()).count() {
        0 => Ok(()),
        wrong => {
            Err(Error::user(format!("{wrong} of {} cases failed or answered wrong", report.cases.len())))
        }
    }
}

fn text(report: &Report) -> String {
    let mut out = match report.device {
        Some(device) => {
            format!("device     {}: {}, {}\n", device.ordinal, device.name, human_bytes(device.memory_bytes))
        }
        None => "device     none was used: swath doctor says why\n".to_string(),
    };
    if report.simulated {
        out.push_str(
            "           SIMULATED: the device's times mean nothing, and no rates are made of them\n",
        );
    }
    out.push_str(&format!("CPU        {} threads, plain DataFusion\n", report.cpu_threads));
    out.push_str(&format!(
        "times      ms, best of {}; host, resident, upload: from text to rows; kernels: on the device\n",
        report.rounds
    ));
    out.push_str("rates      rows of the tables, over the host's time and over the kernels'\n");
    if let Some(copy) = report.copy.as_ref().filter(|_| !report.simulated) {
        let gigabytes = copy.best_bytes_per_second / 1e9;
        out.push_str(&format!(
            "of copy    bytes of the tables' columns over the kernels' time, to a copy's {gigabytes:.0} GB/s\n"
        ));
    }
    out.push('\n');
    let header = [
        "operator", "case", "rows", "host", "Mrows/s", "kernels", "Mrows/s", "GB/s", "of copy", "resident",
        "upload", "peak", "launches", "answer",
    ];
    let mut table = TextTable::new(header);
    for case in &report.cases {
        table.row(cells(case, report));
    }
    out.push_str(&table.to_string());
    for case in &report.cases {
        if let Some(fault) = &case.fault {
            out.push_str(&format!("WRONG      {} {}: {fault}\n", case.operator, case.case));
        }
    }
    out
}

fn cells(case: &CaseReport, report: &Report) -> Vec<String> {
    let dash = || "-".to_string();
    let ms = |times: &[f64]| minimum(times).map_or_else(dash, |time| format!("{time:.3}"));
    let rows_per_s = |times: &[f64]| match minimum(times) {
        Some(time) if time > 0.0 => format!("{:.1}", case.rows as f64 / time / 1e3),
        _ => dash(),
    };
    let mut cells = vec![
        case.operator.to_string(),
        case.case.clone(),
        format!("{:e}", case.rows as f64),
        ms(&case.host_ms),
        rows_per_s(&case.host_ms),
    ];
    match &case.device {
        Some(device) => {
            let kernel_s = minimum(&device.kernel_ms).map(|time| time / 1e3).filter(|time| *time > 0.0);
            // A rate of what took no real time says nothing.
            let bytes_per_s =
                kernel_s.filter(|_| !report.simulated).map(|time| device.column_bytes as f64 / time);
            let copied = report.copy.as_ref().map(|copy| copy.best_bytes_per_second);
            let share = bytes_per_s.zip(copied.filter(|copied| *copied > 0.0));
            cells.extend([
                ms(&device.kernel_ms),
                if report.simulated { dash() } else { rows_per_s(&device.kernel_ms) },
                bytes_per_s.map_or_else(dash, |rate| format!("{:.0}", rate / 1e9)),
                share.map_or_else(dash, |(rate, copied)| format!("{:.0} %", rate / copied * 100.0)),
                ms(&device.resident_ms),
                ms(&device.upload_ms),
                human_bytes(device.peak_bytes),
                device.kernels_launched.to_string(),
            ]);
        }
        None => cells.extend((0..8).map(|_| dash())),
    }
    cells.push(if case.fault.is_none() { "right" } else { "WRONG" }.to_string());
    cells
}
