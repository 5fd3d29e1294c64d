//! Runs the `swath` program as a user would.

use std::path::Path;
use std::process::{Command, Output, Stdio};

/// What a run printed and how it ended.
#[derive(Debug)]
pub struct Ran {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

/// Runs `swath` in `folder`, on the host, with nothing on standard input.
pub fn swath<S: AsRef<std::ffi::OsStr>>(folder: &Path, arguments: impl IntoIterator<Item = S>) -> Ran {
    let output = command(folder, arguments).output().expect("the program starts");
    Ran::of(output)
}

/// The command, for a test that needs more than [`swath`] gives.
pub fn command<S: AsRef<std::ffi::OsStr>>(folder: &Path, arguments: impl IntoIterator<Item = S>) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_swath"));
    command.args(arguments).current_dir(folder).stdin(Stdio::null());
    command
}

/// Runs `swath` with the simulated driver in place of a real one; compiled kernels stay in `folder`.
pub fn swath_on_simulator<S: AsRef<std::ffi::OsStr>>(
    folder: &Path,
    arguments: impl IntoIterator<Item = S>,
) -> Ran {
    let (driver, nvrtc) = cudasim::library_paths();
    let mut command = command(folder, arguments);
    command.env("SWATH_DRIVER", driver).env("SWATH_NVRTC", nvrtc).env("XDG_CACHE_HOME", folder.join("cache"));
    Ran::of(command.output().expect("the program starts"))
}

impl Ran {
    pub fn of(output: Output) -> Self {
        Ran {
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).expect("UTF-8"),
            stderr: String::from_utf8(output.stderr).expect("UTF-8"),
        }
    }

    /// The output of a run that succeeded.
    #[track_caller]
    pub fn succeeded(self) -> String {
        assert_eq!(self.code, Some(0), "{self:?}");
        self.stdout
    }

    /// The error of a run that failed as it should: exit code 1, one `error: …`, no panic, no rows.
    #[track_caller]
    pub fn failed(self) -> String {
        assert_eq!(self.code, Some(1), "{self:?}");
        assert!(self.stderr.starts_with("error: "), "{self:?}");
        assert!(!self.stderr.contains("panicked"), "{self:?}");
        assert_eq!(self.stdout, "", "{self:?}");
        self.stderr
    }
}

/// Asserts that each of `parts` is in `text`.
#[track_caller]
pub fn assert_names(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "'{part}' is not in: {text}");
    }
}
