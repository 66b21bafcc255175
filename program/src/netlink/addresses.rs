//! The addresses of this machine (rtnetlink(7); linux/rtnetlink.h, linux/if_addr.h).

use std::net::IpAddr;

use super::{Malformed, Message, Request};

/// `RTM_NEWADDR`, `RTM_DELADDR`, `RTM_GETADDR`.
pub const NEW: u16 = 20;
/// See [`NEW`].
pub const DELETE: u16 = 21;
const GET: u16 = 22;
/// `IFA_ADDRESS`: of a point-to-point interface the peer's, otherwise its own.
pub const ADDRESS: u16 = 1;
/// `IFA_LOCAL`: always its own; IPv6 has none where there is no peer.
pub const LOCAL: u16 = 2;
/// `IFA_F_DADFAILED`, `IFA_F_DEPRECATED`, `IFA_F_TENTATIVE`: an address that is not to be the source of anything.
const UNUSABLE: u8 = 0x08 | 0x20 | 0x40;

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

/// Asks for all addresses of all interfaces.
#[must_use]
pub fn list() -> Request {
    Request::new(GET, 0).header(&[0; 8])
}

/// The address that a message (`struct ifaddrmsg`) tells of; `None` when it tells of something else.
///
/// # Errors
/// [`Malformed`] when it is no such message.
pub fn read(message: Message<'_>) -> Result<Option<Own>, Malformed> {
    let ([_, _, flags, _, interface @ ..], attributes) = message.split_body::<8>()?;
    if message.kind != NEW {
        return Ok(None);
    }
    let Some(found) = attributes.find_kind(LOCAL)?.or(attributes.find_kind(ADDRESS)?) else { return Ok(None) };
    let interface = u32::from_ne_bytes(interface);
    Ok(Some(Own { address: found.address()?, interface, is_usable: flags & UNUSABLE == 0 }))
}

#[cfg(test)]
mod tests {
    use std::net::Ipv6Addr;

    use proptest::prelude::*;

    use super::super::{Messages, Protocol, Socket};
    use super::*;

    #[test]
    fn the_kernel_tells_of_loopback() {
        let addresses = Socket::open(Protocol::Route).unwrap().list(list(), |own: &mut Vec<Own>, message| {
            own.extend(read(message)?);
            Ok(())
        });
        assert!(addresses.unwrap().contains(&Own { address: [127, 0, 0, 1].into(), interface: 1, is_usable: true }));
    }

    #[test]
    fn a_deprecated_address_is_told_from_others() {
        let address: Ipv6Addr = "2001:db8::10".parse().unwrap();
        for (flags, is_usable) in [(0x80, true), (0xa0, false), (0x40, false)] {
            let mut request = Request::new(NEW, 0).header(&[10, 128, flags, 0, 7, 0, 0, 0]);
            request.put(ADDRESS, &address.octets());
            let bytes = request.encode(1).unwrap();
            let read: Vec<_> = Messages(&bytes).map(|message| read(message.unwrap())).collect();
            let interface = u32::from_ne_bytes([7, 0, 0, 0]);
            assert_eq!(read, [Ok(Some(Own { address: address.into(), interface, is_usable }))]);
        }
    }

    proptest! {
        #[test]
        fn nothing_is_too_odd_to_be_read(body in proptest::collection::vec(any::<u8>(), 0..80)) {
            let _ = read(Message { kind: NEW, flags: 0, sequence: 1, body: &body });
        }
    }
}
