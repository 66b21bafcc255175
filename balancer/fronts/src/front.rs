//! One worker's view of the balancer: assigns clients, and gives protocol code access to the shared state.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use smallvec::SmallVec;
use tokio_rustls::TlsAcceptor;
use tracing::field::display;
use tracing::{debug, warn};
use weir_fleet::{Choice, Protocol, Reason, Refusal, SelectionQuery, Snapshot, Time};
use weir_program::clock;
use weir_protocol::EdgeId;
use weir_protocol::stream::of_path as stream_of_path;

use crate::client::Client;
use crate::http_date::HttpDate;
use crate::log_limits::LogLimits;
use crate::metrics::Metrics;
use crate::redirect::{Assignment, Destination, RequestedUrl};
use crate::relay::{Pool, Relay};
use crate::rtsp::tunnel::Tunnels;
use crate::settings::{Application, Http, Limits, OverflowTarget};
use crate::shared::Shared;

/// One worker's view of the balancer.
#[derive(Debug)]
pub struct Front {
    pub(crate) shared: Arc<Shared>,
    /// Random at start and incremented for each selection; the selector hashes it to random numbers.
    random: AtomicU64,
    /// Pipes and buffers for the sessions that this worker relays.
    pub(crate) pool: Pool,
}

impl Front {
    /// Seconds after which a client that got no edge may try again: about one report interval.
    pub(crate) const RETRY_AFTER_SECONDS: u16 = 3;

    /// Header of HTTP and RTSP responses with the reason of an assignment or a refusal. RTMP has no field for it that
    /// clients ignore.
    pub(crate) const REASON_HEADER: &str = "Weir-Reason";

    /// Creates a worker's view; `random` is any random number.
    #[must_use]
    pub fn new(shared: Arc<Shared>, random: u64) -> Self {
        let pool = shared.relay.pool();
        Self { shared, random: AtomicU64::new(random), pool }
    }

    /// Assigns a client that came over `protocol`, and counts the assignment or refusal. `edge_protocol` is the
    /// protocol that the client will speak to the edge, if known; `path` is the path of its request, if it has sent
    /// one.
    pub(crate) fn assign(
        &self,
        client: Client,
        protocol: Protocol,
        edge_protocol: Option<Protocol>,
        path: Option<&str>,
    ) -> Result<Assignment, Refusal> {
        let outcome = self.select(client, edge_protocol, path, &[]);
        self.count(protocol, &outcome);
        outcome
    }

    /// As [`Front::assign`], for a client that will be redirected. Refuses one that repeats its request, with `path` and
    /// `query`, too often. Skips edges that would send the client back to the URL it has `requested`, which happens when
    /// an edge advertises the balancer's name as its own.
    pub(crate) fn assign_unless_loop(
        &self,
        client: Client,
        protocol: Protocol,
        path: Option<&str>,
        query: Option<&str>,
        requested: RequestedUrl<'_>,
        application: &Application,
    ) -> Result<Assignment, Refusal> {
        let outcome = self
            .check_loop_limit(client, path, query)
            .and_then(|()| self.select_unless_loop(client, protocol, path, requested, application));
        self.count(protocol, &outcome);
        outcome
    }

    /// Selects a destination and counts nothing: for HEAD, which a client sends before GET.
    pub(crate) fn preview(
        &self,
        client: Client,
        edge_protocol: Option<Protocol>,
        path: Option<&str>,
    ) -> Result<Assignment, Refusal> {
        let snapshot = self.shared.fleet.load();
        let query = self.selection_query(client, edge_protocol, path, &[]);
        let choice = self.shared.selector.preview(&snapshot, &query, self.now(), self.random());
        self.destination(choice, edge_protocol)
    }

    fn select_unless_loop(
        &self,
        client: Client,
        protocol: Protocol,
        path: Option<&str>,
        requested: RequestedUrl<'_>,
        application: &Application,
    ) -> Result<Assignment, Refusal> {
        /// Edges that may turn out to lead back before the client is refused. One is a slip; more are a pattern.
        const ATTEMPTS: usize = 3;

        let mut excluded: SmallVec<[EdgeId; ATTEMPTS]> = SmallVec::new();
        for _ in 0..ATTEMPTS {
            let assignment = match self.select(client, Some(protocol), path, &excluded) {
                Err(_) if !excluded.is_empty() => break,
                outcome => outcome?,
            };
            let is_loop = assignment.target(protocol, requested, application).is_same_server(&requested);
            let Some(edge) = assignment.edge().filter(|_| is_loop) else { return Ok(assignment) };
            // Rate-limited, since a client can claim to have requested any host.
            if self.log_limits().redirect_loop.permits(self.now()) {
                let (id, address) = (edge.id, edge.redirect());
                warn!(edge = %id, %address, "edge leads back to the balancer; skipped, check its redirect address");
            }
            edge.load.cancel_assignment(self.now());
            excluded.push(edge.id);
        }
        Err(Refusal::Loop)
    }

    fn check_loop_limit(&self, client: Client, path: Option<&str>, query: Option<&str>) -> Result<(), Refusal> {
        let Shared { loop_limit, limits, .. } = &*self.shared;
        let is_exceeded = |path| loop_limit.is_exceeded(client.address.ip(), (path, query), self.now(), limits.repeats);
        if path.is_some_and(is_exceeded) { Err(Refusal::Loop) } else { Ok(()) }
    }

    fn count(&self, protocol: Protocol, outcome: &Result<Assignment, Refusal>) {
        let reason = outcome.as_ref().map(|assignment| assignment.reason).map_err(|refusal| *refusal);
        self.metrics().count_assignment(Some(protocol), reason);
    }

    /// Selects a destination other than the `excluded` edges, and counts the assignment at the edge only.
    pub(crate) fn select(
        &self,
        client: Client,
        edge_protocol: Option<Protocol>,
        path: Option<&str>,
        excluded: &[EdgeId],
    ) -> Result<Assignment, Refusal> {
        let random = self.random();
        let snapshot = self.shared.fleet.load();
        let query = self.selection_query(client, edge_protocol, path, excluded);
        let choice = self.shared.selector.assign(&snapshot, &query, self.now(), random);
        let outcome = self.destination(choice, edge_protocol);
        let (client, protocol) = (client.address, edge_protocol.map(Protocol::name));
        match &outcome {
            Ok(assignment) => {
                let (address, reason) = (assignment.host(), assignment.reason.name());
                // None for an overflow target.
                let edge = assignment.edge().map(|edge| display(edge.id));
                debug!(%client, protocol, edge, %address, reason, "client assigned");
            }
            Err(refusal) => debug!(%client, protocol, reason = refusal.name(), "client refused"),
        }
        outcome
    }

    pub(crate) fn random(&self) -> u64 {
        self.random.fetch_add(1, Ordering::Relaxed)
    }

    pub(crate) fn selection_query<'e>(
        &self,
        client: Client,
        edge_protocol: Option<Protocol>,
        path: Option<&str>,
        excluded: &'e [EdgeId],
    ) -> SelectionQuery<'e> {
        SelectionQuery {
            protocol: edge_protocol,
            zone: self.shared.zones.load().of(client.address.ip()),
            // Paths can be long, and the stream matters to some policies only.
            stream: path.filter(|_| self.shared.selector.needs_streams()).and_then(stream_of_path),
            client: SelectionQuery::client_hash(client.address.ip()),
            excluded,
        }
    }

    fn destination(
        &self,
        choice: Result<Choice<'_>, Refusal>,
        edge_protocol: Option<Protocol>,
    ) -> Result<Assignment, Refusal> {
        match choice? {
            Choice::Edge(edge, reason) => Ok(Assignment { destination: Destination::Edge(Arc::clone(edge)), reason }),
            Choice::Overflow => self.overflow(edge_protocol),
        }
    }

    /// The first overflow target that speaks `edge_protocol`.
    fn overflow(&self, edge_protocol: Option<Protocol>) -> Result<Assignment, Refusal> {
        let is_usable = |overflow: &&Arc<OverflowTarget>| edge_protocol.is_none_or(|own| overflow.protocol() == own);
        // The selector was given the protocols of these very targets, so there is one.
        let overflow = self.shared.overflow.iter().find(is_usable).ok_or(Refusal::NoneAvailable)?;
        Ok(Assignment { destination: Destination::Overflow(Arc::clone(overflow)), reason: Reason::Overflow })
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

    /// The settings for a client of `protocol` that requests `path`, with or without a leading slash.
    pub(crate) fn application(&self, protocol: Protocol, path: &str) -> &Application {
        Application::of(&self.shared.applications, protocol, path)
    }

    /// Accepts TLS connections with the current certificate; `None` without one.
    pub(crate) fn tls_acceptor(&self) -> Option<TlsAcceptor> {
        self.shared.tls.as_ref().map(|config| TlsAcceptor::from(config.load_full()))
    }

    /// RTSP tunnels of which one of the two HTTP connections is open.
    pub(crate) fn tunnels(&self) -> &Tunnels {
        &self.shared.tunnels
    }

    pub(crate) fn relay(&self) -> &Relay {
        &self.shared.relay
    }

    /// Whether the selection depends on the stream.
    pub(crate) fn needs_streams(&self) -> bool {
        self.shared.selector.needs_streams()
    }

    pub(crate) fn limits(&self) -> &Limits {
        &self.shared.limits
    }

    pub(crate) fn log_limits(&self) -> &LogLimits {
        &self.shared.log_limits
    }

    pub(crate) fn metrics(&self) -> &Metrics {
        &self.shared.metrics
    }
}

#[cfg(test)]
mod tests {
    use weir_fleet::testing::report;
    use weir_protocol::Report;

    use super::*;
    use crate::fixtures::{CLIENT, front, front_with, front_within};
    use crate::settings::{Repeats, ServerInfo};

    #[test]
    fn assignments_and_refusals_are_counted_by_the_client_s_protocol() {
        let with_edge = front(&[report()], ServerInfo::Off);
        assert!(with_edge.assign(CLIENT, Protocol::Rtsp, Some(Protocol::Rtsp), None).is_ok());
        let counted = "weir_assignments_total{protocol=\"rtsp\",reason=\"policy\"} 1\n";
        assert!(with_edge.metrics().render().contains(counted));
        let without = front(&[], ServerInfo::Off);
        assert_eq!(without.assign(CLIENT, Protocol::Http, None, None).unwrap_err(), Refusal::NoEdge);
        let counted = "weir_refusals_total{protocol=\"http\",reason=\"refused-no-edge\"} 1\n";
        assert!(without.metrics().render().contains(counted));
    }

    #[test]
    fn a_client_is_not_redirected_to_the_host_that_it_requested() {
        let mut looping = report();
        looping.redirect = weir_protocol::Host::new("lb.example.com").ok();
        let requested = RequestedUrl { host: Some("lb.example.com"), ..CLIENT.requested_url(Protocol::Rtmp) };
        let assign = |reports: &[Report<'_>]| {
            let front = front(reports, ServerInfo::Off);
            let outcome =
                front.assign_unless_loop(CLIENT, Protocol::Rtmp, None, None, requested, &Application::DEFAULT);
            outcome.map(|assignment| assignment.host().to_owned())
        };
        assert_eq!(assign(&[looping.clone(), report()]), Ok("127.0.0.1".to_owned()));
        assert_eq!(assign(&[looping.clone(), looping]).unwrap_err(), Refusal::Loop);
    }

    #[test]
    fn a_client_that_repeats_a_request_too_often_is_refused() {
        let limits = Limits { repeats: Repeats { max: Some(2), ..Repeats::default() }, ..Limits::default() };
        let front = front_within(&[report()], limits);
        let requested = CLIENT.requested_url(Protocol::Http);
        let assign = |path, query| {
            let application = &Application::DEFAULT;
            front.assign_unless_loop(CLIENT, Protocol::Http, path, query, requested, application).map(|_| ())
        };
        assert_eq!([(); 3].map(|()| assign(Some("live/a"), Some("x"))), [Ok(()), Ok(()), Err(Refusal::Loop)]);
        assert_eq!(assign(Some("live/a"), Some("y")), Ok(()), "another URL");
        assert_eq!(assign(None, None), Ok(()), "a request for a host only is no redirect");
        let counted = "weir_refusals_total{protocol=\"http\",reason=\"refused-loop\"} 1\n";
        assert!(front.metrics().render().contains(counted));
    }

    #[test]
    fn clients_that_no_edge_can_take_get_an_overflow_target_of_their_protocol() {
        let front = front_with(&[], ServerInfo::Off, &["rtmp://backup:1936", "https://cdn.example.com/weir"]);
        let requested = CLIENT.requested_url(Protocol::Http);
        let assign = |edge_protocol| front.assign(CLIENT, Protocol::Http, edge_protocol, None);
        let http = assign(Some(Protocol::Http)).unwrap();
        assert_eq!(
            http.target(Protocol::Http, requested, &Application::DEFAULT).to_string(),
            "https://cdn.example.com/weir"
        );
        assert_eq!(assign(None).unwrap().host(), "backup");
        assert_eq!(assign(Some(Protocol::Rtsp)).unwrap_err(), Refusal::NoEdge);
    }
}
