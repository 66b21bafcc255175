//! Requests about the addresses of loopback (rtnetlink(7); linux/rtnetlink.h, linux/if_addr.h).

use std::net::IpAddr;

use weir_program::netlink::addresses::{self, ADDRESS, DELETE, LOCAL, NEW};
use weir_program::netlink::{Malformed, Message, Request, flags};

/// `IFA_CACHEINFO`.
const LIFETIMES: u16 = 6;
/// `NLM_F_EXCL`: it must not be there yet.
const EXCLUSIVE: u16 = 0x200;
/// `IFA_F_NODAD`: nobody is asked whether he has the address, too; the director does.
const UNASKED: u8 = 0x02;
/// `LOOPBACK_IFINDEX`: the number of loopback in every network namespace.
const LOOPBACK: u32 = 1;
/// `AF_INET` and `AF_INET6`.
const INET: u8 = 2;
const INET6: u8 = 10;

/// Gives an address to loopback.
#[must_use]
pub fn add(address: IpAddr) -> Request {
    request(NEW, flags::CREATE | EXCLUSIVE, address)
}

/// Takes an address from loopback.
#[must_use]
pub fn delete(address: IpAddr) -> Request {
    request(DELETE, 0, address)
}

/// The address that a message says that loopback has.
///
/// # Errors
/// [`Malformed`] when it is no such message.
pub fn read(message: Message<'_>) -> Result<Option<IpAddr>, Malformed> {
    let own = addresses::read(message)?.filter(|own| own.interface == LOOPBACK);
    Ok(own.map(|own| own.address))
}

fn request(kind: u16, flags: u16, address: IpAddr) -> Request {
    let (family, length, own) = match address {
        IpAddr::V4(_) => (INET, 32, 0),
        IpAddr::V6(_) => (INET6, 128, UNASKED),
    };
    let mut request = Request::new(kind, flags).header(&header(family, length, own, LOOPBACK));
    match address {
        IpAddr::V4(address) => request.put(LOCAL, &address.octets()).put(ADDRESS, &address.octets()),
        IpAddr::V6(address) => request.put(ADDRESS, &address.octets()),
    };
    if kind == NEW && address.is_ipv6() {
        // Preferred for 0 s and valid for ever, so that it is never the source of the machine's own packets. What follows
        // are times that the kernel fills in (`struct ifa_cacheinfo`).
        let lifetimes = [0, u32::MAX, 0, 0].map(u32::to_ne_bytes);
        request.put(LIFETIMES, lifetimes.as_flattened());
    }
    request
}

/// `struct ifaddrmsg`.
fn header(family: u8, length: u8, flags: u8, index: u32) -> [u8; 8] {
    let [a, b, c, d] = index.to_ne_bytes();
    [family, length, flags, 0, a, b, c, d]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use weir_program::netlink::Messages;

    use super::*;

    #[test]
    fn what_is_written_can_be_read() {
        for address in ["192.0.2.10", "2001:db8::10"] {
            let address: IpAddr = address.parse().unwrap();
            let bytes = add(address).encode(1).unwrap();
            let messages: Vec<_> = Messages(&bytes).map(|message| read(message.unwrap())).collect();
            assert_eq!(messages, [Ok(Some(address))]);
        }
    }

    proptest! {
        #[test]
        fn nothing_is_too_odd_to_be_read(body in proptest::collection::vec(any::<u8>(), 0..80)) {
            let _ = read(Message { kind: NEW, flags: 0, sequence: 1, body: &body });
        }
    }
}
