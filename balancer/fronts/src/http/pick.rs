//! `/api/v1/pick`: the URL of an edge and alternatives as JSON, for players and apps.

use std::sync::Arc;

use hyper::StatusCode;
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use serde::Serialize;
use weir_fleet::{Edge, Protocol, Scheme};

use crate::client::Client;
use crate::front::Front;
use crate::http::assign::assign;
use crate::http::redirect::{self, RETRY_AFTER};
use crate::http::request::Request;
use crate::http::response::{Body, Response};
use crate::http::{cors, query};
use crate::redirect::{RedirectDefaults, RequestedUrl, Target};
use crate::settings::Application;

/// The parameters of a request.
#[derive(Debug, PartialEq, Eq)]
struct PickQuery {
    protocol: Protocol,
    /// The preferred scheme, if the request names one.
    scheme: Option<Scheme>,
    /// `APPLICATION` or `APPLICATION/STREAM`, percent-encoded; empty if the request names neither.
    path: String,
}

#[derive(Debug, Serialize)]
struct PickResponse {
    url: String,
    /// The GUID of the edge; absent for an overflow target.
    #[serde(skip_serializing_if = "Option::is_none")]
    edge: Option<String>,
    /// URLs to try if the connection fails, best first.
    alternatives: Vec<String>,
    reason: &'static str,
}

/// The body of an error response: what went wrong, and what to do.
#[derive(Debug, Serialize)]
pub(super) struct ErrorBody {
    pub(super) status: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) reason: Option<&'static str>,
    pub(super) error: String,
    pub(super) advice: String,
}

/// Characters that must be encoded in a path (RFC 3986 section 3.3).
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

/// Assigns an edge.
pub(super) fn respond<'a>(front: &'a Front, client: Client, request: &Request<'a>) -> Response<'a> {
    let PickQuery { protocol, scheme, path } = match PickQuery::parse(request.query) {
        Ok(query) => query,
        Err(error) => return cors::allow(error.into_response(StatusCode::BAD_REQUEST), request),
    };
    let assignment = match assign(front, client, request, Some(protocol), Some(&path)) {
        Ok(assignment) => assignment,
        Err(refusal) => {
            let status = redirect::status(refusal);
            let error = ErrorBody {
                status: status.as_u16(),
                reason: Some(refusal.name()),
                error: redirect::sentence(&refusal),
                advice: format!("Try again in {RETRY_AFTER} seconds."),
            };
            let response = error.into_response(status).with("Retry-After", RETRY_AFTER);
            return cors::allow(response, request).with(Front::REASON_HEADER, refusal.name());
        }
    };
    let application = front.application(protocol, &path);
    let requested = match protocol {
        Protocol::Http => redirect::requested_url(client, request),
        // Port and defaults of the HTTP request do not apply to another protocol.
        _ => {
            let redirect_defaults = RedirectDefaults::default();
            RequestedUrl { port: None, redirect_defaults, ..client.requested_url(protocol) }
        }
    };
    let requested = RequestedUrl { scheme: scheme.map_or(requested.scheme, Scheme::as_str), ..requested };
    let picked = PickResponse {
        url: url(assignment.target(protocol, requested, application), application, &path),
        edge: assignment.edge().map(|edge| edge.id.to_string()),
        alternatives: front
            .alternatives_to(&assignment, client, Some(protocol), Some(&path))
            .iter()
            .map(|edge: &Arc<Edge>| url(Target::new(edge, protocol, requested, application), application, &path))
            .collect(),
        reason: assignment.reason.name(),
    };
    cors::allow(json(&picked), request).with(Front::REASON_HEADER, assignment.reason.name())
}

fn url(target: Target<'_>, application: &Application, path: &str) -> String {
    if path.is_empty() { format!("{target}/") } else { format!("{target}/{}", application.rename(path)) }
}

/// A response with a JSON body.
pub(super) fn json<'a>(value: &impl Serialize) -> Response<'a> {
    // Fails only for maps with keys that are not strings, and there are none.
    let text = serde_json::to_string(value).unwrap_or_default();
    Response::content("application/json", Body::Text(text + "\n"))
}

impl ErrorBody {
    /// The error for an invalid request.
    pub(super) fn bad_request(error: String, advice: &str) -> Self {
        Self { status: 400, reason: None, error, advice: advice.to_owned() }
    }

    pub(super) fn into_response<'a>(self, status: StatusCode) -> Response<'a> {
        Response { status, ..json(&self) }
    }
}

impl PickQuery {
    fn parse(query: Option<&str>) -> Result<Self, ErrorBody> {
        let advice = || {
            let protocols = Protocol::ALL.map(Protocol::name).join(", ");
            format!(
                "Use /api/v1/pick?protocol=PROTOCOL&app=APPLICATION&stream=STREAM, where PROTOCOL is {protocols} or a \
                 scheme such as https. All parameters are optional."
            )
        };
        let protocol = query::parameter(query, "protocol");
        let name = protocol.as_deref().unwrap_or("http");
        let of_scheme = |scheme: Scheme| Some((Protocol::of_scheme(scheme.as_str())?, Some(scheme)));
        // With a protocol's name, TLS is preferred if this request came over TLS.
        let named = Protocol::named(name).map(|protocol| (protocol, None)).or_else(|| of_scheme(Scheme::named(name)?));
        let Some((protocol, scheme)) = named else {
            return Err(ErrorBody::bad_request(format!("`{name}` is not a protocol."), &advice()));
        };
        let app = query::parameter(query, "app").unwrap_or_default();
        let stream = query::parameter(query, "stream").unwrap_or_default();
        if app.is_empty() && !stream.is_empty() {
            return Err(ErrorBody::bad_request("`stream` requires `app`.".to_owned(), &advice()));
        }
        Ok(Self { protocol, scheme, path: path(&app, &stream) })
    }
}

/// `APPLICATION/STREAM`, percent-encoded.
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
    fn a_query_names_a_protocol_or_scheme_and_a_stream() {
        let parse = |text| PickQuery::parse(Some(text)).map_err(|error| error.error);
        let query = |protocol, scheme: Option<&str>, path: &str| {
            Ok(PickQuery { protocol, scheme: scheme.and_then(Scheme::named), path: path.to_owned() })
        };
        assert_eq!(parse(""), query(Protocol::Http, None, ""));
        assert_eq!(parse("protocol=rtmp&app=live"), query(Protocol::Rtmp, None, "live"));
        assert_eq!(
            parse("stream=a%20b%2Findex.m3u8&app=live&protocol=https"),
            query(Protocol::Http, Some("https"), "live/a%20b/index.m3u8")
        );
        assert_eq!(parse("protocol=srt"), Err("`srt` is not a protocol.".to_owned()));
        assert_eq!(parse("stream=camera"), Err("`stream` requires `app`.".to_owned()));
    }

    #[test]
    fn a_name_cannot_break_out_of_the_path() {
        assert_eq!(path("/live/", "a?b#c\r\n"), "live/a%3Fb%23c%0D%0A");
    }
}
