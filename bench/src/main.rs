//! What Weir costs, measured, and what it does, simulated: `cargo xtask bench reports`, `cargo xtask bench fronts`,
//! `cargo xtask bench selection`.
//!
//! Figures go to the terminal and to `target/bench/`. A bound that is missed is marked, and no failure: machines differ.
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

/// Measures what Weir costs, and simulates what it does.
#[derive(Debug, Parser)]
struct Arguments {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// How fast reports are taken in, and what an edge takes.
    Reports,
    /// What a redirect and a relayed byte cost, beside nginx, HAProxy and a bare loop.
    Fronts(fronts::Options),
    /// How evenly clients are spread over edges, in a simulation; with pictures in docs/selection.
    Selection(spread::Options),
    /// Holds so many edges, and prints the bytes that each takes. A process of its own, so that nothing else is counted.
    #[command(hide = true)]
    Memory {
        /// How many.
        edges: u32,
    },
}

fn main() -> ExitCode {
    let written = match Arguments::parse().what {
        What::Reports => outcome::write("reports", &reports::run()),
        What::Fronts(options) => fronts::run(&options).and_then(|results| outcome::write(options.results(), &results)),
        What::Selection(options) => spread::run(&options).and_then(|results| outcome::write("selection", &results)),
        What::Memory { edges } => {
            weir_program::say(reports::memory::bytes_per_edge(edges));
            Ok(())
        }
    };
    match written {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            weir_program::say(format_args!("there are no results: {error}"));
            ExitCode::FAILURE
        }
    }
}
