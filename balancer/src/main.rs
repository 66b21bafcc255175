//! `weir-balancer`: command line, start and stop.
#![forbid(unsafe_code)]

mod cli;
mod demo;
mod greeting;

use std::path::Path;
use std::process::ExitCode;

use weir_balancer::config::keys;
use weir_balancer::{Config, Server, server};
use weir_program::start::{self, Failure, Outcome, asked_to_stop, say};
use weir_protocol::KeyRing;

use crate::cli::{Arguments, Command, Run};

fn main() -> ExitCode {
    start::run(|arguments: Arguments| match arguments.command {
        None => start::block_on(run(arguments.run)),
        Some(Command::Demo(arguments)) => start::block_on(demo::run(arguments)),
        Some(Command::CheckConfig { file }) => check_config(&file),
        Some(Command::Keygen) => {
            say(weir_program::keys::generate().to_base64());
            Ok(())
        }
    })
}

async fn run(arguments: Run) -> Outcome {
    // Before anything is printed: who reads it may ask to stop at once.
    let shutdown = asked_to_stop()?;
    let mut config = arguments.config().map_err(Failure::configuration)?;
    let keys = keys::load(config.reports.key_file.as_deref(), &config.state_folder());
    let keys = keys.map_err(Failure::configuration)?;
    server::fit_to_open_files(&mut config);
    let server = bind(config, keys.ring)?;
    let reports = server.reports_address().map_err(Failure::unavailable)?;
    if let Some(secret) = keys.generated {
        greeting::first_start(&keys.file, &secret, reports).lines().for_each(say);
    }
    server.run(shutdown).await.map_err(Failure::unavailable)
}

/// Binds every socket and says where it listens.
fn bind(config: Config, ring: KeyRing) -> Result<Server, Failure> {
    let server = Server::bind(config, ring).map_err(Failure::unavailable)?;
    for listener in server.clients() {
        say(format_args!("listening on {listener}"));
    }
    say(format_args!("reports on udp {}", server.reports_address().map_err(Failure::unavailable)?));
    say(format_args!("admin on http://{}", server.admin_address().map_err(Failure::unavailable)?));
    Ok(server)
}

fn check_config(file: &Path) -> Outcome {
    Config::read(file).map_err(Failure::configuration)?;
    say(format_args!("{}: ok", file.display()));
    Ok(())
}
