//! Which HTTP requests are half of a tunnel.

use std::mem::MaybeUninit;

use httparse::Status;

/// Which half.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Half {
    /// `GET`: what the client is told goes here.
    ToClient,
    /// `POST`: what the client says comes here.
    FromClient,
}

/// A request for half of a tunnel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Request<'a> {
    pub(super) half: Half,
    /// What both halves have in common, and no other tunnel of the client.
    pub(super) cookie: &'a [u8],
    /// How many bytes the request has without its body.
    pub(super) length: usize,
}

/// What both halves have in common.
const COOKIE: &str = "x-sessioncookie";

/// Most headers that a half may have; real clients send up to 12.
const MAX_HEADERS: usize = 32;

/// Whether `bytes`, which hold a whole head, are half of a tunnel.
pub(crate) fn is_tunnelled(bytes: &[u8]) -> bool {
    Request::parse(bytes).is_some()
}

impl<'a> Request<'a> {
    /// Reads the request at the beginning of `bytes`, which hold a whole head; nothing if it is any other than for half
    /// of a tunnel. QuickTime says besides what it accepts, and what it posts; the cookie is what matters.
    pub(super) fn parse(bytes: &'a [u8]) -> Option<Self> {
        let mut headers = [MaybeUninit::uninit(); MAX_HEADERS];
        let mut head = httparse::Request::new(&mut []);
        let Ok(Status::Complete(length)) = head.parse_with_uninit_headers(bytes, &mut headers) else { return None };
        let half = match head.method? {
            "GET" => Half::ToClient,
            "POST" => Half::FromClient,
            _ => return None,
        };
        let cookie = head.headers.iter().find(|header| header.name.eq_ignore_ascii_case(COOKIE))?.value;
        Some(Self { half, cookie, length })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_halves_of_real_clients_are_told() {
        for (bytes, half, cookie) in [
            (&include_bytes!("../fixtures/ffmpeg-5.1.9-tunnel-get.http")[..], Half::ToClient, "56564d6e369792d7"),
            (include_bytes!("../fixtures/ffmpeg-5.1.9-tunnel-post.http"), Half::FromClient, "56564d6e369792d7"),
            (include_bytes!("../fixtures/gstreamer-1.22.0-tunnel-get.http"), Half::ToClient, "jrwkvsgcfimwytteskxxnbo"),
        ] {
            let request = Request::parse(bytes).unwrap();
            assert_eq!((request.half, request.cookie), (half, cookie.as_bytes()));
            assert!(bytes[..request.length].ends_with(b"\r\n\r\n"));
        }
    }

    #[test]
    fn other_requests_are_not() {
        for bytes in [
            "GET / HTTP/1.1\r\nHost: h\r\n\r\n",
            "PUT / HTTP/1.1\r\nx-sessioncookie: a\r\n\r\n",
            "GET / HTTP/1.1\r\nx-sessioncookie: a\r\n",
            "GET x-sessioncookie\r\n\r\n",
        ] {
            assert!(!is_tunnelled(bytes.as_bytes()), "{bytes}");
        }
    }
}
