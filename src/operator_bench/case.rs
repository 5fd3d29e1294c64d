//! The operators that are measured, each in a few cases.

use super::data::{TableSpec, Values};
use crate::error::{Error, Result};

/// One query over tables of its own.
#[derive(Clone, Debug)]
pub struct Case {
    /// Such as `join`.
    pub operator: &'static str,
    /// Such as `1e5 unique, 10 % match`.
    pub name: String,
    pub sql: String,
    /// Whether the rows of the answer come in an order; it has then no two right orders.
    pub ordered: bool,
}

/// Cases over the same tables.
#[derive(Clone, Debug)]
pub struct Family {
    pub tables: Vec<TableSpec>,
    pub cases: Vec<Case>,
}

impl Family {
    /// Rows of all tables.
    pub fn rows(&self) -> u64 {
        self.tables.iter().map(|table| table.rows).sum()
    }
}

/// The operators, as `--only` takes them.
pub const OPERATORS: [&str; 8] =
    ["filter", "project", "aggregate", "join", "sort", "top-k", "window", "strings"];

/// Returns the cases of an operator over tables of so many rows.
///
/// # Errors
/// A name that no operator has.
pub fn families(operator: &str, rows: u64) -> Result<Vec<Family>> {
    match operator {
        "filter" => Ok(vec![filter(rows)]),
        "project" => Ok(vec![project(rows)]),
        "aggregate" => Ok(aggregate(rows)),
        "join" => Ok(join(rows)),
        "sort" => Ok(sort("sort", rows, "")),
        "top-k" => Ok(sort("top-k", rows, " LIMIT 100")),
        "window" => Ok(vec![window(rows)]),
        "strings" => Ok(vec![strings(rows)]),
        other => Err(Error::user(format!(
            "there is no operator '{other}' to measure; use one of: {}",
            OPERATORS.join(", ")
        ))),
    }
}

fn case(operator: &'static str, name: impl Into<String>, sql: impl Into<String>) -> Case {
    Case { operator, name: name.into(), sql: sql.into(), ordered: false }
}

fn filter(rows: u64) -> Family {
    let columns = [("s", Values::Below(1000)), ("a", Values::Below(1 << 40)), ("b", Values::Float)];
    let of = |kept: u32| {
        let name = format!("{} % kept", f64::from(kept) / 10.0);
        case("filter", name, format!("SELECT a, b FROM t WHERE s < {kept}"))
    };
    Family {
        tables: vec![TableSpec::new("t", rows, &columns)],
        cases: [1, 10, 100, 500, 900].map(of).to_vec(),
    }
}

fn project(rows: u64) -> Family {
    let columns = [
        ("a", Values::Below(1 << 30)),
        ("b", Values::Below(1000)),
        ("x", Values::Float),
        ("y", Values::Float),
        ("d", Values::Decimal),
        ("e", Values::Decimal),
    ];
    let of = |(name, sql): (&str, &str)| case("project", name, format!("SELECT {sql} AS out FROM t"));
    Family {
        tables: vec![TableSpec::new("t", rows, &columns)],
        cases: vec![
            of(("int64", "a * 3 + b")),
            of(("int64 division", "a / (b + 1) + a % (b + 1)")),
            of(("float64", "x * y + x - y")),
            of(("decimal", "d * (1 - e)")),
            of(("case", "CASE WHEN b < 500 THEN a ELSE b END")),
        ],
    }
}

/// Powers of ten from 10 up to the rows.
fn sizes(of: &[u32], rows: u64) -> Vec<(u32, u64)> {
    of.iter().map(|&power| (power, 10u64.pow(power))).filter(|(_, size)| *size <= rows).collect()
}

fn aggregate(rows: u64) -> Vec<Family> {
    let value = ("a", Values::Below(1 << 30));
    let mut families = vec![Family {
        tables: vec![TableSpec::new("t", rows, &[value])],
        cases: vec![case("aggregate", "1 group", "SELECT count(*) AS n, sum(a) AS s FROM t")],
    }];
    for (power, groups) in sizes(&[1, 2, 3, 4, 5, 6, 7], rows) {
        families.push(Family {
            tables: vec![TableSpec::new("t", rows, &[("k", Values::Below(groups)), value])],
            cases: vec![case(
                "aggregate",
                format!("1e{power} groups"),
                "SELECT k, count(*) AS n, sum(a) AS s FROM t GROUP BY k",
            )],
        });
    }
    families
}

fn join(rows: u64) -> Vec<Family> {
    let mut families = vec![];
    for (power, built) in sizes(&[3, 5, 6, 7], rows) {
        // The keys of the built side, and below what those that look up lie.
        for (kind, key, below) in [
            ("unique", Values::Unique, built),
            ("unique, 10 % match", Values::Unique, built * 10),
            ("4 rows a key", Values::Below(built / 4), built / 4),
        ] {
            families.push(Family {
                tables: vec![
                    TableSpec::new("p", rows, &[("k", Values::Below(below)), ("v", Values::Below(1000))]),
                    TableSpec::new("b", built, &[("k", key), ("w", Values::Below(1000))]),
                ],
                cases: vec![case(
                    "join",
                    format!("1e{power} {kind}"),
                    "SELECT count(*) AS n, sum(p.v + b.w) AS s FROM p JOIN b ON p.k = b.k",
                )],
            });
        }
    }
    families
}

fn sort(operator: &'static str, rows: u64, limit: &str) -> Vec<Family> {
    [
        ("int64", Values::Unique),
        ("int64 below 1000", Values::Below(1000)),
        ("float64", Values::Float),
        ("decimal", Values::Decimal),
        ("date", Values::Date),
        ("text", Values::Text),
    ]
    .map(|(name, values)| Family {
        tables: vec![TableSpec::new("t", rows, &[("k", values)])],
        cases: vec![Case {
            ordered: true,
            ..case(operator, name, format!("SELECT k FROM t ORDER BY k{limit}"))
        }],
    })
    .to_vec()
}

fn window(rows: u64) -> Family {
    let columns =
        [("id", Values::Unique), ("g", Values::Below(rows.div_ceil(100))), ("a", Values::Below(1000))];
    let of = |(name, function): (&str, &str)| {
        let windowed = format!("SELECT id, {function} OVER (PARTITION BY g ORDER BY id) AS r FROM t");
        case("window", name, format!("SELECT sum(r * (id % 7)) AS s FROM ({windowed})"))
    };
    Family {
        tables: vec![TableSpec::new("t", rows, &columns)],
        cases: vec![of(("row_number", "row_number()")), of(("running sum", "sum(a)")), of(("lag", "lag(a)"))],
    }
}

fn strings(rows: u64) -> Family {
    let of = |(name, predicate): (&str, &str)| {
        case("strings", name, format!("SELECT count(*) AS n FROM t WHERE c {predicate}"))
    };
    Family {
        tables: vec![TableSpec::new("t", rows, &[("c", Values::Text)])],
        cases: vec![
            of(("equality", "= 'green navy pearl metal 77'")),
            of(("like prefix", "LIKE 'green%'")),
            of(("like suffix", "LIKE '%77'")),
            of(("like inside", "LIKE '%navy%'")),
            of(("like two parts", "LIKE '%green%metal%'")),
            of(("like one letter", "LIKE '%n_vy m%'")),
            of(("regex", "~ '^(green|navy) [a-m]+ .*7$'")),
        ],
    }
}
