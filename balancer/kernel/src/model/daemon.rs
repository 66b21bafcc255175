//! Connection synchronisation between two directors, and connection timeouts.

use std::net::IpAddr;

use super::Name;

/// A sync daemon: a kernel thread that sends the state of connections to the other director, or receives it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Daemon {
    /// Whether the daemon sends or receives.
    pub role: Role,
    /// Network interface.
    pub interface: Name,
    /// Identifier of the pair, 0 to 255. A backup daemon with 0 accepts every identifier.
    pub sync_id: u32,
    /// Maximum length of a datagram, in bytes; `None` for the interface's MTU.
    pub datagram_length: Option<u16>,
    /// Multicast group; `None` for 224.0.0.81.
    pub group: Option<IpAddr>,
    /// UDP port; `None` for 8848.
    pub port: Option<u16>,
    /// Time to live of the datagrams; `None` for 1, which keeps them on the local network.
    pub ttl: Option<u8>,
}

impl Daemon {
    /// Returns whether `running` is what the kernel starts for this request. Options that are `None` match any value.
    #[must_use]
    pub fn is_satisfied_by(&self, running: &Self) -> bool {
        fn matches<T: PartialEq>(requested: Option<&T>, running: Option<&T>) -> bool {
            requested.is_none() || requested == running
        }
        (self.role, &self.interface, self.sync_id) == (running.role, &running.interface, running.sync_id)
            && matches(self.datagram_length.as_ref(), running.datagram_length.as_ref())
            && matches(self.group.as_ref(), running.group.as_ref())
            && matches(self.port.as_ref(), running.port.as_ref())
            && matches(self.ttl.as_ref(), running.ttl.as_ref())
    }
}

/// Role of a director, and of its sync daemon (`IP_VS_STATE_…`). The kernel can run a daemon in each role at the same
/// time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Has the virtual addresses; its daemon sends.
    Master,
    /// Stands by; its daemon receives.
    Backup,
}

impl Role {
    /// Both roles.
    pub const ALL: [Self; 2] = [Self::Master, Self::Backup];

    /// Name of the role: keepalived's, in lower case.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Master => "master",
            Self::Backup => "backup",
        }
    }
}

/// Timeouts of idle connections, in seconds. 0 leaves a timeout unchanged.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Timeouts {
    /// Timeout of TCP connections.
    pub tcp: u32,
    /// Timeout of TCP connections after a FIN.
    pub tcp_fin: u32,
    /// Timeout of UDP.
    pub udp: u32,
}

impl Timeouts {
    /// Maximum of a timeout, 596 hours: the kernel counts in up to thousandths of a second, in 31 bits, and refuses
    /// more.
    pub const MAX_SECONDS: u32 = 596 * 60 * 60;

    /// Returns whether `current` has all timeouts that are set here.
    #[must_use]
    pub fn are_satisfied_by(&self, current: &Self) -> bool {
        let matches = |requested: u32, current: u32| requested == 0 || requested == current;
        matches(self.tcp, current.tcp) && matches(self.tcp_fin, current.tcp_fin) && matches(self.udp, current.udp)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unset_options_of_a_daemon_match_the_kernels_defaults() {
        let requested = Daemon {
            role: Role::Master,
            interface: "eth0".parse().unwrap(),
            sync_id: 7,
            datagram_length: None,
            group: None,
            port: Some(8848),
            ttl: None,
        };
        let running = Daemon {
            datagram_length: Some(1472),
            group: Some([224, 0, 0, 81].into()),
            ttl: Some(1),
            ..requested.clone()
        };
        assert!(requested.is_satisfied_by(&running));
        assert!(!requested.is_satisfied_by(&Daemon { port: Some(8849), ..running.clone() }));
        assert!(!requested.is_satisfied_by(&Daemon { sync_id: 8, ..running.clone() }));
        assert!(!running.is_satisfied_by(&requested));
    }

    #[test]
    fn a_timeout_of_zero_matches_any_value() {
        let current = Timeouts { tcp: 900, tcp_fin: 120, udp: 300 };
        assert!(Timeouts { tcp: 0, tcp_fin: 120, udp: 0 }.are_satisfied_by(&current));
        assert!(!Timeouts { tcp: 0, tcp_fin: 121, udp: 0 }.are_satisfied_by(&current));
    }
}
