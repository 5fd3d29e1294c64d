//! `swath bench overhead`.

use std::io::Read;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Instant;

use clap::Args;

use super::report::{TextTable, median, milliseconds, minimum, ratio};
use crate::bench::run::{Bench, overhead};
use crate::cli::generate::tpch_data;
use crate::cli::print;
use crate::config::{Config, Placement};
use crate::error::{Error, Result};
use crate::observe::progress;
use crate::tpch::query::Query;
use crate::tpch::table;

/// Starts of the program for the time to the first row.
const STARTS: usize = 11;

#[derive(Args, Clone, Debug)]
pub(in crate::cli) struct OverheadArguments {
    /// Scale factor: 1 is about 1 GB of text.
    #[arg(long, short = 's', value_name = "NUMBER", default_value_t = 1.0)]
    pub scale_factor: f64,
    /// Queries by number, such as 1,6; all of them by default.
    #[arg(long, value_name = "NUMBERS", value_delimiter = ',')]
    pub queries: Vec<Query>,
    /// Rounds; in each, both run every query, in turns.
    #[arg(long, value_name = "COUNT", default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..))]
    pub iterations: u16,
    /// Folder for the data of all scale factors; what is missing there is generated.
    #[arg(long, value_name = "FOLDER", default_value = "data/tpch")]
    pub data: PathBuf,
}

pub(super) async fn run(arguments: &OverheadArguments) -> Result<()> {
    let starts = (0..STARTS).map(|_| first_row_ms()).collect::<Result<Vec<f64>>>()?;
    let folder = tpch_data(&arguments.data, arguments.scale_factor).await?;
    let queries: Vec<Query> = match arguments.queries.is_empty() {
        true => Query::all().collect(),
        false => arguments.queries.clone(),
    };
    let bench = Bench {
        tables: table::files(&folder),
        questions: queries
            .iter()
            .map(|query| query.question(arguments.scale_factor))
            .collect::<Result<_>>()?,
        iterations: usize::from(arguments.iterations),
        placements: vec![Placement::Host],
        config: Config { placement: Placement::Host, ..Config::default() },
        pin: false,
        check_candidates: false,
    };
    let bar = progress::bar((bench.questions.len() * (bench.iterations + 1)) as u64, "overhead");
    let runs = overhead(&bench, &bar).await;
    bar.finish_and_clear();
    let mut table = TextTable::new(["query", "datafusion", "session", "ratio", "ratio of medians"]);
    // Sums of the minima and of the medians: the peer's, then ours.
    let mut sums = [[0.0; 2]; 2];
    for run in runs? {
        let best = [minimum(&run.datafusion_ms), minimum(&run.session_ms)];
        let middle = [median(&run.datafusion_ms), median(&run.session_ms)];
        for (sum, of_query) in sums.iter_mut().zip([best, middle]) {
            sum[0] += of_query[0].unwrap_or_default();
            sum[1] += of_query[1].unwrap_or_default();
        }
        table.row(vec![
            format!("Q{}", run.query),
            milliseconds(best[0]),
            milliseconds(best[1]),
            ratio(best[1].zip(best[0]).map(|(ours, peer)| ours / peer)),
            ratio(middle[1].zip(middle[0]).map(|(ours, peer)| ours / peer)),
        ]);
    }
    let [best, middle] = sums;
    table.row(vec![
        "sum".to_string(),
        milliseconds(Some(best[0])),
        milliseconds(Some(best[1])),
        ratio(Some(best[1] / best[0])),
        ratio(Some(middle[1] / middle[0])),
    ]);
    print(&format!(
        "TPC-H, scale factor {}, from Parquet; ms, best of {} rounds in turns; ratio: session to datafusion\n\n\
         {table}\nsession over datafusion: {:+.2} % (sum of the best), {:+.2} % (sum of the medians)\n\
         swath sql \"SELECT 1\", process start to first output: best {} ms, median {} ms of {STARTS}\n",
        arguments.scale_factor,
        bench.iterations,
        (best[1] / best[0] - 1.0) * 100.0,
        (middle[1] / middle[0] - 1.0) * 100.0,
        milliseconds(minimum(&starts)),
        milliseconds(median(&starts)),
    ))
}

/// Starts this program on `SELECT 1`; the time until its first byte of output.
fn first_row_ms() -> Result<f64> {
    let failed = |error: std::io::Error| Error::io(format!("cannot start this program again: {error}"));
    let program = std::env::current_exe().map_err(failed)?;
    let started = Instant::now();
    let mut child = Command::new(program)
        .args(["sql", "SELECT 1", "--format", "csv"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(failed)?;
    let mut out = child.stdout.take().expect("standard output is piped");
    let mut byte = [0];
    out.read_exact(&mut byte).map_err(failed)?;
    let elapsed = started.elapsed();
    out.read_to_end(&mut Vec::new()).map_err(failed)?;
    child.wait().map_err(failed)?;
    Ok(elapsed.as_secs_f64() * 1e3)
}
