//! Random numbers that depend on seed and element alone.
