//! Requests that are complete with their head, which is nearly all: read where they lie, without a copy.

use std::mem::MaybeUninit;

use httparse::Status;

use crate::http::request::{Headers, Request};

/// Most headers that are looked at here; requests with more go through hyper.
const MAX_HEADERS: usize = 32;

/// A request without a body.
#[derive(Clone, Copy, Debug)]
pub(super) struct Simple<'a> {
    pub(super) request: Request<'a>,
    /// How many bytes it has.
    pub(super) length: usize,
    /// The client speaks HTTP/1.0.
    pub(super) is_old: bool,
    /// The client goes on with this connection (RFC 9112 section 9.3).
    pub(super) keep_alive: bool,
}

impl<'a> Simple<'a> {
    /// Reads the request at the beginning of `bytes`, which hold a whole head. `None` for whatever is not simple, well
    /// formed or not: hyper knows what to do with it.
    pub(super) fn parse(bytes: &'a [u8]) -> Option<Self> {
        let mut headers = [MaybeUninit::uninit(); MAX_HEADERS];
        let mut head = httparse::Request::new(&mut []);
        let Ok(Status::Complete(length)) = head.parse_with_uninit_headers(bytes, &mut headers) else { return None };
        let is_old = head.version? == 0;
        // Close wins, wherever it stands.
        let (mut keep_alive, mut close) = (!is_old, false);
        let mut noted = Headers::default();
        for header in head.headers.iter() {
            match header.name.len() {
                10 if header.name.eq_ignore_ascii_case("connection") => {
                    let tokens = str::from_utf8(header.value).ok()?.split(',').map(str::trim);
                    for token in tokens {
                        match token {
                            _ if token.eq_ignore_ascii_case("close") => close = true,
                            _ if token.eq_ignore_ascii_case("keep-alive") => keep_alive = true,
                            // An upgrade, or a header for this hop alone.
                            _ => return None,
                        }
                    }
                }
                6 if header.name.eq_ignore_ascii_case("expect") => return None,
                14 if header.name.eq_ignore_ascii_case("content-length") => return None,
                17 if header.name.eq_ignore_ascii_case("transfer-encoding") => return None,
                // Half of an RTSP tunnel.
                15 if header.name.eq_ignore_ascii_case("x-sessioncookie") => return None,
                _ => noted.note(header.name, header.value),
            }
        }
        let target = head.path.filter(|target| target.starts_with('/') && !target.contains('#'))?;
        let (path, query) = target.split_once('?').map_or((target, None), |(path, query)| (path, Some(query)));
        let request = Request::new(head.method?, path, query, noted)?;
        Some(Self { request, length, is_old, keep_alive: keep_alive && !close })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_read_to_its_end_and_no_further() {
        let bytes = b"GET /redirect/live/a?b=c HTTP/1.1\r\nHost: lb:80\r\norigin: https://site\r\n\r\nGET / HTTP";
        let simple = Simple::parse(bytes).unwrap();
        assert_eq!(&bytes[simple.length..], b"GET / HTTP");
        let Request { method, path, query, headers, .. } = simple.request;
        assert_eq!((method, path, query), ("GET", "/redirect/live/a", Some("b=c")));
        assert_eq!((headers.host, headers.origin), (Some("lb:80"), Some("https://site")));
    }

    #[test]
    fn a_connection_stays_open_as_the_versions_have_it() {
        for (head, is_old, keep_alive) in [
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
            assert_eq!((simple.is_old, simple.keep_alive), (is_old, keep_alive), "{head}");
        }
    }

    #[test]
    fn whatever_is_not_simple_is_left_to_hyper() {
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
