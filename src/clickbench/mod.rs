//! ClickBench: 43 queries over one wide table of web traffic, whose rows are made up here in the published schema.

mod columns;
pub mod data;
pub mod query;
