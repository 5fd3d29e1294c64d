//! The TPC-H benchmark: its tables, its 22 queries and their answers.
//!
//! Stands above the session, which it uses as any program would; only the command line uses it.

pub mod answer;
pub mod generate;
pub mod pinned;
pub mod query;
pub mod table;
