//! Requirements of the services, and facts of this machine. Facts that could not be determined are missing, and not
//! judged.

use std::collections::{BTreeMap, BTreeSet};
use std::iter;
use std::net::IpAddr;

use crate::model::{PortRange, Protocol};
use crate::settings::{Method, Settings, VirtualService};
use crate::vip_checks::ProbeRoute;

/// Requirements of a service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Requirements {
    /// Name of the service.
    pub name: String,
    /// Virtual addresses.
    pub addresses: Vec<IpAddr>,
    /// Ports.
    pub ports: Vec<(Protocol, PortRange)>,
    /// Firewall mark.
    pub mark: u32,
    /// Scheduler.
    pub scheduler: String,
    /// Forwarding methods of its servers, each once.
    pub methods: Vec<Method>,
    /// Configured real servers.
    pub servers: Vec<IpAddr>,
    /// Whether the servers are checked through the virtual addresses.
    pub has_vip_check: bool,
    /// Configured source addresses of these checks.
    pub sources: Vec<IpAddr>,
    /// Whether the balancer sets the required sysctls.
    pub sets_sysctls: bool,
}

impl Requirements {
    /// The requirements of all services.
    pub fn of_all(settings: &Settings) -> impl Iterator<Item = Self> {
        settings.services.iter().map(|service| Self::of(service, settings.set_sysctls))
    }

    /// The requirements of a service. `sets_sysctls` is whether the balancer sets the required sysctls.
    #[must_use]
    pub fn of(service: &VirtualService, sets_sysctls: bool) -> Self {
        let vip_check = service.vip_check();
        let mut requirements = Self {
            name: service.name.clone(),
            addresses: Vec::new(),
            ports: Vec::new(),
            mark: service.mark.number(),
            scheduler: service.scheduler.to_string(),
            methods: Vec::new(),
            servers: service.servers.iter().map(|server| server.address).collect(),
            has_vip_check: vip_check.is_some(),
            sources: vip_check.map_or_else(Vec::new, |check| check.source.clone()),
            sets_sysctls,
        };
        for endpoint in &service.endpoints {
            push_new(&mut requirements.addresses, endpoint.address);
            push_new(&mut requirements.ports, (endpoint.protocol, endpoint.ports));
        }
        for method in iter::once(&service.method).chain(service.servers.iter().map(|server| &server.method)) {
            push_new(&mut requirements.methods, method.method);
        }
        requirements
    }
}

fn push_new<T: PartialEq>(list: &mut Vec<T>, value: T) {
    if !list.contains(&value) {
        list.push(value);
    }
}

/// Facts of this machine.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Facts {
    /// Why IPVS cannot be used.
    pub ipvs_error: Option<String>,
    /// Why nf_tables cannot be used.
    pub nf_tables_error: Option<String>,
    /// What could not be read, with the error.
    pub unreadable: Vec<String>,
    /// Modules of the kernel that are loaded, built in or can be loaded.
    pub modules: Option<BTreeSet<String>>,
    /// Sysctls, by path below `/proc/sys/net`.
    pub sysctls: BTreeMap<String, String>,
    /// Addresses of this machine, each with whether the kernel may use it as source address.
    pub addresses: BTreeMap<IpAddr, bool>,
    /// Interfaces of the virtual addresses that this machine has.
    pub address_interfaces: BTreeMap<IpAddr, String>,
    /// Routes to servers that are checked through virtual addresses, or why there is none.
    pub routes: BTreeMap<IpAddr, Result<ProbeRoute, String>>,
    /// MTU of each interface except loopback, in bytes.
    pub mtus: BTreeMap<String, u32>,
    /// Hardware addresses in the ARP cache.
    pub neighbours: BTreeMap<IpAddr, String>,
    /// Chains with policy drop that run before IPVS: table and name.
    pub drop_policy_chains: Vec<String>,
    /// Chains of other programs whose rules set marks: table and name.
    pub marking_chains: BTreeSet<String>,
    /// Tables of legacy iptables that are in use.
    pub legacy_tables: BTreeSet<String>,
    /// Marks of services in the kernel.
    pub marks: BTreeSet<u32>,
    /// Whether Weir's nf_tables table exists. If it does, services with Weir's marks are its own.
    pub has_weir_table: bool,
}
