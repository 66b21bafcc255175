//! Parsers for files of `/proc` and `/lib/modules`. Lines that cannot be parsed are skipped.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// `IFA_F_DEPRECATED`.
const DEPRECATED: u32 = 0x20;

/// Names of modules in `/proc/modules`, `modules.dep` or `modules.builtin`: the first word of a line, with or without a
/// path.
#[must_use]
pub fn modules(text: &str) -> BTreeSet<String> {
    let name = |line: &str| {
        let word = line.split([' ', ':']).next()?;
        let file = word.rsplit('/').next()?;
        let name = file.split(".ko").next()?;
        (!name.is_empty()).then(|| name.replace('-', "_"))
    };
    text.lines().filter_map(name).collect()
}

/// This machine's addresses in `/proc/net/fib_trie`: those above a line `/32 host LOCAL`.
#[must_use]
pub fn local_addresses(fib_trie: &str) -> BTreeSet<IpAddr> {
    let mut addresses = BTreeSet::new();
    let mut above = None;
    for line in fib_trie.lines() {
        if let Some(address) = line.trim().strip_prefix("|-- ") {
            above = address.parse::<Ipv4Addr>().ok();
        } else if line.contains("/32 host LOCAL") {
            addresses.extend(above.map(IpAddr::V4));
        }
    }
    addresses
}

/// The addresses in `/proc/net/if_inet6`, each with whether the kernel may use it as source address.
#[must_use]
pub fn local_addresses6(if_inet6: &str) -> BTreeMap<IpAddr, bool> {
    let read = |line: &str| {
        let mut words = line.split_whitespace();
        let address = u128::from_str_radix(words.next()?, 16).ok()?;
        let flags = u32::from_str_radix(words.nth(3)?, 16).ok()?;
        Some((IpAddr::V6(Ipv6Addr::from(address)), flags & DEPRECATED == 0))
    };
    if_inet6.lines().filter_map(read).collect()
}

/// Hardware addresses in `/proc/net/arp`.
#[must_use]
pub fn neighbours(arp: &str) -> BTreeMap<IpAddr, String> {
    let read = |line: &str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let [address, _, flags, hardware, ..] = words[..] else { return None };
        let is_known = flags != "0x0" && hardware != "00:00:00:00:00:00";
        Some((address.parse().ok()?, hardware.to_owned())).filter(|_| is_known)
    };
    arp.lines().filter_map(read).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn files_are_parsed() {
        assert!(
            modules("kernel/net/netfilter/ipvs/ip_vs_wlc.ko.xz: kernel/x.ko\nip_vs 1 2 - Live\n").contains("ip_vs_wlc")
        );
        let trie = "Local:\n  +-- 192.0.2.0/24 2 0 2\n     |-- 192.0.2.10\n        /32 host LOCAL\n     |-- 192.0.2.255\n        /32 link BROADCAST\n";
        assert_eq!(local_addresses(trie), ["192.0.2.10".parse().unwrap()].into());
        let inet6 =
            "20010db8000000000000000000000010 02 80 00 20 eth0\n00000000000000000000000000000001 01 80 10 80 lo\n";
        let expected = [("2001:db8::10".parse().unwrap(), false), ("::1".parse().unwrap(), true)];
        assert_eq!(local_addresses6(inet6), expected.into());
        let arp = "IP address HW type Flags HW address Mask Device\n192.0.2.10 0x1 0x2 02:00:00:00:00:01 * eth0\n192.0.2.11 0x1 0x0 00:00:00:00:00:00 * eth0\n";
        assert_eq!(neighbours(arp).len(), 1);
    }

    proptest! {
        #[test]
        fn arbitrary_text_does_not_panic(text in "\\PC{0,100}") {
            let _ = modules(&text);
            let _ = local_addresses(&text);
            let _ = local_addresses6(&text);
            let _ = neighbours(&text);
        }
    }
}
