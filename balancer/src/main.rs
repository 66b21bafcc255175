//! `weir-balancer`: command line, start and stop.
#![forbid(unsafe_code)]

mod cli;

use std::process::ExitCode;

fn main() -> ExitCode {
    weir_program::start::run(cli::execute)
}
