//! Arrays from nothing: constants, ranges, diagonals, grids.
