//! The benchmarks of Weir, and the simulation of its selection, as run by `cargo xtask bench reports`,
//! `cargo xtask bench fronts` and `cargo xtask bench selection`.
//!
//! Results go to the terminal and to `target/bench/`. A missed bound is marked and is not a failure, since machines
//! differ.
#![forbid(unsafe_code)]

mod balancer;
mod fronts;
mod machine;
mod metrics;
mod outcome;
mod program;
mod reports;
mod spread;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Benchmark Weir, and simulate its selection of edges.
#[derive(Debug, Parser)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Measure the intake of reports, and the memory per edge.
    Reports,
    /// Measure the cost of redirects and of relayed bytes, compared with nginx, HAProxy and a bare loop.
    Fronts(fronts::Options),
    /// Simulate how evenly clients are spread over edges. Draws the pictures in docs/selection.
    Selection(spread::Options),
    /// Print the bytes of memory per edge. Run in a separate process, so that nothing else is counted.
    #[command(hide = true)]
    Memory {
        /// Number of edges.
        edges: u32,
    },
}

fn main() -> ExitCode {
    let written = match Arguments::parse().command {
        Command::Reports => outcome::write("reports", &reports::run()),
        Command::Fronts(options) => {
            fronts::run(&options).and_then(|results| outcome::write(options.results(), &results))
        }
        Command::Selection(options) => spread::run(&options).and_then(|results| outcome::write("selection", &results)),
        Command::Memory { edges } => {
            weir_program::say(reports::memory::bytes_per_edge(edges));
            Ok(())
        }
    };
    match written {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            weir_program::say(format_args!("benchmark failed: {error}"));
            ExitCode::FAILURE
        }
    }
}
