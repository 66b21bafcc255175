//! What there is on this machine, and what is wanted of it. What could not be found out is `None`, and is not judged.

use std::collections::{BTreeMap, BTreeSet};
use std::iter;
use std::net::IpAddr;

use toml::Spanned;

use crate::config::kernel::{Method, Service};
use crate::ipvs::model::{PortRange, Protocol};
use crate::ipvs::through::Path;

/// What is wanted: one service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// Its name.
    pub name: String,
    /// Its virtual addresses.
    pub addresses: Vec<IpAddr>,
    /// Its ports.
    pub ports: Vec<(Protocol, PortRange)>,
    /// Its mark, where the configuration says which.
    pub mark: Option<u32>,
    /// How it chooses.
    pub scheduler: String,
    /// How packets come to its servers, each way once.
    pub methods: Vec<Method>,
    /// Its servers.
    pub servers: Vec<IpAddr>,
    /// Whether they are checked through its addresses.
    pub is_checked_through: bool,
    /// The addresses that they are asked from then, if the configuration says so.
    pub sources: Vec<IpAddr>,
    /// Whether the balancer sets the kernel's variables that it needs.
    pub sets_sysctls: bool,
}

impl Wanted {
    /// What a section of the configuration wants, of a balancer that sets the variables that it needs, or does not.
    #[must_use]
    pub fn of(service: &Service, sets_sysctls: bool) -> Self {
        let through = service.check.as_ref().filter(|check| check.through_address);
        let ports = |protocol, ports: &[PortRange]| ports.iter().map(|range| (protocol, *range)).collect();
        let tcp: Vec<_> = ports(Protocol::Tcp, &service.tcp);
        let udp = ports(Protocol::Udp, &service.udp);
        let servers = service.servers.iter().map(Spanned::get_ref);
        let others = servers.clone().filter_map(|server| server.method);
        let mut methods = Vec::new();
        for method in iter::once(service.method).chain(others) {
            if !methods.contains(&method) {
                methods.push(method);
            }
        }
        Self {
            name: service.name.clone(),
            addresses: service.addresses.clone(),
            ports: [tcp, udp].concat(),
            mark: service.mark,
            scheduler: service.scheduler.to_string(),
            methods,
            servers: servers.map(|server| server.address).collect(),
            is_checked_through: through.is_some(),
            sources: through.map_or_else(Vec::new, |check| check.source.clone()),
            sets_sysctls,
        }
    }
}

/// What there is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Facts {
    /// Why the kernel has no IPVS.
    pub no_ipvs: Option<String>,
    /// Why packets cannot be marked.
    pub no_nf_tables: Option<String>,
    /// The kernel's modules: those that are loaded, built in, or could be loaded.
    pub modules: Option<BTreeSet<String>>,
    /// Settings, by their path below `/proc/sys/net`.
    pub settings: BTreeMap<String, String>,
    /// The addresses that this machine has, each with whether it may be the source of its own packets.
    pub addresses: BTreeMap<IpAddr, bool>,
    /// The interfaces of addresses that this machine has.
    pub homes: BTreeMap<IpAddr, String>,
    /// The ways to servers that are checked through virtual addresses.
    pub paths: BTreeMap<IpAddr, Path>,
    /// The largest packets, in bytes, by interface; without loopback.
    pub mtus: BTreeMap<String, u32>,
    /// Hardware addresses that others told of, by their IP address.
    pub neighbours: BTreeMap<IpAddr, String>,
    /// Chains of the packet filter that drop what no rule lets through, before IPVS sees it: table and name.
    pub dropping: Vec<String>,
    /// Chains of others with rules that give packets marks: table and name.
    pub marking: BTreeSet<String>,
    /// Tables of the old packet filter that are in use.
    pub old_tables: BTreeSet<String>,
    /// The marks of services that the kernel has.
    pub marks: BTreeSet<u32>,
    /// Whether Weir marks packets already: then services with its marks are its own.
    pub has_weir: bool,
}
