//! Problems with checks through virtual addresses.

use std::net::IpAddr;

use super::Findings;
use crate::doctor::{Facts, Requirements};
use crate::settings::Method;

/// Adds the problems of a service whose servers are checked through its addresses.
pub(super) fn diagnose(service: &Requirements, facts: &Facts, findings: &mut Findings) {
    for server in &service.servers {
        let route = match facts.routes.get(server) {
            Some(Ok(route)) => route,
            Some(Err(error)) => {
                findings.add(
                    &service.name,
                    format!("no route to {server}: {error}"),
                    "add a route to the network of the server",
                );
                continue;
            }
            None => continue,
        };
        if route.source.is_none() {
            findings.add(
                &service.name,
                format!("no address from which to probe {server}: all addresses of this machine are virtual"),
                "add an address on that network, or set `source` in [kernel.service.check]",
            );
        }
        // The kernel does not check the source of IPv6 packets, and with NAT replies have the server's address.
        if server.is_ipv4() && service.methods.iter().any(|method| *method != Method::Nat) {
            replies(service, &route.interface, facts, findings);
        }
    }
    for chain in &facts.drop_policy_chains {
        let addresses: Vec<String> = service.addresses.iter().map(IpAddr::to_string).collect();
        findings.add(
            &service.name,
            format!("chain {chain} has policy drop and filters replies to checks through the virtual address"),
            format!("if it has no rule that accepts packets from {}, add one", addresses.join(", ")),
        );
    }
}

/// Adds the problems with replies that have a virtual address as source and arrive on this interface.
fn replies(service: &Requirements, interface: &str, facts: &Facts, findings: &mut Findings) {
    let of = |interface, name| facts.sysctl(&format!("ipv4/conf/{interface}/{name}"));
    let either = |name| of(interface, name).max(of("all", name));
    if either("accept_local") == Some(0) && !service.sets_sysctls {
        findings.add(
            &service.name,
            format!(
                "replies to checks through the virtual address are dropped on {interface} while this machine has it"
            ),
            format!("sysctl -w net.ipv4.conf.{interface}.accept_local=1, or `set_sysctls = true`"),
        );
    }
    let is_on_another =
        |address: &IpAddr| facts.address_interfaces.get(address).is_some_and(|other| other != interface);
    let on_another = service.addresses.iter().find(|address| address.is_ipv4() && is_on_another(address));
    if let Some(address) = on_another.filter(|_| either("rp_filter") == Some(1)) {
        findings.add(
            interface,
            format!("rp_filter is strict: replies from {address}, which is on another interface, are dropped"),
            format!("sysctl -w net.ipv4.conf.{interface}.rp_filter=2"),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::super::diagnose;
    use super::*;
    use crate::model::Protocol;
    use crate::vip_checks::ProbeRoute;

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
            has_vip_check: true,
            sources: Vec::new(),
            sets_sysctls: true,
        }
    }

    fn facts(sysctls: &[(&str, &str)]) -> Facts {
        let route = ProbeRoute { interface: "eth0".to_owned(), source: Some([192, 0, 2, 11].into()) };
        let sysctls = sysctls.iter().map(|(path, value)| (format!("ipv4/conf/{path}"), (*value).to_owned()));
        Facts { sysctls: sysctls.collect(), routes: [(SERVER.into(), Ok(route))].into(), ..Facts::default() }
    }

    fn findings(service: &Requirements, facts: &Facts) -> Vec<String> {
        diagnose(std::slice::from_ref(service), facts).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn replies_must_be_accepted_unless_the_balancer_sets_the_sysctl() {
        let closed = facts(&[("all/accept_local", "0"), ("eth0/accept_local", "0"), ("eth1/accept_local", "1")]);
        let manual = Requirements { sets_sysctls: false, ..service() };
        let [finding] = &findings(&manual, &closed)[..] else { panic!("{:?}", findings(&manual, &closed)) };
        assert!(finding.contains("net.ipv4.conf.eth0.accept_local=1"), "{finding}");
        assert_eq!(findings(&service(), &closed), [""; 0]);
        let open = facts(&[("all/accept_local", "0"), ("eth0/accept_local", "1")]);
        assert_eq!(findings(&manual, &open), [""; 0]);
        let nat = Requirements { methods: vec![Method::Nat], ..manual.clone() };
        assert_eq!(findings(&nat, &closed), [""; 0]);
        let unchecked = Requirements { has_vip_check: false, ..manual };
        assert_eq!(findings(&unchecked, &closed), [""; 0]);
    }

    #[test]
    fn strict_filtering_matters_where_the_address_is_on_another_interface() {
        let strict = facts(&[("all/rp_filter", "1"), ("eth0/rp_filter", "0")]);
        let at = |interface: &str| Facts {
            address_interfaces: [(ADDRESS.into(), interface.to_owned())].into(),
            ..strict.clone()
        };
        assert_eq!(findings(&service(), &strict), [""; 0]);
        assert_eq!(findings(&service(), &at("eth0")), [""; 0]);
        let [finding] = &findings(&service(), &at("lo"))[..] else { panic!("{:?}", findings(&service(), &at("lo"))) };
        assert!(finding.contains("net.ipv4.conf.eth0.rp_filter=2"), "{finding}");
    }

    #[test]
    fn a_machine_with_only_virtual_addresses_cannot_probe() {
        let mut facts = facts(&[]);
        facts.routes.values_mut().flatten().for_each(|route| route.source = None);
        let [finding] = &findings(&service(), &facts)[..] else { panic!("{:?}", findings(&service(), &facts)) };
        assert!(finding.contains("no address from which to probe 192.0.2.21"), "{finding}");
    }

    #[test]
    fn a_server_without_a_route_is_a_problem() {
        let mut facts = facts(&[]);
        facts.routes.insert(SERVER.into(), Err("Network is unreachable".to_owned()));
        let [finding] = &findings(&service(), &facts)[..] else { panic!("{:?}", findings(&service(), &facts)) };
        assert!(finding.contains("no route to 192.0.2.21: Network is unreachable"), "{finding}");
    }

    #[test]
    fn a_packet_filter_must_accept_replies_as_well() {
        let facts = Facts { drop_policy_chains: vec!["filter INPUT".to_owned()], ..Facts::default() };
        let found = findings(&service(), &facts);
        assert!(
            found.iter().any(|finding| finding.contains("accepts packets from 192.0.2.10, 2001:db8::10")),
            "{found:?}"
        );
    }
}
