//! The report protocol's second implementation, in Python: an agent, a balancer, and tests of its own.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use serde_json::Value;

use crate::process::{self, Process, complete_lines};
use crate::python;

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
pub fn await_event(process: &Process, kind: &str, accept: impl Fn(&Value) -> bool) -> Value {
    let event =
        |line: &str| serde_json::from_str(line).ok().filter(|event: &Value| event["event"] == kind && accept(event));
    process.await_output(&process.stdout, &format!("the event {kind}"), |text| complete_lines(text).find_map(event))
}

/// Its Python, with the packages that it needs.
fn interpreter() -> &'static Path {
    static INTERPRETER: OnceLock<PathBuf> = OnceLock::new();
    INTERPRETER.get_or_init(|| python::with_packages("python-venv", &folder().join("requirements.txt")))
}
