//! A balancer with a free and a busy edge.

use std::net::Ipv4Addr;
use std::path::PathBuf;

use weir_tests::agent::{Agent, AgentBuilder};
use weir_tests::balancer::Balancer;
use weir_tests::certificate::Certificate;
use weir_tests::clients::Protocol;
use weir_tests::edges::{Direction, GstRtsp, HttpOrigin, MediaServer, NginxRtmp, Visit, Visits};
use weir_tests::loopback;
use weir_tests::process::Process;
use weir_tests::wait::{PATIENCE, eventually};

use crate::row::Way;

/// Connections of the busy edge: so many more that one client does not change which is free.
pub(crate) const LOAD: usize = 30;

/// Between two reports, as it is by default: an edge whose agent has not had the processor for three of them counts as
/// ill, and here many programs want it.
pub(crate) const INTERVAL: &str = "2500ms";

/// What one client meets. The fields are dropped in this order: edges would complain about a feeder that they outlive.
pub(crate) struct Stage {
    pub(crate) balancer: Balancer,
    /// The edge to be chosen.
    pub(crate) free: Box<dyn MediaServer>,
    /// The edge that could serve as well.
    pub(crate) busy: Box<dyn MediaServer>,
    /// Of the free and of the busy edge.
    _agents: [Agent; 2],
    /// Publishes what is played.
    _feeder: Option<Process>,
    /// The balancer's, and that of edges over TLS.
    certificate: Option<Certificate>,
}

impl Stage {
    pub(crate) fn set(protocol: Protocol, direction: Direction, config: &str) -> Self {
        let addresses = [loopback::address(), loopback::address()];
        let hosts = addresses.map(|address| address.to_string());
        let certificate = protocol.is_over_tls().then(|| Certificate::new(&hosts.each_ref().map(String::as_str)));
        let (free, busy, feeder) = edges(protocol, direction, addresses, certificate.as_ref());
        let tls = certificate.as_ref().map(tls).unwrap_or_default();
        let balancer = Balancer::with_config(&format!("{config}{tls}"));
        let agents = [(&free, 0), (&busy, LOAD)].map(|(edge, load)| {
            let (scheme, port) = edge.endpoint();
            let agent = AgentBuilder::of(&balancer).address(edge.address()).endpoint(scheme, port).load(load);
            agent.interval(INTERVAL).start()
        });
        balancer.await_running(2);
        Self { balancer, free, busy, _agents: agents, _feeder: feeder, certificate }
    }

    /// The certificate that clients have to trust.
    pub(crate) fn certificate(&self) -> Option<PathBuf> {
        self.certificate.as_ref().map(Certificate::file)
    }

    /// One stream was played or published at the free edge, come to in this way, and nobody came to the busy one.
    #[track_caller]
    pub(crate) fn assert_arrived(&self, direction: Direction, stream: &str, way: Way) {
        let expected = Visit { direction, stream: stream.to_owned(), media: true };
        eventually("the session at the free edge", PATIENCE, || {
            let visits = self.free.visits();
            // Players may ask for the same more than once.
            let seen = !visits.sessions.is_empty() && visits.sessions.iter().all(|visit| *visit == expected);
            if seen { Ok(()) } else { Err(format!("{visits:?}; at the busy edge {:?}", self.busy.visits())) }
        });
        assert_eq!(self.busy.visits(), Visits::default(), "somebody came to the busy edge");
        let name = match way {
            Way::Redirect | Way::LateRedirect | Way::RelayAfterRedirect => {
                format!("{}:{}", self.free.address(), self.free.endpoint().1)
            }
            Way::Relay => self.balancer.clients.to_string(),
        };
        let names = self.free.requested_hosts();
        assert!(!names.is_empty() && names.iter().all(|named| *named == name), "{names:?} instead of {name}");
    }

    /// Nobody came to any edge.
    #[track_caller]
    pub(crate) fn assert_nobody_came(&self) {
        for edge in [&self.free, &self.busy] {
            assert_eq!(edge.visits(), Visits::default());
        }
    }
}

/// What makes the balancer take TLS, and believe edges that show the same certificate.
fn tls(certificate: &Certificate) -> String {
    format!("{}[relay]\nedge_ca_file = {:?}\n", certificate.config(), certificate.file())
}

/// What serves, and what it needs for that.
type Edges = (Box<dyn MediaServer>, Box<dyn MediaServer>, Option<Process>);

/// A free and a busy edge for a protocol, with the stream that is to be played.
fn edges(
    protocol: Protocol,
    direction: Direction,
    addresses: [Ipv4Addr; 2],
    certificate: Option<&Certificate>,
) -> Edges {
    const PLAYED: &str = "/live/camera";
    match (protocol, certificate) {
        (Protocol::Rtmp | Protocol::Rtmps, _) => {
            let (mut free, mut busy) = (NginxRtmp::start(), NginxRtmp::start());
            let feed = || NginxRtmp::feed(&mut [&mut free, &mut busy], "camera");
            let feeder = (direction == Direction::Play).then(feed);
            (Box::new(free), Box::new(busy), feeder)
        }
        (Protocol::Rtsps, Some(certificate)) => {
            let [free, busy] = addresses.map(|address| GstRtsp::serving_over_tls(PLAYED, address, certificate));
            (Box::new(free), Box::new(busy), None)
        }
        (Protocol::Rtsp | Protocol::Rtsps | Protocol::RtspInHttp, _) => {
            (Box::new(GstRtsp::serving(PLAYED)), Box::new(GstRtsp::serving(PLAYED)), None)
        }
        (Protocol::Hls | Protocol::HlsOverTls | Protocol::Whip, _) => {
            let [free, busy] = HttpOrigin::start_two();
            (Box::new(free), Box::new(busy), None)
        }
    }
}
