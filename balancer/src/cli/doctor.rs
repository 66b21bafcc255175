//! `weir-balancer doctor`.

use std::path::PathBuf;

use clap::Args;
use weir_balancer::Config;
use weir_kernel::doctor::{Requirements, collect, diagnose};
use weir_program::{Failure, Outcome, say};

#[derive(Args, Debug)]
pub(super) struct Doctor {
    /// Configuration file.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
}

/// Prints the problems that keep the services of a configuration from working on this machine.
pub(super) fn run(arguments: &Doctor) -> Outcome {
    let settings = Config::read(&arguments.config).map_err(Failure::configuration)?.kernel;
    let services: Vec<Requirements> = settings.iter().flat_map(Requirements::of_all).collect();
    let findings = diagnose(&services, &collect::collect(&services));
    findings.iter().for_each(say);
    match findings.len() {
        0 => {
            say("no problems found");
            Ok(())
        }
        1 => Err(Failure::negative("1 problem found")),
        count => Err(Failure::negative(format_args!("{count} problems found"))),
    }
}
