//! Endpoints: the schemes and ports that the edge serves.

use std::str::FromStr;

use weir_protocol::{Host, Name, report};

/// A scheme and the port on which the edge serves it, written `rtmp://:1935` or `rtmp://other-name:1935`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    scheme: String,
    host: Option<String>,
    /// The port.
    pub port: u16,
}

/// The text is not an endpoint.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("expected SCHEME://:PORT or SCHEME://HOST:PORT, such as rtmp://:1935")]
pub struct ParseEndpointError;

impl FromStr for Endpoint {
    type Err = ParseEndpointError;

    fn from_str(text: &str) -> Result<Self, ParseEndpointError> {
        let (scheme, authority) = text.split_once("://").ok_or(ParseEndpointError)?;
        let (host, port) = authority.trim_end_matches('/').rsplit_once(':').ok_or(ParseEndpointError)?;
        let is_letter_or_digit = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        let is_scheme =
            scheme.starts_with(|first: char| first.is_ascii_lowercase()) && scheme.bytes().all(is_letter_or_digit);
        if !is_scheme || scheme.len() > Name::MAX_LENGTH {
            return Err(ParseEndpointError);
        }
        let port: u16 = port.parse().ok().filter(|port| *port > 0).ok_or(ParseEndpointError)?;
        let host = (!host.is_empty()).then(|| Host::new(host)).transpose().map_err(|_| ParseEndpointError)?;
        Ok(Self { scheme: scheme.to_owned(), host: host.map(|host| host.as_str().to_owned()), port })
    }
}

impl Endpoint {
    /// Returns the endpoint as it is reported.
    #[must_use]
    pub fn to_report(&self) -> report::Endpoint<'_> {
        // The host was validated when it was parsed.
        let host = self.host.as_deref().and_then(|host| Host::new(host).ok());
        report::Endpoint::new(&self.scheme, self.port).at(host)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_has_a_scheme_a_port_and_optionally_a_host() {
        let endpoint: Endpoint = "rtmp://:1935".parse().unwrap();
        assert_eq!(endpoint.to_report(), report::Endpoint::new("rtmp", 1935));
        let endpoint: Endpoint = "https://[::1]:8443/".parse().unwrap();
        assert_eq!(endpoint.to_report().host, Host::new("[::1]").ok());
    }

    #[test]
    fn other_text_is_rejected() {
        for text in
            ["", "rtmp", "1935", ":1935", "rtmp://", "rtmp://edge", "rtmp://edge:0", "RTMP://:1935", "rtmp://a b:1"]
        {
            assert_eq!(text.parse::<Endpoint>(), Err(ParseEndpointError), "{text}");
        }
    }
}
