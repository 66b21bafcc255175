//! Real servers.

use weir_program::netlink::{Attribute, Malformed, Message, Request, flags};

use super::counters::{Counters, Widths};
use super::{address_bytes, attribute, command, family_number, nest, read_address, read_family, request, service};
use crate::model::{Checksum, Destination, Encapsulation, Family, Forwarding, Server, ServiceKey};

/// `IPVS_DEST_ATTR_…`.
const ADDR: u16 = 1;
const PORT: u16 = 2;
const FWD_METHOD: u16 = 3;
const WEIGHT: u16 = 4;
const U_THRESH: u16 = 5;
const L_THRESH: u16 = 6;
const ACTIVE_CONNS: u16 = 7;
const INACT_CONNS: u16 = 8;
const PERSIST_CONNS: u16 = 9;
const STATS: u16 = 10;
const ADDR_FAMILY: u16 = 11;
const STATS64: u16 = 12;
const TUN_TYPE: u16 = 13;
const TUN_PORT: u16 = 14;
const TUN_FLAGS: u16 = 15;

/// The forwarding methods of `IP_VS_CONN_F_…`.
const MASQUERADE: u32 = 0;
const LOCAL: u32 = 1;
const TUNNEL: u32 = 2;
const DIRECT_ROUTE: u32 = 3;
/// `IP_VS_CONN_F_TUNNEL_TYPE_…`.
const IPIP: u8 = 0;
const GUE: u8 = 1;
const GRE: u8 = 2;
/// `IP_VS_TUNNEL_ENCAP_FLAG_…`.
const CHECKSUM_FULL: u16 = 1;
const CHECKSUM_REMOTE: u16 = 2;

/// A real server in the kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ListedDestination {
    /// Address and port.
    pub server: Server,
    /// Forwarding method, weight and thresholds.
    pub destination: Destination,
    /// Number of established connections, as far as the director can tell.
    pub active: u32,
    /// Number of connections in other states, such as closed ones.
    pub inactive: u32,
    /// Number of persistent clients.
    pub persistent: u32,
    /// Counters.
    pub counters: Counters,
}

/// The request to add a server to a service. `EEXIST` if the service has it, `ESRCH` if there is no such service,
/// `EINVAL` if the address cannot be a server's, or is of another family without a tunnel.
#[must_use]
pub fn add(family: u16, key: &ServiceKey, server: &Server, destination: &Destination) -> Request {
    with_destination(family, command::NEW_DEST, key, server, Some(destination))
}

/// The request to change a server of a service, with all values, changed or not. They apply to new connections;
/// existing ones keep their forwarding method. `ENOENT` if the service does not have the server, `ESRCH` if there is no
/// such service.
#[must_use]
pub fn set(family: u16, key: &ServiceKey, server: &Server, destination: &Destination) -> Request {
    with_destination(family, command::SET_DEST, key, server, Some(destination))
}

/// The request to delete a server from a service. `ENOENT` if the service does not have it, `ESRCH` if there is no such
/// service.
#[must_use]
pub fn delete(family: u16, key: &ServiceKey, server: &Server) -> Request {
    with_destination(family, command::DEL_DEST, key, server, None)
}

/// The request for all servers of a service. The reply is empty if there is no such service.
#[must_use]
pub fn list(family: u16, key: &ServiceKey) -> Request {
    let mut request = request(family, command::GET_DEST);
    request.add_flags(flags::DUMP);
    request.nest(attribute::SERVICE, |nest| service::put_key(nest, key));
    request
}

/// Reads a server from a reply about a service of the address family `service_family`; `None` for other messages.
///
/// # Errors
/// [`Malformed`].
pub fn read(message: Message<'_>, family: u16, service_family: Family) -> Result<Option<ListedDestination>, Malformed> {
    nest(message, family, command::NEW_DEST, attribute::DEST)?.map(|nest| read_nest(nest, service_family)).transpose()
}

fn with_destination(
    family: u16,
    command: u8,
    key: &ServiceKey,
    server: &Server,
    destination: Option<&Destination>,
) -> Request {
    let mut request = request(family, command);
    request.nest(attribute::SERVICE, |nest| service::put_key(nest, key));
    request.nest(attribute::DEST, |nest| {
        nest.put(ADDR_FAMILY, &family_number(server.family()))
            .put(ADDR, &address_bytes(server.address))
            .put(PORT, &server.port.to_be_bytes());
        if let Some(destination) = destination {
            put_destination(nest, destination);
        }
        nest
    });
    request
}

fn put_destination(request: &mut Request, destination: &Destination) {
    let (method, tunnel) = match destination.forwarding {
        Forwarding::Masquerade => (MASQUERADE, None),
        Forwarding::Local => (LOCAL, None),
        Forwarding::DirectRoute => (DIRECT_ROUTE, None),
        Forwarding::Tunnel(encapsulation) => (TUNNEL, Some(tunnel_numbers(encapsulation))),
        Forwarding::Unknown { method, tunnel_type, tunnel_port, tunnel_flags } => {
            (method, Some((tunnel_type, tunnel_port, tunnel_flags)))
        }
    };
    request
        .put(FWD_METHOD, &method.to_ne_bytes())
        .put(WEIGHT, &destination.weight.to_ne_bytes())
        .put(U_THRESH, &destination.upper_threshold.to_ne_bytes())
        .put(L_THRESH, &destination.lower_threshold.to_ne_bytes());
    if let Some((kind, port, flags)) = tunnel {
        request.put(TUN_TYPE, &[kind]).put(TUN_PORT, &port.to_be_bytes()).put(TUN_FLAGS, &flags.to_ne_bytes());
    }
}

/// Type, port and flags of a tunnel.
fn tunnel_numbers(encapsulation: Encapsulation) -> (u8, u16, u16) {
    let flags = |checksum| match checksum {
        Checksum::None => 0,
        Checksum::Full => CHECKSUM_FULL,
        Checksum::Remote => CHECKSUM_REMOTE,
    };
    match encapsulation {
        Encapsulation::Ipip => (IPIP, 0, 0),
        Encapsulation::Gue { port, checksum } => (GUE, port, flags(checksum)),
        Encapsulation::Gre { checksum } => (GRE, 0, flags(checksum)),
    }
}

/// The tunnel with these numbers. Values that the type does not use are ignored.
fn read_tunnel(kind: u8, port: u16, flags: u16) -> Option<Encapsulation> {
    let checksum = match flags {
        0 => Some(Checksum::None),
        CHECKSUM_FULL => Some(Checksum::Full),
        CHECKSUM_REMOTE => Some(Checksum::Remote),
        _ => None,
    };
    match kind {
        IPIP => Some(Encapsulation::Ipip),
        GUE => checksum.map(|checksum| Encapsulation::Gue { port, checksum }),
        GRE => checksum.map(|checksum| Encapsulation::Gre { checksum }),
        _ => None,
    }
}

fn read_nest(nest: Attribute<'_>, service_family: Family) -> Result<ListedDestination, Malformed> {
    // Linux before 3.18 sends no family, since servers have the service's; before 5.2 it has only one type of tunnel.
    let (mut family, mut address, mut port, mut method) = (service_family, None, None, None);
    let (mut tunnel_type, mut tunnel_port, mut tunnel_flags) = (IPIP, 0, 0);
    let (mut weight, mut upper_threshold, mut lower_threshold) = (0, 0, 0);
    let (mut active, mut inactive, mut persistent) = (0, 0, 0);
    let mut counters = Widths::default();
    for attribute in nest.nested() {
        let attribute = attribute?;
        match attribute.kind {
            ADDR => address = Some(attribute.array::<16>()?),
            PORT => port = Some(attribute.u16_be()?),
            FWD_METHOD => method = Some(attribute.u32()?),
            WEIGHT => weight = attribute.u32()?,
            U_THRESH => upper_threshold = attribute.u32()?,
            L_THRESH => lower_threshold = attribute.u32()?,
            ACTIVE_CONNS => active = attribute.u32()?,
            INACT_CONNS => inactive = attribute.u32()?,
            PERSIST_CONNS => persistent = attribute.u32()?,
            ADDR_FAMILY => family = read_family(attribute)?,
            TUN_TYPE => tunnel_type = attribute.u8()?,
            TUN_PORT => tunnel_port = attribute.u16_be()?,
            TUN_FLAGS => tunnel_flags = attribute.u16()?,
            STATS => counters.set_narrow(attribute)?,
            STATS64 => counters.set_wide(attribute)?,
            _ => {}
        }
    }
    let (Some(address), Some(port), Some(method)) = (address, port, method) else {
        return Err(Malformed("server has no address, port or method"));
    };
    let forwarding = match method {
        MASQUERADE => Some(Forwarding::Masquerade),
        LOCAL => Some(Forwarding::Local),
        DIRECT_ROUTE => Some(Forwarding::DirectRoute),
        TUNNEL => read_tunnel(tunnel_type, tunnel_port, tunnel_flags).map(Forwarding::Tunnel),
        _ => None,
    };
    let unknown = Forwarding::Unknown { method, tunnel_type, tunnel_port, tunnel_flags };
    let forwarding = forwarding.unwrap_or(unknown);
    Ok(ListedDestination {
        server: Server { address: read_address(address, family), port },
        destination: Destination { forwarding, weight, upper_threshold, lower_threshold },
        active,
        inactive,
        persistent,
        counters: counters.widest(),
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use weir_program::netlink::Messages;

    use super::*;
    use crate::model::tests::{destination, server, service_key};

    const IPVS: u16 = 31;

    #[test]
    fn attributes_that_old_kernels_omit_have_their_only_value() {
        let mut request = request(IPVS, command::NEW_DEST);
        request.nest(attribute::DEST, |nest| {
            let server = Server::at([192, 0, 2, 1].into());
            nest.put(ADDR, &address_bytes(server.address)).put(PORT, &[0, 0]).put(FWD_METHOD, &TUNNEL.to_ne_bytes());
            nest.put(WEIGHT, &5_u32.to_ne_bytes()).put(ACTIVE_CONNS, &9_u32.to_ne_bytes())
        });
        let bytes = request.encode(1).unwrap();
        let listed = read(Messages(&bytes).next().unwrap().unwrap(), IPVS, Family::V4).unwrap().unwrap();
        assert_eq!(listed.server, Server::at([192, 0, 2, 1].into()));
        assert_eq!(listed.destination, Destination::new(Forwarding::Tunnel(Encapsulation::Ipip), 5));
        assert_eq!(listed.active, 9);
    }

    proptest! {
        #[test]
        fn an_encoded_server_can_be_read(key in service_key(), server in server(), destination in destination()) {
            let bytes = add(IPVS, &key, &server, &destination).encode(9).unwrap();
            let listed = read(Messages(&bytes).next().unwrap().unwrap(), IPVS, key.family()).unwrap().unwrap();
            let counters = Counters::default();
            let expected = ListedDestination { server, destination, active: 0, inactive: 0, persistent: 0, counters };
            prop_assert_eq!(listed, expected);
        }

        #[test]
        fn an_unknown_method_is_preserved(
            method in 4..9_u32, tunnel_type: u8, tunnel_port: u16, tunnel_flags: u16
        ) {
            let forwarding = Forwarding::Unknown { method, tunnel_type, tunnel_port, tunnel_flags };
            let key = ServiceKey::Addressed { protocol: 6, address: [192, 0, 2, 1].into(), port: 80 };
            let server = Server { address: [192, 0, 2, 2].into(), port: 80 };
            let bytes = add(IPVS, &key, &server, &Destination::new(forwarding, 1)).encode(9).unwrap();
            let listed = read(Messages(&bytes).next().unwrap().unwrap(), IPVS, key.family()).unwrap().unwrap();
            prop_assert_eq!(listed.destination.forwarding, forwarding);
        }
    }
}
