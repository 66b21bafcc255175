//! Which edge gets this client.
//!
//! The policy is least connections, by weight, with this balancer's own hand-outs counted in: reports are up to an
//! interval old, and without that count everybody who comes between two of them would be sent to one edge.

use std::sync::Arc;
use std::time::Duration;

use crate::fleet::Snapshot;
use crate::fleet::edge::{Edge, State};
use crate::fleet::time::Time;

/// What a client speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// HTTP: HLS, DASH and anything else behind a URL.
    Http,
    /// RTMP.
    Rtmp,
    /// RTSP.
    Rtsp,
}

impl Protocol {
    /// Every protocol.
    pub const ALL: [Self; 3] = [Self::Http, Self::Rtmp, Self::Rtsp];

    /// Its name in the configuration, metrics and logs.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Rtmp => "rtmp",
            Self::Rtsp => "rtsp",
        }
    }

    /// Whether URLs with this scheme speak it, over whatever transport.
    #[must_use]
    pub fn has_scheme(self, scheme: &str) -> bool {
        match self {
            Self::Http => matches!(scheme, "http" | "https"),
            Self::Rtmp => matches!(scheme, "rtmp" | "rtmps" | "rtmpt" | "rtmpts" | "rtmpe" | "rtmpte"),
            Self::Rtsp => matches!(scheme, "rtsp" | "rtsps" | "rtspu" | "rtspt"),
        }
    }

    pub(super) fn bit(self) -> u8 {
        1 << self as u8
    }
}

/// Why a client got no edge.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// No edge is known.
    #[error("no edge has reported yet")]
    NoEdge,
    /// Every known edge is paused, draining, stopping or timed out.
    #[error("no edge takes clients now")]
    NoneAvailable,
    /// Edges take clients, but none of them in this protocol.
    #[error("no edge serves this protocol")]
    ProtocolNotServed,
}

impl Refusal {
    /// Every refusal.
    pub const ALL: [Self; 3] = [Self::NoEdge, Self::NoneAvailable, Self::ProtocolNotServed];

    /// A stable name for metrics and logs.
    #[must_use]
    pub fn reason(self) -> &'static str {
        match self {
            Self::NoEdge => "refused-no-edge",
            Self::NoneAvailable => "refused-none-available",
            Self::ProtocolNotServed => "refused-protocol-not-served",
        }
    }
}

/// The name of the policy, as the reason of a hand-out in metrics and logs.
pub const POLICY: &str = "least-connections";

/// Whether an edge may get a client at `now`.
///
/// The age is looked at here too, so that an edge gets nobody from the moment of its timeout on, not from the next sweep.
#[must_use]
pub fn is_available(edge: &Edge, now: Time, timeout: Duration) -> bool {
    edge.state() == State::Running && edge.is_allowed() && now - edge.reported_at() <= timeout
}

/// Picks the edge for a client that speaks `protocol` (any, when unknown) and counts the hand-out.
///
/// `random` is any random number: it decides between edges that are equally loaded.
///
/// # Errors
/// [`Refusal`] when no edge can be given; nothing is counted then.
pub fn pick(
    snapshot: &Snapshot,
    protocol: Option<Protocol>,
    now: Time,
    timeout: Duration,
    random: u64,
) -> Result<&Arc<Edge>, Refusal> {
    let mut refusal = if snapshot.edges.is_empty() { Refusal::NoEdge } else { Refusal::NoneAvailable };
    let mut best: Option<(&Arc<Edge>, f64)> = None;
    let mut ties = 0;
    for edge in snapshot.edges.iter().filter(|edge| is_available(edge, now, timeout)) {
        if protocol.is_some_and(|protocol| !edge.serves(protocol)) {
            refusal = Refusal::ProtocolNotServed;
            continue;
        }
        let cost = cost(edge);
        match best {
            Some((_, least)) if cost > least => {}
            // Of n equal edges the n-th replaces the one before with probability 1/n, so each is as likely.
            Some((_, least)) if cost.total_cmp(&least).is_eq() => {
                ties += 1;
                if mix(random, ties).is_multiple_of(ties) {
                    best = Some((edge, cost));
                }
            }
            _ => {
                ties = 1;
                best = Some((edge, cost));
            }
        }
    }
    let (edge, _) = best.ok_or(refusal)?;
    edge.hand_out();
    Ok(edge)
}

/// The connections per weight that the edge will have with this client.
#[expect(clippy::cast_precision_loss, reason = "exact below 2^53 connections")]
fn cost(edge: &Edge) -> f64 {
    let connections = edge.connections().unwrap_or(0).saturating_add(edge.hand_outs_since_report());
    (connections as f64 + 1.0) / f64::from(edge.weight())
}

/// One random number from another, by the finaliser of SplitMix64 (Steele, Lea, Flood: Fast splittable pseudorandom
/// number generators, OOPSLA 2014).
fn mix(random: u64, sequence: u64) -> u64 {
    let mut z = random.wrapping_add(sequence.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use weir_protocol::Report;
    use weir_protocol::report::{Endpoint, Status};

    use super::*;
    use crate::fleet::RedirectLimits;
    use crate::fleet::tests::{ANYWHERE, SOURCE, at, id, report};

    const TIMEOUT: Duration = Duration::from_secs(5);

    fn snapshot(reports: &[Report<'_>]) -> Snapshot {
        let edge = |(index, report)| Arc::new(Edge::new(id(index), report, SOURCE, &ANYWHERE, at(0).into()));
        Snapshot { edges: (1_u8..).zip(reports).map(edge).collect() }
    }

    fn with_connections(connections: u64) -> Report<'static> {
        let mut report = report();
        report.load.connections = Some(connections);
        report
    }

    fn picked(snapshot: &Snapshot, random: u64) -> Result<u8, Refusal> {
        pick(snapshot, None, at(0), TIMEOUT, random).map(|edge| edge.id.0[0])
    }

    #[test]
    fn the_least_connected_edge_gets_the_client() {
        assert_eq!(picked(&snapshot(&[with_connections(3), with_connections(1), with_connections(2)]), 0), Ok(2));
    }

    #[test]
    fn own_hand_outs_count_so_a_burst_between_two_reports_is_spread() {
        let snapshot = snapshot(&[with_connections(0), with_connections(10), with_connections(20)]);
        let mut got = [0; 4];
        for random in 0..60 {
            got[usize::from(picked(&snapshot, random).unwrap())] += 1;
        }
        assert_eq!(got, [0, 30, 20, 10], "all have 30 in the end");
    }

    #[test]
    fn equal_edges_are_chosen_equally_often() {
        let mut got = [0_u32; 4];
        for random in 0..3000 {
            let snapshot = snapshot(&[with_connections(5), with_connections(5), with_connections(5), report()][..3]);
            got[usize::from(picked(&snapshot, random).unwrap())] += 1;
        }
        assert!(got[1..].iter().all(|count| count.abs_diff(1000) < 100), "{got:?}");
    }

    #[test]
    fn an_edge_of_twice_the_weight_gets_twice_the_clients() {
        let mut heavy = report();
        heavy.weight = Some(2.0);
        let snapshot = snapshot(&[report(), heavy]);
        let heavy = (0..300).filter(|random| picked(&snapshot, *random) == Ok(2)).count();
        assert!(heavy.abs_diff(200) <= 1, "{heavy}");
    }

    #[test]
    fn paused_draining_stopping_and_silent_edges_get_nobody() {
        let with_status = |status| {
            let mut report = report();
            report.status = status;
            report
        };
        let statuses = [Status::Paused, Status::Draining, Status::Stopping].map(with_status);
        assert_eq!(picked(&snapshot(&statuses), 0), Err(Refusal::NoneAvailable));
        let silent = snapshot(&[report()]);
        assert!(pick(&silent, None, at(5000), TIMEOUT, 0).is_ok());
        assert_eq!(pick(&silent, None, at(5001), TIMEOUT, 0).err(), Some(Refusal::NoneAvailable));
    }

    #[test]
    fn a_client_is_sent_only_where_its_protocol_is_served() {
        let mut rtmp_only = report();
        rtmp_only.endpoints.push(Endpoint { scheme: "rtmp", host: None, port: 1935 });
        let snapshot = snapshot(&[rtmp_only]);
        assert!(pick(&snapshot, Some(Protocol::Rtmp), at(0), TIMEOUT, 0).is_ok());
        let refused = pick(&snapshot, Some(Protocol::Rtsp), at(0), TIMEOUT, 0).err();
        assert_eq!(refused, Some(Refusal::ProtocolNotServed));
    }

    #[test]
    fn without_edges_the_refusal_says_so() {
        assert_eq!(picked(&Snapshot::default(), 0), Err(Refusal::NoEdge));
    }

    #[test]
    fn an_edge_that_names_a_host_outside_the_limits_gets_nobody() {
        let limits = RedirectLimits { hosts: vec!["example.com".to_owned()], networks: Vec::new() };
        let edge = Arc::new(Edge::new(id(1), &report(), SOURCE, &limits, at(0).into()));
        assert_eq!(picked(&Snapshot { edges: [edge].into() }, 0), Err(Refusal::NoneAvailable));
    }

    proptest! {
        #[test]
        fn the_choice_is_always_available_and_least_loaded(
            edges in proptest::collection::vec((0_u8..4, 0_u64..50), 0..20), random in any::<u64>(),
        ) {
            let reports: Vec<_> = edges.iter().map(|(status, connections)| {
                let mut report = with_connections(*connections);
                report.status = Status::try_from(*status).unwrap();
                report
            }).collect();
            let least = edges.iter().filter(|(status, _)| *status == 0).map(|(_, connections)| *connections).min();
            let snapshot = snapshot(&reports);
            let chosen = pick(&snapshot, None, at(0), TIMEOUT, random).ok();
            prop_assert_eq!(chosen.and_then(|edge| edge.connections()), least);
            prop_assert!(chosen.is_none_or(|edge| edge.state() == State::Running));
        }
    }
}
