//! `swath bench clickbench`.

use std::path::PathBuf;

use clap::Args;
use serde::Serialize;

use super::suite::{self, Part, Suite, SuiteArguments};
use crate::bench::question::Question;
use crate::cli::arguments::parse_count;
use crate::cli::generate::clickbench_data;
use crate::clickbench::data;
use crate::clickbench::query::Query;
use crate::error::Result;

/// Up to that many rows, all rows that an answer under `LIMIT` may be cut from are held in memory and looked through.
const CANDIDATE_ROWS_MAX: u64 = 10_000_000;

#[derive(Args, Clone, Debug)]
pub(in crate::cli) struct ClickbenchBenchArguments {
    /// Rows of the table, such as 1e6; that of the published one has 1e8.
    #[arg(long, value_name = "COUNT", default_value = "1e6", value_parser = parse_count)]
    pub rows: u64,
    /// Queries by number, such as 1,6; all of them by default.
    #[arg(long, value_name = "NUMBERS", value_delimiter = ',')]
    pub queries: Vec<Query>,
    /// Folder for the data of all sizes; what is missing there is generated.
    #[arg(long, value_name = "FOLDER", default_value = "data/clickbench")]
    pub data: PathBuf,
    #[command(flatten)]
    pub suite: SuiteArguments,
}

#[derive(Serialize)]
struct Parameters {
    rows: u64,
}

pub(super) async fn run(arguments: &ClickbenchBenchArguments) -> Result<()> {
    let rows = arguments.rows;
    data::check(rows)?;
    let file = suite::output(&arguments.suite)?;
    clickbench_data(&arguments.data, rows).await?;
    let questions: Vec<Question> = match arguments.queries.is_empty() {
        true => Query::all().map(|query| query.question(rows)).collect(),
        false => arguments.queries.iter().map(|query| query.question(rows)).collect(),
    };
    let check_candidates = rows <= CANDIDATE_ROWS_MAX;
    let mut reference = suite::reference(questions.iter().all(|question| question.kept.is_some()));
    if !check_candidates {
        reference.push_str("; under LIMIT, the columns that order the rows alone");
    }
    let suite = Suite {
        title: format!("ClickBench, {rows:e} made-up rows, HAVING and OFFSET scaled to them"),
        parameters: Parameters { rows },
        reference,
        parts: vec![Part { tables: data::files(&arguments.data, rows), questions }],
        check_candidates,
    };
    suite::run(suite, &arguments.suite, file).await
}
