//! Overflow targets: URLs outside the fleet for clients that no edge can take (`[selection] overflow`).

use std::str::FromStr;

use hyper::Uri;
use weir_fleet::{Protocol, Scheme};
use weir_protocol::Host;

/// A destination outside the fleet, for clients that no edge can take: `SCHEME://HOST[:PORT][/PATH]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OverflowTarget {
    protocol: Protocol,
    pub(crate) scheme: Scheme,
    /// A name or an address; an IPv6 address without brackets.
    pub(crate) host: String,
    pub(crate) port: Option<u16>,
    /// Empty, or a path that begins with a slash and does not end with one. The client's path is appended.
    pub(crate) path: String,
}

/// The text is not an overflow URL.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is not an overflow URL: expected SCHEME://HOST[:PORT][/PATH], such as \"https://cdn.example.com\", without \
     user name, query or fragment"
)]
pub struct ParseOverflowTargetError(String);

impl FromStr for OverflowTarget {
    type Err = ParseOverflowTargetError;

    fn from_str(text: &str) -> Result<Self, ParseOverflowTargetError> {
        let error = || ParseOverflowTargetError(text.to_owned());
        let uri: Uri = text.parse().map_err(|_| error())?;
        let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else { return Err(error()) };
        let scheme = Scheme::named(scheme).ok_or_else(error)?;
        let protocol = Protocol::of_scheme(scheme.as_str()).ok_or_else(error)?;
        let host = authority.host().trim_start_matches('[').trim_end_matches(']');
        let is_plain = uri.query().is_none() && !authority.as_str().contains('@') && !text.contains('#');
        // The parser ignores a port that is not a number.
        let has_valid_port = authority.port_u16().is_some() || authority.as_str() == authority.host();
        if !is_plain || !has_valid_port || Host::new(host).is_err() {
            return Err(error());
        }
        Ok(Self {
            protocol,
            scheme,
            host: host.to_owned(),
            port: authority.port_u16(),
            path: uri.path().trim_end_matches('/').to_owned(),
        })
    }
}

impl OverflowTarget {
    /// The protocol spoken at the target.
    #[must_use]
    pub fn protocol(&self) -> Protocol {
        self.protocol
    }
}
