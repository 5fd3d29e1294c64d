//! Sorts and searches along the last axis.
