//! One edge: what it says of itself, its load and its liveness.

use std::borrow::Cow;
use std::net::IpAddr;
use std::sync::Arc;

use weir_protocol::key::KeyId;
use weir_protocol::report::{self, Capacity};
use weir_protocol::{EdgeId, Host, Report};

use crate::Change;
use crate::affinity::Ticket;
use crate::forecast::Observation;
use crate::load::{Load, NOMINAL_SESSIONS, weight};
use crate::protocol::Protocol;
use crate::random::mix_wide;
use crate::settings::FleetSettings;
use crate::time::Moment;
use crate::zone_id::ZoneId;

/// A media server that clients are sent to.
///
/// The description never changes; an edge that describes itself anew gets a new `Edge` that shares the counters.
#[derive(Debug)]
pub struct Edge {
    /// The GUID that it reports under.
    pub id: EdgeId,
    description: Description,
    /// Its load and liveness: shared by all descriptions of the edge.
    pub load: Arc<Load>,
    /// Its place among those that are known, for as long as it is; small, so that it can be kept in few bits.
    slot: u32,
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
    max_connections: Limit,
    max_bits_per_second: Limit,
    /// The zone that it says it is in.
    zone: Option<Box<str>>,
    /// The same, when such a zone is configured.
    zone_id: Option<ZoneId>,
    origin: Origin,
    /// Whether clients may be sent to every host that it names.
    is_allowed: bool,
}

/// A limit, or none, in eight bytes: there is one for each of 100,000 edges.
#[derive(Clone, Copy, Debug)]
struct Limit(u64);

impl Limit {
    /// No edge carries this much.
    const NONE: u64 = u64::MAX;

    fn new(limit: Option<u64>) -> Self {
        Self(limit.unwrap_or(Self::NONE))
    }

    fn known(self) -> Option<u64> {
        (self.0 != Self::NONE).then_some(self.0)
    }
}

/// Where an edge serves one protocol.
#[derive(Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// The URL scheme: `rtmp`, `rtmps`, `rtsp`, `http`, …
    pub scheme: Cow<'static, str>,
    /// The host, when it is another than the edge's redirect address.
    pub host: Option<Box<str>>,
    /// The port.
    pub port: u16,
}

/// What the bandwidth of one session is taken to be, where sessions and bandwidths must be compared for good: the same
/// for all balancers, so that they agree on the order of edges for a stream. In bits per second.
const NOMINAL_BITS_PER_SESSION: f32 = 4e6;

impl Edge {
    /// An edge that sent its first report.
    #[must_use]
    pub fn new(id: EdgeId, report: &Report<'_>, origin: Origin, settings: &FleetSettings, now: Moment) -> Self {
        Self::in_slot(0, id, report, origin, settings, now)
    }

    pub(super) fn in_slot(
        slot: u32,
        id: EdgeId,
        report: &Report<'_>,
        origin: Origin,
        settings: &FleetSettings,
        now: Moment,
    ) -> Self {
        let load = Arc::new(Load::new(now.monotonic));
        let edge = Self { id, description: Description::new(report, origin, settings), load, slot };
        edge.update(report, now, settings, 0.0);
        edge
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

    /// What it says that it can carry.
    #[must_use]
    pub fn capacity(&self) -> Capacity {
        let Description { max_connections, max_bits_per_second, .. } = &self.description;
        Capacity { connections: max_connections.known(), bits_per_second: max_bits_per_second.known() }
    }

    /// The zone that it says it is in.
    #[must_use]
    pub fn zone(&self) -> Option<&str> {
        self.description.zone.as_deref()
    }

    /// Whether a client of the zone is at home here: an edge that names no zone is at home everywhere.
    #[must_use]
    pub fn is_in(&self, zone: ZoneId) -> bool {
        self.description.zone.is_none() || self.description.zone_id == Some(zone)
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

    pub(super) fn slot(&self) -> u32 {
        self.slot
    }

    /// What its place in the orders of streams depends on: the same at all balancers.
    pub(super) fn ticket(&self) -> Ticket {
        let id = u128::from_le_bytes(self.id.0).rotate_left(64);
        Ticket { seed: mix_wide(id), inverse_size: 1.0 / self.size() }
    }

    /// What it can carry, in sessions, as it describes itself: the same at all balancers, whatever the load.
    pub(super) fn size(&self) -> f32 {
        let Capacity { connections, bits_per_second } = self.capacity();
        let by_bits = bits_per_second.map(|limit| limit as f32 / NOMINAL_BITS_PER_SESSION);
        let by_sessions = connections.map(|limit| limit as f32);
        let sessions = match (by_sessions, by_bits) {
            (Some(a), Some(b)) => a.min(b),
            (Some(only), None) | (None, Some(only)) => only,
            (None, None) => NOMINAL_SESSIONS,
        };
        sessions.max(1.0) * self.description.weight
    }

    /// Takes in what changes with every report.
    pub(super) fn update(
        &self,
        report: &Report<'_>,
        now: Moment,
        settings: &FleetSettings,
        fleet_bits_per_session: f32,
    ) -> Option<Observation> {
        self.load.update(report, self.description.is_allowed, now, &settings.rules, fleet_bits_per_session)
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
            && weight(report).to_bits() == description.weight.to_bits()
            && report.capacity == self.capacity()
            && report.zone == description.zone.as_deref()
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
    pub(super) fn with_description(&self, report: &Report<'_>, origin: Origin, settings: &FleetSettings) -> Self {
        let description = Description::new(report, origin, settings);
        self.load.allow(description.is_allowed);
        Self { id: self.id, description, load: Arc::clone(&self.load), slot: self.slot }
    }
}

impl Description {
    fn new(report: &Report<'_>, origin: Origin, settings: &FleetSettings) -> Self {
        let limits = &settings.limits;
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
            weight: weight(report),
            max_connections: Limit::new(report.capacity.connections),
            max_bits_per_second: Limit::new(report.capacity.bits_per_second),
            zone: report.zone.map(Into::into),
            zone_id: report.zone.and_then(|zone| settings.zones.id(zone)),
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
            scheme: scheme(endpoint.scheme),
            host: endpoint.host.map(|host| host.as_str().into()),
            port: endpoint.port,
        }
    }
}

/// A scheme, which takes no memory of its own when it is one of those that everybody uses.
fn scheme(name: &str) -> Cow<'static, str> {
    let known = Protocol::ALL.into_iter().flat_map(Protocol::schemes).find(|known| **known == name);
    known.map_or_else(|| Cow::Owned(name.to_owned()), |known| Cow::Borrowed(*known))
}

#[cfg(test)]
mod tests {
    use weir_protocol::report::Reasons;

    use super::*;
    use crate::RedirectLimits;
    use crate::testing::{ANYWHERE, SOURCE, at, id, report};

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
        edge.load.assign(at(0));
        edge.load.assign(at(0));
        let mut unknown = report();
        unknown.load.connections = None;
        edge.update(&unknown, at(1).into(), &ANYWHERE, 0.0);
        assert_eq!(
            (edge.load.connections(), edge.load.assignments_since_report()),
            (Some(0), 2),
            "unknown is not zero"
        );
        edge.update(&report(), at(2).into(), &ANYWHERE, 0.0);
        assert_eq!((edge.load.connections(), edge.load.assignments_since_report()), (Some(0), 0));
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
        edge.load.assign(at(0));
        assert_eq!(renamed.load.assignments_since_report(), 1);
    }

    #[test]
    fn an_edge_that_names_a_host_outside_the_limits_is_not_allowed() {
        let limits = RedirectLimits { hosts: vec!["example.com".to_owned()], networks: Vec::new() };
        let limits = FleetSettings { limits, ..FleetSettings::default() };
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
        assert_eq!((edge.load.reasons(), edge.load.drain_deadline()), (Reasons::OPERATOR, Some(at(61_000))));
        assert_eq!(edge.load.clock_skew_milliseconds(), -250);
        edge.update(&report(), now, &ANYWHERE, 0.0);
        assert_eq!((edge.load.reasons(), edge.load.drain_deadline()), (Reasons::NONE, None));
    }
}
