//! The 22 queries, with the specification's validation parameters.

use std::fmt;
use std::str::FromStr;

use super::answer;
use crate::bench::question::{Kept, Question};
use crate::error::{Error, Result};

/// A query of TPC-H, by its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Query(u8);

macro_rules! texts {
    ($($number:literal)+) => { [$(include_str!(concat!("queries/q", $number, ".sql"))),+] };
}

const TEXTS: [&str; 22] = texts!(1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22);

impl Query {
    /// All of them in order.
    pub fn all() -> impl Iterator<Item = Query> {
        (1..=22).map(Query)
    }

    pub fn number(self) -> usize {
        usize::from(self.0)
    }

    /// The SQL at a scale factor, on which one parameter of query 11 depends.
    pub fn text(self, scale_factor: f64) -> String {
        TEXTS[self.number() - 1].replace(":fraction", &format!("{:.12}", 0.0001 / scale_factor))
    }

    /// The query for a bench.
    ///
    /// # Errors
    /// A kept answer that is damaged.
    pub fn question(self, scale_factor: f64) -> Result<Question> {
        Ok(Question {
            number: self.number(),
            name: self.to_string(),
            text: self.text(scale_factor),
            partial_order: self.partial_order(),
            cut: None,
            kept: answer::kept(self, scale_factor).transpose()?.map(Kept::Rows),
        })
    }

    /// The columns that the result is ordered by where they leave some rows in no order; `None` where every row has
    /// its place.
    pub fn partial_order(self) -> Option<&'static [usize]> {
        match self.0 {
            3 => Some(&[1, 2]),
            5 => Some(&[1]),
            10 => Some(&[2]),
            11 => Some(&[1]),
            18 => Some(&[4, 3]),
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
        match text.trim().trim_start_matches(['q', 'Q']).parse() {
            Ok(number @ 1..=22) => Ok(Query(number)),
            _ => Err(Error::user(format!("'{text}' is not a query of TPC-H; they are 1 to 22"))),
        }
    }
}
