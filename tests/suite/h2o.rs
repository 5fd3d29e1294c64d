//! The questions of H2O.ai's db-benchmark: the data, and right answers on the host and on a simulated device.

use std::fs;
use std::path::PathBuf;
use std::sync::OnceLock;

use swath::bench::generate::Stop;
use swath::bench::question::Question;
use swath::bench::run::{TableFile, references};
use swath::h2o::data::{Shape, generate};
use swath::h2o::query::{Query, Task};

use crate::bench;

const PLAIN: Shape = Shape { rows: 10_000, groups: 10, nulls: 0, sorted: false };
const WITH_NULLS: Shape = Shape { nulls: 5, ..PLAIN };

/// The folder of all shapes that the tests use, each generated once.
fn data() -> &'static PathBuf {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("h2o");
        for shape in [PLAIN, WITH_NULLS, Shape { sorted: true, ..WITH_NULLS }] {
            for task in Task::ALL {
                generate(&folder, shape, task, 2, &Stop::default()).expect("data is generated");
            }
        }
        folder
    })
}

/// The tables and questions of a task.
fn task(shape: Shape, task: Task) -> (Vec<TableFile>, Vec<Question>) {
    let queries = Query::all().filter(|query| query.task() == task);
    let questions: Vec<Question> = queries.map(|query| query.question(shape)).collect();
    assert!(questions.iter().all(|question| question.kept.is_some()), "answers are kept");
    (shape.files(data(), task), questions)
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_are_right_on_the_host() {
    for shape in [PLAIN, WITH_NULLS, Shape { sorted: true, ..WITH_NULLS }] {
        for of in Task::ALL {
            let (tables, questions) = task(shape, of);
            let references = references(&tables, &questions).await.expect("DataFusion answers right");
            let session = bench::host(&tables).await;
            for receipt in bench::check_all(&session, &questions, &references).await {
                assert_eq!(receipt.device_operators().count(), 0, "{receipt}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_are_right_under_placement_device() {
    for shape in [PLAIN, WITH_NULLS] {
        for of in Task::ALL {
            let (tables, questions) = task(shape, of);
            bench::check_on_device(&tables, &questions).await;
        }
    }
}

#[test]
fn files_do_not_depend_on_the_number_of_threads() {
    let shape = Shape { rows: 1_100_000, groups: 100, nulls: 1, sorted: false };
    let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    for (folder, threads) in folders.iter().zip([1, 3]) {
        generate(folder.path(), shape, Task::GroupBy, threads, &Stop::default()).unwrap();
    }
    let [one, three] = folders
        .each_ref()
        .map(|folder| fs::read(&shape.files(folder.path(), Task::GroupBy)[0].path).unwrap());
    assert!(one == three, "x differs");
    let again = generate(folders[0].path(), shape, Task::GroupBy, 1, &Stop::default()).unwrap();
    assert!(again.is_empty(), "generated twice");
}

#[test]
fn a_stop_leaves_no_file() {
    let folder = tempfile::tempdir().unwrap();
    let stop = Stop::default();
    stop.request();
    for task in Task::ALL {
        assert!(generate(folder.path(), PLAIN, task, 1, &stop).unwrap_err().is_cancelled());
        assert_eq!(fs::read_dir(PLAIN.folder(folder.path(), task)).unwrap().count(), 0);
    }
}
