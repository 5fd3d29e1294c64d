//! The 43 queries. They are the published ones in the form that DataFusion's own benchmark has, but that what depends
//! on the number of rows (`HAVING` and `OFFSET`) is scaled with it.

use std::fmt;
use std::str::FromStr;

use super::data::ROWS_PUBLISHED;
use crate::bench::digest;
use crate::bench::question::{Cut, Kept, Question};
use crate::error::{Error, Result};

/// A query, by its number from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Query(u8);

macro_rules! texts {
    ($($number:literal)+) => { [$(include_str!(concat!("queries/q", $number, ".sql"))),+] };
}

const TEXTS: [&str; 43] = texts!(
    1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30 31 32 33 34 35 36 37 38 39 40 41
    42 43
);
/// The rows that query 25 may answer; it does not show what it orders by.
const CANDIDATES_25: &str = include_str!("queries/q25_candidates.sql");

/// Checksums of DuckDB's answers, by rows of the table, which `answers/make.py` made.
const KEPT: [(u64, &str); 3] = [
    (10_000, include_str!("answers/1e4.csv")),
    (100_000, include_str!("answers/1e5.csv")),
    (1_000_000, include_str!("answers/1e6.csv")),
];

impl Query {
    /// All of them in order.
    pub fn all() -> impl Iterator<Item = Query> {
        (1..=43).map(Query)
    }

    pub fn number(self) -> usize {
        usize::from(self.0)
    }

    /// The SQL for a table of `rows` rows.
    pub fn text(self, rows: u64) -> String {
        scaled(TEXTS[self.number() - 1], rows)
    }

    /// The question for a bench.
    pub fn question(self, rows: u64) -> Question {
        let text = self.text(rows);
        let kept = KEPT.iter().find(|(size, _)| *size == rows);
        Question {
            number: self.number(),
            name: self.to_string(),
            partial_order: self.partial_order(),
            cut: self.candidates(&text).map(|candidates| Cut { candidates }),
            kept: kept.and_then(|(_, text)| digest::kept(text, self.number())).map(Kept::Digest),
            text,
        }
    }

    /// The columns that the result is ordered by where they leave some rows in no order; `None` where every row has
    /// its place.
    fn partial_order(self) -> Option<&'static [usize]> {
        match self.0 {
            18 | 20 | 25 => Some(&[]),
            8 | 9 | 11 | 13 | 14 | 16 | 28 | 29 | 34 | 37 | 38 | 39 => Some(&[1]),
            10 | 12 | 15 | 17 | 22 | 31 | 32 | 33 | 35 | 41 | 42 => Some(&[2]),
            19 | 23 => Some(&[3]),
            24 | 36 => Some(&[4]),
            40 => Some(&[5]),
            _ => None,
        }
    }

    /// The query for all rows that this one may be cut from. Those without an order have no cut, nor have those whose
    /// order leaves but one answer.
    fn candidates(self, text: &str) -> Option<String> {
        match (self.0, text.split_once("\nLIMIT")) {
            (26 | 27 | 43, _) => None,
            (25, _) => Some(CANDIDATES_25.to_string()),
            (_, limit) => limit.map(|(candidates, _)| candidates.to_string()),
        }
    }
}

/// Puts numbers for `:scaled_<published number>`.
fn scaled(text: &str, rows: u64) -> String {
    let mut parts = text.split(":scaled_");
    let mut out = parts.next().unwrap_or_default().to_string();
    for part in parts {
        let (digits, rest) =
            part.split_at(part.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(part.len()));
        let published: u128 = digits.parse().expect("a query scales a number");
        out.push_str(&(published * u128::from(rows) / u128::from(ROWS_PUBLISHED)).to_string());
        out.push_str(rest);
    }
    out
}

impl fmt::Display for Query {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Q{}", self.0)
    }
}

impl FromStr for Query {
    type Err = Error;
    fn from_str(text: &str) -> Result<Self> {
        match text.trim().trim_start_matches(['q', 'Q']).parse() {
            Ok(number @ 1..=43) => Ok(Query(number)),
            _ => Err(Error::user(format!("'{text}' is not a query of ClickBench; they are 1 to 43"))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_scale_with_the_rows() {
        let text = |number, rows| Query(number).text(rows);
        assert!(text(28, ROWS_PUBLISHED).contains("count(*) > 100000\n"));
        assert!(text(28, 10_000).contains("count(*) > 10\n"));
        assert!(text(39, 1_000_000).ends_with("LIMIT 10 OFFSET 10\n"));
        assert!(Query::all().all(|query| !query.text(1000).contains(":scaled")));
    }
}
