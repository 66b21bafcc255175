//! One director of a pair: receives the VRRP state from keepalived, and reports to it whether this director can serve.
//!
//! keepalived moves the virtual addresses. On every state change it writes a line to a named pipe (`vrrp_notify_fifo`).
//! It reads a number from a file (`track_file`), and adds it to the priority of this director.

mod notify;
mod track;

use std::collections::BTreeMap;

pub(crate) use notify::NotifyFifo;
pub use notify::VrrpInstances;
pub(crate) use track::TrackFile;
pub use track::TrackValue;

use super::kernel::Snapshot;
use super::model::{Daemon, Destination, Role, Table};
use crate::settings::Directors;

/// The sync daemons for this role. A director that does not know its role yet receives connections.
#[must_use]
pub fn sync_daemons(directors: &Directors, role: Option<Role>) -> Option<BTreeMap<Role, Daemon>> {
    let interface = directors.sync_interface.clone()?;
    let (role, sync_id) = (role.unwrap_or(Role::Backup), directors.sync_id);
    let daemon = Daemon { role, interface, sync_id, datagram_length: None, group: None, port: None, ttl: None };
    Some(BTreeMap::from([(role, daemon)]))
}

/// Role of this director by the sync daemons that a previous balancer started. keepalived reports changes only.
#[must_use]
pub fn role_from_daemons(running: &BTreeMap<Role, Daemon>) -> Option<Role> {
    running.keys().copied().min_by_key(|role| *role != Role::Master)
}

/// Returns whether this director has the addresses and is about to delete or drain its last server. It must release the
/// addresses first. Otherwise clients would be refused until it has, and connections that the other director knows
/// would be lost.
#[must_use]
pub fn must_release_addresses<'a>(
    role: Option<Role>,
    desired: impl IntoIterator<Item = &'a Table>,
    kernel: &Snapshot,
) -> bool {
    let (mut serves, mut served) = (false, false);
    for (key, service) in desired.into_iter().flatten() {
        serves |= service.destinations.values().any(Destination::is_live);
        served |= kernel.destinations.get(key).into_iter().flatten().any(|listed| listed.destination.is_live());
    }
    role == Some(Role::Master) && served && !serves
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;
    use crate::model::{Family, Forwarding, Mark, Server, Service, ServiceEntry, ServiceKey};
    use crate::netlink::ipvs::ListedDestination;

    #[test]
    fn a_restarted_balancer_knows_its_role_from_the_sync_daemons() {
        let daemon = |role| (role, Daemon::clone(&sync_daemons(&synchronised(), Some(role)).unwrap()[&role]));
        assert_eq!(role_from_daemons(&BTreeMap::new()), None);
        assert_eq!(role_from_daemons(&BTreeMap::from([daemon(Role::Backup)])), Some(Role::Backup));
        let both = BTreeMap::from([daemon(Role::Backup), daemon(Role::Master)]);
        assert_eq!(role_from_daemons(&both), Some(Role::Master));
    }

    fn synchronised() -> Directors {
        let interface = Some("eth0".parse().unwrap());
        Directors { sync_interface: interface, ..Directors::default() }
    }

    pub(super) fn listed(address: IpAddr, weight: u32) -> ListedDestination {
        ListedDestination {
            server: Server::at(address),
            destination: Destination::new(Forwarding::Masquerade, weight),
            active: 0,
            inactive: 0,
            persistent: 0,
            counters: Default::default(),
        }
    }

    #[test]
    fn a_master_releases_its_addresses_before_it_loses_its_last_server() {
        let key = ServiceKey::Marked { family: Family::V4, mark: Mark::new(1).unwrap() };
        let (one, other) = (IpAddr::from([10, 0, 0, 1]), IpAddr::from([10, 0, 0, 2]));
        let kernel = |weight| Snapshot {
            destinations: BTreeMap::from([(key, vec![listed(one, weight), listed(other, 0)])]),
            ..Snapshot::default()
        };
        let service = |weight: Option<u32>| {
            let mut service = ServiceEntry::new(Service::new("wlc".parse().unwrap()));
            service.destinations.extend(weight.map(|weight| (Server::at(one), listed(one, weight).destination)));
            Table::from([(key, service)])
        };
        let must_release = |role, desired, kernel: Snapshot| must_release_addresses(role, [&desired], &kernel);
        assert!(must_release(Some(Role::Master), service(None), kernel(100)));
        assert!(must_release(Some(Role::Master), service(Some(0)), kernel(100)));
        assert!(!must_release(Some(Role::Master), service(Some(100)), kernel(100)));
        assert!(!must_release(Some(Role::Master), service(None), kernel(0)), "it has no server to lose");
        assert!(!must_release(Some(Role::Backup), service(None), kernel(100)));
        assert!(!must_release(None, service(None), kernel(100)), "the role is unknown");
    }
}
