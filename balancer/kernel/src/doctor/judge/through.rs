//! What keeps servers from being checked through virtual addresses.

use std::net::IpAddr;

use super::Findings;
use crate::doctor::{Facts, Requirements};
use crate::settings::Method;

/// Judges a service whose servers are checked through its addresses.
pub(super) fn judge(service: &Requirements, facts: &Facts, findings: &mut Findings) {
    for server in &service.servers {
        let Some(path) = facts.paths.get(server) else { continue };
        if path.source.is_none() {
            findings.add(
                &service.name,
                format!("this machine has no address of its own to ask {server} from, which drops what comes from a virtual one"),
                "give this machine one on that network, or name one by `source` in [kernel.service.check]",
            );
        }
        // IPv6 is not looked at, and by NAT answers have the server's address.
        if server.is_ipv4() && service.methods.iter().any(|method| *method != Method::Nat) {
            answers(service, &path.interface, facts, findings);
        }
    }
    for chain in &facts.dropping {
        let addresses: Vec<String> = service.addresses.iter().map(IpAddr::to_string).collect();
        findings.add(
            &service.name,
            format!(
                "the chain {chain} drops what no rule lets through, answers to checks through the address among it"
            ),
            format!("have a rule in it accept what comes from {}, if none does", addresses.join(", ")),
        );
    }
}

/// Whether answers that come from a virtual address are let in by this interface.
fn answers(service: &Requirements, interface: &str, facts: &Facts, findings: &mut Findings) {
    let of = |interface, name| facts.setting(&format!("ipv4/conf/{interface}/{name}"));
    let either = |name| of(interface, name).max(of("all", name));
    if either("accept_local") == Some(0) && !service.sets_sysctls {
        findings.add(
            &service.name,
            "answers of servers that are checked through an address are dropped where this machine has that address",
            format!("sysctl -w net.ipv4.conf.{interface}.accept_local=1, or `set_sysctls = true`"),
        );
    }
    let is_elsewhere = |address: &IpAddr| facts.homes.get(address).is_some_and(|home| home != interface);
    let elsewhere = service.addresses.iter().find(|address| address.is_ipv4() && is_elsewhere(address));
    if let Some(address) = elsewhere.filter(|_| either("rp_filter") == Some(1)) {
        findings.add(
            interface,
            format!("rp_filter is strict: answers from {address}, which is on another interface, are dropped"),
            format!("sysctl -w net.ipv4.conf.{interface}.rp_filter=2"),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::super::judge;
    use super::*;
    use crate::model::Protocol;
    use crate::through::Path;

    const SERVER: [u8; 4] = [192, 0, 2, 21];
    const ADDRESS: [u8; 4] = [192, 0, 2, 10];

    fn service() -> Requirements {
        Requirements {
            name: "media".to_owned(),
            addresses: vec![ADDRESS.into(), "2001:db8::10".parse().unwrap()],
            ports: vec![(Protocol::Tcp, 554.into())],
            mark: 7,
            scheduler: "wlc".to_owned(),
            methods: vec![Method::Direct],
            servers: vec![SERVER.into()],
            is_checked_through: true,
            sources: Vec::new(),
            sets_sysctls: true,
        }
    }

    fn facts(settings: &[(&str, &str)]) -> Facts {
        let path = Path { interface: "eth0".to_owned(), source: Some([192, 0, 2, 11].into()) };
        let settings = settings.iter().map(|(path, value)| (format!("ipv4/conf/{path}"), (*value).to_owned()));
        Facts { settings: settings.collect(), paths: [(SERVER.into(), path)].into(), ..Facts::default() }
    }

    fn findings(service: &Requirements, facts: &Facts) -> Vec<String> {
        judge(std::slice::from_ref(service), facts).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn answers_have_to_be_let_in_unless_the_balancer_sees_to_it() {
        let closed = facts(&[("all/accept_local", "0"), ("eth0/accept_local", "0"), ("eth1/accept_local", "1")]);
        let by_hand = Requirements { sets_sysctls: false, ..service() };
        let [finding] = &findings(&by_hand, &closed)[..] else { panic!("{:?}", findings(&by_hand, &closed)) };
        assert!(finding.contains("net.ipv4.conf.eth0.accept_local=1"), "{finding}");
        assert_eq!(findings(&service(), &closed), [""; 0]);
        let open = facts(&[("all/accept_local", "0"), ("eth0/accept_local", "1")]);
        assert_eq!(findings(&by_hand, &open), [""; 0]);
        let nat = Requirements { methods: vec![Method::Nat], ..by_hand.clone() };
        assert_eq!(findings(&nat, &closed), [""; 0]);
        let unchecked = Requirements { is_checked_through: false, ..by_hand };
        assert_eq!(findings(&unchecked, &closed), [""; 0]);
    }

    #[test]
    fn strict_filtering_matters_where_the_address_is_on_another_interface() {
        let strict = facts(&[("all/rp_filter", "1"), ("eth0/rp_filter", "0")]);
        let at = |home: &str| Facts { homes: [(ADDRESS.into(), home.to_owned())].into(), ..strict.clone() };
        assert_eq!(findings(&service(), &strict), [""; 0]);
        assert_eq!(findings(&service(), &at("eth0")), [""; 0]);
        let [finding] = &findings(&service(), &at("lo"))[..] else { panic!("{:?}", findings(&service(), &at("lo"))) };
        assert!(finding.contains("net.ipv4.conf.eth0.rp_filter=2"), "{finding}");
    }

    #[test]
    fn a_machine_with_nothing_but_virtual_addresses_cannot_ask() {
        let mut facts = facts(&[]);
        facts.paths.values_mut().for_each(|path| path.source = None);
        let [finding] = &findings(&service(), &facts)[..] else { panic!("{:?}", findings(&service(), &facts)) };
        assert!(finding.contains("no address of its own to ask 192.0.2.21 from"), "{finding}");
    }

    #[test]
    fn a_filter_has_to_let_in_answers_as_well() {
        let facts = Facts { dropping: vec!["filter INPUT".to_owned()], ..Facts::default() };
        let found = findings(&service(), &facts);
        assert!(
            found.iter().any(|finding| finding.contains("accept what comes from 192.0.2.10, 2001:db8::10")),
            "{found:?}"
        );
    }
}
