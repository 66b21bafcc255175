//! What clients talk to.
//!
//! One TCP port speaks every protocol: the first bytes of a connection tell which it is. Each worker thread accepts on
//! sockets of its own and reads the fleet's snapshot without a lock.
//!
//! | module           | what it holds                                          |
//! |------------------|--------------------------------------------------------|
//! | [`listener`]     | sockets, and the loop that accepts                     |
//! | [`detect`]       | which protocol the first bytes are                     |
//! | [`stream`]       | a connection until it is known what the client wants   |
//! | [`conversation`] | such a connection with a few messages to and fro       |
//! | [`rewind`]       | that connection, with the bytes read so far given back |
//! | [`redirect`]     | where on an edge a client is sent                      |
//! | [`http`]         | HTTP                                                   |
//! | [`rtmp`]         | RTMP                                                   |
//! | [`rtsp`]         | RTSP                                                   |

mod conversation;
pub mod detect;
pub mod http;
pub mod listener;
pub mod redirect;
mod rewind;
pub mod rtmp;
pub mod rtsp;
mod stream;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;

use crate::clock::Clock;
use crate::config::{Limits, ServerInfo};
use crate::fleet::{self, Edge, Protocol, Refusal, Snapshot, Time};
use crate::metrics::Metrics;

/// What all workers share.
#[derive(Debug)]
pub struct Shared {
    /// Where the fleet is published.
    pub fleet: Arc<ArcSwap<Snapshot>>,
    /// For what age a report has.
    pub clock: Clock,
    /// An edge silent for longer gets no clients.
    pub timeout: Duration,
    /// What one client may cost.
    pub limits: Limits,
    /// Who may see the pool.
    pub server_info: ServerInfo,
    /// For counting.
    pub metrics: Arc<Metrics>,
    /// Client connections open now.
    pub open_connections: AtomicUsize,
}

/// One worker's view: what the fronts need to answer a client.
#[derive(Debug)]
pub struct Front {
    shared: Arc<Shared>,
    /// Random at start, and one more for each choice: the selector makes random numbers of it.
    random: AtomicU64,
}

/// A connected client.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Client {
    /// Its address; IPv4 is shown as IPv4.
    pub(crate) address: SocketAddr,
    /// The port that it connected to.
    pub(crate) listener_port: u16,
}

impl Front {
    /// After how many seconds a client that got no edge may ask again: about one interval of the reports.
    pub(crate) const RETRY_AFTER_SECONDS: u16 = 3;

    /// A worker's view; `random` is any random number.
    #[must_use]
    pub fn new(shared: Arc<Shared>, random: u64) -> Self {
        Self { shared, random: AtomicU64::new(random) }
    }

    /// Picks an edge for a client that came in over `protocol` and will speak `needed` to the edge, and counts it.
    pub(crate) fn choose(&self, protocol: Protocol, needed: Option<Protocol>) -> Result<Arc<Edge>, Refusal> {
        let random = self.random.fetch_add(1, Ordering::Relaxed);
        let snapshot = self.shared.fleet.load();
        let choice = fleet::pick(&snapshot, needed, self.now(), self.shared.timeout, random).cloned();
        self.metrics().count_choice(protocol, choice.as_ref().err().copied());
        choice
    }

    pub(crate) fn snapshot(&self) -> Arc<Snapshot> {
        self.shared.fleet.load_full()
    }

    pub(crate) fn now(&self) -> Time {
        self.shared.clock.now()
    }

    pub(crate) fn http_date(&self) -> String {
        self.shared.clock.http_date()
    }

    pub(crate) fn server_info(&self) -> ServerInfo {
        self.shared.server_info
    }

    pub(crate) fn limits(&self) -> &Limits {
        &self.shared.limits
    }

    pub(crate) fn metrics(&self) -> &Metrics {
        &self.shared.metrics
    }
}

#[cfg(test)]
mod tests {
    use weir_protocol::Report;

    use super::*;
    use crate::fleet::tests::{ANYWHERE, SOURCE, at, id};

    /// A front over a fleet of edges that sent these reports just now.
    pub(super) fn front(reports: &[Report<'_>], server_info: ServerInfo) -> Front {
        let edge = |(byte, report)| Arc::new(Edge::new(id(byte), report, SOURCE, &ANYWHERE, at(0).into()));
        let snapshot = Snapshot { edges: (1..).zip(reports).map(edge).collect() };
        let shared = Shared {
            fleet: Arc::new(ArcSwap::from_pointee(snapshot)),
            clock: Clock::start(),
            // The clock of these tests is a real one: nothing times out while they run.
            timeout: Duration::from_secs(3600),
            limits: Limits::default(),
            server_info,
            metrics: Arc::new(Metrics::new()),
            open_connections: AtomicUsize::new(0),
        };
        Front::new(Arc::new(shared), 1)
    }

    #[test]
    fn a_hand_out_and_a_refusal_are_counted_where_the_client_came_in() {
        let with_edge = front(&[crate::fleet::tests::report()], ServerInfo::Off);
        assert!(with_edge.choose(Protocol::Rtsp, Some(Protocol::Rtsp)).is_ok());
        let counted = "weir_handouts_total{protocol=\"rtsp\",reason=\"least-connections\"} 1\n";
        assert!(with_edge.metrics().render().contains(counted));
        let without = front(&[], ServerInfo::Off);
        assert_eq!(without.choose(Protocol::Http, None).err(), Some(Refusal::NoEdge));
        let counted = "weir_refusals_total{protocol=\"http\",reason=\"refused-no-edge\"} 1\n";
        assert!(without.metrics().render().contains(counted));
    }
}
