//! A balancer with an idle and a busy edge.

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

use crate::row::Method;

/// Connections of the busy edge: enough that one client does not change the order.
pub(crate) const LOAD: usize = 30;

/// Report interval, as by default: an edge without a report for three intervals counts as down, and agents may wait for
/// the processor while many programs run.
pub(crate) const INTERVAL: &str = "2500ms";

/// The environment of one client. The fields are dropped in this order: edges log errors if the feeder ends first.
pub(crate) struct Stage {
    pub(crate) balancer: Balancer,
    /// The edge that must be assigned.
    pub(crate) idle: Box<dyn MediaServer>,
    /// The edge that could serve the client as well.
    pub(crate) busy: Box<dyn MediaServer>,
    /// Of the idle and of the busy edge.
    _agents: [Agent; 2],
    /// Publishes the stream that is played.
    _feeder: Option<Process>,
    /// The certificate of the balancer and of edges over TLS.
    certificate: Option<Certificate>,
}

impl Stage {
    pub(crate) fn set(protocol: Protocol, direction: Direction, config: &str) -> Self {
        let addresses = [loopback::address(), loopback::address()];
        let hosts = addresses.map(|address| address.to_string());
        let certificate = protocol.is_over_tls().then(|| Certificate::new(&hosts.each_ref().map(String::as_str)));
        let (idle, busy, feeder) = edges(protocol, direction, addresses, certificate.as_ref());
        let tls = certificate.as_ref().map(tls).unwrap_or_default();
        let balancer = Balancer::with_config(&format!("{config}{tls}"));
        let agents = [(&idle, 0), (&busy, LOAD)].map(|(edge, load)| {
            let (scheme, port) = edge.endpoint();
            let agent = AgentBuilder::of(&balancer).address(edge.address()).endpoint(scheme, port).load(load);
            agent.interval(INTERVAL).start()
        });
        balancer.await_running(2);
        Self { balancer, idle, busy, _agents: agents, _feeder: feeder, certificate }
    }

    /// The certificate that the client must trust.
    pub(crate) fn certificate(&self) -> Option<PathBuf> {
        self.certificate.as_ref().map(Certificate::file)
    }

    /// Asserts that one stream was played or published at the idle edge by this method, and that the busy edge had no
    /// visitor.
    #[track_caller]
    pub(crate) fn assert_arrived(&self, direction: Direction, stream: &str, method: Method) {
        let expected = Visit { direction, stream: stream.to_owned(), media: true };
        eventually("the session at the idle edge", PATIENCE, || {
            let visits = self.idle.visits();
            // Players may request the same more than once.
            let seen = !visits.sessions.is_empty() && visits.sessions.iter().all(|visit| *visit == expected);
            if seen { Ok(()) } else { Err(format!("{visits:?}; at the busy edge {:?}", self.busy.visits())) }
        });
        assert_eq!(self.busy.visits(), Visits::default(), "a client reached the busy edge");
        let name = match method {
            Method::Redirect | Method::LateRedirect | Method::RelayAfterRedirect => {
                format!("{}:{}", self.idle.address(), self.idle.endpoint().1)
            }
            Method::Relay => self.balancer.clients.to_string(),
        };
        let names = self.idle.requested_hosts();
        assert!(!names.is_empty() && names.iter().all(|named| *named == name), "{names:?} instead of {name}");
    }

    /// Asserts that no client reached an edge.
    #[track_caller]
    pub(crate) fn assert_no_visits(&self) {
        for edge in [&self.idle, &self.busy] {
            assert_eq!(edge.visits(), Visits::default());
        }
    }
}

/// The configuration with which the balancer accepts TLS, and trusts edges with the same certificate.
fn tls(certificate: &Certificate) -> String {
    format!("{}[relay]\nedge_ca_file = {:?}\n", certificate.config(), certificate.file())
}

/// The idle edge, the busy edge, and their feeder.
type Edges = (Box<dyn MediaServer>, Box<dyn MediaServer>, Option<Process>);

/// Starts an idle and a busy edge for a protocol, with a stream to play if that is the direction.
fn edges(
    protocol: Protocol,
    direction: Direction,
    addresses: [Ipv4Addr; 2],
    certificate: Option<&Certificate>,
) -> Edges {
    const PLAYED: &str = "/live/camera";
    match (protocol, certificate) {
        (Protocol::Rtmp | Protocol::Rtmps, _) => {
            let (mut idle, mut busy) = (NginxRtmp::start(), NginxRtmp::start());
            let feed = || NginxRtmp::feed(&mut [&mut idle, &mut busy], "camera");
            let feeder = (direction == Direction::Play).then(feed);
            (Box::new(idle), Box::new(busy), feeder)
        }
        (Protocol::Rtsps, Some(certificate)) => {
            let [idle, busy] = addresses.map(|address| GstRtsp::serving_over_tls(PLAYED, address, certificate));
            (Box::new(idle), Box::new(busy), None)
        }
        (Protocol::Rtsp | Protocol::Rtsps | Protocol::RtspInHttp, _) => {
            (Box::new(GstRtsp::serving(PLAYED)), Box::new(GstRtsp::serving(PLAYED)), None)
        }
        (Protocol::Hls | Protocol::HlsOverTls | Protocol::Whip, _) => {
            let [idle, busy] = HttpOrigin::start_two();
            (Box::new(idle), Box::new(busy), None)
        }
    }
}
