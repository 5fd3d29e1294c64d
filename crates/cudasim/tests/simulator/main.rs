//! Drives the simulator through cudarc, as its users do.

mod basics;
mod blas;
mod devices;
mod faults;
mod fft;
mod harness;
mod loading;
mod matrix;
mod memory;
mod ordering;
mod solver;
mod solver_calls;
mod synchronization;
