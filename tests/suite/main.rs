//! Every integration test, in one binary: linking is the slow part.

mod column;
mod differential;
mod generated;
mod operators;
mod placement;
mod simulator;
mod worker;
mod tpch_device;
