//! What there is on this machine, and what is wanted of it. What could not be found out is `None`, and is not judged.

use std::collections::{BTreeMap, BTreeSet};
use std::iter;
use std::net::IpAddr;

use toml::Spanned;

use crate::config::kernel::{Method, Service};
use crate::ipvs::model::{PortRange, Protocol};

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
}

impl Wanted {
    /// What a section of the configuration wants.
    #[must_use]
    pub fn of(service: &Service) -> Self {
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
    /// The largest packets, in bytes, by interface; without loopback.
    pub mtus: BTreeMap<String, u32>,
    /// Hardware addresses that others told of, by their IP address.
    pub neighbours: BTreeMap<IpAddr, String>,
    /// Chains of the packet filter that drop what no rule lets through, before IPVS sees it: table and name.
    pub dropping: Vec<String>,
    /// Tables of the old packet filter that are in use.
    pub old_tables: BTreeSet<String>,
    /// The marks of services that the kernel has.
    pub marks: BTreeSet<u32>,
    /// Whether Weir marks packets already: then services with its marks are its own.
    pub has_weir: bool,
}
