//! Asks the kernel. What cannot be found out is left out; much of it takes CAP_NET_ADMIN.

use std::collections::BTreeSet;
use std::fs;
use std::net::IpAddr;

use weir_program::netlink::{Error, Message, Protocol, Socket};

use super::{Facts, Requirements, reading};
use crate::kernel::{Kernel, OpenError, read_marks};
use crate::model::{Installed, Mark, MarkRange, Owned, ServiceKey};
use crate::netlink::nftables::others;
use crate::through::Paths;

/// Collects what there is that matters to these services.
#[must_use]
pub fn collect(wanted: &[Requirements]) -> Facts {
    let mut facts = Facts { modules: modules(), ..Facts::default() };
    match Kernel::open() {
        Ok(mut kernel) => facts.marks = marks(&mut kernel),
        Err(OpenError::NoIpvs) => facts.no_ipvs = Some("the kernel has no IPVS".to_owned()),
        // Said by what is asked next.
        Err(OpenError::NoNfTables) => {}
        Err(error) => facts.no_ipvs = Some(error.to_string()),
    }
    match filter() {
        Ok(filter) => (facts.dropping, facts.marking, facts.has_weir) = filter,
        Err(error) => facts.no_nf_tables = Some(error.to_string()),
    }
    for path in ["ipv4/ip_forward", "ipv4/ip_local_port_range", "ipv6/conf/all/forwarding", "ipv4/conf/all/rp_filter"] {
        setting(&mut facts, path);
    }
    for interface in names("/sys/class/net").into_iter().filter(|name| name != "lo") {
        setting(&mut facts, &format!("ipv4/conf/{interface}/rp_filter"));
        let mtu = read(&format!("/sys/class/net/{interface}/mtu")).trim().parse();
        facts.mtus.extend(mtu.ok().map(|mtu| (interface, mtu)));
    }
    for interface in names("/proc/sys/net/ipv4/conf") {
        setting(&mut facts, &format!("ipv4/conf/{interface}/accept_local"));
    }
    paths(&mut facts, wanted);
    let four = reading::local_addresses(&read("/proc/net/fib_trie"));
    facts.addresses.extend(four.into_iter().map(|address| (address, true)));
    facts.addresses.extend(reading::local_addresses6(&read("/proc/net/if_inet6")));
    facts.neighbours = reading::neighbours(&read("/proc/net/arp"));
    for file in ["/proc/net/ip_tables_names", "/proc/net/ip6_tables_names"] {
        facts.old_tables.extend(read(file).lines().map(str::to_owned));
    }
    facts
}

/// The ways to those servers that are checked through virtual addresses.
fn paths(facts: &mut Facts, wanted: &[Requirements]) {
    let virtual_addresses: BTreeSet<IpAddr> = wanted.iter().flat_map(|service| service.addresses.clone()).collect();
    let Ok(mut paths) = Paths::open(virtual_addresses.clone()) else { return };
    facts.homes = virtual_addresses.into_iter().filter_map(|address| Some((address, paths.home(address)?))).collect();
    for service in wanted.iter().filter(|service| service.is_checked_through) {
        let found =
            service.servers.iter().filter_map(|server| Some((*server, paths.to(*server, &service.sources).ok()?)));
        facts.paths.extend(found);
    }
}

fn modules() -> Option<BTreeSet<String>> {
    let release = rustix::system::uname().release().to_string_lossy().into_owned();
    let folder = format!("/lib/modules/{release}");
    // Without the list of those that could be loaded, nothing can be said to be missing.
    let mut modules = reading::modules(&fs::read_to_string(format!("{folder}/modules.dep")).ok()?);
    modules.extend(reading::modules(&read(&format!("{folder}/modules.builtin"))));
    modules.extend(reading::modules(&read("/proc/modules")));
    Some(modules)
}

/// The marks of all services.
fn marks(kernel: &mut Kernel) -> BTreeSet<u32> {
    let Some(range) = Mark::new(u32::MAX).and_then(|mark| MarkRange::new(mark, mark)) else { return BTreeSet::new() };
    let Ok(snapshot) = kernel.read(&Owned::new(range, [])) else { return BTreeSet::new() };
    let mark = |key: &ServiceKey| match key {
        ServiceKey::Marked { mark, .. } => Some(mark.number()),
        ServiceKey::Addressed { .. } => None,
    };
    snapshot.services.keys().filter_map(mark).collect()
}

/// The chains that drop what no rule lets through to IPVS, those that set marks, and whether Weir's table is there.
fn filter() -> Result<(Vec<String>, BTreeSet<String>, bool), Error> {
    let mut socket = Socket::open(Protocol::Netfilter)?;
    let dropping = socket.list(others::list_chains(), |chains: &mut Vec<String>, message: Message<'_>| {
        chains.extend(others::dropping(message)?);
        Ok(())
    })?;
    let marking = socket.list(others::list_rules(), |chains: &mut BTreeSet<String>, message: Message<'_>| {
        chains.extend(others::marking(message)?);
        Ok(())
    })?;
    Ok((dropping, marking, read_marks(&mut socket)? != Installed::Absent))
}

fn setting(facts: &mut Facts, path: &str) {
    if let Ok(value) = fs::read_to_string(format!("/proc/sys/net/{path}")) {
        facts.settings.insert(path.to_owned(), value.trim().to_owned());
    }
}

fn read(path: &str) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

fn names(folder: &str) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().into_string().ok()).collect()
}
