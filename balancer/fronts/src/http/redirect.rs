//! `/redirect/…` and configured prefixes: redirects to the same path on an edge.

use hyper::StatusCode;
use weir_fleet::{Protocol, Refusal};

use crate::client::Client;
use crate::front::Front;
use crate::http::location::{Location, Resource};
use crate::http::request::Request;
use crate::http::response::Response;
use crate::http::{cors, query};
use crate::redirect::{Assignment, RequestedUrl};

/// Redirects the client to `path`, without its leading slash, on an edge.
pub(super) fn respond<'a>(front: &'a Front, client: Client, request: &Request<'a>, path: &'a str) -> Response<'a> {
    let hop_mark = front.hop_mark();
    if hop_mark.is_some_and(|mark| query::has(request.query, mark)) {
        front.metrics().count_assignment(Some(Protocol::Http), Err(Refusal::Loop));
        return refuse(request, &Refusal::Loop);
    }
    let application = front.application(Protocol::Http, path);
    let requested = requested_url(client, request);
    // Without `/redirect/` the path is another one, which is not redirected again: only prefixes can cause a loop.
    let can_loop = request.path.strip_prefix('/') == Some(path);
    let loop_url = RequestedUrl { host: request.headers.host_name().filter(|_| can_loop), ..requested };
    let outcome = if request.is_head() {
        front.preview(client, Some(Protocol::Http), Some(path))
    } else {
        front.assign_unless_loop(client, Protocol::Http, Some(path), request.query, loop_url, application)
    };
    let assignment = match outcome {
        Ok(assignment) => assignment,
        Err(refusal) => return refuse(request, &refusal),
    };
    // 302 may change any method but GET and HEAD to GET; 307 does not (RFC 9110 sections 15.4.3 and 15.4.8), which WHIP
    // and WHEP require (RFC 9725 section 4.7).
    let status = if request.is_read() { StatusCode::FOUND } else { StatusCode::TEMPORARY_REDIRECT };
    let reason = reason(Ok(&assignment));
    let resource = Resource::new(path, request.query, application);
    let location = Location { assignment, requested, application, resource, hop_mark };
    let response = Response { location: Some(location), ..Response::text(status, "") };
    cors::allow(response, request).with(Front::REASON_HEADER, reason)
}

/// The response to a refused client, with the time after which it may try again.
pub(super) fn refuse<'a>(request: &Request<'a>, refusal: &Refusal) -> Response<'a> {
    let response = Response::text(status(*refusal), format!("{}\n", sentence(refusal)));
    cors::allow(response, request).with("Retry-After", RETRY_AFTER).with(Front::REASON_HEADER, refusal.name())
}

/// The status of a refusal.
pub(super) fn status(refusal: Refusal) -> StatusCode {
    match refusal {
        Refusal::Loop => StatusCode::LOOP_DETECTED,
        _ => StatusCode::SERVICE_UNAVAILABLE,
    }
}

/// The requested URL. A `Host` without a port means the scheme's default; without a `Host`, the port of the listener is
/// used.
pub(super) fn requested_url(client: Client, request: &Request<'_>) -> RequestedUrl<'static> {
    let requested = client.requested_url(Protocol::Http);
    RequestedUrl { port: request.headers.port().unwrap_or(requested.port), ..requested }
}

/// The value of the `Weir-Reason` header.
pub(super) fn reason(outcome: Result<&Assignment, &Refusal>) -> &'static str {
    outcome.map_or_else(|refusal| refusal.name(), |assignment| assignment.reason.name())
}

/// A refusal as a sentence.
pub(super) fn sentence(refusal: &Refusal) -> String {
    let text = refusal.to_string();
    let mut characters = text.chars();
    let first = characters.next().map(|first| first.to_uppercase().to_string());
    format!("{}{}.", first.unwrap_or_default(), characters.as_str())
}

/// [`Front::RETRY_AFTER_SECONDS`] as text.
pub(super) const RETRY_AFTER: &str = "3";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_is_the_same_in_every_protocol() {
        assert_eq!(RETRY_AFTER, Front::RETRY_AFTER_SECONDS.to_string());
    }

    #[test]
    fn a_refusal_is_a_sentence() {
        assert_eq!(sentence(&Refusal::Full), "Every edge is full.");
    }
}
