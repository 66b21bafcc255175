//! The firewall marks of packets, by address, protocol and port range.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;

use super::Mark;

/// A transport protocol that IPVS supports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Protocol {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
    /// SCTP.
    Sctp,
}

impl Protocol {
    /// All protocols.
    pub const ALL: [Self; 3] = [Self::Tcp, Self::Udp, Self::Sctp];

    /// Number in the IP header (IANA, Assigned Internet Protocol Numbers).
    #[must_use]
    pub fn number(self) -> u8 {
        match self {
            Self::Tcp => 6,
            Self::Udp => 17,
            Self::Sctp => 132,
        }
    }

    /// The protocol with this number.
    #[must_use]
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|protocol| protocol.number() == number)
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
            Self::Sctp => "sctp",
        })
    }
}

/// An inclusive range of ports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PortRange {
    first: u16,
    last: u16,
}

impl PortRange {
    /// The ports from `first` to `last`; `None` if the range is empty.
    #[must_use]
    pub fn new(first: u16, last: u16) -> Option<Self> {
        (first <= last).then_some(Self { first, last })
    }

    /// The first port.
    #[must_use]
    pub fn first(self) -> u16 {
        self.first
    }

    /// The last port.
    #[must_use]
    pub fn last(self) -> u16 {
        self.last
    }
}

impl From<u16> for PortRange {
    fn from(port: u16) -> Self {
        Self { first: port, last: port }
    }
}

impl fmt::Display for PortRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.first.fmt(f)?;
        if self.last > self.first { write!(f, "-{}", self.last) } else { Ok(()) }
    }
}

/// A virtual address, a protocol and a range of ports: the destination of packets that get a mark.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Endpoint {
    /// Destination address.
    pub address: IpAddr,
    /// Protocol.
    pub protocol: Protocol,
    /// Destination ports.
    pub ports: PortRange,
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.address, self.protocol, self.ports)
    }
}

/// A mapping from endpoints to marks. Endpoints do not overlap, and adjacent ones with the same mark are merged, so
/// that two mappings that mark alike are equal.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Marks(BTreeMap<Endpoint, Mark>);

impl Marks {
    /// Creates a mapping, merging endpoints that overlap or adjoin and have the same mark.
    ///
    /// # Errors
    /// [`MarkConflict`] when a packet would get two marks.
    pub fn new(entries: impl IntoIterator<Item = (Endpoint, Mark)>) -> Result<Self, MarkConflict> {
        let mut entries: Vec<_> = entries.into_iter().collect();
        // Sorted by address, protocol and first port.
        entries.sort_unstable();
        let mut marks: Vec<(Endpoint, Mark)> = Vec::with_capacity(entries.len());
        for (endpoint, mark) in entries {
            let same = |before: &Endpoint| (before.address, before.protocol) == (endpoint.address, endpoint.protocol);
            match marks.last_mut().filter(|(before, _)| same(before)) {
                Some((before, other)) if *other != mark && endpoint.ports.first <= before.ports.last => {
                    return Err(MarkConflict { endpoint, mark, other_endpoint: *before, other_mark: *other });
                }
                Some((before, other))
                    if *other == mark && endpoint.ports.first <= before.ports.last.saturating_add(1) =>
                {
                    before.ports.last = before.ports.last.max(endpoint.ports.last);
                }
                _ => marks.push((endpoint, mark)),
            }
        }
        Ok(Self(marks.into_iter().collect()))
    }

    /// The entries, in order.
    pub fn iter(&self) -> impl Iterator<Item = (Endpoint, Mark)> {
        self.0.iter().map(|(endpoint, mark)| (*endpoint, *mark))
    }

    /// Returns whether there are no entries.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The mark of exactly this endpoint.
    #[must_use]
    pub fn of(&self, endpoint: &Endpoint) -> Option<Mark> {
        self.0.get(endpoint).copied()
    }
}

/// State of Weir's nf_tables table, which marks packets.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum MarkTable {
    /// The table does not exist.
    #[default]
    Absent,
    /// The table differs from what Weir would create: it is of an older version, or was changed by another program.
    Modified,
    /// The state is not known: nf_tables changed whenever it was read. The next read decides.
    Inconsistent,
    /// The table as Weir creates it, with these marks.
    Intact(Marks),
}

/// Two overlapping endpoints with different marks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{endpoint} would get mark {mark}, but {other_endpoint} has mark {other_mark}")]
pub struct MarkConflict {
    /// The endpoint.
    pub endpoint: Endpoint,
    /// Its mark.
    pub mark: Mark,
    /// The endpoint that it overlaps.
    pub other_endpoint: Endpoint,
    /// The mark of that endpoint.
    pub other_mark: Mark,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn endpoint(protocol: Protocol, first: u16, last: u16) -> Endpoint {
        Endpoint { address: [192, 0, 2, 1].into(), protocol, ports: PortRange::new(first, last).unwrap() }
    }

    fn mark(number: u32) -> Mark {
        Mark::new(number).unwrap()
    }

    #[test]
    fn adjoining_ranges_with_the_same_mark_are_merged() {
        // Windows Media over UDP: 1755 is within 1024-5000, 554 is not. Over TCP, both ports stand alone.
        let udp = [(554, 554), (1755, 1755), (1024, 5000), (5001, 5001)];
        let udp = udp.map(|(first, last)| (endpoint(Protocol::Udp, first, last), mark(1)));
        let tcp = [554, 1755].map(|port| (endpoint(Protocol::Tcp, port, port), mark(1)));
        let marks = Marks::new(udp.into_iter().chain(tcp)).unwrap();
        let expected = [
            endpoint(Protocol::Tcp, 554, 554),
            endpoint(Protocol::Tcp, 1755, 1755),
            endpoint(Protocol::Udp, 554, 554),
            endpoint(Protocol::Udp, 1024, 5001),
        ];
        assert!(marks.iter().eq(expected.map(|endpoint| (endpoint, mark(1)))), "{marks:?}");
    }

    #[test]
    fn packets_cannot_get_two_marks() {
        let entries = [(endpoint(Protocol::Udp, 1024, 5000), mark(1)), (endpoint(Protocol::Udp, 5000, 6000), mark(2))];
        let error = Marks::new(entries).unwrap_err();
        let expected = "192.0.2.1 udp 5000-6000 would get mark 2, but 192.0.2.1 udp 1024-5000 has mark 1";
        assert_eq!(error.to_string(), expected);
    }

    #[test]
    fn the_last_port_is_not_adjacent_to_another() {
        let entries =
            [(endpoint(Protocol::Udp, 65535, 65535), mark(1)), (endpoint(Protocol::Udp, 65535, 65535), mark(2))];
        assert!(Marks::new(entries).is_err());
        let entries =
            [(endpoint(Protocol::Udp, 65535, 65535), mark(1)), (endpoint(Protocol::Udp, 65534, 65534), mark(2))];
        assert_eq!(Marks::new(entries).unwrap().iter().count(), 2);
    }

    proptest! {
        #[test]
        fn every_port_keeps_its_mark(ranges in proptest::collection::vec((0..40_u16, 0..6_u16, 1..3_u32), 0..12)) {
            let entries: Vec<_> = ranges
                .iter()
                .map(|(first, more, number)| (endpoint(Protocol::Tcp, *first, first + more), mark(*number)))
                .collect();
            let marks_of = |entries: &[(Endpoint, Mark)], port: u16| -> std::collections::BTreeSet<Mark> {
                let has = |ports: PortRange| (ports.first..=ports.last).contains(&port);
                entries.iter().filter(|(endpoint, _)| has(endpoint.ports)).map(|(_, mark)| *mark).collect()
            };
            let ambiguous = (0..50).any(|port| marks_of(&entries, port).len() > 1);
            match Marks::new(entries.iter().copied()) {
                Err(_) => prop_assert!(ambiguous),
                Ok(marks) => {
                    prop_assert!(!ambiguous);
                    let merged: Vec<_> = marks.iter().collect();
                    for port in 0..50 {
                        prop_assert_eq!(marks_of(&merged, port), marks_of(&entries, port));
                    }
                    // Merging is idempotent, and neighbours are separated by a gap or have different marks.
                    prop_assert_eq!(Marks::new(merged.iter().copied()).unwrap(), marks.clone());
                    for pair in merged.windows(2) {
                        let gap = pair[1].0.ports.first > pair[0].0.ports.last + 1;
                        prop_assert!(gap || pair[0].1 != pair[1].1);
                    }
                }
            }
        }
    }
}
