//! `weir-balancer check-config`.

use std::path::PathBuf;

use clap::Args;
use weir_balancer::Config;
use weir_program::{Failure, Outcome, say};

#[derive(Args, Debug)]
pub(super) struct CheckConfig {
    /// Configuration file.
    file: PathBuf,
}

/// Checks a configuration file.
pub(super) fn run(arguments: &CheckConfig) -> Outcome {
    let file = &arguments.file;
    Config::read(file).map_err(Failure::configuration)?;
    say(format_args!("{}: ok", file.display()));
    Ok(())
}
