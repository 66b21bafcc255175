//! The ports that probes come from.
//!
//! The kernel tells connections apart by addresses and ports, and looks there before it looks at a mark. All probes of one
//! virtual address have these in common but for the port that they come from: one that comes from a port from which another
//! server was asked a moment ago would get to that server, and its answer would be taken for the wrong one's. What the
//! kernel remembers ends by itself, some sooner than others: a connection that was reset within seconds, one that was never
//! answered in a minute, one that the server has reset in a quarter of an hour. So the port is taken whose last use is the
//! longest ago, of a few that are free; with tens of thousands of ports one of these was as a rule never used.

use std::collections::BTreeMap;

use tokio::time::Instant;

/// A port that probes come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Port {
    /// Whether the address before it is of IPv6.
    pub is_ipv6: bool,
    /// Whether it is one of UDP.
    pub is_udp: bool,
    /// Its number.
    pub number: u16,
}

/// Which mark each port was last used with. As many as there are ports, at most.
#[derive(Debug, Default)]
pub struct Ports(BTreeMap<Port, (u32, Instant)>);

impl Ports {
    /// None was used.
    #[must_use]
    pub const fn new() -> Self {
        Self(BTreeMap::new())
    }

    /// When this port was last used with another mark than this.
    #[must_use]
    pub fn used_otherwise(&self, port: Port, mark: u32) -> Option<Instant> {
        self.0.get(&port).filter(|(other, _)| *other != mark).map(|(_, last)| *last)
    }

    /// This port is used with this mark.
    pub fn use_with(&mut self, port: Port, mark: u32, now: Instant) {
        self.0.insert(port, (mark, now));
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_port_is_another_servers_until_it_is_used_for_this_one() {
        let (mut ports, now) = (Ports::new(), Instant::now());
        let port = Port { is_ipv6: false, is_udp: false, number: 40_000 };
        assert_eq!(ports.used_otherwise(port, 7), None);
        ports.use_with(port, 7, now);
        assert_eq!(ports.used_otherwise(port, 7), None, "what is remembered leads to the same server");
        assert_eq!(ports.used_otherwise(port, 8), Some(now));
        assert_eq!(ports.used_otherwise(Port { is_udp: true, ..port }, 8), None);
        let later = now + Duration::from_secs(1);
        ports.use_with(port, 8, later);
        assert_eq!((ports.used_otherwise(port, 7), ports.used_otherwise(port, 8)), (Some(later), None));
    }
}
