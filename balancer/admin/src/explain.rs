//! `/api/v1/explain`: what a client would get now, why, and what speaks against the other edges.

use std::net::IpAddr;

use hyper::StatusCode;
use serde::Serialize;
use weir_fleet::explain::Verdict;
use weir_fleet::{Choice, ClientZones, Exclusion, Protocol, SelectionQuery, Selector, Snapshot, Time};
use weir_protocol::stream;

use crate::error::{ApiError, parameters};

/// Which client is meant.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Question {
    client: Option<IpAddr>,
    protocol: Option<Protocol>,
    /// `APPLICATION/STREAM`, as in the path of a URL.
    stream: Option<String>,
}

impl Question {
    /// Reads the query of a request.
    pub(super) fn parse(query: Option<&str>) -> Result<Self, ApiError> {
        let wrong = |sentence: String| (StatusCode::BAD_REQUEST, sentence);
        let mut question = Self::default();
        for pair in parameters(query) {
            match pair.split_once('=') {
                Some(("client", address)) => {
                    let address =
                        address.parse().map_err(|_| wrong(format!("client: `{address}` is no IP address")))?;
                    question.client = Some(address);
                }
                Some(("protocol", name)) => {
                    let unknown = || wrong(format!("protocol: `{name}` is none of http, rtmp, rtsp"));
                    question.protocol = Some(Protocol::named(name).ok_or_else(unknown)?);
                }
                Some(("stream", path)) if stream::of_path(path).is_some() => question.stream = Some(path.to_owned()),
                Some(("stream", path)) => return Err(wrong(format!("stream: `{path}` is not APPLICATION/STREAM"))),
                _ => return Err(wrong(format!("unknown parameter `{pair}`: expected client, protocol or stream"))),
            }
        }
        Ok(question)
    }
}

/// The answer.
#[derive(Debug, Serialize)]
pub(super) struct Explained {
    reason: &'static str,
    /// Why nobody was chosen, as a sentence.
    #[serde(skip_serializing_if = "Option::is_none")]
    refusal: Option<String>,
    /// The chosen edge.
    #[serde(skip_serializing_if = "Option::is_none")]
    edge: Option<String>,
    policy: &'static str,
    /// The client's zone.
    #[serde(skip_serializing_if = "Option::is_none")]
    zone: Option<String>,
    arrival_ratio: f32,
    session_end_rate: f32,
    edges: Vec<Considered>,
}

/// One edge.
#[derive(Debug, Serialize)]
struct Considered {
    id: String,
    redirect: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    excluded: Option<&'static str>,
    /// With this client.
    #[serde(skip_serializing_if = "Option::is_none")]
    expected_utilisation: Option<f32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expected_sessions: Option<f32>,
    ramping: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    zone: Option<String>,
}

impl Explained {
    pub(super) fn new(
        question: &Question,
        selector: &Selector,
        snapshot: &Snapshot,
        zones: &ClientZones,
        now: Time,
        random: u64,
    ) -> Self {
        let request = SelectionQuery {
            protocol: question.protocol,
            zone: question.client.and_then(|client| zones.of(client)),
            stream: question.stream.as_deref().and_then(stream::of_path),
            client: question.client.map_or(0, SelectionQuery::client_hash),
            not: &[],
        };
        let explanation = selector.explain(snapshot, &request, now, random);
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
            zone: request.zone.map(|zone| zones.zones().name(zone).to_owned()),
            arrival_ratio: forecast.arrival_ratio,
            session_end_rate: forecast.session_end_rate,
            edges: explanation.verdicts.iter().map(Considered::new).collect(),
        }
    }
}

impl Considered {
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
    fn a_question_says_what_is_wrong_with_it() {
        assert!(Question::parse(Some("client=192.0.2.1&protocol=rtsp&stream=live/cam1")).is_ok());
        assert_eq!(Question::parse(None), Ok(Question::default()));
        for (query, sentence) in [
            ("client=here", "client: `here` is no IP address"),
            ("protocol=ftp", "protocol: `ftp` is none of http, rtmp, rtsp"),
            ("stream=live", "stream: `live` is not APPLICATION/STREAM"),
            ("stram=live", "unknown parameter `stram=live`: expected client, protocol or stream"),
        ] {
            assert_eq!(Question::parse(Some(query)), Err((StatusCode::BAD_REQUEST, sentence.to_owned())), "{query}");
        }
    }

    #[test]
    fn the_answer_names_the_choice_and_what_speaks_against_the_others_and_hands_nothing_out() {
        let mut paused = report();
        paused.status = Status::Paused;
        let fleet_settings = FleetSettings::default();
        let snapshot = snapshot_on(&fleet_settings, &[report(), paused]);
        let selector = Selector::new(fleet_settings, []);
        let question = Question::default();
        let explained = Explained::new(&question, &selector, &snapshot, &ClientZones::default(), at(0), 1);
        let json = serde_json::to_value(&explained).unwrap();
        assert_eq!(json["reason"], "policy");
        assert_eq!(json["edge"], snapshot.edges[0].id.to_string());
        assert_eq!(json["edges"][0]["expected_sessions"], 1.0);
        assert_eq!(json["edges"][1]["excluded"], "paused");
        assert_eq!(snapshot.edges[0].load.assignments(), 0);
    }
}
