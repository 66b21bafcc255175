//! One step after the other, each with its name and the time that it took.

use std::io::Write as _;
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

/// Runs cargo, the one that runs this.
pub(crate) fn cargo(arguments: &[&str]) -> Result<(), String> {
    command(Command::new(env!("CARGO")).args(arguments))
}

/// Builds the documentation, for those who work on the code; a broken link in it is an error.
pub(crate) fn documentation() -> Result<(), String> {
    let arguments = ["doc", "--workspace", "--no-deps", "--document-private-items"];
    command(
        Command::new(env!("CARGO"))
            .args(arguments)
            .env("RUSTDOCFLAGS", "--deny warnings --allow rustdoc::private_intra_doc_links"),
    )
}

/// Runs a command to its end, its output shown as it comes.
pub(crate) fn command(command: &mut Command) -> Result<(), String> {
    let status = command.status().map_err(|error| format!("{} cannot be started: {error}", shown(command)))?;
    if status.success() { Ok(()) } else { Err(format!("{} ended with {status}", shown(command))) }
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
