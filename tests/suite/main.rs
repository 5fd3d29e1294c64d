//! Every integration test, in one binary: linking is the slow part.

mod allocation_faults;
mod bad_input;
mod bench;
mod cli;
mod clickbench;
mod column;
mod concat;
mod differential;
mod gather;
mod generated;
mod h2o;
mod joins;
mod operators;
mod placement;
mod program;
mod simulator;
mod sort;
mod sql;
mod strings;
mod task;
mod tiers;
mod tpcds;
mod tpch_device;
mod tpch_host;
mod window;
mod worker;
