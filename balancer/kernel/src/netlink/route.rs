//! Routes (rtnetlink(7); linux/rtnetlink.h).

use std::net::IpAddr;

use weir_program::netlink::{Malformed, Message, Request};

/// `RTM_NEWROUTE`, `RTM_GETROUTE`.
const NEW_ROUTE: u16 = 24;
const GET_ROUTE: u16 = 26;
/// `RTA_DST`, `RTA_OIF`, `RTA_PREFSRC`.
const TO: u16 = 1;
const INTERFACE: u16 = 4;
const SOURCE: u16 = 7;
/// `AF_INET` and `AF_INET6`.
const INET: u8 = 2;
const INET6: u8 = 10;

/// The route to an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Route {
    /// Index of the outgoing interface.
    pub interface: u32,
    /// Preferred source address.
    pub source: Option<IpAddr>,
}

/// The request for the route to an address.
#[must_use]
pub fn get_route(to: IpAddr) -> Request {
    let header = |family, bits| [family, bits, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    match to {
        IpAddr::V4(address) => put(Request::new(GET_ROUTE, 0).header(&header(INET, 32)), &address.octets()),
        IpAddr::V6(address) => put(Request::new(GET_ROUTE, 0).header(&header(INET6, 128)), &address.octets()),
    }
}

fn put(mut request: Request, address: &[u8]) -> Request {
    request.put(TO, address);
    request
}

/// Reads the route from a message (`struct rtmsg`); `None` for other messages.
///
/// # Errors
/// [`Malformed`] when the message is truncated or an attribute is invalid.
pub fn read_route(message: Message<'_>) -> Result<Option<Route>, Malformed> {
    let (_, attributes) = message.split_body::<12>()?;
    if message.kind != NEW_ROUTE {
        return Ok(None);
    }
    let Some(interface) = attributes.find_kind(INTERFACE)? else { return Ok(None) };
    let source = attributes.find_kind(SOURCE)?.map(|source| source.address()).transpose()?;
    Ok(Some(Route { interface: interface.u32()?, source }))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use weir_program::netlink::{Protocol, Socket};

    use super::*;

    #[test]
    fn the_kernel_returns_the_route_to_loopback() {
        let mut socket = Socket::open(Protocol::Route).unwrap();
        let to: IpAddr = [127, 0, 0, 1].into();
        let route = socket.query(get_route(to), read_route).unwrap();
        assert_eq!(route, Route { interface: 1, source: Some(to) });
    }

    proptest! {
        #[test]
        fn no_message_causes_a_panic(body in proptest::collection::vec(any::<u8>(), 0..80)) {
            let _ = read_route(Message { kind: NEW_ROUTE, flags: 0, sequence: 1, body: &body });
        }
    }
}
