//! Indexing: integers, slices, masks, integer arrays; assignment.
