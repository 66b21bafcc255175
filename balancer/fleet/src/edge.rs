//! One edge: its description, and the load that it shares with earlier descriptions.

mod description;

use std::net::IpAddr;
use std::sync::Arc;

use weir_protocol::key::KeyId;
use weir_protocol::report::Capacity;
use weir_protocol::{EdgeId, Report};

use self::description::Description;
pub use self::description::Endpoint;
use crate::change::Change;
use crate::estimator::Observation;
use crate::load::{Load, NOMINAL_SESSIONS};
use crate::protocol::Protocol;
use crate::random::mix_wide;
use crate::settings::FleetSettings;
use crate::stream_order::Ticket;
use crate::time::Moment;
use crate::zone_id::ZoneId;

/// A media server that clients are sent to.
///
/// | part        | read by               | changes                                                                  |
/// |-------------|-----------------------|--------------------------------------------------------------------------|
/// | identity    | [`Edge::id`]          | never                                                                    |
/// | description | the methods of `Edge` | never: an edge with a new description is a new `Edge` with the same load |
/// | load, state | [`Edge::load`]        | with every report and every assignment                                   |
///
/// The description is kept in a compact form, since there may be 100,000 edges; the methods convert it.
#[derive(Debug)]
pub struct Edge {
    /// The GUID under which the edge reports.
    pub id: EdgeId,
    description: Description,
    /// The load and liveness of the edge, shared by all of its descriptions and by all snapshots.
    pub load: Arc<Load>,
    /// The index of the edge among all tracked edges, which it keeps while it is tracked. A small number, so that it
    /// fits into few bits.
    slot: u32,
}

/// The sender of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Origin {
    /// The source address of the datagram. It can be forged.
    pub source: IpAddr,
    /// The id of the secret that the report was sealed with.
    pub key_id: KeyId,
    /// The address of another sender that reports under the same GUID, if there is one.
    pub duplicate: Option<IpAddr>,
}

/// The bandwidth of a session, in bits per second, by which session limits and bandwidth limits are compared in
/// [`Edge::size`]. Constant, so that all balancers agree on the order of edges for a stream.
const NOMINAL_BITS_PER_SESSION: f32 = 4e6;

impl Edge {
    /// Returns an edge that has sent its first report at `now`.
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
        edge.apply(report, now, settings, 0.0);
        edge
    }

    /// Returns the redirect address: the host name or address that clients are redirected to. IPv6 addresses may be in
    /// brackets; see [`Host`](weir_protocol::Host).
    #[must_use]
    pub fn redirect(&self) -> &str {
        &self.description.redirect
    }

    /// Returns the endpoints of the edge. Empty when it reports none.
    #[must_use]
    pub fn endpoints(&self) -> &[Endpoint] {
        &self.description.endpoints
    }

    /// Returns whether the edge serves `protocol`. An edge that reports no endpoints is assumed to serve all.
    #[must_use]
    pub fn serves(&self, protocol: Protocol) -> bool {
        self.description.protocols & protocol.bit() != 0
    }

    /// Returns the weight: the share of clients relative to other edges, from one millionth to a million; 1 by default.
    #[must_use]
    pub fn weight(&self) -> f32 {
        self.description.weight
    }

    /// Returns the limits that the edge reports, in connections and in bits per second.
    #[must_use]
    pub fn capacity(&self) -> Capacity {
        self.description.capacity()
    }

    /// Returns the zone that the edge reports, whether it is configured or not.
    #[must_use]
    pub fn zone(&self) -> Option<&str> {
        self.description.zone.as_deref()
    }

    /// Returns whether the edge belongs to `zone`. An edge that reports no zone belongs to all.
    #[must_use]
    pub fn is_in(&self, zone: ZoneId) -> bool {
        self.description.zone.is_none() || self.description.zone_id == Some(zone)
    }

    /// Returns the sender of its reports.
    #[must_use]
    pub fn origin(&self) -> Origin {
        self.description.origin
    }

    /// Returns whether clients may be redirected to every host that the edge names.
    #[must_use]
    pub fn is_allowed(&self) -> bool {
        self.description.is_allowed
    }

    pub(super) fn slot(&self) -> u32 {
        self.slot
    }

    /// Returns what determines the edge's position in the order of each stream: the same at all balancers.
    pub(super) fn ticket(&self) -> Ticket {
        let id = u128::from_le_bytes(self.id.0).rotate_left(64);
        Ticket { seed: mix_wide(id), inverse_size: 1.0 / self.size() }
    }

    /// Returns capacity × weight, in sessions. It depends on the description alone and is the same at all balancers.
    pub(super) fn size(&self) -> f32 {
        let Capacity { connections, bits_per_second, .. } = self.capacity();
        let by_bits = bits_per_second.map(|limit| limit as f32 / NOMINAL_BITS_PER_SESSION);
        let by_sessions = connections.map(|limit| limit as f32);
        let sessions = match (by_sessions, by_bits) {
            (Some(a), Some(b)) => a.min(b),
            (Some(only), None) | (None, Some(only)) => only,
            (None, None) => NOMINAL_SESSIONS,
        };
        sessions.max(1.0) * self.description.weight
    }

    /// Applies a report to the load; see [`Load::apply`].
    pub(super) fn apply(
        &self,
        report: &Report<'_>,
        now: Moment,
        settings: &FleetSettings,
        fleet_bits_per_session: f32,
    ) -> Option<Observation> {
        self.load.apply(report, self.description.is_allowed, now, &settings.rules, fleet_bits_per_session)
    }

    /// Returns whether the description in the report is the one that the edge has. Called for each report; allocates
    /// nothing.
    pub(super) fn is_described_by(&self, report: &Report<'_>, origin: Origin) -> bool {
        self.description.matches(report, origin)
    }

    /// Returns the change from an earlier description that is worth logging, if any.
    pub(super) fn change_from(&self, before: &Self) -> Option<Change> {
        if before.is_allowed() && !self.is_allowed() {
            return Some(Change::Disallowed);
        }
        let duplicate = self.description.origin.duplicate;
        duplicate.filter(|_| duplicate != before.description.origin.duplicate).map(Change::Duplicate)
    }

    /// Returns the same edge with the description in the report.
    pub(super) fn with_description(&self, report: &Report<'_>, origin: Origin, settings: &FleetSettings) -> Self {
        let description = Description::new(report, origin, settings);
        self.load.set_allowed(description.is_allowed);
        Self { id: self.id, description, load: Arc::clone(&self.load), slot: self.slot }
    }
}

#[cfg(test)]
mod tests {
    use weir_protocol::Host;
    use weir_protocol::report::{self, Reasons};

    use super::*;
    use crate::RedirectLimits;
    use crate::testing::{ANYWHERE, SOURCE, at, id, report};

    fn another_origin() -> Origin {
        Origin { source: "::1".parse().unwrap(), ..SOURCE }
    }

    fn endpoint(scheme: &'static str, port: u16) -> report::Endpoint<'static> {
        report::Endpoint::new(scheme, port)
    }

    #[test]
    fn an_edge_without_a_redirect_address_has_the_source_address_of_its_reports() {
        let edge = Edge::new(id(1), &report(), another_origin(), &ANYWHERE, at(0).into());
        assert_eq!(edge.redirect(), "::1");
        assert!(edge.is_described_by(&report(), another_origin()));
        assert!(!edge.is_described_by(&report(), SOURCE), "its source address has changed");
    }

    #[test]
    fn an_edge_serves_the_protocols_of_its_endpoints_and_all_when_it_has_none() {
        let mut only_rtmp = report();
        only_rtmp.endpoints.push(endpoint("rtmps", 443));
        let edge = Edge::new(id(1), &only_rtmp, SOURCE, &ANYWHERE, at(0).into());
        assert!(edge.serves(Protocol::Rtmp) && !edge.serves(Protocol::Rtsp) && !edge.serves(Protocol::Http));
        let edge = Edge::new(id(1), &report(), SOURCE, &ANYWHERE, at(0).into());
        assert!(Protocol::ALL.into_iter().all(|protocol| edge.serves(protocol)));
    }

    #[test]
    fn assignments_are_counted_until_a_report_has_the_number_of_connections() {
        let edge = Edge::new(id(1), &report(), SOURCE, &ANYWHERE, at(0).into());
        edge.load.assign(at(0));
        edge.load.assign(at(0));
        let mut unknown = report();
        unknown.load.connections = None;
        edge.apply(&unknown, at(1).into(), &ANYWHERE, 0.0);
        assert_eq!(
            (edge.load.connections(), edge.load.assignments_since_report()),
            (Some(0), 2),
            "unknown is not zero"
        );
        edge.apply(&report(), at(2).into(), &ANYWHERE, 0.0);
        assert_eq!((edge.load.connections(), edge.load.assignments_since_report()), (Some(0), 0));
    }

    #[test]
    fn any_difference_in_the_description_is_detected() {
        let edge = Edge::new(id(1), &report(), SOURCE, &ANYWHERE, at(0).into());
        let mut other = report();
        other.weight = Some(2.0);
        assert!(!edge.is_described_by(&other, SOURCE));
        let mut other = report();
        other.endpoints.push(endpoint("rtmp", 1935));
        assert!(!edge.is_described_by(&other, SOURCE));
        assert!(edge.with_description(&other, SOURCE, &ANYWHERE).is_described_by(&other, SOURCE));
    }

    #[test]
    fn a_new_description_keeps_the_counters() {
        let edge = Edge::new(id(1), &report(), SOURCE, &ANYWHERE, at(0).into());
        let renamed = edge.with_description(&report(), SOURCE, &ANYWHERE);
        edge.load.assign(at(0));
        assert_eq!(renamed.load.assignments_since_report(), 1);
    }

    #[test]
    fn an_edge_that_names_a_host_outside_the_redirect_limits_is_not_allowed() {
        let redirect_limits = RedirectLimits { hosts: vec!["example.com".to_owned()], networks: Vec::new() };
        let settings = FleetSettings { redirect_limits, ..FleetSettings::default() };
        let mut inside = report();
        inside.redirect = Host::new("edge1.example.com").ok();
        let allowed = |report: &Report<'_>| Edge::new(id(1), report, SOURCE, &settings, at(0).into()).is_allowed();
        assert!(allowed(&inside));
        assert!(!allowed(&report()), "the source address is outside the limits");
        let mut outside = inside.clone();
        outside.endpoints.push(endpoint("rtmp", 1935).at(Host::new("evil.com").ok()));
        assert!(!allowed(&outside));
    }

    #[test]
    fn reasons_deadline_and_clock_skew_are_those_of_the_last_report() {
        let mut draining = report();
        draining.reasons = Reasons::OPERATOR;
        draining.drain_deadline = Some(std::time::Duration::from_secs(60));
        draining.send_time = 5000;
        let now = Moment { monotonic: at(1000), unix: 5250 };
        let edge = Edge::new(id(1), &draining, SOURCE, &ANYWHERE, now);
        assert_eq!((edge.load.reasons(), edge.load.drain_deadline()), (Reasons::OPERATOR, Some(at(61_000))));
        assert_eq!(edge.load.clock_skew_milliseconds(), -250);
        edge.apply(&report(), now, &ANYWHERE, 0.0);
        assert_eq!((edge.load.reasons(), edge.load.drain_deadline()), (Reasons::NONE, None));
    }
}
