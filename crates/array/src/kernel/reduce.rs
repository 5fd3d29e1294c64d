//! Partial results of reductions, and their merging.
