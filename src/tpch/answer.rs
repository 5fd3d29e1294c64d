//! The answers that DuckDB gave, kept in `answers/`.

use super::query::Query;
use crate::bench::answer::{Answer, parse};
use crate::error::Result;

macro_rules! answers {
    ($folder:literal: $($number:literal)+) => {
        [$(include_str!(concat!("answers/", $folder, "/q", $number, ".csv"))),+]
    };
}

const SF_0_01: [&str; 22] = answers!("sf0.01": 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22);
const SF_0_1: [&str; 22] = answers!("sf0.1": 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22);
const SF_1: [&str; 22] = answers!("sf1": 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22);

/// DuckDB's answer, kept for scale factors 0.01, 0.1 and 1.
pub fn kept(query: Query, scale_factor: f64) -> Option<Result<Answer>> {
    let texts = if scale_factor == 0.01 {
        &SF_0_01
    } else if scale_factor == 0.1 {
        &SF_0_1
    } else if scale_factor == 1.0 {
        &SF_1
    } else {
        return None;
    };
    Some(parse(texts[query.number() - 1]))
}
