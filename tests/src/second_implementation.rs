//! The second implementation of the report protocol, in Python: an agent, a balancer, and its own tests.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use serde_json::Value;

use crate::process::{self, Process, complete_lines};
use crate::python;

/// Returns the folder of its programs.
#[must_use]
pub fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("protocol")
}

/// Returns a command that runs its Python interpreter with these arguments.
#[must_use]
pub fn python(arguments: &[&str]) -> Command {
    let mut command = process::command(interpreter());
    // Keep the source tree clean.
    command.env("PYTHONDONTWRITEBYTECODE", "1").current_dir(folder()).args(arguments);
    command
}

/// Starts one of its programs, such as `agent.py`.
#[must_use]
pub fn start(program: &str, arguments: &[&str]) -> Process {
    let mut command = python(&[program]);
    command.args(arguments);
    Process::start(command)
}

/// Waits until it prints an event of this kind that satisfies `condition`, and returns the event.
#[track_caller]
#[must_use]
pub fn await_event(process: &Process, kind: &str, condition: impl Fn(&Value) -> bool) -> Value {
    let event =
        |line: &str| serde_json::from_str(line).ok().filter(|event: &Value| event["event"] == kind && condition(event));
    process.await_output(&process.stdout, &format!("the event {kind}"), |text| complete_lines(text).find_map(event))
}

/// Returns its Python interpreter, with the required packages.
fn interpreter() -> &'static Path {
    static INTERPRETER: OnceLock<PathBuf> = OnceLock::new();
    INTERPRETER.get_or_init(|| python::with_packages("python-venv", &folder().join("requirements.txt")))
}
