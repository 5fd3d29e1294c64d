//! Every integration test, in one binary: linking is the slow part.

mod operators;
mod placement;
