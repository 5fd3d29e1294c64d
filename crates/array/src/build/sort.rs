//! Sorts, selections, searches in sorted values, quantiles.
