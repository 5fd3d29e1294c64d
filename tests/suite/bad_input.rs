//! Bad input of every kind: the error names what is wrong and where, and nothing half-written is left.

use std::fs;
use std::path::Path;

use tempfile::TempDir;

use crate::program::{Ran, assert_names, swath};

fn folder_with(files: &[(&str, &str)]) -> TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder");
    for (name, text) in files {
        fs::write(folder.path().join(name), text).expect("a writable folder");
    }
    folder
}

/// The error of one query over tables.
#[track_caller]
fn error(folder: &Path, tables: &[&str], query: &str) -> String {
    let mut arguments = vec!["sql", query];
    for table in tables {
        arguments.extend(["--table", table]);
    }
    swath(folder, arguments).failed()
}

#[track_caller]
fn rows(folder: &Path, tables: &[&str], query: &str) -> String {
    let mut arguments = vec!["sql", query, "--format", "csv"];
    for table in tables {
        arguments.extend(["--table", table]);
    }
    swath(folder, arguments).succeeded()
}

#[test]
fn missing_file_names_it_and_a_near_one() {
    let folder = folder_with(&[("trips.csv", "a\n1\n")]);
    let error = error(folder.path(), &["t=trip.csv"], "SELECT * FROM t");
    assert_names(&error, &["table 't'", "'trip.csv'", "did you mean 'trips.csv'?"]);
}

#[test]
fn glob_and_folder_without_files() {
    let folder = folder_with(&[]);
    assert_names(&error(folder.path(), &["t=*.csv"], "SELECT 1"), &["no file matches '*.csv'"]);
    assert_names(&error(folder.path(), &["t=."], "SELECT 1"), &["there is no file in '.'"]);
}

#[test]
fn unknown_extension_and_mixed_formats() {
    let folder = folder_with(&[("a.dat", "a\n1\n")]);
    assert_names(&error(folder.path(), &["t=a.dat"], "SELECT 1"), &["'a.dat'", ".parquet"]);
    let folder = folder_with(&[("a.csv", "a\n1\n"), ("b.json", "{\"a\":1}\n")]);
    assert_names(&error(folder.path(), &["t=."], "SELECT 1"), &["'a.csv'", "'b.json'", "different formats"]);
}

#[test]
fn truncated_parquet_names_the_file() {
    let folder = folder_with(&[]);
    swath(folder.path(), ["sql", "SELECT * FROM generate_series(1, 1000)", "--output", "whole.parquet"])
        .succeeded();
    let whole = fs::read(folder.path().join("whole.parquet")).unwrap();
    for kept in [whole.len() - 1, whole.len() / 2, 4, 1] {
        fs::write(folder.path().join("cut.parquet"), &whole[..kept]).unwrap();
        let error = error(folder.path(), &["t=cut.parquet"], "SELECT * FROM t");
        assert_names(&error, &["'cut.parquet'", "Parquet", "truncated"]);
    }
}

#[test]
fn damaged_parquet_pages_fail_without_a_panic() {
    let folder = folder_with(&[]);
    swath(folder.path(), ["sql", "SELECT * FROM generate_series(1, 100000)", "--output", "whole.parquet"])
        .succeeded();
    let mut bytes = fs::read(folder.path().join("whole.parquet")).unwrap();
    for byte in &mut bytes[4..2000] {
        *byte = !*byte;
    }
    fs::write(folder.path().join("damaged.parquet"), bytes).unwrap();
    let error = error(folder.path(), &["t=damaged.parquet"], "SELECT sum(value) FROM t");
    assert_names(&error, &["'damaged.parquet'"]);
}

#[test]
fn csv_value_of_another_type_names_file_line_and_column() {
    // Far beyond the rows that types are inferred from, and beyond one batch of the reader.
    let mut text = String::from("id,price,note\n");
    for row in 0..20_000 {
        text.push_str(&format!("{row},{row}.5,\"two\nlines\"\n"));
    }
    text.push_str("20000,cheap,x\n20001,1.5,y\n");
    let folder = folder_with(&[("a.csv", "id,price,note\n1,1.5,x\n"), ("b.csv", &text)]);
    let error = error(folder.path(), &["t=*.csv"], "SELECT sum(price) FROM t");
    assert_names(&error, &["'b.csv'", "line 40002", "column 'price'", "'cheap'", "Float64"]);
}

#[test]
fn csv_line_of_another_width_names_file_and_line() {
    let mut text = String::from("a,b\n");
    text.push_str(&"1,2\n".repeat(5000));
    text.push_str("1,2,3\n");
    let folder = folder_with(&[("wide.csv", &text)]);
    let error = error(folder.path(), &["t=wide.csv"], "SELECT sum(a) FROM t");
    assert_names(&error, &["'wide.csv'", "line 5002", "3 fields where there are 2 columns"]);
}

#[test]
fn csv_that_is_not_utf8_names_file_and_line() {
    let folder = folder_with(&[]);
    let mut early = b"a,b\n1,x\n2,".to_vec();
    early.extend([0xff, 0xfe, b'\n']);
    fs::write(folder.path().join("early.csv"), &early).unwrap();
    let error_early = error(folder.path(), &["t=early.csv"], "SELECT * FROM t");
    assert_names(&error_early, &["'early.csv'", "line 3", "not UTF-8", "ff fe"]);

    let mut late = b"a,b\n".to_vec();
    late.extend(b"1,x\n".repeat(5000));
    late.extend([b'2', b',', 0xe9, b'\n']);
    fs::write(folder.path().join("late.csv"), &late).unwrap();
    let error_late = error(folder.path(), &["t=late.csv"], "SELECT max(b) FROM t");
    assert_names(&error_late, &["'late.csv'", "line 5002", "not UTF-8"]);
}

#[test]
fn json_value_of_another_type_names_file_line_and_column() {
    let mut text = "{\"id\":1,\"n\":2}\n".repeat(3000);
    text.push_str("{\"id\":1,\"n\":\"many\"}\n");
    let folder = folder_with(&[("a.json", &text)]);
    let error = error(folder.path(), &["t=a.json"], "SELECT sum(n) FROM t");
    assert_names(&error, &["'a.json'", "line 3001", "column 'n'", "many"]);
}

#[test]
fn json_that_is_none_names_the_file() {
    let folder = folder_with(&[("a.json", "{\"id\":1\n")]);
    assert_names(&error(folder.path(), &["t=a.json"], "SELECT 1"), &["'a.json'", "JSON"]);
}

#[test]
fn duplicate_column_names_are_refused() {
    let folder = folder_with(&[("a.csv", "id,name,id\n1,x,2\n")]);
    let error = error(folder.path(), &["t=a.csv"], "SELECT * FROM t");
    assert_names(&error, &["'a.csv'", "two columns of the name 'id'", "columns 1 and 3"]);
}

#[test]
fn files_of_different_schemas_are_refused() {
    let folder =
        folder_with(&[("a.csv", "id,n\n1,2\n"), ("b.csv", "id,n\n1,two\n"), ("c.csv", "id,m\n1,2\n")]);
    let types = error(folder.path(), &["t=[ab].csv"], "SELECT * FROM t");
    assert_names(&types, &["column 'n'", "Int64 in 'a.csv'", "Utf8 in 'b.csv'"]);
    let names = error(folder.path(), &["t=[ac].csv"], "SELECT * FROM t");
    assert_names(&names, &["column 'n'", "in 'a.csv' but not in 'c.csv'"]);
}

#[test]
fn parquet_files_of_different_schemas_are_refused() {
    let folder = folder_with(&[]);
    swath(folder.path(), ["sql", "SELECT 1 AS n", "--output", "a.parquet"]).succeeded();
    swath(folder.path(), ["sql", "SELECT 'x' AS n", "--output", "b.parquet"]).succeeded();
    let error = error(folder.path(), &["t=*.parquet"], "SELECT * FROM t");
    assert_names(&error, &["column 'n'", "Int64 in 'a.parquet'", "in 'b.parquet'"]);
}

#[test]
fn empty_files_are_refused() {
    let folder = folder_with(&[("e.csv", ""), ("e.json", ""), ("e.parquet", ""), ("e.arrow", "")]);
    for name in ["e.csv", "e.json", "e.parquet", "e.arrow"] {
        let error = error(folder.path(), &[&format!("t={name}")], "SELECT * FROM t");
        assert_names(&error, &[name, "is an empty file"]);
    }
}

#[test]
fn zero_rows_print_the_header() {
    let folder = folder_with(&[("z.csv", "a,b\n")]);
    assert_eq!(rows(folder.path(), &["t=z.csv"], "SELECT * FROM t"), "a,b\n");
    assert_eq!(rows(folder.path(), &["t=z.csv"], "SELECT count(*) AS n FROM t"), "n\n0\n");
    swath(folder.path(), ["sql", "SELECT 1 AS a WHERE false", "--output", "z.parquet"]).succeeded();
    assert_eq!(rows(folder.path(), &["t=z.parquet"], "SELECT * FROM t"), "a\n");
    let table = swath(folder.path(), ["sql", "SELECT * FROM t", "--table", "t=z.csv"]).succeeded();
    assert_names(&table, &["| a | b |"]);
}

#[test]
fn unknown_column_suggests_a_near_one() {
    let folder = folder_with(&[("a.csv", "price,Quantity\n1,2\n")]);
    let near = error(folder.path(), &["t=a.csv"], "SELECT prise FROM t");
    assert_names(&near, &["'prise'", "did you mean 'price'?", "price, Quantity"]);
    let capital = error(folder.path(), &["t=a.csv"], "SELECT Quantity FROM t");
    assert_names(&capital, &["'quantity'", "did you mean '\"Quantity\"'?"]);
    let far = error(folder.path(), &["t=a.csv"], "SELECT t.zzzzzz FROM t WHERE price > 1");
    assert_names(&far, &["'t.zzzzzz'"]);
    assert!(!far.contains("did you mean"), "{far}");
}

#[test]
fn unknown_table_suggests_a_near_one() {
    let folder = folder_with(&[("a.csv", "a\n1\n")]);
    let error_near = error(folder.path(), &["trips=a.csv"], "SELECT * FROM trip");
    assert_names(&error_near, &["'trip'", "did you mean 'trips'?"]);
    assert_names(&error(folder.path(), &[], "SELECT * FROM t"), &["'t'", "no table is registered"]);
    let function = error(folder.path(), &[], "SELECT valu FROM generate_series(1, 2)");
    assert_names(&function, &["no column 'valu'", "did you mean 'value'?"]);
}

#[test]
fn unknown_option_suggests_a_near_one() {
    let folder = folder_with(&[]);
    let run = swath(folder.path(), ["sql", "SELECT 1", "--set", "swath.placment=host"]);
    assert_names(&run.failed(), &["'swath.placment'", "did you mean 'swath.placement'?"]);
    let run = swath(folder.path(), ["sql", "SELECT 1", "--set", "swath.placement=moon"]);
    assert_names(&run.failed(), &["'moon'", "auto, device, host"]);
    let sql = error(folder.path(), &[], "SET swath.placment = 'host'");
    assert_names(&sql, &["'swath.placment'", "did you mean 'swath.placement'?"]);
    let value = error(folder.path(), &[], "SET datafusion.execution.batch_size = 'many'");
    assert_names(&value, &["datafusion.execution.batch_size = 'many'"]);
}

#[test]
fn clashing_types_are_named() {
    let folder = folder_with(&[("a.csv", "n,s\n1,x\n")]);
    let sum = error(folder.path(), &["t=a.csv"], "SELECT sum(s) FROM t");
    assert_names(&sum, &["'sum'", "Utf8"]);
    let add = error(folder.path(), &["t=a.csv"], "SELECT n + date '2020-01-01' + s FROM t");
    assert_names(&add, &["Date32"]);
    let cast = error(folder.path(), &["t=a.csv"], "SELECT cast(s AS int) FROM t");
    assert_names(&cast, &["'x'", "Int32"]);
}

#[test]
fn division_by_zero_names_the_expression() {
    let folder = folder_with(&[("a.csv", "n\n1\n2\n")]);
    let error_rows = error(folder.path(), &["t=a.csv"], "SELECT 10 / (n - 1) FROM t");
    assert_names(&error_rows, &["division by zero", "10 / (t.n - 1)"]);
    assert_names(&error(folder.path(), &[], "SELECT 1 / 0"), &["division by zero", "1 / 0"]);
    assert_names(&error(folder.path(), &[], "SELECT 1 % 0"), &["division by zero", "1 % 0"]);
}

#[test]
fn decimal_overflow_names_the_expression() {
    let folder = folder_with(&[]);
    let query = "SELECT n * n FROM (SELECT cast('9999999999999999999999999' AS decimal(38, 0)) AS n)";
    assert_names(&error(folder.path(), &[], query), &["overflow", "n * n"]);
    let cast = "SELECT cast(n AS decimal(3, 1)) FROM (VALUES (12345)) AS t (n)";
    assert_names(&error(folder.path(), &[], cast), &["12345", "precision 3"]);
}

#[test]
fn syntax_error_says_where() {
    let folder = folder_with(&[]);
    assert_names(&error(folder.path(), &[], "SELECT (1"), &["syntax error", "Expected"]);
    assert_names(&error(folder.path(), &[], "SELECT 'open"), &["syntax error"]);
    assert_names(&error(folder.path(), &[], " ; "), &["no statement"]);
    let run = swath(folder.path(), ["sql", "SELECT 1; SELEC 2"]);
    assert_eq!(run.code, Some(1), "{run:?}");
    assert_names(&run.stderr, &["statement 2", "syntax error"]);
}

#[test]
fn output_that_cannot_be_written_fails_before_the_work() {
    let folder = folder_with(&[("file", "")]);
    for (path, part) in [("no/such/x.csv", "no folder"), ("file/x.csv", "no folder"), (".", "extension")] {
        let run = swath(folder.path(), ["sql", "SELECT 1", "--output", path]);
        assert_names(&run.failed(), &[path, part]);
    }
    let run = swath(folder.path(), ["sql", "SELECT 1", "--output", "/proc/x.csv"]);
    assert_names(&run.failed(), &["cannot write '/proc/x.csv'"]);
    fs::create_dir(folder.path().join("d.csv")).unwrap();
    assert_names(&swath(folder.path(), ["sql", "SELECT 1", "--output", "d.csv"]).failed(), &["'d.csv'"]);
}

#[test]
fn failed_query_leaves_no_output_and_keeps_the_old() {
    let folder = folder_with(&[("a.csv", "n\n1\n"), ("old.csv", "kept\n")]);
    let listed = || {
        let mut names: Vec<String> = fs::read_dir(folder.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    };
    for output in ["old.csv", "new.csv", "new.parquet", "new.json"] {
        let query = "SELECT 10 / (n - 1) FROM t";
        swath(folder.path(), ["sql", query, "--table", "t=a.csv", "--output", output]).failed();
        assert_eq!(listed(), ["a.csv", "old.csv"]);
    }
    assert_eq!(fs::read_to_string(folder.path().join("old.csv")).unwrap(), "kept\n");
}

#[cfg(target_os = "linux")]
#[test]
fn file_that_cannot_grow_is_not_left() {
    let folder = folder_with(&[]);
    let program = env!("CARGO_BIN_EXE_swath");
    let query = "SELECT value FROM generate_series(1, 200000)";
    for (arguments, part) in [
        (format!("sql '{query}' --output x.csv"), "cannot write 'x.csv'"),
        (format!("sql '{query}' --output x.parquet"), "cannot write 'x.parquet'"),
        (format!("sql \"COPY ({query}) TO 'x.csv'\""), "could not be written whole"),
        ("generate tpch --scale-factor 0.01 --data .".to_string(), "cannot generate"),
    ] {
        // Writes beyond the limit fail, as on a full disk.
        let script = format!("trap '' XFSZ; ulimit -f 64; exec '{program}' {arguments}");
        let run =
            std::process::Command::new("bash").args(["-c", &script]).current_dir(folder.path()).output();
        let error = Ran::of(run.expect("bash starts")).failed();
        assert_names(&error, &[part]);
        assert!(!folder.path().join("x.csv").exists() && !folder.path().join("x.parquet").exists());
        let partial = |folder: &Path| {
            fs::read_dir(folder)
                .unwrap()
                .any(|entry| entry.unwrap().file_name().to_string_lossy().ends_with(".partial"))
        };
        assert!(!partial(folder.path()), "{arguments}");
    }
}

#[test]
fn parquet_does_not_go_to_the_terminal() {
    let folder = folder_with(&[]);
    let run = swath(folder.path(), ["sql", "SELECT 1", "--format", "parquet"]);
    assert_names(&run.failed(), &["--output"]);
}

#[test]
fn bad_arguments_are_explained() {
    let folder = folder_with(&[]);
    for arguments in [
        vec!["sql", "SELECT 1", "--placement", "moon"],
        vec!["sql", "SELECT 1", "--table", "nopath"],
        vec!["sql", "SELECT 1", "--device-memory-limit", "8 parsecs"],
        vec!["generate", "tpch", "--scale-factor", "many"],
    ] {
        let run = swath(folder.path(), arguments);
        assert_eq!(run.code, Some(2), "{run:?}");
        assert!(run.stderr.starts_with("error: "), "{run:?}");
    }
    let run = swath(folder.path(), ["generate", "tpch", "--scale-factor", "-1"]);
    assert_ne!(run.code, Some(0));
    let run = swath(folder.path(), ["generate", "tpch", "--scale-factor=0", "--data", "d"]);
    assert_names(&run.failed(), &["scale factor"]);
    let run = swath(folder.path(), ["sql", "--file", "none.sql"]);
    assert_names(&run.failed(), &["'none.sql'"]);
}

#[test]
fn sizes_of_benches_that_cannot_be_are_refused() {
    let folder = folder_with(&[("file", "")]);
    for bench in ["h2o", "clickbench"] {
        for rows in ["0", "abc", "-5", "1e99", "1.5"] {
            let run = swath(folder.path(), ["bench", bench, "--rows", rows]);
            assert_eq!(run.code, Some(2), "{run:?}");
            assert_names(&run.stderr, &[rows]);
        }
        let run = swath(folder.path(), ["bench", bench, "--rows", "999"]);
        assert_names(&run.failed(), &["999 rows", "1000"]);
        let run = swath(folder.path(), ["bench", bench, "--queries", "99"]);
        assert_names(&run.stderr, &["'99'", "they are 1 to"]);
        // A file is in the place of the folder.
        let run = swath(folder.path(), ["generate", bench, "--rows", "1000", "--data", "file"]);
        assert_names(&run.failed(), &["cannot create the folder 'file/"]);
        let run = swath(folder.path(), ["bench", bench, "--rows", "1000", "--output", "none/bench.json"]);
        assert_names(&run.failed(), &["none/bench.json"]);
    }
    let run = swath(folder.path(), ["bench", "h2o", "--rows", "1e4", "--groups", "20000"]);
    assert_names(&run.failed(), &["20000 groups"]);
    let run = swath(folder.path(), ["bench", "h2o", "--rows", "1e9", "--sorted"]);
    assert_names(&run.failed(), &["cannot be sorted"]);
    let run = swath(folder.path(), ["bench", "h2o", "--nulls", "101"]);
    assert_eq!(run.code, Some(2), "{run:?}");
    assert!(!folder.path().join("data").exists());
}
