//! 39 of the 99 queries, written after the specification's templates for DataFusion, with one set of parameters each.
//! Quotients of decimals are taken in floating point, which keeps their digits.

use std::fmt;
use std::str::FromStr;

use crate::bench::digest;
use crate::bench::question::{Cut, Kept, Question};
use crate::error::{Error, Result};

/// A query, by its number in the specification.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Query(u8);

macro_rules! texts {
    ($($number:literal)+) => { [$(($number, include_str!(concat!("queries/q", $number, ".sql")))),+] };
}

const TEXTS: [(u8, &str); 39] = texts!(
    3 7 12 13 15 19 20 25 26 27 29 32 34 36 37 42 43 46 48 50 52 53 55 62 63 65 68 73 79 82 88 89 90 92 93 96 97 98 99
);

/// Checksums of DuckDB's answers, by scale factor, which `answers/make.py` made.
const KEPT: [(f64, &str); 2] =
    [(0.01, include_str!("answers/sf0.01.csv")), (1.0, include_str!("answers/sf1.csv"))];

impl Query {
    /// All that are here, in order.
    pub fn all() -> impl Iterator<Item = Query> {
        TEXTS.iter().map(|(number, _)| Query(*number))
    }

    pub fn number(self) -> usize {
        usize::from(self.0)
    }

    pub fn text(self) -> &'static str {
        TEXTS.iter().find(|(number, _)| *number == self.0).map_or("", |(_, text)| text)
    }

    /// The question for a bench.
    pub fn question(self, scale_factor: f64) -> Question {
        let kept = KEPT.iter().find(|(kept, _)| *kept == scale_factor);
        let candidates = self.text().split_once("\nLIMIT").map(|(candidates, _)| candidates.to_string());
        Question {
            number: self.number(),
            name: self.to_string(),
            text: self.text().to_string(),
            partial_order: self.partial_order(),
            cut: candidates.map(|candidates| Cut { candidates }),
            kept: kept.and_then(|(_, text)| digest::kept(text, self.number())).map(Kept::Digest),
        }
    }

    /// The columns that the result is ordered by, but for those that it does not show; `None` where it has one row.
    fn partial_order(self) -> Option<&'static [usize]> {
        match self.0 {
            3 | 52 => Some(&[0, 3, 1]),
            7 | 15 | 26 | 37 | 82 => Some(&[0]),
            12 | 20 | 98 => Some(&[2, 3, 0, 1]),
            19 => Some(&[4, 1, 0, 2, 3]),
            25 | 29 => Some(&[0, 1, 2, 3]),
            27 | 43 | 65 => Some(&[0, 1]),
            34 | 46 => Some(&[0, 1, 2, 3, 4]),
            36 => Some(&[3, 4]),
            89 => Some(&[3]),
            42 => Some(&[3, 0, 1, 2]),
            50 => Some(&[0, 1, 2, 3, 4, 5, 6, 7, 8, 9]),
            53 => Some(&[2, 1, 0]),
            55 => Some(&[2, 0]),
            62 | 99 => Some(&[0, 1, 2]),
            63 => Some(&[0, 2, 1]),
            68 => Some(&[0, 4]),
            73 => Some(&[5, 0]),
            79 => Some(&[0, 1, 2, 5]),
            93 => Some(&[1, 0]),
            _ => None,
        }
    }
}

impl fmt::Display for Query {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Q{}", self.0)
    }
}

impl FromStr for Query {
    type Err = Error;
    fn from_str(text: &str) -> Result<Self> {
        let number: Option<u8> = text.trim().trim_start_matches(['q', 'Q']).parse().ok();
        Query::all().find(|query| Some(query.0) == number).ok_or_else(|| {
            let all: Vec<String> = Query::all().map(|query| query.0.to_string()).collect();
            Error::user(format!(
                "'{text}' is not one of the queries of TPC-DS that are here: {}",
                all.join(", ")
            ))
        })
    }
}
