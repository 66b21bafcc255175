//! The memory of a balancer per edge.

use std::net::Ipv4Addr;
use std::time::Duration;

use weir_fleet::{Fleet, Lifetimes, Moment, Origin, Time};
use weir_program::clock::unix_milliseconds;

use crate::reports::load;

/// Returns the bytes per edge with this number of edges: the state of its sender, the edge, and its share of a
/// snapshot.
pub(crate) fn bytes_per_edge(edges: u32) -> f64 {
    let now = unix_milliseconds();
    let report = load::report(now);
    let lifetimes = Lifetimes { timeout: Duration::from_secs(5), forget_after: Duration::from_secs(3600) };
    let before = resident_bytes();
    let mut receiver = load::receiver(edges as usize);
    let mut fleet = Fleet::new(lifetimes, load::selector());
    for number in 0..edges {
        let mut sender = load::sender(number);
        for _ in 0..2 {
            let Ok(datagram) = sender.seal(&report) else {
                continue;
            };
            let mut datagram = datagram.to_vec();
            if let Ok(accepted) = receiver.open(&mut datagram, &load::arrival(now)) {
                let origin = Origin { source: Ipv4Addr::LOCALHOST.into(), key_id: accepted.key_id, duplicate: None };
                fleet.apply(accepted.edge, &accepted.report, origin, Moment { monotonic: Time::ORIGIN, unix: now });
            }
        }
    }
    let snapshot = fleet.take_snapshot();
    let bytes = resident_bytes() - before;
    // All three must live until after the measurement.
    drop((receiver, fleet, snapshot));
    bytes / f64::from(edges)
}

/// Returns the anonymous memory of this process, in bytes.
fn resident_bytes() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let kibibytes =
        status.lines().find_map(|line| line.strip_prefix("RssAnon:")?.trim().strip_suffix(" kB")?.parse().ok());
    kibibytes.unwrap_or(f64::NAN) * 1024.0
}
