//! Netlink requests for the addresses of the loopback interface (rtnetlink(7); linux/rtnetlink.h, linux/if_addr.h).

use std::net::IpAddr;

use weir_program::netlink::addresses::{self, ADDRESS, DELETE, LOCAL, NEW};
use weir_program::netlink::{Malformed, Message, Request, flags};

/// `IFA_CACHEINFO`.
const LIFETIMES: u16 = 6;
/// `NLM_F_EXCL`: fail if the address exists.
const EXCLUSIVE: u16 = 0x200;
/// `IFA_F_NODAD`: no duplicate address detection, which would find the director.
const NO_DUPLICATE_DETECTION: u8 = 0x02;
/// `LOOPBACK_IFINDEX`: the index of the loopback interface in every network namespace.
const LOOPBACK: u32 = 1;
/// `AF_INET` and `AF_INET6`.
const INET: u8 = 2;
const INET6: u8 = 10;

/// Returns the request that adds an address to the loopback interface.
#[must_use]
pub fn add(address: IpAddr) -> Request {
    request(NEW, flags::CREATE | EXCLUSIVE, address)
}

/// Returns the request that removes an address from the loopback interface.
#[must_use]
pub fn delete(address: IpAddr) -> Request {
    request(DELETE, 0, address)
}

/// Parses a message about an address; returns the address if it is one of the loopback interface.
///
/// # Errors
/// [`Malformed`] when it is no such message.
pub fn read(message: Message<'_>) -> Result<Option<IpAddr>, Malformed> {
    let on_loopback = addresses::read(message)?.filter(|found| found.interface == LOOPBACK);
    Ok(on_loopback.map(|found| found.address))
}

fn request(kind: u16, flags: u16, address: IpAddr) -> Request {
    let (family, length, address_flags) = match address {
        IpAddr::V4(_) => (INET, 32, 0),
        IpAddr::V6(_) => (INET6, 128, NO_DUPLICATE_DETECTION),
    };
    let mut request = Request::new(kind, flags).header(&header(family, length, address_flags, LOOPBACK));
    match address {
        IpAddr::V4(address) => request.put(LOCAL, &address.octets()).put(ADDRESS, &address.octets()),
        IpAddr::V6(address) => request.put(ADDRESS, &address.octets()),
    };
    if kind == NEW && address.is_ipv6() {
        // Preferred for 0 s and valid forever, so that the machine never uses it as a source address. The kernel fills in
        // the other two times (`struct ifa_cacheinfo`).
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
    fn an_encoded_address_is_parsed_again() {
        for address in ["192.0.2.10", "2001:db8::10"] {
            let address: IpAddr = address.parse().unwrap();
            let bytes = add(address).encode(1).unwrap();
            let messages: Vec<_> = Messages(&bytes).map(|message| read(message.unwrap())).collect();
            assert_eq!(messages, [Ok(Some(address))]);
        }
    }

    proptest! {
        #[test]
        fn no_message_causes_a_panic(body in proptest::collection::vec(any::<u8>(), 0..80)) {
            let _ = read(Message { kind: NEW, flags: 0, sequence: 1, body: &body });
        }
    }
}
