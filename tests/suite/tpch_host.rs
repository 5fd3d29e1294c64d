//! TPC-H on the host: the data, and 22 right answers.

use std::fs;
use std::path::PathBuf;
use std::sync::OnceLock;

use swath::bench::answer::of_batches;
use swath::bench::compare::compare;
use swath::bench::generate::Stop;
use swath::config::{Config, Placement};
use swath::session::Session;
use swath::tpch::generate::generate;
use swath::tpch::query::Query;
use swath::tpch::{answer, table};

/// The folder of scale factor 0.01, generated once for all tests that ask. Processes that ask at a time generate it
/// each for itself and rename it into place: each file is whole whoever wins.
pub fn data() -> &'static PathBuf {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        let data = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("tpch");
        let folder = table::folder(&data, 0.01);
        generate(&folder, 0.01, 2, &Stop::default()).expect("data is generated");
        folder
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_all_queries_right() {
    let session = Session::with_config(Config { placement: Placement::Host, ..Config::default() }).unwrap();
    table::register(&session, data()).await.unwrap();
    for query in Query::all() {
        let result = session.sql(&query.text(0.01)).await.unwrap().collect().await.unwrap();
        let expected = answer::kept(query, 0.01).expect("kept").unwrap();
        let actual = of_batches(&result.schema, &result.batches).unwrap();
        if let Err(difference) = compare(&expected, &actual, query.partial_order()) {
            panic!("{query}: {difference}");
        }
        assert_eq!(result.receipt.device_operators().count(), 0, "{query} ran on a device");
    }
}

#[test]
fn answers_are_kept_for_three_scale_factors() {
    for scale_factor in [0.01, 0.1, 1.0] {
        for query in Query::all() {
            let kept = answer::kept(query, scale_factor).expect("kept").expect("readable");
            assert!(!kept.rows.is_empty(), "{query} at {scale_factor}");
        }
    }
    assert!(answer::kept(Query::all().next().unwrap(), 0.5).is_none());
}

#[test]
fn files_do_not_depend_on_the_number_of_threads() {
    let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    generate(folders[0].path(), 0.4, 1, &Stop::default()).unwrap();
    generate(folders[1].path(), 0.4, 3, &Stop::default()).unwrap();
    for table in table::Table::ALL {
        let [one, three] =
            [&folders[0], &folders[1]].map(|folder| fs::read(table.file(folder.path())).unwrap());
        assert!(one == three, "{} differs", table.name());
    }
    assert!(generate(folders[0].path(), 0.4, 1, &Stop::default()).unwrap().is_empty(), "generated twice");
}

#[test]
fn a_stop_leaves_no_file() {
    let folder = tempfile::tempdir().unwrap();
    let stop = Stop::default();
    stop.request();
    assert!(generate(folder.path(), 0.01, 1, &stop).unwrap_err().is_cancelled());
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}
