//! `swath doctor`: what was found of drivers and devices, what is missing, why it matters, what to do.

use clap::Args;

use super::print;
use crate::device;
use crate::error::{Error, Result};

#[derive(Args, Clone, Debug)]
pub(super) struct DoctorArguments {
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

pub(super) fn run(arguments: &DoctorArguments) -> Result<()> {
    let report = device::probe();
    if arguments.json {
        let json = serde_json::to_string_pretty(&report).map_err(|error| Error::bug(error.to_string()))?;
        return print(&format!("{json}\n"));
    }
    print(&report.to_string())
}
