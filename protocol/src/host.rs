//! Host names and addresses that are safe to hand to a client.

use std::fmt;
use std::net::Ipv6Addr;

/// A host name, an IPv4 address, or an IPv6 address (with or without brackets), as an edge wants to be called.
///
/// It ends up in HTTP and RTSP headers, in RTMP objects and in XML. So it is checked once, where it comes in, and
/// nothing that could end a header, a URL's host part or an element can be in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Host<'a>(&'a str);

impl<'a> Host<'a> {
    /// Most bytes in a host: a domain name has at most 253 (RFC 1035 section 2.3.4, less the root and length bytes).
    pub const MAX_LENGTH: usize = 253;

    /// Checks `text`.
    ///
    /// # Errors
    /// [`InvalidHost`] when it is empty, too long, or has a character that no host name or address has.
    pub fn new(text: &'a str) -> Result<Self, InvalidHost> {
        if text.is_empty() || text.len() > Self::MAX_LENGTH {
            return Err(InvalidHost);
        }
        // A colon can only be part of an IPv6 address: a host with a port would end up twice in a URL.
        if text.contains(':') {
            let address = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
            return address.parse::<Ipv6Addr>().map(|_| Self(text)).map_err(|_| InvalidHost);
        }
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
        if text.bytes().all(allowed) && !text.starts_with('-') { Ok(Self(text)) } else { Err(InvalidHost) }
    }

    /// The host as it was given.
    #[must_use]
    pub fn as_str(self) -> &'a str {
        self.0
    }

    /// The host as it stands in a URL: an IPv6 address in brackets (RFC 3986 section 3.2.2).
    #[must_use]
    pub fn in_url(self) -> InUrl<'a> {
        InUrl(self.0)
    }
}

/// See [`Host::in_url`].
#[derive(Clone, Copy, Debug)]
pub struct InUrl<'a>(&'a str);

impl fmt::Display for InUrl<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.contains(':') && !self.0.starts_with('[') { write!(f, "[{}]", self.0) } else { f.write_str(self.0) }
    }
}

/// The text is no host name and no address.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("not a host: expected a name such as edge1.example.com or an address without a port, at most 253 characters")]
pub struct InvalidHost;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_addresses_are_hosts() {
        for text in ["edge1", "edge-1.example.com", "10.0.0.1", "::1", "[2001:db8::1]", "my_edge"] {
            assert_eq!(Host::new(text).map(Host::as_str), Ok(text));
        }
    }

    #[test]
    fn nothing_that_could_break_out_of_a_header_or_url_is_a_host() {
        let long = "a".repeat(254);
        for text in ["", "a b", "a\r\nX: y", "a/b", "a:80", "a@b", "<a>", "é", "-rf", "[::1", "[::1]:80", &long] {
            assert_eq!(Host::new(text), Err(InvalidHost), "{text:?}");
        }
    }

    #[test]
    fn an_ipv6_address_gets_brackets_in_a_url_once() {
        let url = |text| Host::new(text).map(|host| host.in_url().to_string());
        assert_eq!(url("::1").as_deref(), Ok("[::1]"));
        assert_eq!(url("[::1]").as_deref(), Ok("[::1]"));
        assert_eq!(url("edge1").as_deref(), Ok("edge1"));
    }
}
