//! Generic netlink (linux/genetlink.h). Families have names; the kernel assigns their numbers when they are loaded.

use weir_program::netlink::{Attributes, Malformed, Message, Request};

/// The controller family `nlctrl`, which lists the others.
const CONTROLLER: u16 = 16;
/// `CTRL_CMD_NEWFAMILY` (reply) and `CTRL_CMD_GETFAMILY` (request).
const NEW_FAMILY: u8 = 1;
const GET_FAMILY: u8 = 3;
/// Version of the controller's messages.
const CONTROLLER_VERSION: u8 = 1;
/// `CTRL_ATTR_FAMILY_ID`, `CTRL_ATTR_FAMILY_NAME`, `CTRL_ATTR_VERSION`.
const FAMILY_ID: u16 = 1;
const FAMILY_NAME: u16 = 2;
const FAMILY_VERSION: u16 = 3;

/// A generic netlink family.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Family {
    /// Its number, which is the type of its messages.
    pub id: u16,
    /// Version of its messages.
    pub version: u32,
}

/// The request for the family with this name; `ENOENT` if it does not exist. The kernel tries to load a module with a
/// matching alias, which `ip_vs` does not have: that must be loaded before.
#[must_use]
pub fn find_family(name: &str) -> Request {
    let mut request = request(CONTROLLER, GET_FAMILY, CONTROLLER_VERSION);
    request.put_text(FAMILY_NAME, name);
    request
}

/// Reads the family from a reply; `None` for other messages.
///
/// # Errors
/// [`Malformed`].
pub fn read_family(message: Message<'_>) -> Result<Option<Family>, Malformed> {
    let Some((NEW_FAMILY, attributes)) = split(message, CONTROLLER)? else { return Ok(None) };
    let (mut id, mut version) = (None, 0);
    for attribute in attributes {
        let attribute = attribute?;
        match attribute.kind {
            FAMILY_ID => id = Some(attribute.u16()?),
            FAMILY_VERSION => version = attribute.u32()?,
            _ => {}
        }
    }
    Ok(id.map(|id| Family { id, version }))
}

/// A request with this command to a family.
#[must_use]
pub fn request(family: u16, command: u8, version: u8) -> Request {
    Request::new(family, 0).header(&[command, version, 0, 0])
}

/// Splits a message of `family` into its command and attributes; `None` for messages of other families.
///
/// # Errors
/// [`Malformed`] when the message is too short.
pub fn split(message: Message<'_>, family: u16) -> Result<Option<(u8, Attributes<'_>)>, Malformed> {
    if message.kind != family {
        return Ok(None);
    }
    let ([command, ..], attributes) = message.split_body::<4>()?;
    Ok(Some((command, attributes)))
}

#[cfg(test)]
mod tests {
    use weir_program::netlink::{Protocol, Socket};

    use super::*;

    #[test]
    fn the_kernel_returns_the_number_of_a_family() {
        let mut socket = Socket::open(Protocol::Generic).unwrap();
        let family = socket.query(find_family("nlctrl"), read_family).unwrap();
        assert_eq!(family, Family { id: CONTROLLER, version: 2 });
    }
}
