//! `swath bench float-sums`.

use std::sync::Arc;
use std::time::Instant;

use arrow::array::{AsArray, Float64Array, Int64Array, RecordBatch};
use arrow::datatypes::{DataType, Field, Float64Type, Int64Type, Schema};
use clap::Args;
use datafusion::datasource::MemTable;

use super::report::{TextTable, milliseconds, minimum, ratio};
use crate::cli::arguments::parse_count;
use crate::cli::print;
use crate::config::{Config, Fallback};
use crate::device;
use crate::error::{Error, Result};
use crate::observe::progress;
use crate::session::Session;

/// Rows of a batch.
const BATCH_ROWS: u64 = 1 << 16;

/// What is measured, and the query for it.
const QUERIES: [(&str, &str); 5] = [
    ("one group, alike", "SELECT sum(price), avg(price) FROM t"),
    ("one group, wide", "SELECT sum(wide), avg(wide) FROM t"),
    ("few groups, alike", "SELECT few, sum(price), avg(price) FROM t GROUP BY few"),
    ("few groups, wide", "SELECT few, sum(wide), avg(wide) FROM t GROUP BY few"),
    ("many groups, alike", "SELECT many, sum(price), avg(price) FROM t GROUP BY many"),
];

#[derive(Args, Clone, Debug)]
pub(in crate::cli) struct FloatSumsArguments {
    /// Rows, such as 1e7.
    #[arg(long, value_name = "COUNT", default_value = "1e7", value_parser = parse_count)]
    pub rows: u64,
    /// Runs of each query; the best counts.
    #[arg(long, value_name = "COUNT", default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..))]
    pub iterations: u16,
}

pub(super) async fn run(arguments: &FloatSumsArguments) -> Result<()> {
    let probe = device::probe();
    let device = probe.usable().first();
    let simulated = device.is_some_and(|device| device.is_simulated());
    let session = Session::with_config(Config { fallback: Fallback::Error, ..Config::default() })?;
    let table = table(arguments.rows)?;
    session.context().register_table("t", table).map_err(|error| Error::bug(error.to_string()))?;
    let places: &[&str] = if device.is_some() { &["host", "device"] } else { &["host"] };
    let runs = u64::from(arguments.iterations) + 1;
    let bar = progress::bar(runs * (QUERIES.len() * places.len() * 2) as u64, "float sums");
    let mut table = TextTable::new(["what", "place", "fast ms", "exact ms", "ratio"]);
    for (what, query) in QUERIES {
        let mut exact_answer = None;
        for place in places {
            session.set("swath.placement", place).await?;
            let mut times = [vec![], vec![]];
            for run in 0..runs {
                // In turns, so that both meet the same machine. The first run compiles.
                for (sums, times) in ["fast", "exact"].into_iter().zip(&mut times) {
                    session.set("swath.float_sums", sums).await?;
                    let started = Instant::now();
                    let answer = session.sql(query).await?.collect().await?;
                    if run > 0 {
                        times.push(started.elapsed().as_secs_f64() * 1e3);
                    }
                    let bits = checksum(&answer.batches);
                    if sums == "exact" && *exact_answer.get_or_insert(bits) != bits {
                        return Err(Error::bug(format!(
                            "'{query}': an exact sum differs on the {place}, run {run}"
                        )));
                    }
                    bar.inc(1);
                }
            }
            let [fast, exact] = times.map(|times| minimum(&times));
            // What took no real time has no ratio.
            let of_both = fast.zip(exact).filter(|_| *place == "host" || !simulated);
            table.row(vec![
                what.to_string(),
                place.to_string(),
                milliseconds(fast),
                milliseconds(exact),
                ratio(of_both.map(|(fast, exact)| exact / fast)),
            ]);
        }
    }
    bar.finish_and_clear();
    let note = match (device, simulated) {
        (_, true) => "the device is SIMULATED: its times mean nothing\n",
        (None, _) => "there is no device\n",
        _ => "",
    };
    print(&format!(
        "{} rows in memory, best of {}; alike: prices; wide: exponents from -300 to 300; ratio: exact to fast\n\
         {note}\n{table}",
        arguments.rows, arguments.iterations
    ))
}

/// A number of all bits of an answer, whatever the order of its rows.
fn checksum(batches: &[RecordBatch]) -> u64 {
    let mut sum = 0u64;
    for batch in batches {
        for row in 0..batch.num_rows() {
            let bits = batch.columns().iter().map(|column| match column.data_type() {
                DataType::Float64 => column.as_primitive::<Float64Type>().value(row).to_bits(),
                _ => column.as_primitive::<Int64Type>().value(row) as u64,
            });
            sum = sum.wrapping_add(bits.fold(0, |hash, bits| mix(hash ^ bits)));
        }
    }
    sum
}

/// The finalizer of SplitMix64.
fn mix(number: u64) -> u64 {
    let mut z = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// Rows with keys of few and of many values, prices, and values of all sizes; the same every time.
fn table(rows: u64) -> Result<Arc<MemTable>> {
    let field = |name: &str, data_type| Field::new(name, data_type, false);
    let schema = Arc::new(Schema::new(vec![
        field("few", DataType::Int64),
        field("many", DataType::Int64),
        field("price", DataType::Float64),
        field("wide", DataType::Float64),
    ]));
    let number = |row: u64, column: u64| mix(row * 4 + column);
    let many = (rows / 10).max(1);
    let wide = |row| {
        let number = number(row, 3);
        (number % 2_000_001) as f64 / 1e6 * 10f64.powi(((number >> 32) % 301) as i32 - 150).powi(2) - 1.0
    };
    let failed = |error: &dyn std::fmt::Display| Error::bug(error.to_string());
    let batches = (0..rows).step_by(BATCH_ROWS as usize).map(|begin| {
        let numbers = begin..(begin + BATCH_ROWS).min(rows);
        let integers = |column, count| {
            Int64Array::from_iter_values(numbers.clone().map(|row| (number(row, column) % count) as i64))
        };
        let prices = numbers.clone().map(|row| (number(row, 2) % 10_000_000) as f64 / 100.0);
        RecordBatch::try_new(
            schema.clone(),
            vec![
                Arc::new(integers(0, 100)),
                Arc::new(integers(1, many)),
                Arc::new(Float64Array::from_iter_values(prices)),
                Arc::new(Float64Array::from_iter_values(numbers.clone().map(wide))),
            ],
        )
        .map_err(|error| failed(&error))
    });
    let batches = batches.collect::<Result<Vec<_>>>()?;
    Ok(Arc::new(MemTable::try_new(schema, vec![batches]).map_err(|error| failed(&error))?))
}
