//! Which packets get which mark: addresses × protocols × ranges of ports.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;

use super::Mark;

/// A protocol that has ports, and that virtual services know.
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
    /// All there are.
    pub const ALL: [Self; 3] = [Self::Tcp, Self::Udp, Self::Sctp];

    /// Its number in an IP header (IANA, Assigned Internet Protocol Numbers).
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
    pub fn numbered(number: u8) -> Option<Self> {
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

/// Ports from one to another, both included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PortRange {
    first: u16,
    last: u16,
}

impl PortRange {
    /// The ports from `first` to `last`; `None` when that is none.
    #[must_use]
    pub fn new(first: u16, last: u16) -> Option<Self> {
        (first <= last).then_some(Self { first, last })
    }

    /// The first of them.
    #[must_use]
    pub fn first(self) -> u16 {
        self.first
    }

    /// The last of them.
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

/// Packets to one address, of one protocol, to a range of ports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Packets {
    /// The address that they are sent to.
    pub address: IpAddr,
    /// Their protocol.
    pub protocol: Protocol,
    /// The ports that they are sent to.
    pub ports: PortRange,
}

impl fmt::Display for Packets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.address, self.protocol, self.ports)
    }
}

/// Which packets get which mark. No packet is in two entries, and entries that could be one are one: so two of these that
/// mark alike are equal.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Marks(BTreeMap<Packets, Mark>);

impl Marks {
    /// Puts together what overlaps or adjoins and has the same mark.
    ///
    /// # Errors
    /// [`Ambiguous`] when packets would get two marks.
    pub fn new(entries: impl IntoIterator<Item = (Packets, Mark)>) -> Result<Self, Ambiguous> {
        let mut entries: Vec<_> = entries.into_iter().collect();
        // Within an address and a protocol by the first port.
        entries.sort_unstable();
        let mut marks: Vec<(Packets, Mark)> = Vec::with_capacity(entries.len());
        for (packets, mark) in entries {
            let same = |before: &Packets| (before.address, before.protocol) == (packets.address, packets.protocol);
            match marks.last_mut().filter(|(before, _)| same(before)) {
                Some((before, other)) if *other != mark && packets.ports.first <= before.ports.last => {
                    return Err(Ambiguous { packets, mark, others: *before, other: *other });
                }
                Some((before, other))
                    if *other == mark && packets.ports.first <= before.ports.last.saturating_add(1) =>
                {
                    before.ports.last = before.ports.last.max(packets.ports.last);
                }
                _ => marks.push((packets, mark)),
            }
        }
        Ok(Self(marks.into_iter().collect()))
    }

    /// The entries, in order.
    pub fn iter(&self) -> impl Iterator<Item = (Packets, Mark)> {
        self.0.iter().map(|(packets, mark)| (*packets, *mark))
    }

    /// Whether no packet gets a mark.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The mark of these very packets.
    #[must_use]
    pub fn of(&self, packets: &Packets) -> Option<Mark> {
        self.0.get(packets).copied()
    }
}

/// What there is of the table that marks packets.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Installed {
    /// Nothing.
    #[default]
    Absent,
    /// Something else than Weir would have made: an older form, or what somebody changed by hand.
    Damaged,
    /// It changed all the time while it was read, or others of nf_tables did: what there is will be seen next time.
    Uncertain,
    /// The table as Weir makes it, with these marks.
    Intact(Marks),
}

/// Packets that would get two marks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{packets} would get mark {mark}, but {others} get mark {other}")]
pub struct Ambiguous {
    /// These packets.
    pub packets: Packets,
    /// Their mark.
    pub mark: Mark,
    /// Those, some of which are the same.
    pub others: Packets,
    /// Their mark.
    pub other: Mark,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn packets(protocol: Protocol, first: u16, last: u16) -> Packets {
        Packets { address: [192, 0, 2, 1].into(), protocol, ports: PortRange::new(first, last).unwrap() }
    }

    fn mark(number: u32) -> Mark {
        Mark::new(number).unwrap()
    }

    #[test]
    fn ranges_with_the_same_mark_are_put_together() {
        // Windows Media: 1755 is among 1024 to 5000, but 554 is not; of TCP they all stand alone.
        let udp = [(554, 554), (1755, 1755), (1024, 5000), (5001, 5001)];
        let udp = udp.map(|(first, last)| (packets(Protocol::Udp, first, last), mark(1)));
        let tcp = [554, 1755].map(|port| (packets(Protocol::Tcp, port, port), mark(1)));
        let marks = Marks::new(udp.into_iter().chain(tcp)).unwrap();
        let expected = [
            packets(Protocol::Tcp, 554, 554),
            packets(Protocol::Tcp, 1755, 1755),
            packets(Protocol::Udp, 554, 554),
            packets(Protocol::Udp, 1024, 5001),
        ];
        assert!(marks.iter().eq(expected.map(|packets| (packets, mark(1)))), "{marks:?}");
    }

    #[test]
    fn packets_cannot_get_two_marks() {
        let entries = [(packets(Protocol::Udp, 1024, 5000), mark(1)), (packets(Protocol::Udp, 5000, 6000), mark(2))];
        let error = Marks::new(entries).unwrap_err();
        let expected = "192.0.2.1 udp 5000-6000 would get mark 2, but 192.0.2.1 udp 1024-5000 get mark 1";
        assert_eq!(error.to_string(), expected);
    }

    #[test]
    fn the_last_port_has_none_behind_it() {
        let entries =
            [(packets(Protocol::Udp, 65535, 65535), mark(1)), (packets(Protocol::Udp, 65535, 65535), mark(2))];
        assert!(Marks::new(entries).is_err());
        let entries =
            [(packets(Protocol::Udp, 65535, 65535), mark(1)), (packets(Protocol::Udp, 65534, 65534), mark(2))];
        assert_eq!(Marks::new(entries).unwrap().iter().count(), 2);
    }

    proptest! {
        #[test]
        fn every_port_keeps_its_mark(ranges in proptest::collection::vec((0..40_u16, 0..6_u16, 1..3_u32), 0..12)) {
            let entries: Vec<_> = ranges
                .iter()
                .map(|(first, more, number)| (packets(Protocol::Tcp, *first, first + more), mark(*number)))
                .collect();
            let said = |entries: &[(Packets, Mark)], port: u16| -> std::collections::BTreeSet<Mark> {
                let has = |ports: PortRange| (ports.first..=ports.last).contains(&port);
                entries.iter().filter(|(packets, _)| has(packets.ports)).map(|(_, mark)| *mark).collect()
            };
            let ambiguous = (0..50).any(|port| said(&entries, port).len() > 1);
            match Marks::new(entries.iter().copied()) {
                Err(_) => prop_assert!(ambiguous),
                Ok(marks) => {
                    prop_assert!(!ambiguous);
                    let merged: Vec<_> = marks.iter().collect();
                    for port in 0..50 {
                        prop_assert_eq!(said(&merged, port), said(&entries, port));
                    }
                    // What is merged stays as it is, and its neighbours leave a gap or have other marks.
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
