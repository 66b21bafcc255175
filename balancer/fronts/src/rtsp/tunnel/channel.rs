//! The HTTP requests that open a channel of a tunnel.

use std::mem::MaybeUninit;

use httparse::Status;

/// A channel of a tunnel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Channel {
    /// `GET`: from the server to the client.
    Get,
    /// `POST`: from the client to the server.
    Post,
}

/// A request that opens a channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ChannelRequest<'a> {
    pub(super) channel: Channel,
    /// The value that both channels of a tunnel share, and no other tunnel of the client.
    pub(super) cookie: &'a [u8],
    /// The length of the request without its body.
    pub(super) length: usize,
}

/// The header with the cookie.
const COOKIE: &str = "x-sessioncookie";

/// The maximum number of headers. Clients send up to 12.
const MAX_HEADERS: usize = 32;

/// Returns whether `bytes`, which hold a complete head, open a channel of a tunnel.
pub(crate) fn is_tunnelled(bytes: &[u8]) -> bool {
    ChannelRequest::parse(bytes).is_some()
}

impl<'a> ChannelRequest<'a> {
    /// Parses the request at the start of `bytes`, which hold a complete head. Returns `None` if it opens no channel.
    ///
    /// QuickTime also sends the media types that it accepts and posts. The cookie alone is decisive.
    pub(super) fn parse(bytes: &'a [u8]) -> Option<Self> {
        let mut headers = [MaybeUninit::uninit(); MAX_HEADERS];
        let mut head = httparse::Request::new(&mut []);
        let Ok(Status::Complete(length)) = head.parse_with_uninit_headers(bytes, &mut headers) else { return None };
        let channel = match head.method? {
            "GET" => Channel::Get,
            "POST" => Channel::Post,
            _ => return None,
        };
        let cookie = head.headers.iter().find(|header| header.name.eq_ignore_ascii_case(COOKIE))?.value;
        Some(Self { channel, cookie, length })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_channels_of_real_clients_are_recognised() {
        for (bytes, channel, cookie) in [
            (&include_bytes!("../fixtures/ffmpeg-5.1.9-tunnel-get.http")[..], Channel::Get, "56564d6e369792d7"),
            (include_bytes!("../fixtures/ffmpeg-5.1.9-tunnel-post.http"), Channel::Post, "56564d6e369792d7"),
            (include_bytes!("../fixtures/gstreamer-1.22.0-tunnel-get.http"), Channel::Get, "jrwkvsgcfimwytteskxxnbo"),
        ] {
            let request = ChannelRequest::parse(bytes).unwrap();
            assert_eq!((request.channel, request.cookie), (channel, cookie.as_bytes()));
            assert!(bytes[..request.length].ends_with(b"\r\n\r\n"));
        }
    }

    #[test]
    fn other_requests_open_no_channel() {
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
