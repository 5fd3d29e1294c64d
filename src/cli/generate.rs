//! `swath generate`: benchmark data as Parquet files.

use std::num::NonZero;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};

use super::arguments::{ShapeArguments, parse_count};
use super::print;
use crate::bench::generate::Stop;
use crate::error::{Error, Result};
use crate::h2o::data::Shape;
use crate::h2o::query::Task;
use crate::tpch::table;
use crate::{clickbench, h2o, tpcds, tpch};

#[derive(Subcommand, Clone, Debug)]
pub(super) enum GenerateCommand {
    /// The eight tables of TPC-H, as <data>/sf<scale factor>/<table>.parquet.
    Tpch(TpchArguments),
    /// The 24 tables of TPC-DS, as <data>/sf<scale factor>/<table>.parquet.
    Tpcds(TpcdsArguments),
    /// The tables of H2O.ai's db-benchmark, as <data>/<name of the data>/<table>.parquet.
    H2o(H2oArguments),
    /// The table of ClickBench with made-up rows, as <data>/<rows>/hits.parquet.
    Clickbench(ClickbenchArguments),
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

#[derive(Args, Clone, Debug)]
pub(super) struct TpcdsArguments {
    /// Scale factor: 1 is about 1 GB of text.
    #[arg(long, short = 's', value_name = "NUMBER", default_value_t = 1.0)]
    pub scale_factor: f64,
    /// Folder for the data of all scale factors.
    #[arg(long, value_name = "FOLDER", default_value = "data/tpcds")]
    pub data: PathBuf,
}

#[derive(Args, Clone, Debug)]
pub(super) struct H2oArguments {
    #[command(flatten)]
    pub shape: ShapeArguments,
    /// Folder for the data of all sizes.
    #[arg(long, value_name = "FOLDER", default_value = "data/h2o")]
    pub data: PathBuf,
}

#[derive(Args, Clone, Debug)]
pub(super) struct ClickbenchArguments {
    /// Rows of the table, such as 1e6.
    #[arg(long, value_name = "COUNT", default_value = "1e6", value_parser = parse_count)]
    pub rows: u64,
    /// Folder for the data of all sizes.
    #[arg(long, value_name = "FOLDER", default_value = "data/clickbench")]
    pub data: PathBuf,
}

pub(super) async fn run(command: &GenerateCommand) -> Result<()> {
    match command {
        GenerateCommand::Tpch(arguments) => {
            let folder = tpch_data(&arguments.data, arguments.scale_factor).await?;
            print(&format!("{}\n", folder.display()))
        }
        GenerateCommand::Tpcds(arguments) => {
            let folder = tpcds_data(&arguments.data, arguments.scale_factor).await?;
            print(&format!("{}\n", folder.display()))
        }
        GenerateCommand::H2o(arguments) => {
            for task in Task::ALL {
                h2o_data(&arguments.data, arguments.shape.shape(), task).await?;
                print(&format!("{}\n", arguments.shape.shape().folder(&arguments.data, task).display()))?;
            }
            Ok(())
        }
        GenerateCommand::Clickbench(arguments) => {
            clickbench_data(&arguments.data, arguments.rows).await?;
            let folder = clickbench::data::folder(&arguments.data, arguments.rows);
            print(&format!("{}\n", folder.display()))
        }
    }
}

/// Generates what is missing of a scale factor, and returns its folder. Dropping the future stops the work.
pub(super) async fn tpch_data(data: &Path, scale_factor: f64) -> Result<PathBuf> {
    let folder = table::folder(data, scale_factor);
    let target = folder.clone();
    in_background(move |threads, stop| tpch::generate::generate(&target, scale_factor, threads, stop))
        .await?;
    Ok(folder)
}

/// Generates what is missing of a scale factor of TPC-DS, and returns its folder. Dropping the future stops the work.
pub(super) async fn tpcds_data(data: &Path, scale_factor: f64) -> Result<PathBuf> {
    let folder = tpcds::table::folder(data, scale_factor);
    let target = folder.clone();
    in_background(move |threads, stop| tpcds::generate::generate(&target, scale_factor, threads, stop))
        .await?;
    Ok(folder)
}

/// Generates what is missing of a task's tables. Dropping the future stops the work.
pub(super) async fn h2o_data(data: &Path, shape: Shape, task: Task) -> Result<()> {
    let data = data.to_path_buf();
    in_background(move |threads, stop| h2o::data::generate(&data, shape, task, threads, stop)).await?;
    Ok(())
}

/// Generates the table of ClickBench where it is missing. Dropping the future stops the work.
pub(super) async fn clickbench_data(data: &Path, rows: u64) -> Result<()> {
    let data = data.to_path_buf();
    in_background(move |threads, stop| clickbench::data::generate(&data, rows, threads, stop)).await?;
    Ok(())
}

/// Runs a generator on a thread of its own, with the number of threads to use. Dropping the future stops it.
async fn in_background<T: Send + 'static>(
    generate: impl FnOnce(usize, &Stop) -> Result<T> + Send + 'static,
) -> Result<T> {
    let stop = Stop::default();
    let stop_on_drop = StopOnDrop(stop.clone());
    let threads = std::thread::available_parallelism().map_or(1, NonZero::get);
    let made = tokio::task::spawn_blocking(move || generate(threads, &stop)).await;
    drop(stop_on_drop);
    made.unwrap_or_else(|_| Err(Error::bug("generating the data panicked")))
}

struct StopOnDrop(Stop);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.request();
    }
}
