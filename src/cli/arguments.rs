//! Arguments that several commands share, and how they become a session.

use std::path::PathBuf;

use clap::Args;

use super::note;
use crate::config::{Config, Fallback, FloatSums, Placement};
use crate::error::{Error, Result};
use crate::h2o::data::Shape;
use crate::session::{Format, Session, TableOptions, TableSource};

/// Where and how queries run.
#[derive(Args, Clone, Debug)]
pub(super) struct DeviceArguments {
    /// Where operators run: auto (the default), device or host.
    #[arg(long, value_name = "PLACE")]
    pub placement: Option<Placement>,
    /// What running on the CPU in place of a device does: allow, warn or error.
    #[arg(long, value_name = "POLICY", default_value = "allow")]
    pub fallback: Fallback,
    /// How floats are summed: fast, or exact, the same bits on every place and in every run.
    #[arg(long, value_name = "HOW", default_value = "fast")]
    pub float_sums: FloatSums,
    /// Bytes of host memory for what operators on the CPU hold at once, such as 8GiB.
    #[arg(long, value_name = "BYTES", value_parser = parse_bytes)]
    pub memory_limit: Option<u64>,
    /// Bytes of memory to use on each device, such as 8GiB.
    #[arg(long, value_name = "BYTES", value_parser = parse_bytes)]
    pub device_memory_limit: Option<u64>,
    /// Bytes of pinned host memory for data that has no room on a device.
    #[arg(long, value_name = "BYTES", value_parser = parse_bytes)]
    pub pinned_memory_limit: Option<u64>,
    /// Bytes of pageable host memory for data that has no room in pinned memory.
    #[arg(long, value_name = "BYTES", value_parser = parse_bytes)]
    pub pageable_memory_limit: Option<u64>,
    /// Bytes on disk for data that has no room in memory.
    #[arg(long, value_name = "BYTES", value_parser = parse_bytes)]
    pub spill_disk_limit: Option<u64>,
    /// Folder that data without room in memory is written below.
    #[arg(long, value_name = "FOLDER")]
    pub spill_dir: Option<PathBuf>,
    /// Folder that compiled kernels are kept in.
    #[arg(long, value_name = "FOLDER")]
    pub cache_dir: Option<PathBuf>,
    /// File with the cost constants of this machine, as `swath calibrate` writes it.
    #[arg(long, value_name = "PATH")]
    pub cost_file: Option<PathBuf>,
    /// CPU threads of a query.
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u16).range(1..))]
    pub threads: Option<u16>,
}

impl DeviceArguments {
    pub fn config(&self) -> Config {
        Config {
            placement: self.placement.unwrap_or_default(),
            fallback: self.fallback,
            float_sums: self.float_sums,
            memory_limit: self.memory_limit,
            device_memory_limit: self.device_memory_limit,
            pinned_memory_limit: self.pinned_memory_limit,
            pageable_memory_limit: self.pageable_memory_limit,
            spill_disk_limit: self.spill_disk_limit,
            spill_dir: self.spill_dir.clone(),
            cache_dir: self.cache_dir.clone(),
            cost_file: self.cost_file.clone(),
            target_partitions: self.threads.map(usize::from),
            ..Config::default()
        }
    }
}

/// Tables and options of a session.
#[derive(Args, Clone, Debug)]
pub(super) struct SessionArguments {
    /// A table: a file, a quoted glob or a folder of Parquet, CSV, JSON or Arrow IPC. May be repeated.
    #[arg(long = "table", short = 't', value_name = "NAME=PATH", value_parser = parse_pair)]
    pub tables: Vec<(String, String)>,
    /// Format of the tables where the extension does not tell: parquet, csv, json or arrow.
    #[arg(long, value_name = "FORMAT")]
    pub table_format: Option<Format>,
    /// The byte between CSV fields; a comma unless the file is a .tsv.
    #[arg(long, value_name = "BYTE", value_parser = parse_delimiter)]
    pub delimiter: Option<u8>,
    /// The CSV files have no header; columns are column_1, column_2 and so on.
    #[arg(long)]
    pub no_header: bool,
    /// An option, as SET takes it: datafusion.execution.batch_size=16384. May be repeated.
    #[arg(long = "set", value_name = "KEY=VALUE", value_parser = parse_pair)]
    pub options: Vec<(String, String)>,
    #[command(flatten)]
    pub device: DeviceArguments,
}

impl SessionArguments {
    /// Opens the session, sets its options and registers its tables.
    pub async fn open(&self) -> Result<Session> {
        let session = Session::with_config(self.device.config())?;
        let costs = session.engine().costs();
        for damage in costs.notes.iter().filter(|_| costs.damaged) {
            note(format!("warning: {damage}"));
        }
        for (key, value) in &self.options {
            session.set(key, value).await.map_err(|error| error.context("--set"))?;
        }
        for (name, path) in &self.tables {
            let options = TableOptions {
                header: !self.no_header,
                delimiter: self.delimiter,
                ..TableOptions::default()
            };
            let source = TableSource { paths: vec![path.clone()], format: self.table_format, options };
            session.register(name, &source).await?;
        }
        Ok(session)
    }
}

/// The shape of the data of `h2o`.
#[derive(Args, Clone, Debug)]
pub(super) struct ShapeArguments {
    /// Rows of the largest tables, such as 1e7.
    #[arg(long, value_name = "COUNT", default_value = "1e7", value_parser = parse_count)]
    pub rows: u64,
    /// Groups of the columns with few, such as 1e2.
    #[arg(long, value_name = "COUNT", default_value = "1e2", value_parser = parse_count)]
    pub groups: u64,
    /// Percent of the values that are null.
    #[arg(long, value_name = "PERCENT", default_value_t = 0, value_parser = clap::value_parser!(u8).range(0..=100))]
    pub nulls: u8,
    /// Order the rows by their keys.
    #[arg(long)]
    pub sorted: bool,
}

impl ShapeArguments {
    pub fn shape(&self) -> Shape {
        Shape { rows: self.rows, groups: self.groups, nulls: self.nulls, sorted: self.sorted }
    }
}

/// A count of at least 1, in digits or as 1e7.
pub(super) fn parse_count(text: &str) -> Result<u64> {
    let (number, power) = match text.split_once(['e', 'E']) {
        Some((number, power)) => (number, power.parse::<u32>().ok()),
        None => (text, Some(0)),
    };
    let count = number
        .parse::<u64>()
        .ok()
        .zip(power)
        .and_then(|(number, power)| 10u64.checked_pow(power).and_then(|power| number.checked_mul(power)));
    match count {
        Some(count @ 1..) => Ok(count),
        _ => Err(Error::user(format!("'{text}' is not a count from 1, such as 20000 or 1e7"))),
    }
}

fn parse_pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() && !value.is_empty() => {
            Ok((name.to_string(), value.to_string()))
        }
        _ => Err("expected a name, an equals sign and a value".to_string()),
    }
}

fn parse_delimiter(text: &str) -> Result<u8, String> {
    match text.as_bytes() {
        [byte] => Ok(*byte),
        b"\\t" => Ok(b'\t'),
        _ => Err("expected one ASCII character, or \\t".to_string()),
    }
}

/// Bytes, with a unit or without: 1073741824, 512MB, 8GiB.
pub(super) fn parse_bytes(text: &str) -> Result<u64> {
    let split = text.find(|letter: char| !letter.is_ascii_digit() && letter != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let factor: f64 = match unit.trim().to_ascii_lowercase().as_str() {
        "" | "b" => 1.0,
        "kb" => 1e3,
        "mb" => 1e6,
        "gb" => 1e9,
        "k" | "kib" => 1024.0,
        "m" | "mib" => 1024.0 * 1024.0,
        "g" | "gib" => 1024.0 * 1024.0 * 1024.0,
        _ => {
            return Err(Error::user(format!(
                "'{unit}' is not a unit of bytes; use KiB, MiB, GiB, KB, MB or GB"
            )));
        }
    };
    match number.parse::<f64>() {
        Ok(number) => Ok((number * factor) as u64),
        Err(_) => Err(Error::user(format!("'{text}' is not a number of bytes, such as 8GiB"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parses_bytes_with_units() {
        assert_eq!(parse_bytes("1024").unwrap(), 1024);
        assert_eq!(parse_bytes("1.5KiB").unwrap(), 1536);
        assert_eq!(parse_bytes("8GB").unwrap(), 8_000_000_000);
        assert!(parse_bytes("8 parsecs").unwrap_err().is_user());
        assert!(parse_bytes("").unwrap_err().is_user());
    }

    #[test]
    fn parses_counts() {
        assert_eq!(parse_count("1e7").unwrap(), 10_000_000);
        assert_eq!(parse_count("25").unwrap(), 25);
        for wrong in ["", "0", "0e3", "abc", "-1", "1e", "1e30", "1.5e3", "18446744073709551616"] {
            assert!(parse_count(wrong).unwrap_err().is_user(), "{wrong}");
        }
    }

    #[test]
    fn parses_pairs_at_the_first_equals_sign() {
        assert_eq!(parse_pair("t=a=b.csv").unwrap(), ("t".into(), "a=b.csv".into()));
        assert!(parse_pair("t").is_err() && parse_pair("=x").is_err());
    }
}
