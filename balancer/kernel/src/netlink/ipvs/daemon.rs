//! Sync daemons, which synchronise connections between two directors.

use std::net::IpAddr;

use weir_program::netlink::{Attribute, Malformed, Message, Request, flags};

use super::{attribute, command, nest, read_name, request};
use crate::model::{Daemon, Role};

/// `IPVS_DAEMON_ATTR_…`.
const STATE: u16 = 1;
const MCAST_IFN: u16 = 2;
const SYNC_ID: u16 = 3;
const SYNC_MAXLEN: u16 = 4;
const MCAST_GROUP: u16 = 5;
const MCAST_GROUP6: u16 = 6;
const MCAST_PORT: u16 = 7;
const MCAST_TTL: u16 = 8;

/// `IP_VS_STATE_…`.
const MASTER: u32 = 1;
const BACKUP: u32 = 2;

/// The request to start a daemon. `EEXIST` if one with this role is running, `ENODEV` if the interface does not exist,
/// `EINVAL` if a server has another family than its service, which the sync protocol cannot represent.
#[must_use]
pub fn start(family: u16, daemon: &Daemon) -> Request {
    let mut request = request(family, command::NEW_DAEMON);
    request.nest(attribute::DAEMON, |nest| {
        nest.put(STATE, &number(daemon.role))
            .put_text(MCAST_IFN, daemon.interface.as_str())
            .put(SYNC_ID, &daemon.sync_id.to_ne_bytes());
        if let Some(length) = daemon.datagram_length {
            nest.put(SYNC_MAXLEN, &length.to_ne_bytes());
        }
        match daemon.group {
            Some(IpAddr::V4(group)) => nest.put(MCAST_GROUP, &group.octets()),
            Some(IpAddr::V6(group)) => nest.put(MCAST_GROUP6, &group.octets()),
            None => nest,
        };
        if let Some(port) = daemon.port {
            nest.put(MCAST_PORT, &port.to_ne_bytes());
        }
        if let Some(ttl) = daemon.ttl {
            nest.put(MCAST_TTL, &[ttl]);
        }
        nest
    });
    request
}

/// The request to stop the daemon with this role. `ESRCH` if none is running.
#[must_use]
pub fn stop(family: u16, role: Role) -> Request {
    let mut request = request(family, command::DEL_DAEMON);
    request.nest(attribute::DAEMON, |nest| nest.put(STATE, &number(role)));
    request
}

/// The request for all running daemons.
#[must_use]
pub fn list(family: u16) -> Request {
    let mut request = request(family, command::GET_DAEMON);
    request.add_flags(flags::DUMP);
    request
}

/// Reads a daemon from a reply; `None` for other messages.
///
/// # Errors
/// [`Malformed`].
pub fn read(message: Message<'_>, family: u16) -> Result<Option<Daemon>, Malformed> {
    nest(message, family, command::NEW_DAEMON, attribute::DAEMON)?.map(read_nest).transpose()
}

fn number(role: Role) -> [u8; 4] {
    match role {
        Role::Master => MASTER.to_ne_bytes(),
        Role::Backup => BACKUP.to_ne_bytes(),
    }
}

fn read_nest(nest: Attribute<'_>) -> Result<Daemon, Malformed> {
    let (mut role, mut interface, mut sync_id) = (None, None, 0);
    let (mut datagram_length, mut group, mut port, mut ttl) = (None, None, None, None);
    for attribute in nest.nested() {
        let attribute = attribute?;
        match attribute.kind {
            STATE => {
                role = Some(match attribute.u32()? {
                    MASTER => Role::Master,
                    BACKUP => Role::Backup,
                    _ => return Err(Malformed("daemon is neither master nor backup")),
                });
            }
            MCAST_IFN => interface = Some(read_name(attribute)?),
            SYNC_ID => sync_id = attribute.u32()?,
            SYNC_MAXLEN => datagram_length = Some(attribute.u16()?),
            MCAST_GROUP => group = Some(IpAddr::from(attribute.array::<4>()?)),
            MCAST_GROUP6 => group = Some(IpAddr::from(attribute.array::<16>()?)),
            MCAST_PORT => port = Some(attribute.u16()?),
            MCAST_TTL => ttl = Some(attribute.u8()?),
            _ => {}
        }
    }
    let (Some(role), Some(interface)) = (role, interface) else {
        return Err(Malformed("daemon has no role or no interface"));
    };
    Ok(Daemon { role, interface, sync_id, datagram_length, group, port, ttl })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use weir_program::netlink::Messages;

    use super::*;
    use crate::model::tests::daemon;

    proptest! {
        #[test]
        fn an_encoded_daemon_can_be_read(daemon in daemon()) {
            let bytes = start(31, &daemon).encode(9).unwrap();
            let read = read(Messages(&bytes).next().unwrap().unwrap(), 31);
            prop_assert_eq!(read, Ok(Some(daemon)));
        }
    }
}
