//! The TPC-H benchmark: its tables, its 22 queries, their answers, and the runs that are timed.
//!
//! Stands above the session, which it uses as any program would; only the command line uses it.

pub mod answer;
pub mod bench;
pub mod compare;
pub mod generate;
pub mod pinned;
pub mod query;
pub mod table;
