//! Checksums of answers that do not depend on the order of rows, nor on who computed them.
//!
//! `src/bench/digest.py` computes the same for DuckDB.

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type, Int64Type, Schema, TimeUnit};

use crate::error::{Error, Result};

/// Relative difference of two floating-point sums of the same values in different orders that still counts as
/// equal. TPC-H (2.1.3.5) allows 1 %; a sum of 6 million doubles is right to about 1e-12.
const RELATIVE_TOLERANCE: f64 = 1e-9;
/// A difference that counts as none: what is left where terms cancel, as in the correlation of unrelated columns.
const ABSOLUTE_TOLERANCE: f64 = 1e-12;

const NULL: u64 = 0x9e37_79b9_7f4a_7c15;
const NOT_A_NUMBER: u64 = 0xc2b2_ae3d_27d4_eb4f;

/// A checksum of rows.
#[derive(Clone, Debug, PartialEq)]
pub struct Digest {
    pub rows: u64,
    /// The wrapping sum of the rows' hashes.
    pub hash: u64,
    /// For each column of numbers with a fraction.
    pub sums: Vec<Sum>,
}

/// The values of a column, each weighted by its row's hash.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sum {
    pub value: f64,
    /// What the last digit of a decimal stands for; 0 for floating-point numbers.
    pub last_digit: f64,
}

impl Sum {
    fn is_close(self, other: Sum, rows: u64) -> bool {
        // A quotient that one side keeps as a decimal is cut after its last digit, in each row; weights are below 2.
        let cut = match (self.last_digit > 0.0, other.last_digit > 0.0) {
            (false, true) | (true, false) => 2.0 * rows as f64 * self.last_digit.max(other.last_digit),
            _ => 0.0,
        };
        close(self.value, other.value) || (self.value - other.value).abs() <= cut
    }
}

/// Rows as one hash of all cells that are exact, and the numbers that are not.
#[derive(Clone, Debug, Default)]
pub struct HashedRows {
    pub hashes: Vec<u64>,
    /// Column by column; 0 for null and NaN, which the hash tells apart.
    pub numbers: Vec<Vec<f64>>,
    /// For each of these columns what the last digit stands for; 0 for floating-point numbers.
    last_digits: Vec<f64>,
}

impl HashedRows {
    /// # Errors
    /// A column of a type that no answer has, such as a list.
    pub fn of(schema: &Schema, batches: &[RecordBatch]) -> Result<Self> {
        let last_digits: Vec<f64> =
            schema.fields().iter().filter_map(|field| last_digit(field.data_type())).collect();
        let mut all =
            HashedRows { hashes: Vec::new(), numbers: vec![Vec::new(); last_digits.len()], last_digits };
        for batch in batches {
            let mut hashes = vec![0u64; batch.num_rows()];
            let mut number = 0;
            for column in batch.columns() {
                if last_digit(column.data_type()).is_some() {
                    let values = cast(column, &DataType::Float64).map_err(failed)?;
                    let values = values.as_primitive::<Float64Type>();
                    for (hash, value) in hashes.iter_mut().zip(values) {
                        let (mark, value) = match value {
                            None => (NULL, 0.0),
                            Some(value) if value.is_nan() => (NOT_A_NUMBER, 0.0),
                            Some(value) => (0, value),
                        };
                        *hash = mix(hash.wrapping_add(mark));
                        all.numbers[number].push(value);
                    }
                    number += 1;
                } else {
                    add_exact(column, &mut hashes)?;
                }
            }
            all.hashes.extend(hashes);
        }
        Ok(all)
    }

    pub fn digest(&self) -> Digest {
        let sums = self.numbers.iter().zip(&self.last_digits).map(|(numbers, last_digit)| {
            let weighted = numbers.iter().zip(&self.hashes);
            Sum {
                value: weighted.map(|(value, hash)| value * (1.0 + (hash >> 54) as f64 / 1024.0)).sum(),
                last_digit: *last_digit,
            }
        });
        Digest {
            rows: self.hashes.len() as u64,
            hash: self.hashes.iter().fold(0, |sum, hash| sum.wrapping_add(*hash)),
            sums: sums.collect(),
        }
    }
}

impl Digest {
    /// Says where `actual` differs; `Ok` where it does not.
    pub fn compare(&self, actual: &Digest) -> Result<(), String> {
        if self.rows != actual.rows {
            return Err(format!("{} rows, expected {}", actual.rows, self.rows));
        }
        if self.sums.len() != actual.sums.len() {
            let (found, expected) = (actual.sums.len(), self.sums.len());
            return Err(format!("{found} columns of numbers with a fraction, expected {expected}"));
        }
        if self.hash != actual.hash {
            return Err(format!("checksum {:016x} of the rows, expected {:016x}", actual.hash, self.hash));
        }
        for (index, (expected, found)) in self.sums.iter().zip(&actual.sums).enumerate() {
            if !expected.is_close(*found, self.rows) {
                let (found, expected) = (found.value, expected.value);
                return Err(format!(
                    "weighted sum {found} of fractional column {}, expected {expected}",
                    index + 1
                ));
            }
        }
        Ok(())
    }

    /// Reads what `digest.py` wrote: rows, hash and sums, with commas between them; a sum of decimals has the last
    /// digit's place after an `@`.
    pub fn parse(text: &str) -> Option<Digest> {
        let mut cells = text.split(',').map(str::trim);
        let rows = cells.next()?.parse().ok()?;
        let hash = u64::from_str_radix(cells.next()?, 16).ok()?;
        let sums = cells.map(|cell| {
            let (value, last_digit) = cell.split_once('@').unwrap_or((cell, "0"));
            Some(Sum { value: value.parse().ok()?, last_digit: last_digit.parse().ok()? })
        });
        Some(Digest { rows, hash, sums: sums.collect::<Option<_>>()? })
    }
}

/// The kept digest of a question in a file of `question,rows,hash,sums…` lines.
pub fn kept(text: &str, question: usize) -> Option<Digest> {
    let line = text.lines().find_map(|line| {
        let (number, rest) = line.split_once(',')?;
        (number.parse() == Ok(question)).then_some(rest)
    })?;
    Digest::parse(line)
}

/// Whether two numbers that were computed with fractions are the same.
pub fn close(expected: f64, found: f64) -> bool {
    let difference = (expected - found).abs();
    expected == found
        || (expected.is_nan() && found.is_nan())
        || difference <= ABSOLUTE_TOLERANCE
        || difference <= RELATIVE_TOLERANCE * expected.abs().max(found.abs())
}

/// What the last digit of numbers with a fraction stands for; `None` for other types.
fn last_digit(data_type: &DataType) -> Option<f64> {
    match data_type {
        DataType::Decimal32(_, scale)
        | DataType::Decimal64(_, scale)
        | DataType::Decimal128(_, scale)
        | DataType::Decimal256(_, scale) => Some(10f64.powi(-i32::from(*scale))),
        other => other.is_floating().then_some(0.0),
    }
}

/// Adds a column of cells that are the same whoever computes them.
fn add_exact(column: &dyn Array, hashes: &mut [u64]) -> Result<()> {
    match column.data_type() {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View | DataType::Dictionary(_, _) => {
            let text = cast(column, &DataType::Utf8View).map_err(failed)?;
            for (hash, text) in hashes.iter_mut().zip(text.as_string_view()) {
                *hash = mix(hash.wrapping_add(text.map_or(NULL, |text| mix(fnv(text.as_bytes())))));
            }
            return Ok(());
        }
        _ => {}
    }
    let integers = match column.data_type() {
        DataType::Date32 => cast(column, &DataType::Int32).and_then(|days| cast(&days, &DataType::Int64)),
        DataType::Timestamp(_, _) => cast(column, &DataType::Timestamp(TimeUnit::Microsecond, None))
            .and_then(|instants| cast(&instants, &DataType::Int64)),
        other if other.is_integer() || matches!(other, DataType::Boolean | DataType::Null) => {
            cast(column, &DataType::Int64)
        }
        other => {
            return Err(Error::bug(format!("an answer has a column of type {other}, which has no checksum")));
        }
    }
    .map_err(failed)?;
    for (hash, value) in hashes.iter_mut().zip(integers.as_primitive::<Int64Type>()) {
        *hash = mix(hash.wrapping_add(value.map_or(NULL, |value| mix(value as u64))));
    }
    Ok(())
}

/// Bytes to a number: FNV-1a.
fn fnv(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

/// Spreads a number over all bits: the end of SplitMix64.
pub fn mix(mut value: u64) -> u64 {
    value = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

fn failed(error: arrow::error::ArrowError) -> Error {
    Error::bug(format!("cannot take a checksum of an answer: {error}"))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, Float64Array, Int32Array, Int64Array, StringArray};

    use super::*;

    fn digest(columns: Vec<ArrayRef>) -> Digest {
        let named =
            columns.into_iter().enumerate().map(|(index, column)| (format!("c{index}"), column, true));
        let batch = RecordBatch::try_from_iter_with_nullable(named).expect("has columns of one length");
        HashedRows::of(&batch.schema(), &[batch]).expect("has plain types").digest()
    }

    #[test]
    fn neither_order_nor_width_counts() {
        let one = digest(vec![
            Arc::new(StringArray::from(vec![Some("a"), None, Some("b")])),
            Arc::new(Int32Array::from(vec![1, 2, 3])),
            Arc::new(Float64Array::from(vec![0.1, 0.2, 0.7])),
        ]);
        let other = digest(vec![
            Arc::new(StringArray::from(vec![Some("b"), Some("a"), None])),
            Arc::new(Int64Array::from(vec![3, 1, 2])),
            Arc::new(Float64Array::from(vec![0.7 + 1e-16, 0.1, 0.2])),
        ]);
        assert_eq!(one.compare(&other), Ok(()));
    }

    #[test]
    fn a_cut_quotient_counts_as_the_quotient() {
        let cut = |digits: f64| Sum { value: 1.0 + digits, last_digit: 1e-6 };
        let whole = Sum { value: 1.0, last_digit: 0.0 };
        assert!(whole.is_close(cut(1e-5), 10) && !whole.is_close(cut(1e-4), 10));
        assert!(!cut(0.0).is_close(cut(1e-5), 10), "decimals are exact");
        let kept = Digest::parse("3,00000000000000ff,1.5,2.25@0.01").expect("is whole");
        assert_eq!(kept.sums[1], Sum { value: 2.25, last_digit: 0.01 });
    }

    #[test]
    fn every_cell_counts_and_so_does_its_row() {
        let rows = |texts: [&str; 2], numbers: [f64; 2]| {
            digest(vec![
                Arc::new(StringArray::from(texts.to_vec())),
                Arc::new(Float64Array::from(numbers.to_vec())),
            ])
        };
        let right = rows(["a", "b"], [1.0, 2.0]);
        assert!(right.compare(&rows(["a", "c"], [1.0, 2.0])).is_err());
        assert!(right.compare(&rows(["a", "b"], [1.0, 2.0001])).is_err());
        assert!(right.compare(&rows(["a", "b"], [2.0, 1.0])).is_err(), "the numbers changed places");
    }
}
