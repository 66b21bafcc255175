//! Host names and addresses that are safe to send to a client.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};

/// A host name, an IPv4 address, or an IPv6 address with or without brackets.
///
/// A host is copied into HTTP and RTSP headers, RTMP objects and XML. It is checked once, where it comes in, so that it
/// can never end a header, the host part of a URL, or an element.
///
/// ```
/// use weir_protocol::Host;
///
/// assert_eq!(Host::new("edge1.example.com")?.as_str(), "edge1.example.com");
/// assert_eq!(Host::new("2001:db8::1")?.in_url().to_string(), "[2001:db8::1]");
/// assert!(Host::new("edge1.example.com:1935").is_err());
/// # Ok::<(), weir_protocol::host::InvalidHost>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Host<'a>(&'a str);

impl<'a> Host<'a> {
    /// Maximum length in bytes: that of a domain name (RFC 1035 section 2.3.4, less the root and length bytes).
    pub const MAX_LENGTH: usize = 253;

    /// Checks `text`.
    ///
    /// # Errors
    /// [`InvalidHost`] if it is empty, too long, or has a character that no host name or address has.
    pub fn new(text: &'a str) -> Result<Self, InvalidHost> {
        if text.is_empty() || text.len() > Self::MAX_LENGTH {
            return Err(InvalidHost);
        }
        // A colon can only be part of an IPv6 address: a host with a port would put two ports into a URL.
        if text.contains(':') {
            return without_brackets(text).parse::<Ipv6Addr>().map(|_| Self(text)).map_err(|_| InvalidHost);
        }
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
        if text.bytes().all(allowed) && !text.starts_with('-') { Ok(Self(text)) } else { Err(InvalidHost) }
    }

    /// The host as it was given.
    #[must_use]
    pub fn as_str(self) -> &'a str {
        self.0
    }

    /// Returns whether a client could connect to the host: `false` for unspecified, multicast and broadcast addresses, and
    /// for names without a letter or digit. Such hosts are mistakes in the configuration of an edge.
    ///
    /// ```
    /// use weir_protocol::Host;
    ///
    /// assert!(Host::new("edge1.example.com")?.is_destination());
    /// assert!(!Host::new("0.0.0.0")?.is_destination());
    /// # Ok::<(), weir_protocol::host::InvalidHost>(())
    /// ```
    #[must_use]
    pub fn is_destination(self) -> bool {
        let bare = self.without_brackets();
        match bare.parse::<IpAddr>().map(|address| address.to_canonical()) {
            Ok(IpAddr::V4(address)) => !(address.octets()[0] == 0 || address.is_multicast() || address.is_broadcast()),
            Ok(IpAddr::V6(address)) => !(address.is_unspecified() || address.is_multicast()),
            Err(_) => bare.bytes().any(|byte| byte.is_ascii_alphanumeric()),
        }
    }

    /// Returns the host without the brackets that an IPv6 address may have.
    #[must_use]
    pub fn without_brackets(self) -> &'a str {
        without_brackets(self.0)
    }

    /// Displays the host as in a URL: an IPv6 address in brackets (RFC 3986 section 3.2.2).
    #[must_use]
    pub fn in_url(self) -> InUrl<'a> {
        InUrl(self.0)
    }
}

fn without_brackets(text: &str) -> &str {
    text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text)
}

/// Displays a host as in a URL; see [`Host::in_url`].
#[derive(Clone, Copy, Debug)]
pub struct InUrl<'a>(&'a str);

impl fmt::Display for InUrl<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.contains(':') && !self.0.starts_with('[') { write!(f, "[{}]", self.0) } else { f.write_str(self.0) }
    }
}

/// The text is neither a host name nor an address.
#[derive(Clone, Copy, Debug, thiserror::Error, PartialEq, Eq)]
#[error("not a host: expected a name such as edge1.example.com or an address without a port, at most 253 characters")]
#[non_exhaustive]
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
    fn text_that_could_break_out_of_a_header_or_url_is_no_host() {
        let long = "a".repeat(254);
        for text in ["", "a b", "a\r\nX: y", "a/b", "a:80", "a@b", "<a>", "é", "-rf", "[::1", "[::1]:80", &long] {
            assert_eq!(Host::new(text), Err(InvalidHost), "{text:?}");
        }
    }

    #[test]
    fn hosts_to_which_no_client_can_connect_are_no_destinations() {
        for text in [
            "0.0.0.0",
            "0.1.2.3",
            "::",
            "[::]",
            "::ffff:0.0.0.0",
            "224.0.0.1",
            "ff02::1",
            "255.255.255.255",
            "_",
            "...",
        ] {
            assert!(!Host::new(text).unwrap().is_destination(), "{text}");
        }
        for text in ["edge1", "localhost", "127.0.0.1", "10.0.0.1", "[::1]", "fe80::1", "2001:db8::1", "my_edge"] {
            assert!(Host::new(text).unwrap().is_destination(), "{text}");
        }
    }

    #[test]
    fn an_ipv6_address_has_one_pair_of_brackets_in_a_url() {
        let url = |text| Host::new(text).map(|host| host.in_url().to_string());
        assert_eq!(url("::1").as_deref(), Ok("[::1]"));
        assert_eq!(url("[::1]").as_deref(), Ok("[::1]"));
        assert_eq!(url("edge1").as_deref(), Ok("edge1"));
    }
}
