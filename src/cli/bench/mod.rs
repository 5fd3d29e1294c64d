//! `swath bench`: runs that are timed and checked.

mod clickbench;
mod device;
mod float_sums;
mod h2o;
mod operators;
mod overhead;
mod placement;
pub(super) mod report;
mod suite;
mod tpcds;
mod tpch;

use clap::Subcommand;
use tokio::runtime::Runtime;

use super::until_interrupted;
use crate::error::Result;

#[derive(Subcommand, Clone, Debug)]
pub(super) enum BenchCommand {
    /// The 22 queries of TPC-H: generated once, run cold and hot, each answer checked.
    Tpch(tpch::TpchBenchArguments),
    /// 39 of the 99 queries of TPC-DS, timed and checked in the same way.
    Tpcds(tpcds::TpcdsBenchArguments),
    /// The questions of H2O.ai's db-benchmark: ten that group and five that join, timed and checked in the same way.
    H2o(h2o::H2oBenchArguments),
    /// The 43 queries of ClickBench over made-up web traffic, timed and checked in the same way.
    Clickbench(clickbench::ClickbenchBenchArguments),
    /// What a session costs over plain DataFusion on the host, and the time to the first row of SELECT 1.
    Overhead(overhead::OverheadArguments),
    /// What a device gets of its memory's bandwidth: copies, and two queries over a table pinned there.
    Device(device::DeviceBenchArguments),
    /// Each operator by itself over made-up data, on the CPU and on the device: rows and bytes per second, memory.
    Operators(operators::OperatorsBenchArguments),
    /// What exact float sums cost over fast ones, on the host and on a device.
    FloatSums(float_sums::FloatSumsArguments),
}

pub(super) fn run(runtime: &Runtime, command: &BenchCommand) -> Result<()> {
    match command {
        BenchCommand::Tpch(arguments) => runtime.block_on(until_interrupted(tpch::run(arguments))),
        BenchCommand::Tpcds(arguments) => runtime.block_on(until_interrupted(tpcds::run(arguments))),
        BenchCommand::H2o(arguments) => runtime.block_on(until_interrupted(h2o::run(arguments))),
        BenchCommand::Clickbench(arguments) => {
            runtime.block_on(until_interrupted(clickbench::run(arguments)))
        }
        BenchCommand::Overhead(arguments) => runtime.block_on(until_interrupted(overhead::run(arguments))),
        BenchCommand::Operators(arguments) => runtime.block_on(until_interrupted(operators::run(arguments))),
        BenchCommand::Device(arguments) => runtime.block_on(until_interrupted(device::run(arguments))),
        BenchCommand::FloatSums(arguments) => runtime.block_on(until_interrupted(float_sums::run(arguments))),
    }
}
