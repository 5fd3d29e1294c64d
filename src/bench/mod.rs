//! What the benchmarks share: timed runs of their queries, checks of the answers, and data in Parquet.
//!
//! Stands above the session, which it uses as any program would; knows no benchmark.

pub mod answer;
pub mod compare;
pub mod digest;
pub mod draw;
pub mod generate;
pub mod placement;
pub mod question;
pub mod reference;
pub mod run;
