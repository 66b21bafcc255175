//! Version 2: a binary header (section 2.2).

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::proxy_protocol::addresses::{Addresses, Family};
use crate::proxy_protocol::outcome::{Invalid, Parsed};

/// The first bytes of every header.
pub(super) const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

/// Bytes before the addresses: signature, version and command, family and transport, length.
const FIXED: usize = 16;

/// Maximum number of bytes that may follow. Addresses take up to 216; the rest are extensions (TLVs), such as a
/// client's certificate, which are ignored.
const MAX_REST: usize = 4096;

/// Maximum length of a header.
pub(super) const MAX_LENGTH: usize = FIXED + MAX_REST;

/// Version 2, and the command: a connection on the proxy's own behalf …
const LOCAL: u8 = 0x20;
/// … or on behalf of a client.
const PROXY: u8 = 0x21;

/// Address family in the upper four bits, transport protocol in the lower.
const TCP_OVER_IPV4: u8 = 0x11;
const TCP_OVER_IPV6: u8 = 0x21;

/// Appends the header with these addresses.
pub fn write(addresses: &Addresses, output: &mut Vec<u8>) {
    let (family, ports) = addresses.in_one_family();
    output.extend(SIGNATURE);
    match family {
        Family::V4(source, destination) => {
            output.extend([PROXY, TCP_OVER_IPV4, 0, 12]);
            output.extend(source.octets().into_iter().chain(destination.octets()));
        }
        Family::V6(source, destination) => {
            output.extend([PROXY, TCP_OVER_IPV6, 0, 36]);
            output.extend(source.octets().into_iter().chain(destination.octets()));
        }
    }
    output.extend(ports.into_iter().flat_map(u16::to_be_bytes));
}

/// Parses the first bytes of a connection, which begin with the [`SIGNATURE`].
pub(super) fn parse(bytes: &[u8]) -> Parsed {
    let Some(&[command, family, high, low]) = bytes.get(SIGNATURE.len()..FIXED).and_then(<[u8]>::first_chunk::<4>)
    else {
        return Parsed::NeedMore;
    };
    if ![LOCAL, PROXY].contains(&command) {
        return Parsed::Invalid(Invalid::Command);
    }
    // Assigned up to AF_UNIX and DGRAM; other values must be rejected.
    if family >> 4 > 3 || family & 0xf > 2 {
        return Parsed::Invalid(Invalid::Family);
    }
    let rest = usize::from(u16::from_be_bytes([high, low]));
    if rest > MAX_REST {
        return Parsed::Invalid(Invalid::Length);
    }
    let Some(rest) = bytes.get(FIXED..FIXED + rest) else { return Parsed::NeedMore };
    let length = FIXED + rest.len();
    let is_local = command == LOCAL;
    let addresses = match family {
        _ if is_local => None,
        TCP_OVER_IPV4 => match ipv4(rest) {
            None => return Parsed::Invalid(Invalid::Length),
            addresses => addresses,
        },
        TCP_OVER_IPV6 => match ipv6(rest) {
            None => return Parsed::Invalid(Invalid::Length),
            addresses => addresses,
        },
        // Unspecified, or not TCP: the addresses of the connection itself apply.
        _ => None,
    };
    Parsed::Complete { addresses, is_local, length }
}

fn ipv4(bytes: &[u8]) -> Option<Addresses> {
    let (source, rest) = bytes.split_first_chunk::<4>()?;
    let (destination, rest) = rest.split_first_chunk::<4>()?;
    let [from, to] = ports(rest)?;
    Some(Addresses {
        source: SocketAddr::new(Ipv4Addr::from(*source).into(), from),
        destination: SocketAddr::new(Ipv4Addr::from(*destination).into(), to),
    })
}

fn ipv6(bytes: &[u8]) -> Option<Addresses> {
    let (source, rest) = bytes.split_first_chunk::<16>()?;
    let (destination, rest) = rest.split_first_chunk::<16>()?;
    let [from, to] = ports(rest)?;
    Some(Addresses {
        source: SocketAddr::new(Ipv6Addr::from(*source).to_canonical(), from),
        destination: SocketAddr::new(Ipv6Addr::from(*destination).to_canonical(), to),
    })
}

fn ports(bytes: &[u8]) -> Option<[u16; 2]> {
    let [a, b, c, d] = *bytes.first_chunk::<4>()?;
    Some([u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d])])
}
