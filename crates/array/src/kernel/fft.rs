//! Fourier transforms along the last axis.
