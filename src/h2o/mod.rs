//! The db-benchmark of H2O.ai, now kept by DuckDB Labs: ten questions that group one table and five that join, over data
//! of the published shape, generated here.

pub mod data;
pub mod groupby;
pub mod join;
pub mod query;
