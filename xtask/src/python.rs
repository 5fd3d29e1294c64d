//! A Python environment of the project's own, below the target folder: nothing is installed on the machine.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::Outcome;
use crate::step::{run_program, succeeds};

/// Says what is missing of Python, and why it is needed.
pub fn check() -> Outcome {
    if !succeeds(Command::new("python3").arg("--version")) {
        return Err("python3: NVIDIA's compiler, which checks the kernels, comes as a Python package; `apt-get install \
                    python3 python3-venv`"
            .to_string());
    }
    if !succeeds(Command::new("python3").args(["-c", "import venv, ensurepip"])) {
        return Err(
            "python3-venv: the compiler is installed in an environment of its own; `apt-get install \
                    python3-venv`"
                .to_string(),
        );
    }
    Ok(())
}

/// Makes an environment in `folder` with exactly these packages, unless it is there already; returns its site-packages.
pub fn environment(folder: &Path, packages: &[&str]) -> Outcome<PathBuf> {
    let stamp = folder.join("installed.txt");
    let wanted = packages.join("\n");
    if std::fs::read_to_string(&stamp).is_ok_and(|installed| installed == wanted) {
        return site_packages(folder);
    }
    check()?;
    run_program(Command::new("python3").args(["-m", "venv", "--clear"]).arg(folder))?;
    let mut pip = Command::new(folder.join("bin/python"));
    pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]).args(packages);
    run_program(&mut pip).map_err(|error| {
        format!("{error}\nThe package index must be reachable: pip reads its address from pip.conf or PIP_INDEX_URL.")
    })?;
    std::fs::write(&stamp, wanted).map_err(|error| format!("cannot write '{}': {error}", stamp.display()))?;
    site_packages(folder)
}

fn site_packages(folder: &Path) -> Outcome<PathBuf> {
    let lib = folder.join("lib");
    let versions =
        std::fs::read_dir(&lib).map_err(|error| format!("cannot list '{}': {error}", lib.display()))?;
    let mut found =
        versions.flatten().map(|entry| entry.path().join("site-packages")).filter(|path| path.is_dir());
    found.next().ok_or_else(|| format!("there is no site-packages in '{}'", lib.display()))
}
