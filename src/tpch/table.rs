//! The eight tables, as files in a folder.

use std::path::{Path, PathBuf};

use crate::bench::run::{self, TableFile};
use crate::error::Result;
use crate::session::Session;

/// A table of TPC-H.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Table {
    Region,
    Nation,
    Supplier,
    Customer,
    Part,
    PartSupp,
    Orders,
    LineItem,
}

impl Table {
    /// All of them, small ones first.
    pub const ALL: [Table; 8] = [
        Table::Region,
        Table::Nation,
        Table::Supplier,
        Table::Customer,
        Table::Part,
        Table::PartSupp,
        Table::Orders,
        Table::LineItem,
    ];

    /// The name in queries, and of the file.
    pub fn name(self) -> &'static str {
        match self {
            Table::Region => "region",
            Table::Nation => "nation",
            Table::Supplier => "supplier",
            Table::Customer => "customer",
            Table::Part => "part",
            Table::PartSupp => "partsupp",
            Table::Orders => "orders",
            Table::LineItem => "lineitem",
        }
    }

    /// The file of the table in a folder of one scale factor.
    pub fn file(self, folder: &Path) -> PathBuf {
        folder.join(format!("{}.parquet", self.name()))
    }
}

/// The folder of a scale factor below the data folder: `data/tpch/sf0.01`.
pub fn folder(data: &Path, scale_factor: f64) -> PathBuf {
    data.join(format!("sf{scale_factor}"))
}

/// The files of all tables in a folder.
pub fn files(folder: &Path) -> Vec<TableFile> {
    Table::ALL.map(|table| TableFile { name: table.name(), path: table.file(folder) }).into()
}

/// Registers all tables of a folder.
///
/// # Errors
/// A table file that is missing or cannot be read.
pub async fn register(session: &Session, folder: &Path) -> Result<()> {
    run::register(session, &files(folder)).await
}
