//! A request, as far as answers depend on it: borrowed from whoever has read it.

/// A request, as far as answers depend on it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Request<'a> {
    /// As it was sent: methods are told apart by case (RFC 9110 section 9.1).
    pub(crate) method: &'a str,
    /// The path of its target: graphic ASCII and UTF-8, as it was sent.
    pub(crate) path: &'a str,
    /// What stands behind the question mark, likewise.
    pub(crate) query: Option<&'a str>,
    /// Its headers.
    pub(crate) headers: Headers<'a>,
    /// What it carries; empty unless the answer depends on it.
    pub(crate) body: &'a [u8],
}

/// The headers that answers depend on. Of those that come twice the first counts.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Headers<'a> {
    /// The host and the port that the client asks, as its URL names them.
    pub(crate) host: Option<&'a str>,
    /// The site whose page asks.
    pub(crate) origin: Option<&'a str>,
    /// `Access-Control-Request-Method`: a browser asks whether a page may use this method.
    pub(crate) requested_method: Option<&'a str>,
    /// `Access-Control-Request-Headers`: … and these headers.
    pub(crate) requested_headers: Option<&'a str>,
}

impl<'a> Request<'a> {
    /// A request without a body. `None` when the target has characters that cannot stand in a URL, nor in an answer.
    pub(crate) fn new(method: &'a str, path: &'a str, query: Option<&'a str>, headers: Headers<'a>) -> Option<Self> {
        let is_clean = |text: &str| text.bytes().all(|byte| byte > b' ' && byte != 0x7f);
        let all_clean = is_clean(path) && query.is_none_or(is_clean);
        all_clean.then_some(Self { method, path, query, headers, body: &[] })
    }

    /// Whether it only asks.
    pub(super) fn is_read(&self) -> bool {
        matches!(self.method, "GET" | "HEAD")
    }

    /// Whether the answer has no body, whatever it says of it.
    pub(crate) fn is_head(&self) -> bool {
        self.method == "HEAD"
    }
}

impl<'a> Headers<'a> {
    /// Takes in one header of the request; most are of no interest. A value that is not printable ASCII is none.
    pub(crate) fn note(&mut self, name: &str, value: &'a [u8]) {
        let place = match name.len() {
            4 if name.eq_ignore_ascii_case("host") => &mut self.host,
            6 if name.eq_ignore_ascii_case("origin") => &mut self.origin,
            29 if name.eq_ignore_ascii_case("access-control-request-method") => &mut self.requested_method,
            30 if name.eq_ignore_ascii_case("access-control-request-headers") => &mut self.requested_headers,
            _ => return,
        };
        let is_printable = value.iter().all(|byte| matches!(byte, b' '..=b'~'));
        if place.is_none() && is_printable {
            *place = str::from_utf8(value).ok();
        }
    }

    /// The host that the client's URL names, without a port.
    pub(super) fn host_name(&self) -> Option<&'a str> {
        let host = self.host?;
        let end = host.rfind(':').filter(|_| !host.ends_with(']')).unwrap_or(host.len());
        Some(host[..end].trim_start_matches('[').trim_end_matches(']'))
    }

    /// The port that the client's URL names. `None` when the client named no host at all; `Some(None)` when it named one
    /// without a port, which is then the scheme's own.
    pub(super) fn port(&self) -> Option<Option<u16>> {
        let port = |host: &str| host.rsplit_once(':').and_then(|(_, port)| port.parse().ok());
        self.host.map(port)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_told_by_name_in_any_case_and_the_first_counts() {
        let mut headers = Headers::default();
        for (name, value) in [
            ("HOST", "lb.example.com:8080"),
            ("Host", "other"),
            ("oriGin", "https://site.example"),
            ("Access-Control-Request-Method", "POST"),
            ("access-control-request-headers", "content-type, range"),
            ("Hos", "x"),
            ("Accept", "x"),
        ] {
            headers.note(name, value.as_bytes());
        }
        assert_eq!((headers.host, headers.origin), (Some("lb.example.com:8080"), Some("https://site.example")));
        assert_eq!(headers.requested_method, Some("POST"));
        assert_eq!(headers.requested_headers, Some("content-type, range"));
    }

    #[test]
    fn a_header_that_could_end_a_line_is_none() {
        let mut headers = Headers::default();
        headers.note("origin", b"https://site.example\r\nSet-Cookie: x");
        headers.note("host", b"\xff");
        assert_eq!((headers.origin, headers.host), (None, None));
    }

    #[test]
    fn the_port_is_the_one_that_the_client_named() {
        let port = |host: &'static str| Headers { host: Some(host), ..Headers::default() }.port();
        for (host, expected) in
            [("lb", None), ("lb:8080", Some(8080)), ("[::1]", None), ("[::1]:80", Some(80)), ("lb:", None), ("", None)]
        {
            assert_eq!(port(host), Some(expected), "{host}");
        }
        assert_eq!(Headers::default().port(), None);
    }

    #[test]
    fn the_host_is_the_one_that_the_client_named_without_brackets() {
        let name = |host: &'static str| Headers { host: Some(host), ..Headers::default() }.host_name();
        for (host, expected) in [("lb", "lb"), ("lb:8080", "lb"), ("[::1]", "::1"), ("[::1]:80", "::1"), ("", "")] {
            assert_eq!(name(host), Some(expected), "{host}");
        }
    }

    #[test]
    fn a_target_that_could_end_a_line_is_refused() {
        let new = |path, query| Request::new("GET", path, query, Headers::default()).is_some();
        assert!(new("/live/a%20b", Some("x=ä")));
        for bad in ["/a b", "/a\r\nb", "/a\x7f", "/a\0"] {
            assert!(!new(bad, None) && !new("/", Some(bad)), "{bad:?}");
        }
    }
}
