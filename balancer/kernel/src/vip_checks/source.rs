//! Selection of a probe's source address: one of the director's, but never a virtual one, which the server has as well.

use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::net::IpAddr;

use weir_program::netlink::addresses::LocalAddress;

use crate::model::Family;
use crate::netlink::route::Route;

/// Addresses of this machine, and which of them are virtual.
#[derive(Debug, Clone, Default)]
pub struct LocalAddresses {
    /// Addresses that this machine has.
    pub present: Vec<LocalAddress>,
    /// All configured virtual addresses, whether this machine has them now or not.
    pub virtual_addresses: BTreeSet<IpAddr>,
}

/// Source address for probes of `server` on this route: the first of `preferred` that this machine has; otherwise the
/// one that the kernel would use; otherwise the nearest one. `None` if there is no suitable address.
#[must_use]
pub fn source(server: IpAddr, route: &Route, preferred: &[IpAddr], addresses: &LocalAddresses) -> Option<IpAddr> {
    let is_suitable =
        |address: IpAddr| Family::of(address) == Family::of(server) && !addresses.virtual_addresses.contains(&address);
    let present = &addresses.present;
    let mut preferred = preferred.iter().filter(|address| present.iter().any(|local| local.address == **address));
    if let Some(preferred) = preferred.find(|address| is_suitable(**address)) {
        return Some(*preferred);
    }
    if let Some(default) = route.source.filter(|default| is_suitable(*default)) {
        return Some(default);
    }
    let usable =
        present.iter().filter(|local| local.is_usable && is_suitable(local.address) && reaches(local.address, server));
    let nearest = usable.min_by_key(|local| {
        let is_other_interface = local.interface != route.interface;
        (is_other_interface, Reverse(common_bits(local.address, server)), local.address)
    });
    nearest.map(|local| local.address)
}

/// Returns whether replies of `server` could be routed to `local`.
fn reaches(local: IpAddr, server: IpAddr) -> bool {
    let is_link_local = |address: IpAddr| match address {
        IpAddr::V4(address) => address.is_link_local(),
        IpAddr::V6(address) => address.is_unicast_link_local(),
    };
    local.is_loopback() == server.is_loopback() && is_link_local(local) == is_link_local(server)
}

/// Length of the common prefix, in bits.
fn common_bits(one: IpAddr, other: IpAddr) -> u32 {
    match (one, other) {
        (IpAddr::V4(one), IpAddr::V4(other)) => (one.to_bits() ^ other.to_bits()).leading_zeros(),
        (IpAddr::V6(one), IpAddr::V6(other)) => (one.to_bits() ^ other.to_bits()).leading_zeros(),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn local(text: &str, interface: u32) -> LocalAddress {
        LocalAddress { address: address(text), interface, is_usable: true }
    }

    /// A director that currently has the virtual addresses 192.0.2.10 and 2001:db8::10.
    fn director() -> LocalAddresses {
        let deprecated = LocalAddress { is_usable: false, ..local("2001:db8::1:14", 2) };
        LocalAddresses {
            present: vec![
                local("127.0.0.1", 1),
                local("192.0.2.10", 2),
                local("192.0.2.11", 2),
                local("192.0.2.200", 2),
                local("198.51.100.1", 3),
                local("fe80::1", 2),
                deprecated,
                local("2001:db8::10", 2),
                local("2001:db8::1:b", 2),
            ],
            virtual_addresses: [address("192.0.2.10"), address("2001:db8::10")].into(),
        }
    }

    #[test]
    fn the_kernels_source_address_is_used_unless_it_is_virtual() {
        for (server, default, expected) in [
            ("192.0.2.21", Some("192.0.2.200"), "192.0.2.200"),
            ("192.0.2.21", Some("192.0.2.10"), "192.0.2.11"),
            ("192.0.2.21", None, "192.0.2.11"),
            ("2001:db8::1:15", Some("2001:db8::10"), "2001:db8::1:b"),
        ] {
            let route = Route { interface: 2, source: default.map(address) };
            assert_eq!(
                source(address(server), &route, &[], &director()),
                Some(address(expected)),
                "{server} {default:?}"
            );
        }
    }

    #[test]
    fn the_first_preferred_address_that_is_present_is_used() {
        let route = Route { interface: 2, source: Some(address("192.0.2.11")) };
        let preferred = ["192.0.2.12", "192.0.2.10", "2001:db8::1:b", "198.51.100.1"].map(address);
        let chosen = source(address("192.0.2.21"), &route, &preferred, &director());
        assert_eq!(chosen, Some(address("198.51.100.1")), "the others: the other director's, a virtual one, and IPv6");
    }

    #[test]
    fn virtual_addresses_are_never_used() {
        let alone = LocalAddresses { present: vec![local("127.0.0.1", 1), local("192.0.2.10", 2)], ..director() };
        let route = Route { interface: 2, source: Some(address("192.0.2.10")) };
        assert_eq!(source(address("192.0.2.21"), &route, &[], &alone), None);
    }

    proptest! {
        #[test]
        fn the_source_is_present_not_virtual_and_of_the_servers_family(
            present in proptest::collection::vec((any::<IpAddr>(), 1..4_u32, any::<bool>()), 0..8),
            server in any::<IpAddr>(),
            default in proptest::option::of(0..8_usize),
            preferred in proptest::collection::vec(0..8_usize, 0..4),
            are_virtual in proptest::collection::vec(0..8_usize, 0..8),
        ) {
            let present: Vec<_> = present
                .into_iter()
                .map(|(address, interface, is_usable)| LocalAddress { address, interface, is_usable })
                .collect();
            let at = |index: &usize| present.get(*index).map(|local| local.address);
            let virtual_addresses: BTreeSet<IpAddr> = are_virtual.iter().filter_map(at).collect();
            let preferred: Vec<IpAddr> = preferred.iter().filter_map(at).collect();
            let route = Route { interface: 1, source: default.as_ref().and_then(at) };
            let addresses = LocalAddresses { present: present.clone(), virtual_addresses };
            if let Some(chosen) = source(server, &route, &preferred, &addresses) {
                prop_assert!(present.iter().any(|local| local.address == chosen));
                prop_assert_eq!(Family::of(chosen), Family::of(server));
                prop_assert!(!addresses.virtual_addresses.contains(&chosen));
            }
        }
    }
}
