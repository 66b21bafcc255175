//! One edge: what it says of itself, its load and its liveness.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU8, AtomicU64, Ordering};

use weir_protocol::key::KeyId;
use weir_protocol::report::{self, Reasons, Status};
use weir_protocol::{EdgeId, Host, Report};

use crate::fleet::Change;
use crate::fleet::redirect_limits::RedirectLimits;
use crate::fleet::selector::Protocol;
use crate::fleet::time::{Moment, Time};

/// Whether an edge gets clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum State {
    /// It does.
    Running = 0,
    /// It reports that it takes none.
    Paused = 1,
    /// It reports that it is being emptied.
    Draining = 2,
    /// Its last report said that it shuts down.
    Stopping = 3,
    /// It has not reported for too long.
    TimedOut = 4,
}

impl State {
    /// Every state.
    pub const ALL: [Self; 5] = [Self::Running, Self::Paused, Self::Draining, Self::Stopping, Self::TimedOut];

    /// A stable name for metrics and logs.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Draining => "draining",
            Self::Stopping => "stopping",
            Self::TimedOut => "timed-out",
        }
    }

    fn from_u8(value: u8) -> Self {
        // Only `State as u8` is ever stored; an edge in a state that nobody knows would get no clients.
        Self::ALL.into_iter().find(|state| *state as u8 == value).unwrap_or(Self::TimedOut)
    }
}

impl From<Status> for State {
    fn from(status: Status) -> Self {
        match status {
            Status::Running => Self::Running,
            Status::Paused => Self::Paused,
            Status::Draining => Self::Draining,
            Status::Stopping => Self::Stopping,
        }
    }
}

/// A media server that clients are sent to.
///
/// The description never changes; an edge that describes itself anew gets a new `Edge` that shares the counters.
#[derive(Debug)]
pub struct Edge {
    /// The GUID that it reports under.
    pub id: EdgeId,
    description: Description,
    counters: Arc<Counters>,
}

/// Where a report came from, and under which key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Origin {
    /// The address of the sender, as far as the network says.
    pub source: IpAddr,
    /// The secret that it was sealed under.
    pub key_id: KeyId,
    /// Where another sender with the same GUID is, if one is heard.
    pub duplicate: Option<IpAddr>,
}

/// What an edge says of itself, apart from its load.
#[derive(Debug)]
struct Description {
    /// What clients are to call it; see [`Host`] for what can be in it.
    redirect: Box<str>,
    endpoints: Box<[Endpoint]>,
    /// Bits of the [`Protocol`]s that it serves.
    protocols: u8,
    /// Its share of clients relative to other edges.
    weight: f32,
    origin: Origin,
    /// Whether clients may be sent to every host that it names.
    is_allowed: bool,
}

/// Where an edge serves one protocol.
#[derive(Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// The URL scheme: `rtmp`, `rtmps`, `rtsp`, `http`, …
    pub scheme: Box<str>,
    /// The host, when it is another than the edge's redirect address.
    pub host: Option<Box<str>>,
    /// The port.
    pub port: u16,
}

/// Not known. No edge has this many connections, and no drain lasts this long.
const UNKNOWN: u64 = u64::MAX;

/// What changes with every report or hand-out. Each is a figure on its own: no order between them is relied upon.
#[derive(Debug)]
struct Counters {
    state: AtomicU8,
    /// Bits of [`Reasons`].
    reasons: AtomicU8,
    /// By how many milliseconds the edge's clock is ahead of this balancer's; negative when it is behind.
    clock_skew: AtomicI64,
    /// When its drain ends, in microseconds of [`Time`]; [`UNKNOWN`] when it does not drain, or without a deadline.
    drain_until: AtomicU64,
    /// Microseconds of [`Time`].
    reported_at: AtomicU64,
    connections: AtomicU64,
    out_bits_per_second: AtomicU64,
    /// Clients given this edge by this balancer; a running total.
    hand_outs: AtomicU64,
    /// That total when the edge last said how many connections it has.
    hand_outs_reported: AtomicU64,
}

impl Edge {
    /// An edge that sent its first report.
    #[must_use]
    pub fn new(id: EdgeId, report: &Report<'_>, origin: Origin, limits: &RedirectLimits, now: Moment) -> Self {
        let counters = Counters {
            state: AtomicU8::new(State::from(report.status) as u8),
            reasons: AtomicU8::new(0),
            clock_skew: AtomicI64::new(0),
            drain_until: AtomicU64::new(UNKNOWN),
            reported_at: AtomicU64::new(now.monotonic.as_micros()),
            connections: AtomicU64::new(UNKNOWN),
            out_bits_per_second: AtomicU64::new(0),
            hand_outs: AtomicU64::new(0),
            hand_outs_reported: AtomicU64::new(0),
        };
        let edge = Self { id, description: Description::new(report, origin, limits), counters: Arc::new(counters) };
        edge.update(report, now);
        edge
    }

    /// Its state, as it was last reported or as time has made it.
    #[must_use]
    pub fn state(&self) -> State {
        State::from_u8(self.counters.state.load(Ordering::Relaxed))
    }

    /// When its last report came in.
    #[must_use]
    pub fn reported_at(&self) -> Time {
        Time::from_micros(self.counters.reported_at.load(Ordering::Relaxed))
    }

    /// What clients are to call it.
    #[must_use]
    pub fn redirect(&self) -> &str {
        &self.description.redirect
    }

    /// Where it serves which protocol; empty when it did not say.
    #[must_use]
    pub fn endpoints(&self) -> &[Endpoint] {
        &self.description.endpoints
    }

    /// Whether it serves `protocol`. An edge that named no endpoints is taken to serve all.
    #[must_use]
    pub fn serves(&self, protocol: Protocol) -> bool {
        self.description.protocols & protocol.bit() != 0
    }

    /// Its share of clients relative to other edges.
    #[must_use]
    pub fn weight(&self) -> f32 {
        self.description.weight
    }

    /// Client connections, as last reported.
    #[must_use]
    pub fn connections(&self) -> Option<u64> {
        let connections = self.counters.connections.load(Ordering::Relaxed);
        (connections != UNKNOWN).then_some(connections)
    }

    /// Outgoing media in bits per second, as last reported; 0 when unknown.
    #[must_use]
    pub fn out_bits_per_second(&self) -> u64 {
        self.counters.out_bits_per_second.load(Ordering::Relaxed)
    }

    /// Clients given this edge since it last said how many connections it has: those that are not in that number yet.
    #[must_use]
    pub fn hand_outs_since_report(&self) -> u64 {
        let reported = self.counters.hand_outs_reported.load(Ordering::Relaxed);
        self.counters.hand_outs.load(Ordering::Relaxed).saturating_sub(reported)
    }

    /// Why it takes no clients, as it was last reported.
    #[must_use]
    pub fn reasons(&self) -> Reasons {
        Reasons(self.counters.reasons.load(Ordering::Relaxed))
    }

    /// By how many milliseconds its clock is ahead of this balancer's, the way of the report included.
    #[must_use]
    pub fn clock_skew_milliseconds(&self) -> i64 {
        self.counters.clock_skew.load(Ordering::Relaxed)
    }

    /// When it is to be empty, while it drains with a deadline.
    #[must_use]
    pub fn drain_until(&self) -> Option<Time> {
        let until = self.counters.drain_until.load(Ordering::Relaxed);
        (until != UNKNOWN).then(|| Time::from_micros(until))
    }

    /// Where its reports come from, and under which key.
    #[must_use]
    pub fn origin(&self) -> Origin {
        self.description.origin
    }

    /// Whether clients may be sent to every host that it names.
    #[must_use]
    pub fn is_allowed(&self) -> bool {
        self.description.is_allowed
    }

    /// Clients given this edge by this balancer, ever.
    #[must_use]
    pub fn hand_outs(&self) -> u64 {
        self.counters.hand_outs.load(Ordering::Relaxed)
    }

    /// Counts one client given this edge.
    pub fn hand_out(&self) {
        self.counters.hand_outs.fetch_add(1, Ordering::Relaxed);
    }

    /// Takes in what changes with every report. What the report does not say keeps its last value.
    pub(super) fn update(&self, report: &Report<'_>, now: Moment) {
        let counters = &self.counters;
        counters.reported_at.store(now.monotonic.as_micros(), Ordering::Relaxed);
        counters.reasons.store(report.reasons.0, Ordering::Relaxed);
        counters.clock_skew.store(report.send_time.wrapping_sub(now.unix).cast_signed(), Ordering::Relaxed);
        let drain_until = report.drain_deadline.map_or(UNKNOWN, |left| (now.monotonic + left).as_micros());
        counters.drain_until.store(drain_until, Ordering::Relaxed);
        if let Some(connections) = report.load.connections {
            counters.connections.store(connections.min(UNKNOWN - 1), Ordering::Relaxed);
            counters.hand_outs_reported.store(counters.hand_outs.load(Ordering::Relaxed), Ordering::Relaxed);
        }
        if let Some(rate) = report.load.out_bits_per_second {
            counters.out_bits_per_second.store(rate, Ordering::Relaxed);
        }
        counters.state.store(State::from(report.status) as u8, Ordering::Relaxed);
    }

    /// Marks it as timed out, unless it has said goodbye; whether that changed anything.
    pub(super) fn time_out(&self) -> bool {
        let changes = !matches!(self.state(), State::TimedOut | State::Stopping);
        if changes {
            self.counters.state.store(State::TimedOut as u8, Ordering::Relaxed);
        }
        changes
    }

    /// Whether the report describes the edge as it is described here; without allocating, since it is asked of each report.
    pub(super) fn describes(&self, report: &Report<'_>, origin: Origin) -> bool {
        let description = &self.description;
        let same_redirect = match report.redirect {
            Some(host) => host.as_str() == &*description.redirect,
            None => description.redirect.parse() == Ok(origin.source),
        };
        same_redirect
            && description.origin == origin
            && report.weight.unwrap_or(1.0).to_bits() == description.weight.to_bits()
            && report.endpoints.len() == description.endpoints.len()
            && report.endpoints.iter().zip(&description.endpoints).all(|(theirs, ours)| ours.is(theirs))
    }

    /// What a new description means, if anything that somebody should hear of.
    pub(super) fn change_from(&self, before: &Self) -> Option<Change> {
        if before.is_allowed() && !self.is_allowed() {
            return Some(Change::Disallowed);
        }
        let duplicate = self.description.origin.duplicate;
        duplicate.filter(|_| duplicate != before.description.origin.duplicate).map(Change::Duplicate)
    }

    /// The same edge, described anew.
    pub(super) fn with_description(&self, report: &Report<'_>, origin: Origin, limits: &RedirectLimits) -> Self {
        Self {
            id: self.id,
            description: Description::new(report, origin, limits),
            counters: Arc::clone(&self.counters),
        }
    }
}

impl Description {
    fn new(report: &Report<'_>, origin: Origin, limits: &RedirectLimits) -> Self {
        let endpoints: Box<[Endpoint]> = report.endpoints.iter().map(Endpoint::from).collect();
        let redirect: Box<str> =
            report.redirect.map_or_else(|| origin.source.to_string().into(), |host| host.as_str().into());
        let mut hosts = endpoints.iter().filter_map(|endpoint| endpoint.host.as_deref());
        Self {
            is_allowed: limits.allow(&redirect) && hosts.all(|host| limits.allow(host)),
            redirect,
            protocols: Protocol::ALL
                .into_iter()
                .filter(|protocol| {
                    endpoints.is_empty() || endpoints.iter().any(|endpoint| protocol.has_scheme(&endpoint.scheme))
                })
                .fold(0, |bits, protocol| bits | protocol.bit()),
            endpoints,
            weight: report.weight.unwrap_or(1.0),
            origin,
        }
    }
}

impl Endpoint {
    fn is(&self, other: &report::Endpoint<'_>) -> bool {
        self.port == other.port && *self.scheme == *other.scheme && self.host.as_deref() == other.host.map(Host::as_str)
    }
}

impl From<&report::Endpoint<'_>> for Endpoint {
    fn from(endpoint: &report::Endpoint<'_>) -> Self {
        Self {
            scheme: endpoint.scheme.into(),
            host: endpoint.host.map(|host| host.as_str().into()),
            port: endpoint.port,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fleet::tests::{ANYWHERE, SOURCE, at, id, report};

    fn elsewhere() -> Origin {
        Origin { source: "::1".parse().unwrap(), ..SOURCE }
    }

    fn endpoint(scheme: &'static str, port: u16) -> report::Endpoint<'static> {
        report::Endpoint { scheme, host: None, port }
    }

    #[test]
    fn an_edge_without_a_redirect_address_is_called_by_where_its_report_came_from() {
        let edge = Edge::new(id(1), &report(), elsewhere(), &ANYWHERE, at(0).into());
        assert_eq!(edge.redirect(), "::1");
        assert!(edge.describes(&report(), elsewhere()));
        assert!(!edge.describes(&report(), SOURCE), "it has moved");
    }

    #[test]
    fn an_edge_serves_what_it_names_and_everything_when_it_names_nothing() {
        let mut only_rtmp = report();
        only_rtmp.endpoints.push(endpoint("rtmps", 443));
        let edge = Edge::new(id(1), &only_rtmp, SOURCE, &ANYWHERE, at(0).into());
        assert!(edge.serves(Protocol::Rtmp) && !edge.serves(Protocol::Rtsp) && !edge.serves(Protocol::Http));
        let edge = Edge::new(id(1), &report(), SOURCE, &ANYWHERE, at(0).into());
        assert!(Protocol::ALL.into_iter().all(|protocol| edge.serves(protocol)));
    }

    #[test]
    fn hand_outs_count_until_a_report_says_how_many_connections_there_are() {
        let edge = Edge::new(id(1), &report(), SOURCE, &ANYWHERE, at(0).into());
        edge.hand_out();
        edge.hand_out();
        let mut unknown = report();
        unknown.load.connections = None;
        edge.update(&unknown, at(1).into());
        assert_eq!((edge.connections(), edge.hand_outs_since_report()), (Some(0), 2), "unknown is not zero");
        edge.update(&report(), at(2).into());
        assert_eq!((edge.connections(), edge.hand_outs_since_report()), (Some(0), 0));
    }

    #[test]
    fn any_difference_in_the_description_is_noticed() {
        let edge = Edge::new(id(1), &report(), SOURCE, &ANYWHERE, at(0).into());
        let mut other = report();
        other.weight = Some(2.0);
        assert!(!edge.describes(&other, SOURCE));
        let mut other = report();
        other.endpoints.push(endpoint("rtmp", 1935));
        assert!(!edge.describes(&other, SOURCE));
        assert!(edge.with_description(&other, SOURCE, &ANYWHERE).describes(&other, SOURCE));
    }

    #[test]
    fn a_new_description_keeps_the_counters() {
        let edge = Edge::new(id(1), &report(), SOURCE, &ANYWHERE, at(0).into());
        let renamed = edge.with_description(&report(), SOURCE, &ANYWHERE);
        edge.hand_out();
        assert_eq!(renamed.hand_outs_since_report(), 1);
    }

    #[test]
    fn an_edge_that_names_a_host_outside_the_limits_is_not_allowed() {
        let limits = RedirectLimits { hosts: vec!["example.com".to_owned()], networks: Vec::new() };
        let mut inside = report();
        inside.redirect = Host::new("edge1.example.com").ok();
        let allowed = |report: &Report<'_>| Edge::new(id(1), report, SOURCE, &limits, at(0).into()).is_allowed();
        assert!(allowed(&inside));
        assert!(!allowed(&report()), "the address that it reports from is another");
        let mut outside = inside.clone();
        outside.endpoints.push(report::Endpoint { host: Host::new("evil.com").ok(), ..endpoint("rtmp", 1935) });
        assert!(!allowed(&outside));
    }

    #[test]
    fn reasons_deadline_and_skew_are_those_of_the_last_report() {
        let mut draining = report();
        draining.reasons = Reasons::OPERATOR;
        draining.drain_deadline = Some(std::time::Duration::from_secs(60));
        draining.send_time = 5000;
        let now = Moment { monotonic: at(1000), unix: 5250 };
        let edge = Edge::new(id(1), &draining, SOURCE, &ANYWHERE, now);
        assert_eq!((edge.reasons(), edge.drain_until()), (Reasons::OPERATOR, Some(at(61_000))));
        assert_eq!(edge.clock_skew_milliseconds(), -250);
        edge.update(&report(), now);
        assert_eq!((edge.reasons(), edge.drain_until()), (Reasons::NONE, None));
    }
}
