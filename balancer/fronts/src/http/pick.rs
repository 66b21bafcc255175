//! `/api/v1/pick`: an edge and what comes next, as JSON, for one's own players and apps.

use std::sync::Arc;

use hyper::StatusCode;
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use serde::Serialize;
use weir_fleet::{Edge, Protocol, Scheme};

use crate::http::answer::{Answer, Body};
use crate::http::redirect::{self, RETRY_AFTER};
use crate::http::request::Request;
use crate::http::{cors, query};
use crate::redirect::{RedirectDefaults, RequestedUrl, Target};
use crate::settings::Application;
use crate::{Client, Front};

/// What is asked for.
#[derive(Debug, PartialEq, Eq)]
struct Question {
    protocol: Protocol,
    /// The scheme to prefer, when it was named.
    scheme: Option<Scheme>,
    /// `APPLICATION` or `APPLICATION/STREAM`, ready to stand in a URL; empty when nothing is named.
    path: String,
}

#[derive(Debug, Serialize)]
struct Picked {
    url: String,
    /// The GUID of the edge; none when it is a place elsewhere.
    #[serde(skip_serializing_if = "Option::is_none")]
    edge: Option<String>,
    /// Where to go if that fails, the best first.
    alternatives: Vec<String>,
    reason: &'static str,
}

/// What went wrong, and what to do.
#[derive(Debug, Serialize)]
pub(super) struct Failure {
    pub(super) status: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) reason: Option<&'static str>,
    pub(super) error: String,
    pub(super) advice: String,
}

/// What cannot stand in a path as it is (RFC 3986 section 3.3).
const ESCAPED: AsciiSet = CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'%')
    .add(b'<')
    .add(b'>')
    .add(b'?')
    .add(b'[')
    .add(b'\\')
    .add(b']')
    .add(b'^')
    .add(b'`')
    .add(b'{')
    .add(b'|')
    .add(b'}');

/// Names an edge, and counts the hand-out.
pub(super) fn answer<'a>(front: &'a Front, client: Client, request: &Request<'a>) -> Answer<'a> {
    let Question { protocol, scheme, path } = match Question::parse(request.query) {
        Ok(question) => question,
        Err(failure) => return cors::open(failure.into_answer(StatusCode::BAD_REQUEST), request),
    };
    let (destination, others) = match front.choose_several(client, Protocol::Http, Some(protocol), Some(&path)) {
        Ok(chosen) => chosen,
        Err(refusal) => {
            let status = redirect::status(refusal);
            let failure = Failure {
                status: status.as_u16(),
                reason: Some(refusal.name()),
                error: redirect::sentence(&refusal),
                advice: format!("Ask again in {RETRY_AFTER} seconds."),
            };
            let answer = failure.into_answer(status).with("Retry-After", RETRY_AFTER);
            return cors::open(answer, request).with(Front::REASON_HEADER, refusal.name());
        }
    };
    let application = front.application(protocol, &path);
    let asked = match (protocol, scheme) {
        (Protocol::Http, None) => redirect::asked(client, request),
        (Protocol::Http, Some(scheme)) => RequestedUrl { scheme: scheme.as_str(), ..redirect::asked(client, request) },
        // The port is not the one that HTTP came to.
        (_, Some(scheme)) => {
            RequestedUrl { scheme: scheme.as_str(), host: None, port: None, told: RedirectDefaults::default() }
        }
        (_, None) => RequestedUrl { port: None, told: RedirectDefaults::default(), ..client.asked(protocol) },
    };
    let picked = Picked {
        url: url(destination.target(protocol, asked, application), application, &path),
        edge: destination.edge().map(|edge| edge.id.to_string()),
        alternatives: others
            .iter()
            .map(|edge: &Arc<Edge>| url(Target::new(edge, protocol, asked, application), application, &path))
            .collect(),
        reason: destination.reason.name(),
    };
    cors::open(json(&picked), request).with(Front::REASON_HEADER, destination.reason.name())
}

fn url(target: Target<'_>, application: &Application, path: &str) -> String {
    if path.is_empty() { format!("{target}/") } else { format!("{target}/{}", application.rename(path)) }
}

/// A value as JSON.
pub(super) fn json<'a>(value: &impl Serialize) -> Answer<'a> {
    // Only maps with keys that are no texts cannot be written, and there are none.
    let text = serde_json::to_string(value).unwrap_or_default();
    Answer::content("application/json", Body::Made(text + "\n"))
}

impl Failure {
    /// What the client sent is wrong.
    pub(super) fn bad_request(error: String, advice: &str) -> Self {
        Self { status: 400, reason: None, error, advice: advice.to_owned() }
    }

    pub(super) fn into_answer<'a>(self, status: StatusCode) -> Answer<'a> {
        Answer { status, ..json(&self) }
    }
}

impl Question {
    fn parse(query: Option<&str>) -> Result<Self, Failure> {
        const ADVICE: &str = "Ask for /api/v1/pick?protocol=PROTOCOL&app=APPLICATION&stream=STREAM, where PROTOCOL is \
            http, rtmp, rtsp or a scheme such as https, and the others may be left out.";
        let protocol = query::parameter(query, "protocol");
        let name = protocol.as_deref().unwrap_or("http");
        let of_scheme = |scheme: Scheme| {
            let protocol = Protocol::ALL.into_iter().find(|protocol| protocol.has_scheme(scheme.as_str()))?;
            Some((protocol, Some(scheme)))
        };
        // A protocol's own name leaves the choice between plain and encrypted to how the client asked.
        let named = Protocol::named(name).map(|protocol| (protocol, None)).or_else(|| of_scheme(Scheme::named(name)?));
        let Some((protocol, scheme)) = named else {
            return Err(Failure::bad_request(format!("`{name}` is not a protocol."), ADVICE));
        };
        let app = query::parameter(query, "app").unwrap_or_default();
        let stream = query::parameter(query, "stream").unwrap_or_default();
        if app.is_empty() && !stream.is_empty() {
            return Err(Failure::bad_request("There is a stream, and no application.".to_owned(), ADVICE));
        }
        Ok(Self { protocol, scheme, path: path(&app, &stream) })
    }
}

/// `APPLICATION/STREAM`, ready to stand in a URL.
pub(super) fn path(app: &str, stream: &str) -> String {
    let (app, stream) = (app.trim_matches('/'), stream.trim_start_matches('/'));
    let mut path = utf8_percent_encode(app, &ESCAPED).to_string();
    if !stream.is_empty() {
        path.push('/');
        path.extend(utf8_percent_encode(stream, &ESCAPED));
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_names_a_protocol_or_a_scheme_and_a_stream() {
        let parse = |query| Question::parse(Some(query)).map_err(|failure| failure.error);
        let question = |protocol, scheme: Option<&str>, path: &str| {
            Ok(Question { protocol, scheme: scheme.and_then(Scheme::named), path: path.to_owned() })
        };
        assert_eq!(parse(""), question(Protocol::Http, None, ""));
        assert_eq!(parse("protocol=rtmp&app=live"), question(Protocol::Rtmp, None, "live"));
        assert_eq!(
            parse("stream=a%20b%2Findex.m3u8&app=live&protocol=https"),
            question(Protocol::Http, Some("https"), "live/a%20b/index.m3u8")
        );
        assert_eq!(parse("protocol=srt"), Err("`srt` is not a protocol.".to_owned()));
        assert_eq!(parse("stream=camera"), Err("There is a stream, and no application.".to_owned()));
    }

    #[test]
    fn a_name_cannot_leave_its_path() {
        assert_eq!(path("/live/", "a?b#c\r\n"), "live/a%3Fb%23c%0D%0A");
    }
}
