//! The address that a server is asked from: one of the director's own, and never a virtual one, which the server has, too.

use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::net::IpAddr;

use weir_program::netlink::addresses::Own;

use crate::model::Family;
use crate::netlink::route::Route;

/// What is known of this machine and its services.
#[derive(Debug, Clone, Default)]
pub struct Environment {
    /// The addresses of this machine.
    pub own: Vec<Own>,
    /// All virtual addresses that are configured, whether this machine has them now or not.
    pub virtual_addresses: BTreeSet<IpAddr>,
}

/// The address that a server is asked from, when this is the way there: the first of `preferred` that this machine has, or
/// what the kernel would take, or else what is nearest. `None` when there is none.
#[must_use]
pub fn source(server: IpAddr, route: &Route, preferred: &[IpAddr], environment: &Environment) -> Option<IpAddr> {
    let is_fit = |address: IpAddr| {
        Family::of(address) == Family::of(server) && !environment.virtual_addresses.contains(&address)
    };
    let own = &environment.own;
    let mut chosen = preferred.iter().filter(|address| own.iter().any(|own| own.address == **address));
    if let Some(chosen) = chosen.find(|address| is_fit(**address)) {
        return Some(*chosen);
    }
    if let Some(taken) = route.source.filter(|taken| is_fit(*taken)) {
        return Some(taken);
    }
    let usable = own.iter().filter(|own| own.is_usable && is_fit(own.address) && reaches(own.address, server));
    let nearest = usable.min_by_key(|own| {
        let is_elsewhere = own.interface != route.interface;
        (is_elsewhere, Reverse(common_bits(own.address, server)), own.address)
    });
    nearest.map(|own| own.address)
}

/// Whether an answer of that server could find its way to this address.
fn reaches(own: IpAddr, server: IpAddr) -> bool {
    let is_local = |address: IpAddr| match address {
        IpAddr::V4(address) => address.is_link_local(),
        IpAddr::V6(address) => address.is_unicast_link_local(),
    };
    own.is_loopback() == server.is_loopback() && is_local(own) == is_local(server)
}

/// So many leading bits are the same.
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

    fn own(text: &str, interface: u32) -> Own {
        Own { address: address(text), interface, is_usable: true }
    }

    /// A director with the virtual addresses 192.0.2.10 and 2001:db8::10, which it has.
    fn director() -> Environment {
        let deprecated = Own { is_usable: false, ..own("2001:db8::1:14", 2) };
        Environment {
            own: vec![
                own("127.0.0.1", 1),
                own("192.0.2.10", 2),
                own("192.0.2.11", 2),
                own("192.0.2.200", 2),
                own("198.51.100.1", 3),
                own("fe80::1", 2),
                deprecated,
                own("2001:db8::10", 2),
                own("2001:db8::1:b", 2),
            ],
            virtual_addresses: [address("192.0.2.10"), address("2001:db8::10")].into(),
        }
    }

    #[test]
    fn what_the_kernel_would_take_is_taken_unless_it_is_virtual() {
        for (server, taken, expected) in [
            ("192.0.2.21", Some("192.0.2.200"), "192.0.2.200"),
            ("192.0.2.21", Some("192.0.2.10"), "192.0.2.11"),
            ("192.0.2.21", None, "192.0.2.11"),
            ("2001:db8::1:15", Some("2001:db8::10"), "2001:db8::1:b"),
        ] {
            let route = Route { interface: 2, source: taken.map(address) };
            assert_eq!(
                source(address(server), &route, &[], &director()),
                Some(address(expected)),
                "{server} {taken:?}"
            );
        }
    }

    #[test]
    fn the_first_that_was_asked_for_and_is_there_wins() {
        let route = Route { interface: 2, source: Some(address("192.0.2.11")) };
        let preferred = ["192.0.2.12", "192.0.2.10", "2001:db8::1:b", "198.51.100.1"].map(address);
        let chosen = source(address("192.0.2.21"), &route, &preferred, &director());
        assert_eq!(chosen, Some(address("198.51.100.1")), "the other director's, a virtual one, and IPv6 are not");
    }

    #[test]
    fn with_nothing_but_virtual_addresses_there_is_none() {
        let alone = Environment { own: vec![own("127.0.0.1", 1), own("192.0.2.10", 2)], ..director() };
        let route = Route { interface: 2, source: Some(address("192.0.2.10")) };
        assert_eq!(source(address("192.0.2.21"), &route, &[], &alone), None);
    }

    proptest! {
        #[test]
        fn never_a_virtual_address_nor_one_of_another_family(
            own in proptest::collection::vec((any::<IpAddr>(), 1..4_u32, any::<bool>()), 0..8),
            server in any::<IpAddr>(),
            taken in proptest::option::of(0..8_usize),
            preferred in proptest::collection::vec(0..8_usize, 0..4),
            are_virtual in proptest::collection::vec(0..8_usize, 0..8),
        ) {
            let own: Vec<Own> =
                own.into_iter().map(|(address, interface, is_usable)| Own { address, interface, is_usable }).collect();
            let at = |place: &usize| own.get(*place).map(|own| own.address);
            let virtual_addresses: BTreeSet<IpAddr> = are_virtual.iter().filter_map(at).collect();
            let preferred: Vec<IpAddr> = preferred.iter().filter_map(at).collect();
            let route = Route { interface: 1, source: taken.as_ref().and_then(at) };
            let environment = Environment { own: own.clone(), virtual_addresses };
            if let Some(chosen) = source(server, &route, &preferred, &environment) {
                prop_assert!(own.iter().any(|own| own.address == chosen));
                prop_assert_eq!(Family::of(chosen), Family::of(server));
                prop_assert!(!environment.virtual_addresses.contains(&chosen));
            }
        }
    }
}
