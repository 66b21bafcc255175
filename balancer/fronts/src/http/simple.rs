//! Parses requests without a body, which nearly all are, in place.

use std::mem::MaybeUninit;

use httparse::Status;

use crate::http::request::{Headers, Request};

/// Maximum number of headers; requests with more are passed to hyper.
const MAX_HEADERS: usize = 32;

/// A request without a body.
#[derive(Clone, Copy, Debug)]
pub(super) struct Simple<'a> {
    pub(super) request: Request<'a>,
    /// Its length in bytes.
    pub(super) length: usize,
    /// The client speaks HTTP/1.0.
    pub(super) is_http10: bool,
    /// The connection persists (RFC 9112 section 9.3).
    pub(super) keep_alive: bool,
}

impl<'a> Simple<'a> {
    /// Parses the request at the start of `bytes`, which contain a complete head. `None` for every other request, valid
    /// or not, which hyper handles.
    pub(super) fn parse(bytes: &'a [u8]) -> Option<Self> {
        let mut headers = [MaybeUninit::uninit(); MAX_HEADERS];
        let mut head = httparse::Request::new(&mut []);
        let Ok(Status::Complete(length)) = head.parse_with_uninit_headers(bytes, &mut headers) else { return None };
        let is_http10 = head.version? == 0;
        // `close` takes precedence in any position.
        let (mut keep_alive, mut close) = (!is_http10, false);
        let mut headers_seen = Headers::default();
        for header in head.headers.iter() {
            match header.name.len() {
                10 if header.name.eq_ignore_ascii_case("connection") => {
                    let tokens = str::from_utf8(header.value).ok()?.split(',').map(str::trim);
                    for token in tokens {
                        match token {
                            _ if token.eq_ignore_ascii_case("close") => close = true,
                            _ if token.eq_ignore_ascii_case("keep-alive") => keep_alive = true,
                            // An upgrade, or a hop-by-hop header.
                            _ => return None,
                        }
                    }
                }
                6 if header.name.eq_ignore_ascii_case("expect") => return None,
                14 if header.name.eq_ignore_ascii_case("content-length") => return None,
                17 if header.name.eq_ignore_ascii_case("transfer-encoding") => return None,
                // One half of an RTSP tunnel.
                15 if header.name.eq_ignore_ascii_case("x-sessioncookie") => return None,
                _ => headers_seen.record(header.name, header.value),
            }
        }
        let target = head.path.filter(|target| target.starts_with('/') && !target.contains('#'))?;
        let (path, query) = target.split_once('?').map_or((target, None), |(path, query)| (path, Some(query)));
        let request = Request::new(head.method?, path, query, headers_seen)?;
        Some(Self { request, length, is_http10, keep_alive: keep_alive && !close })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_parsed_up_to_its_end() {
        let bytes = b"GET /redirect/live/a?b=c HTTP/1.1\r\nHost: lb:80\r\norigin: https://site\r\n\r\nGET / HTTP";
        let simple = Simple::parse(bytes).unwrap();
        assert_eq!(&bytes[simple.length..], b"GET / HTTP");
        let Request { method, path, query, headers, .. } = simple.request;
        assert_eq!((method, path, query), ("GET", "/redirect/live/a", Some("b=c")));
        assert_eq!((headers.host, headers.origin), (Some("lb:80"), Some("https://site")));
    }

    #[test]
    fn a_connection_persists_as_its_http_version_requires() {
        for (head, is_http10, keep_alive) in [
            ("HTTP/1.1\r\n", false, true),
            ("HTTP/1.1\r\nConnection: close\r\n", false, false),
            ("HTTP/1.1\r\nConnection: keep-alive, Close\r\n", false, false),
            ("HTTP/1.1\r\nConnection: close, keep-alive\r\n", false, false),
            ("HTTP/1.0\r\nConnection: close\r\nConnection: keep-alive\r\n", true, false),
            ("HTTP/1.0\r\n", true, false),
            ("HTTP/1.0\r\nConnection: Keep-Alive\r\n", true, true),
        ] {
            let request = format!("GET / {head}\r\n");
            let simple = Simple::parse(request.as_bytes()).unwrap();
            assert_eq!((simple.is_http10, simple.keep_alive), (is_http10, keep_alive), "{head}");
        }
    }

    #[test]
    fn other_requests_are_left_to_hyper() {
        for request in [
            "POST / HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}",
            "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n",
            "POST / HTTP/1.1\r\nExpect: 100-continue\r\n\r\n",
            "GET / HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
            "GET http://lb/ HTTP/1.1\r\n\r\n",
            "GET /#x HTTP/1.1\r\n\r\n",
            "OPTIONS * HTTP/1.1\r\n\r\n",
            "GET / HTTP/1.1\r\nBad Header: x\r\n\r\n",
            "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: cut",
        ] {
            assert!(Simple::parse(request.as_bytes()).is_none(), "{request}");
        }
    }
}
