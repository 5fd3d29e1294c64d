//! Drives the simulator through cudarc, as its users do.

mod basics;
mod devices;
mod faults;
mod fft;
mod harness;
mod loading;
mod memory;
mod ordering;
mod synchronization;
