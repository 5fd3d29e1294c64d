//! The TPC-DS benchmark: its tables, made by the reference generator's port, and some of its queries.

pub mod generate;
pub mod query;
pub mod table;
