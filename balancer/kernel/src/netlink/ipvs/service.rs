//! Virtual services.

use weir_program::netlink::{Attribute, Malformed, Message, Request, flags};

use super::counters::{Counters, Widths};
use super::{address_bytes, attribute, command, family_number, nest, read_address, read_family, read_name, request};
use crate::model::{Family, Mark, Persistence, SchedulerFlags, Service, ServiceKey};

/// `IPVS_SVC_ATTR_…`.
const AF: u16 = 1;
const PROTOCOL: u16 = 2;
const ADDR: u16 = 3;
const PORT: u16 = 4;
const FWMARK: u16 = 5;
const SCHED_NAME: u16 = 6;
const FLAGS: u16 = 7;
const TIMEOUT: u16 = 8;
const NETMASK: u16 = 9;
const STATS: u16 = 10;
const PE_NAME: u16 = 11;
const STATS64: u16 = 12;

/// `IP_VS_SVC_F_…`. `IP_VS_SVC_F_HASHED`, 2, is internal to the kernel.
const PERSISTENT: u32 = 1;
const ONE_PACKET: u32 = 4;
const SCHEDULER: [u32; 3] = [0x08, 0x10, 0x20];
/// Mask of the flags that requests set or clear; the others are left unchanged.
const SETTABLE: u32 = PERSISTENT | ONE_PACKET | SCHEDULER[0] | SCHEDULER[1] | SCHEDULER[2];

/// A virtual service in the kernel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedService {
    /// Its key.
    pub key: ServiceKey,
    /// Its scheduling.
    pub service: Service,
    /// Counters.
    pub counters: Counters,
}

/// The request to add a service. `EEXIST` if the key is in use, `ENOENT` if the scheduler does not exist.
#[must_use]
pub fn add(family: u16, key: &ServiceKey, service: &Service) -> Request {
    with_service(family, command::NEW_SERVICE, key, Some(service))
}

/// The request to change the scheduling of a service. `ESRCH` if there is no such service, `ENOENT` if the scheduler
/// does not exist. When the scheduler changes, the kernel schedules no new connections for some milliseconds; existing
/// ones continue.
#[must_use]
pub fn set(family: u16, key: &ServiceKey, service: &Service) -> Request {
    with_service(family, command::SET_SERVICE, key, Some(service))
}

/// The request to delete a service with its servers. `ESRCH` if there is no such service.
#[must_use]
pub fn delete(family: u16, key: &ServiceKey) -> Request {
    with_service(family, command::DEL_SERVICE, key, None)
}

/// The request for all services.
#[must_use]
pub fn list(family: u16) -> Request {
    let mut request = request(family, command::GET_SERVICE);
    request.add_flags(flags::DUMP);
    request
}

/// Reads a service from a reply; `None` for other messages.
///
/// # Errors
/// [`Malformed`].
pub fn read(message: Message<'_>, family: u16) -> Result<Option<ListedService>, Malformed> {
    nest(message, family, command::NEW_SERVICE, attribute::SERVICE)?.map(read_nest).transpose()
}

/// Appends the attributes that identify a service, and no others.
pub(super) fn put_key<'a>(request: &'a mut Request, key: &ServiceKey) -> &'a mut Request {
    request.put(AF, &family_number(key.family()));
    match key {
        ServiceKey::Marked { mark, .. } => request.put(FWMARK, &mark.number().to_ne_bytes()),
        ServiceKey::Addressed { protocol, address, port } => request
            .put(PROTOCOL, &protocol.to_ne_bytes())
            .put(ADDR, &address_bytes(*address))
            .put(PORT, &port.to_be_bytes()),
    }
}

fn with_service(family: u16, command: u8, key: &ServiceKey, service: Option<&Service>) -> Request {
    let mut request = request(family, command);
    request.nest(attribute::SERVICE, |nest| {
        put_key(nest, key);
        if let Some(service) = service {
            put_service(nest, service, key.family());
        }
        nest
    });
    request
}

fn put_service(request: &mut Request, service: &Service, family: Family) {
    let mut bits = 0;
    for (bit, is_set) in SCHEDULER.into_iter().zip(service.scheduler_flags.0) {
        bits |= if is_set { bit } else { 0 };
    }
    bits |= if service.one_packet { ONE_PACKET } else { 0 };
    bits |= if service.persistence.is_some() { PERSISTENT } else { 0 };
    let prefix = service.persistence.map_or(family.bits(), |persistence| persistence.prefix);
    request
        .put_text(SCHED_NAME, service.scheduler.as_str())
        .put(FLAGS, &[bits.to_ne_bytes(), SETTABLE.to_ne_bytes()].concat())
        .put(TIMEOUT, &service.persistence.map_or(0, |persistence| persistence.timeout).to_ne_bytes())
        .put(NETMASK, &netmask(family, prefix));
    if let Some(engine) = &service.persistence_engine {
        request.put_text(PE_NAME, engine.as_str());
    }
}

/// For IPv4 a mask in network byte order, for IPv6 the prefix length in host byte order.
fn netmask(family: Family, prefix: u8) -> [u8; 4] {
    match family {
        // A shift by all 32 bits overflows; the mask of prefix 0 is 0.
        Family::V4 => u32::MAX.checked_shl(32_u32.saturating_sub(prefix.into())).unwrap_or(0).to_be_bytes(),
        Family::V6 => u32::from(prefix).to_ne_bytes(),
    }
}

/// The prefix length; 0 for an invalid mask. Weir never sets that, so the service differs from the desired one.
fn read_netmask(family: Family, netmask: [u8; 4]) -> u8 {
    let prefix = match family {
        Family::V4 => {
            let mask = u32::from_be_bytes(netmask);
            if mask.leading_ones() == mask.count_ones() { mask.leading_ones() } else { 0 }
        }
        Family::V6 => u32::from_ne_bytes(netmask),
    };
    u8::try_from(prefix).ok().filter(|prefix| *prefix <= family.bits()).unwrap_or(0)
}

fn read_nest(nest: Attribute<'_>) -> Result<ListedService, Malformed> {
    let (mut family, mut protocol, mut address, mut port, mut mark) = (None, None, None, None, 0);
    let (mut scheduler, mut engine, mut bits, mut timeout, mut netmask) = (None, None, 0, 0, [0; 4]);
    let mut counters = Widths::default();
    for attribute in nest.nested() {
        let attribute = attribute?;
        match attribute.kind {
            AF => family = Some(read_family(attribute)?),
            PROTOCOL => protocol = Some(attribute.u16()?),
            ADDR => address = Some(attribute.array::<16>()?),
            PORT => port = Some(attribute.u16_be()?),
            FWMARK => mark = attribute.u32()?,
            SCHED_NAME => scheduler = Some(read_name(attribute)?),
            FLAGS => {
                let [f0, f1, f2, f3, ..] = attribute.array::<8>()?;
                bits = u32::from_ne_bytes([f0, f1, f2, f3]);
            }
            TIMEOUT => timeout = attribute.u32()?,
            NETMASK => netmask = attribute.array()?,
            PE_NAME => engine = Some(read_name(attribute)?),
            STATS => counters.set_narrow(attribute)?,
            STATS64 => counters.set_wide(attribute)?,
            _ => {}
        }
    }
    let family = family.ok_or(Malformed("service has no address family"))?;
    let key = match (Mark::new(mark), protocol, address, port) {
        (Some(mark), ..) => ServiceKey::Marked { family, mark },
        (None, Some(protocol), Some(address), Some(port)) => {
            ServiceKey::Addressed { protocol, address: read_address(address, family), port }
        }
        _ => return Err(Malformed("service has neither a mark nor an address")),
    };
    // Without persistence, the kernel still returns the last timeout and netmask, which have no effect then.
    let is_persistent = bits & PERSISTENT != 0;
    let persistence = is_persistent.then(|| Persistence { timeout, prefix: read_netmask(family, netmask) });
    let service = Service {
        scheduler: scheduler.ok_or(Malformed("service has no scheduler"))?,
        scheduler_flags: SchedulerFlags(SCHEDULER.map(|bit| bits & bit != 0)),
        one_packet: bits & ONE_PACKET != 0,
        persistence,
        persistence_engine: engine,
    };
    Ok(ListedService { key, service, counters: counters.widest() })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use weir_program::netlink::Messages;

    use super::*;
    use crate::model::tests::{service_key, service_of};

    const IPVS: u16 = 31;

    fn listed(bytes: &[u8]) -> ListedService {
        read(Messages(bytes).next().unwrap().unwrap(), IPVS).unwrap().unwrap()
    }

    /// A service as the kernel lists it: with its internal flag, and with counters.
    fn as_listed(key: &ServiceKey, counters: impl Fn(&mut Request) -> &mut Request) -> ListedService {
        let service = Service::new("rr".parse().unwrap());
        let mut request = request(IPVS, command::NEW_SERVICE);
        request.nest(attribute::SERVICE, |nest| {
            put_key(nest, key);
            put_service(nest, &service, key.family());
            nest.put(FLAGS, &[2_u32.to_ne_bytes(), u32::MAX.to_ne_bytes()].concat());
            counters(nest)
        });
        let listed = listed(&request.encode(1).unwrap());
        assert_eq!((listed.key, &listed.service), (*key, &service));
        listed
    }

    #[test]
    fn a_service_by_mark_is_identified_by_family_and_mark_alone() {
        let key = ServiceKey::Marked { family: Family::V6, mark: Mark::new(0x8000_0101).unwrap() };
        let bytes = delete(IPVS, &key).encode(1).unwrap();
        let message = Messages(&bytes).next().unwrap().unwrap();
        let nest = nest(message, IPVS, command::DEL_SERVICE, attribute::SERVICE).unwrap().unwrap();
        let sent: Vec<_> =
            nest.nested().map(|attribute| attribute.map(|a| (a.kind, a.value.to_vec())).unwrap()).collect();
        assert_eq!(sent, [(AF, vec![10, 0]), (FWMARK, 0x8000_0101_u32.to_ne_bytes().to_vec())]);
    }

    #[test]
    fn wide_counters_take_precedence_over_narrow_ones() {
        let key = ServiceKey::Marked { family: Family::V4, mark: Mark::new(1).unwrap() };
        fn narrow(request: &mut Request) -> &mut Request {
            let bytes_in = (1_u64 << 40).to_ne_bytes();
            request.nest(STATS, |nest| nest.put(1, &7_u32.to_ne_bytes()).put(4, &bytes_in).put(11, &[]))
        }
        let counters = as_listed(&key, narrow).counters;
        assert_eq!(counters, Counters { connections: 7, bytes_in: 1 << 40, ..Counters::default() });
        let counters = as_listed(&key, |request| {
            narrow(request.nest(STATS64, |nest| nest.put(1, &(7 + (1_u64 << 32)).to_ne_bytes())))
        });
        assert_eq!(counters.counters.connections, 7 + (1 << 32));
    }

    #[test]
    fn without_persistence_timeout_and_netmask_are_ignored() {
        let key = ServiceKey::Marked { family: Family::V4, mark: Mark::new(1).unwrap() };
        let listed = as_listed(&key, |nest| nest.put(TIMEOUT, &600_u32.to_ne_bytes()).put(NETMASK, &[255, 255, 0, 0]));
        assert_eq!(listed.service.persistence, None);
    }

    #[test]
    fn a_netmask_with_gaps_is_not_a_prefix() {
        assert_eq!(netmask(Family::V4, 24), [255, 255, 255, 0]);
        assert_eq!(netmask(Family::V4, 32), [255; 4]);
        assert_eq!(netmask(Family::V4, 0), [0; 4]);
        assert_eq!(read_netmask(Family::V4, [255, 255, 254, 0]), 23);
        assert_eq!(read_netmask(Family::V4, [255, 0, 255, 0]), 0);
        assert_eq!(read_netmask(Family::V6, 64_u32.to_ne_bytes()), 64);
        assert_eq!(read_netmask(Family::V6, 129_u32.to_ne_bytes()), 0);
    }

    #[test]
    fn replies_of_other_families_and_commands_are_ignored() {
        let key = ServiceKey::Marked { family: Family::V4, mark: Mark::new(1).unwrap() };
        let service = Service::new("rr".parse().unwrap());
        let bytes = add(IPVS, &key, &service).encode(1).unwrap();
        let message = Messages(&bytes).next().unwrap().unwrap();
        assert_eq!(read(message, IPVS + 1), Ok(None));
        let bytes = set(IPVS, &key, &service).encode(1).unwrap();
        assert_eq!(read(Messages(&bytes).next().unwrap().unwrap(), IPVS), Ok(None));
    }

    proptest! {
        #[test]
        fn an_encoded_service_can_be_read(
            (key, service) in service_key().prop_flat_map(|key| (Just(key), service_of(key.family())))
        ) {
            let listed = listed(&add(IPVS, &key, &service).encode(9).unwrap());
            prop_assert_eq!(listed, ListedService { key, service, counters: Counters::default() });
        }
    }
}
