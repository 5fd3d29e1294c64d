//! Generates the tables as Parquet files.

use std::path::{Path, PathBuf};

use arrow::array::RecordBatchReader;
use tpcdsgen::config::{Session, SessionBuilder, Table};
use tpcdsgen_arrow::{
    CallCenterArrow, CatalogPageArrow, CatalogReturnsArrow, CatalogSalesArrow, CustomerAddressArrow,
    CustomerArrow, CustomerDemographicsArrow, DateDimArrow, HouseholdDemographicsArrow, IncomeBandArrow,
    InventoryArrow, ItemArrow, PromotionArrow, ReasonArrow, ShipModeArrow, StoreArrow, StoreReturnsArrow,
    StoreSalesArrow, TimeDimArrow, WarehouseArrow, WebPageArrow, WebReturnsArrow, WebSalesArrow,
    WebSiteArrow,
};

use super::table::files;
use crate::bench::generate::{BATCH_ROWS, Job, Stop, create_folder, part_count, write};
use crate::error::{Error, Result};

/// The largest scale factor that the specification defines: 100 TB of text.
const SCALE_FACTOR_MAX: f64 = 100_000.0;

/// Generates the tables that `folder` lacks; returns the paths of those it made.
///
/// # Errors
/// A scale factor that is not a positive number; a folder that cannot be written to; a stop.
pub fn generate(folder: &Path, scale_factor: f64, threads: usize, stop: &Stop) -> Result<Vec<PathBuf>> {
    if !(scale_factor > 0.0 && scale_factor <= SCALE_FACTOR_MAX) {
        return Err(Error::user(format!(
            "{scale_factor} is not a scale factor; give a number above 0, such as 0.01, and up to {SCALE_FACTOR_MAX}"
        )));
    }
    create_folder(folder)?;
    let missing: Vec<_> = files(folder).into_iter().filter(|table| !table.path.exists()).collect();
    let whole = session(scale_factor, 1, 1)?;
    let mut jobs = Vec::new();
    for table in &missing {
        let generator: Table =
            table.name.parse().map_err(|error| Error::bug(format!("{}: {error}", table.name)))?;
        let parts = part_count(whole.get_scaling().get_row_count(generator));
        let sessions =
            (1..=parts).map(|part| session(scale_factor, part, parts)).collect::<Result<Vec<_>>>()?;
        jobs.push(Job {
            path: table.path.clone(),
            schema: rows(generator, whole.clone())?.schema(),
            parts,
            part: Box::new(move |part| match rows(generator, sessions[part].clone()) {
                Ok(rows) => Box::new(rows),
                Err(error) => {
                    Box::new(std::iter::once(Err(arrow::error::ArrowError::ExternalError(Box::new(error)))))
                }
            }),
        });
    }
    write(&jobs, "TPC-DS", threads, stop)?;
    Ok(missing.into_iter().map(|table| table.path).collect())
}

/// Part `part` of `parts`, counted from 1.
fn session(scale_factor: f64, part: usize, parts: usize) -> Result<Session> {
    SessionBuilder::new()
        .with_scale_factor(scale_factor)
        .with_chunk_number(part as i32)
        .with_total_chunks(parts as i32)
        .build()
        .map_err(|error| Error::bug(format!("the generator refuses scale factor {scale_factor}: {error}")))
}

/// The rows of a session's part.
fn rows(table: Table, session: Session) -> Result<Box<dyn RecordBatchReader>> {
    let range = session.get_source_row_range(table);
    macro_rules! reader {
        ($arrow:ident) => {
            Box::new(
                $arrow::new(session)
                    .with_source_row_range(*range.start(), *range.end())
                    .with_batch_size(BATCH_ROWS),
            )
        };
    }
    Ok(match table {
        Table::CallCenter => reader!(CallCenterArrow),
        Table::CatalogPage => reader!(CatalogPageArrow),
        Table::CatalogReturns => reader!(CatalogReturnsArrow),
        Table::CatalogSales => reader!(CatalogSalesArrow),
        Table::Customer => reader!(CustomerArrow),
        Table::CustomerAddress => reader!(CustomerAddressArrow),
        Table::CustomerDemographics => reader!(CustomerDemographicsArrow),
        Table::DateDim => reader!(DateDimArrow),
        Table::HouseholdDemographics => reader!(HouseholdDemographicsArrow),
        Table::IncomeBand => reader!(IncomeBandArrow),
        Table::Inventory => reader!(InventoryArrow),
        Table::Item => reader!(ItemArrow),
        Table::Promotion => reader!(PromotionArrow),
        Table::Reason => reader!(ReasonArrow),
        Table::ShipMode => reader!(ShipModeArrow),
        Table::Store => reader!(StoreArrow),
        Table::StoreReturns => reader!(StoreReturnsArrow),
        Table::StoreSales => reader!(StoreSalesArrow),
        Table::TimeDim => reader!(TimeDimArrow),
        Table::Warehouse => reader!(WarehouseArrow),
        Table::WebPage => reader!(WebPageArrow),
        Table::WebReturns => reader!(WebReturnsArrow),
        Table::WebSales => reader!(WebSalesArrow),
        Table::WebSite => reader!(WebSiteArrow),
        other => return Err(Error::bug(format!("{other:?} is no table of TPC-DS"))),
    })
}
