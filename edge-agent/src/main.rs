//! `weir-agent`: the command line of the edge agent.
#![forbid(unsafe_code)]

mod cli;

use std::process::ExitCode;

fn main() -> ExitCode {
    weir_program::start::run(cli::execute)
}
