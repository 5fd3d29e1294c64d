//! Every integration test, in one binary: linking is the slow part.

mod bad_input;
mod cli;
mod column;
mod differential;
mod generated;
mod operators;
mod placement;
mod program;
mod simulator;
mod sort;
mod strings;
mod tpch_device;
mod tpch_host;
mod worker;
