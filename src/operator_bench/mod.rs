//! Single operators over generated data, on the CPU and on the device: what `swath bench operators` runs, and what
//! `swath calibrate` measures with.

pub mod case;
pub mod data;
pub mod run;
