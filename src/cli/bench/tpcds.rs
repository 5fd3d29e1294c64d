//! `swath bench tpcds`.

use std::path::PathBuf;

use clap::Args;
use serde::Serialize;

use super::suite::{self, Part, Suite, SuiteArguments};
use crate::bench::question::Question;
use crate::cli::generate::tpcds_data;
use crate::error::Result;
use crate::tpcds::query::Query;
use crate::tpcds::table;

#[derive(Args, Clone, Debug)]
pub(in crate::cli) struct TpcdsBenchArguments {
    /// Scale factor: 1 is about 1 GB of text.
    #[arg(long, short = 's', value_name = "NUMBER", default_value_t = 1.0)]
    pub scale_factor: f64,
    /// Queries by number, such as 3,42; all that are here by default.
    #[arg(long, value_name = "NUMBERS", value_delimiter = ',')]
    pub queries: Vec<Query>,
    /// Folder for the data of all scale factors; what is missing there is generated.
    #[arg(long, value_name = "FOLDER", default_value = "data/tpcds")]
    pub data: PathBuf,
    #[command(flatten)]
    pub suite: SuiteArguments,
}

#[derive(Serialize)]
struct Parameters {
    scale_factor: f64,
}

pub(super) async fn run(arguments: &TpcdsBenchArguments) -> Result<()> {
    let file = suite::output(&arguments.suite)?;
    let scale_factor = arguments.scale_factor;
    let folder = tpcds_data(&arguments.data, scale_factor).await?;
    let questions: Vec<Question> = match arguments.queries.is_empty() {
        true => Query::all().map(|query| query.question(scale_factor)).collect(),
        false => arguments.queries.iter().map(|query| query.question(scale_factor)).collect(),
    };
    let suite = Suite {
        title: format!("TPC-DS, scale factor {scale_factor}, {} of the 99 queries", questions.len()),
        parameters: Parameters { scale_factor },
        reference: suite::reference(questions.iter().all(|question| question.kept.is_some())),
        parts: vec![Part { tables: table::files(&folder), questions }],
        check_candidates: true,
    };
    suite::run(suite, &arguments.suite, file).await
}
