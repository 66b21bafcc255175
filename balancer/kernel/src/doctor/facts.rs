//! What there is on this machine, and what is wanted of it. What could not be found out is `None`, and is not judged.

use std::collections::{BTreeMap, BTreeSet};
use std::iter;
use std::net::IpAddr;

use crate::group::Group;
use crate::model::{PortRange, Protocol};
use crate::settings::{Method, Settings};
use crate::through::Path;

/// What is wanted: one service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Requirements {
    /// Its name.
    pub name: String,
    /// Its virtual addresses.
    pub addresses: Vec<IpAddr>,
    /// Its ports.
    pub ports: Vec<(Protocol, PortRange)>,
    /// Its mark.
    pub mark: u32,
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

impl Requirements {
    /// What all services want.
    pub fn of_all(settings: &Settings) -> impl Iterator<Item = Self> {
        settings.groups.iter().map(|group| Self::of(group, settings.set_sysctls))
    }

    /// What a service wants of a balancer that sets the variables that it needs, or does not.
    #[must_use]
    pub fn of(group: &Group, sets_sysctls: bool) -> Self {
        let through = group.check.as_ref().filter(|check| check.through_address);
        let mut wanted = Self {
            name: group.name.clone(),
            addresses: Vec::new(),
            ports: Vec::new(),
            mark: group.mark.number(),
            scheduler: group.scheduler().to_string(),
            methods: Vec::new(),
            servers: group.servers.iter().map(|server| server.address).collect(),
            is_checked_through: through.is_some(),
            sources: through.map_or_else(Vec::new, |check| check.source.clone()),
            sets_sysctls,
        };
        for packets in &group.packets {
            push_new(&mut wanted.addresses, packets.address);
            push_new(&mut wanted.ports, (packets.protocol, packets.ports));
        }
        for method in iter::once(&group.method).chain(group.servers.iter().map(|server| &server.method)) {
            push_new(&mut wanted.methods, method.method);
        }
        wanted
    }
}

fn push_new<T: PartialEq>(list: &mut Vec<T>, value: T) {
    if !list.contains(&value) {
        list.push(value);
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
