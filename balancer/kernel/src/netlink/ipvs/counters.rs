//! Counters of services and servers.

use weir_program::netlink::{Attribute, Malformed};

/// `IPVS_STATS_ATTR_…`, in order.
const CONNECTIONS: u16 = 1;
const PACKETS_IN: u16 = 2;
const PACKETS_OUT: u16 = 3;
const BYTES_IN: u16 = 4;
const BYTES_OUT: u16 = 5;
const CONNECTION_RATE: u16 = 6;
const PACKET_RATE_IN: u16 = 7;
const PACKET_RATE_OUT: u16 = 8;
const BYTE_RATE_IN: u16 = 9;
const BYTE_RATE_OUT: u16 = 10;

/// Counters since the object was created or its counters were reset, and rates, which the kernel samples every two
/// seconds and averages over about ten. With direct routing and tunnels, replies bypass the director, and outgoing
/// counters are 0.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counters {
    /// Scheduled connections.
    pub connections: u64,
    /// Packets from clients.
    pub packets_in: u64,
    /// Packets to clients.
    pub packets_out: u64,
    /// Bytes from clients.
    pub bytes_in: u64,
    /// Bytes to clients.
    pub bytes_out: u64,
    /// Scheduled connections per second.
    pub connection_rate: u64,
    /// Packets from clients per second.
    pub packet_rate_in: u64,
    /// Packets to clients per second.
    pub packet_rate_out: u64,
    /// Bytes from clients per second.
    pub byte_rate_in: u64,
    /// Bytes to clients per second.
    pub byte_rate_out: u64,
}

/// Counters in the two widths that the kernel sends: 64 bits since Linux 4.1, and 32 bits, which wrap.
#[derive(Debug, Default)]
pub(super) struct Widths {
    wide: Option<Counters>,
    narrow: Option<Counters>,
}

impl Widths {
    pub(super) fn set_wide(&mut self, nest: Attribute<'_>) -> Result<(), Malformed> {
        self.wide = Some(read(nest)?);
        Ok(())
    }

    pub(super) fn set_narrow(&mut self, nest: Attribute<'_>) -> Result<(), Malformed> {
        self.narrow = Some(read(nest)?);
        Ok(())
    }

    pub(super) fn widest(self) -> Counters {
        self.wide.or(self.narrow).unwrap_or_default()
    }
}

fn read(nest: Attribute<'_>) -> Result<Counters, Malformed> {
    let mut counters = Counters::default();
    for attribute in nest.nested() {
        let attribute = attribute?;
        let counter = match attribute.kind {
            CONNECTIONS => &mut counters.connections,
            PACKETS_IN => &mut counters.packets_in,
            PACKETS_OUT => &mut counters.packets_out,
            BYTES_IN => &mut counters.bytes_in,
            BYTES_OUT => &mut counters.bytes_out,
            CONNECTION_RATE => &mut counters.connection_rate,
            PACKET_RATE_IN => &mut counters.packet_rate_in,
            PACKET_RATE_OUT => &mut counters.packet_rate_out,
            BYTE_RATE_IN => &mut counters.byte_rate_in,
            BYTE_RATE_OUT => &mut counters.byte_rate_out,
            _ => continue,
        };
        *counter = attribute.counter()?;
    }
    Ok(counters)
}
