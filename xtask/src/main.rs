//! Everything a contributor to Weir runs: `cargo xtask test`.
#![forbid(unsafe_code)]

mod fuzz;
mod kernel;
mod packages;
mod step;
mod tools;

use std::process::ExitCode;

const USAGE: &str = "\
Usage: cargo xtask COMMAND

Commands:
  test             install what the tests use, then check format and lints, run every test, and fuzz for a minute
  bench reports    measure how fast reports are taken in
  bench fronts     measure what redirects and relayed bytes cost, beside nginx, HAProxy and a bare loop
  bench selection  simulate how evenly clients are spread over edges; draws docs/selection/
  kernel [NAME…]   run all scenarios of kernel mode, or those named, in a kernel under QEMU; --list names them
  spelling         check the spelling of everything
  dependencies     check licences, duplicates and sources of dependencies, and the Rust version that they need
  fuzz [SECONDS]   fuzz every parser that meets the network, for so long altogether (600)
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let outcome = match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["test"] => test(),
        ["spelling"] => tools::check_spelling(),
        ["dependencies"] => tools::check_dependencies().and_then(|()| tools::check_rust_version()),
        ["bench", what, ref options @ ..] => bench(what, options),
        ["kernel", "--list"] => kernel::list(),
        ["kernel", ref scenarios @ ..] => kernel::run(scenarios),
        ["fuzz"] => fuzz::run(FUZZ_SECONDS),
        ["fuzz", seconds] => match seconds.parse() {
            Ok(seconds) => fuzz::run(seconds),
            Err(_) => Err(format!("`{seconds}` is not a number of seconds")),
        },
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

/// For how long all targets together are fuzzed by hand, and in a test run.
const FUZZ_SECONDS: u32 = 600;
const FUZZ_SECONDS_IN_TEST: u32 = 60;

/// Measures; what is measured goes to the terminal and to `target/bench/`.
fn bench(what: &str, options: &[&str]) -> Result<(), String> {
    if what == "fronts" {
        packages::install(packages::FOR_FRONTS)?;
    }
    if what != "selection" {
        // They start the balancer as users do, from a file.
        step::cargo(&["build", "--release", "--package", "weir-balancer", "--bin", "weir-balancer"])?;
    }
    let run = ["run", "--release", "--package", "weir-bench", "--", what];
    step::cargo(&[&run[..], options].concat())
}

/// Everything, the cheapest first. Stops at the first failure.
fn test() -> Result<(), String> {
    let clippy = ["clippy", "--workspace", "--all-targets", "--", "--deny", "warnings"];
    step::run("packages", || packages::install(&[packages::FOR_TESTS, packages::FOR_KERNEL].concat()))?;
    step::run("format", || step::cargo(&["fmt", "--all", "--check"]))?;
    step::run("spelling", tools::check_spelling)?;
    step::run("dependencies: licences, duplicates, sources", tools::check_dependencies)?;
    step::run("oldest supported Rust", tools::check_rust_version)?;
    step::run("lints", || step::cargo(&clippy))?;
    step::run("documentation", step::documentation)?;
    // The end-to-end tests start the programs; cargo builds only those of the package under test.
    step::run("programs", || step::cargo(&["build", "--workspace", "--bins"]))?;
    step::run("unit tests", || step::cargo(&["test", "--workspace", "--exclude", "weir-tests"]))?;
    step::run("end-to-end tests", || step::cargo(&["test", "--package", "weir-tests"]))?;
    step::run("scenarios in a kernel", || kernel::run(&[]))?;
    step::run("fuzzing", || fuzz::check().and_then(|()| fuzz::run(FUZZ_SECONDS_IN_TEST)))
}
