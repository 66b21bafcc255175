//! The parts of a request that responses depend on, borrowed from the parser.

/// The parts of a request that responses depend on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Request<'a> {
    /// As sent; methods are case-sensitive (RFC 9110 section 9.1).
    pub(crate) method: &'a str,
    /// The path of the target as sent: visible ASCII and UTF-8.
    pub(crate) path: &'a str,
    /// The query, likewise.
    pub(crate) query: Option<&'a str>,
    pub(crate) headers: Headers<'a>,
    /// The body; empty unless the response depends on it.
    pub(crate) body: &'a [u8],
}

/// The headers that responses depend on. Of repeated headers the first applies.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Headers<'a> {
    /// `Host`: host and port of the requested URL.
    pub(crate) host: Option<&'a str>,
    /// Whether there is more than one `Host`, which makes the request invalid (RFC 9112 section 3.2).
    pub(crate) has_several_hosts: bool,
    /// `Origin`: the site of the requesting page.
    pub(crate) origin: Option<&'a str>,
    /// `Access-Control-Request-Method`: the method that a preflight is for.
    pub(crate) requested_method: Option<&'a str>,
    /// `Access-Control-Request-Headers`: the headers that a preflight is for.
    pub(crate) requested_headers: Option<&'a str>,
}

impl<'a> Request<'a> {
    /// A request without a body. `None` if the target contains characters that are not allowed in a URL or a header.
    pub(crate) fn new(method: &'a str, path: &'a str, query: Option<&'a str>, headers: Headers<'a>) -> Option<Self> {
        let is_clean = |text: &str| text.bytes().all(|byte| byte > b' ' && byte != 0x7f);
        let all_clean = is_clean(path) && query.is_none_or(is_clean);
        all_clean.then_some(Self { method, path, query, headers, body: &[] })
    }

    /// Whether the method is GET or HEAD.
    pub(super) fn is_read(&self) -> bool {
        matches!(self.method, "GET" | "HEAD")
    }

    /// Whether the response must not have a body, whatever its headers say.
    pub(crate) fn is_head(&self) -> bool {
        self.method == "HEAD"
    }
}

impl<'a> Headers<'a> {
    /// Records a header if responses depend on it. A value that is not printable ASCII is ignored.
    pub(crate) fn record(&mut self, name: &str, value: &'a [u8]) {
        let slot = match name.len() {
            4 if name.eq_ignore_ascii_case("host") => {
                self.has_several_hosts |= self.host.is_some();
                &mut self.host
            }
            6 if name.eq_ignore_ascii_case("origin") => &mut self.origin,
            29 if name.eq_ignore_ascii_case("access-control-request-method") => &mut self.requested_method,
            30 if name.eq_ignore_ascii_case("access-control-request-headers") => &mut self.requested_headers,
            _ => return,
        };
        let is_printable = value.iter().all(|byte| matches!(byte, b' '..=b'~'));
        if slot.is_none() && is_printable {
            *slot = str::from_utf8(value).ok();
        }
    }

    /// The host of the requested URL, without port and brackets.
    pub(super) fn host_name(&self) -> Option<&'a str> {
        let host = self.host?;
        let end = host.rfind(':').filter(|_| !host.ends_with(']')).unwrap_or(host.len());
        Some(host[..end].trim_start_matches('[').trim_end_matches(']'))
    }

    /// The port of the requested URL. `None` without a `Host` header; `Some(None)` for a host without a port, which
    /// means the scheme's default.
    pub(super) fn port(&self) -> Option<Option<u16>> {
        let port = |host: &str| host.rsplit_once(':').and_then(|(_, port)| port.parse().ok());
        self.host.map(port)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn header_names_are_case_insensitive_and_the_first_value_applies() {
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
            headers.record(name, value.as_bytes());
        }
        assert_eq!((headers.host, headers.origin), (Some("lb.example.com:8080"), Some("https://site.example")));
        assert!(headers.has_several_hosts);
        assert_eq!(headers.requested_method, Some("POST"));
        assert_eq!(headers.requested_headers, Some("content-type, range"));
    }

    #[test]
    fn a_header_that_is_not_printable_is_ignored() {
        let mut headers = Headers::default();
        headers.record("origin", b"https://site.example\r\nSet-Cookie: x");
        headers.record("host", b"\xff");
        assert_eq!((headers.origin, headers.host), (None, None));
    }

    #[test]
    fn the_port_is_that_of_the_host_header() {
        let port = |host: &'static str| Headers { host: Some(host), ..Headers::default() }.port();
        for (host, expected) in
            [("lb", None), ("lb:8080", Some(8080)), ("[::1]", None), ("[::1]:80", Some(80)), ("lb:", None), ("", None)]
        {
            assert_eq!(port(host), Some(expected), "{host}");
        }
        assert_eq!(Headers::default().port(), None);
    }

    #[test]
    fn the_host_name_has_no_port_and_no_brackets() {
        let name = |host: &'static str| Headers { host: Some(host), ..Headers::default() }.host_name();
        for (host, expected) in [("lb", "lb"), ("lb:8080", "lb"), ("[::1]", "::1"), ("[::1]:80", "::1"), ("", "")] {
            assert_eq!(name(host), Some(expected), "{host}");
        }
    }

    #[test]
    fn a_target_with_spaces_or_control_characters_is_rejected() {
        let new = |path, query| Request::new("GET", path, query, Headers::default()).is_some();
        assert!(new("/live/a%20b", Some("x=ä")));
        for bad in ["/a b", "/a\r\nb", "/a\x7f", "/a\0"] {
            assert!(!new(bad, None) && !new("/", Some(bad)), "{bad:?}");
        }
    }
}
