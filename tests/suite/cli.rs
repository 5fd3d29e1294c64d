//! The `swath` command: formats in and out, scripts, receipts, interruption.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::Stdio;

use tempfile::TempDir;

use crate::program::{Ran, assert_names, command, swath, swath_on_simulator};

fn folder() -> TempDir {
    tempfile::tempdir().expect("a temporary folder")
}

/// The rows of a query as CSV.
#[track_caller]
fn csv(folder: &Path, table: &str, query: &str) -> String {
    swath(folder, ["sql", query, "--format", "csv", "--table", table]).succeeded()
}

const PEOPLE: &str = "name,born,score\nAda,1815,1.5\nGrace,1906,\n";

#[test]
fn select_one() {
    let run = swath(folder().path(), ["sql", "SELECT 1 AS one"]);
    assert_eq!(run.stderr, "");
    assert_eq!(run.succeeded(), "+-----+\n| one |\n+-----+\n| 1   |\n+-----+\n");
}

#[test]
fn every_format_comes_back_as_it_went_out() {
    let folder = folder();
    fs::write(folder.path().join("people.csv"), PEOPLE).unwrap();
    for output in ["out.parquet", "out.csv", "out.json"] {
        swath(
            folder.path(),
            [
                "sql",
                "SELECT name, born, score FROM p ORDER BY name",
                "--table",
                "p=people.csv",
                "--output",
                output,
            ],
        )
        .succeeded();
        let back =
            csv(folder.path(), &format!("t={output}"), "SELECT name, born, score FROM t ORDER BY name");
        assert_eq!(back, PEOPLE, "{output}");
    }
    let json = fs::read_to_string(folder.path().join("out.json")).unwrap();
    let first: serde_json::Value = serde_json::from_str(json.lines().nth(1).unwrap()).unwrap();
    assert_eq!(first, serde_json::json!({ "name": "Grace", "born": 1906, "score": null }));
}

#[test]
fn arrow_ipc_is_read_as_file_and_as_stream() {
    use datafusion::arrow::array::{ArrayRef, Int32Array, RecordBatch};
    use datafusion::arrow::ipc::writer::{FileWriter, StreamWriter};
    let folder = folder();
    let values: ArrayRef = std::sync::Arc::new(Int32Array::from(vec![Some(1), None, Some(3)]));
    let batch = RecordBatch::try_from_iter([("n", values)]).unwrap();
    let file = fs::File::create(folder.path().join("a.arrow")).unwrap();
    let mut writer = FileWriter::try_new(file, &batch.schema()).unwrap();
    writer.write(&batch).unwrap();
    writer.finish().unwrap();
    let file = fs::File::create(folder.path().join("b.arrows")).unwrap();
    let mut writer = StreamWriter::try_new(file, &batch.schema()).unwrap();
    writer.write(&batch).unwrap();
    writer.finish().unwrap();
    for name in ["a.arrow", "b.arrows"] {
        assert_eq!(csv(folder.path(), &format!("t={name}"), "SELECT sum(n) AS s FROM t"), "s\n4\n");
    }
}

#[test]
fn globs_and_folders_are_one_table() {
    let folder = folder();
    let data = folder.path().join("data");
    fs::create_dir(&data).unwrap();
    fs::write(data.join("a.csv"), "n\n1\n").unwrap();
    fs::write(data.join("b.csv"), "n\n2.5\n").unwrap();
    fs::write(data.join("notes.txt"), "not a table").unwrap();
    for path in ["data", "data/", "data/*.csv", "./data/[ab].csv"] {
        assert_eq!(
            csv(folder.path(), &format!("t={path}"), "SELECT sum(n) AS s FROM t"),
            "s\n3.5\n",
            "{path}"
        );
    }
}

#[test]
fn partition_folders_are_columns() {
    let folder = folder();
    for year in [2023, 2024] {
        let part = folder.path().join(format!("sales/year={year}"));
        fs::create_dir_all(&part).unwrap();
        fs::write(part.join("a.csv"), format!("n\n{}\n", year - 2000)).unwrap();
    }
    let query = "SELECT year, n FROM t WHERE year = '2024'";
    assert_eq!(csv(folder.path(), "t=sales/", query), "year,n\n2024,24\n");
}

#[test]
fn tabs_other_delimiters_and_missing_headers() {
    let folder = folder();
    fs::write(folder.path().join("a.tsv"), "a\tb\n1\t2\n").unwrap();
    assert_eq!(csv(folder.path(), "t=a.tsv", "SELECT b FROM t"), "b\n2\n");
    fs::write(folder.path().join("b.dat"), "1;2\n3;4\n").unwrap();
    let arguments = ["--table", "t=b.dat", "--table-format", "csv", "--delimiter", ";", "--no-header"];
    let query = ["sql", "SELECT sum(column_2) AS s FROM t", "--format", "csv"];
    assert_eq!(swath(folder.path(), query.into_iter().chain(arguments)).succeeded(), "s\n6\n");
}

#[test]
fn compressed_csv_is_read() {
    let folder = folder();
    let query = "COPY (SELECT 7 AS n) TO 'a.csv.gz' STORED AS CSV OPTIONS ('format.compression' 'gzip')";
    swath(folder.path(), ["sql", query]).succeeded();
    assert_eq!(csv(folder.path(), "t=a.csv.gz", "SELECT n FROM t"), "n\n7\n");
}

#[test]
fn scripts_run_statement_by_statement() {
    let folder = folder();
    fs::write(
        folder.path().join("script.sql"),
        "-- two; results\nCREATE TABLE t AS SELECT ';' AS x;\nSELECT x FROM t;\nSET swath.placement = 'host';\n\
         SELECT count(*) AS n FROM t;\n",
    )
    .unwrap();
    let run = swath(folder.path(), ["sql", "--file", "script.sql", "--format", "csv"]);
    let expected = "x\n;\nn\n1\n";
    let stdout = run.succeeded();
    assert!(stdout.ends_with(expected), "{stdout}");

    let mut child = command(folder.path(), ["sql", "--format", "csv"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(b"SELECT 1 AS a; SELECT 2 AS b;").unwrap();
    assert_eq!(Ran::of(child.wait_with_output().unwrap()).succeeded(), "a\n1\nb\n2\n");
}

#[test]
fn output_takes_one_result() {
    let folder = folder();
    let run = swath(folder.path(), ["sql", "SELECT 1 AS a; SELECT 2 AS b", "--output", "x.csv"]);
    assert_names(&run.failed(), &["statement 2", "--output"]);
    assert!(!folder.path().join("x.csv").exists());
    swath(folder.path(), ["sql", "SET swath.placement = 'host'; SELECT 2 AS b", "--output", "x.csv"])
        .succeeded();
    assert_eq!(fs::read_to_string(folder.path().join("x.csv")).unwrap(), "b\n2\n");
}

#[test]
fn receipts_are_text_or_json_on_standard_error() {
    let folder = folder();
    fs::write(folder.path().join("people.csv"), PEOPLE).unwrap();
    let query = ["sql", "SELECT count(*) AS n FROM p WHERE born > 1900", "--table", "p=people.csv"];
    let text = swath(folder.path(), query.into_iter().chain(["--receipt"]));
    assert_names(&text.stderr, &["operator", "host", "rows", "1 rows in"]);
    let json = swath(folder.path(), query.into_iter().chain(["--receipt=json", "--format", "csv"]));
    let receipt: serde_json::Value = serde_json::from_str(&json.stderr).expect("one JSON object");
    assert_eq!(json.stdout, "n\n1\n");
    assert_eq!(receipt["totals"]["rows"], 1);
    assert!(receipt["query"].as_str().unwrap().contains("born > 1900"));
    assert!(receipt["operators"].as_array().unwrap().iter().all(|operator| operator["place"].is_string()));
}

#[test]
fn explain_says_where_each_operator_runs() {
    let folder = folder();
    fs::write(folder.path().join("people.csv"), PEOPLE).unwrap();
    let query = "SELECT name FROM p WHERE born > 1900";
    let command = swath(folder.path(), ["explain", query, "--table", "p=people.csv", "--placement", "host"]);
    assert_names(&command.succeeded(), &["host", "FilterExec", "DataSourceExec"]);
    let statement = format!("EXPLAIN {query}");
    let rows = swath(folder.path(), ["sql", &statement, "--table", "p=people.csv", "--placement", "host"]);
    assert_names(&rows.succeeded(), &["host", "FilterExec"]);
}

#[test]
fn doctor_reports_as_text_and_json() {
    let folder = folder();
    assert_names(&swath(folder.path(), ["doctor"]).succeeded(), &["driver", "NVRTC", "cache", "devices"]);
    let json = swath(folder.path(), ["doctor", "--json"]).succeeded();
    let report: serde_json::Value = serde_json::from_str(&json).expect("a JSON object");
    assert!(report["devices"].is_array() && report["problems"].is_array());
}

#[test]
fn pin_without_a_device_says_so() {
    let folder = folder();
    fs::write(folder.path().join("people.csv"), PEOPLE).unwrap();
    let run = command(folder.path(), ["sql", "PIN TABLE p", "--table", "p=people.csv"])
        .env("SWATH_DRIVER", "/nonexistent/libcuda.so")
        .output()
        .unwrap();
    assert_names(&Ran::of(run).failed(), &["p", "device"]);
    assert_names(&swath(folder.path(), ["sql", "PIN TABLE q"]).failed(), &["there is no table 'q'"]);
}

#[test]
fn unwritable_cache_folder_does_not_stop_a_query() {
    let folder = folder();
    let run = swath(folder.path(), ["sql", "SELECT 1 AS a", "--format", "csv", "--cache-dir", "/proc/none"]);
    assert_eq!(run.succeeded(), "a\n1\n");
}

#[test]
fn reader_that_goes_away_ends_it_quietly() {
    let folder = folder();
    for format in ["csv", "json", "table"] {
        let query = "SELECT * FROM generate_series(1, 300000)";
        let mut child = command(folder.path(), ["sql", query, "--format", format])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let mut stderr = String::new();
        child.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
        assert_eq!((child.wait().unwrap().code(), stderr.as_str()), (Some(0), ""), "{format}");
    }
}

#[cfg(unix)]
#[test]
fn interrupt_cancels_and_leaves_nothing() {
    let folder = folder();
    let query = "SELECT count(*) FROM generate_series(1, 1000000000000)";
    for arguments in [
        vec!["sql", query, "--output", "out.csv"],
        vec!["generate", "tpch", "--scale-factor", "20", "--data", "data"],
    ] {
        let mut child =
            command(folder.path(), &arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        // Until it has begun to write; a file without a name yet is what must not stay.
        let partial = || walk(folder.path()).iter().any(|name| name.ends_with(".partial"));
        while !partial() {
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
        let id = child.id().to_string();
        assert!(std::process::Command::new("kill").args(["-INT", &id]).status().unwrap().success());
        let code = child.wait().unwrap().code();
        assert_eq!(Ran::of(child.wait_with_output().unwrap()).stderr, "cancelled\n");
        assert_eq!(code, Some(130), "{arguments:?}");
        assert!(!partial(), "{arguments:?}");
        assert!(!folder.path().join("out.csv").exists());
    }
}

#[cfg(target_os = "linux")]
#[test]
fn full_standard_output_and_error_are_no_bugs_of_ours() {
    let folder = folder();
    let full = || fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    for arguments in [vec!["doctor"], vec!["generate", "tpch", "--scale-factor", "0.001", "--data", "d"]] {
        let run = Ran::of(command(folder.path(), arguments).stdout(full()).output().unwrap());
        assert_names(&run.failed(), &["cannot write to standard output"]);
    }
    // The result is whole, whatever became of the receipt.
    let run = command(folder.path(), ["sql", "SELECT 1 AS a", "--format", "csv", "--receipt"])
        .stderr(full())
        .output()
        .unwrap();
    assert_eq!(Ran::of(run).succeeded(), "a\n1\n");
}

#[test]
fn options_are_set_and_shown() {
    let folder = folder();
    let script = "SET swath.placement = 'host'; SHOW swath.placement";
    let shown = swath(folder.path(), ["sql", script, "--format", "csv"]).succeeded();
    assert_eq!(shown, "name,value\nswath.placement,host\n");
    swath(folder.path(), ["sql", "SELECT 1", "--set", "datafusion.runtime.memory_limit=1G"]).succeeded();
    let error = swath(folder.path(), ["sql", "SET swath.device_memory_limit = 1"]).failed();
    assert_names(&error, &["fixed when the session starts", "--device-memory-limit"]);
    let error = swath(folder.path(), ["sql", "SET swath.spill_disk_limit = 1"]).failed();
    assert_names(&error, &["fixed when the session starts", "--spill-disk-limit"]);
    let tiers = ["--pinned-memory-limit", "1MiB", "--spill-disk-limit", "2MiB", "--spill-dir", "here"];
    let show = |option: &str| {
        let query = format!("SHOW swath.{option}");
        let mut arguments = vec!["sql", &query, "--format", "csv"];
        arguments.extend(tiers);
        let shown = swath(folder.path(), arguments).succeeded();
        shown.trim_end().rsplit(',').next().map(str::to_string)
    };
    assert_eq!(show("pinned_memory_limit").as_deref(), Some("1048576"));
    assert_eq!(show("pageable_memory_limit").as_deref(), Some("default"));
    assert_eq!(show("spill_disk_limit").as_deref(), Some("2097152"));
    assert_eq!(show("spill_dir").as_deref(), Some("here"));
}

#[test]
fn files_of_any_name_are_read() {
    let folder = folder();
    for name in ["we[ir]d.csv", "st*r.csv", "wh?t.csv", "a:b.csv", "50%.csv", "two words.csv", ".hidden.csv"]
    {
        fs::write(folder.path().join(name), "a\n1\n").unwrap();
        assert_eq!(csv(folder.path(), &format!("t={name}"), "SELECT a FROM t"), "a\n1\n", "{name}");
    }
    let brackets = folder.path().join("[x]");
    fs::create_dir(&brackets).unwrap();
    fs::write(brackets.join("a.csv"), "a\n1\n").unwrap();
    fs::write(brackets.join(".b.csv"), "a\n2\n").unwrap();
    for path in ["[x]", "[x]/a.csv"] {
        assert_eq!(csv(folder.path(), &format!("t={path}"), "SELECT a FROM t"), "a\n1\n", "{path}");
    }
}

#[test]
fn copy_writes_a_whole_file_or_none() {
    let folder = folder();
    let rows = "generate_series(1, 100000)";
    for name in ["x.parquet", "x.csv"] {
        let failing = format!("COPY (SELECT 10 / (value - 50000) AS q FROM {rows}) TO '{name}'");
        assert_names(&swath(folder.path(), ["sql", &failing]).failed(), &["division by zero"]);
        assert!(walk(folder.path()).is_empty(), "{:?}", walk(folder.path()));
        let whole = format!("COPY (SELECT value FROM {rows}) TO '{name}'");
        swath(folder.path(), ["sql", &whole, "--format", "csv"]).succeeded();
        assert_eq!(csv(folder.path(), &format!("t={name}"), "SELECT count(*) AS n FROM t"), "n\n100000\n");
        fs::remove_file(folder.path().join(name)).unwrap();
    }
    let run = swath(folder.path(), ["sql", "COPY (SELECT 1 AS a) TO 'none/x.csv'"]);
    assert_names(&run.failed(), &["there is no folder 'none'"]);
}

#[test]
fn hidden_files_are_no_part_of_a_folder() {
    let folder = folder();
    let data = folder.path().join("data");
    fs::create_dir(&data).unwrap();
    fs::write(data.join("a.csv"), "a\n1\n").unwrap();
    fs::write(data.join(".a.csv"), "a\n2\n").unwrap();
    fs::write(data.join("_b.csv"), "other\nx\n").unwrap();
    for path in ["data", "data/*.csv"] {
        assert_eq!(csv(folder.path(), &format!("t={path}"), "SELECT a FROM t"), "a\n1\n", "{path}");
    }
    let part = folder.path().join("sales/year=2024");
    fs::create_dir_all(&part).unwrap();
    fs::write(part.join("a.csv"), "n\n1\n").unwrap();
    fs::write(part.join(".a.csv"), "n\n2\n").unwrap();
    let run = swath(folder.path(), ["sql", "SELECT n FROM t", "--table", "t=sales"]);
    assert_names(&run.failed(), &["'sales/year=2024/.a.csv' is a hidden file"]);
}

const GROUPS: &str = "SELECT value % 3 AS k, sum(value) AS s FROM t GROUP BY k ORDER BY k";

#[test]
fn device_runs_a_query_and_its_receipt_shows_the_kernels() {
    let folder = folder();
    swath(folder.path(), ["sql", "SELECT value FROM generate_series(1, 1000)", "--output", "t.parquet"])
        .succeeded();
    let arguments = ["--table", "t=t.parquet", "--placement", "device", "--format", "csv", "--receipt=json"];
    // A sorted limit and the like may stay on the host: the policy is tried on an aggregation alone.
    let query = ["sql", "SELECT sum(value) AS s FROM t WHERE value > 10", "--fallback", "error"];
    let run = swath_on_simulator(folder.path(), query.into_iter().chain(arguments));
    assert_eq!((run.code, run.stdout.as_str()), (Some(0), "s\n500445\n"), "{run:?}");
    let receipt: serde_json::Value = serde_json::from_str(&run.stderr).expect("one JSON object");
    assert!(receipt["totals"]["kernels_launched"].as_u64() > Some(0), "{receipt}");
    assert!(receipt["totals"]["kernels_compiled"].as_u64() > Some(0), "{receipt}");
    // The second process finds the kernels on disk.
    let run = swath_on_simulator(folder.path(), query.into_iter().chain(arguments));
    let receipt: serde_json::Value = serde_json::from_str(&run.stderr).expect("one JSON object");
    assert_eq!(receipt["totals"]["kernels_compiled"], 0, "{receipt}");
}

#[test]
fn pinned_table_is_read_from_the_device() {
    let folder = folder();
    swath(folder.path(), ["sql", "SELECT value FROM generate_series(1, 1000)", "--output", "t.parquet"])
        .succeeded();
    let script = "PIN TABLE t; SELECT sum(value) AS s FROM t WHERE value > 10; UNPIN TABLE t; SELECT count(*) AS n FROM t";
    let arguments = ["sql", script, "--table", "t=t.parquet", "--placement", "device", "--format", "csv"];
    let run = swath_on_simulator(folder.path(), arguments);
    assert_names(&run.succeeded(), &["1000 rows of t on gpu:0", "s\n500445\n", "n\n1000\n"]);
}

#[test]
fn cache_folder_that_cannot_be_written_costs_the_cache_alone() {
    let folder = folder();
    fs::write(folder.path().join("file"), "").unwrap();
    swath(folder.path(), ["sql", "SELECT value FROM generate_series(1, 1000)", "--output", "t.parquet"])
        .succeeded();
    for cache in ["/proc/none", "file/cache"] {
        let arguments = ["sql", GROUPS, "--table", "t=t.parquet", "--placement", "device", "--format", "csv"];
        let run = swath_on_simulator(folder.path(), arguments.into_iter().chain(["--cache-dir", cache]));
        assert_eq!(run.succeeded(), "k,s\n0,166833\n1,167167\n2,166500\n", "{cache}");
    }
}

#[test]
fn policies_on_fallback() {
    let folder = folder();
    fs::write(folder.path().join("people.csv"), PEOPLE).unwrap();
    // No device takes a regular expression with so many states.
    let query = "SELECT count(*) AS n FROM p WHERE regexp_like(name, 'A.a|[a-q][^u-z]{13}x')";
    let arguments = ["sql", query, "--table", "p=people.csv", "--placement", "device", "--format", "csv"];
    let run = |policy| swath_on_simulator(folder.path(), arguments.into_iter().chain(["--fallback", policy]));
    assert_eq!((run("allow").stdout.as_str(), run("allow").stderr.as_str()), ("n\n1\n", ""));
    assert_names(&run("warn").stderr, &["warning: ", "ran on the CPU", "A.a"]);
    assert_names(&run("error").failed(), &["A.a"]);
}

#[test]
fn bench_checks_every_answer() {
    let folder = folder();
    let data =
        crate::tpch_host::data().parent().expect("the folder of all scale factors").display().to_string();
    let arguments = ["bench", "tpch", "--scale-factor", "0.01", "--queries", "1,6", "--iterations", "1"];
    let arguments: Vec<&str> =
        arguments.into_iter().chain(["--data", &data, "--output", "bench.json"]).collect();
    let text = swath_on_simulator(folder.path(), &arguments).succeeded();
    assert_names(&text, &["SIMULATED", "answers that DuckDB gave", "8 of 8 runs answered right", "geomean"]);
    let json = fs::read_to_string(folder.path().join("bench.json")).unwrap();
    let report: serde_json::Value = serde_json::from_str(&json).unwrap();
    let runs = report["runs"].as_array().unwrap();
    let device = runs.iter().filter(|run| run["runner"] == "device");
    for run in device {
        assert!(run["cold"]["kernels_launched"].as_u64() > Some(0), "{run}");
        assert_eq!(run["hot"]["kernels_compiled"], 0, "{run}");
    }
    let text = swath(folder.path(), [&arguments[..], &["--placement", "host"]].concat()).succeeded();
    assert_names(&text, &["4 of 4 runs answered right"]);
}

#[test]
fn bench_of_grouping_and_joining_checks_every_answer() {
    let folder = folder();
    let arguments =
        ["bench", "h2o", "--rows", "1e4", "--groups", "10", "--queries", "1,j1", "--iterations", "1"];
    let arguments: Vec<&str> =
        arguments.into_iter().chain(["--data", "h2o", "--output", "bench.json"]).collect();
    let text = swath_on_simulator(folder.path(), &arguments).succeeded();
    assert_names(&text, &["SIMULATED", "checksums of DuckDB's", "8 of 8 runs answered right", "J1"]);
    let json = fs::read_to_string(folder.path().join("bench.json")).unwrap();
    let report: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!((&report["rows"], &report["groups"]), (&10_000.into(), &10.into()));
    let device = report["runs"].as_array().unwrap().iter().find(|run| run["runner"] == "device").unwrap();
    assert!(device["cold"]["kernels_launched"].as_u64() > Some(0), "{device}");
    let other =
        ["bench", "h2o", "--rows", "2000", "--groups", "7", "--nulls", "2", "--sorted", "--queries", "8"];
    let text = swath(folder.path(), other.into_iter().chain(["--placement", "host"])).succeeded();
    assert_names(&text, &["no other engine's answers", "2 of 2 runs answered right"]);
}

#[test]
fn bench_of_decision_support_checks_every_answer() {
    let folder = folder();
    let arguments = ["bench", "tpcds", "--scale-factor", "0.01", "--queries", "3,90", "--iterations", "1"];
    let text = swath(folder.path(), arguments.into_iter().chain(["--placement", "host"])).succeeded();
    assert_names(&text, &["2 of the 99", "checksums of DuckDB's", "4 of 4 runs answered right"]);
    let error = swath(folder.path(), ["bench", "tpcds", "--queries", "1"]);
    assert_names(&error.stderr, &["'1' is not one of the queries", "3, 7, 12"]);
    let error = swath(folder.path(), ["generate", "tpcds", "--scale-factor", "0"]).failed();
    assert_names(&error, &["is not a scale factor"]);
}

#[test]
fn bench_of_web_traffic_checks_every_answer() {
    let folder = folder();
    let arguments = ["bench", "clickbench", "--rows", "1e4", "--queries", "3,25,33", "--iterations", "1"];
    let text = swath_on_simulator(folder.path(), arguments.into_iter().chain(["--data", "."])).succeeded();
    assert_names(&text, &["SIMULATED", "checksums of DuckDB's", "12 of 12 runs answered right"]);
    let other = ["bench", "clickbench", "--rows", "3000", "--queries", "18,24", "--iterations", "1"];
    let text = swath(folder.path(), other.into_iter().chain(["--placement", "host"])).succeeded();
    assert_names(&text, &["no other engine's answers", "4 of 4 runs answered right"]);
}

#[test]
fn bench_of_the_device_compiles_once() {
    let folder = folder();
    let data =
        crate::tpch_host::data().parent().expect("the folder of all scale factors").display().to_string();
    let arguments =
        ["bench", "device", "--scale-factor", "0.01", "--iterations", "2", "--output", "device.json"];
    let arguments: Vec<&str> = arguments.into_iter().chain(["--data", &data]).collect();
    let text = swath_on_simulator(folder.path(), &arguments).succeeded();
    assert_names(&text, &["SIMULATED", "copy", "Q6", "Q1"]);
    let json = fs::read_to_string(folder.path().join("device.json")).unwrap();
    let report: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(report["simulated"], true);
    assert!(report["copy"]["buffer_bytes"].as_u64() > Some(0), "{report}");
    let rows = report["lineitem"]["rows"].as_u64().expect("a number");
    // Decimals take 8 bytes each, a date 4, a string of one letter 5.
    for (query, answered, row_bytes) in [(0, 1, 28), (1, 4, 46)] {
        let query = &report["lineitem"]["queries"][query];
        assert_eq!(query["rows"], answered, "{query}");
        let bytes = query["column_bytes"].as_u64().expect("a number");
        assert!((rows * row_bytes..rows * row_bytes + 1000).contains(&bytes), "{query}");
        assert!(query["kernels_launched"].as_u64() > Some(0), "{query}");
        assert!(query["cold"]["kernels_compiled"].as_u64() > Some(0), "{query}");
        assert_eq!(query["kernels_compiled_later"], 0, "{query}");
        assert_eq!(query["kernel_ms"].as_array().map(Vec::len), Some(2), "{query}");
    }
}

#[test]
fn bench_of_the_device_without_one_says_so() {
    let folder = folder();
    let mut bench = command(folder.path(), ["bench", "device", "--output", "device.json"]);
    // Whatever the machine has, this is no driver.
    bench.env("SWATH_DRIVER", folder.path().join("none.so"));
    let error = Ran::of(bench.output().expect("the program starts")).failed();
    assert_names(&error, &["no device can be measured", "none.so", "swath doctor"]);
    assert!(!folder.path().join("device.json").exists());
}

#[test]
fn bench_without_a_kept_answer_compares_with_datafusion() {
    let folder = folder();
    let arguments =
        ["bench", "tpch", "--scale-factor", "0.002", "--queries", "1", "--iterations", "1", "--data", "."];
    let text = swath(folder.path(), arguments.into_iter().chain(["--placement", "host"])).succeeded();
    assert_names(&text, &["plain DataFusion in this run", "2 of 2 runs answered right"]);
    let overhead = ["bench", "overhead", "--scale-factor", "0.002", "--queries", "1", "--iterations", "1"];
    let text = swath(folder.path(), overhead.into_iter().chain(["--data", "."])).succeeded();
    assert_names(&text, &["session over datafusion", "SELECT 1"]);
}

/// The names of all files below a folder.
fn walk(folder: &Path) -> Vec<String> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder).unwrap().flatten() {
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => names.extend(walk(&entry.path())),
            _ => names.push(entry.file_name().to_string_lossy().into_owned()),
        }
    }
    names
}

#[test]
fn a_pin_has_a_receipt_and_a_refusal_names_the_column() {
    let folder = folder();
    swath(
        folder.path(),
        ["sql", "SELECT value * 0.5 AS price FROM generate_series(1, 1000)", "--output", "t.parquet"],
    )
    .succeeded();
    let device = ["--table", "t=t.parquet", "--placement", "device", "--format", "csv"];
    let run =
        swath_on_simulator(folder.path(), ["sql", "PIN TABLE t", "--receipt=json"].into_iter().chain(device));
    let receipt: serde_json::Value = serde_json::from_str(&run.stderr).expect("one JSON object");
    assert_eq!(receipt["operators"][0]["rows_out"], 1000, "{receipt}");
    assert!(receipt["totals"]["bytes_up"].as_u64() >= Some(8000), "{receipt}");

    let query = ["sql", "SELECT CAST(price AS VARCHAR) FROM t", "--fallback", "error"];
    let refusal = swath_on_simulator(folder.path(), query.into_iter().chain(device)).failed();
    assert!(refusal.contains("price") && !refusal.contains('#'), "{refusal}");

    // The reader of the file must not compute what the device was asked for.
    let query = ["sql", "SELECT price + 1 AS p FROM t", "--fallback", "error", "--receipt=json"];
    let run = swath_on_simulator(folder.path(), query.into_iter().chain(device));
    let receipt: serde_json::Value = serde_json::from_str(&run.stderr).expect("one JSON object");
    assert!(receipt["totals"]["kernels_launched"].as_u64() > Some(0), "{receipt}");
}

#[test]
fn a_scale_factor_beyond_the_specification_is_refused() {
    let folder = folder();
    for factor in ["1e9", "0", "NaN"] {
        let error = swath(folder.path(), ["generate", "tpch", "--scale-factor", factor]).failed();
        assert_names(&error, &["is not a scale factor", "100000"]);
    }
    assert_eq!(walk(folder.path()), Vec::<String>::new());
}
