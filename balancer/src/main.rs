//! `weir-balancer`: command line, start and stop.
#![forbid(unsafe_code)]

mod check_server;
mod cli;
mod demo;
mod doctor;
mod greeting;
mod import;
mod keepalived_conf;
mod reload;

use std::io::{ErrorKind, Write as _};
use std::path::Path;
use std::process::ExitCode;

use tokio::signal::unix::{SignalKind, signal};
use weir_balancer::config::keys;
use weir_balancer::fronts::relay::edge_tls;
use weir_balancer::geoip::CurrentZones;
use weir_balancer::ipvs::dry_run;
use weir_balancer::ipvs::import::{keepalived, ldirectord};
use weir_balancer::playlist::Steering;
use weir_balancer::server::FromFiles;
use weir_balancer::tls::Certificate;
use weir_balancer::{Config, Server, playlist, server};
use weir_program::start::{self, Failure, Outcome, asked_to_stop, say};
use weir_protocol::key::WrittenKey;

use crate::cli::{AddSteering, Arguments, Command, Keygen, Part, Run};
use crate::reload::Renewed;

fn main() -> ExitCode {
    start::run(|arguments: Arguments| match arguments.command {
        None => match arguments.run.dry_run {
            Some(part) => dry_run(arguments.run, part),
            None => start::block_on(run(arguments.run)),
        },
        Some(Command::Demo(arguments)) => start::block_on(demo::run(arguments)),
        Some(Command::CheckConfig { file }) => check_config(&file),
        Some(Command::Keygen(keygen)) => generate_key(&keygen),
        Some(Command::AddSteering(arguments)) => add_steering(&arguments),
        Some(Command::CheckServer(arguments)) => start::block_on(check_server::run(arguments)),
        Some(Command::Doctor { config }) => doctor::run(&config),
        Some(Command::KeepalivedConf(arguments)) => keepalived_conf::run(&arguments),
        Some(Command::ImportLdirectord(arguments)) => import::run(&arguments, ldirectord::read),
        Some(Command::ImportKeepalived(arguments)) => import::run(&arguments, keepalived::read),
    })
}

async fn run(arguments: Run) -> Outcome {
    // Before anything is printed: who reads it may ask to stop at once.
    let shutdown = asked_to_stop()?;
    let mut config = arguments.config()?;
    let state = config.state_folder();
    let keys = keys::load(config.reports.key_file.as_deref(), &state).map_err(Failure::configuration)?;
    let token = keys::load_token(config.admin.token_file.as_deref(), &state).map_err(Failure::configuration)?;
    let zones = config.zones().map_err(Failure::configuration)?;
    let zones = CurrentZones::load(zones, config.geoip.file.clone()).map_err(Failure::configuration)?;
    let certificate = config.tls.files.clone().map(Certificate::load).transpose().map_err(Failure::configuration)?;
    let edge_tls = edge_tls::client_config(config.relay.edge_ca_file.as_deref()).map_err(Failure::configuration)?;
    server::fit_to_open_files(&mut config);
    let asked_to_reload = signal(SignalKind::hangup()).map_err(Failure::unavailable)?;
    let tls = certificate.as_ref().map(Certificate::published);
    let server = bind(config, FromFiles { ring: keys.ring, token, zones: zones.published(), tls, edge_tls })?;
    let renewed = Renewed { key_file: keys.file.clone(), requests: server.requests(), zones, certificate };
    tokio::spawn(renewed.run(asked_to_reload));
    let reports = server.reports_address().map_err(Failure::unavailable)?;
    if let Some(secret) = keys.generated {
        greeting::first_start(&keys.file, &secret, reports).lines().for_each(say);
    }
    server.run(shutdown).await.map_err(Failure::unavailable)
}

/// Binds every socket and says where it listens.
fn bind(config: Config, files: FromFiles) -> Result<Server, Failure> {
    let server = Server::bind(config, files).map_err(Failure::unavailable)?;
    for listener in server.clients() {
        say(format_args!("listening on {listener}"));
    }
    say(format_args!("reports on udp {}", server.reports_address().map_err(Failure::unavailable)?));
    say(format_args!("admin on http://{}", server.admin_address().map_err(Failure::unavailable)?));
    Ok(server)
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

fn dry_run(arguments: Run, part: Part) -> Outcome {
    let config = arguments.config()?;
    if config.kernel.services.is_empty() {
        return Err(Failure::configuration(
            "there is nothing for the kernel: add a [[kernel.service]] to the configuration",
        ));
    }
    let script = dry_run::script(&config.kernel, part.into()).map_err(Failure::configuration)?;
    script.lines().for_each(say);
    Ok(())
}

fn add_steering(arguments: &AddSteering) -> Outcome {
    let AddSteering { server_uri, pathway } = arguments;
    let playlist = std::io::read_to_string(std::io::stdin()).map_err(|error| match error.kind() {
        ErrorKind::InvalidData => Failure::configuration("this is no playlist: it is not UTF-8"),
        _ => Failure::unavailable(error),
    })?;
    let steering = Steering { server_uri, pathway: pathway.as_deref() };
    let playlist = playlist::add_steering(&playlist, steering).map_err(Failure::configuration)?;
    // As it is: it has its own line ends.
    std::io::stdout().write_all(playlist.as_bytes()).map_err(Failure::unavailable)
}
