//! The Python package: builds it below the target folder, as a wheel would lay it out, and runs its tests.

use std::path::{Path, PathBuf};
use std::process::Command;

use cudasim::MathLibrary;

use crate::step::{cargo, run_program};
use crate::{Outcome, python, root, target};

/// `cargo xtask python-test`, with what pytest is to be told besides.
pub fn run(arguments: impl Iterator<Item = String>) -> Outcome {
    let folder = stage()?;
    let tests = root().join("crates/python");
    let requirements = tests.join("tests/requirements.txt");
    let requirements = std::fs::read_to_string(&requirements)
        .map_err(|error| format!("cannot read '{}': {error}", requirements.display()))?;
    let packages: Vec<&str> = requirements.lines().filter(|line| !line.trim().is_empty()).collect();
    let environment = target().join("python-venv");
    python::environment(&environment, &packages)?;
    let mut pytest = Command::new(environment.join("bin/python"));
    pytest.args(["-m", "pytest", "-q", "-p", "no:cacheprovider", "tests"]).args(arguments);
    pytest.current_dir(&tests).env("PYTHONPATH", folder).env("PYTHONPYCACHEPREFIX", target().join("pycache"));
    // Tests of device memory run in a process of their own, which is given this driver in place of a real one.
    let (driver, nvrtc) = cudasim::library_paths();
    pytest.env("SWATH_TEST_DRIVER", driver).env("SWATH_TEST_NVRTC", nvrtc);
    for (variable, library) in [
        ("SWATH_TEST_CUBLAS", MathLibrary::Cublas),
        ("SWATH_TEST_CUSOLVER", MathLibrary::Cusolver),
        ("SWATH_TEST_CUFFT", MathLibrary::Cufft),
    ] {
        pytest.env(variable, cudasim::math_library_path(library));
    }
    // Hypothesis keeps examples that failed; the repository is not the place.
    pytest.env("HYPOTHESIS_STORAGE_DIRECTORY", target().join("hypothesis"));
    run_program(&mut pytest)
}

/// Builds the library and puts it with the package's modules into a folder for `PYTHONPATH`, which it returns.
fn stage() -> Outcome<PathBuf> {
    // The whole workspace, as the other steps build it: with other features DataFusion would be compiled anew.
    run_program(cargo().args(["build", "--workspace", "--all-targets", "--quiet"]))?;
    let folder = target().join("python-package");
    let package = folder.join("swath");
    let cannot = |error: std::io::Error| format!("cannot make '{}': {error}", package.display());
    if package.exists() {
        std::fs::remove_dir_all(&package).map_err(cannot)?;
    }
    copy(&root().join("crates/python/python/swath"), &package).map_err(cannot)?;
    let (prefix, suffix) = (std::env::consts::DLL_PREFIX, std::env::consts::DLL_SUFFIX);
    let library = target().join("debug").join(format!("{prefix}_swath{suffix}"));
    std::fs::copy(&library, package.join("_swath.abi3.so"))
        .map_err(|error| format!("cannot copy '{}': {error}", library.display()))?;
    Ok(folder)
}

/// Copies a folder, but for what Python leaves there.
pub fn copy(from: &Path, to: &Path) -> std::io::Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let (name, is_folder) = (entry.file_name(), entry.file_type()?.is_dir());
        if is_folder && name != "__pycache__" {
            copy(&entry.path(), &to.join(name))?;
        } else if !is_folder {
            std::fs::copy(entry.path(), to.join(name))?;
        }
    }
    Ok(())
}
