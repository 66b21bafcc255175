//! Fixtures for tests: reports, moments and snapshots. Behind the feature `testing`, for the tests of other crates.
#![expect(clippy::unwrap_used, reason = "a fixture that cannot be made is a test that fails")]

use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use weir_protocol::key::KeyId;
use weir_protocol::{EdgeId, Report};

use crate::forecast::SharedEstimates;
use crate::{Edge, FleetSettings, Lifetimes, Origin, Snapshot, Time};

/// The sender of reports: the loopback address, with a key of id `01010101`.
pub const SOURCE: Origin = Origin { source: IpAddr::V4(Ipv4Addr::LOCALHOST), key_id: KeyId([1; 4]), duplicate: None };

/// The default settings, which allow redirects to any host.
pub static ANYWHERE: LazyLock<FleetSettings> = LazyLock::new(FleetSettings::default);

/// A timeout of five seconds, and an hour until an edge is forgotten.
pub const LIFETIMES: Lifetimes = Lifetimes { timeout: Duration::from_secs(5), forget_after: Duration::from_secs(3600) };

/// Returns a report of an idle edge.
#[must_use]
pub fn report() -> Report<'static> {
    let mut report = Report::new(1, 1, Duration::from_millis(2500));
    report.load.connections = Some(0);
    report
}

/// Returns the moment this number of milliseconds after the origin.
#[must_use]
pub fn at(milliseconds: u64) -> Time {
    Time::after_origin(Duration::from_millis(milliseconds))
}

/// Returns an edge id that consists of one byte, repeated.
#[must_use]
pub fn id(byte: u8) -> EdgeId {
    EdgeId([byte; 16])
}

/// Returns a snapshot of edges that sent these reports at the origin of time, with the ids 1, 2, ….
#[must_use]
pub fn snapshot_on(settings: &FleetSettings, reports: &[Report<'_>]) -> Snapshot {
    snapshot_at(settings, reports.iter().map(|report| (report, at(0))))
}

/// As [`snapshot_on`], with reports sent at these times.
pub fn snapshot_at<'a>(
    settings: &FleetSettings,
    reports: impl IntoIterator<Item = (&'a Report<'a>, Time)>,
) -> Snapshot {
    let edges = (0_u32..).zip(reports).map(|(slot, (report, time))| {
        let id = id(u8::try_from(slot + 1).unwrap());
        Arc::new(Edge::in_slot(slot, id, report, SOURCE, settings, time.into()))
    });
    Snapshot::new(edges.collect(), settings, Arc::new(SharedEstimates::new(LIFETIMES.timeout)))
}

/// Returns a snapshot of these edges.
pub fn snapshot_of(edges: impl IntoIterator<Item = Edge>) -> Snapshot {
    Snapshot::new(
        edges.into_iter().map(Arc::new).collect(),
        &ANYWHERE,
        Arc::new(SharedEstimates::new(LIFETIMES.timeout)),
    )
}
