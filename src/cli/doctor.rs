//! `swath doctor`: what was found of drivers and devices, what is missing, why it matters, what to do.

use clap::Args;

use super::print;
use crate::error::Result;

#[derive(Args, Clone, Debug)]
pub(super) struct DoctorArguments {
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

pub(super) fn run(arguments: &DoctorArguments) -> Result<()> {
    // Wired to `device::probe` when the device module lands.
    let _ = arguments;
    print("no driver\n")
}
