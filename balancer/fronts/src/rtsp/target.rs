//! The target of a request line: `*`, a path, or an RTSP URL (RFC 2326 sections 3.2 and 6.1).

use thiserror::Error;
use weir_fleet::{Protocol, Scheme};

/// The resource that a request applies to.
///
/// Every part is visible ASCII, and so cannot end a header that it is written to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target<'a> {
    /// `*`: the server itself.
    Asterisk,
    /// A path and query without scheme and host, such as `/live/stream?token=abc`. RFC 2326 does not allow it, but
    /// nothing is lost by accepting it.
    Path(&'a str),
    /// An absolute URL, as clients send.
    Url(Url<'a>),
}

/// An absolute RTSP URL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Url<'a> {
    /// The scheme, which is not case-sensitive.
    pub scheme: Scheme,
    /// A name, an IPv4 address, or an IPv6 address without its brackets. Never empty.
    pub host: &'a str,
    /// The port, 1 to 65535, if there is one.
    pub port: Option<u16>,
    /// Everything after the authority, unchanged: empty, or starting with `/`, `?` or `#`.
    pub path_and_query: &'a str,
    /// Whether the URL contains a user name or password. They are discarded: a redirect must not disclose them to
    /// another host.
    pub has_userinfo: bool,
}

/// Why a target is invalid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum TargetError {
    /// It contains a space, a control character or a byte outside ASCII that the client has not percent-encoded.
    #[error("the URL holds a character that is not visible ASCII")]
    Unprintable,
    /// It is neither `*`, nor a path, nor a URL with `://`.
    #[error("the URL is not absolute")]
    Relative,
    /// The scheme is none of RTSP's.
    #[error("the URL's scheme is not RTSP's")]
    Scheme,
    /// The host is missing, or contains characters that neither a name nor an address contains.
    #[error("the URL's host is not a name or an address")]
    Host,
    /// The port is not a number from 1 to 65535.
    #[error("the URL's port is not a number from 1 to 65535")]
    Port,
}

impl TargetError {
    /// The `reason` label in metrics.
    pub fn reason(self) -> &'static str {
        match self {
            Self::Unprintable => "target-unprintable",
            Self::Relative => "target-relative",
            Self::Scheme => "target-scheme",
            Self::Host => "target-host",
            Self::Port => "target-port",
        }
    }
}

impl<'a> Target<'a> {
    /// Parses the target of a request line.
    ///
    /// # Errors
    ///
    /// [`TargetError`], which names the invalid part.
    pub fn parse(target: &'a [u8]) -> Result<Self, TargetError> {
        if !target.iter().all(u8::is_ascii_graphic) {
            return Err(TargetError::Unprintable);
        }
        let target = str::from_utf8(target).map_err(|_| TargetError::Unprintable)?;
        if target == "*" {
            return Ok(Self::Asterisk);
        }
        if target.starts_with('/') {
            return Ok(Self::Path(target));
        }
        Url::parse_visible(target).map(Self::Url)
    }

    /// The path and query, unchanged, for the URL on an edge. `*` has none.
    pub fn path_and_query(&self) -> Option<&'a str> {
        match self {
            Self::Asterisk => None,
            Self::Path(path_and_query) => Some(path_and_query),
            Self::Url(url) => Some(url.path_and_query),
        }
    }
}

impl<'a> Url<'a> {
    /// The port, or the default port of the scheme.
    pub fn port(&self) -> u16 {
        self.port.unwrap_or_else(|| self.scheme.default_port())
    }

    /// Parses a URL that consists of visible ASCII.
    fn parse_visible(url: &'a str) -> Result<Self, TargetError> {
        let (scheme, rest) = url.split_once("://").ok_or(TargetError::Relative)?;
        let scheme = Protocol::Rtsp.scheme_named(scheme).ok_or(TargetError::Scheme)?;
        let authority_end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, path_and_query) = rest.split_at(authority_end);
        let (has_userinfo, host_and_port) = match authority.rsplit_once('@') {
            Some((_, host_and_port)) => (true, host_and_port),
            None => (false, authority),
        };
        let (host, port) = split_port(host_and_port)?;
        Ok(Self { scheme, host, port: parse_port(port)?, path_and_query, has_userinfo })
    }
}

/// Splits `host`, `host:port` or `[address]:port`. The port is empty if there is none.
fn split_port(host_and_port: &str) -> Result<(&str, &str), TargetError> {
    if let Some(rest) = host_and_port.strip_prefix('[') {
        let (address, port) = rest.split_once(']').ok_or(TargetError::Host)?;
        if !is_ipv6_literal(address) {
            return Err(TargetError::Host);
        }
        return match port.strip_prefix(':') {
            Some(port) => Ok((address, port)),
            None if port.is_empty() => Ok((address, "")),
            None => Err(TargetError::Port),
        };
    }
    let (host, port) = host_and_port.split_once(':').unwrap_or((host_and_port, ""));
    if !is_host_name(host) {
        return Err(TargetError::Host);
    }
    Ok((host, port))
}

/// Parses a port. An empty one, as in `rtsp://host:/`, means none (RFC 3986 section 3.2.3).
fn parse_port(digits: &str) -> Result<Option<u16>, TargetError> {
    if digits.is_empty() {
        return Ok(None);
    }
    if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(TargetError::Port);
    }
    match digits.parse() {
        Ok(0) | Err(_) => Err(TargetError::Port),
        Ok(port) => Ok(Some(port)),
    }
}

/// Returns whether `host` can be a name or an IPv4 address. RFC 952 excludes the underscore, but it is in use.
pub(super) fn is_host_name(host: &str) -> bool {
    !host.is_empty() && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte))
}

/// Returns whether `address` has the form of an IPv6 address, with or without a zone.
pub(super) fn is_ipv6_literal(address: &str) -> bool {
    let address = match address.split_once('%') {
        Some((address, zone)) if is_host_name(zone) => address,
        Some(_) => return false,
        None => address,
    };
    address.parse::<std::net::Ipv6Addr>().is_ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn url(target: &str) -> Url<'_> {
        match Target::parse(target.as_bytes()) {
            Ok(Target::Url(url)) => url,
            other => panic!("{target}: {other:?}"),
        }
    }

    fn error(target: &str) -> TargetError {
        Target::parse(target.as_bytes()).expect_err(target)
    }

    #[test]
    fn a_full_url_is_parsed() {
        assert_eq!(
            url("rtsp://media.example.com:8554/live/stream?token=a/b?c#d"),
            Url {
                scheme: Protocol::Rtsp.scheme(false),
                host: "media.example.com",
                port: Some(8554),
                path_and_query: "/live/stream?token=a/b?c#d",
                has_userinfo: false,
            }
        );
    }

    #[test]
    fn every_scheme_is_recognised_in_any_case() {
        for scheme in Protocol::Rtsp.schemes() {
            let upper = scheme.as_str().to_uppercase();
            assert_eq!(url(&format!("{upper}://h/")).scheme, scheme);
        }
    }

    #[test]
    fn a_url_without_a_path_is_valid() {
        assert_eq!(url("rtsp://host:554").path_and_query, "");
        assert_eq!(url("rtsp://host").port, None);
        assert_eq!(url("rtsp://host:").port, None);
        assert_eq!(url("rtsp://host?a=b").path_and_query, "?a=b");
    }

    #[test]
    fn a_user_name_and_password_are_discarded() {
        let with = url("rtsp://viewer:p@ss@host:554/live");
        assert!(with.has_userinfo);
        assert_eq!((with.host, with.port), ("host", Some(554)));
        assert_eq!(with.path_and_query, "/live");
        // An at sign in the path does not follow a user name.
        assert!(!url("rtsp://host/live@home").has_userinfo);
    }

    #[test]
    fn ipv6_addresses_lose_their_brackets() {
        let address = url("rtsp://[2001:db8::1]:554/live");
        assert_eq!((address.host, address.port), ("2001:db8::1", Some(554)));
        assert_eq!(url("rtsp://[fe80::1%25eth0]/").host, "fe80::1%25eth0");
        assert_eq!(url("rtsp://[::1]").port, None);
    }

    #[test]
    fn an_asterisk_and_a_path_are_valid() {
        assert_eq!(Target::parse(b"*"), Ok(Target::Asterisk));
        assert_eq!(Target::parse(b"/live/x?y"), Ok(Target::Path("/live/x?y")));
        assert_eq!(Target::Asterisk.path_and_query(), None);
        assert_eq!(Target::Path("/x").path_and_query(), Some("/x"));
    }

    #[test]
    fn characters_that_could_end_a_header_are_rejected() {
        for target in ["rtsp://h/a\r\nX: y", "rtsp://h/a b", "/a\n", "/\t", "/\u{7f}", "/\0", "/ü"] {
            assert_eq!(error(target), TargetError::Unprintable);
        }
    }

    #[test]
    fn relative_targets_are_rejected() {
        for target in ["", "live/stream", "**", "rtsp:/host/"] {
            assert_eq!(error(target), TargetError::Relative);
        }
    }

    #[test]
    fn other_schemes_are_rejected() {
        for target in ["http://h/", "://h/", "rtspx://h/"] {
            assert_eq!(error(target), TargetError::Scheme);
        }
    }

    #[test]
    fn invalid_hosts_are_rejected() {
        for target in [
            "rtsp://",
            "rtsp:///live",
            "rtsp://:554/",
            "rtsp://u@/",
            "rtsp://a\\b/",
            "rtsp://a<b/",
            "rtsp://[::1/",
            "rtsp://[1.2.3.4]/",
            "rtsp://[fe80::1%]/",
        ] {
            assert_eq!(error(target), TargetError::Host, "{target}");
        }
    }

    #[test]
    fn invalid_ports_are_rejected() {
        for target in
            ["rtsp://h:0/", "rtsp://h:65536/", "rtsp://h:+5/", "rtsp://h:5a/", "rtsp://::1/", "rtsp://[::1]554/"]
        {
            let expected = if target.contains("//::") { TargetError::Host } else { TargetError::Port };
            assert_eq!(error(target), expected, "{target}");
        }
    }

    proptest! {
        #[test]
        fn a_valid_target_is_visible_ascii(target in prop::collection::vec(any::<u8>(), 0..64)) {
            if let Ok(target) = Target::parse(&target) {
                let kept = target.path_and_query().unwrap_or_default();
                prop_assert!(kept.bytes().all(|byte| byte.is_ascii_graphic()));
            }
        }
    }
}
