//! Collects the facts. Many of them require CAP_NET_ADMIN.

use std::collections::BTreeSet;
use std::fs;
use std::net::IpAddr;

use weir_program::netlink::{Error, Message, Protocol, Socket};

use super::{Facts, Requirements, procfs};
use crate::kernel::{Kernel, OpenError, read_marks};
use crate::model::{MarkTable, ServiceKey};
use crate::netlink::nftables::foreign;
use crate::vip_checks::Routes;

/// Collects the facts that concern these services.
#[must_use]
pub fn collect(services: &[Requirements]) -> Facts {
    let mut facts = Facts { modules: modules(), ..Facts::default() };
    match Kernel::open() {
        Ok(mut kernel) => match marks(&mut kernel) {
            Ok(marks) => facts.marks = marks,
            Err(error) => facts.unreadable.push(format!("IPVS services: {error}")),
        },
        Err(OpenError::NoIpvs) => facts.ipvs_error = Some("the kernel has no IPVS".to_owned()),
        // `PacketFilter::read` reports it.
        Err(OpenError::NoNfTables) => {}
        Err(error) => facts.ipvs_error = Some(error.to_string()),
    }
    match PacketFilter::read() {
        Ok(PacketFilter { drop_policy_chains, marking_chains, has_weir_table }) => {
            (facts.drop_policy_chains, facts.marking_chains) = (drop_policy_chains, marking_chains);
            facts.has_weir_table = has_weir_table;
        }
        Err(error) => facts.nf_tables_error = Some(error.to_string()),
    }
    for path in ["ipv4/ip_forward", "ipv4/ip_local_port_range", "ipv6/conf/all/forwarding", "ipv4/conf/all/rp_filter"] {
        sysctl(&mut facts, path);
    }
    for interface in names("/sys/class/net").into_iter().filter(|name| name != "lo") {
        sysctl(&mut facts, &format!("ipv4/conf/{interface}/rp_filter"));
        // An interface that has just been removed is left out.
        let mtu = read(&format!("/sys/class/net/{interface}/mtu")).trim().parse();
        facts.mtus.extend(mtu.ok().map(|mtu| (interface, mtu)));
    }
    for interface in names("/proc/sys/net/ipv4/conf") {
        sysctl(&mut facts, &format!("ipv4/conf/{interface}/accept_local"));
    }
    if let Err(error) = routes(&mut facts, services) {
        facts.unreadable.push(format!("addresses and routes: {error}"));
    }
    let ipv4 = procfs::local_addresses(&read("/proc/net/fib_trie"));
    facts.addresses.extend(ipv4.into_iter().map(|address| (address, true)));
    facts.addresses.extend(procfs::local_addresses6(&read("/proc/net/if_inet6")));
    facts.neighbours = procfs::neighbours(&read("/proc/net/arp"));
    for file in ["/proc/net/ip_tables_names", "/proc/net/ip6_tables_names"] {
        facts.legacy_tables.extend(read(file).lines().map(str::to_owned));
    }
    facts
}

/// Collects the interfaces of virtual addresses, and the routes to servers that are checked through them.
fn routes(facts: &mut Facts, services: &[Requirements]) -> Result<(), Error> {
    let virtual_addresses: BTreeSet<IpAddr> = services.iter().flat_map(|service| service.addresses.clone()).collect();
    let mut routes = Routes::open(virtual_addresses.clone())?;
    let interface = |address| Some((address, routes.interface_of(address)?));
    facts.address_interfaces = virtual_addresses.into_iter().filter_map(interface).collect();
    for service in services.iter().filter(|service| service.has_vip_check) {
        for server in &service.servers {
            let route = routes.to(*server, &service.sources).map_err(|error| error.to_string());
            facts.routes.insert(*server, route);
        }
    }
    Ok(())
}

fn modules() -> Option<BTreeSet<String>> {
    let release = rustix::system::uname().release().to_string_lossy().into_owned();
    let folder = format!("/lib/modules/{release}");
    // Without the list of modules that can be loaded, for example in a container, none is known to be missing.
    let mut modules = procfs::modules(&fs::read_to_string(format!("{folder}/modules.dep")).ok()?);
    modules.extend(procfs::modules(&read(&format!("{folder}/modules.builtin"))));
    modules.extend(procfs::modules(&read("/proc/modules")));
    Some(modules)
}

/// The marks of all services.
fn marks(kernel: &mut Kernel) -> Result<BTreeSet<u32>, Error> {
    let mark = |key: &ServiceKey| match key {
        ServiceKey::Marked { mark, .. } => Some(mark.number()),
        ServiceKey::Addressed { .. } => None,
    };
    Ok(kernel.services()?.keys().filter_map(mark).collect())
}

/// Facts of nf_tables.
struct PacketFilter {
    drop_policy_chains: Vec<String>,
    marking_chains: BTreeSet<String>,
    has_weir_table: bool,
}

impl PacketFilter {
    fn read() -> Result<Self, Error> {
        let mut socket = Socket::open(Protocol::Netfilter)?;
        let push_drop_policy = |chains: &mut Vec<String>, message: Message<'_>| {
            chains.extend(foreign::drop_policy_chain(message)?);
            Ok(())
        };
        let push_mark_setting = |chains: &mut BTreeSet<String>, message: Message<'_>| {
            chains.extend(foreign::mark_setting_chain(message)?);
            Ok(())
        };
        Ok(Self {
            drop_policy_chains: socket.dump(foreign::list_chains(), push_drop_policy)?,
            marking_chains: socket.dump(foreign::list_rules(), push_mark_setting)?,
            has_weir_table: read_marks(&mut socket)? != MarkTable::Absent,
        })
    }
}

/// Adds a sysctl, unless the kernel does not have it.
fn sysctl(facts: &mut Facts, path: &str) {
    if let Ok(value) = fs::read_to_string(format!("/proc/sys/net/{path}")) {
        facts.sysctls.insert(path.to_owned(), value.trim().to_owned());
    }
}

/// The contents of a file. The kernel lacks files of features that are not in use, such as legacy iptables, so a
/// missing file is read as an empty one. Files that require privileges are read along with netlink requests that fail
/// for the same reason, and are reported there.
fn read(path: &str) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

/// The names in a folder of the kernel's; empty if it does not exist. All of its names are valid UTF-8.
fn names(folder: &str) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().into_string().ok()).collect()
}
