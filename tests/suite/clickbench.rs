//! The queries of ClickBench: the data, and right answers on the host and on a simulated device.

use std::fs;
use std::path::PathBuf;
use std::sync::OnceLock;

use swath::bench::generate::Stop;
use swath::bench::question::Question;
use swath::bench::run::{TableFile, references};
use swath::clickbench::data::{files, folder, generate};
use swath::clickbench::query::Query;

use crate::bench;

const ROWS: u64 = 10_000;

/// The table and the queries; the table is generated once.
fn hits() -> (Vec<TableFile>, Vec<Question>) {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    let data = FOLDER.get_or_init(|| {
        let data = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("clickbench");
        generate(&data, ROWS, 2, &Stop::default()).expect("data is generated");
        data
    });
    let questions: Vec<Question> = Query::all().map(|query| query.question(ROWS)).collect();
    assert!(questions.iter().all(|question| question.kept.is_some()), "answers are kept");
    (files(data, ROWS), questions)
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_are_right_on_the_host() {
    let (tables, questions) = hits();
    let references = references(&tables, &questions).await.expect("DataFusion answers right");
    let session = bench::host(&tables).await;
    let receipts = bench::check_all(&session, &questions, &references).await;
    for (question, receipt) in questions.iter().zip(receipts) {
        assert_eq!(receipt.device_operators().count(), 0, "{receipt}");
        assert!(receipt.totals.rows > 0, "{} answers nothing", question.name);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_are_right_under_placement_device() {
    let (tables, questions) = hits();
    bench::check_on_device(&tables, &questions).await;
}

#[test]
fn answers_are_kept_for_three_sizes() {
    for rows in [10_000, 100_000, 1_000_000] {
        assert!(Query::all().all(|query| query.question(rows).kept.is_some()), "{rows} rows");
    }
    assert!(Query::all().all(|query| query.question(20_000).kept.is_none()));
}

#[test]
fn a_stop_leaves_no_file() {
    let data = tempfile::tempdir().unwrap();
    let stop = Stop::default();
    stop.request();
    assert!(generate(data.path(), ROWS, 1, &stop).unwrap_err().is_cancelled());
    assert_eq!(fs::read_dir(folder(data.path(), ROWS)).unwrap().count(), 0);
}
