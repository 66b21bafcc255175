//! Probe services and routes for the servers that are checked through virtual addresses.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use tracing::warn;
use weir_checks::ProbeOptions;

use crate::model::{Forwarding, MarkRange, Table};
use crate::real_servers::RealServer;
use crate::settings::VirtualService;
use crate::vip_checks::{ProbeRoute, ProbeService, ProbeServices, Routes};

/// A server in a service, given by its index. The check of the service may set the source address.
type ServerKey = (usize, IpAddr);

/// The servers that are checked through virtual addresses.
#[derive(Debug)]
pub(super) struct VipChecks {
    probe_services: ProbeServices,
    virtual_addresses: BTreeSet<IpAddr>,
    servers: BTreeMap<ServerKey, VipServer>,
    /// Why servers cannot be probed. Each problem is logged once.
    problems: BTreeSet<String>,
}

/// A server that is checked through virtual addresses.
#[derive(Debug)]
struct VipServer {
    probe_service: ProbeService,
    /// The route as it was last found.
    route: Option<ProbeRoute>,
}

impl VipChecks {
    pub(super) fn new<'a>(range: MarkRange, services: impl Iterator<Item = &'a VirtualService> + Clone) -> Self {
        let virtual_addresses =
            services.clone().flat_map(|service| &service.endpoints).map(|endpoint| endpoint.address).collect();
        let (servers, problems) = (BTreeMap::new(), BTreeSet::new());
        Self { probe_services: ProbeServices::new(range, services), virtual_addresses, servers, problems }
    }

    /// Looks up the routes to the present servers of all services, and assigns marks to their probe services. `kernel`
    /// may have some already.
    pub(super) fn update<'a>(
        &mut self,
        services: impl Iterator<Item = (&'a VirtualService, &'a BTreeMap<IpAddr, RealServer>)>,
        kernel: &Table,
    ) {
        let mut vip_servers = BTreeMap::new();
        let mut problems = BTreeSet::new();
        let mut routes = None;
        for (index, (service, servers)) in services.enumerate() {
            let Some(check) = service.vip_check() else { continue };
            for (address, server) in servers {
                let Some(probe_service) = ProbeService::to(*address, server.method, service) else { continue };
                let routes = routes.get_or_insert_with(|| Routes::open(self.virtual_addresses.clone()));
                let route = match routes {
                    Ok(routes) => routes.to(*address, &check.source).map_err(|error| error.to_string()),
                    Err(error) => Err(error.to_string()),
                };
                problems.extend(match &route {
                    Ok(ProbeRoute { source: Some(_), .. }) => None,
                    Ok(_) => Some(format!("no source address for probes of {address}; set `source` in the check")),
                    Err(error) => Some(format!("no route to {address}: {error}")),
                });
                // After an error, which is logged below, the last known route is used.
                let last = || self.servers.get(&(index, *address)).and_then(|before| before.route.clone());
                let route = route.ok().or_else(last);
                vip_servers.insert((index, *address), VipServer { probe_service, route });
            }
        }
        for problem in problems.difference(&self.problems) {
            warn!(reason = %problem, "server cannot be checked through its virtual address");
        }
        (self.servers, self.problems) = (vip_servers, problems);
        self.probe_services.assign(&self.servers.values().map(|server| server.probe_service).collect(), kernel);
    }

    /// The probe services.
    pub(super) fn table(&self) -> Table {
        self.probe_services.table()
    }

    /// The interfaces on which replies arrive with a virtual IPv4 address as source. For IPv6, the kernel does not
    /// check that, and with NAT they have the server's address.
    pub(super) fn reply_interfaces(&self) -> BTreeSet<String> {
        let has_virtual_source = |server: &&VipServer| {
            server.probe_service.server.is_ipv4() && server.probe_service.forwarding != Forwarding::Masquerade
        };
        let routes = self.servers.values().filter(has_virtual_source).filter_map(|server| server.route.as_ref());
        routes.map(|route| route.interface.clone()).collect()
    }

    /// Options for probes of a server of the service with this index; `None` while it cannot be probed, because the
    /// kernel has no probe service for it or this machine has no source address.
    pub(super) fn options(&self, index: usize, server: IpAddr, kernel: &Table) -> Option<ProbeOptions> {
        let VipServer { probe_service, route } = self.servers.get(&(index, server))?;
        let mark = self.probe_services.mark(probe_service)?;
        let source = route.as_ref()?.source?;
        let is_applied =
            kernel.get(&probe_service.key(mark)).is_some_and(|service| *service == probe_service.service());
        is_applied.then(|| probe_service.options(mark, source))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::tests::parse_settings;
    use crate::real_servers::{Condition, Failure};

    /// A server on loopback that has failed. It is still probed, to detect when it is up again.
    fn vip_checks(method: &str, kernel: &Table) -> VipChecks {
        let text = format!(
            "[[kernel.service]]\nname = \"media\"\naddresses = [\"192.0.2.10\"]\ntcp = [\"554\"]\nedges = true\n\
             method = \"{method}\"\ncheck.through_address = true\n"
        );
        let settings = parse_settings(&text);
        let services = settings.services;
        let condition = Condition::Failed(Failure::Silent);
        let server = RealServer { method: services[0].method, base: 1, edge: None, condition };
        let servers = BTreeMap::from([(SERVER.into(), server)]);
        let mut vip_checks = VipChecks::new(settings.mark_range, services.iter());
        vip_checks.update(services.iter().zip([&servers]), kernel);
        vip_checks
    }

    const SERVER: [u8; 4] = [127, 0, 0, 1];

    #[test]
    fn a_server_is_probed_once_the_kernel_has_its_probe_service() {
        let vip_checks = vip_checks("direct", &Table::new());
        assert_eq!(vip_checks.options(0, SERVER.into(), &Table::new()), None);
        let kernel = vip_checks.table();
        let options = vip_checks.options(0, SERVER.into(), &kernel).unwrap();
        assert_eq!((options.mark, options.source), (Some(0x5700_ffff), Some(SERVER.into())));
        assert_eq!(options.hops, Some(2), "as far as the server");
        assert_eq!(vip_checks.options(1, SERVER.into(), &kernel), None, "the server is not in another service");
        let mut emptied = kernel;
        emptied.values_mut().for_each(|service| service.destinations.clear());
        assert_eq!(vip_checks.options(0, SERVER.into(), &emptied), None);
    }

    #[test]
    fn replies_have_a_virtual_source_unless_nat_rewrites_it() {
        assert_eq!(vip_checks("direct", &Table::new()).reply_interfaces(), ["lo".to_owned()].into());
        assert_eq!(vip_checks("ipip", &Table::new()).reply_interfaces(), ["lo".to_owned()].into());
        assert_eq!(vip_checks("nat", &Table::new()).reply_interfaces(), [].into());
    }
}
