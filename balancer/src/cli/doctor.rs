//! `weir-balancer doctor`.

use std::path::PathBuf;

use clap::Args;
use weir_balancer::Config;
use weir_kernel::doctor::{Requirements, collect, judge};
use weir_program::{Failure, Outcome, say};

#[derive(Args, Debug)]
pub(super) struct Doctor {
    /// The configuration file.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
}

/// Prints what keeps the services of a configuration from working here.
pub(super) fn run(arguments: &Doctor) -> Outcome {
    let settings = Config::read(&arguments.config).map_err(Failure::configuration)?.kernel;
    let wanted: Vec<Requirements> = settings.iter().flat_map(Requirements::of_all).collect();
    let findings = judge(&wanted, &collect::collect(&wanted));
    findings.iter().for_each(say);
    if findings.is_empty() {
        say("all is well");
        return Ok(());
    }
    Err(Failure::negative(format_args!("{} findings", findings.len())))
}
