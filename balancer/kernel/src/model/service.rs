//! Virtual services: what they are known by, and how they choose.

use std::collections::BTreeSet;
use std::fmt;
use std::net::IpAddr;
use std::num::NonZeroU32;

use super::Name;

/// A family of addresses. A group with addresses of both is two services with the same mark.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Family {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

impl Family {
    /// The family of an address.
    #[must_use]
    pub fn of(address: IpAddr) -> Self {
        if address.is_ipv4() { Self::V4 } else { Self::V6 }
    }

    /// A stable name for metrics and API.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::V4 => "ipv4",
            Self::V6 => "ipv6",
        }
    }

    /// Bits of an address.
    #[must_use]
    pub fn bits(self) -> u8 {
        match self {
            Self::V4 => 32,
            Self::V6 => 128,
        }
    }
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::V4 => "IPv4",
            Self::V6 => "IPv6",
        })
    }
}

/// A firewall mark: the number that nf_tables writes on a packet, and that a service is known by. Never 0, which every
/// unmarked packet has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mark(NonZeroU32);

impl Mark {
    /// The mark of this number, unless it is 0.
    #[must_use]
    pub fn new(number: u32) -> Option<Self> {
        NonZeroU32::new(number).map(Self)
    }

    /// Its number.
    #[must_use]
    pub fn number(self) -> u32 {
        self.0.get()
    }
}

impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Marks from one to another, both included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MarkRange {
    first: Mark,
    last: Mark,
}

impl MarkRange {
    /// What is Weir's unless it is configured: 0x57000000 to 0x5700ffff, which nobody else is known to use. 0x57 is a W.
    pub const DEFAULT: Self = Self {
        first: Mark(NonZeroU32::MIN.saturating_add(0x5700_0000 - 1)),
        last: Mark(NonZeroU32::MIN.saturating_add(0x5700_ffff - 1)),
    };

    /// The marks from `first` to `last`, both included; `None` when that is none.
    #[must_use]
    pub fn new(first: Mark, last: Mark) -> Option<Self> {
        (first <= last).then_some(Self { first, last })
    }

    /// Whether this mark is one of them.
    #[must_use]
    pub fn contains(&self, mark: Mark) -> bool {
        (self.first..=self.last).contains(&mark)
    }

    /// All of them, in order.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = Mark> + use<> {
        (self.first.number()..=self.last.number()).filter_map(Mark::new)
    }
}

impl fmt::Display for MarkRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} to {}", self.first, self.last)
    }
}

/// The marks that are Weir's: a service with another mark, or with none, is someone else's, and is not touched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owned {
    range: MarkRange,
    others: BTreeSet<Mark>,
}

impl Owned {
    /// The marks of a range, and others that are outside of it.
    #[must_use]
    pub fn new(range: MarkRange, others: impl IntoIterator<Item = Mark>) -> Self {
        Self { range, others: others.into_iter().filter(|mark| !range.contains(*mark)).collect() }
    }

    /// Whether this mark is one of them.
    #[must_use]
    pub fn contains(&self, mark: Mark) -> bool {
        self.range.contains(mark) || self.others.contains(&mark)
    }

    /// Whether this service is known by one of them.
    #[must_use]
    pub fn owns(&self, key: &ServiceKey) -> bool {
        matches!(key, ServiceKey::Marked { mark, .. } if self.contains(*mark))
    }
}

impl fmt::Display for Owned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.range.fmt(f)?;
        self.others.iter().try_for_each(|mark| write!(f, ", {mark}"))
    }
}

/// What a service is known by. There are never two with the same key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ServiceKey {
    /// A mark, whatever the packets' addresses, protocols and ports. Weir's services are all of this kind.
    Marked {
        /// The family of the packets.
        family: Family,
        /// The mark.
        mark: Mark,
    },
    /// One address, protocol and port. Such services are other programs', and are only read.
    Addressed {
        /// The protocol's number, such as 6 for TCP.
        protocol: u16,
        /// The virtual address.
        address: IpAddr,
        /// The port; 0 for all.
        port: u16,
    },
}

impl ServiceKey {
    /// The family of its packets.
    #[must_use]
    pub fn family(&self) -> Family {
        match self {
            Self::Marked { family, .. } => *family,
            Self::Addressed { address, .. } => Family::of(*address),
        }
    }
}

impl fmt::Display for ServiceKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Marked { family: Family::V4, mark } => write!(f, "mark {mark}"),
            Self::Marked { family: Family::V6, mark } => write!(f, "mark {mark} (IPv6)"),
            Self::Addressed { protocol, address, port } => write!(f, "protocol {protocol} {address} port {port}"),
        }
    }
}

/// How a service chooses among its servers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Service {
    /// The scheduler, by the name of its module without `ip_vs_`.
    pub scheduler: Name,
    /// What the scheduler is to do differently.
    pub scheduler_flags: SchedulerFlags,
    /// Whether each UDP datagram is scheduled by itself, and no connection remembered (`IP_VS_SVC_F_ONEPACKET`).
    pub one_packet: bool,
    /// Whether a client stays with its server from one connection to the next.
    pub persistence: Option<Persistence>,
    /// What tells clients apart instead of their addresses, such as `sip`. Weir sets none.
    pub persistence_engine: Option<Name>,
}

impl Service {
    /// A service that does nothing but schedule.
    #[must_use]
    pub fn new(scheduler: Name) -> Self {
        Self {
            scheduler,
            scheduler_flags: SchedulerFlags::default(),
            one_packet: false,
            persistence: None,
            persistence_engine: None,
        }
    }
}

/// `IP_VS_SVC_F_SCHED1` to `3`; what they mean is up to the scheduler, such as fall-back and port for `sh` and `mh`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SchedulerFlags(pub [bool; 3]);

/// Whether this scheduler gives each client a server by its address, whatever the servers have to do, and heeds weights:
/// `mh` and `sh`.
#[must_use]
pub fn hashes_clients(scheduler: &Name) -> bool {
    matches!(scheduler.as_str(), "mh" | "sh")
}

impl SchedulerFlags {
    /// What a service needs to have by this scheduler. Those that [hash clients](hashes_clients) have one server for each.
    /// When that has no weight, or more connections than its threshold, they refuse the client unless they may take another
    /// (`IP_VS_SVC_F_SCHED_MH_FALLBACK`, `IP_VS_SVC_F_SCHED_SH_FALLBACK`): nobody could be drained, and no sorry server
    /// could take over. All other schedulers pass over such servers by themselves, but for `dh`, which has no such flag.
    #[must_use]
    pub fn of(scheduler: &Name) -> Self {
        Self([hashes_clients(scheduler), false, false])
    }
}

/// How a client stays with its server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Persistence {
    /// For how long after its last connection, in seconds; 1 to [`Persistence::LONGEST`].
    pub timeout: u32,
    /// The leading bits of an address that make a client: 1 to 32 for IPv4, to 128 for IPv6. 0, which is only ever read,
    /// stands for what no length of a prefix says.
    pub prefix: u8,
}

impl Persistence {
    /// 31 days. The kernel counts in up to a thousandth of a second, with 32 bits: what is longer than 49 days it would
    /// take for something shorter.
    pub const LONGEST: u32 = 31 * 24 * 60 * 60;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_and_single_marks_are_owned_and_nothing_else() {
        let mark = |number| Mark::new(number).unwrap();
        let range = MarkRange::new(mark(0x100), mark(0x1ff)).unwrap();
        let owned = Owned::new(range, [mark(7), mark(0x180)]);
        let marked = |number| ServiceKey::Marked { family: Family::V6, mark: mark(number) };
        assert!([7, 0x100, 0x1ff].into_iter().all(|number| owned.owns(&marked(number))));
        assert!([1, 0xff, 0x200].into_iter().all(|number| !owned.owns(&marked(number))));
        let address = [192, 0, 2, 1].into();
        assert!(!owned.owns(&ServiceKey::Addressed { protocol: 6, address, port: 0x100 }));
        assert_eq!(owned.to_string(), "256 to 511, 7");
        assert_eq!(MarkRange::new(mark(2), mark(1)), None);
        assert_eq!(Mark::new(0), None);
    }
}
