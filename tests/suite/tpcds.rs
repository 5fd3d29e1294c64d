//! The queries of TPC-DS: the data, and right answers on the host and on a simulated device.

use std::fs;
use std::path::PathBuf;
use std::sync::OnceLock;

use swath::bench::generate::Stop;
use swath::bench::question::Question;
use swath::bench::run::{TableFile, references};
use swath::tpcds::generate::generate;
use swath::tpcds::query::Query;
use swath::tpcds::table::{files, folder};

use crate::bench;

const SCALE_FACTOR: f64 = 0.01;

/// Read customer_demographics, which has 1.9 million rows at any scale factor: too many for the simulator here.
const LARGE: [usize; 5] = [7, 13, 26, 27, 48];

/// The tables and the queries; the tables are generated once.
fn tables() -> (Vec<TableFile>, Vec<Question>) {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    let folder = FOLDER.get_or_init(|| {
        let folder = folder(&PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("tpcds"), SCALE_FACTOR);
        generate(&folder, SCALE_FACTOR, 2, &Stop::default()).expect("data is generated");
        folder
    });
    let questions: Vec<Question> = Query::all().map(|query| query.question(SCALE_FACTOR)).collect();
    assert!(questions.iter().all(|question| question.kept.is_some()), "answers are kept");
    (files(folder), questions)
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_are_right_on_the_host() {
    let (tables, questions) = tables();
    let references = references(&tables, &questions).await.expect("DataFusion answers right");
    let session = bench::host(&tables).await;
    let receipts = bench::check_all(&session, &questions, &references).await;
    for (question, receipt) in questions.iter().zip(receipts) {
        assert_eq!(receipt.device_operators().count(), 0, "{receipt}");
        // Two look for few items of many: the smallest data has none of them.
        assert!(receipt.totals.rows > 0 || [37, 82].contains(&question.number), "{} is empty", question.name);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_are_right_under_placement_device() {
    let (tables, mut questions) = tables();
    questions.retain(|question| !LARGE.contains(&question.number));
    bench::check_on_device(&tables, &questions).await;
}

#[test]
fn files_do_not_depend_on_the_number_of_threads_and_a_stop_leaves_none() {
    let data = tempfile::tempdir().unwrap();
    let stop = Stop::default();
    stop.request();
    assert!(generate(data.path(), SCALE_FACTOR, 1, &stop).unwrap_err().is_cancelled());
    assert_eq!(fs::read_dir(data.path()).unwrap().count(), 0);
    generate(data.path(), SCALE_FACTOR, 1, &Stop::default()).unwrap();
    for (one, two) in files(data.path()).iter().zip(tables().0) {
        assert!(fs::read(&one.path).unwrap() == fs::read(&two.path).unwrap(), "{} differs", one.name);
    }
}
