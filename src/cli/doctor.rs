//! `swath doctor`: what was found of drivers and devices, what is missing, why it matters, what to do.

use std::path::Path;

use clap::Args;
use serde::Serialize;

use super::print;
use crate::device::{self, DriverReport};
use crate::error::{Error, Result};
use crate::session::{CostFile, Costs};

#[derive(Args, Clone, Debug)]
pub(super) struct DoctorArguments {
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// What `--json` prints.
#[derive(Serialize)]
struct Found<'a> {
    #[serde(flatten)]
    report: &'a DriverReport,
    costs: UsedCosts<'a>,
}

/// The constants that placement decides by.
#[derive(Serialize)]
struct UsedCosts<'a> {
    host: String,
    device: String,
    path: Option<&'a Path>,
    notes: &'a [String],
}

pub(super) fn run(arguments: &DoctorArguments) -> Result<()> {
    let report = device::probe();
    let device = report.devices.first().filter(|_| report.is_usable());
    let path = CostFile::default_path();
    let costs = Costs::find(path.as_deref(), device.map(|device| device.name.as_str()), device::cpu_cores());
    if arguments.json {
        let found = Found {
            report: &report,
            costs: UsedCosts {
                host: costs.host.to_string(),
                device: costs.device.to_string(),
                path: costs.path.as_deref(),
                notes: &costs.notes,
            },
        };
        let json = serde_json::to_string_pretty(&found).map_err(|error| Error::bug(error.to_string()))?;
        return print(&format!("{json}\n"));
    }
    let mut text = format!("costs    {costs}\n");
    for note in &costs.notes {
        text.push_str(&format!("         {note}\n"));
    }
    text.push_str(&report.to_string());
    print(&text)
}
