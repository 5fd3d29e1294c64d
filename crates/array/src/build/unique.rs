//! Sets and counts, whose shapes depend on values.
