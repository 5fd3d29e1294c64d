//! `--compare-placements` of the benches of whole benchmarks.

use serde::Serialize;

use super::report::{TextTable, median, milliseconds};
use super::suite::{Suite, SuiteArguments};
use crate::bench::placement::{Heat, PlacementRun, run as run_placements, steps};
use crate::bench::run::Bench;
use crate::cli::print;
use crate::config::Placement;
use crate::device::{self, DeviceInfo};
use crate::error::{Error, Result};
use crate::observe::progress;
use crate::session::WholeFile;

/// Differences below this share of the better time are the machine's, not the choice's.
const NOISE: f64 = 0.05;

/// One query, in medians.
#[derive(Clone, Debug, Serialize)]
struct Verdict {
    #[serde(flatten)]
    run: PlacementRun,
    host_median_ms: Option<f64>,
    device_median_ms: Option<f64>,
    auto_median_ms: Option<f64>,
    /// By how much `auto` was slower than the better of the two; absent where their times cannot be compared, as on a
    /// simulated device.
    regret_ms: Option<f64>,
}

/// Everything that the bench found, as `--output` writes it.
#[derive(Serialize)]
struct Report<'a, S> {
    #[serde(flatten)]
    parameters: &'a S,
    iterations: u16,
    simulated: bool,
    devices: &'a [String],
    cpu_threads: usize,
    /// Where the constants of the cost model come from.
    costs: String,
    total_regret_ms: Option<f64>,
    runs: &'a [Verdict],
}

/// Runs a suite under every placement, prints where `auto` was not the best, and writes the figures.
///
/// # Errors
/// What keeps it from running; a run that failed or answered wrong.
pub(super) async fn run<S: Serialize>(
    suite: Suite<S>,
    arguments: &SuiteArguments,
    file: Option<WholeFile>,
) -> Result<()> {
    let probe = device::probe();
    let devices: Vec<String> = probe.usable().iter().map(|device| device.name.clone()).collect();
    let simulated = probe.usable().iter().any(DeviceInfo::is_simulated);
    let placements = match devices.is_empty() {
        true => vec![Placement::Host, Placement::Auto],
        false => vec![Placement::Host, Placement::Device, Placement::Auto],
    };
    let config = arguments.device.config();
    let cpu_threads = config.target_partitions.unwrap_or_else(device::cpu_cores);
    let costs = crate::session::Session::with_config(config.clone())?.engine().costs().to_string();
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
        let bar = progress::bar(steps(&bench), &suite.title);
        let of_part = run_placements(&bench, &bar).await;
        bar.finish_and_clear();
        runs.extend(of_part?.into_iter().map(|run| Verdict::of(run, simulated)));
    }
    let report = Report {
        parameters: &suite.parameters,
        iterations: arguments.iterations,
        simulated,
        devices: &devices,
        cpu_threads,
        costs,
        total_regret_ms: total(&runs),
        runs: &runs,
    };
    print(&text(&suite.title, &report))?;
    if let Some(file) = file {
        let json = serde_json::to_string_pretty(&report).map_err(|error| Error::bug(error.to_string()))?;
        file.write_all(json.as_bytes())?;
        file.finish()?;
    }
    match runs.iter().filter(|verdict| verdict.run.fault.is_some()).count() {
        0 => Ok(()),
        wrong => Err(Error::user(format!("{wrong} of {} queries failed or answered wrong", runs.len()))),
    }
}

impl Verdict {
    fn of(run: PlacementRun, simulated: bool) -> Verdict {
        let [host, device, auto] = [&run.host_ms, &run.device_ms, &run.auto_ms].map(|times| median(times));
        // What ran on a simulated device took no time that means anything.
        let best = match device {
            _ if simulated => None,
            Some(device) => host.map(|host| host.min(device)),
            None => host,
        };
        let regret_ms = auto.zip(best).map(|(auto, best)| (auto - best).max(0.0));
        Verdict { run, host_median_ms: host, device_median_ms: device, auto_median_ms: auto, regret_ms }
    }

    fn best_ms(&self) -> Option<f64> {
        match (self.host_median_ms, self.device_median_ms) {
            (Some(host), Some(device)) => Some(host.min(device)),
            (host, device) => host.or(device),
        }
    }

    /// Whether `auto` was slower than the better of the two by more than noise.
    fn lost(&self) -> bool {
        self.regret_ms.zip(self.best_ms()).is_some_and(|(regret, best)| regret > best * NOISE)
    }
}

fn total(runs: &[Verdict]) -> Option<f64> {
    let regrets: Vec<f64> = runs.iter().filter_map(|verdict| verdict.regret_ms).collect();
    (!regrets.is_empty()).then(|| regrets.iter().sum())
}

fn text<S>(title: &str, report: &Report<'_, S>) -> String {
    let mut out = format!("{title}: each query under host, device and auto in turns\n");
    let devices = match report.devices {
        [] => "no device was used, so that auto is host: swath doctor says why".to_string(),
        names => names.join(", "),
    };
    out.push_str(&format!("devices    {devices}\n"));
    if report.simulated {
        out.push_str(
            "           SIMULATED: times of device, and of auto where operators ran there, mean nothing; nothing is \
             said of which was best\n",
        );
    }
    out.push_str(&format!("CPU        {} threads\n", report.cpu_threads));
    out.push_str(&format!("costs      {}\n", report.costs));
    out.push_str(&format!(
        "times      ms, median of {} rounds, kernels compiled before\n",
        report.iterations
    ));
    out.push_str("on device  operators that ran there under auto\n");
    out.push_str("regret     by how much auto is slower than the better of host and device\n");
    for (heat, what) in
        [(Heat::Files, "from Parquet"), (Heat::Memory, "from memory, the device's where it has room")]
    {
        let of_heat: Vec<&Verdict> = report.runs.iter().filter(|verdict| verdict.run.heat == heat).collect();
        let mut table =
            TextTable::new(["query", "host", "device", "auto", "auto/host", "on device", "regret", "%"]);
        for verdict in &of_heat {
            table.row(cells(verdict));
        }
        out.push_str(&format!("\n{what}\n{table}"));
        if let Some(regret) = total(&of_heat.iter().map(|verdict| (*verdict).clone()).collect::<Vec<_>>()) {
            let best: f64 = of_heat.iter().filter_map(|verdict| verdict.best_ms()).sum();
            let lost: Vec<&str> = of_heat
                .iter()
                .filter(|verdict| verdict.lost())
                .map(|verdict| verdict.run.name.as_str())
                .collect();
            out.push_str(&format!(
                "total regret {regret:.1} ms, {:.1} % of the best; auto lost by more than {:.0} % in {} of {}{}\n",
                regret / best.max(1e-9) * 100.0,
                NOISE * 100.0,
                lost.len(),
                of_heat.len(),
                if lost.is_empty() { String::new() } else { format!(": {}", lost.join(" ")) }
            ));
        }
    }
    for verdict in report.runs {
        if let Some(fault) = &verdict.run.fault {
            out.push_str(&format!("WRONG      {} {fault}\n", verdict.run.name));
        }
    }
    out
}

fn cells(verdict: &Verdict) -> Vec<String> {
    let dash = || "-".to_string();
    // Overhead of choosing, where nothing ran on a device.
    let on_host = verdict.run.auto_on_device == 0;
    let over = verdict.auto_median_ms.zip(verdict.host_median_ms).filter(|_| on_host);
    let share = verdict.regret_ms.zip(verdict.best_ms());
    vec![
        verdict.run.name.clone(),
        milliseconds(verdict.host_median_ms),
        milliseconds(verdict.device_median_ms),
        milliseconds(verdict.auto_median_ms),
        over.map_or_else(dash, |(auto, host)| format!("{:.2}x", auto / host)),
        verdict.run.auto_on_device.to_string(),
        milliseconds(verdict.regret_ms),
        share.map_or_else(dash, |(regret, best)| format!("{:.0} %", regret / best * 100.0)),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(host: f64, device: Option<f64>, auto: f64, simulated: bool) -> Verdict {
        let run = PlacementRun {
            name: "Q1".to_string(),
            heat: Heat::Memory,
            host_ms: vec![host],
            device_ms: device.into_iter().collect(),
            auto_ms: vec![auto],
            auto_on_device: 1,
            fault: None,
        };
        Verdict::of(run, simulated)
    }

    #[test]
    fn regret_is_against_the_better_of_the_two() {
        assert_eq!(verdict(10.0, Some(4.0), 10.0, false).regret_ms, Some(6.0));
        assert!(verdict(10.0, Some(4.0), 10.0, false).lost());
        let right = verdict(10.0, Some(4.0), 4.1, false);
        assert!(!right.lost() && right.regret_ms.is_some_and(|regret| regret > 0.0));
        assert_eq!(verdict(10.0, Some(40.0), 9.0, false).regret_ms, Some(0.0));
        assert_eq!(verdict(10.0, None, 11.0, false).regret_ms, Some(1.0));
        assert_eq!(verdict(10.0, Some(4.0), 10.0, true).regret_ms, None, "is simulated");
        assert_eq!(total(&[verdict(1.0, Some(2.0), 3.0, false), right]).map(f64::round), Some(2.0));
    }
}
