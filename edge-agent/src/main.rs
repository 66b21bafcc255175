//! `weir-agent`: command line, start and stop.
#![forbid(unsafe_code)]

mod cli;
mod show;
mod silent;

use std::io::ErrorKind;
use std::path::Path;
use std::process::ExitCode;

use tracing::info;
use weir_edge_agent::control::{self, Report, Request};
use weir_program::start::{self, Failure, Outcome, asked_to_stop, say};

use crate::cli::{Arguments, Ask, Run};

fn main() -> ExitCode {
    start::run(|arguments: Arguments| {
        start::block_on(async {
            match arguments.command {
                None => run(arguments.run).await,
                Some(Ask::Pause(place)) => order(&place.folder(), Request::Pause).await,
                Some(Ask::Unpause(place)) => order(&place.folder(), Request::Unpause).await,
                Some(Ask::Drain { deadline, place }) => {
                    let deadline = deadline.map(|time| u64::try_from(time.as_millis()).unwrap_or(u64::MAX));
                    order(&place.folder(), Request::Drain { deadline }).await
                }
                Some(Ask::DirectRouting(arguments)) => silent::run(arguments),
                Some(Ask::Status { json, place }) => {
                    let report = ask(&place.folder(), Request::Status).await?;
                    say(if json { show::json(&report) } else { show::table(&report) });
                    Ok(())
                }
            }
        })
    })
}

async fn run(arguments: Run) -> Outcome {
    let shutdown = asked_to_stop()?;
    let config = arguments.config().map_err(Failure::configuration)?;
    let targets: Vec<String> = config.targets.iter().map(|target| target.address.to_string()).collect();
    let redirect = config.redirect.as_deref().unwrap_or("the address that reports come from");
    info!(guid = %config.edge, targets = targets.join(" "), redirect, "reporting");
    let shutdown = async {
        shutdown.await;
        info!("stopping: the balancers are told");
    };
    weir_edge_agent::run(config, shutdown).await.map_err(Failure::unavailable)
}

/// Has an order obeyed, and says how the edge is then.
async fn order(folder: &Path, request: Request) -> Outcome {
    say(show::edge(&ask(folder, request).await?));
    Ok(())
}

async fn ask(folder: &Path, request: Request) -> Result<Report, Failure> {
    control::ask(folder, request).await.map_err(|error| match error.kind() {
        ErrorKind::NotFound | ErrorKind::ConnectionRefused => Failure::unavailable(format_args!(
            "no agent runs with the state folder {}; name another with --state",
            folder.display()
        )),
        _ => Failure::unavailable(format_args!("{}: {error}", control::socket_in(folder).display())),
    })
}
