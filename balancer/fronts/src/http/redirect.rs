//! `/redirect/…` and configured prefixes: the client is sent to the same path on an edge.

use hyper::StatusCode;
use weir_fleet::{Protocol, Refusal};

use crate::http::answer::Answer;
use crate::http::location::{Location, Resource};
use crate::http::request::Request;
use crate::http::{cors, query};
use crate::redirect::{Assignment, RequestedUrl};
use crate::{Client, Front};

/// Sends the client to `path`, without the slash before it, on an edge.
pub(super) fn answer<'a>(front: &'a Front, client: Client, request: &Request<'a>, path: &'a str) -> Answer<'a> {
    let hop_mark = front.hop_mark();
    if hop_mark.is_some_and(|mark| query::has(request.query, mark)) {
        front.metrics().count_choice(Some(Protocol::Http), Err(Refusal::Loop));
        return refuse(request, &Refusal::Loop);
    }
    let application = front.application(Protocol::Http, path);
    let asked = asked(client, request);
    // Behind `/redirect/` the path becomes another, which is redirected no further.
    let returns = request.path.strip_prefix('/') == Some(path);
    let back = RequestedUrl { host: request.headers.host_name().filter(|_| returns), ..asked };
    let destination = match front.choose_elsewhere(client, Protocol::Http, Some(path), back, application) {
        Ok(destination) => destination,
        Err(refusal) => return refuse(request, &refusal),
    };
    // 302 may turn any method but GET and HEAD into GET; 307 keeps it (RFC 9110 sections 15.4.3 and 15.4.8), and WHIP
    // and WHEP demand that (RFC 9725 section 4.7).
    let status = if request.is_read() { StatusCode::FOUND } else { StatusCode::TEMPORARY_REDIRECT };
    let reason = reason(Ok(&destination));
    let resource = Resource::new(path, request.query, application);
    let location = Location { destination, asked, application, resource, hop_mark };
    let answer = Answer { location: Some(location), ..Answer::text(status, "") };
    cors::open(answer, request).with(Front::REASON_HEADER, reason)
}

/// Says that there is no edge, and when to ask again.
pub(super) fn refuse<'a>(request: &Request<'a>, refusal: &Refusal) -> Answer<'a> {
    let answer = Answer::text(status(*refusal), format!("{}\n", sentence(refusal)));
    cors::open(answer, request).with("Retry-After", RETRY_AFTER).with(Front::REASON_HEADER, refusal.name())
}

/// With what status a client is refused.
pub(super) fn status(refusal: Refusal) -> StatusCode {
    match refusal {
        Refusal::Loop => StatusCode::LOOP_DETECTED,
        _ => StatusCode::SERVICE_UNAVAILABLE,
    }
}

/// Where the client thought that it was going, if it goes on with HTTP. One that names no port means the scheme's own;
/// one that names no host came to this listener.
pub(super) fn asked(client: Client, request: &Request<'_>) -> RequestedUrl<'static> {
    let asked = client.asked(Protocol::Http);
    RequestedUrl { port: request.headers.port().unwrap_or(asked.port), ..asked }
}

/// A stable name of why the client got what it got.
pub(super) fn reason(outcome: Result<&Assignment, &Refusal>) -> &'static str {
    outcome.map_or_else(|refusal| refusal.name(), |destination| destination.reason.name())
}

/// A refusal as a sentence.
pub(super) fn sentence(refusal: &Refusal) -> String {
    let text = refusal.to_string();
    let mut characters = text.chars();
    let first = characters.next().map(|first| first.to_uppercase().to_string());
    format!("{}{}.", first.unwrap_or_default(), characters.as_str())
}

/// [`Front::RETRY_AFTER_SECONDS`].
pub(super) const RETRY_AFTER: &str = "3";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_is_told_the_same_pause_in_every_protocol() {
        assert_eq!(RETRY_AFTER, Front::RETRY_AFTER_SECONDS.to_string());
    }

    #[test]
    fn a_refusal_is_a_sentence() {
        assert_eq!(sentence(&Refusal::Full), "Every edge is full.");
    }
}
