//! `weir-balancer`: command line, start and stop.
#![forbid(unsafe_code)]

mod cli;
mod demo;
mod greeting;

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use arc_swap::ArcSwap;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tracing::{error, info};
use weir_balancer::admin::token::Token;
use weir_balancer::config::keys;
use weir_balancer::fleet::ClientZones;
use weir_balancer::geoip::CurrentZones;
use weir_balancer::intake::Request;
use weir_balancer::{Config, Server, server};
use weir_program::start::{self, Failure, Outcome, asked_to_stop, say};
use weir_protocol::KeyRing;
use weir_protocol::key::WrittenKey;

use crate::cli::{Arguments, Command, Keygen, Run};

fn main() -> ExitCode {
    start::run(|arguments: Arguments| match arguments.command {
        None => start::block_on(run(arguments.run)),
        Some(Command::Demo(arguments)) => start::block_on(demo::run(arguments)),
        Some(Command::CheckConfig { file }) => check_config(&file),
        Some(Command::Keygen(keygen)) => generate_key(&keygen),
    })
}

async fn run(arguments: Run) -> Outcome {
    // Before anything is printed: who reads it may ask to stop at once.
    let shutdown = asked_to_stop()?;
    let mut config = arguments.config().map_err(Failure::configuration)?;
    let state = config.state_folder();
    let keys = keys::load(config.reports.key_file.as_deref(), &state).map_err(Failure::configuration)?;
    let token = keys::load_token(config.admin.token_file.as_deref(), &state).map_err(Failure::configuration)?;
    let zones = config.zones().map_err(Failure::configuration)?;
    let zones = CurrentZones::load(zones, config.geoip.file.clone()).map_err(Failure::configuration)?;
    let zones = Arc::new(zones);
    server::fit_to_open_files(&mut config);
    let mut reload = signal(SignalKind::hangup()).map_err(Failure::unavailable)?;
    let server = bind(config, keys.ring, token, zones.published())?;
    let requests = server.requests();
    let key_file = keys.file.clone();
    tokio::spawn(async move {
        while reload.recv().await.is_some() {
            exchange_keys(&key_file, &requests).await;
            renew_zones(&zones).await;
        }
    });
    let reports = server.reports_address().map_err(Failure::unavailable)?;
    if let Some(secret) = keys.generated {
        greeting::first_start(&keys.file, &secret, reports).lines().for_each(say);
    }
    server.run(shutdown).await.map_err(Failure::unavailable)
}

/// Binds every socket and says where it listens.
fn bind(config: Config, ring: KeyRing, token: Token, zones: Arc<ArcSwap<ClientZones>>) -> Result<Server, Failure> {
    let server = Server::bind(config, ring, token, zones).map_err(Failure::unavailable)?;
    for listener in server.clients() {
        say(format_args!("listening on {listener}"));
    }
    say(format_args!("reports on udp {}", server.reports_address().map_err(Failure::unavailable)?));
    say(format_args!("admin on http://{}", server.admin_address().map_err(Failure::unavailable)?));
    Ok(server)
}

/// Reads the key file again. A file that is wrong changes nothing.
async fn exchange_keys(file: &Path, requests: &mpsc::Sender<Request>) {
    let file = file.to_owned();
    // A passphrase takes its time on purpose, and reports must not wait for it.
    match tokio::task::spawn_blocking(move || keys::read_ring(&file)).await {
        // Without an intake the balancer is stopping.
        Ok(Ok(ring)) => drop(requests.send(Request::SetKeys(ring)).await),
        Ok(Err(error)) => error!(%error, "the keys stay as they were"),
        Err(error) => error!(%error, "the keys cannot be read"),
    }
}

/// Reads the database of countries again. A file that is wrong changes nothing.
async fn renew_zones(zones: &Arc<CurrentZones>) {
    let zones = Arc::clone(zones);
    // A large database takes its time, and reports must not wait for it.
    match tokio::task::spawn_blocking(move || zones.renew()).await {
        Ok(Ok(Some(ranges))) => info!(ranges, "countries read again"),
        Ok(Ok(None)) => {}
        Ok(Err(error)) => error!(%error, "the countries stay as they were"),
        Err(error) => error!(%error, "the countries cannot be read"),
    }
}

/// Prints a new key for a cluster, or the key of one edge.
fn generate_key(keygen: &Keygen) -> Outcome {
    let Some(edge) = keygen.edge else {
        say(weir_program::keys::generate().to_base64());
        return Ok(());
    };
    let file = keygen.key_file();
    let keys = weir_program::keys::read(&file).map_err(Failure::configuration)?;
    // The first key of the file is the one that edges are to use.
    match keys.first() {
        Some(WrittenKey::Secret(secret) | WrittenKey::Passphrase(secret)) => {
            say(secret.edge_key(edge).to_line(edge));
            Ok(())
        }
        _ => Err(Failure::configuration(format_args!(
            "{}: the key of an edge is made of the cluster's, and this is one of an edge",
            file.display()
        ))),
    }
}

fn check_config(file: &Path) -> Outcome {
    Config::read(file).map_err(Failure::configuration)?;
    say(format_args!("{}: ok", file.display()));
    Ok(())
}
