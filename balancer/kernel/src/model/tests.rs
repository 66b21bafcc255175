//! Property-test strategies for the types of the model.

use std::net::IpAddr;

use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::*;

use super::*;

pub(crate) fn family() -> impl Strategy<Value = Family> {
    prop_oneof![Just(Family::V4), Just(Family::V6)]
}

pub(crate) fn mark() -> impl Strategy<Value = Mark> {
    (1..=u32::MAX).prop_map(|number| Mark::new(number).unwrap())
}

pub(crate) fn name() -> impl Strategy<Value = Name> {
    "[a-z0-9_.:-]{1,15}".prop_map(|name| name.parse().unwrap())
}

pub(crate) fn service_key() -> impl Strategy<Value = ServiceKey> {
    let addressed = (any::<u16>(), any::<IpAddr>(), any::<u16>());
    prop_oneof![
        (family(), mark()).prop_map(|(family, mark)| ServiceKey::Marked { family, mark }),
        addressed.prop_map(|(protocol, address, port)| ServiceKey::Addressed { protocol, address, port }),
    ]
}

pub(crate) fn service_of(family: Family) -> impl Strategy<Value = Service> {
    let persistence = (1..=Persistence::MAX_SECONDS, 1..=family.bits());
    let persistence = persistence.prop_map(|(timeout, prefix)| Persistence { timeout, prefix });
    (name(), any::<[bool; 3]>(), any::<bool>(), option::of(persistence), option::of(name())).prop_map(
        |(scheduler, flags, one_packet, persistence, persistence_engine)| Service {
            scheduler,
            scheduler_flags: SchedulerFlags(flags),
            one_packet,
            persistence,
            persistence_engine,
        },
    )
}

pub(crate) fn server() -> impl Strategy<Value = Server> {
    (any::<IpAddr>(), prop_oneof![Just(0), any::<u16>()]).prop_map(|(address, port)| Server { address, port })
}

pub(crate) fn checksum() -> impl Strategy<Value = Checksum> {
    prop_oneof![Just(Checksum::None), Just(Checksum::Full), Just(Checksum::Remote)]
}

pub(crate) fn forwarding() -> impl Strategy<Value = Forwarding> {
    let gue = (1..=u16::MAX, checksum()).prop_map(|(port, checksum)| Encapsulation::Gue { port, checksum });
    let gre = checksum().prop_map(|checksum| Encapsulation::Gre { checksum });
    prop_oneof![
        Just(Forwarding::Masquerade),
        Just(Forwarding::Local),
        Just(Forwarding::DirectRoute),
        prop_oneof![Just(Encapsulation::Ipip), gue, gre].prop_map(Forwarding::Tunnel),
    ]
}

pub(crate) fn destination() -> impl Strategy<Value = Destination> {
    (forwarding(), 0..=Destination::MAX_WEIGHT, any::<u32>(), any::<u32>()).prop_map(|(forwarding, weight, a, b)| {
        Destination { forwarding, weight, upper_threshold: a.max(b), lower_threshold: a.min(b) }
    })
}

pub(crate) fn endpoint() -> impl Strategy<Value = Endpoint> {
    let protocol = (0..3_usize).prop_map(|index| Protocol::ALL[index]);
    (any::<IpAddr>(), protocol, any::<u16>(), any::<u16>()).prop_map(|(address, protocol, a, b)| {
        let ports = PortRange::new(a.min(b), a.max(b)).unwrap();
        Endpoint { address, protocol, ports }
    })
}

/// Marks of arbitrary addresses, each with one or two port ranges.
pub(crate) fn marks() -> impl Strategy<Value = Marks> {
    let more = (endpoint(), mark(), mark()).prop_map(|(endpoint, mark, other)| {
        let beyond =
            endpoint.ports.last().checked_add(1).map(|port| (Endpoint { ports: port.into(), ..endpoint }, other));
        [Some((endpoint, mark)), beyond].into_iter().flatten().collect::<Vec<_>>()
    });
    // Conflicts between arbitrary endpoints are rare; then the mapping is empty.
    vec(more, 0..8).prop_map(|entries| Marks::new(entries.into_iter().flatten()).unwrap_or_default())
}

pub(crate) fn daemon() -> impl Strategy<Value = Daemon> {
    let role = prop_oneof![Just(Role::Master), Just(Role::Backup)];
    let rest =
        (option::of(any::<u16>()), option::of(any::<IpAddr>()), option::of(any::<u16>()), option::of(any::<u8>()));
    (role, name(), 0..256_u32, rest).prop_map(|(role, interface, sync_id, (datagram_length, group, port, ttl))| {
        Daemon { role, interface, sync_id, datagram_length, group, port, ttl }
    })
}

/// Tables with values from a small range, so that two tables have many services and servers in common: marks 0x100 to
/// 0x102 of both families, which [`few_owned`] owns; adjacent marks; a service by address; three servers of each
/// family.
pub(crate) fn few_tables() -> impl Strategy<Value = Table> {
    let marked = (family(), 0xff..=0x103_u32).prop_map(|(family, number)| {
        let mark = Mark::new(number).unwrap();
        ServiceKey::Marked { family, mark }
    });
    let addressed = ServiceKey::Addressed { protocol: 6, address: [192, 0, 2, 99].into(), port: 80 };
    let key = prop_oneof![9 => marked, 1 => Just(addressed)];
    btree_map(key, Just(()), 0..6).prop_flat_map(|keys| {
        let services: Vec<_> = keys.into_keys().map(|key| (Just(key), few_services(key.family()))).collect();
        services.prop_map(|services| services.into_iter().collect())
    })
}

pub(crate) fn few_owned() -> OwnedMarks {
    let mark = |number| Mark::new(number).unwrap();
    OwnedMarks::new(MarkRange::new(mark(0x100), mark(0x101)).unwrap(), [mark(0x102)])
}

fn few_services(family: Family) -> impl Strategy<Value = ServiceEntry> {
    let scheduler = prop_oneof![Just("rr"), Just("wlc")];
    let persistence = option::of(Just(Persistence { timeout: 600, prefix: family.bits() - 8 }));
    let service = (scheduler, persistence, any::<bool>()).prop_map(|(scheduler, persistence, one_packet)| Service {
        persistence,
        one_packet,
        ..Service::new(scheduler.parse().unwrap())
    });
    // One of the servers can have either family; it is reached through a tunnel if the family differs.
    let server = (1..=3_u8, self::family()).prop_map(move |(last, other)| {
        Server::at(match if last == 3 { other } else { family } {
            Family::V4 => [10, 0, 0, last].into(),
            Family::V6 => [0x2001, 0xdb8, 0, 0, 0, 0, 0, u16::from(last)].into(),
        })
    });
    let forwarding = prop_oneof![
        Just(Forwarding::DirectRoute),
        Just(Forwarding::Masquerade),
        Just(Forwarding::Tunnel(Encapsulation::Gue { port: 6080, checksum: Checksum::None })),
    ];
    let destination = (forwarding, 0..3_u32, 0..2_u32).prop_map(|(forwarding, weight, upper_threshold)| Destination {
        upper_threshold,
        ..Destination::new(forwarding, weight)
    });
    (service, btree_map(server, destination, 0..4)).prop_map(move |(service, mut destinations)| {
        for (_, destination) in destinations.iter_mut().filter(|(server, _)| server.family() != family) {
            destination.forwarding = Forwarding::Tunnel(Encapsulation::Ipip);
        }
        ServiceEntry { service, destinations }
    })
}

/// Owned marks, which those tables may have, on ports 10 to 29 of one address.
pub(crate) fn few_marks() -> impl Strategy<Value = Marks> {
    let entry = (10..30_u16, 0..4_u16, 0x100..=0x102_u32).prop_map(|(first, more, number)| {
        let ports = PortRange::new(first, (first + more).min(29)).unwrap();
        let endpoint = Endpoint { address: [192, 0, 2, 1].into(), protocol: Protocol::Udp, ports };
        (endpoint, Mark::new(number).unwrap())
    });
    // Of conflicting entries, the first is kept.
    vec(entry, 0..6).prop_map(|entries| {
        entries
            .into_iter()
            .fold(Marks::default(), |marks, entry| Marks::new(marks.iter().chain([entry])).unwrap_or(marks))
    })
}
