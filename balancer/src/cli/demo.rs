//! `weir-balancer demo`: a balancer and three edges in one process, with real sockets and a real key.
//!
//! Only the media servers are missing. The load of the edges is simulated, and rises and falls.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use tokio::time::Instant;
use weir_admin::Token;
use weir_balancer::Config;
use weir_balancer::server::Files;
use weir_edge_agent::Target;
use weir_edge_agent::probe::{Probe, ReadFuture, Reading};
use weir_edge_agent::targets::TargetAddress;
use weir_fleet::State;
use weir_fronts::settings::Listener;
use weir_fronts::tls::edge as edge_tls;
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

/// The redirect addresses of the edges: on the loopback interface, so that following a redirect does no harm.
const EDGES: [&str; 3] = ["127.0.0.11", "127.0.0.12", "127.0.0.13"];
/// Maximum number of clients of an edge.
const CAPACITY: u64 = 200;
/// The period of the load. The edges are a third of it apart.
const PERIOD: Duration = Duration::from_secs(60);
/// Time between two checks whether all edges have reported.
const CHECK_INTERVAL: Duration = Duration::from_millis(10);

/// Runs the demonstration until it is terminated.
pub(super) async fn run(arguments: Demo) -> start::Outcome {
    let shutdown = shutdown_signal()?;
    let mut config = Config { listeners: vec![Listener::at(ListenAddress::loopback(1935))], ..Config::default() };
    config.reports.address = ListenAddress::loopback(1934);
    arguments.addresses.apply(&mut config);

    let secret = keys::generate();
    let ring = [secret.clone()].into_iter().collect();
    let token = keys::generate().to_base64();
    let parsed_token = Token::parse(&token).ok_or_else(|| Failure::unavailable("no token"))?;
    let edge_tls = edge_tls::client_config(None).map_err(Failure::unavailable)?;
    let server = bind(config, Files { ring, token: parsed_token, zones: Arc::default(), tls: None, edge_tls })?;
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
            tokio::time::sleep(CHECK_INTERVAL).await;
        }
        say("ready");
        if let Some(clients) = clients {
            instructions(clients, admin, &token).lines().for_each(say);
        }
    });
    let outcome = server.run(shutdown).await.map_err(Failure::unavailable);
    agents.iter().for_each(tokio::task::JoinHandle::abort);
    outcome
}

fn agent(index: u32, redirect: &str, reports: SocketAddr, secret: &Secret, start: Instant) -> weir_edge_agent::Config {
    let edge = EdgeId::from_random(random::bytes());
    // A balancer that listens on every address is reached on the loopback address.
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
        capacity: Capacity::UNLIMITED.with_connections(Some(CAPACITY)),
        state_folder: None,
    }
}

/// A probe of simulated load, which rises and falls like the tide.
#[derive(Debug)]
struct Tide {
    start: Instant,
    /// The start within the period, 0 to 1.
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
        // Each client receives 4 Mbit/s.
        let out_bits_per_second = Some(connections * 4_000_000);
        let reading = Reading { connections: Some(connections), out_bits_per_second, ..Reading::default() };
        Box::pin(std::future::ready(Ok(reading)))
    }
}

fn instructions(clients: SocketAddr, admin: SocketAddr, token: &str) -> String {
    format!(
        "
Three edges report to this balancer; their load rises and falls. Try, in another terminal:

  curl http://{clients}/loadbalancer                         the least loaded edge
  curl 'http://{clients}/loadbalancer?serverInfoXML'         all edges
  curl -i http://{clients}/redirect/live/stream.m3u8         redirect an HLS player
  printf 'DESCRIBE rtsp://{clients}/live/stream RTSP/1.0\\r\\nCSeq: 1\\r\\n\\r\\n' | curl -s telnet://{clients}
                                                             redirect an RTSP player
  curl http://{admin}/metrics                               metrics
  curl -H 'Authorization: Bearer {token}' \\
       http://{admin}/api/v1/edges                          all edges, with their state and load
  … -X POST http://{admin}/api/v1/edges/GUID/pause          pause an edge

Press Ctrl-C to stop."
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_load_of_each_edge_rises_and_falls_in_its_own_phase() {
        let at = |phase, seconds| Tide { start: Instant::now(), phase }.connections(Duration::from_secs(seconds));
        assert_eq!((at(0.0, 0), at(0.0, 30), at(0.0, 60)), (0, 200, 0));
        assert_eq!(at(0.5, 0), 200);
    }
}
