//! Python with packages from its index.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::binaries;
use crate::once;
use crate::process;

/// How long packages may take to be fetched.
const INSTALLATION: Duration = Duration::from_secs(120);

/// The Python of a virtual environment with the packages of a file of requirements, made once for all test runs.
///
/// # Panics
/// When it cannot be made, with what to do: a test without its peer has shown nothing, so it fails.
#[must_use]
pub fn with_packages(name: &str, requirements: &Path) -> PathBuf {
    let wanted = fs::read(requirements).expect("the requirements");
    once::folder(name, &wanted, |environment| make(environment, requirements)).join("bin/python")
}

fn make(environment: &Path, requirements: &Path) {
    let mut create = process::command(binaries::installed("python3"));
    create.args(["-m", "venv", "--clear"]).arg(environment);
    let mut install = process::command(environment.join("bin/python"));
    install.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--requirement"]).arg(requirements);
    let steps = [
        (create, "Python cannot make a virtual environment: it needs the package python3-venv and Python 3.11"),
        (install, "Python packages that the tests use cannot be installed: they come from pypi.org"),
    ];
    for (command, trouble) in steps {
        // One after the other: the second is a program that the first makes.
        let finished = process::run(command, INSTALLATION);
        assert!(finished.status.success(), "{trouble}\n{}{}", finished.stdout, finished.stderr);
    }
}
