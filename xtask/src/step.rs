//! Steps with their names and run times, and commands.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::Command;
use std::time::Instant;

/// Runs a step, and prints its name, result and run time.
pub(crate) fn run(name: &str, step: impl FnOnce() -> Result<(), String>) -> Result<(), String> {
    print(&format!("==> {name}\n"));
    let start = Instant::now();
    step().map_err(|error| format!("{name} failed: {error}"))?;
    print(&format!("==> {name}: ok, {:.1} s\n", start.elapsed().as_secs_f64()));
    Ok(())
}

/// Runs cargo with these arguments.
pub(crate) fn cargo(arguments: &[&str]) -> Result<(), String> {
    command(cargo_command().args(arguments))
}

/// Returns a command for the cargo that runs this program, with the environment that it would have if started by hand.
/// The variables that cargo sets for the programs it runs (the cargo book, "Environment variables Cargo sets for
/// crates") would otherwise count as a change for build scripts that read them, as ring's does. All crates that depend
/// on ring would then be rebuilt at each switch between `cargo xtask` and `cargo`.
pub(crate) fn cargo_command() -> Command {
    let mut command = Command::new(env!("CARGO"));
    let is_set_by_cargo = |name: &str| ["CARGO_PKG_", "CARGO_MANIFEST_"].iter().any(|prefix| name.starts_with(prefix));
    for (name, _) in std::env::vars_os().filter(|(name, _)| is_set_by_cargo(&name.to_string_lossy())) {
        command.env_remove(name);
    }
    command
}

/// Builds the documentation, private items included. A broken link is an error.
pub(crate) fn documentation() -> Result<(), String> {
    let arguments = ["doc", "--workspace", "--no-deps", "--document-private-items"];
    command(
        cargo_command().args(arguments).env("RUSTDOCFLAGS", "--deny warnings --allow rustdoc::private_intra_doc_links"),
    )
}

/// Runs a command and shows its output.
pub(crate) fn command(command: &mut Command) -> Result<(), String> {
    let status = command.status().map_err(|error| format!("cannot start {}: {error}", display(command)))?;
    if status.success() { Ok(()) } else { Err(format!("{} failed: {status}", display(command))) }
}

/// Runs a command and returns its standard output.
pub(crate) fn output(command: &mut Command) -> Result<String, String> {
    let output = command.output().map_err(|error| format!("cannot start {}: {error}", display(command)))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let stderr = String::from_utf8_lossy(&output.stderr);
    Err(format!("{} failed: {}: {}", display(command), output.status, stderr.trim()))
}

/// Returns the path of an installed program.
pub(crate) fn installed(program: &str) -> Result<PathBuf, String> {
    // Debian has programs for administrators in folders that are not in the PATH of ordinary users.
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain(["/usr/sbin".into(), "/sbin".into()]);
    let mut files = folders.map(|folder| folder.join(program));
    files.find(|file| file.is_file()).ok_or_else(|| format!("`{program}` is not installed"))
}

fn display(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    let words: Vec<_> = words.map(|word| word.to_string_lossy()).collect();
    format!("`{}`", words.join(" "))
}

/// Prints to standard output.
pub(crate) fn print(text: &str) {
    // Standard output may be closed; the exit code still shows the result.
    let _ = std::io::stdout().write_all(text.as_bytes());
}

/// Prints an error to standard error.
pub(crate) fn print_error(text: &str) {
    let _ = writeln!(std::io::stderr(), "xtask: {text}");
}
