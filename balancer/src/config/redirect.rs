//! `[redirect]`: the hosts that clients may be sent to.

use ipnet::IpNet;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use weir_fleet::RedirectLimits;

/// The hosts that clients may be sent to.
///
/// An edge that advertises another host, as redirect address or in an endpoint, is listed but gets no clients. So a
/// stolen key does not turn the balancer into an open redirector. Without `hosts` and `networks`, every host is
/// allowed.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Redirect {
    /// Allowed host names, such as `"edge.example.com"`. Each also allows its subdomains, such as `a.edge.example.com`.
    /// Default: none.
    pub hosts: Vec<String>,
    /// Networks of allowed addresses, such as `"10.0.0.0/8"`. Default: none.
    pub networks: Vec<IpNet>,
    /// Name of a parameter that HTTP redirects add to the query, such as `"weir-hop"`: 1 to 64 letters, digits, `-` and
    /// `_`. A request that has the parameter comes from a redirect that led back to this balancer, and is answered with
    /// 508 instead of another redirect. Do not use it with edges that verify signatures of whole URLs, or where an edge
    /// is itself a balancer. See also `[limits.repeats]`, which detects loops without changing URLs. Default: none.
    #[serde(deserialize_with = "hop_mark")]
    pub hop_mark: Option<String>,
}

fn hop_mark<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    let mark = String::deserialize(deserializer)?;
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    if (1..=64).contains(&mark.len()) && mark.bytes().all(is_name) {
        return Ok(Some(mark));
    }
    Err(D::Error::custom("expected 1 to 64 letters, digits, `-` and `_`, such as \"weir-hop\""))
}

impl Redirect {
    /// Returns the limits as the fleet applies them.
    #[must_use]
    pub fn limits(&self) -> RedirectLimits {
        let name = |host: &String| host.trim_matches('.').to_ascii_lowercase();
        RedirectLimits { hosts: self.hosts.iter().map(name).collect(), networks: self.networks.clone() }
    }
}
