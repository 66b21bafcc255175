//! Development tasks: `cargo xtask COMMAND`.
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
  test             install the packages of the tests, then check format and lints, run all tests, and fuzz for a minute
  bench reports    measure the throughput of reports
  bench fronts     measure the cost of redirects and relaying, compared with nginx, HAProxy and a bare loop
  bench selection  simulate how evenly clients are balanced over edges, and draw docs/selection/
  kernel [NAME…]   run all or some scenarios of kernel mode in a virtual machine (QEMU); --list prints their names
  spelling         check the spelling of all files
  dependencies     check licences, duplicates and sources of dependencies, and their minimum Rust version
  fuzz [SECONDS]   fuzz all parsers of network input for this time in total (default: 600)
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
            step::print(USAGE);
            Ok(())
        }
        [] => Err(USAGE.to_owned()),
        ref other => Err(format!("unknown command `{}`\n\n{USAGE}", other.join(" "))),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            step::print_error(&message);
            ExitCode::FAILURE
        }
    }
}

/// Total time for all fuzz targets, by hand and in a test run.
const FUZZ_SECONDS: u32 = 600;
const FUZZ_SECONDS_IN_TEST: u32 = 60;

/// Runs a benchmark. Results go to the terminal and to `target/bench/`.
fn bench(what: &str, options: &[&str]) -> Result<(), String> {
    if what == "fronts" {
        packages::install(packages::FOR_FRONTS)?;
    }
    if what != "selection" {
        // These benchmarks run the balancer's program, beside their own.
        step::cargo(&["build", "--profile", "dist", "--package", "weir-balancer", "--bin", "weir-balancer"])?;
    }
    let run = ["run", "--profile", "dist", "--package", "weir-bench", "--", what];
    step::cargo(&[&run[..], options].concat())
}

/// Runs all steps, the cheapest first, and stops at the first failure.
fn test() -> Result<(), String> {
    let clippy = ["clippy", "--workspace", "--all-targets", "--", "--deny", "warnings"];
    step::run("packages", || packages::install(&[packages::FOR_TESTS, packages::FOR_KERNEL].concat()))?;
    step::run("format", || step::cargo(&["fmt", "--all", "--check"]))?;
    step::run("spelling", tools::check_spelling)?;
    step::run("dependencies: licences, duplicates, sources", tools::check_dependencies)?;
    step::run("oldest supported Rust", tools::check_rust_version)?;
    step::run("lints", || step::cargo(&clippy))?;
    step::run("documentation", step::documentation)?;
    // The end-to-end tests run these programs, but cargo builds only the binaries of the package under test.
    step::run("programs", || step::cargo(&["build", "--workspace", "--bins"]))?;
    step::run("unit tests", || step::cargo(&["test", "--workspace", "--exclude", "weir-tests"]))?;
    step::run("end-to-end tests", || step::cargo(&["test", "--package", "weir-tests"]))?;
    step::run("scenarios in a kernel", || kernel::run(&[]))?;
    step::run("fuzzing", || fuzz::check().and_then(|()| fuzz::run(FUZZ_SECONDS_IN_TEST)))
}
