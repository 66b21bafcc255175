//! The report protocol's second implementation, in Python: an agent, a balancer, and tests of its own.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;

use crate::binaries;
use crate::json;
use crate::process::{self, Process, complete_lines};

/// How long its packages may take to be fetched.
const INSTALLATION: Duration = Duration::from_secs(120);

/// Where its programs are.
#[must_use]
pub fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("protocol")
}

/// A command of its Python, with these arguments.
#[must_use]
pub fn python(arguments: &[&str]) -> Command {
    let mut command = process::command(interpreter());
    // The sources stay as they are.
    command.env("PYTHONDONTWRITEBYTECODE", "1").current_dir(folder()).args(arguments);
    command
}

/// Starts one of its programs.
#[must_use]
pub fn start(program: &str, arguments: &[&str]) -> Process {
    let mut command = python(&[program]);
    command.args(arguments);
    Process::start(command)
}

/// Waits until it prints an event of this kind for which `accept` holds; the line.
#[track_caller]
#[must_use]
pub fn await_event(process: &Process, kind: &str, accept: impl Fn(&str) -> bool) -> String {
    let is_wanted = |line: &&str| json::member(line, "event") == Some(kind) && accept(line);
    process.await_output(&process.stdout, &format!("the event {kind}"), |text| {
        complete_lines(text).find(is_wanted).map(str::to_owned)
    })
}

/// The Python of a virtual environment with the packages that it needs, made once for all test runs.
fn interpreter() -> &'static Path {
    static INTERPRETER: OnceLock<PathBuf> = OnceLock::new();
    INTERPRETER.get_or_init(|| {
        let target = binaries::target();
        let environment = target.join("python-venv");
        let lock = File::create(target.join("python-venv.lock")).expect("a file in the target folder");
        // Two test runs at once make one environment.
        lock.lock().expect("a lock in the target folder");
        let requirements = folder().join("requirements.txt");
        let wanted = fs::read(&requirements).expect("the requirements");
        let (interpreter, made) = (environment.join("bin/python"), environment.join("made-with"));
        if fs::read(&made).ok().as_deref() != Some(&wanted) || !interpreter.exists() {
            make(&environment, &interpreter, &requirements);
            fs::write(&made, &wanted).expect("a file in the environment");
        }
        interpreter
    })
}

/// # Panics
/// When it cannot be made, with what to do: a test without its peer has shown nothing, so it fails.
fn make(environment: &Path, interpreter: &Path, requirements: &Path) {
    let mut create = process::command(binaries::installed("python3"));
    create.args(["-m", "venv", "--clear"]).arg(environment);
    let mut install = process::command(interpreter);
    install.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--requirement"]).arg(requirements);
    let steps = [
        (create, "Python cannot make a virtual environment: it needs the package python3-venv and Python 3.11"),
        (install, "the Python packages of the second implementation cannot be installed: they come from pypi.org"),
    ];
    for (command, trouble) in steps {
        // One after the other: the second is a program that the first makes.
        let finished = process::run(command, INSTALLATION);
        assert!(finished.status.success(), "{trouble}\n{}{}", finished.stdout, finished.stderr);
    }
}
