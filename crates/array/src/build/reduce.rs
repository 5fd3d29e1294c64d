//! Reductions and statistics.
