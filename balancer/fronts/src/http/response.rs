//! A response and its bytes.
//!
//! A response is sent through hyper, or written straight into a buffer, which allocates nothing. Both produce the same
//! bytes.

use std::io::Write as _;

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderName, HeaderValue, LOCATION};
use hyper::{Response as HyperResponse, StatusCode};
use smallvec::SmallVec;

use crate::http::location::Location;
use crate::redirect::Assignment;

/// A complete response. It borrows from the request and from the configuration.
#[derive(Debug)]
pub(crate) struct Response<'a> {
    pub(super) status: StatusCode,
    pub(super) content_type: Option<&'static str>,
    pub(super) body: Body,
    pub(super) location: Option<Location<'a>>,
    /// Further headers, each name once and as written on the wire.
    pub(super) headers: SmallVec<[(&'static str, &'a str); 6]>,
}

/// The body of a response.
#[derive(Debug)]
pub(super) enum Body {
    /// A constant text.
    Fixed(&'static str),
    /// A text composed for this response.
    Text(String),
    /// `redirect=` and the host of the edge, or `unknown`. Without a newline: existing clients take everything after
    /// the `=` as the host. They append a port, so an IPv6 address is in brackets (RFC 3986 section 3.2.2).
    Redirect(Option<Assignment>),
}

/// Properties of a response that depend on the connection, for HTTP/1.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Framing<'d> {
    /// The client speaks HTTP/1.0.
    pub(crate) is_http10: bool,
    /// The connection stays open.
    pub(crate) keep_alive: bool,
    /// The request was HEAD.
    pub(crate) is_head: bool,
    /// The value of the `Date` header.
    pub(crate) date: &'d str,
}

/// A response is for one client at one moment: a cache would send all clients to the same edge.
const NO_STORE: &str = "no-store";

impl<'a> Response<'a> {
    /// 200 with a body.
    pub(super) fn content(content_type: &'static str, body: Body) -> Self {
        let content_type = Some(content_type);
        Self { status: StatusCode::OK, content_type, body, location: None, headers: SmallVec::new() }
    }

    /// A plain text.
    pub(super) fn text(status: StatusCode, body: impl Into<Body>) -> Self {
        Self { status, ..Self::content("text/plain; charset=utf-8", body.into()) }
    }

    /// Adds a header.
    pub(super) fn with(mut self, name: &'static str, value: &'a str) -> Self {
        self.headers.push((name, value));
        self
    }

    /// Appends the response: the same bytes that hyper would send.
    pub(crate) fn write(&self, framing: Framing<'_>, out: &mut Vec<u8>) {
        let version = if framing.is_http10 { "HTTP/1.0 " } else { "HTTP/1.1 " };
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
        match (framing.is_http10, framing.keep_alive) {
            (false, false) => push(out, &["Connection: close\r\n"]),
            (true, true) => push(out, &["Connection: keep-alive\r\n"]),
            (false, true) | (true, false) => {}
        }
        let parts = self.body.parts();
        let length: usize = parts.iter().map(|part| part.len()).sum();
        // No length of 0 in response to HEAD, and none at all with 204 (RFC 9110 section 8.6).
        let has_length = self.status != StatusCode::NO_CONTENT && (length > 0 || !framing.is_head);
        if has_length {
            let _ = write!(out, "Content-Length: {length}\r\n");
        }
        push(out, &["Date: ", framing.date, "\r\n\r\n"]);
        if has_length && !framing.is_head {
            push(out, &parts);
        }
    }

    /// Converts the response to one of hyper.
    pub(super) fn into_hyper(self) -> HyperResponse<Full<Bytes>> {
        let mut response = HyperResponse::new(Full::new(self.body.into_bytes()));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        if let Some(content_type) = self.content_type {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
        }
        headers.insert(CACHE_CONTROL, HeaderValue::from_static(NO_STORE));
        // Succeeds: requests and reports with characters that are not allowed in a header were rejected.
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
    /// The text in parts, which may be empty.
    pub(super) fn parts(&self) -> [&str; 4] {
        match self {
            Self::Fixed(text) => [text, "", "", ""],
            Self::Text(text) => [text, "", "", ""],
            Self::Redirect(assignment) => {
                let host = assignment.as_ref().map_or("unknown", Assignment::host);
                let is_bare_ipv6 = host.contains(':') && !host.starts_with('[');
                let [open, close] = if is_bare_ipv6 { ["[", "]"] } else { ["", ""] };
                ["redirect=", open, host, close]
            }
        }
    }

    fn into_bytes(self) -> Bytes {
        match self {
            Self::Fixed(text) => Bytes::from_static(text.as_bytes()),
            Self::Text(text) => text.into(),
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
        Self::Text(text)
    }
}
