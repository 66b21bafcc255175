//! Facts out of the kernel's files and messages.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use weir_program::netlink::{Attributes, Malformed, Message};

use crate::ipvs::netlink::nftables;

/// `NFTA_CHAIN_TABLE`, `NFTA_CHAIN_NAME`, `NFTA_CHAIN_HOOK`, `NFTA_CHAIN_POLICY`; `NFTA_HOOK_HOOKNUM`.
const TABLE: u16 = 1;
const NAME: u16 = 3;
const HOOK: u16 = 4;
const POLICY: u16 = 5;
const HOOK_NUMBER: u16 = 1;
/// `NFTA_RULE_TABLE`, `NFTA_RULE_CHAIN`, `NFTA_RULE_EXPRESSIONS`; `NFTA_EXPR_NAME`, `NFTA_EXPR_DATA`.
const RULE_TABLE: u16 = 1;
const RULE_CHAIN: u16 = 2;
const RULE_EXPRESSIONS: u16 = 4;
const EXPRESSION_NAME: u16 = 1;
const EXPRESSION_DATA: u16 = 2;
/// `NFTA_META_KEY`, `NFTA_META_SREG`; `NFT_META_MARK`.
const META_KEY: u16 = 2;
const META_SOURCE: u16 = 3;
const META_MARK: u32 = 3;
/// `NFTA_TARGET_NAME`, of a target of iptables.
const TARGET_NAME: u16 = 1;
/// `NF_INET_LOCAL_IN`, where IPVS takes packets after all filters; `NF_DROP`.
const INPUT: u32 = 1;
const DROP: u32 = 0;
/// `IFA_F_DEPRECATED`.
const DEPRECATED: u32 = 0x20;

/// The names in `/proc/modules`, `modules.dep` and `modules.builtin`: the first word of a line, with or without a path.
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

/// The addresses in `/proc/net/fib_trie` that are this machine's: those above a line `/32 host LOCAL`.
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

/// The addresses in `/proc/net/if_inet6`, each with whether it may be the source of the machine's own packets.
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

/// The hardware addresses in `/proc/net/arp`.
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

/// The table and name of a chain that drops what no rule lets through to IPVS.
///
/// # Errors
/// [`Malformed`] when it is no chain.
pub fn dropping(message: Message<'_>) -> Result<Option<String>, Malformed> {
    let (_, attributes) = message.split_body::<4>()?;
    let Some(hook) = attributes.find_kind(HOOK)? else { return Ok(None) };
    let number = hook.nested().find_kind(HOOK_NUMBER)?.map(|number| number.u32_be()).transpose()?;
    let policy = attributes.find_kind(POLICY)?.map(|policy| policy.u32_be()).transpose()?;
    if number != Some(INPUT) || policy != Some(DROP) {
        return Ok(None);
    }
    let text = |kind| Ok(attributes.find_kind(kind)?.map(|name| name.text()).transpose()?.unwrap_or("?"));
    Ok(Some(format!("{} {}", text(TABLE)?, text(NAME)?)))
}

/// The table and chain of a rule that gives packets a mark, but for Weir's own.
///
/// # Errors
/// [`Malformed`] when it is no rule.
pub fn marking(message: Message<'_>) -> Result<Option<String>, Malformed> {
    let (_, attributes) = message.split_body::<4>()?;
    let text = |kind| Ok(attributes.find_kind(kind)?.map(|name| name.text()).transpose()?.unwrap_or("?"));
    let (table, chain) = (text(RULE_TABLE)?, text(RULE_CHAIN)?);
    if [nftables::TABLE, nftables::BRIDGE].contains(&table) {
        return Ok(None);
    }
    let Some(expressions) = attributes.find_kind(RULE_EXPRESSIONS)? else { return Ok(None) };
    for expression in expressions.nested() {
        if sets_mark(expression?.nested())? {
            return Ok(Some(format!("{table} {chain}")));
        }
    }
    Ok(None)
}

/// Whether an expression writes a packet's mark: nft's own, or iptables' targets, which carry a mark from a connection, too.
fn sets_mark(expression: Attributes<'_>) -> Result<bool, Malformed> {
    let name = expression.find_kind(EXPRESSION_NAME)?.map(|name| name.text()).transpose()?;
    let Some(data) = expression.find_kind(EXPRESSION_DATA)?.map(|data| data.nested()) else { return Ok(false) };
    match name {
        Some("meta") => {
            let key = data.find_kind(META_KEY)?.map(|key| key.u32_be()).transpose()?;
            Ok(key == Some(META_MARK) && data.find_kind(META_SOURCE)?.is_some())
        }
        Some("target") => {
            let target = data.find_kind(TARGET_NAME)?.map(|name| name.text()).transpose()?;
            Ok(matches!(target, Some("MARK" | "CONNMARK")))
        }
        _ => Ok(false),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use weir_program::netlink::{Messages, Request};

    use super::*;

    #[test]
    fn files_of_the_kernel_are_read() {
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

    /// What is said of a rule of this table with one expression, which has this data.
    fn said_of(table: &str, name: &str, data: &[(u16, &[u8])]) -> Option<String> {
        let mut rule = Request::new(0, 0).header(&[0; 4]);
        rule.put_text(RULE_TABLE, table).put_text(RULE_CHAIN, "PREROUTING");
        rule.nest(RULE_EXPRESSIONS, |list| {
            list.nest(1, |expression| {
                expression
                    .put_text(EXPRESSION_NAME, name)
                    .nest(EXPRESSION_DATA, |list| data.iter().fold(list, |list, (kind, value)| list.put(*kind, value)))
            })
        });
        let bytes = rule.encode(1).unwrap();
        marking(Messages(&bytes).next().unwrap().unwrap()).unwrap()
    }

    #[test]
    fn rules_that_set_marks_are_told_from_those_that_look_at_them() {
        let register: &[u8] = &[0, 0, 0, 8];
        let sets: &[(u16, &[u8])] = &[(META_KEY, &[0, 0, 0, 3]), (META_SOURCE, register)];
        let expected = Some("mangle PREROUTING".to_owned());
        assert_eq!(said_of("mangle", "meta", sets), expected);
        assert_eq!(said_of("weir", "meta", sets), None, "it is Weir's");
        assert_eq!(said_of("mangle", "meta", &[(1, register), (META_KEY, &[0, 0, 0, 3])]), None, "it looks");
        assert_eq!(said_of("mangle", "meta", &[(META_KEY, &[0, 0, 0, 5]), (META_SOURCE, register)]), None, "no mark");
        assert_eq!(said_of("mangle", "target", &[(TARGET_NAME, b"MARK\0")]), expected);
        assert_eq!(said_of("mangle", "target", &[(TARGET_NAME, b"TCPMSS\0")]), None);
    }

    proptest! {
        #[test]
        fn nothing_is_too_odd_to_be_read(text in "\\PC{0,100}", body in proptest::collection::vec(any::<u8>(), 0..60)) {
            let _ = modules(&text);
            let _ = local_addresses(&text);
            let _ = local_addresses6(&text);
            let _ = neighbours(&text);
            let _ = dropping(Message { kind: 0, flags: 0, sequence: 0, body: &body });
            let _ = marking(Message { kind: 0, flags: 0, sequence: 0, body: &body });
        }
    }
}
