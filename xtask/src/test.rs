//! `cargo xtask test`: every test there is.

use std::process::Command;

use crate::step::{cargo, run_program, step, succeeds};
use crate::{Outcome, imports, kernel_dump, nvrtc, package, python, runner};

fn run_all() -> Outcome<Vec<String>> {
    step("tools", check_tools)?;
    let real_nvrtc = step("NVRTC from PyPI", nvrtc::install)?;
    step("import rules", imports::run)?;
    step("format", || run_program(cargo().args(["fmt", "--all", "--check"])))?;
    let clippy = ["clippy", "--workspace", "--all-targets", "--quiet", "--", "-D", "warnings"];
    step("clippy", || run_program(cargo().args(clippy)))?;
    step("doc tests", runner::run_doc_tests)?;
    let dump = kernel_dump();
    let cannot = |error: std::io::Error| format!("cannot make '{}' anew: {error}", dump.display());
    if dump.exists() {
        std::fs::remove_dir_all(&dump).map_err(cannot)?;
    }
    std::fs::create_dir_all(&dump).map_err(cannot)?;
    let closing = step("tests", || runner::run_tests(&dump))?;
    step("Python package", || package::run(std::iter::empty()))?;
    step("kernels with the real NVRTC", || nvrtc::compile_all(&real_nvrtc, &dump))?;
    Ok(closing)
}

pub fn run() -> Outcome {
    let closing = run_all()?;
    // The last lines are the test runner's own, whatever came after them.
    for line in closing {
        println!("{line}");
    }
    Ok(())
}

/// Looks for what cannot be installed from here.
fn check_tools() -> Outcome {
    let mut missing = Vec::new();
    if !succeeds(Command::new("g++").arg("--version")) {
        missing.push(
            "g++: the simulated CUDA driver compiles kernels with it; `apt-get install g++`".to_string(),
        );
    }
    if let Err(problem) = python::check() {
        missing.push(problem);
    }
    for component in ["fmt", "clippy"] {
        if !succeeds(cargo().args([component, "--version"])) {
            let name = if component == "fmt" { "rustfmt" } else { component };
            missing.push(format!("{name}: the code is checked with it; `rustup component add {name}`"));
        }
    }
    match missing.is_empty() {
        true => Ok(()),
        false => Err(format!("missing:\n  {}", missing.join("\n  "))),
    }
}
