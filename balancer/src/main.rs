//! `weir-balancer`: command line, start and stop.
#![forbid(unsafe_code)]

mod cli;
mod demo;
mod greeting;

use std::future::Future;
use std::io::{self, IsTerminal as _, Write as _};
use std::path::Path;
use std::process::ExitCode;

use clap::Parser as _;
use tokio::signal::unix::{SignalKind, signal};
use tracing::info;
use tracing_subscriber::EnvFilter;
use weir_balancer::config::state;
use weir_balancer::{Config, Server, server};

use crate::cli::{Arguments, Command, Run};

/// The command line or the configuration is wrong (`EX_USAGE` of sysexits.h).
const BAD_CONFIGURATION: u8 = 64;
/// Something that is needed is not to be had: a port, most often (`EX_UNAVAILABLE`).
const UNAVAILABLE: u8 = 69;

fn main() -> ExitCode {
    let outcome = match Arguments::try_parse() {
        Ok(arguments) => execute(arguments),
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
            let _ = writeln!(io::stderr(), "weir-balancer: {message}");
            code.into()
        }
    }
}

fn execute(arguments: Arguments) -> Outcome {
    tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info")))
        .with_ansi(io::stderr().is_terminal())
        .with_writer(io::stderr)
        .with_target(false)
        .init();
    match arguments.command {
        None => on_control_thread(run(arguments.run)),
        Some(Command::Demo(arguments)) => on_control_thread(demo::run(arguments)),
        Some(Command::CheckConfig { file }) => check_config(&file),
        Some(Command::Keygen) => {
            say(state::generate_secret().to_base64());
            Ok(())
        }
    }
}

/// An exit code, and one line that says what is wrong, where, and what to do.
type Outcome = Result<(), (u8, String)>;

async fn run(arguments: Run) -> Outcome {
    // Before anything is printed: who reads it may ask to stop at once.
    let shutdown = asked_to_stop()?;
    let bad = |error: weir_balancer::config::Error| (BAD_CONFIGURATION, error.to_string());
    let mut config = arguments.config().map_err(bad)?;
    let keys = state::load_keys(config.reports.key_file.as_deref(), &config.state_folder()).map_err(bad)?;
    server::fit_to_open_files(&mut config);
    let server = bind(config, keys.ring)?;
    let reports = server.reports_address().map_err(unavailable)?;
    if let Some(secret) = keys.generated {
        greeting::first_start(&keys.file, &secret, reports).lines().for_each(say);
    }
    server.run(shutdown).await.map_err(unavailable)
}

/// Binds every socket and says where it listens.
fn bind(config: Config, ring: weir_protocol::KeyRing) -> Result<Server, (u8, String)> {
    let server = Server::bind(config, ring).map_err(unavailable)?;
    for listener in server.clients() {
        say(format_args!("listening on {listener}"));
    }
    say(format_args!("reports on udp {}", server.reports_address().map_err(unavailable)?));
    say(format_args!("admin on http://{}", server.admin_address().map_err(unavailable)?));
    Ok(server)
}

fn check_config(file: &Path) -> Outcome {
    Config::read(file).map_err(|error| (BAD_CONFIGURATION, error.to_string()))?;
    say(format_args!("{}: ok", file.display()));
    Ok(())
}

fn on_control_thread(work: impl Future<Output = Outcome>) -> Outcome {
    tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(unavailable)?.block_on(work)
}

/// Done at the first SIGTERM or SIGINT.
fn asked_to_stop() -> Result<impl Future<Output = ()>, (u8, String)> {
    let mut terminate = signal(SignalKind::terminate()).map_err(unavailable)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(unavailable)?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        info!("stopping");
    })
}

fn unavailable(error: impl std::fmt::Display) -> (u8, String) {
    (UNAVAILABLE, error.to_string())
}

/// Prints a line for people and scripts. Nobody may be listening any more: that is no reason to stop.
fn say(line: impl std::fmt::Display) {
    let _ = writeln!(io::stdout(), "{line}");
}
