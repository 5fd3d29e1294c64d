//! `swath calibrate`: measures this machine and keeps what placement decides by.

use std::path::PathBuf;
use std::time::Instant;

use clap::Args;

use super::arguments::parse_count;
use super::bench::report::TextTable;
use super::{note, print};
use crate::calibrate::{Fitted, Observation, device as of_device, host as of_host};
use crate::device;
use crate::error::{Error, Result};
use crate::observe::progress;
use crate::session::{CostFile, Costs, DeviceCosts};

/// A fit that is off by more than this is said to be rough.
const RESIDUAL_ROUGH: f64 = 0.5;

#[derive(Args, Clone, Debug)]
pub(super) struct CalibrateArguments {
    /// The file to write, in place of the user's.
    #[arg(long, short = 'o', value_name = "PATH")]
    pub output: Option<PathBuf>,
    /// Measure and print, and write nothing.
    #[arg(long)]
    pub dry_run: bool,
    /// Rows of the largest table on the CPU.
    #[arg(long, value_name = "COUNT", default_value = "1e6", value_parser = parse_count)]
    pub rows: u64,
    /// Rows of the largest table on the device.
    #[arg(long, value_name = "COUNT", default_value = "2e7", value_parser = parse_count)]
    pub device_rows: u64,
}

pub(super) async fn run(arguments: &CalibrateArguments) -> Result<()> {
    let started = Instant::now();
    let path = arguments.output.clone().or_else(CostFile::default_path).ok_or_else(|| {
        Error::user("there is no home folder to keep the constants in; name a file with --output")
    })?;
    let probe = device::probe();
    let device = probe.usable().first();
    let is_simulated = device.is_some_and(|device| device.is_simulated());
    let cores = device::cpu_cores();
    let old = Costs::find(Some(&path), device.map(|device| device.name.as_str()), cores);
    for damage in old.notes.iter().filter(|_| old.damaged) {
        note(format!("warning: {damage}"));
    }
    let measures_device = device.is_some() && !is_simulated;
    let steps = of_host::steps() + if measures_device { of_device::steps() } else { 0 };
    let bar = progress::bar(steps, "calibrate");
    let host = of_host::measure(&old.model.host, arguments.rows, cores, &bar).await?;
    let measured = match device.filter(|_| measures_device) {
        Some(device) => {
            let fitted = of_device::measure(&old.model.device, arguments.device_rows, &bar).await?;
            Some((device.name.clone(), fitted))
        }
        None => None,
    };
    bar.finish_and_clear();
    let mut text =
        format!("CPU        {cores} threads\n{}", changes(&old.model.host.list(), &host.costs.list()));
    text.push_str(&explained(&host));
    match (&measured, device) {
        (Some((name, fitted)), _) => {
            text.push_str(&format!("\ndevice     {name}\n"));
            text.push_str(&changes(&old.model.device.list(), &fitted.costs.list()));
            text.push_str(&explained(fitted));
        }
        (None, Some(device)) => {
            let name = &device.name;
            text.push_str(&format!(
                "\ndevice     {name} is simulated: the constants of devices stay as they are\n"
            ));
        }
        (None, None) => {
            text.push_str("\ndevice     none can be used: the constants of devices stay as they are\n");
        }
    }
    let of_device = match measured {
        Some((name, fitted)) => Some((name, fitted.costs)),
        None => kept_device(&path, old.damaged)?,
    };
    print(&text)?;
    let took = started.elapsed().as_secs_f64();
    if arguments.dry_run {
        return print(&format!("\nmeasured in {took:.1} s; nothing was written\n"));
    }
    CostFile::new(cores, host.costs, of_device).save(&path)?;
    print(&format!("\nmeasured in {took:.1} s; written to {}\n", path.display()))
}

/// The device that an earlier run measured.
fn kept_device(path: &std::path::Path, damaged: bool) -> Result<Option<(String, DeviceCosts)>> {
    match damaged {
        true => Ok(None),
        false => Ok(CostFile::load(path)?.and_then(|file| file.device)),
    }
}

type Constants = [(&'static str, &'static str, f64)];

fn changes(old: &Constants, new: &Constants) -> String {
    let mut table = TextTable::new(["  constant", "old", "new", "new/old", "unit"]);
    for ((name, unit, old), (.., new)) in old.iter().zip(new) {
        table.row(vec![
            format!("  {name}"),
            short(*old),
            short(*new),
            format!("{:.2}", new / old),
            unit.to_string(),
        ]);
    }
    table.to_string()
}

/// A number with three digits and the power of a thousand.
fn short(value: f64) -> String {
    match value {
        value if (0.01..1000.0).contains(&value) => format!("{value:.3}"),
        value => {
            let power = (value.log10() / 3.0).floor() as i32 * 3;
            format!("{:.2}e{power}", value / 10f64.powi(power))
        }
    }
}

fn explained<C>(fitted: &Fitted<C>) -> String {
    let mut table = TextTable::new(["  measured", "ms", "fitted ms", "fitted/measured"]);
    for Observation { what, measured_s, fitted_s } in &fitted.observations {
        let ratio = if *measured_s > 0.0 { format!("{:.2}", fitted_s / measured_s) } else { "-".to_string() };
        let cells = [format!("{:.3}", measured_s * 1e3), format!("{:.3}", fitted_s * 1e3), ratio];
        table.row([format!("  {what}")].into_iter().chain(cells).collect());
    }
    let residual = match fitted.residual {
        Some(residual) => {
            let rough = if residual > RESIDUAL_ROUGH { ": rough, was the machine busy?" } else { "" };
            format!(
                "residual   {:.0} % (root of the mean square of the relative errors){rough}\n",
                residual * 100.0
            )
        }
        None => "residual   none: nothing took any time\n".to_string(),
    };
    format!("\n{table}{residual}")
}
