//! Drives the simulator through cudarc, as its users do.

mod basics;
mod harness;
