//! `swath bench h2o`.

use std::path::PathBuf;

use clap::Args;
use serde::Serialize;

use super::suite::{self, Part, Suite, SuiteArguments};
use crate::cli::arguments::ShapeArguments;
use crate::cli::generate::h2o_data;
use crate::error::Result;
use crate::h2o::query::{Query, Task};

#[derive(Args, Clone, Debug)]
pub(in crate::cli) struct H2oBenchArguments {
    #[command(flatten)]
    pub shape: ShapeArguments,
    /// Questions, such as 1,6,j2: 1 to 10 group, j1 to j5 join; all of them by default.
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    pub queries: Vec<Query>,
    /// Folder for the data of all sizes; what is missing there is generated.
    #[arg(long, value_name = "FOLDER", default_value = "data/h2o")]
    pub data: PathBuf,
    #[command(flatten)]
    pub suite: SuiteArguments,
}

#[derive(Serialize)]
struct Parameters {
    rows: u64,
    groups: u64,
    nulls_percent: u8,
    sorted: bool,
}

pub(super) async fn run(arguments: &H2oBenchArguments) -> Result<()> {
    let shape = arguments.shape.shape();
    shape.check()?;
    let file = suite::output(&arguments.suite)?;
    let queries: Vec<Query> = match arguments.queries.is_empty() {
        true => Query::all().collect(),
        false => arguments.queries.clone(),
    };
    let mut parts = Vec::new();
    for task in Task::ALL {
        let of_task = queries.iter().filter(|query| query.task() == task);
        let questions: Vec<_> = of_task.map(|query| query.question(shape)).collect();
        if !questions.is_empty() {
            h2o_data(&arguments.data, shape, task).await?;
            parts.push(Part { tables: shape.files(&arguments.data, task), questions });
        }
    }
    let mut questions = parts.iter().flat_map(|part| &part.questions);
    let suite = Suite {
        title: format!(
            "db-benchmark of H2O.ai, {:e} rows, {:e} groups, {} % null, {}",
            shape.rows,
            shape.groups,
            shape.nulls,
            if shape.sorted { "sorted" } else { "unsorted" }
        ),
        parameters: Parameters {
            rows: shape.rows,
            groups: shape.groups,
            nulls_percent: shape.nulls,
            sorted: shape.sorted,
        },
        reference: suite::reference(questions.all(|question| question.kept.is_some())),
        parts,
        check_candidates: true,
    };
    suite::run(suite, &arguments.suite, file).await
}
