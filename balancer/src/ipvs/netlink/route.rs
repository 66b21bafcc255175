//! Routes, and the addresses of this machine (rtnetlink(7); linux/rtnetlink.h, linux/if_addr.h).

use std::net::IpAddr;

use weir_program::netlink::{Attribute, Malformed, Message, Request};

/// `RTM_NEWADDR`, `RTM_GETADDR`, `RTM_NEWROUTE`, `RTM_GETROUTE`.
const NEW_ADDRESS: u16 = 20;
const GET_ADDRESS: u16 = 22;
const NEW_ROUTE: u16 = 24;
const GET_ROUTE: u16 = 26;
/// `RTA_DST`, `RTA_OIF`, `RTA_PREFSRC`.
const TO: u16 = 1;
const INTERFACE: u16 = 4;
const SOURCE: u16 = 7;
/// `IFA_ADDRESS`, `IFA_LOCAL`.
const ADDRESS: u16 = 1;
const LOCAL: u16 = 2;
/// `IFA_F_DADFAILED`, `IFA_F_DEPRECATED`, `IFA_F_TENTATIVE`: an address that is not to be the source of anything.
const UNUSABLE: u8 = 0x08 | 0x20 | 0x40;
/// `AF_INET` and `AF_INET6`.
const INET: u8 = 2;
const INET6: u8 = 10;

/// The way to an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Route {
    /// The number of the interface that packets leave by.
    pub interface: u32,
    /// The address that they are sent from, unless something else is asked for.
    pub source: Option<IpAddr>,
}

/// An address of this machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Own {
    /// The address.
    pub address: IpAddr,
    /// The number of its interface.
    pub interface: u32,
    /// Whether it is meant to be the source of packets: neither deprecated nor in doubt.
    pub is_usable: bool,
}

/// Asks for the way to an address.
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

/// Asks for all addresses of all interfaces.
#[must_use]
pub fn list_addresses() -> Request {
    Request::new(GET_ADDRESS, 0).header(&[0; 8])
}

/// The way that a message (`struct rtmsg`) tells of; `None` when it tells of something else.
///
/// # Errors
/// [`Malformed`] when it is no such message.
pub fn read_route(message: Message<'_>) -> Result<Option<Route>, Malformed> {
    let (_, attributes) = message.split_body::<12>()?;
    if message.kind != NEW_ROUTE {
        return Ok(None);
    }
    let Some(interface) = attributes.find_kind(INTERFACE)? else { return Ok(None) };
    let source = attributes.find_kind(SOURCE)?.map(|source| address(&source)).transpose()?;
    Ok(Some(Route { interface: interface.u32()?, source }))
}

/// The address that a message (`struct ifaddrmsg`) tells of; `None` when it tells of something else.
///
/// # Errors
/// [`Malformed`] when it is no such message.
pub fn read_address(message: Message<'_>) -> Result<Option<Own>, Malformed> {
    let ([_, _, flags, _, interface @ ..], attributes) = message.split_body::<8>()?;
    if message.kind != NEW_ADDRESS {
        return Ok(None);
    }
    // Of a point-to-point interface the other is that of its peer.
    let Some(found) = attributes.find_kind(LOCAL)?.or(attributes.find_kind(ADDRESS)?) else { return Ok(None) };
    let interface = u32::from_ne_bytes(interface);
    Ok(Some(Own { address: address(&found)?, interface, is_usable: flags & UNUSABLE == 0 }))
}

/// An address by its length; attributes of another kind tell their family besides.
fn address(attribute: &Attribute<'_>) -> Result<IpAddr, Malformed> {
    match attribute.value.len() {
        4 => Ok(attribute.array::<4>()?.into()),
        _ => Ok(attribute.array::<16>()?.into()),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use weir_program::netlink::{Messages, Protocol, Socket};

    use super::*;

    #[test]
    fn the_kernel_tells_the_way_to_itself_and_its_addresses() {
        let mut socket = Socket::open(Protocol::Route).unwrap();
        let to: IpAddr = [127, 0, 0, 1].into();
        let route = socket.ask(get_route(to), read_route).unwrap();
        assert_eq!(route, Route { interface: 1, source: Some(to) });
        let addresses = socket.list(list_addresses(), |list: &mut Vec<Own>, message| {
            list.extend(read_address(message)?);
            Ok(())
        });
        assert!(addresses.unwrap().contains(&Own { address: to, interface: 1, is_usable: true }));
    }

    #[test]
    fn a_deprecated_address_is_told_from_others() {
        let address: IpAddr = "2001:db8::10".parse().unwrap();
        for (flags, is_usable) in [(0x80, true), (0xa0, false), (0x40, false)] {
            let mut request = Request::new(NEW_ADDRESS, 0).header(&[INET6, 128, flags, 0, 7, 0, 0, 0]);
            request.put(ADDRESS, &"2001:db8::10".parse::<std::net::Ipv6Addr>().unwrap().octets());
            let bytes = request.encode(1).unwrap();
            let read: Vec<_> = Messages(&bytes).map(|message| read_address(message.unwrap())).collect();
            let interface = u32::from_ne_bytes([7, 0, 0, 0]);
            assert_eq!(read, [Ok(Some(Own { address, interface, is_usable }))]);
        }
    }

    proptest! {
        #[test]
        fn nothing_is_too_odd_to_be_read(body in proptest::collection::vec(any::<u8>(), 0..80)) {
            for kind in [NEW_ADDRESS, NEW_ROUTE] {
                let message = Message { kind, flags: 0, sequence: 1, body: &body };
                let _ = (read_route(message), read_address(message));
            }
        }
    }
}
