//! `/api/v1/explain`: the edge that a client would get now, why, and why not the others.

use std::net::IpAddr;

use serde::Serialize;
use weir_fleet::explain::Verdict;
use weir_fleet::{Choice, ClientZones, Exclusion, Protocol, SelectionQuery, Selector, Snapshot, Time};
use weir_protocol::stream;

use crate::query::parameters;
use crate::response::ApiError;

/// The parameters of the request, which describe a client.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ExplainParameters {
    client: Option<IpAddr>,
    protocol: Option<Protocol>,
    /// `APPLICATION/STREAM`, as in the path of a URL.
    stream: Option<String>,
}

impl ExplainParameters {
    /// Parses the query of a request.
    pub(crate) fn parse(query: Option<&str>) -> Result<Self, ApiError> {
        let mut parsed = Self::default();
        for parameter in parameters(query) {
            match parameter.split_once('=') {
                Some(("client", address)) => {
                    let error = |_| ApiError::bad_request(format!("client: `{address}` is not an IP address"));
                    parsed.client = Some(address.parse().map_err(error)?);
                }
                Some(("protocol", name)) => {
                    let error = || {
                        let known = Protocol::ALL.map(Protocol::name).join(", ");
                        ApiError::bad_request(format!("protocol: unknown protocol `{name}`; expected one of {known}"))
                    };
                    parsed.protocol = Some(Protocol::named(name).ok_or_else(error)?);
                }
                Some(("stream", path)) if stream::of_path(path).is_some() => parsed.stream = Some(path.to_owned()),
                Some(("stream", path)) => {
                    return Err(ApiError::bad_request(format!("stream: `{path}` is not APPLICATION/STREAM")));
                }
                _ => {
                    return Err(ApiError::bad_request(format!(
                        "unknown parameter `{parameter}`; expected client, protocol or stream"
                    )));
                }
            }
        }
        Ok(parsed)
    }
}

/// The response.
#[derive(Debug, Serialize)]
pub(crate) struct Explanation {
    /// The reason for the choice, or for the refusal.
    reason: &'static str,
    /// Why no edge was chosen, as a sentence.
    #[serde(skip_serializing_if = "Option::is_none")]
    refusal: Option<String>,
    /// The GUID of the chosen edge.
    #[serde(skip_serializing_if = "Option::is_none")]
    edge: Option<String>,
    policy: &'static str,
    /// The client's zone.
    #[serde(skip_serializing_if = "Option::is_none")]
    zone: Option<String>,
    arrival_ratio: f32,
    session_end_rate: f32,
    /// Every edge, by GUID.
    edges: Vec<Candidate>,
}

/// An edge.
#[derive(Debug, Serialize)]
struct Candidate {
    id: String,
    redirect: String,
    /// Why the edge was not considered.
    #[serde(skip_serializing_if = "Option::is_none")]
    excluded: Option<&'static str>,
    /// Forecast of the utilisation with this client.
    #[serde(skip_serializing_if = "Option::is_none")]
    expected_utilisation: Option<f32>,
    /// Forecast of the sessions with this client.
    #[serde(skip_serializing_if = "Option::is_none")]
    expected_sessions: Option<f32>,
    ramping: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    zone: Option<String>,
}

impl Explanation {
    /// Previews the choice for a client at `now`. The client is not counted as an assignment. `random` is any number.
    pub(crate) fn new(
        parameters: &ExplainParameters,
        selector: &Selector,
        snapshot: &Snapshot,
        zones: &ClientZones,
        now: Time,
        random: u64,
    ) -> Self {
        let query = SelectionQuery {
            protocol: parameters.protocol,
            zone: parameters.client.and_then(|client| zones.of(client)),
            stream: parameters.stream.as_deref().and_then(stream::of_path),
            client: parameters.client.map_or(0, SelectionQuery::client_hash),
            excluded: &[],
        };
        let explanation = selector.explain(snapshot, &query, now, random);
        let forecast = snapshot.forecast(now);
        let edge = match &explanation.choice {
            Ok(Choice::Edge(edge, _)) => Some(edge.id.to_string()),
            Ok(Choice::Overflow) | Err(_) => None,
        };
        Self {
            reason: explanation.choice.as_ref().map_or_else(|refusal| refusal.name(), |choice| choice.reason().name()),
            refusal: explanation.choice.as_ref().err().map(ToString::to_string),
            edge,
            policy: selector.settings().rules.policy.name(),
            zone: query.zone.map(|zone| zones.zones().name(zone).to_owned()),
            arrival_ratio: forecast.arrival_ratio,
            session_end_rate: forecast.session_end_rate,
            edges: explanation.verdicts.iter().map(Candidate::new).collect(),
        }
    }
}

impl Candidate {
    fn new(verdict: &Verdict<'_>) -> Self {
        let expected = verdict.expected.ok();
        Self {
            id: verdict.edge.id.to_string(),
            redirect: verdict.edge.redirect().to_owned(),
            excluded: verdict.expected.err().map(Exclusion::name),
            expected_utilisation: expected.map(|expected| expected.utilisation),
            expected_sessions: expected.map(|expected| expected.sessions),
            ramping: verdict.edge.load.is_ramping(),
            zone: verdict.edge.zone().map(str::to_owned),
        }
    }
}

#[cfg(test)]
mod tests {
    use weir_fleet::FleetSettings;
    use weir_fleet::testing::{at, report, snapshot_on};
    use weir_protocol::report::Status;

    use super::*;

    #[test]
    fn a_wrong_parameter_is_rejected_with_what_was_expected() {
        assert!(ExplainParameters::parse(Some("client=192.0.2.1&protocol=rtsp&stream=live/cam1")).is_ok());
        assert_eq!(ExplainParameters::parse(None), Ok(ExplainParameters::default()));
        for (query, message) in [
            ("client=here", "client: `here` is not an IP address"),
            ("stream=live", "stream: `live` is not APPLICATION/STREAM"),
            ("stram=live", "unknown parameter `stram=live`; expected client, protocol or stream"),
        ] {
            assert_eq!(ExplainParameters::parse(Some(query)), Err(ApiError::bad_request(message)), "{query}");
        }
        let known = Protocol::ALL.map(Protocol::name).join(", ");
        let message = format!("protocol: unknown protocol `ftp`; expected one of {known}");
        assert_eq!(ExplainParameters::parse(Some("protocol=ftp")), Err(ApiError::bad_request(message)));
    }

    #[test]
    fn the_response_has_the_choice_and_why_not_the_others_and_counts_no_assignment() {
        let mut paused = report();
        paused.status = Status::Paused;
        let fleet_settings = FleetSettings::default();
        let snapshot = snapshot_on(&fleet_settings, &[report(), paused]);
        let selector = Selector::new(fleet_settings, []);
        let parameters = ExplainParameters::default();
        let explanation = Explanation::new(&parameters, &selector, &snapshot, &ClientZones::default(), at(0), 1);
        let json = serde_json::to_value(&explanation).unwrap();
        assert_eq!(json["reason"], "policy");
        assert_eq!(json["edge"], snapshot.edges[0].id.to_string());
        assert_eq!(json["edges"][0]["expected_sessions"], 1.0);
        assert_eq!(json["edges"][1]["excluded"], "paused");
        assert_eq!(snapshot.edges[0].load.assignments(), 0);
    }
}
