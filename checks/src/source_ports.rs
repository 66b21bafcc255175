//! Source ports of probes to virtual addresses.
//!
//! IPVS looks up a packet's connection, by addresses and ports, before it looks at the mark. Probes of one virtual
//! address differ only in their source port. A probe from a port that was used a moment ago for another server would
//! reach that server, and its response would be taken for the wrong server's. IPVS forgets connections after some time:
//! one that was reset by the director within seconds, one that was never answered within a minute, one that the server
//! has reset within a quarter of an hour. So of a few free ports, the one that was least recently used for another
//! server is taken. With tens of thousands of ports, one of a few was usually never used.

use std::collections::BTreeMap;

use tokio::time::Instant;

/// A source port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct SourcePort {
    /// Whether it is used over IPv6.
    pub is_ipv6: bool,
    /// Whether it is a UDP port.
    pub is_udp: bool,
    /// Port number.
    pub number: u16,
}

/// The mark that each port was last used with. Bounded by the number of ports.
#[derive(Debug, Default)]
pub struct SourcePorts(BTreeMap<SourcePort, (u32, Instant)>);

impl SourcePorts {
    /// Creates an empty record.
    #[must_use]
    pub const fn new() -> Self {
        Self(BTreeMap::new())
    }

    /// When the port was last used with a mark other than `mark`; `None` if it was not, or was used with `mark` since.
    #[must_use]
    pub fn last_use_with_other_mark(&self, port: SourcePort, mark: u32) -> Option<Instant> {
        self.0.get(&port).filter(|(other, _)| *other != mark).map(|(_, last)| *last)
    }

    /// Records that the port is used with `mark`.
    pub fn record(&mut self, port: SourcePort, mark: u32, now: Instant) {
        self.0.insert(port, (mark, now));
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_port_belongs_to_the_server_that_it_was_last_used_for() {
        let (mut ports, now) = (SourcePorts::new(), Instant::now());
        let port = SourcePort { is_ipv6: false, is_udp: false, number: 40_000 };
        assert_eq!(ports.last_use_with_other_mark(port, 7), None);
        ports.record(port, 7, now);
        assert_eq!(ports.last_use_with_other_mark(port, 7), None, "a remembered connection leads to the same server");
        assert_eq!(ports.last_use_with_other_mark(port, 8), Some(now));
        assert_eq!(ports.last_use_with_other_mark(SourcePort { is_udp: true, ..port }, 8), None);
        let later = now + Duration::from_secs(1);
        ports.record(port, 8, later);
        assert_eq!(
            (ports.last_use_with_other_mark(port, 7), ports.last_use_with_other_mark(port, 8)),
            (Some(later), None)
        );
    }
}
