//! The project's commands: `cargo xtask <command>`.
//!
//! They do their own set-up on a machine with Rust, a C++ compiler and Python, and say what is missing where
//! something is.

mod gpu;
mod imports;
mod nvrtc;
mod package;
mod python;
mod runner;
mod step;
mod test;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

const USAGE: &str = "\
usage: cargo xtask <command>
  test            every test there is, with its set-up
  check-imports   the rules of what may import what
  python-test     build the Python package and run its tests: [arguments for pytest]
  nvrtc           compile the kernels that the last test run used with the real NVRTC
  gpu-bundle      pack what a GPU machine needs to test and measure this build: [--part programs|arrays] [--profile NAME] [--output FOLDER]
";

/// What a command says when it fails.
type Outcome<T = ()> = Result<T, String>;

fn main() -> ExitCode {
    let command = std::env::args().nth(1).unwrap_or_default();
    let outcome = match command.as_str() {
        "test" => test::run(),
        "check-imports" => imports::run(),
        "python-test" => package::run(std::env::args().skip(2)),
        "nvrtc" => nvrtc::run(),
        "gpu-bundle" => gpu::run(std::env::args().skip(2)),
        _ => Err(USAGE.to_string()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("{message}");
            ExitCode::FAILURE
        }
    }
}

/// The folder of the workspace.
fn root() -> PathBuf {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    manifest.parent().expect("xtask lies in the workspace").to_path_buf()
}

/// Cargo's target folder.
fn target() -> PathBuf {
    match std::env::var_os("CARGO_TARGET_DIR") {
        Some(folder) => std::path::absolute(&folder).unwrap_or_else(|_| folder.into()),
        None => root().join("target"),
    }
}

/// Where the tests leave the source of every kernel that they use.
fn kernel_dump() -> PathBuf {
    target().join("kernel-dump")
}
