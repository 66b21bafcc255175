//! Runs scenarios one by one, since they measure times.
//!
//! The output is parsed by `xtask/src/kernel/console.rs`, which documents its grammar.

use std::any::Any;
use std::env;
use std::io::{self, Write as _};
use std::process::ExitCode;
use std::thread;

/// A test in a real kernel.
#[derive(Debug, Clone, Copy)]
pub struct Scenario {
    /// Name on the command line.
    pub name: &'static str,
    /// What it shows.
    pub description: &'static str,
    /// Runs the scenario, and returns its measurements in one line. It fails with a panic, like a test.
    pub run: fn() -> String,
}

/// Environment variable that `init` sets in the guest.
const GUEST: &str = "WEIR_KERNEL_GUEST";

/// Maximum number of lines of a panic in a result: the message of an assertion and both of its sides.
const MAX_LINES: usize = 3;

/// Runs the scenarios named on the command line, or all without names. With `--list`, lists them.
#[must_use]
pub fn main(scenarios: &[Scenario]) -> ExitCode {
    let names: Vec<String> = env::args().skip(1).collect();
    if names == ["--list"] {
        scenarios.iter().for_each(|scenario| print_line(&format!("{:<16} {}", scenario.name, scenario.description)));
        return ExitCode::SUCCESS;
    }
    if env::var_os(GUEST).is_none() {
        print_line("the scenarios change the network of the machine; run them with `cargo xtask kernel`");
        return ExitCode::FAILURE;
    }
    for name in names.iter().filter(|name| scenarios.iter().all(|scenario| scenario.name != **name)) {
        print_line(&format!(
            "RUN {name}\nRESULT {name} failed: no such scenario; `cargo xtask kernel --list` lists them"
        ));
    }
    for scenario in
        scenarios.iter().filter(|scenario| names.is_empty() || names.iter().any(|name| name == scenario.name))
    {
        run(*scenario);
    }
    print_line("END");
    ExitCode::SUCCESS
}

fn run(Scenario { name, run, .. }: Scenario) {
    print_line(&format!("RUN {name}"));
    let outcome = thread::Builder::new().name(name.to_owned()).spawn(run).expect("a thread").join();
    match outcome {
        Ok(measured) => print_line(&format!("RESULT {name} ok: {}", in_one_line(&measured))),
        Err(panic) => print_line(&format!("RESULT {name} failed: {}", in_one_line(&reason(&*panic)))),
    }
}

fn reason(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().cloned();
    text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned())).unwrap_or_else(|| "a panic".to_owned())
}

/// Joins the first lines. The panic itself has printed all of them.
fn in_one_line(text: &str) -> String {
    text.lines().map(str::trim).filter(|line| !line.is_empty()).take(MAX_LINES).collect::<Vec<_>>().join(" / ")
}

fn print_line(line: &str) {
    // An error of the serial line cannot be reported anywhere.
    let _ = writeln!(io::stdout(), "{line}");
}
