//! Scenarios, one after the other: each has the machine to itself, since they measure.
//!
//! What is printed is read by `xtask/src/kernel/console.rs`, which has its grammar.

use std::any::Any;
use std::env;
use std::io::{self, Write as _};
use std::process::ExitCode;
use std::thread;

/// Something to be shown in a real kernel.
#[derive(Debug, Clone, Copy)]
pub struct Scenario {
    /// What it is called on the command line.
    pub name: &'static str,
    /// What it shows.
    pub shows: &'static str,
    /// Runs it and says in one line what was measured. It fails by a panic, as tests do.
    pub run: fn() -> String,
}

/// By this `init` says that the machine is a guest.
const GUEST: &str = "WEIR_KERNEL_GUEST";

/// An assertion says what was wrong, and what was on both sides.
const LINES: usize = 3;

/// Runs the scenarios that the command line names, or all; with `--list` says which there are.
#[must_use]
pub fn main(scenarios: &[Scenario]) -> ExitCode {
    let names: Vec<String> = env::args().skip(1).collect();
    if names == ["--list"] {
        scenarios.iter().for_each(|scenario| say(&format!("{:<16} {}", scenario.name, scenario.shows)));
        return ExitCode::SUCCESS;
    }
    if env::var_os(GUEST).is_none() {
        say("this changes the network of the machine that it runs on: use `cargo xtask kernel`");
        return ExitCode::FAILURE;
    }
    for name in names.iter().filter(|name| scenarios.iter().all(|scenario| scenario.name != **name)) {
        say(&format!(
            "RUN {name}\nRESULT {name} failed: there is no such scenario; `cargo xtask kernel --list` has all"
        ));
    }
    for scenario in
        scenarios.iter().filter(|scenario| names.is_empty() || names.iter().any(|name| name == scenario.name))
    {
        run(*scenario);
    }
    say("END");
    ExitCode::SUCCESS
}

fn run(Scenario { name, run, .. }: Scenario) {
    say(&format!("RUN {name}"));
    let outcome = thread::Builder::new().name(name.to_owned()).spawn(run).expect("a thread").join();
    match outcome {
        Ok(measured) => say(&format!("RESULT {name} ok: {}", in_one_line(&measured))),
        Err(panic) => say(&format!("RESULT {name} failed: {}", in_one_line(&reason(&*panic)))),
    }
}

fn reason(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().cloned();
    text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned())).unwrap_or_else(|| "a panic".to_owned())
}

/// The first lines as one; the panic itself has printed all.
fn in_one_line(text: &str) -> String {
    text.lines().map(str::trim).filter(|line| !line.is_empty()).take(LINES).collect::<Vec<_>>().join(" / ")
}

fn say(line: &str) {
    // Nobody can be told of a serial line that is gone.
    let _ = writeln!(io::stdout(), "{line}");
}
