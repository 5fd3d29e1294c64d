//! `cargo xtask gpu-bundle`: everything that a GPU machine needs to test and measure this build, in one folder.
//!
//! Such a machine may have no compiler and no network. A bundle holds `benches/gpu.sh`, and for it `swath` and the
//! integration tests as programs, or the Python package with the bench of arrays: all of it would be too much for one.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::step::{cargo, run_program, shown, step, succeeds};
use crate::{Outcome, package, root, target};

/// The most that a bundle may hold, so that it travels easily.
const BUNDLE_BYTES_MAX: u64 = 64 << 20;
/// The programs by the names of their cargo targets.
const PROGRAMS: [&str; 2] = ["swath", "suite"];
const SCRIPT: &str = "benches/gpu.sh";

/// The Python package's library, by its cargo target and as Python looks for it.
const LIBRARY: &str = "_swath";
const LIBRARY_FILE: &str = "_swath.abi3.so";
const ARRAYS_BENCH: &str = "benches/arrays.py";

const USAGE: &str =
    "usage: cargo xtask gpu-bundle [--part programs|arrays] [--profile NAME] [--output FOLDER]";

struct Arguments {
    part: Part,
    profile: String,
    folder: Option<PathBuf>,
}

/// What goes into a bundle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Programs,
    Arrays,
}

/// Builds, packs, and says how to run the bundle.
pub fn run(arguments: impl Iterator<Item = String>) -> Outcome {
    let Arguments { part, profile, folder } = parse(arguments)?;
    let folder = folder.unwrap_or_else(|| match part {
        Part::Programs => target().join("gpu"),
        Part::Arrays => target().join("gpu-arrays"),
    });
    let built = step(&format!("build with profile {profile}"), || build(part, &profile))?;
    step("pack", || {
        fs::create_dir_all(&folder).map_err(|error| failed("make", &folder, &error))?;
        match part {
            Part::Programs => {
                for (name, program) in PROGRAMS.iter().zip(&built) {
                    pack(program, &folder.join(format!("{name}.xz")))?;
                }
            }
            Part::Arrays => {
                let package = folder.join("swath");
                package::copy(&root().join("crates/python/python/swath"), &package)
                    .map_err(|error| failed("make", &package, &error))?;
                pack(&built[0], &package.join(format!("{LIBRARY_FILE}.xz")))?;
                let bench = folder.join("arrays.py");
                fs::copy(root().join(ARRAYS_BENCH), &bench)
                    .map_err(|error| failed("write", &bench, &error))?;
            }
        }
        let script = folder.join("gpu.sh");
        fs::copy(root().join(SCRIPT), &script).map_err(|error| failed("write", &script, &error))?;
        let commit = folder.join("COMMIT");
        fs::write(&commit, format!("{}\n", describe_commit()?))
            .map_err(|error| failed("write", &commit, &error))
    })?;
    let bytes = check_size(&folder)?;
    println!(
        "\n{}: {:.1} MiB. On a machine with a GPU, its driver, NVRTC and python3:\n\n  OUT=gpu-results bash {}\n",
        folder.display(),
        bytes as f64 / (1 << 20) as f64,
        folder.join("gpu.sh").display()
    );
    Ok(())
}

fn parse(mut arguments: impl Iterator<Item = String>) -> Outcome<Arguments> {
    let mut parsed = Arguments { part: Part::Programs, profile: "release".to_string(), folder: None };
    while let Some(argument) = arguments.next() {
        let value = arguments.next().ok_or(USAGE)?;
        match (argument.as_str(), value.as_str()) {
            ("--part", "programs") => parsed.part = Part::Programs,
            ("--part", "arrays") => parsed.part = Part::Arrays,
            ("--profile", _) => parsed.profile = value,
            ("--output", _) => parsed.folder = Some(value.into()),
            _ => return Err(USAGE.to_string()),
        }
    }
    Ok(parsed)
}

/// Builds what goes into a bundle; returns the paths of [`PROGRAMS`], in their order, or that of [`LIBRARY`]. Cargo builds
/// the binaries of a package with its integration tests.
fn build(part: Part, profile: &str) -> Outcome<Vec<PathBuf>> {
    let mut command = cargo();
    match part {
        Part::Programs => command.args(["test", "--package", "swath", "--test", "suite", "--no-run"]),
        Part::Arrays => command.args(["build", "--package", "swath-python", "--lib"]),
    };
    command.args(["--profile", profile]);
    command.arg("--message-format=json-render-diagnostics").stderr(Stdio::inherit());
    let shown = shown(&command);
    let output = command.output().map_err(|error| format!("`{shown}` did not start: {error}"))?;
    if !output.status.success() {
        return Err(format!("`{shown}`: {}", output.status));
    }
    let messages = String::from_utf8_lossy(&output.stdout);
    let find = |name: &&str| {
        let found = match part {
            Part::Programs => artifact(&messages, name, "\"executable\":\""),
            Part::Arrays => artifact(&messages, name, "\"filenames\":[\""),
        };
        found.ok_or_else(|| format!("`{shown}` names no file of target '{name}'"))
    };
    match part {
        Part::Programs => PROGRAMS.iter().map(find).collect(),
        Part::Arrays => [LIBRARY].iter().map(find).collect(),
    }
}

/// Finds the file of a target among cargo's messages, one JSON object on each line, behind a key.
fn artifact(messages: &str, target: &str, key: &str) -> Option<PathBuf> {
    let name = format!("\"name\":\"{target}\"");
    messages.lines().filter(|line| line.contains(&name)).find_map(|line| {
        let value = &line[line.find(key)? + key.len()..];
        Some(PathBuf::from(&value[..value.find('"')?]))
    })
}

/// Compresses a program or library without its symbols.
fn pack(program: &Path, packed: &Path) -> Outcome {
    let stripped = packed.with_extension("");
    fs::copy(program, &stripped).map_err(|error| failed("write", &stripped, &error))?;
    // Symbols only make the bundle larger.
    if succeeds(Command::new("strip").arg("--version")) {
        run_program(Command::new("strip").arg("--strip-all").arg(&stripped))?;
    }
    if succeeds(Command::new("xz").arg("--version")) {
        return run_program(Command::new("xz").args(["-9", "--threads=0", "--force"]).arg(&stripped));
    }
    let script = "import lzma, shutil, sys\n\
                  with open(sys.argv[1], 'rb') as program, lzma.open(sys.argv[2], 'w', preset=9) as packed:\n    \
                  shutil.copyfileobj(program, packed)";
    run_program(Command::new("python3").args(["-c", script]).arg(&stripped).arg(packed))?;
    fs::remove_file(&stripped).map_err(|error| failed("remove", &stripped, &error))
}

/// The commit, marked where the working tree differs from it.
fn describe_commit() -> Outcome<String> {
    let mut git = Command::new("git");
    git.current_dir(root()).args(["describe", "--always", "--abbrev=7", "--exclude=*", "--dirty"]);
    let output = git.output().map_err(|error| format!("git did not start: {error}"))?;
    match output.status.success() {
        true => Ok(String::from_utf8_lossy(&output.stdout).trim().to_string()),
        false => Ok("unknown".to_string()),
    }
}

fn check_size(folder: &Path) -> Outcome<u64> {
    let bytes = bytes_below(folder).map_err(|error| failed("list", folder, &error))?;
    match bytes <= BUNDLE_BYTES_MAX {
        true => Ok(bytes),
        false => Err(format!(
            "'{}' holds {bytes} bytes, more than the {BUNDLE_BYTES_MAX} that may travel",
            folder.display()
        )),
    }
}

fn bytes_below(folder: &Path) -> std::io::Result<u64> {
    let mut bytes = 0;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let metadata = entry.metadata()?;
        bytes += if metadata.is_dir() { bytes_below(&entry.path())? } else { metadata.len() };
    }
    Ok(bytes)
}

fn failed(verb: &str, path: &Path, error: &std::io::Error) -> String {
    format!("cannot {verb} '{}': {error}", path.display())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_programs_among_messages() {
        let messages = r#"
{"reason":"compiler-artifact","target":{"kind":["lib"],"name":"swath"},"filenames":["/t/release/libswath.rlib"],"executable":null}
{"reason":"compiler-artifact","target":{"kind":["bin"],"name":"swath"},"executable":"/t/release/swath","fresh":true}
{"reason":"compiler-artifact","target":{"kind":["test"],"name":"suite"},"executable":"/t/release/deps/suite-0a","fresh":true}
{"reason":"build-finished","success":true}"#;
        let executable = |name| artifact(messages, name, "\"executable\":\"");
        assert_eq!(executable("swath"), Some("/t/release/swath".into()));
        assert_eq!(executable("suite"), Some("/t/release/deps/suite-0a".into()));
        assert_eq!(executable("xtask"), None);
        assert_eq!(artifact(messages, "swath", "\"filenames\":[\""), Some("/t/release/libswath.rlib".into()));
    }

    #[test]
    fn takes_a_profile_and_a_folder() {
        let given = ["--profile", "dev", "--output", "there"].map(String::from);
        let parsed = parse(given.into_iter()).expect("parses");
        assert_eq!((parsed.profile.as_str(), parsed.folder), ("dev", Some(PathBuf::from("there"))));
        assert_eq!(parsed.part, Part::Programs);
        let given = ["--part", "arrays"].map(String::from);
        assert_eq!(parse(given.into_iter()).expect("parses").part, Part::Arrays);
        for wrong in [["--fast", "1"], ["--part", "some"]] {
            assert!(parse(wrong.map(String::from).into_iter()).is_err());
        }
    }
}
