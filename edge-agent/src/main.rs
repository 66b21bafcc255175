//! `weir-agent`: command line, start and stop.
#![forbid(unsafe_code)]

mod cli;

use std::io::{self, IsTerminal as _, Write as _};
use std::process::ExitCode;

use clap::Parser as _;
use tokio::signal::unix::{SignalKind, signal};
use tracing::info;
use tracing_subscriber::EnvFilter;

use crate::cli::Arguments;

/// The command line is wrong, or what it names cannot be used (`EX_USAGE` of sysexits.h).
const BAD_CONFIGURATION: u8 = 64;
/// The system has no thread, timer or signal for us (`EX_OSERR`).
const SYSTEM_ERROR: u8 = 71;

fn main() -> ExitCode {
    let outcome = match Arguments::try_parse() {
        Ok(arguments) => run(arguments),
        Err(error) if error.use_stderr() => Err((BAD_CONFIGURATION, cli::one_line(&error))),
        Err(help_or_version) => {
            // What cannot be printed cannot be reported either.
            let _ = help_or_version.print();
            Ok(())
        }
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err((code, message)) => {
            let _ = writeln!(io::stderr(), "weir-agent: {message}");
            code.into()
        }
    }
}

fn run(arguments: Arguments) -> Result<(), (u8, String)> {
    tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info")))
        .with_ansi(io::stderr().is_terminal())
        .with_writer(io::stderr)
        .with_target(false)
        .init();
    let config = arguments.config().map_err(|message| (BAD_CONFIGURATION, message))?;
    let system = |error: io::Error| (SYSTEM_ERROR, error.to_string());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(system)?;
    runtime.block_on(async {
        let mut terminate = signal(SignalKind::terminate()).map_err(system)?;
        let mut interrupt = signal(SignalKind::interrupt()).map_err(system)?;
        let targets: Vec<String> = config.targets.iter().map(|target| target.address.to_string()).collect();
        let redirect = config.redirect.as_deref().unwrap_or("the address that reports come from");
        info!(guid = %config.edge, targets = targets.join(" "), redirect, "reporting");
        weir_edge_agent::run(config, async {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            info!("stopping: the balancers are told");
        })
        .await;
        Ok(())
    })
}
