//! `weir-agent`: command line, start and stop.
#![forbid(unsafe_code)]

mod cli;

use std::process::ExitCode;

use tracing::info;
use weir_program::start::{self, Failure, asked_to_stop};

use crate::cli::Arguments;

fn main() -> ExitCode {
    start::run(|arguments: Arguments| {
        start::block_on(async {
            let shutdown = asked_to_stop()?;
            let config = arguments.config().map_err(Failure::configuration)?;
            let targets: Vec<String> = config.targets.iter().map(|target| target.address.to_string()).collect();
            let redirect = config.redirect.as_deref().unwrap_or("the address that reports come from");
            info!(guid = %config.edge, targets = targets.join(" "), redirect, "reporting");
            weir_edge_agent::run(config, async {
                shutdown.await;
                info!("stopping: the balancers are told");
            })
            .await;
            Ok(())
        })
    })
}
