//! The addresses of this machine (rtnetlink(7); linux/rtnetlink.h, linux/if_addr.h).

use std::net::IpAddr;

use super::{Malformed, Message, Request};

/// `RTM_NEWADDR`, `RTM_DELADDR`, `RTM_GETADDR`.
pub const NEW: u16 = 20;
/// See [`NEW`].
pub const DELETE: u16 = 21;
const GET: u16 = 22;
/// `IFA_ADDRESS`: the peer's address on a point-to-point interface, the local address otherwise.
pub const ADDRESS: u16 = 1;
/// `IFA_LOCAL`: the local address. Missing for IPv6 addresses without a peer.
pub const LOCAL: u16 = 2;
/// `IFA_F_DADFAILED`, `IFA_F_DEPRECATED`, `IFA_F_TENTATIVE`: addresses that must not be used as source addresses.
const UNUSABLE: u8 = 0x08 | 0x20 | 0x40;

/// An address of this machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LocalAddress {
    /// The address.
    pub address: IpAddr,
    /// Index of its interface.
    pub interface: u32,
    /// Whether it can be used as a source address: it is neither deprecated nor tentative, and passed duplicate address
    /// detection.
    pub is_usable: bool,
}

/// The request that dumps the addresses of all interfaces.
#[must_use]
pub fn request() -> Request {
    Request::new(GET, 0).header(&[0; 8])
}

/// Reads the address from a message (`struct ifaddrmsg`); `None` for other messages.
///
/// # Errors
/// [`Malformed`] when the message is truncated or an attribute is invalid.
pub fn read(message: Message<'_>) -> Result<Option<LocalAddress>, Malformed> {
    let ([_, _, flags, _, interface @ ..], attributes) = message.split_body::<8>()?;
    if message.kind != NEW {
        return Ok(None);
    }
    let Some(found) = attributes.find_kind(LOCAL)?.or(attributes.find_kind(ADDRESS)?) else { return Ok(None) };
    let interface = u32::from_ne_bytes(interface);
    Ok(Some(LocalAddress { address: found.address()?, interface, is_usable: flags & UNUSABLE == 0 }))
}

#[cfg(test)]
mod tests {
    use std::net::Ipv6Addr;

    use proptest::prelude::*;

    use super::super::{Messages, Protocol, Socket};
    use super::*;

    #[test]
    fn the_kernel_lists_loopback() {
        let addresses =
            Socket::open(Protocol::Route).unwrap().dump(request(), |own: &mut Vec<LocalAddress>, message| {
                own.extend(read(message)?);
                Ok(())
            });
        assert!(addresses.unwrap().contains(&LocalAddress {
            address: [127, 0, 0, 1].into(),
            interface: 1,
            is_usable: true
        }));
    }

    #[test]
    fn deprecated_and_tentative_addresses_are_unusable() {
        let address: Ipv6Addr = "2001:db8::10".parse().unwrap();
        for (flags, is_usable) in [(0x80, true), (0xa0, false), (0x40, false)] {
            let mut request = Request::new(NEW, 0).header(&[10, 128, flags, 0, 7, 0, 0, 0]);
            request.put(ADDRESS, &address.octets());
            let bytes = request.encode(1).unwrap();
            let read: Vec<_> = Messages(&bytes).map(|message| read(message.unwrap())).collect();
            let interface = u32::from_ne_bytes([7, 0, 0, 0]);
            assert_eq!(read, [Ok(Some(LocalAddress { address: address.into(), interface, is_usable }))]);
        }
    }

    proptest! {
        #[test]
        fn no_message_causes_a_panic(body in proptest::collection::vec(any::<u8>(), 0..80)) {
            let _ = read(Message { kind: NEW, flags: 0, sequence: 1, body: &body });
        }
    }
}
