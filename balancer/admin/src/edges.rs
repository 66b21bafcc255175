//! `/api/v1/edges`: the edges as JSON.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use weir_fleet::relay_counters::RelayCounters;
use weir_fleet::{Edge, Forecast, Snapshot, Time};
use weir_protocol::EdgeId;

/// Every edge, by GUID.
#[derive(Debug, Serialize)]
pub(super) struct Edges {
    edges: Vec<EdgeView>,
}

/// An edge.
#[derive(Debug, Serialize)]
struct EdgeView {
    /// The GUID.
    id: String,
    /// The redirect address.
    redirect: String,
    state: &'static str,
    reasons: Vec<&'static str>,
    /// Whether the edge gets clients now.
    available: bool,
    /// Whether `[redirect]` allows every host that the edge advertises.
    redirect_allowed: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    drain_deadline_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    connections: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    out_bits_per_second: Option<u64>,
    weight: f32,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_connections: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_bits_per_second: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    zone: Option<String>,
    /// Current forecast of the utilisation with one more client; absent while the edge gets no clients.
    #[serde(skip_serializing_if = "Option::is_none")]
    expected_utilisation: Option<f32>,
    /// Whether a limit is reached.
    full: bool,
    /// Whether the edge is new, and does not get its full share of clients yet.
    ramping: bool,
    assignments: u64,
    assignments_since_report: u64,
    /// Relayed sessions; absent, like the counters below, until the first one.
    #[serde(skip_serializing_if = "Option::is_none")]
    relay_sessions: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    relay_sessions_total: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    relay_bytes_to_edge: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    relay_bytes_to_client: Option<u64>,
    last_report_ms: u64,
    source: String,
    key_id: String,
    clock_skew_ms: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    duplicate: Option<String>,
}

impl Edges {
    /// The edges of a snapshot, with their relay counters.
    pub(super) fn new(snapshot: &Snapshot, relayed: &HashMap<EdgeId, RelayCounters>, now: Time) -> Self {
        let forecast = snapshot.forecast(now);
        let view = |edge: &Arc<Edge>| EdgeView::new(edge, relayed.get(&edge.id), now, &forecast);
        Self { edges: snapshot.edges.iter().map(view).collect() }
    }
}

impl EdgeView {
    fn new(edge: &Edge, relayed: Option<&RelayCounters>, now: Time, forecast: &Forecast) -> Self {
        let origin = edge.origin();
        let expected = edge.load.expect(forecast).ok();
        Self {
            id: edge.id.to_string(),
            redirect: edge.redirect().to_owned(),
            state: edge.load.state().name(),
            reasons: edge.load.reasons().names().collect(),
            available: expected.is_some(),
            redirect_allowed: edge.is_allowed(),
            drain_deadline_ms: edge.load.drain_deadline().map(|deadline| milliseconds(deadline - now)),
            connections: edge.load.connections(),
            out_bits_per_second: edge.load.out_bits_per_second(),
            weight: edge.weight(),
            max_connections: edge.capacity().connections,
            max_bits_per_second: edge.capacity().bits_per_second,
            zone: edge.zone().map(str::to_owned),
            expected_utilisation: expected.map(|expected| expected.utilisation),
            full: edge.load.is_full(),
            ramping: edge.load.is_ramping(),
            assignments: edge.load.assignments(),
            assignments_since_report: edge.load.assignments_since_report(),
            relay_sessions: relayed.map(|counters| counters.sessions),
            relay_sessions_total: relayed.map(|counters| counters.sessions_total),
            relay_bytes_to_edge: relayed.map(|counters| counters.bytes_to_edge),
            relay_bytes_to_client: relayed.map(|counters| counters.bytes_to_client),
            last_report_ms: milliseconds(now - edge.load.reported_at()),
            source: origin.source.to_string(),
            key_id: origin.key_id.to_string(),
            clock_skew_ms: edge.load.clock_skew_milliseconds(),
            duplicate: origin.duplicate.map(|other| other.to_string()),
        }
    }
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use weir_fleet::testing::{ANYWHERE, SOURCE, at, id, report, snapshot_of};
    use weir_protocol::report::{Reasons, Status};

    use super::*;

    const GUID: &str = "01010101-0101-0101-0101-010101010101";

    #[test]
    fn an_edge_is_shown_with_the_reasons_why_it_gets_no_clients() {
        let mut paused = report();
        paused.status = Status::Paused;
        paused.reasons = Reasons::OPERATOR.with(Reasons::CAPACITY);
        let edge = Edge::new(id(1), &paused, SOURCE, &ANYWHERE, at(0).into());
        let relayed = HashMap::from([(id(1), RelayCounters { sessions: 2, ..RelayCounters::default() })]);
        let edges = Edges::new(&snapshot_of([edge]), &relayed, at(1500));
        let shown = serde_json::to_value(&edges).unwrap();
        let shown = &shown["edges"][0];
        assert_eq!(shown["id"], GUID);
        assert_eq!(shown["state"], "paused");
        assert_eq!(shown["reasons"], serde_json::json!(["operator", "capacity"]));
        assert_eq!((&shown["available"], &shown["last_report_ms"]), (&false.into(), &1500.into()));
        assert_eq!(shown["relay_sessions"], 2);
        assert_eq!(shown.get("duplicate"), None);
    }
}
