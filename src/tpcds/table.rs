//! The 24 tables, as files in a folder.

use std::path::{Path, PathBuf};

use crate::bench::run::TableFile;

/// The names of the tables, in queries and of the files.
pub const TABLES: [&str; 24] = [
    "call_center",
    "catalog_page",
    "catalog_returns",
    "catalog_sales",
    "customer",
    "customer_address",
    "customer_demographics",
    "date_dim",
    "household_demographics",
    "income_band",
    "inventory",
    "item",
    "promotion",
    "reason",
    "ship_mode",
    "store",
    "store_returns",
    "store_sales",
    "time_dim",
    "warehouse",
    "web_page",
    "web_returns",
    "web_sales",
    "web_site",
];

/// The folder of a scale factor below the data folder: `data/tpcds/sf0.01`.
pub fn folder(data: &Path, scale_factor: f64) -> PathBuf {
    data.join(format!("sf{scale_factor}"))
}

/// The files of all tables in a folder.
pub fn files(folder: &Path) -> Vec<TableFile> {
    TABLES.map(|name| TableFile { name, path: folder.join(format!("{name}.parquet")) }).into()
}
