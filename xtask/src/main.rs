//! Everything a contributor to Weir runs: `cargo xtask test`.
#![forbid(unsafe_code)]

mod packages;
mod step;

use std::process::ExitCode;

const USAGE: &str = "\
Usage: cargo xtask COMMAND

Commands:
  test   install what the tests use, then check format and lints, and run every test
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let outcome = match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["test"] => test(),
        ["--help" | "-h" | "help"] => {
            step::say(USAGE);
            Ok(())
        }
        [] => Err(USAGE.to_owned()),
        ref other => Err(format!("unknown command `{}`\n\n{USAGE}", other.join(" "))),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            step::complain(&message);
            ExitCode::FAILURE
        }
    }
}

/// Everything, the cheapest first. Stops at the first failure.
fn test() -> Result<(), String> {
    let clippy = ["clippy", "--workspace", "--all-targets", "--", "--deny", "warnings"];
    step::run("packages", packages::install)?;
    step::run("format", || step::cargo(&["fmt", "--all", "--check"]))?;
    step::run("lints", || step::cargo(&clippy))?;
    step::run("documentation", step::documentation)?;
    // The end-to-end tests start the programs; cargo builds only those of the package under test.
    step::run("programs", || step::cargo(&["build", "--workspace", "--bins"]))?;
    step::run("unit tests", || step::cargo(&["test", "--workspace", "--exclude", "weir-tests"]))?;
    step::run("end-to-end tests", || step::cargo(&["test", "--package", "weir-tests"]))
}
