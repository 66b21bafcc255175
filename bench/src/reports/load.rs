//! A fleet of simulated agents.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use weir_fleet::{FleetSettings, Selector};
use weir_protocol::report::Endpoint;
use weir_protocol::{Arrival, EdgeId, Host, Name, Receiver, Report, Secret, Sender};

/// Returns a selector with default settings.
pub(super) fn selector() -> Arc<Selector> {
    Arc::new(Selector::new(FleetSettings::default(), []))
}

/// Returns the secret of the cluster.
pub(crate) fn secret() -> Secret {
    Secret::from_random([7; 32])
}

/// Returns the receiver of a balancer that has not discovered any edge, without limits on salts.
pub(super) fn receiver(max_edges: usize) -> Receiver {
    use weir_protocol::receiver::{Limits, SaltLimits};

    let mut limits = Limits::default();
    limits.max_edges = max_edges;
    limits.salts = SaltLimits { per_source: u32::MAX, total: u32::MAX };
    Receiver::new([secret()].into_iter().collect(), limits, [9; 16])
}

/// Returns the agent of the edge with this number.
pub(crate) fn sender(number: u32) -> Sender {
    let edge = edge(number);
    let mut salt = [0; 16];
    salt[..4].copy_from_slice(&number.to_be_bytes());
    Sender::new(secret().edge_key(edge), edge, salt)
}

/// Returns an earlier start of that agent, or a copy of it.
pub(super) fn other_sender(number: u32) -> Sender {
    let edge = edge(number);
    let mut salt = [0xff; 16];
    salt[..4].copy_from_slice(&number.to_be_bytes());
    Sender::new(secret().edge_key(edge), edge, salt)
}

fn edge(number: u32) -> EdgeId {
    let mut id = [0xed; 16];
    id[..4].copy_from_slice(&number.to_be_bytes());
    EdgeId(id)
}

/// Returns a report as a real agent sends it, with two endpoints and a zone.
pub(crate) fn report(now: u64) -> Report<'static> {
    let mut report = Report::new(now - 1000, now, Duration::from_millis(2500));
    report.redirect = Host::new("edge-17.eu-west.example.com").ok();
    report.endpoints.push(Endpoint::new("rtmp", 1935));
    report.endpoints.push(Endpoint::new("https", 443));
    report.zone = Name::new("eu-west-1").ok();
    report.load.connections = Some(1234);
    report.load.accepted = Some(987_654);
    report.load.in_bits_per_second = Some(12_000_000);
    report.load.out_bits_per_second = Some(4_900_000_000);
    report.load.cpu = Some(0.37);
    report.agent_version = Name::new("0.1.0").ok();
    report
}

/// Returns the arrival of a datagram at `now`.
pub(super) fn arrival(now: u64) -> Arrival {
    let source: SocketAddr = ([127, 0, 0, 1], 5000).into();
    Arrival { source, monotonic: Duration::from_secs(1), unix: now }
}
