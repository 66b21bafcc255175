//! The modules that the guest has: those of kernel mode, of the networks that scenarios build, and what they need.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::Command;

use super::release::Kernel;
use crate::step;

/// What is wanted, by the modules' own names. What the kernel has built in is there anyhow.
const WANTED: &[&str] = &[
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
    // nf_tables, with the expressions of rules that people have beside Weir's.
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
    // Lists of sockets: the agent counts connections with them.
    "inet_diag",
    "tcp_diag",
    "udp_diag",
];

/// Copies the modules into the guest's file system, with the lists by which `modprobe` finds them.
pub(crate) fn copy(kernel: &Kernel, guest: &Path) -> Result<(), String> {
    let folder = Path::new("lib/modules").join(&kernel.version);
    let (from, to) = (kernel.tree.join(&folder), guest.join(&folder));
    let read =
        |name: &str| fs::read_to_string(from.join(name)).map_err(|error| format!("{name} of the kernel: {error}"));
    for file in with_dependencies(WANTED, &read("modules.dep")?, &read("modules.builtin")?)? {
        super::image::copy(&from.join(&file), &to.join(&file))?;
    }
    for list in ["modules.builtin", "modules.order"] {
        super::image::copy(&from.join(list), &to.join(list))?;
    }
    step::command(Command::new("busybox").arg("depmod").arg("-b").arg(guest).arg(&kernel.version))
}

/// The files of the wanted modules and of all that they need; paths are relative to the folder of `modules.dep`
/// (modules.dep(5)).
fn with_dependencies(wanted: &[&str], dependencies: &str, built_in: &str) -> Result<BTreeSet<String>, String> {
    let lines = dependencies.lines().filter_map(|line| line.split_once(':'));
    let needs: BTreeMap<&str, &str> = lines.collect();
    let files: BTreeMap<String, &str> = needs.keys().map(|file| (name(file), *file)).collect();
    let built_in: BTreeSet<String> = built_in.lines().map(name).collect();
    let mut found = BTreeSet::new();
    let mut open: Vec<&str> = Vec::new();
    for module in wanted {
        match files.get(*module) {
            Some(file) => open.push(file),
            None if built_in.contains(*module) => {}
            None => return Err(format!("the kernel has no module {module}")),
        }
    }
    while let Some(file) = open.pop() {
        if found.insert(file.to_owned()) {
            open.extend(needs.get(file).into_iter().flat_map(|needed| needed.split_whitespace()));
        }
    }
    Ok(found)
}

/// `kernel/net/netfilter/ipvs/ip_vs.ko` → `ip_vs`. Files may have `-` where names have `_`.
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
    fn what_a_module_needs_comes_with_it() {
        let found = with_dependencies(&["ip_vs_rr"], DEPENDENCIES, "").expect("it exists");
        let expected = ["ip_vs", "ip_vs_rr", "nf-defrag", "nf_conntrack"].map(|name| format!("kernel/net/{name}.ko"));
        assert_eq!(found.into_iter().collect::<Vec<_>>(), expected);
    }

    #[test]
    fn what_is_built_in_needs_no_file_and_what_is_nowhere_is_named() {
        let built_in = "kernel/net/ipv6/ipv6.ko\n";
        assert!(with_dependencies(&["ipv6", "nf_defrag"], DEPENDENCIES, built_in).expect("both exist").len() == 1);
        let error = with_dependencies(&["ip_vs_no"], DEPENDENCIES, built_in).expect_err("there is none");
        assert!(error.contains("ip_vs_no"), "{error}");
    }
}
