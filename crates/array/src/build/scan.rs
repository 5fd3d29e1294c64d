//! Cumulative operations and differences.
