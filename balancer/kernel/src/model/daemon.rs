//! The exchange of connections between two directors, and the time-outs of connections.

use std::net::IpAddr;

use super::Name;

/// A thread of the kernel that tells the other director about connections, or hears about them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Daemon {
    /// Which of the two it does.
    pub role: Role,
    /// The interface by which.
    pub interface: Name,
    /// What the two are known to each other by, 0 to 255; with 0 everything is heard.
    pub sync_id: u32,
    /// Bytes of a datagram; `None` for what fits the interface.
    pub datagram_length: Option<u16>,
    /// The multicast group; `None` for 224.0.0.81.
    pub group: Option<IpAddr>,
    /// The UDP port; `None` for 8848.
    pub port: Option<u16>,
    /// How many routers the datagrams pass; `None` for 1, which is none.
    pub ttl: Option<u8>,
}

impl Daemon {
    /// Whether `running` is what one gets who asks for this: what is not said may be anything.
    #[must_use]
    pub fn is_met_by(&self, running: &Self) -> bool {
        fn agrees<T: PartialEq>(wanted: Option<&T>, running: Option<&T>) -> bool {
            wanted.is_none() || wanted == running
        }
        (self.role, &self.interface, self.sync_id) == (running.role, &running.interface, running.sync_id)
            && agrees(self.datagram_length.as_ref(), running.datagram_length.as_ref())
            && agrees(self.group.as_ref(), running.group.as_ref())
            && agrees(self.port.as_ref(), running.port.as_ref())
            && agrees(self.ttl.as_ref(), running.ttl.as_ref())
    }
}

/// What a director does in the exchange of connections; it may do both (`IP_VS_STATE_…`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// It tells.
    Master,
    /// It hears.
    Backup,
}

impl Role {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Master, Self::Backup];

    /// What keepalived calls it, in lower case.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Master => "master",
            Self::Backup => "backup",
        }
    }
}

/// How long the kernel remembers a connection that is silent; in seconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Timeouts {
    /// Of TCP; 0 for what it was.
    pub tcp: u32,
    /// Of TCP after a FIN; 0 for what it was.
    pub tcp_fin: u32,
    /// Of UDP; 0 for what it was.
    pub udp: u32,
}

impl Timeouts {
    /// 596 hours: the kernel counts in up to a thousandth of a second, with 31 bits, and refuses what is longer.
    pub const LONGEST: u32 = 596 * 60 * 60;

    /// Whether `current` is what one gets who asks for this.
    #[must_use]
    pub fn are_met_by(&self, current: &Self) -> bool {
        let agrees = |wanted: u32, current: u32| wanted == 0 || wanted == current;
        agrees(self.tcp, current.tcp) && agrees(self.tcp_fin, current.tcp_fin) && agrees(self.udp, current.udp)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_kernel_makes_up_by_itself_is_as_good_as_any() {
        let wanted = Daemon {
            role: Role::Master,
            interface: "eth0".parse().unwrap(),
            sync_id: 7,
            datagram_length: None,
            group: None,
            port: Some(8848),
            ttl: None,
        };
        let running =
            Daemon { datagram_length: Some(1472), group: Some([224, 0, 0, 81].into()), ttl: Some(1), ..wanted.clone() };
        assert!(wanted.is_met_by(&running));
        assert!(!wanted.is_met_by(&Daemon { port: Some(8849), ..running.clone() }));
        assert!(!wanted.is_met_by(&Daemon { sync_id: 8, ..running.clone() }));
        assert!(!running.is_met_by(&wanted));
    }

    #[test]
    fn a_timeout_of_zero_leaves_it_as_it_was() {
        let current = Timeouts { tcp: 900, tcp_fin: 120, udp: 300 };
        assert!(Timeouts { tcp: 0, tcp_fin: 120, udp: 0 }.are_met_by(&current));
        assert!(!Timeouts { tcp: 0, tcp_fin: 121, udp: 0 }.are_met_by(&current));
    }
}
