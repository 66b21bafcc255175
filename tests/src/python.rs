//! Python virtual environments with packages from PyPI.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::binaries;
use crate::cache;
use crate::process;

/// Time limit for installing packages.
const INSTALLATION: Duration = Duration::from_secs(120);

/// Returns the Python interpreter of a virtual environment with the packages of a requirements file, created once for
/// all test runs.
///
/// # Panics
/// If it cannot be created, with a remedy: a test without its peer must fail, since it proves nothing.
#[must_use]
pub fn with_packages(name: &str, requirements: &Path) -> PathBuf {
    let key = fs::read(requirements).expect("the requirements file");
    cache::folder(name, &key, |environment| create(environment, requirements)).join("bin/python")
}

fn create(environment: &Path, requirements: &Path) {
    let mut create = process::command(binaries::installed("python3"));
    create.args(["-m", "venv", "--clear"]).arg(environment);
    let mut install = process::command(environment.join("bin/python"));
    install.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--requirement"]).arg(requirements);
    let steps = [
        (create, "cannot create a Python virtual environment: install the package python3-venv and Python 3.11"),
        (install, "cannot install the Python packages of the tests: check access to pypi.org"),
    ];
    for (command, failure) in steps {
        // In this order: the first creates the program that the second runs.
        let finished = process::run(command, INSTALLATION);
        assert!(finished.status.success(), "{failure}\n{}{}", finished.stdout, finished.stderr);
    }
}
