//! Queries whose work is known in the units of the cost model.

use crate::operator_bench::data::{TableSpec, Values};
use crate::plan::cost::{Certainty, Estimate, InputSize, StepSize, TreeSize, Work};

/// A query over generated tables, and its work.
#[derive(Clone, Debug)]
pub struct Probe {
    pub what: &'static str,
    pub sql: &'static str,
    pub tree: TreeSize,
}

/// The tables that all probes share; `t` has so many rows.
pub fn tables(rows: u64) -> Vec<TableSpec> {
    vec![
        TableSpec::new(
            "t",
            rows,
            &[
                ("a", Values::Below(1 << 30)),
                ("b", Values::Below(1000)),
                ("c", Values::Unique),
                ("x", Values::Float),
                ("few", Values::Below(1000)),
                ("many", Values::Below(many(rows))),
            ],
        ),
        TableSpec::new("small", 1000, &[("k", Values::Unique), ("w", Values::Below(1000))]),
        TableSpec::new("large", many(rows), &[("k", Values::Unique), ("w", Values::Below(1000))]),
        TableSpec::new("one", 1, &[("a", Values::Row), ("b", Values::Row)]),
    ]
}

/// Groups, and keys of a join, that are too many for the caches.
fn many(rows: u64) -> u64 {
    (rows / 2).max(1000)
}

fn step(work: Work, rows_in: f64, rows_out: f64, row_bytes_out: f64) -> StepSize {
    StepSize { work, rows_built: 0.0, rows_in, rows_out, row_bytes_out }
}

fn group(rows: f64, nodes: usize, keys: usize, aggregates: usize, groups: f64) -> StepSize {
    step(
        Work::Aggregate { nodes, keys, aggregates, passes: 1 },
        rows,
        groups,
        8.0 * (keys + aggregates) as f64,
    )
}

fn join(rows: f64, built: f64) -> StepSize {
    // Both values are handed on.
    StepSize { rows_built: built, ..step(Work::Join { nodes: 0, keys: 1 }, rows, rows, 16.0) }
}

/// Returns the probes over [`tables`] of so many rows.
pub fn probes(rows: u64) -> Vec<Probe> {
    let (n, m) = (rows as f64, many(rows) as f64);
    let probe = |what, sql, inputs: &[(f64, f64)], steps: Vec<StepSize>| Probe {
        what,
        sql,
        tree: TreeSize {
            inputs: inputs.iter().map(|(rows, row_bytes)| input(*rows, *row_bytes, false)).collect(),
            compiled: true,
            missed_s: 0.0,
            chunk_bytes: f64::MAX,
            steps,
        },
    };
    let half = n / 2.0;
    let met = m * (1.0 - (-n / m).exp());
    vec![
        probe("one aggregate", "SELECT sum(a) FROM t", &[(n, 8.0)], vec![group(n, 0, 0, 1, 1.0)]),
        probe(
            "six aggregates",
            "SELECT sum(a), min(b), max(x), sum(c), min(a), max(c) FROM t",
            &[(n, 32.0)],
            vec![group(n, 0, 0, 6, 1.0)],
        ),
        probe(
            "ten expression nodes",
            "SELECT sum((a * 3 + b * 7 - c) * 2 + (b - 5) * (c + 11) - a) FROM t",
            &[(n, 24.0)],
            vec![group(n, 10, 0, 1, 1.0)],
        ),
        probe(
            "filter that keeps half",
            "SELECT a, b, c, x FROM t WHERE few < 500",
            &[(n, 40.0)],
            vec![step(Work::Filter { nodes: 1 }, n, half, 32.0)],
        ),
        probe(
            "filter of five nodes",
            "SELECT a FROM t WHERE (b * 3 + few) * 2 - b > 3500",
            &[(n, 24.0)],
            vec![step(Work::Filter { nodes: 5 }, n, n * 0.56, 8.0)],
        ),
        probe(
            "few groups",
            "SELECT few, sum(a) FROM t GROUP BY few",
            &[(n, 16.0)],
            vec![group(n, 0, 1, 1, 1000.0)],
        ),
        probe(
            "many groups",
            "SELECT many, sum(a) FROM t GROUP BY many",
            &[(n, 16.0)],
            vec![group(n, 0, 1, 1, met)],
        ),
        probe(
            "join with few rows",
            "SELECT sum(a + w) FROM t JOIN small ON few = k",
            &[(n, 16.0), (1000.0, 16.0)],
            vec![join(n, 1000.0), group(n, 1, 0, 1, 1.0)],
        ),
        probe(
            "join with many rows",
            "SELECT sum(a + w) FROM t JOIN large ON many = k",
            &[(n, 16.0), (m, 16.0)],
            vec![join(n, m), group(n, 1, 0, 1, 1.0)],
        ),
        probe(
            "sort",
            "SELECT a, b FROM t ORDER BY a",
            &[(n, 16.0)],
            vec![step(Work::Sort { keys: 1, fetch: None }, n, n, 16.0)],
        ),
        probe(
            "sort by two keys",
            "SELECT b, c, a FROM t ORDER BY b, c",
            &[(n, 24.0)],
            vec![step(Work::Sort { keys: 2, fetch: None }, n, n, 24.0)],
        ),
        probe(
            "top 100",
            "SELECT a, b FROM t ORDER BY a LIMIT 100",
            &[(n, 16.0)],
            vec![step(Work::Sort { keys: 1, fetch: Some(100) }, n, 100.0, 16.0)],
        ),
        probe(
            "window",
            "SELECT sum(r) FROM (SELECT row_number() OVER (PARTITION BY few ORDER BY c) AS r FROM t)",
            &[(n, 16.0)],
            vec![
                step(Work::Sort { keys: 2, fetch: None }, n, n, 16.0),
                step(Work::Window { nodes: 0, functions: 1 }, n, n, 8.0),
                group(n, 0, 0, 1, 1.0),
            ],
        ),
    ]
}

/// A query of five operators over one row.
pub fn operators() -> Probe {
    let steps = vec![
        step(Work::Filter { nodes: 1 }, 1.0, 1.0, 16.0),
        step(Work::Project { nodes: 1 }, 1.0, 1.0, 16.0),
        group(1.0, 0, 1, 1, 1.0),
        step(Work::Filter { nodes: 1 }, 1.0, 1.0, 16.0),
        step(Work::Sort { keys: 1, fetch: None }, 1.0, 1.0, 16.0),
    ];
    let sql = "SELECT k, sum(a) AS s FROM (SELECT a % 3 AS k, a FROM one WHERE b < 5) GROUP BY k \
               HAVING sum(a) < 9 ORDER BY s";
    Probe { what: "five operators over one row", sql, tree: decoding(1.0, 0.0, steps) }
}

/// Reading three columns out of the file table `f`.
pub fn decode(rows: u64) -> Probe {
    let steps = vec![group(rows as f64, 0, 0, 3, 1.0)];
    Probe {
        what: "decoding Parquet",
        sql: "SELECT sum(a), sum(c), sum(x) FROM f",
        tree: decoding(rows as f64, 24.0, steps),
    }
}

fn decoding(rows: f64, row_bytes: f64, steps: Vec<StepSize>) -> TreeSize {
    TreeSize {
        inputs: vec![input(rows, row_bytes, true)],
        compiled: true,
        missed_s: 0.0,
        chunk_bytes: f64::MAX,
        steps,
    }
}

fn input(rows: f64, row_bytes: f64, decoded: bool) -> InputSize {
    InputSize {
        rows: Estimate { rows, certainty: Certainty::Exact },
        row_bytes,
        resident: true,
        spilled_share: 0.0,
        decoded,
    }
}
