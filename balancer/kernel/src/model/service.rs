//! Virtual services: their keys, schedulers and persistence.

use std::collections::BTreeSet;
use std::fmt;
use std::net::IpAddr;
use std::num::NonZeroU32;

use super::Name;

/// Address family. A configured service with addresses of both families is two services with the same mark in the
/// kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Family {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

impl Family {
    /// The family of `address`.
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

    /// Length of an address, in bits.
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

/// A firewall mark: the number that nf_tables sets on a packet, and that identifies a service. Never 0, which is the
/// mark of unmarked packets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mark(NonZeroU32);

impl Mark {
    /// The mark with this number; `None` for 0.
    #[must_use]
    pub fn new(number: u32) -> Option<Self> {
        NonZeroU32::new(number).map(Self)
    }

    /// The number.
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

/// An inclusive range of marks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MarkRange {
    first: Mark,
    last: Mark,
}

impl MarkRange {
    /// Weir's default range: 0x57000000 to 0x5700ffff, which no other program is known to use. 0x57 is a `W`.
    pub const DEFAULT: Self = Self {
        first: Mark(NonZeroU32::MIN.saturating_add(0x5700_0000 - 1)),
        last: Mark(NonZeroU32::MIN.saturating_add(0x5700_ffff - 1)),
    };

    /// All marks.
    pub const ALL: Self = Self { first: Mark(NonZeroU32::MIN), last: Mark(NonZeroU32::MAX) };

    /// The marks from `first` to `last`; `None` if the range is empty.
    #[must_use]
    pub fn new(first: Mark, last: Mark) -> Option<Self> {
        (first <= last).then_some(Self { first, last })
    }

    /// Returns whether `mark` is in the range.
    #[must_use]
    pub fn contains(&self, mark: Mark) -> bool {
        (self.first..=self.last).contains(&mark)
    }

    /// The marks, in order.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = Mark> + use<> {
        (self.first.number()..=self.last.number()).filter_map(Mark::new)
    }
}

impl fmt::Display for MarkRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} to {}", self.first, self.last)
    }
}

/// The marks that Weir owns. Services with other marks, or with none, belong to other programs and are never changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnedMarks {
    range: MarkRange,
    others: BTreeSet<Mark>,
}

impl OwnedMarks {
    /// The marks of `range`, and further marks outside of it.
    #[must_use]
    pub fn new(range: MarkRange, others: impl IntoIterator<Item = Mark>) -> Self {
        Self { range, others: others.into_iter().filter(|mark| !range.contains(*mark)).collect() }
    }

    /// Returns whether Weir owns `mark`.
    #[must_use]
    pub fn contains(&self, mark: Mark) -> bool {
        self.range.contains(mark) || self.others.contains(&mark)
    }

    /// Returns whether Weir owns the service.
    #[must_use]
    pub fn owns(&self, key: &ServiceKey) -> bool {
        matches!(key, ServiceKey::Marked { mark, .. } if self.contains(*mark))
    }
}

/// Weir's default range.
impl Default for OwnedMarks {
    fn default() -> Self {
        Self::new(MarkRange::DEFAULT, [])
    }
}

impl fmt::Display for OwnedMarks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.range.fmt(f)?;
        self.others.iter().try_for_each(|mark| write!(f, ", {mark}"))
    }
}

/// Key that identifies a service in the kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ServiceKey {
    /// A firewall mark, whatever the packets' addresses, protocols and ports. All of Weir's services have such keys.
    Marked {
        /// Address family of the packets.
        family: Family,
        /// The mark.
        mark: Mark,
    },
    /// An address, a protocol and a port. Such services belong to other programs, and are only read.
    Addressed {
        /// Number of the protocol, such as 6 for TCP.
        protocol: u16,
        /// The virtual address.
        address: IpAddr,
        /// The port; 0 for all ports.
        port: u16,
    },
}

impl ServiceKey {
    /// Address family of the service's packets.
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

/// How a service schedules connections.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Service {
    /// Scheduler: the name of its module without `ip_vs_`.
    pub scheduler: Name,
    /// Flags of the scheduler.
    pub scheduler_flags: SchedulerFlags,
    /// Whether each UDP datagram is scheduled on its own, without a connection entry (`IP_VS_SVC_F_ONEPACKET`).
    pub one_packet: bool,
    /// Persistence, by which consecutive connections of a client go to the same server.
    pub persistence: Option<Persistence>,
    /// Persistence engine, which identifies clients by other means than their addresses, such as `sip`. Weir sets none.
    pub persistence_engine: Option<Name>,
}

impl Service {
    /// A service with this scheduler and no options.
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

/// `IP_VS_SVC_F_SCHED1` to `3`. Their meaning depends on the scheduler; for `sh` and `mh` they are fallback and port.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SchedulerFlags(pub [bool; 3]);

/// Returns whether the scheduler picks a server by a hash of the client's address, independent of load, and respects
/// weights: `mh` and `sh`.
#[must_use]
pub fn hashes_clients(scheduler: &Name) -> bool {
    matches!(scheduler.as_str(), "mh" | "sh")
}

impl SchedulerFlags {
    /// The flags that Weir sets for a scheduler. Schedulers that [hash clients](hashes_clients) have one server for
    /// each client. If that server has weight 0, or exceeds its threshold, they refuse the client unless the fallback
    /// flag (`IP_VS_SVC_F_SCHED_MH_FALLBACK`, `IP_VS_SVC_F_SCHED_SH_FALLBACK`) lets them pick another. Without it, no
    /// server could be drained, and no sorry server could take over. All other schedulers skip such servers, except for
    /// `dh`, which has no such flag.
    #[must_use]
    pub fn of(scheduler: &Name) -> Self {
        Self([hashes_clients(scheduler), false, false])
    }
}

/// Persistence of a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Persistence {
    /// Time after a client's last connection during which it keeps its server, in seconds, 1 to
    /// [`Persistence::MAX_SECONDS`].
    pub timeout: u32,
    /// Prefix length by which addresses are one client: 1 to 32 for IPv4, 1 to 128 for IPv6. 0 is only read from the
    /// kernel, for netmasks that are not a prefix.
    pub prefix: u8,
}

impl Persistence {
    /// Maximum timeout, 31 days. The kernel counts in up to thousandths of a second, in 32 bits, and would wrap after
    /// 49 days.
    pub const MAX_SECONDS: u32 = 31 * 24 * 60 * 60;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_range_and_the_further_marks_are_owned() {
        let mark = |number| Mark::new(number).unwrap();
        let range = MarkRange::new(mark(0x100), mark(0x1ff)).unwrap();
        let owned = OwnedMarks::new(range, [mark(7), mark(0x180)]);
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
