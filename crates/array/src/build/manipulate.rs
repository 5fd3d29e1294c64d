//! Shapes: reshape, permute, join, repeat, pad.
