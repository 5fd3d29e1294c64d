//! `swath bench tpch`.

use std::path::PathBuf;

use clap::Args;
use serde::Serialize;

use super::suite::{self, Part, Suite, SuiteArguments};
use crate::cli::generate::tpch_data;
use crate::error::Result;
use crate::tpch::query::Query;
use crate::tpch::{answer, table};

#[derive(Args, Clone, Debug)]
pub(in crate::cli) struct TpchBenchArguments {
    /// Scale factor: 1 is about 1 GB of text.
    #[arg(long, short = 's', value_name = "NUMBER", default_value_t = 1.0)]
    pub scale_factor: f64,
    /// Queries by number, such as 1,6; all of them by default.
    #[arg(long, value_name = "NUMBERS", value_delimiter = ',')]
    pub queries: Vec<Query>,
    /// Folder for the data of all scale factors; what is missing there is generated.
    #[arg(long, value_name = "FOLDER", default_value = "data/tpch")]
    pub data: PathBuf,
    #[command(flatten)]
    pub suite: SuiteArguments,
}

#[derive(Serialize)]
struct Parameters {
    scale_factor: f64,
}

pub(super) async fn run(arguments: &TpchBenchArguments) -> Result<()> {
    let file = suite::output(&arguments.suite)?;
    let scale_factor = arguments.scale_factor;
    let folder = tpch_data(&arguments.data, scale_factor).await?;
    let queries: Vec<Query> = match arguments.queries.is_empty() {
        true => Query::all().collect(),
        false => arguments.queries.clone(),
    };
    let kept = queries.iter().all(|query| answer::kept(*query, scale_factor).is_some());
    let questions = queries.iter().map(|query| query.question(scale_factor)).collect::<Result<_>>()?;
    let suite = Suite {
        title: format!("TPC-H, scale factor {scale_factor}"),
        parameters: Parameters { scale_factor },
        reference: match kept {
            true => "answers that DuckDB gave on the same data",
            false => "plain DataFusion in this run: there is no kept answer for this scale factor",
        }
        .to_string(),
        parts: vec![Part { tables: table::files(&folder), questions }],
        check_candidates: true,
    };
    suite::run(suite, &arguments.suite, file).await
}
