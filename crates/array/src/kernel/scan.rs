//! Cumulative operations along the last axis.
