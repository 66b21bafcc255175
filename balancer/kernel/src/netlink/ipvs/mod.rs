//! The generic netlink family `IPVS`, version 1 (linux/ip_vs.h).
//!
//! | module          | contents                                                              |
//! |-----------------|-----------------------------------------------------------------------|
//! | [`service`]     | virtual services                                                      |
//! | [`destination`] | real servers                                                          |
//! | [`counters`]    | counters of services and servers                                      |
//! | [`daemon`]      | sync daemons                                                          |
//! | [`settings`]    | connection timeouts; the version                                      |
//!
//! A service by mark is identified by family and mark alone. With an address, or with mark 0, a request would refer to
//! another service. The kernel sends no notifications of changes.

pub mod counters;
pub mod daemon;
pub mod destination;
pub mod service;
pub mod settings;

use weir_program::netlink::{Attribute, Malformed, Message, Request};

use super::generic;
use crate::model::{Family, Name};

pub use counters::Counters;
pub use destination::ListedDestination;
pub use service::ListedService;
pub use settings::Version;

/// Name of the family.
pub const FAMILY: &str = "IPVS";
/// `IPVS_GENL_VERSION`.
const VERSION: u8 = 1;

/// `IPVS_CMD_…`.
mod command {
    pub(super) const NEW_SERVICE: u8 = 1;
    pub(super) const SET_SERVICE: u8 = 2;
    pub(super) const DEL_SERVICE: u8 = 3;
    pub(super) const GET_SERVICE: u8 = 4;
    pub(super) const NEW_DEST: u8 = 5;
    pub(super) const SET_DEST: u8 = 6;
    pub(super) const DEL_DEST: u8 = 7;
    pub(super) const GET_DEST: u8 = 8;
    pub(super) const NEW_DAEMON: u8 = 9;
    pub(super) const DEL_DAEMON: u8 = 10;
    pub(super) const GET_DAEMON: u8 = 11;
    pub(super) const SET_CONFIG: u8 = 12;
    pub(super) const GET_CONFIG: u8 = 13;
    pub(super) const SET_INFO: u8 = 14;
    pub(super) const GET_INFO: u8 = 15;
}

/// `IPVS_CMD_ATTR_…`.
mod attribute {
    pub(super) const SERVICE: u16 = 1;
    pub(super) const DEST: u16 = 2;
    pub(super) const DAEMON: u16 = 3;
    pub(super) const TIMEOUT_TCP: u16 = 4;
    pub(super) const TIMEOUT_TCP_FIN: u16 = 5;
    pub(super) const TIMEOUT_UDP: u16 = 6;
}

/// `AF_INET` and `AF_INET6`.
const AF_INET: u16 = 2;
const AF_INET6: u16 = 10;

fn request(family: u16, command: u8) -> Request {
    generic::request(family, command, VERSION)
}

/// The nested attribute `kind` of a message of `family` with this command; `None` for other messages.
fn nest<'a>(message: Message<'a>, family: u16, command: u8, kind: u16) -> Result<Option<Attribute<'a>>, Malformed> {
    match generic::split(message, family)? {
        Some((found, attributes)) if found == command => attributes.find_kind(kind),
        _ => Ok(None),
    }
}

fn family_number(family: Family) -> [u8; 2] {
    match family {
        Family::V4 => AF_INET.to_ne_bytes(),
        Family::V6 => AF_INET6.to_ne_bytes(),
    }
}

fn read_family(attribute: Attribute<'_>) -> Result<Family, Malformed> {
    match attribute.u16()? {
        AF_INET => Ok(Family::V4),
        AF_INET6 => Ok(Family::V6),
        _ => Err(Malformed("unknown address family")),
    }
}

/// An address in the kernel's form: 16 bytes for both families, of which IPv4 uses the first four (`union
/// nf_inet_addr`).
fn address_bytes(address: std::net::IpAddr) -> [u8; 16] {
    match address {
        std::net::IpAddr::V4(address) => {
            let mut bytes = [0; 16];
            bytes[..4].copy_from_slice(&address.octets());
            bytes
        }
        std::net::IpAddr::V6(address) => address.octets(),
    }
}

fn read_address(bytes: [u8; 16], family: Family) -> std::net::IpAddr {
    match family {
        Family::V4 => [bytes[0], bytes[1], bytes[2], bytes[3]].into(),
        Family::V6 => bytes.into(),
    }
}

fn read_name(attribute: Attribute<'_>) -> Result<Name, Malformed> {
    attribute.text()?.parse().map_err(|_| Malformed("invalid name"))
}
