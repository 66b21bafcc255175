//! An answer, and its bytes.
//!
//! There are two ways to send one: through hyper, and straight into a buffer, for which nothing is allocated. Both give
//! the same bytes.

use std::io::Write as _;

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderName, HeaderValue, LOCATION};
use hyper::{Response, StatusCode};
use smallvec::SmallVec;

use crate::http::location::Location;
use crate::redirect::Assignment;

/// A whole answer. It borrows from the request, and from the configuration.
#[derive(Debug)]
pub(crate) struct Answer<'a> {
    pub(super) status: StatusCode,
    pub(super) content_type: Option<&'static str>,
    pub(super) body: Body,
    pub(super) location: Option<Location<'a>>,
    /// What else is said, each name as it is written on the wire, and none of them twice.
    pub(super) headers: SmallVec<[(&'static str, &'a str); 6]>,
}

/// What an answer carries.
#[derive(Debug)]
pub(super) enum Body {
    /// A text that never changes.
    Fixed(&'static str),
    /// A text made for this answer.
    Made(String),
    /// `redirect=` and the host of the edge, or `unknown`. No new line at the end: clients in the field take everything
    /// behind the `=` for the host.
    Redirect(Option<Assignment>),
}

/// How an answer goes onto the wire of HTTP/1.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Framing<'d> {
    /// The client speaks HTTP/1.0.
    pub(crate) is_old: bool,
    /// The connection stays open.
    pub(crate) keep_alive: bool,
    /// The request was HEAD.
    pub(crate) is_head: bool,
    /// The time of day, as it stands in a `Date` header.
    pub(crate) date: &'d str,
}

/// An answer is for one client and one moment: a cache in between would send everybody to one edge.
const NO_STORE: &str = "no-store";

impl<'a> Answer<'a> {
    /// 200 with a body.
    pub(super) fn content(content_type: &'static str, body: Body) -> Self {
        let content_type = Some(content_type);
        Self { status: StatusCode::OK, content_type, body, location: None, headers: SmallVec::new() }
    }

    /// A sentence.
    pub(super) fn text(status: StatusCode, body: impl Into<Body>) -> Self {
        Self { status, ..Self::content("text/plain; charset=utf-8", body.into()) }
    }

    /// Says something more.
    pub(super) fn with(mut self, name: &'static str, value: &'a str) -> Self {
        self.headers.push((name, value));
        self
    }

    /// Appends the whole answer: the very bytes that hyper would send.
    pub(crate) fn write(&self, framing: Framing<'_>, out: &mut Vec<u8>) {
        let version = if framing.is_old { "HTTP/1.0 " } else { "HTTP/1.1 " };
        let reason = self.status.canonical_reason().unwrap_or("<none>");
        push(out, &[version, self.status.as_str(), " ", reason, "\r\n"]);
        if let Some(content_type) = self.content_type {
            push(out, &["Content-Type: ", content_type, "\r\n"]);
        }
        push(out, &["Cache-Control: ", NO_STORE, "\r\n"]);
        if let Some(location) = &self.location {
            // Writing to a vector cannot fail.
            let _ = write!(out, "Location: {location}\r\n");
        }
        for (name, value) in &self.headers {
            push(out, &[name, ": ", value, "\r\n"]);
        }
        match (framing.is_old, framing.keep_alive) {
            (false, false) => push(out, &["Connection: close\r\n"]),
            (true, true) => push(out, &["Connection: keep-alive\r\n"]),
            (false, true) | (true, false) => {}
        }
        let [first, second] = self.body.parts();
        let length = first.len() + second.len();
        // A length of 0 is not said to HEAD, and none with 204 (RFC 9110 section 8.6).
        let says_length = self.status != StatusCode::NO_CONTENT && (length > 0 || !framing.is_head);
        if says_length {
            let _ = write!(out, "Content-Length: {length}\r\n");
        }
        push(out, &["Date: ", framing.date, "\r\n\r\n"]);
        if says_length && !framing.is_head {
            push(out, &[first, second]);
        }
    }

    /// The answer as hyper takes it.
    pub(super) fn into_response(self) -> Response<Full<Bytes>> {
        let mut response = Response::new(Full::new(self.body.into_bytes()));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        if let Some(content_type) = self.content_type {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
        }
        headers.insert(CACHE_CONTROL, HeaderValue::from_static(NO_STORE));
        // Nothing that a request may hold, nor a host that an edge may name, cannot stand in a header.
        if let Some(location) = self.location
            && let Ok(location) = HeaderValue::try_from(location.to_string())
        {
            headers.insert(LOCATION, location);
        }
        for (name, value) in self.headers {
            if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
                headers.insert(name, value);
            }
        }
        response
    }
}

fn push(out: &mut Vec<u8>, parts: &[&str]) {
    parts.iter().for_each(|part| out.extend_from_slice(part.as_bytes()));
}

impl Body {
    /// The text, in two parts of which one may be empty.
    pub(super) fn parts(&self) -> [&str; 2] {
        match self {
            Self::Fixed(text) => [text, ""],
            Self::Made(text) => [text, ""],
            Self::Redirect(destination) => ["redirect=", destination.as_ref().map_or("unknown", Assignment::host)],
        }
    }

    fn into_bytes(self) -> Bytes {
        match self {
            Self::Fixed(text) => Bytes::from_static(text.as_bytes()),
            Self::Made(text) => text.into(),
            Self::Redirect(_) => self.parts().concat().into(),
        }
    }
}

impl From<&'static str> for Body {
    fn from(text: &'static str) -> Self {
        Self::Fixed(text)
    }
}

impl From<String> for Body {
    fn from(text: String) -> Self {
        Self::Made(text)
    }
}
