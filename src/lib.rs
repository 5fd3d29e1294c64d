//! Dataframes and arrays that use every GPU their user owns.
//!
//! Swath runs SQL over tables in Parquet, CSV, JSON and Arrow IPC files. A query is planned by DataFusion; what a
//! GPU does faster is lowered to device programs, each compiled to one CUDA kernel; the rest runs on the CPU, with
//! the same answers. Every result carries a receipt that says what ran where.
//!
//! The map, from the top down; a module imports only from those below it (ARCHITECTURE.md):
//!
//! | module | what lives there |
//! |---|---|
//! | [`cli`] | the `swath` command |
//! | [`tpch`], [`tpcds`], [`h2o`], [`clickbench`], [`bench`] | benchmarks, and what they share |
//! | [`calibrate`] | measuring this machine for the cost model |
//! | [`operator_bench`] | single operators, measured over generated data |
//! | [`array`] | arrays in a session: computed, made of frames, made into frames |
//! | [`session`] | the user's entry point: tables, SQL, results |
//! | [`plan`] | placement over DataFusion's physical plans; the only place that knows them |
//! | [`operators`] | one file per device operator: how it runs on a worker |
//! | [`program`] | the device-program IR and its code generation; no CUDA calls |
//! | [`worker`] | one worker thread per device |
//! | [`column`] | device columns; Arrow up and down |
//! | [`memory`] | reservations, eviction, pinned staging |
//! | [`device`] | contexts, streams, modules, run-time compilation; the only place that names cudarc |
//! | [`observe`] | receipts and progress |

pub mod array;
pub mod bench;
pub mod calibrate;
pub mod cli;
pub mod clickbench;
pub mod column;
pub mod config;
pub mod device;
pub mod error;
pub mod h2o;
pub mod memory;
pub mod observe;
pub mod operator_bench;
pub mod operators;
pub mod plan;
pub mod program;
pub mod session;
pub mod tpcds;
pub mod tpch;
pub mod worker;

pub use error::{Error, Result};
