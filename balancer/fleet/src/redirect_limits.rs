//! Limits on redirects, so that a stolen key does not turn a balancer into an open redirector.

use std::net::IpAddr;

use ipnet::IpNet;
use weir_protocol::Host;

/// The hosts and networks that the redirect address of an edge must be in. Without any, every address is allowed.
#[derive(Clone, Debug, Default)]
pub struct RedirectLimits {
    /// Domain names, in lower case and without a leading dot. A host matches if it is the name itself, or ends in a dot
    /// and the name.
    pub hosts: Vec<String>,
    /// Networks, for hosts that are addresses.
    pub networks: Vec<IpNet>,
}

impl RedirectLimits {
    /// Returns whether clients may be redirected to `host`: a name or an address, IPv6 with or without brackets. Never to
    /// one to which no client can connect, such as `0.0.0.0`.
    #[must_use]
    pub fn allow(&self, host: &str) -> bool {
        let Some(bare) = Host::new(host).ok().filter(|host| host.is_destination()).map(Host::without_brackets) else {
            return false;
        };
        if self.hosts.is_empty() && self.networks.is_empty() {
            return true;
        }
        if let Ok(address) = bare.parse::<IpAddr>() {
            return self.networks.iter().any(|network| network.contains(&address.to_canonical()));
        }
        // A trailing dot does not change a name (RFC 1034 section 3.1).
        let name = host.trim_end_matches('.').to_ascii_lowercase();
        // Clients parse `2130706433` and `0x7f.1` as addresses: a host whose last label starts with a digit is not a
        // name (WHATWG URL, host parsing).
        let last = name.rsplit('.').next().unwrap_or_default();
        let is_name = !last.starts_with(|first: char| first.is_ascii_digit());
        let is_in = |host: &String| {
            name.strip_suffix(host.as_str()).is_some_and(|before| before.is_empty() || before.ends_with('.'))
        };
        is_name && self.hosts.iter().any(is_in)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits() -> RedirectLimits {
        RedirectLimits {
            hosts: vec!["edge.example.com".to_owned()],
            networks: vec!["10.0.0.0/8".parse().unwrap(), "2001:db8::/32".parse().unwrap()],
        }
    }

    #[test]
    fn only_the_configured_hosts_and_networks_are_allowed() {
        for host in [
            "edge.example.com",
            "a.edge.example.com",
            "A.Edge.Example.COM.",
            "10.1.2.3",
            "[2001:db8::1]",
            "2001:db8::1",
        ] {
            assert!(limits().allow(host), "{host}");
        }
        for host in [
            "evil.com",
            "evil-edge.example.com",
            "edge.example.com.evil.com",
            "example.com",
            "11.0.0.1",
            "::1",
            "2130706433",
            "0x0a000001",
            "0x7f.1",
        ] {
            assert!(!limits().allow(host), "{host}");
        }
    }

    #[test]
    fn without_limits_every_host_is_allowed() {
        assert!(RedirectLimits::default().allow("anything.at.all"));
    }
}
