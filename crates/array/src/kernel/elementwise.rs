//! Fused elementwise programs, interpreted tile by tile.
