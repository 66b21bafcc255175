//! `weir-balancer demo`: a balancer and three edges in one process, over real sockets and with a real key.
//!
//! Only the media servers are missing: the load of the edges is made up, and moves so that there is something to see.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use tokio::time::Instant;
use weir_admin::Token;
use weir_balancer::Config;
use weir_balancer::server::FromFiles;
use weir_edge_agent::Target;
use weir_edge_agent::probe::{Probe, ReadFuture, Reading};
use weir_edge_agent::targets::TargetAddress;
use weir_fleet::State;
use weir_fronts::relay::edge_tls;
use weir_fronts::settings::Listener;
use weir_program::config::ListenAddress;
use weir_program::start::{self, Failure, say, shutdown_signal};
use weir_program::{keys, random};
use weir_protocol::report::Capacity;
use weir_protocol::{EdgeId, Secret};

use super::addresses::Addresses;
use super::run::bind;

#[derive(Args, Debug)]
pub(super) struct Demo {
    #[command(flatten)]
    addresses: Addresses,
}

/// The edges' addresses: loopback's, which nobody else has, so that following a redirect does no harm.
const EDGES: [&str; 3] = ["127.0.0.11", "127.0.0.12", "127.0.0.13"];
/// Most clients of an edge.
const CAPACITY: u64 = 200;
/// How long its load takes to rise and fall. The edges are a third of it apart.
const PERIOD: Duration = Duration::from_secs(60);
/// How often it is looked whether all edges have reported.
const LOOK_INTERVAL: Duration = Duration::from_millis(10);

/// Runs until it is told to stop.
pub(super) async fn run(arguments: Demo) -> start::Outcome {
    let shutdown = shutdown_signal()?;
    let mut config = Config { listeners: vec![Listener::at(ListenAddress::loopback(1935))], ..Config::default() };
    config.reports.address = ListenAddress::loopback(1934);
    arguments.addresses.apply(&mut config);

    let secret = keys::generate();
    let ring = [secret.clone()].into_iter().collect();
    let token = keys::generate().to_base64();
    let token_shown = Token::parse(&token).ok_or_else(|| Failure::unavailable("no token"))?;
    let edge_tls = edge_tls::client_config(None).map_err(Failure::unavailable)?;
    let server = bind(config, FromFiles { ring, token: token_shown, zones: Arc::default(), tls: None, edge_tls })?;
    let reports = server.reports_address().map_err(Failure::unavailable)?;
    let admin = server.admin_address().map_err(Failure::unavailable)?;
    let clients = server.clients().first().map(|listener| listener.address);
    let fleet = server.fleet();

    let start = Instant::now();
    let agents = (0..).zip(EDGES).map(|(index, address)| agent(index, address, reports, &secret, start));
    let agents: Vec<_> =
        agents.map(|config| tokio::spawn(weir_edge_agent::run(config, std::future::pending()))).collect();
    tokio::spawn(async move {
        while fleet.load().count(State::Running) < EDGES.len() {
            tokio::time::sleep(LOOK_INTERVAL).await;
        }
        say("ready");
        if let Some(clients) = clients {
            what_to_try(clients, admin, &token).lines().for_each(say);
        }
    });
    let outcome = server.run(shutdown).await.map_err(Failure::unavailable);
    agents.iter().for_each(tokio::task::JoinHandle::abort);
    outcome
}

fn agent(index: u32, redirect: &str, reports: SocketAddr, secret: &Secret, start: Instant) -> weir_edge_agent::Config {
    let edge = EdgeId::from_random(random::bytes());
    // A balancer that listens on every address is reached on the loopback's.
    let host = if reports.ip().is_unspecified() { "127.0.0.1".to_owned() } else { reports.ip().to_string() };
    weir_edge_agent::Config {
        edge,
        targets: vec![Target { address: TargetAddress { host, port: reports.port() }, key: secret.edge_key(edge) }],
        redirect: Some(redirect.to_owned()),
        endpoints: Vec::new(),
        probes: vec![Box::new(Tide { start, phase: f64::from(index) / 3.0 })],
        interval: Duration::from_millis(2500),
        zone: None,
        tags: Vec::new(),
        weight: None,
        capacity: Capacity { connections: Some(CAPACITY), bits_per_second: None },
        state_folder: None,
    }
}

/// Load that rises and falls like the tide.
#[derive(Debug)]
struct Tide {
    start: Instant,
    /// Where in the period it starts, 0 to 1.
    phase: f64,
}

impl Tide {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "between 0 and CAPACITY"
    )]
    fn connections(&self, elapsed: Duration) -> u64 {
        let turns = elapsed.as_secs_f64() / PERIOD.as_secs_f64() + self.phase;
        let height = 0.5 - 0.5 * (turns * std::f64::consts::TAU).cos();
        (height * CAPACITY as f64) as u64
    }
}

impl Probe for Tide {
    fn name(&self) -> String {
        "simulated load".to_owned()
    }

    fn read(&mut self) -> ReadFuture<'_> {
        let connections = self.connections(self.start.elapsed());
        // Each client of these edges watches 4 Mbit/s.
        let out_bits_per_second = Some(connections * 4_000_000);
        let reading = Reading { connections: Some(connections), out_bits_per_second, ..Reading::default() };
        Box::pin(std::future::ready(Ok(reading)))
    }
}

fn what_to_try(clients: SocketAddr, admin: SocketAddr, token: &str) -> String {
    format!(
        "
Three edges report to this balancer; their load rises and falls. Try, in another terminal:

  curl http://{clients}/loadbalancer                         which edge is the least loaded?
  curl 'http://{clients}/loadbalancer?serverInfoXML'         all of them
  curl -i http://{clients}/redirect/live/stream.m3u8         an HLS player is sent on
  printf 'DESCRIBE rtsp://{clients}/live/stream RTSP/1.0\\r\\nCSeq: 1\\r\\n\\r\\n' | curl -s telnet://{clients}
                                                             an RTSP player is sent on
  curl http://{admin}/metrics                               what has been counted
  curl -H 'Authorization: Bearer {token}' \\
       http://{admin}/api/v1/edges                          the edges, for operators
  … -X POST http://{admin}/api/v1/edges/GUID/pause          one of them takes no more clients

Ctrl-C stops it."
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_edges_load_rises_and_falls_each_at_its_own_time() {
        let at = |phase, seconds| Tide { start: Instant::now(), phase }.connections(Duration::from_secs(seconds));
        assert_eq!((at(0.0, 0), at(0.0, 30), at(0.0, 60)), (0, 200, 0));
        assert_eq!(at(0.5, 0), 200);
    }
}
