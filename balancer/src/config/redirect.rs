//! `[redirect]`: where clients may be sent.

use ipnet::IpNet;
use serde::Deserialize;

use crate::fleet::RedirectLimits;

/// Where clients may be sent. An edge that names another host gets no clients, so that one stolen key makes no open
/// redirector of the balancer. Without any limit every host will do.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Redirect {
    /// Names that hosts must be, or end in after a dot, such as `"edge.example.com"`. Default: none.
    pub hosts: Vec<String>,
    /// Networks that addresses must be in, such as `"10.0.0.0/8"`. Default: none.
    pub networks: Vec<IpNet>,
}

impl Redirect {
    /// As the fleet takes them.
    #[must_use]
    pub fn limits(&self) -> RedirectLimits {
        let name = |host: &String| host.trim_matches('.').to_ascii_lowercase();
        RedirectLimits { hosts: self.hosts.iter().map(name).collect(), networks: self.networks.clone() }
    }
}
