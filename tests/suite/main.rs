//! Every integration test, in one binary: linking is the slow part.

mod differential;
mod generated;
mod operators;
mod placement;
mod tpch_device;
