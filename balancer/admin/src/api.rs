//! `/api/v1`: the edges, and what operators want of them, as JSON.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use hyper::{Method, StatusCode};
use serde::Serialize;
use weir_fleet::relay_counters::RelayCounters;
use weir_fleet::{Edge, Forecast, Snapshot, Time};
use weir_program::units::parse_duration;
use weir_protocol::{Action, EdgeId};

use crate::error::{ApiError, parameters};
use crate::explain::Question;

/// What is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Call {
    /// Show all edges.
    Edges,
    /// Say what a client would get.
    Explain(Question),
    /// Show the kernel's services.
    Kernel,
    /// Have an edge do something.
    Command(EdgeId, Action),
}

/// Reads a request whose path begins with `/api/v1/`; `path` is what follows.
pub(super) fn parse(method: &Method, path: &str, query: Option<&str>) -> Result<Call, ApiError> {
    let not_found = || (StatusCode::NOT_FOUND, "There is no such call.".to_owned());
    let parts: Vec<&str> = path.split('/').collect();
    match (parts.as_slice(), method) {
        (["edges"], &Method::GET | &Method::HEAD) => Ok(Call::Edges),
        (["kernel"], &Method::GET | &Method::HEAD) => Ok(Call::Kernel),
        (["explain"], &Method::GET | &Method::HEAD) => Ok(Call::Explain(Question::parse(query)?)),
        (["edges", guid, verb], &Method::POST) => {
            let edge = guid.parse().map_err(|error| (StatusCode::BAD_REQUEST, format!("{guid}: {error}.")))?;
            let action = match *verb {
                "pause" => Action::Pause,
                "unpause" => Action::Unpause,
                "drain" => Action::Drain { deadline: deadline(query)? },
                _ => return Err(not_found()),
            };
            Ok(Call::Command(edge, action))
        }
        (["edges" | "explain" | "kernel"] | ["edges", _, "pause" | "unpause" | "drain"], _) => {
            Err((StatusCode::METHOD_NOT_ALLOWED, "Edges are shown with GET, and commanded with POST.".to_owned()))
        }
        _ => Err(not_found()),
    }
}

fn deadline(query: Option<&str>) -> Result<Option<Duration>, ApiError> {
    let mut deadline = None;
    for pair in parameters(query) {
        let value = pair.strip_prefix("deadline=");
        let value =
            value.ok_or_else(|| (StatusCode::BAD_REQUEST, format!("unknown parameter `{pair}`: expected deadline")))?;
        deadline =
            Some(parse_duration(value).map_err(|error| (StatusCode::BAD_REQUEST, format!("deadline: {error}")))?);
    }
    Ok(deadline)
}

/// All edges.
#[derive(Debug, Serialize)]
pub(super) struct Edges {
    edges: Vec<Shown>,
}

/// One edge. Times are in milliseconds.
#[derive(Debug, Serialize)]
struct Shown {
    id: String,
    redirect: String,
    state: &'static str,
    reasons: Vec<&'static str>,
    /// Whether it gets clients now.
    available: bool,
    /// Whether every host that it names is within the limits.
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
    /// Expected by now, with one client more; none when it gets no clients.
    #[serde(skip_serializing_if = "Option::is_none")]
    expected_utilisation: Option<f32>,
    /// Whether it is at one of its limits.
    full: bool,
    /// Whether it is new, and does not get its full share yet.
    ramping: bool,
    assignments: u64,
    assignments_since_report: u64,
    /// What is relayed to it; missing while nothing was.
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
    /// The fleet at `now`, and what is relayed to it.
    pub(super) fn new(snapshot: &Snapshot, relayed: &HashMap<EdgeId, RelayCounters>, now: Time) -> Self {
        let forecast = snapshot.forecast(now);
        let shown = |edge: &Arc<Edge>| Shown::new(edge, relayed.get(&edge.id), now, &forecast);
        Self { edges: snapshot.edges.iter().map(shown).collect() }
    }
}

impl Shown {
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
            drain_deadline_ms: edge.load.drain_deadline().map(|until| milliseconds(until - now)),
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
            relay_sessions: relayed.map(|figures| figures.sessions),
            relay_sessions_total: relayed.map(|figures| figures.sessions_total),
            relay_bytes_to_edge: relayed.map(|figures| figures.bytes_to_edge),
            relay_bytes_to_client: relayed.map(|figures| figures.bytes_to_client),
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

    fn called(method: &str, path: &str, query: Option<&str>) -> Result<Call, u16> {
        parse(&method.parse().unwrap(), path, query).map_err(|(status, _)| status.as_u16())
    }

    #[test]
    fn calls_are_told_by_path_and_method() {
        let action = |verb: &str, query| called("POST", &format!("edges/{GUID}/{verb}"), query);
        assert_eq!(called("GET", "edges", None), Ok(Call::Edges));
        assert_eq!(action("pause", None), Ok(Call::Command(id(1), Action::Pause)));
        assert_eq!(action("unpause", None), Ok(Call::Command(id(1), Action::Unpause)));
        assert_eq!(action("drain", None), Ok(Call::Command(id(1), Action::Drain { deadline: None })));
        let deadline = Some(Duration::from_secs(600));
        assert_eq!(action("drain", Some("deadline=10m")), Ok(Call::Command(id(1), Action::Drain { deadline })));
        assert_eq!(action("drain", Some("deadline=soon")), Err(400));
        assert_eq!(action("drain", Some("dedline=10m")), Err(400));
        assert_eq!(action("explode", None), Err(404));
        assert_eq!(called("POST", "edges/edge1/pause", None), Err(400));
        assert_eq!(called("GET", &format!("edges/{GUID}/pause"), None), Err(405));
        assert_eq!(called("DELETE", "edges", None), Err(405));
        assert_eq!(called("GET", "", None), Err(404));
    }

    #[test]
    fn an_edge_is_shown_with_why_it_gets_no_clients() {
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
