//! Findings: problems and remedies.

mod vip_checks;

use std::fmt;
use std::net::IpAddr;

use super::{Facts, Requirements};
use crate::settings::Method;

/// MTU of most networks, in bytes (RFC 894). Clients send packets of up to this size.
const USUAL_MTU: u32 = 1500;

/// A problem and its remedy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The service or part of the machine that has the problem.
    pub subject: String,
    /// The problem.
    pub problem: String,
    /// What to do about it.
    pub remedy: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:<16} {}\n{:<16} → {}", self.subject, self.problem, "", self.remedy)
    }
}

/// Problems of this machine with these services.
#[must_use]
pub fn diagnose(services: &[Requirements], facts: &Facts) -> Vec<Finding> {
    let mut findings = Findings::default();
    machine(facts, &mut findings);
    for service in services {
        scheduler(service, facts, &mut findings);
        forwarding(service, facts, &mut findings);
        reverse_path(service, facts, &mut findings);
        filters(service, facts, &mut findings);
        marks(service, facts, &mut findings);
        arp(service, facts, &mut findings);
        local_ports(service, facts, &mut findings);
        tunnels(service, facts, &mut findings);
        if service.has_vip_check {
            vip_checks::diagnose(service, facts, &mut findings);
        }
    }
    findings.0
}

#[derive(Default)]
struct Findings(Vec<Finding>);

impl Findings {
    /// Adds a finding, unless another service had the same.
    fn add(&mut self, subject: &str, problem: impl Into<String>, remedy: impl Into<String>) {
        let finding = Finding { subject: subject.to_owned(), problem: problem.into(), remedy: remedy.into() };
        if !self.0.contains(&finding) {
            self.0.push(finding);
        }
    }
}

impl Facts {
    /// The number in a sysctl; `None` if the kernel does not have it, or if it is not a number.
    fn sysctl(&self, path: &str) -> Option<u32> {
        self.sysctls.get(path)?.trim().parse().ok()
    }
}

fn machine(facts: &Facts, findings: &mut Findings) {
    if let Some(error) = &facts.ipvs_error {
        findings.add("kernel", error, "modprobe ip_vs, and add a line ip_vs to /etc/modules-load.d/weir.conf");
    }
    if let Some(error) = &facts.nf_tables_error {
        findings.add(
            "kernel",
            format!("packets cannot be marked: {error}"),
            "modprobe nf_tables; CAP_NET_ADMIN is required",
        );
    }
    for unreadable in &facts.unreadable {
        findings.add(
            "kernel",
            format!("cannot be read: {unreadable}"),
            "run as root, or give the program CAP_NET_ADMIN",
        );
    }
}

fn scheduler(service: &Requirements, facts: &Facts, findings: &mut Findings) {
    let module = format!("ip_vs_{}", service.scheduler.replace('-', "_"));
    if facts.modules.as_ref().is_some_and(|modules| !modules.contains(&module)) {
        let problem = format!("the kernel has no scheduler {}: module {module} not found", service.scheduler);
        findings.add(&service.name, problem, "install the kernel's modules, or set `scheduler` to another one");
    }
}

/// With NAT, the director must forward replies like a router. Sysctls that the balancer sets are not a problem.
fn forwarding(service: &Requirements, facts: &Facts, findings: &mut Findings) {
    if !service.methods.contains(&Method::Nat) || service.sets_sysctls {
        return;
    }
    let families = [("IPv4", true, "ipv4/ip_forward"), ("IPv6", false, "ipv6/conf/all/forwarding")];
    for (family, is_ipv4, path) in families {
        let is_used = service.addresses.iter().any(|address| address.is_ipv4() == is_ipv4);
        if is_used && facts.sysctl(path) == Some(0) {
            let name = path.replace('/', ".");
            let problem = format!("{family} replies of servers are not forwarded to clients");
            findings.add(&service.name, problem, format!("sysctl -w net.{name}=1, or `set_sysctls = true`"));
        }
    }
}

/// Strict reverse path filtering drops packets that arrive on another interface than the route to their source.
fn reverse_path(service: &Requirements, facts: &Facts, findings: &mut Findings) {
    let has_no_replies = service.methods.iter().all(|method| matches!(method, Method::Direct | Method::Local));
    if has_no_replies || !service.addresses.iter().any(IpAddr::is_ipv4) {
        return;
    }
    // Unknown values count as 0, and are not judged.
    let all = facts.sysctl("ipv4/conf/all/rp_filter").unwrap_or_default();
    for interface in facts.mtus.keys() {
        let own = facts.sysctl(&format!("ipv4/conf/{interface}/rp_filter")).unwrap_or_default();
        if own.max(all) == 1 {
            findings.add(
                interface,
                "rp_filter is strict: packets that arrive on another interface than the route to their source are dropped",
                format!("sysctl -w net.ipv4.conf.{interface}.rp_filter=2"),
            );
        }
    }
}

/// IPVS receives packets after all filters at the input hook.
fn filters(service: &Requirements, facts: &Facts, findings: &mut Findings) {
    for chain in &facts.drop_policy_chains {
        let ports: Vec<String> = service.ports.iter().map(|(protocol, ports)| format!("{protocol} {ports}")).collect();
        findings.add(
            &service.name,
            format!("chain {chain} has policy drop and runs before IPVS"),
            format!("if it has no rule that accepts {} to the service's addresses, add one", ports.join(", ")),
        );
    }
    if facts.legacy_tables.contains("filter") {
        let problem = "rules of legacy iptables are in use, which nft does not list";
        findings.add("packet filter", problem, "check `iptables-legacy -L INPUT`: it must accept the services' ports");
    }
}

fn marks(service: &Requirements, facts: &Facts, findings: &mut Findings) {
    if facts.legacy_tables.contains("mangle") {
        let problem = "rules of legacy iptables may set other marks than Weir's";
        let remedy = "check `iptables-legacy -t mangle -S`: no rule may mark packets to a service";
        findings.add("marks", problem, remedy);
    }
    for chain in &facts.marking_chains {
        findings.add(
            "marks",
            format!("chain {chain} also sets marks: packets with another mark than Weir's reach no service"),
            "remove its rules that mark packets to a service; Weir marks them",
        );
    }
    let mark = service.mark;
    if facts.marks.contains(&mark) && !facts.has_weir_table {
        let problem = format!("a service with mark {mark} exists already, which Weir would take over");
        findings.add(
            &service.name,
            problem,
            "stop the program that created it, such as ldirectord, or choose another mark",
        );
    }
}

/// A real server that answers ARP requests for the virtual address gets all clients itself.
fn arp(service: &Requirements, facts: &Facts, findings: &mut Findings) {
    for address in &service.addresses {
        let Some(hardware) = facts.neighbours.get(address) else { continue };
        let responder = service.servers.iter().find(|server| facts.neighbours.get(server) == Some(hardware));
        if let Some(server) = responder {
            findings.add(
                &service.name,
                format!("server {server} ({hardware}) answers ARP requests for {address}"),
                format!("on the server: weir-agent direct-routing apply --address {address}"),
            );
        } else if facts.addresses.contains_key(address) {
            findings.add(
                &service.name,
                format!("{hardware} answers ARP requests for {address}, as does this machine"),
                "remove the address from one of them, or have keepalived move it",
            );
        }
    }
}

/// Replies to the director's own connections must not look like clients' packets.
fn local_ports(service: &Requirements, facts: &Facts, findings: &mut Findings) {
    // Not judged if it is unknown, or not two ports.
    let Some(local) = facts.sysctls.get("ipv4/ip_local_port_range") else { return };
    let local: Vec<u16> = local.split_whitespace().filter_map(|port| port.parse().ok()).collect();
    let [first, last] = local[..] else { return };
    for (protocol, range) in &service.ports {
        let (from, to) = (range.first().max(first), range.last().min(last));
        if from <= to {
            findings.add(
                &service.name,
                format!("{protocol} {range} overlaps with this machine's local ports: {from}-{to}"),
                format!("sysctl -w net.ipv4.ip_local_reserved_ports={from}-{to}, plus those already reserved"),
            );
        }
    }
}

fn tunnels(service: &Requirements, facts: &Facts, findings: &mut Findings) {
    // Bytes before a packet: an IP header of the servers' family, and the header of the encapsulation.
    let header = service.methods.iter().filter_map(|method| match method {
        Method::Ipip => Some(0),
        Method::Gre => Some(4),
        Method::Gue => Some(12),
        Method::Direct | Method::Nat | Method::Local => None,
    });
    let Some(header) = header.max() else { return };
    let ip = if service.servers.iter().any(IpAddr::is_ipv6) { 40 } else { 20 };
    let required = USUAL_MTU + ip + header;
    if facts.mtus.values().max().is_some_and(|largest| *largest < required) {
        let segment = USUAL_MTU - ip - header - 40;
        findings.add(
            &service.name,
            format!("packets of {USUAL_MTU} bytes do not fit into the tunnel: no interface has an MTU of {required}"),
            format!(
                "raise the MTU towards the servers to {required}, or have them announce a maximum segment size of \
                 {segment}: `ip route change … advmss {segment}`"
            ),
        );
    }
    for address in service.addresses.iter().filter(|address| address.is_ipv6()) {
        if facts.addresses.get(address) == Some(&true) {
            findings.add(
                &service.name,
                format!("{address} may be the source of tunnel packets, which servers drop since they have it too"),
                format!("ip address change {address}/128 dev INTERFACE preferred_lft 0; keepalived does this"),
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{PortRange, Protocol};

    fn service(method: Method) -> Requirements {
        Requirements {
            name: "media".to_owned(),
            addresses: vec!["192.0.2.10".parse().unwrap(), "2001:db8::10".parse().unwrap()],
            ports: vec![(Protocol::Tcp, 554.into()), (Protocol::Udp, PortRange::new(30_000, 40_000).unwrap())],
            mark: 7,
            scheduler: "wlc".to_owned(),
            methods: vec![method],
            servers: vec!["192.0.2.21".parse().unwrap()],
            has_vip_check: false,
            sources: Vec::new(),
            sets_sysctls: false,
        }
    }

    fn problems(method: Method, facts: &Facts) -> Vec<String> {
        diagnose(&[service(method)], facts).into_iter().map(|finding| finding.problem).collect()
    }

    #[test]
    fn without_facts_there_are_no_findings() {
        for method in [Method::Direct, Method::Nat, Method::Gue] {
            assert_eq!(problems(method, &Facts::default()), Vec::<String>::new());
        }
    }

    #[test]
    fn each_problem_is_found_where_it_matters() {
        let sysctl = |path: &str, value: &str| Facts {
            sysctls: [(path.to_owned(), value.to_owned())].into(),
            mtus: [("eth0".to_owned(), 1500)].into(),
            ..Facts::default()
        };
        let (direct, nat, gue) = (Method::Direct, Method::Nat, Method::Gue);
        let vip: IpAddr = "192.0.2.10".parse().unwrap();
        let server: IpAddr = "192.0.2.21".parse().unwrap();
        let ipv6: IpAddr = "2001:db8::10".parse().unwrap();
        let hardware = || "02:00:00:00:00:01".to_owned();
        for (facts, method, part) in [
            (Facts { ipvs_error: Some("no IPVS".to_owned()), ..Facts::default() }, direct, "no IPVS"),
            (Facts { nf_tables_error: Some("refused".to_owned()), ..Facts::default() }, direct, "refused"),
            (
                Facts { unreadable: vec!["IPVS services: denied".to_owned()], ..Facts::default() },
                direct,
                "services: denied",
            ),
            (Facts { modules: Some(["ip_vs_rr".to_owned()].into()), ..Facts::default() }, direct, "ip_vs_wlc"),
            (sysctl("ipv4/ip_forward", "0"), nat, "not forwarded"),
            (sysctl("ipv4/conf/all/rp_filter", "1"), nat, "rp_filter is strict"),
            (
                Facts { drop_policy_chains: vec!["filter INPUT".to_owned()], ..Facts::default() },
                direct,
                "chain filter INPUT has policy drop",
            ),
            (Facts { legacy_tables: ["mangle".to_owned()].into(), ..Facts::default() }, direct, "other marks"),
            (Facts { marks: [7].into(), ..Facts::default() }, direct, "with mark 7 exists already"),
            (
                Facts { marking_chains: ["mangle PREROUTING".to_owned()].into(), ..Facts::default() },
                direct,
                "chain mangle PREROUTING also sets marks",
            ),
            (
                Facts { neighbours: [(vip, hardware()), (server, hardware())].into(), ..Facts::default() },
                direct,
                "server 192.0.2.21 (02:00:00:00:00:01) answers ARP",
            ),
            (
                Facts { neighbours: [(vip, hardware())].into(), addresses: [(vip, true)].into(), ..Facts::default() },
                direct,
                "as does this machine",
            ),
            (sysctl("ipv4/ip_local_port_range", "32768\t60999"), direct, "32768-40000"),
            (sysctl("", ""), gue, "no interface has an MTU of 1532"),
            (Facts { addresses: [(ipv6, true)].into(), ..Facts::default() }, gue, "source of tunnel packets"),
        ] {
            let found = problems(method, &facts);
            assert!(matches!(&found[..], [problem] if problem.contains(part)), "{part}: {found:?}");
        }
    }

    #[test]
    fn a_sysctl_that_the_balancer_sets_is_not_a_problem() {
        let facts = Facts { sysctls: [("ipv4/ip_forward".to_owned(), "0".to_owned())].into(), ..Facts::default() };
        let set = Requirements { sets_sysctls: true, ..service(Method::Nat) };
        assert_eq!(diagnose(&[set], &facts), []);
        assert_eq!(diagnose(&[service(Method::Nat)], &facts).len(), 1);
    }
}
