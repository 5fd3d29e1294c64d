//! Runs the tests: with cargo-nextest where it is installed (each test in a process of its own), else with cargo.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::Stdio;

use crate::Outcome;
use crate::step::{cargo, run_program, shown, succeeds};

/// Runs every test but those in docs; returns the lines that sum the run up, to be said again at the end.
pub fn run_tests(kernel_dump: &Path) -> Outcome<Vec<String>> {
    let nextest = succeeds(cargo().args(["nextest", "--version"]));
    let mut command = cargo();
    match nextest {
        true => command.args(["nextest", "run", "--workspace", "--no-fail-fast", "--status-level", "fail"]),
        false => command.args(["test", "--workspace", "--lib", "--bins", "--tests", "--no-fail-fast"]),
    };
    command.env("SWATH_KERNEL_DUMP", kernel_dump).stderr(Stdio::piped()).stdout(Stdio::piped());
    let shown = shown(&command);
    let failed = |error: std::io::Error| format!("`{shown}`: {error}");
    let mut child = command.spawn().map_err(failed)?;
    let stdout = child.stdout.take().expect("standard output is piped");
    let stderr = child.stderr.take().expect("standard error is piped");
    // Both are read at once: a full pipe would stop the tests.
    let (out, err) = std::thread::scope(|scope| {
        let out = scope.spawn(|| pass_on(stdout, false));
        let err = scope.spawn(|| pass_on(stderr, true));
        (out.join().unwrap_or_default(), err.join().unwrap_or_default())
    });
    let status = child.wait().map_err(failed)?;
    let closing = match nextest {
        true => last_from(&err, "Summary ["),
        false => vec![sum_of_results(&out)],
    };
    match status.success() {
        true => Ok(closing),
        false => Err(format!("`{shown}`: {status}\n{}", closing.join("\n"))),
    }
}

/// Runs the examples in docs.
pub fn run_doc_tests() -> Outcome {
    run_program(cargo().args(["test", "--workspace", "--doc"]))
}

/// Prints each line as it comes, and keeps all.
fn pass_on(from: impl std::io::Read, to_stderr: bool) -> Vec<String> {
    let mut kept = Vec::new();
    // Output that is no UTF-8 ends the copy; the tests' outcome is their exit code.
    for line in BufReader::new(from).lines().map_while(Result::ok) {
        match to_stderr {
            true => eprintln!("{line}"),
            false => println!("{line}"),
        }
        kept.push(line);
    }
    kept
}

/// The lines from the last one with `mark` on.
fn last_from(lines: &[String], mark: &str) -> Vec<String> {
    let start = lines.iter().rposition(|line| line.contains(mark)).unwrap_or(lines.len());
    lines[start..].to_vec()
}

/// One `test result:` line for all test programs.
fn sum_of_results(lines: &[String]) -> String {
    let mut sums = [0u64; 3];
    let names = ["passed", "failed", "ignored"];
    for line in lines.iter().filter(|line| line.starts_with("test result:")) {
        let words: Vec<&str> = line.split([' ', ';', '.']).filter(|word| !word.is_empty()).collect();
        for pair in words.windows(2) {
            if let (Ok(count), Some(which)) =
                (pair[0].parse::<u64>(), names.iter().position(|name| *name == pair[1]))
            {
                sums[which] += count;
            }
        }
    }
    let [passed, failed, ignored] = sums;
    let outcome = if failed == 0 { "ok" } else { "FAILED" };
    format!("test result: {outcome}. {passed} passed; {failed} failed; {ignored} ignored")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_the_results_of_all_programs() {
        let lines = [
            "test result: ok. 12 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.03s",
            "test a ... ok",
            "test result: ok. 30 passed; 0 failed; 0 ignored; 0 measured; 2 filtered out; finished in 7.45s",
        ]
        .map(String::from);
        assert_eq!(sum_of_results(&lines), "test result: ok. 42 passed; 0 failed; 1 ignored");
    }

    #[test]
    fn finds_the_closing_lines() {
        let lines = ["a", "     Summary [  1.0s] 3 tests run: 3 passed, 0 skipped"].map(String::from);
        assert_eq!(last_from(&lines, "Summary ["), lines[1..]);
        assert!(last_from(&lines[..1], "Summary [").is_empty());
    }
}
