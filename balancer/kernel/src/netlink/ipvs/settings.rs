//! Connection timeouts, and the version of IPVS.

use std::fmt;

use weir_program::netlink::{Malformed, Message, Request};

use super::{attribute, command, request};
use crate::model::Timeouts;
use crate::netlink::generic;

/// `IPVS_INFO_ATTR_…`.
const INFO_VERSION: u16 = 1;
const INFO_CONN_TAB_SIZE: u16 = 2;

/// Version of IPVS, and size of its connection table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Version {
    /// The version as a number of three bytes.
    pub code: u32,
    /// Number of buckets of the connection table, a parameter of the module.
    pub connection_table_size: u32,
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.code >> 16 & 0xff, self.code >> 8 & 0xff, self.code & 0xff)
    }
}

/// The request for the timeouts.
#[must_use]
pub fn get_timeouts(family: u16) -> Request {
    request(family, command::GET_CONFIG)
}

/// The request to set the timeouts; `EINVAL` if one exceeds the kernel's maximum.
#[must_use]
pub fn set_timeouts(family: u16, timeouts: &Timeouts) -> Request {
    let mut request = request(family, command::SET_CONFIG);
    request
        .put(attribute::TIMEOUT_TCP, &timeouts.tcp.to_ne_bytes())
        .put(attribute::TIMEOUT_TCP_FIN, &timeouts.tcp_fin.to_ne_bytes())
        .put(attribute::TIMEOUT_UDP, &timeouts.udp.to_ne_bytes());
    request
}

/// Reads the timeouts from a reply; `None` for other messages. A timeout that the kernel does not send is 0: it was
/// built without that protocol.
///
/// # Errors
/// [`Malformed`].
pub fn read_timeouts(message: Message<'_>, family: u16) -> Result<Option<Timeouts>, Malformed> {
    let Some((command::SET_CONFIG, attributes)) = generic::split(message, family)? else { return Ok(None) };
    let mut timeouts = Timeouts::default();
    for attribute in attributes {
        let attribute = attribute?;
        match attribute.kind {
            attribute::TIMEOUT_TCP => timeouts.tcp = attribute.u32()?,
            attribute::TIMEOUT_TCP_FIN => timeouts.tcp_fin = attribute.u32()?,
            attribute::TIMEOUT_UDP => timeouts.udp = attribute.u32()?,
            _ => {}
        }
    }
    Ok(Some(timeouts))
}

/// The request for the version.
#[must_use]
pub fn get_version(family: u16) -> Request {
    request(family, command::GET_INFO)
}

/// Reads the version from a reply; `None` for other messages.
///
/// # Errors
/// [`Malformed`].
pub fn read_version(message: Message<'_>, family: u16) -> Result<Option<Version>, Malformed> {
    let Some((command::SET_INFO, attributes)) = generic::split(message, family)? else { return Ok(None) };
    let mut version = Version { code: 0, connection_table_size: 0 };
    for attribute in attributes {
        let attribute = attribute?;
        match attribute.kind {
            INFO_VERSION => version.code = attribute.u32()?,
            INFO_CONN_TAB_SIZE => version.connection_table_size = attribute.u32()?,
            _ => {}
        }
    }
    Ok(Some(version))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use weir_program::netlink::Messages;

    use super::*;

    #[test]
    fn the_version_has_three_numbers() {
        let mut request = request(31, command::SET_INFO);
        request.put(INFO_VERSION, &0x01_02_01_u32.to_ne_bytes()).put(INFO_CONN_TAB_SIZE, &4096_u32.to_ne_bytes());
        let bytes = request.encode(1).unwrap();
        let version = read_version(Messages(&bytes).next().unwrap().unwrap(), 31).unwrap().unwrap();
        assert_eq!((version.to_string().as_str(), version.connection_table_size), ("1.2.1", 4096));
    }

    proptest! {
        #[test]
        fn encoded_timeouts_can_be_read(tcp: u32, tcp_fin: u32, udp: u32) {
            let timeouts = Timeouts { tcp, tcp_fin, udp };
            let bytes = set_timeouts(31, &timeouts).encode(9).unwrap();
            prop_assert_eq!(read_timeouts(Messages(&bytes).next().unwrap().unwrap(), 31), Ok(Some(timeouts)));
        }
    }
}
