//! `[redirect]`: where clients may be sent.

use ipnet::IpNet;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use weir_fleet::RedirectLimits;

/// Where clients may be sent. An edge that names another host gets no clients, so that one stolen key makes no open
/// redirector of the balancer. Without any limit every host will do.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Redirect {
    /// Names that hosts must be, or end in after a dot, such as `"edge.example.com"`. Default: none.
    pub hosts: Vec<String>,
    /// Networks that addresses must be in, such as `"10.0.0.0/8"`. Default: none.
    pub networks: Vec<IpNet>,
    /// A parameter that HTTP redirects add to the query, such as `"weir-hop"`: letters, digits, `-` and `_`. A request
    /// that has it already comes from a redirect that led back here, and is refused with 508 instead of going round
    /// again. Not for edges that check signatures of whole URLs, nor where an edge is a balancer itself. Default: none.
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
    /// As the fleet takes them.
    #[must_use]
    pub fn limits(&self) -> RedirectLimits {
        let name = |host: &String| host.trim_matches('.').to_ascii_lowercase();
        RedirectLimits { hosts: self.hosts.iter().map(name).collect(), networks: self.networks.clone() }
    }
}
