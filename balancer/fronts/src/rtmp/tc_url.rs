//! Parses the URL in a connect.
//!
//! This is not a general URL parser. The `tcUrl` of a client is not always encoded, and not always a URL by RFC 3986
//! (spaces in the name of an application, `rtmp://host` alone). A redirect must repeat its path and query as sent.

use std::net::Ipv6Addr;

/// The parts of a `tcUrl`, borrowed from it: `scheme://host[:port][path][?query]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TcUrl<'a> {
    /// The scheme as sent; compare it regardless of case. Clients use `rtmp`, `rtmps`, `rtmpe` and `rtmpt`.
    pub scheme: &'a str,
    /// A name or an address, never empty. An IPv6 address is without its brackets.
    pub host: &'a str,
    /// The port, 1 to 65535, if there is one.
    pub port: Option<u16>,
    /// Empty, or application and instance with the slash before them and any after: `/live/instance/`.
    pub path: &'a str,
    /// The text after the first `?`, if there is one. It may contain slashes.
    pub query: Option<&'a str>,
}

/// Why a text is not a valid `tcUrl`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// It contains a control character, which is invalid in a URL and could be used to forge log lines.
    #[error("URL with a control character")]
    ControlCharacter,

    /// It does not start with a scheme (RFC 3986, section 3.1) and `://`.
    #[error("URL without a scheme")]
    Scheme,

    /// The host is missing, or contains characters that neither a name nor an address contains. A user name (`user@`)
    /// is rejected too: no client sends it, and it must not be forwarded.
    #[error("URL without a usable host")]
    Host,

    /// The port is not a number from 1 to 65535.
    #[error("URL with an invalid port")]
    Port,
}

impl<'a> TcUrl<'a> {
    /// Parses `text`.
    ///
    /// # Errors
    ///
    /// [`Error`], which names the invalid part.
    pub fn parse(text: &'a str) -> Result<Self, Error> {
        if text.contains(char::is_control) {
            return Err(Error::ControlCharacter);
        }
        let (scheme, rest) = text.split_once("://").ok_or(Error::Scheme)?;
        if !is_scheme(scheme) {
            return Err(Error::Scheme);
        }
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, rest) = rest.split_at(end);
        // A name and a password are for the edge, if anyone: they are not passed on (RFC 3986 section 3.2.1).
        let authority = authority.rsplit_once('@').map_or(authority, |(_, authority)| authority);
        let (host, port) = parse_authority(authority)?;
        let (path, query) = match rest.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (rest, None),
        };
        Ok(Self { scheme, host, port, path, query })
    }
}

fn is_scheme(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_alphabetic())
        && text.chars().all(|letter| letter.is_ascii_alphanumeric() || "+-.".contains(letter))
}

fn parse_authority(authority: &str) -> Result<(&str, Option<u16>), Error> {
    let (host, port) = if let Some(rest) = authority.strip_prefix('[') {
        let (host, port) = rest.split_once(']').ok_or(Error::Host)?;
        // A zone (`fe80::1%eth0`, RFC 6874) has a meaning on the client's machine only, but is not an error.
        let address = host.split_once('%').map_or(host, |(address, _)| address);
        address.parse::<Ipv6Addr>().map_err(|_| Error::Host)?;
        let port = port.strip_prefix(':').or(port.is_empty().then_some(""));
        (host, port.ok_or(Error::Port)?)
    } else {
        authority.split_once(':').unwrap_or((authority, ""))
    };
    if host.is_empty() || host.contains(is_never_in_host) {
        return Err(Error::Host);
    }
    Ok((host, parse_port(port)?))
}

/// Returns whether `letter` is invalid in a host. Letters of any script are valid: clients do not encode international
/// names.
fn is_never_in_host(letter: char) -> bool {
    letter.is_whitespace() || "@[]<>\"'\\^`{|}#,;".contains(letter)
}

/// Parses a port. An empty port after the colon means the same as no colon (RFC 3986, section 3.2.3).
fn parse_port(text: &str) -> Result<Option<u16>, Error> {
    if text.is_empty() {
        return Ok(None);
    }
    if !text.bytes().all(|digit| digit.is_ascii_digit()) {
        return Err(Error::Port);
    }
    match text.parse() {
        Ok(0) | Err(_) => Err(Error::Port),
        Ok(port) => Ok(Some(port)),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parts(text: &str) -> (&str, &str, Option<u16>, &str, Option<&str>) {
        let url = TcUrl::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        (url.scheme, url.host, url.port, url.path, url.query)
    }

    #[test]
    fn urls_of_real_clients_are_parsed() {
        let cases = [
            ("rtmp://h/live", ("rtmp", "h", None, "/live", None)),
            ("rtmp://h:1936/live/", ("rtmp", "h", Some(1936), "/live/", None)),
            ("rtmp://h:/live", ("rtmp", "h", None, "/live", None)),
            ("rtmps://h:443/app/inst", ("rtmps", "h", Some(443), "/app/inst", None)),
            ("rtmp://h/live?t=a/b?c", ("rtmp", "h", None, "/live", Some("t=a/b?c"))),
            ("rtmp://h/live?", ("rtmp", "h", None, "/live", Some(""))),
            ("rtmp://h?t=a", ("rtmp", "h", None, "", Some("t=a"))),
            ("rtmp://h", ("rtmp", "h", None, "", None)),
            ("rtmp://h/", ("rtmp", "h", None, "/", None)),
            ("rtmp://[::1]:1935/live", ("rtmp", "::1", Some(1935), "/live", None)),
            ("rtmp://[2001:db8::1]/live", ("rtmp", "2001:db8::1", None, "/live", None)),
            ("rtmp://[fe80::1%25eth0]/a", ("rtmp", "fe80::1%25eth0", None, "/a", None)),
            ("RTMPE://192.0.2.1/my app", ("RTMPE", "192.0.2.1", None, "/my app", None)),
            ("rtmp://user@h/live", ("rtmp", "h", None, "/live", None)),
            ("rtmp://user:p@ss@h:1936/live/inst?t=a@b", ("rtmp", "h", Some(1936), "/live/inst", Some("t=a@b"))),
            ("rtmp://büh.example/é", ("rtmp", "büh.example", None, "/é", None)),
            ("rtmp://h/_definst_/mp4:a@b", ("rtmp", "h", None, "/_definst_/mp4:a@b", None)),
        ];
        for (text, expected) in cases {
            assert_eq!(parts(text), expected, "{text}");
        }
    }

    fn assert_rejected(texts: &[&str], error: Error) {
        for text in texts {
            assert_eq!(TcUrl::parse(text), Err(error), "{text}");
        }
    }

    #[test]
    fn control_characters_are_rejected_in_any_part() {
        let texts = ["rtmp://h/a\r\nb", "rtmp://h\0/a", "rtmp://h/a?\u{7f}", "\trtmp://h/a"];
        assert_rejected(&texts, Error::ControlCharacter);
    }

    #[test]
    fn a_missing_or_invalid_scheme_is_rejected() {
        let texts = ["", "live", "h/live", "rtmp:/h/live", "://h/live", " rtmp://h", "1rtmp://h", "é://h"];
        assert_rejected(&texts, Error::Scheme);
    }

    #[test]
    fn a_missing_or_invalid_host_is_rejected() {
        assert_rejected(
            &[
                "rtmp://",
                "rtmp:///live",
                "rtmp://:1935/live",
                "rtmp://?a",
                "rtmp://a b/live",
                "rtmp://user@/live",
                "rtmp://[::1/live",
                "rtmp://[]/live",
                "rtmp://[h]/live",
                "rtmp://[1.2.3.4]/live",
                "rtmp://<h>/live",
                "rtmp://h\\x/live",
                "rtmp://[::1% \"]/live",
            ],
            Error::Host,
        );
    }

    #[test]
    fn an_invalid_port_is_rejected() {
        let texts = [
            "rtmp://h:0/live",
            "rtmp://h:65536/live",
            "rtmp://h:+1/live",
            "rtmp://h:a/live",
            "rtmp://h:1:2/live",
            "rtmp://[::1]1935/live",
        ];
        assert_rejected(&texts, Error::Port);
    }

    proptest! {
        #[test]
        fn any_text_is_parsed_or_rejected(text in ".*") {
            let _ = TcUrl::parse(&text);
        }

        #[test]
        fn the_parts_of_a_url_are_parsed_as_they_were_written(
            scheme in "[a-z][a-z0-9+.-]{0,5}",
            host in "[a-z0-9.-]{1,20}",
            port in proptest::option::of(1u16..),
            path in "(/[^?\\pC]{0,20})?",
            query in proptest::option::of("[^\\pC]{0,20}"),
        ) {
            let mut text = format!("{scheme}://{host}");
            text.extend(port.map(|port| format!(":{port}")));
            text.push_str(&path);
            text.extend(query.iter().map(|query| format!("?{query}")));
            prop_assert_eq!(parts(&text), (&scheme[..], &host[..], port, &path[..], query.as_deref()));
        }
    }
}
