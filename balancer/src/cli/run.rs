//! `weir-balancer` without a command: runs the balancer.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use tokio::signal::unix::{SignalKind, signal};
use weir_balancer::config::keys;
use weir_balancer::geoip::CurrentZones;
use weir_balancer::reload::Reload;
use weir_balancer::server::Files;
use weir_balancer::{Config, Server, open_files};
use weir_fronts::tls::{Certificate, edge as edge_tls};
use weir_program::start::{Failure, Outcome, say, shutdown_signal};

use super::addresses::Addresses;
use super::greeting;

/// Options of the command line take precedence over the configuration file.
#[derive(Args, Debug)]
pub(super) struct Run {
    /// Configuration file.
    #[arg(long, value_name = "FILE")]
    pub(super) config: Option<PathBuf>,
    #[command(flatten)]
    pub(super) addresses: Addresses,
    /// State folder, for the key and the operators' token.
    #[arg(long, value_name = "FOLDER")]
    state: Option<PathBuf>,
    /// File with the keys of the cluster, one per line.
    #[arg(long, value_name = "FILE")]
    key_file: Option<PathBuf>,
    /// Print the kernel configuration of all services, as input for `nft -f` and `ipvsadm -R`, and exit.
    #[arg(long, value_name = "PART", num_args = 0..=1, require_equals = true, default_missing_value = "all")]
    pub(super) dry_run: Option<Part>,
}

/// Output of a dry run.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum Part {
    /// Everything, including sysctls, each part with a heading.
    All,
    /// The table that marks packets, for `nft -f`.
    Nft,
    /// Timeouts, services and servers, for `ipvsadm -R`.
    Ipvsadm,
}

impl Run {
    /// Returns the configuration, with the options of the command line applied.
    pub(super) fn config(self) -> Result<Config, Failure> {
        let read = self.config.as_deref().map(Config::read).transpose();
        let mut config = read.map_err(Failure::configuration)?.unwrap_or_default();
        self.addresses.apply(&mut config);
        config.state = self.state.unwrap_or(config.state);
        config.reports.key_file = self.key_file.or(config.reports.key_file);
        if config.is_kernel_only() && !config.listeners.is_empty() {
            return Err(Failure::configuration("--listen conflicts with `only` in [kernel]; remove one of them"));
        }
        Ok(config)
    }
}

/// Runs the balancer until it is terminated.
pub(super) async fn run(arguments: Run) -> Outcome {
    // Before anything is printed: a program that reads the output may send a signal at once.
    let shutdown = shutdown_signal()?;
    let mut config = arguments.config()?;
    let state = config.state.clone();
    let keys = keys::load(config.reports.key_file.as_deref(), &state).map_err(Failure::configuration)?;
    let token = keys::load_token(config.admin.token_file.as_deref(), &state).map_err(Failure::configuration)?;
    let zones = CurrentZones::load(config.zones.clone(), config.geoip_file.clone()).map_err(Failure::configuration)?;
    let certificate = config.tls.clone().map(Certificate::load).transpose().map_err(Failure::configuration)?;
    let edge_tls =
        edge_tls::client_config(config.fronts.relay.edge_ca_file.as_deref()).map_err(Failure::configuration)?;
    open_files::fit(&mut config);
    let hangup = signal(SignalKind::hangup()).map_err(Failure::unavailable)?;
    let tls = certificate.as_ref().map(Certificate::published);
    let server = bind(config, Files { ring: keys.ring, token, zones: zones.published(), tls, edge_tls })?;
    let reload = Reload { key_file: keys.file.clone(), rings: server.rings(), zones, certificate };
    tokio::spawn(reload.run(hangup));
    let reports = server.reports_address().map_err(Failure::unavailable)?;
    if let Some(secret) = keys.generated {
        greeting::first_start(&keys.file, &secret, reports).lines().for_each(say);
    }
    server.run(shutdown).await.map_err(Failure::unavailable)
}

/// Binds every socket, and prints the addresses.
pub(super) fn bind(config: Config, files: Files) -> Result<Server, Failure> {
    let server = Server::bind(config, files).map_err(Failure::unavailable)?;
    for listener in server.clients() {
        say(format_args!("listening on {listener}"));
    }
    say(format_args!("reports on udp {}", server.reports_address().map_err(Failure::unavailable)?));
    say(format_args!("admin on http://{}", server.admin_address().map_err(Failure::unavailable)?));
    Ok(server)
}
