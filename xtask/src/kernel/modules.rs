//! Kernel modules of the guest: those for kernel mode and for the networks of the scenarios, and their dependencies.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::Command;

use super::files;
use super::release::Kernel;
use crate::step;

/// Names of the required modules. Some may be built into the kernel.
const REQUIRED: &[&str] = &[
    // IPVS, with every scheduler.
    "ip_vs",
    "ip_vs_dh",
    "ip_vs_fo",
    "ip_vs_lblc",
    "ip_vs_lblcr",
    "ip_vs_lc",
    "ip_vs_mh",
    "ip_vs_nq",
    "ip_vs_ovf",
    "ip_vs_rr",
    "ip_vs_sed",
    "ip_vs_sh",
    "ip_vs_wlc",
    "ip_vs_wrr",
    // nf_tables, with expressions that are common in other rule sets beside Weir's.
    "nf_conntrack",
    "nf_conntrack_netlink",
    "nf_tables",
    "nfnetlink",
    "nft_chain_nat",
    "nft_ct",
    "nft_fib_inet",
    "nft_hash",
    "nft_limit",
    "nft_log",
    "nft_masq",
    "nft_nat",
    "nft_numgen",
    "nft_objref",
    "nft_quota",
    "nft_redir",
    "nft_reject_inet",
    "nft_socket",
    // Networks.
    "8021q",
    "af_packet",
    "bonding",
    "bridge",
    "dummy",
    "ipv6",
    "macvlan",
    "veth",
    // Tunnels.
    "fou",
    "fou6",
    "gre",
    "ip6_gre",
    "ip6_tunnel",
    "ip6_udp_tunnel",
    "ip_gre",
    "ip_tunnel",
    "ipip",
    "sit",
    "udp_tunnel",
    // sock_diag, with which the agent counts connections.
    "inet_diag",
    "tcp_diag",
    "udp_diag",
];

/// Copies the modules to the guest's file system, and creates the index files for `modprobe`.
pub(crate) fn copy(kernel: &Kernel, guest: &Path) -> Result<(), String> {
    let folder = Path::new("lib/modules").join(&kernel.version);
    let (from, to) = (kernel.tree.join(&folder), guest.join(&folder));
    let read = |name: &str| {
        fs::read_to_string(from.join(name)).map_err(|error| format!("cannot read {name} of the kernel: {error}"))
    };
    for file in with_dependencies(REQUIRED, &read("modules.dep")?, &read("modules.builtin")?)? {
        files::copy(&from.join(&file), &to.join(&file))?;
    }
    for list in ["modules.builtin", "modules.order"] {
        files::copy(&from.join(list), &to.join(list))?;
    }
    step::command(Command::new("busybox").arg("depmod").arg("-b").arg(guest).arg(&kernel.version))
}

/// Returns the files of the required modules and of their dependencies. Paths are relative to the folder of
/// `modules.dep` (modules.dep(5)).
fn with_dependencies(required: &[&str], dependencies: &str, built_in: &str) -> Result<BTreeSet<String>, String> {
    let lines = dependencies.lines().filter_map(|line| line.split_once(':'));
    let dependencies: BTreeMap<&str, &str> = lines.collect();
    let files: BTreeMap<String, &str> = dependencies.keys().map(|file| (name(file), *file)).collect();
    let built_in: BTreeSet<String> = built_in.lines().map(name).collect();
    let mut found = BTreeSet::new();
    let mut pending: Vec<&str> = Vec::new();
    for module in required {
        match files.get(*module) {
            Some(file) => pending.push(file),
            None if built_in.contains(*module) => {}
            None => return Err(format!("the kernel has no module {module}")),
        }
    }
    while let Some(file) = pending.pop() {
        if found.insert(file.to_owned()) {
            pending.extend(dependencies.get(file).into_iter().flat_map(|files| files.split_whitespace()));
        }
    }
    Ok(found)
}

/// Returns the name of a module: `kernel/net/netfilter/ipvs/ip_vs.ko` → `ip_vs`. File names may have `-` for `_`.
fn name(file: &str) -> String {
    let file = file.rsplit('/').next().unwrap_or(file);
    file.split(".ko").next().unwrap_or(file).replace('-', "_")
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEPENDENCIES: &str = "\
        kernel/net/ip_vs_rr.ko: kernel/net/ip_vs.ko\n\
        kernel/net/ip_vs.ko: kernel/net/nf_conntrack.ko\n\
        kernel/net/nf_conntrack.ko: kernel/net/nf-defrag.ko\n\
        kernel/net/nf-defrag.ko:\n\
        kernel/net/other.ko:\n";

    #[test]
    fn dependencies_of_a_module_are_included() {
        let found = with_dependencies(&["ip_vs_rr"], DEPENDENCIES, "").expect("it exists");
        let expected = ["ip_vs", "ip_vs_rr", "nf-defrag", "nf_conntrack"].map(|name| format!("kernel/net/{name}.ko"));
        assert_eq!(found.into_iter().collect::<Vec<_>>(), expected);
    }

    #[test]
    fn built_in_modules_need_no_file_and_missing_ones_are_named() {
        let built_in = "kernel/net/ipv6/ipv6.ko\n";
        assert!(with_dependencies(&["ipv6", "nf_defrag"], DEPENDENCIES, built_in).expect("both exist").len() == 1);
        let error = with_dependencies(&["ip_vs_no"], DEPENDENCIES, built_in).expect_err("there is none");
        assert!(error.contains("ip_vs_no"), "{error}");
    }
}
