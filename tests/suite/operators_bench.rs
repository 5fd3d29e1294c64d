//! `swath bench operators` and `swath bench placement`: that they run, and that answers are checked.

use std::fs;

use crate::program::{Ran, assert_names, command, swath_on_simulator};

#[test]
fn every_operator_is_measured_on_both_sides() {
    let folder = tempfile::tempdir().expect("a folder");
    let arguments = ["bench", "operators", "--rows", "2000", "--rounds", "1", "--output", "operators.json"];
    let text = swath_on_simulator(folder.path(), arguments).succeeded();
    assert_names(
        &text,
        &["SIMULATED", "filter", "1e3 groups", "1e3 unique, 10 % match", "running sum", "regex"],
    );
    let json = fs::read_to_string(folder.path().join("operators.json")).expect("was written");
    let report: serde_json::Value = serde_json::from_str(&json).expect("is JSON");
    assert_eq!(report["simulated"], true);
    let cases = report["cases"].as_array().expect("a list");
    assert!(cases.len() > 30, "{}", cases.len());
    for case in cases {
        assert!(case["fault"].is_null(), "{case}");
        assert_eq!(case["host_ms"].as_array().map(Vec::len), Some(1), "{case}");
        let device = &case["device"];
        assert!(device["kernels_launched"].as_u64() > Some(0), "{case}");
        assert!(device["peak_bytes"].as_u64() >= device["column_bytes"].as_u64(), "{case}");
        assert!(device["column_bytes"].as_u64() > Some(0), "{case}");
    }
}

#[test]
fn operators_without_a_device_are_measured_on_the_cpu() {
    let folder = tempfile::tempdir().expect("a folder");
    let arguments = ["bench", "operators", "--rows", "100", "--rounds", "1", "--only", "top-k,strings"];
    let mut bench = command(folder.path(), arguments);
    bench.env("SWATH_DRIVER", folder.path().join("none.so"));
    let text = Ran::of(bench.output().expect("the program starts")).succeeded();
    assert_names(&text, &["none was used", "top-k", "like inside"]);
    let error = swath_on_simulator(folder.path(), ["bench", "operators", "--only", "sorting"]).failed();
    assert_names(&error, &["'sorting'", "sort", "top-k"]);
}

#[test]
fn placements_are_compared_query_by_query() {
    let folder = tempfile::tempdir().expect("a folder");
    let data =
        crate::tpch_host::data().parent().expect("the folder of all scale factors").display().to_string();
    let arguments =
        ["bench", "tpch", "--compare-placements", "--scale-factor", "0.01", "--queries", "1,6,14"];
    let arguments: Vec<&str> = arguments.into_iter().chain(["--iterations", "1", "--data", &data]).collect();
    let with_output = arguments.iter().copied().chain(["--output", "placements.json"]);
    let text = swath_on_simulator(folder.path(), with_output).succeeded();
    assert_names(
        &text,
        &["SIMULATED", "from Parquet", "from memory", "auto/host", "Q14", "costs      host: "],
    );
    assert!(!text.contains("total regret"), "{text}");
    let json = fs::read_to_string(folder.path().join("placements.json")).expect("was written");
    let report: serde_json::Value = serde_json::from_str(&json).expect("is JSON");
    assert_eq!((&report["simulated"], &report["total_regret_ms"]), (&true.into(), &serde_json::Value::Null));
    let runs = report["runs"].as_array().expect("a list");
    assert_eq!(runs.len(), 6);
    for run in runs {
        assert!(run["fault"].is_null(), "{run}");
        for times in ["host_ms", "device_ms", "auto_ms"] {
            assert_eq!(run[times].as_array().map(Vec::len), Some(1), "{run}");
        }
    }
    // Without a device there is something to claim: what choosing costs.
    let mut bench = command(folder.path(), arguments);
    bench.env("SWATH_DRIVER", folder.path().join("none.so"));
    let text = Ran::of(bench.output().expect("the program starts")).succeeded();
    assert_names(&text, &["no device was used", "total regret"]);
}
