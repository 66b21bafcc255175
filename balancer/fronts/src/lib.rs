//! What clients talk to.
//!
//! One TCP port speaks every protocol: the first bytes of a connection tell which it is. Each worker thread accepts on
//! sockets of its own and reads the fleet's snapshot without a lock.
//!
//! | module             | what it holds                                           |
//! |--------------------|---------------------------------------------------------|
//! | [`listener`]       | sockets                                                 |
//! | [`accept`]         | the loop that accepts                                   |
//! | [`permits`]        | how many connections may be open                        |
//! | [`socket`]         | a TCP connection, registered when it must be awaited    |
//! | [`detect`]         | which protocol the first bytes are                      |
//! | [`stream`]         | a connection, plain or over TLS                         |
//! | [`incoming`]       | a connection until it is known what the client wants    |
//! | [`conversation`]   | such a connection with a few messages to and fro        |
//! | [`rewind`]         | that connection, with the bytes read so far given back  |
//! | [`redirect`]       | where on an edge a client is sent                       |
//! | [`ranking`]        | where it may go besides                                 |
//! | [`repeats`]        | clients that go in circles                              |
//! | [`warnings`]       | what is said in the log once in a while                 |
//! | [`relay`]          | clients whose bytes are carried to their edge           |
//! | [`proxied`]        | clients that come through a proxy                       |
//! | [`proxy_protocol`] | who a client is, said ahead of its bytes                |
//! | [`http`]           | HTTP                                                    |
//! | [`rtmp`]           | RTMP                                                    |
//! | [`rtsp`]           | RTSP                                                    |

#![forbid(unsafe_code)]

pub mod accept;
pub mod certificate;
mod conversation;
mod date;
pub mod detect;
pub mod http;
mod incoming;
pub mod listener;
pub mod metrics;
mod permits;
pub mod playlist;
mod proxied;
pub mod proxy_protocol;
mod ranking;
pub mod redirect;
pub mod relay;
pub mod relay_sessions;
mod repeats;
mod rewind;
pub mod rtmp;
pub mod rtsp;
pub mod settings;
mod socket;
mod stream;
mod warnings;

pub use metrics::Metrics;
pub use settings::Settings;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::ArcSwap;
use smallvec::SmallVec;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::{ClientConfig, ServerConfig};
use tracing::{debug, warn};
use weir_fleet::{Choice, ClientZones, Protocol, Reason, Refusal, SelectionQuery, Selector, Snapshot, Time};
use weir_program::clock::{self, Clock};
use weir_protocol::EdgeId;
use weir_protocol::stream::of_path as stream_of_path;

use crate::date::HttpDate;
use crate::permits::Permits;
use crate::redirect::{Assignment, Destination, OverflowTarget, RedirectDefaults, RequestedUrl};
use crate::relay_sessions::RelaySessions;
use crate::repeats::Repeats;
use crate::rtsp::tunnel::Tunnels;
use crate::settings::{Application, Http, Limits};
use crate::warnings::Warnings;

/// What the rest of a balancer lends to its fronts.
#[derive(Debug)]
pub struct Environment {
    /// Where the fleet is published.
    pub fleet: Arc<ArcSwap<Snapshot>>,
    /// Chooses from it.
    pub selector: Arc<Selector>,
    /// Where clients are.
    pub zones: Arc<ArcSwap<ClientZones>>,
    /// For what age a report has.
    pub clock: Clock,
    /// For counting.
    pub metrics: Metrics,
    /// The sessions that are relayed.
    pub relayed: Arc<RelaySessions>,
    /// Where clients come in: nobody is relayed there.
    pub listening: Vec<SocketAddr>,
    /// With what TLS is accepted, if it is.
    pub tls: Option<Arc<ArcSwap<ServerConfig>>>,
    /// With what edges are connected to over TLS.
    pub edge_tls: Arc<ClientConfig>,
}

/// What all workers share.
#[derive(Debug)]
pub struct Shared {
    fleet: Arc<ArcSwap<Snapshot>>,
    selector: Arc<Selector>,
    overflow: Vec<Arc<OverflowTarget>>,
    zones: Arc<ArcSwap<ClientZones>>,
    clock: Clock,
    applications: Vec<Application>,
    limits: Limits,
    http: Http,
    hop_mark: Option<String>,
    metrics: Metrics,
    /// Who has asked for what lately.
    repeats: Repeats,
    listening: Vec<SocketAddr>,
    relay: relay::Relay,
    /// Of what is wrong with clients or edges.
    warnings: Warnings,
    /// Client connections open now.
    permits: Permits,
    /// RTSP clients that come in by two HTTP connections, and have made one.
    tunnels: Tunnels,
    tls: Option<Arc<ArcSwap<ServerConfig>>>,
}

impl Shared {
    /// Serves as `settings` say.
    #[must_use]
    pub fn new(settings: Settings, environment: Environment) -> Self {
        let Settings { applications, http, relay, limits, overflow, hop_mark } = settings;
        let Environment { fleet, selector, zones, clock, metrics, relayed, listening, tls, edge_tls } = environment;
        Self {
            fleet,
            selector,
            overflow: overflow.into_iter().map(Arc::new).collect(),
            zones,
            clock,
            applications,
            limits,
            http,
            hop_mark,
            metrics,
            repeats: Repeats::default(),
            listening,
            relay: relay::Relay::new(relay, edge_tls, relayed),
            warnings: Warnings::default(),
            permits: Permits::default(),
            tunnels: Tunnels::default(),
            tls,
        }
    }
}

/// One worker's view: what the fronts need to answer a client.
#[derive(Debug)]
pub struct Front {
    shared: Arc<Shared>,
    /// Random at start, and one more for each choice: the selector makes random numbers of it.
    random: AtomicU64,
    /// What sessions that are relayed here take turns with.
    supplies: relay::Supplies,
}

/// A connected client.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Client {
    /// Its address; IPv4 is shown as IPv4.
    pub(crate) address: SocketAddr,
    /// The port that it connected to.
    pub(crate) listener_port: u16,
    /// Whether it came over TLS.
    pub(crate) is_secure: bool,
    /// What the listener is told of redirects.
    pub(crate) told: RedirectDefaults,
}

impl Client {
    /// Where it thought that it was going, when its URL is not known.
    pub(crate) fn asked(&self, protocol: Protocol) -> RequestedUrl<'static> {
        let scheme = match (protocol, self.is_secure) {
            (Protocol::Http, false) => "http",
            (Protocol::Http, true) => "https",
            (Protocol::Rtmp, false) => "rtmp",
            (Protocol::Rtmp, true) => "rtmps",
            (Protocol::Rtsp, false) => "rtsp",
            (Protocol::Rtsp, true) => "rtsps",
        };
        RequestedUrl { scheme, host: None, port: Some(self.listener_port), told: self.told }
    }
}

impl Front {
    /// After how many seconds a client that got no edge may ask again: about one interval of the reports.
    pub(crate) const RETRY_AFTER_SECONDS: u16 = 3;

    /// Where HTTP and RTSP answers say why a client got what it got. RTMP has no place for it that clients leave alone.
    pub(crate) const REASON_HEADER: &str = "Weir-Reason";

    /// A worker's view; `random` is any random number.
    #[must_use]
    pub fn new(shared: Arc<Shared>, random: u64) -> Self {
        let supplies = shared.relay.supplies();
        Self { shared, random: AtomicU64::new(random), supplies }
    }

    /// Chooses for a client that came in over `protocol`, will speak `needed`, and asks for what is at `path` if it has
    /// said so; and counts it.
    pub(crate) fn choose(
        &self,
        client: Client,
        protocol: Protocol,
        needed: Option<Protocol>,
        path: Option<&str>,
    ) -> Result<Assignment, Refusal> {
        let destination = self.unless_too_often(client, path).and_then(|()| self.pick(client, needed, path, &[]));
        self.count(protocol, &destination);
        destination
    }

    /// Chooses, as [`Front::choose`], for a client that is to be redirected: somewhere else than it has asked, or it would
    /// come back. An edge leads there when it is told this balancer's name for its own.
    pub(crate) fn choose_elsewhere(
        &self,
        client: Client,
        protocol: Protocol,
        path: Option<&str>,
        asked: RequestedUrl<'_>,
        application: &Application,
    ) -> Result<Assignment, Refusal> {
        /// Edges that are found to lead back until the client is refused. One alone is a slip; more are a pattern.
        const ATTEMPTS: usize = 3;

        let attempt = || {
            let mut not: SmallVec<[EdgeId; ATTEMPTS]> = SmallVec::new();
            for _ in 0..ATTEMPTS {
                let destination = match self.pick(client, Some(protocol), path, &not) {
                    Err(_) if !not.is_empty() => break,
                    outcome => outcome?,
                };
                let is_back = destination.target(protocol, asked, application).is_where(&asked);
                let Some(edge) = destination.edge().filter(|_| is_back) else { return Ok(destination) };
                // Anybody can claim to have asked for any host.
                if self.warnings().leads_back.is_due(self.now()) {
                    let (id, host) = (edge.id, edge.redirect());
                    warn!(edge = %id, host, "it seems that this edge names the balancer: look at its redirect address");
                }
                edge.load.cancel_assignment(self.now());
                not.push(edge.id);
            }
            Err(Refusal::Loop)
        };
        let destination = self.unless_too_often(client, path).and_then(|()| attempt());
        self.count(protocol, &destination);
        destination
    }

    fn warnings(&self) -> &Warnings {
        &self.shared.warnings
    }

    fn unless_too_often(&self, client: Client, path: Option<&str>) -> Result<(), Refusal> {
        let Shared { repeats, limits, .. } = &*self.shared;
        let is_too_often = |path| repeats.is_too_often(client.address.ip(), path, self.now(), limits.repeats);
        if path.is_some_and(is_too_often) { Err(Refusal::Loop) } else { Ok(()) }
    }

    fn count(&self, protocol: Protocol, destination: &Result<Assignment, Refusal>) {
        let reason = destination.as_ref().map(|destination| destination.reason).map_err(|refusal| *refusal);
        self.metrics().count_choice(Some(protocol), reason);
    }

    /// Chooses, as [`Front::choose`], but for the edges in `not`; and counts it at the edge only.
    fn pick(
        &self,
        client: Client,
        needed: Option<Protocol>,
        path: Option<&str>,
        not: &[EdgeId],
    ) -> Result<Assignment, Refusal> {
        let random = self.random();
        let snapshot = self.shared.fleet.load();
        let request = self.request(client, needed, path, not);
        let choice = self.shared.selector.assign(&snapshot, &request, self.now(), random);
        let destination = match choice {
            Ok(Choice::Edge(edge, reason)) => {
                Ok(Assignment { destination: Destination::Edge(Arc::clone(edge)), reason })
            }
            Ok(Choice::Overflow) => self.elsewhere(needed),
            Err(refusal) => Err(refusal),
        };
        match &destination {
            Ok(Assignment { destination: Destination::Edge(edge), reason }) => {
                debug!(client = %client.address, protocol = ?needed, edge = %edge.id, reason = reason.name(), "hand-out");
            }
            Ok(Assignment { reason, .. }) => {
                debug!(client = %client.address, protocol = ?needed, reason = reason.name(), "sent elsewhere");
            }
            Err(refusal) => {
                debug!(client = %client.address, protocol = ?needed, reason = refusal.name(), "refused");
            }
        }
        destination
    }

    fn random(&self) -> u64 {
        self.random.fetch_add(1, Ordering::Relaxed)
    }

    /// What the selector is asked for a client.
    fn request<'n>(
        &self,
        client: Client,
        needed: Option<Protocol>,
        path: Option<&str>,
        not: &'n [EdgeId],
    ) -> SelectionQuery<'n> {
        SelectionQuery {
            protocol: needed,
            zone: self.shared.zones.load().of(client.address.ip()),
            // A path may be long, and only some choices depend on the stream.
            stream: path.filter(|_| self.shared.selector.needs_streams()).and_then(stream_of_path),
            client: SelectionQuery::client_hash(client.address.ip()),
            excluded: not,
        }
    }

    /// The place elsewhere for clients that speak `needed`.
    fn elsewhere(&self, needed: Option<Protocol>) -> Result<Assignment, Refusal> {
        let fits = |elsewhere: &&Arc<OverflowTarget>| needed.is_none() || elsewhere.protocol() == needed;
        // The selector was told of these very places.
        let place = self.shared.overflow.iter().find(fits).ok_or(Refusal::NoneAvailable)?;
        Ok(Assignment { destination: Destination::Overflow(Arc::clone(place)), reason: Reason::Overflow })
    }

    pub(crate) fn snapshot(&self) -> Arc<Snapshot> {
        self.shared.fleet.load_full()
    }

    pub(crate) fn now(&self) -> Time {
        Time::after_origin(self.shared.clock.elapsed())
    }

    pub(crate) fn http_date(&self) -> HttpDate {
        HttpDate::at(clock::now())
    }

    pub(crate) fn http(&self) -> &Http {
        &self.shared.http
    }

    pub(crate) fn hop_mark(&self) -> Option<&str> {
        self.shared.hop_mark.as_deref()
    }

    /// What holds for a client of `protocol` that asks for what is at `path`, with or without a slash before it.
    pub(crate) fn application(&self, protocol: Protocol, path: &str) -> &Application {
        Application::of(&self.shared.applications, protocol, path)
    }

    /// With what a TLS connection is accepted now; nothing when there is no certificate.
    pub(crate) fn tls_acceptor(&self) -> Option<TlsAcceptor> {
        self.shared.tls.as_ref().map(|config| TlsAcceptor::from(config.load_full()))
    }

    /// RTSP clients that come in by two HTTP connections, and have made one.
    fn tunnels(&self) -> &Tunnels {
        &self.shared.tunnels
    }

    /// How clients are relayed.
    fn relay(&self) -> &relay::Relay {
        &self.shared.relay
    }

    /// Whether the choice of an edge depends on the stream.
    pub(crate) fn needs_streams(&self) -> bool {
        self.shared.selector.needs_streams()
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
    use std::net::IpAddr;

    use prometheus::Registry;
    use weir_fleet::FleetSettings;
    use weir_fleet::testing::{report, snapshot_on};
    use weir_protocol::Report;

    use super::*;
    use crate::settings::{Repeats as RepeatLimits, ServerInfo};

    pub(super) const CLIENT: Client = Client {
        address: SocketAddr::new(IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 50_000),
        listener_port: 1935,
        is_secure: false,
        told: RedirectDefaults { scheme: None, port: None },
    };

    /// A front over a fleet of edges that sent these reports just now.
    pub(super) fn front(reports: &[Report<'_>], server_info: ServerInfo) -> Front {
        front_with(reports, server_info, &[])
    }

    /// A front that sends clients whom nobody takes to these places.
    pub(super) fn front_with(reports: &[Report<'_>], server_info: ServerInfo, overflow: &[&str]) -> Front {
        Front::new(Arc::new(shared(reports, server_info, overflow)), 1)
    }

    /// A front that is configured otherwise.
    pub(super) fn front_configured(reports: &[Report<'_>], configure: impl FnOnce(&mut Shared)) -> Front {
        let mut shared = shared(reports, ServerInfo::Private, &[]);
        configure(&mut shared);
        Front::new(Arc::new(shared), 1)
    }

    /// A front without edges that serves within these limits.
    pub(super) fn front_within(limits: Limits, server_info: ServerInfo) -> Front {
        Front::new(Arc::new(Shared { limits, ..shared(&[], server_info, &[]) }), 1)
    }

    /// A front over these edges, with this application for all clients, that chooses by these settings.
    pub(super) fn front_for(reports: &[Report<'_>], application: Application, fleet_settings: FleetSettings) -> Front {
        let shared =
            Shared { applications: vec![application], ..shared_by(fleet_settings, reports, ServerInfo::Off, &[]) };
        Front::new(Arc::new(shared), 1)
    }

    fn shared(reports: &[Report<'_>], server_info: ServerInfo, overflow: &[&str]) -> Shared {
        shared_by(FleetSettings::default(), reports, server_info, overflow)
    }

    fn shared_by(
        fleet_settings: FleetSettings,
        reports: &[Report<'_>],
        server_info: ServerInfo,
        overflow: &[&str],
    ) -> Shared {
        let overflow: Vec<OverflowTarget> = overflow.iter().map(|url| url.parse().unwrap()).collect();
        let snapshot = snapshot_on(&fleet_settings, reports);
        let selector = Selector::new(fleet_settings, overflow.iter().filter_map(OverflowTarget::protocol));
        let http = Http { server_info, ..Http::default() };
        let environment = Environment {
            fleet: Arc::new(ArcSwap::from_pointee(snapshot)),
            selector: Arc::new(selector),
            zones: Arc::default(),
            clock: Clock::start(),
            metrics: Metrics::new(&Registry::new()),
            relayed: Arc::new(RelaySessions::new(100)),
            listening: Vec::new(),
            tls: None,
            edge_tls: relay::edge_tls::client_config(None).unwrap(),
        };
        Shared::new(Settings { http, overflow, ..Settings::default() }, environment)
    }

    #[test]
    fn a_hand_out_and_a_refusal_are_counted_where_the_client_came_in() {
        let with_edge = front(&[report()], ServerInfo::Off);
        assert!(with_edge.choose(CLIENT, Protocol::Rtsp, Some(Protocol::Rtsp), None).is_ok());
        let counted = "weir_assignments_total{protocol=\"rtsp\",reason=\"policy\"} 1\n";
        assert!(with_edge.metrics().render().contains(counted));
        let without = front(&[], ServerInfo::Off);
        assert_eq!(without.choose(CLIENT, Protocol::Http, None, None).unwrap_err(), Refusal::NoEdge);
        let counted = "weir_refusals_total{protocol=\"http\",reason=\"refused-no-edge\"} 1\n";
        assert!(without.metrics().render().contains(counted));
    }

    #[test]
    fn a_client_is_not_sent_where_it_has_just_asked() {
        let mut slip = report();
        slip.redirect = weir_protocol::Host::new("lb.example.com").ok();
        let asked = RequestedUrl { host: Some("lb.example.com"), ..CLIENT.asked(Protocol::Rtmp) };
        let choose = |reports: &[Report<'_>]| {
            let front = front(reports, ServerInfo::Off);
            let chosen = front.choose_elsewhere(CLIENT, Protocol::Rtmp, None, asked, &Application::DEFAULT);
            chosen.map(|destination| destination.host().to_owned())
        };
        assert_eq!(choose(&[slip.clone(), report()]), Ok("127.0.0.1".to_owned()));
        assert_eq!(choose(&[slip.clone(), slip]).unwrap_err(), Refusal::Loop);
    }

    #[test]
    fn a_client_that_goes_in_circles_is_stopped() {
        let repeats = RepeatLimits { max: Some(2), ..RepeatLimits::default() };
        let limits = Limits { repeats, ..Limits::default() };
        let front = Front::new(Arc::new(Shared { limits, ..shared(&[report()], ServerInfo::Off, &[]) }), 1);
        let choose = |path| front.choose(CLIENT, Protocol::Http, Some(Protocol::Http), path).map(|_| ());
        assert_eq!([(); 3].map(|()| choose(Some("live/a"))), [Ok(()), Ok(()), Err(Refusal::Loop)]);
        assert_eq!(choose(None), Ok(()), "who asks for a host alone follows nothing");
        let counted = "weir_refusals_total{protocol=\"http\",reason=\"refused-loop\"} 1\n";
        assert!(front.metrics().render().contains(counted));
    }

    #[test]
    fn clients_whom_nobody_takes_go_elsewhere_in_their_own_protocol() {
        let front = front_with(&[], ServerInfo::Off, &["rtmp://backup:1936", "https://cdn.example.com/weir"]);
        let asked = CLIENT.asked(Protocol::Http);
        let destination = |needed| front.choose(CLIENT, Protocol::Http, needed, None);
        let http = destination(Some(Protocol::Http)).unwrap();
        assert_eq!(
            http.target(Protocol::Http, asked, &Application::DEFAULT).to_string(),
            "https://cdn.example.com/weir"
        );
        assert_eq!(destination(None).unwrap().host(), "backup");
        assert_eq!(destination(Some(Protocol::Rtsp)).unwrap_err(), Refusal::NoEdge);
    }
}
