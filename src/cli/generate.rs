//! `swath generate`: benchmark data as Parquet files.

use std::num::NonZero;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};

use super::print;
use crate::error::{Error, Result};
use crate::tpch::generate::{Stop, generate};
use crate::tpch::table;

#[derive(Subcommand, Clone, Debug)]
pub(super) enum GenerateCommand {
    /// The eight tables of TPC-H, as <data>/sf<scale factor>/<table>.parquet.
    Tpch(TpchArguments),
}

#[derive(Args, Clone, Debug)]
pub(super) struct TpchArguments {
    /// Scale factor: 1 is about 1 GB of text, 240 MB of Parquet.
    #[arg(long, short = 's', value_name = "NUMBER", default_value_t = 1.0)]
    pub scale_factor: f64,
    /// Folder for the data of all scale factors.
    #[arg(long, value_name = "FOLDER", default_value = "data/tpch")]
    pub data: PathBuf,
}

pub(super) async fn run(command: &GenerateCommand) -> Result<()> {
    let GenerateCommand::Tpch(arguments) = command;
    let folder = tpch_data(&arguments.data, arguments.scale_factor).await?;
    print(&format!("{}\n", folder.display()))
}

/// Generates what is missing of a scale factor, and returns its folder. Dropping the future stops the work.
pub(super) async fn tpch_data(data: &Path, scale_factor: f64) -> Result<PathBuf> {
    let folder = table::folder(data, scale_factor);
    let stop = Stop::default();
    let stop_on_drop = StopOnDrop(stop.clone());
    let threads = std::thread::available_parallelism().map_or(1, NonZero::get);
    let target = folder.clone();
    let made = tokio::task::spawn_blocking(move || generate(&target, scale_factor, threads, &stop)).await;
    drop(stop_on_drop);
    match made {
        Ok(outcome) => outcome.map(|_| folder),
        Err(_) => Err(Error::bug("generating the data panicked")),
    }
}

struct StopOnDrop(Stop);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.request();
    }
}
