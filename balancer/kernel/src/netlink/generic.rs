//! Generic netlink (linux/genetlink.h): families have names, and the kernel gives each a number when it is loaded.

use weir_program::netlink::{Attributes, Malformed, Message, Request};

/// The family that knows the others, `nlctrl`.
const CONTROLLER: u16 = 16;
/// `CTRL_CMD_NEWFAMILY`, which answers, and `CTRL_CMD_GETFAMILY`.
const NEW_FAMILY: u8 = 1;
const GET_FAMILY: u8 = 3;
/// The version of the controller's messages.
const CONTROLLER_VERSION: u8 = 1;
/// `CTRL_ATTR_FAMILY_ID`, `CTRL_ATTR_FAMILY_NAME`, `CTRL_ATTR_VERSION`.
const FAMILY_ID: u16 = 1;
const FAMILY_NAME: u16 = 2;
const FAMILY_VERSION: u16 = 3;

/// A family of generic netlink.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Family {
    /// Its number, the kind of its messages.
    pub id: u16,
    /// The version of its messages.
    pub version: u32,
}

/// The request for the family of this name; `ENOENT` when there is none. The kernel then loads the module that is said to
/// be for this name. Of `ip_vs` nothing is said: it must have been loaded.
#[must_use]
pub fn find_family(name: &str) -> Request {
    let mut request = request(CONTROLLER, GET_FAMILY, CONTROLLER_VERSION);
    request.put_text(FAMILY_NAME, name);
    request
}

/// The family that an answer tells of; `None` when it is no such answer.
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

/// A request to a family.
#[must_use]
pub fn request(family: u16, command: u8, version: u8) -> Request {
    Request::new(family, 0).header(&[command, version, 0, 0])
}

/// The command and the attributes of a family's message; `None` when it is another's.
///
/// # Errors
/// [`Malformed`] when it is too short.
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
    fn the_kernel_tells_the_number_of_a_family() {
        let mut socket = Socket::open(Protocol::Generic).unwrap();
        let family = socket.ask(find_family("nlctrl"), read_family).unwrap();
        assert_eq!(family, Family { id: CONTROLLER, version: 2 });
    }
}
