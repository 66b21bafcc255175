//! One step after the other, each with its name and the time that it took.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::Command;
use std::time::Instant;

/// Runs one step and says how it went.
pub(crate) fn run(name: &str, step: impl FnOnce() -> Result<(), String>) -> Result<(), String> {
    say(&format!("==> {name}\n"));
    let start = Instant::now();
    step().map_err(|error| format!("{name} failed: {error}"))?;
    say(&format!("==> {name}: ok, {:.1} s\n", start.elapsed().as_secs_f64()));
    Ok(())
}

/// Runs cargo.
pub(crate) fn cargo(arguments: &[&str]) -> Result<(), String> {
    command(cargo_command().args(arguments))
}

/// Cargo, the one that runs this, as if it had been started by hand: what it tells its programs of themselves (the cargo book,
/// "Environment variables Cargo sets for crates") would be a change to build scripts that ask for it, and ring's does. All
/// that needs ring would be built anew whenever a contributor goes from `cargo xtask` to `cargo` or back.
pub(crate) fn cargo_command() -> Command {
    let mut command = Command::new(env!("CARGO"));
    let told = |name: &str| ["CARGO_PKG_", "CARGO_MANIFEST_"].iter().any(|prefix| name.starts_with(prefix));
    for (name, _) in std::env::vars_os().filter(|(name, _)| told(&name.to_string_lossy())) {
        command.env_remove(name);
    }
    command
}

/// Builds the documentation, for those who work on the code; a broken link in it is an error.
pub(crate) fn documentation() -> Result<(), String> {
    let arguments = ["doc", "--workspace", "--no-deps", "--document-private-items"];
    command(
        cargo_command().args(arguments).env("RUSTDOCFLAGS", "--deny warnings --allow rustdoc::private_intra_doc_links"),
    )
}

/// Runs a command to its end, its output shown as it comes.
pub(crate) fn command(command: &mut Command) -> Result<(), String> {
    let status = command.status().map_err(|error| format!("{} cannot be started: {error}", shown(command)))?;
    if status.success() { Ok(()) } else { Err(format!("{} ended with {status}", shown(command))) }
}

/// Runs a command to its end and returns what it said.
pub(crate) fn output(command: &mut Command) -> Result<String, String> {
    let output = command.output().map_err(|error| format!("{} cannot be started: {error}", shown(command)))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let complaint = String::from_utf8_lossy(&output.stderr);
    Err(format!("{} ended with {}: {}", shown(command), output.status, complaint.trim()))
}

/// Where a program of the system is.
pub(crate) fn installed(program: &str) -> Result<PathBuf, String> {
    // Debian keeps those for administrators where an ordinary user's PATH does not look.
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain(["/usr/sbin".into(), "/sbin".into()]);
    let mut files = folders.map(|folder| folder.join(program));
    files.find(|file| file.is_file()).ok_or_else(|| format!("`{program}` is not installed"))
}

fn shown(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    let words: Vec<_> = words.map(|word| word.to_string_lossy()).collect();
    format!("`{}`", words.join(" "))
}

pub(crate) fn say(text: &str) {
    // Nobody may be reading any more; the exit code still tells.
    let _ = std::io::stdout().write_all(text.as_bytes());
}

pub(crate) fn complain(text: &str) {
    let _ = writeln!(std::io::stderr(), "xtask: {text}");
}
