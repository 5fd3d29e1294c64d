//! Every integration test, in one binary: linking is the slow part.

mod aggregates;
mod allocation_faults;
mod bad_input;
mod cli;
mod column;
mod differential;
mod generated;
mod joins;
mod operators;
mod placement;
mod program;
mod simulator;
mod sort;
mod strings;
mod tiers;
mod tpch_device;
mod tpch_host;
mod window;
mod worker;
