//! The time-outs of connections, and what the kernel says of itself.

use std::fmt;

use weir_program::netlink::{Malformed, Message, Request};

use super::{attribute, command, request};
use crate::model::Timeouts;
use crate::netlink::generic;

/// `IPVS_INFO_ATTR_…`.
const INFO_VERSION: u16 = 1;
const INFO_CONN_TAB_SIZE: u16 = 2;

/// What the kernel says of its IPVS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Version {
    /// The version as one number of three bytes.
    pub code: u32,
    /// Buckets of the table of connections, which the module is given when it is loaded.
    pub connection_table_size: u32,
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.code >> 16 & 0xff, self.code >> 8 & 0xff, self.code & 0xff)
    }
}

/// The request for the time-outs.
#[must_use]
pub fn get_timeouts(family: u16) -> Request {
    request(family, command::GET_CONFIG)
}

/// The request to set the time-outs; `EINVAL` when one is longer than the kernel counts.
#[must_use]
pub fn set_timeouts(family: u16, timeouts: &Timeouts) -> Request {
    let mut request = request(family, command::SET_CONFIG);
    request
        .put(attribute::TIMEOUT_TCP, &timeouts.tcp.to_ne_bytes())
        .put(attribute::TIMEOUT_TCP_FIN, &timeouts.tcp_fin.to_ne_bytes())
        .put(attribute::TIMEOUT_UDP, &timeouts.udp.to_ne_bytes());
    request
}

/// The time-outs that an answer tells of; `None` when it is no such answer. 0 is what the kernel does not say, since it
/// was built without the protocol.
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

/// The request for what the kernel says of itself.
#[must_use]
pub fn get_version(family: u16) -> Request {
    request(family, command::GET_INFO)
}

/// What an answer says of the kernel; `None` when it is no such answer.
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
    fn the_version_is_three_numbers() {
        let mut request = request(31, command::SET_INFO);
        request.put(INFO_VERSION, &0x01_02_01_u32.to_ne_bytes()).put(INFO_CONN_TAB_SIZE, &4096_u32.to_ne_bytes());
        let bytes = request.encode(1).unwrap();
        let version = read_version(Messages(&bytes).next().unwrap().unwrap(), 31).unwrap().unwrap();
        assert_eq!((version.to_string().as_str(), version.connection_table_size), ("1.2.1", 4096));
    }

    proptest! {
        #[test]
        fn timeouts_that_are_written_are_read(tcp: u32, tcp_fin: u32, udp: u32) {
            let timeouts = Timeouts { tcp, tcp_fin, udp };
            let bytes = set_timeouts(31, &timeouts).encode(9).unwrap();
            prop_assert_eq!(read_timeouts(Messages(&bytes).next().unwrap().unwrap(), 31), Ok(Some(timeouts)));
        }
    }
}
