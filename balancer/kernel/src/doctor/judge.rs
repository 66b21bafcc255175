//! Findings: what is wrong, and what to do.

mod through;

use std::fmt;
use std::net::IpAddr;

use super::{Facts, Requirements};
use crate::settings::Method;

/// The largest packets on most networks, which clients send (RFC 894).
const USUAL_MTU: u32 = 1500;

/// Something that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What it is about, in a word or two: a service, or a part of the machine.
    pub about: String,
    /// What is wrong.
    pub finding: String,
    /// What to do.
    pub remedy: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:<16} {}\n{:<16} → {}", self.about, self.finding, "", self.remedy)
    }
}

/// What is wrong with the machine, and with it for these services; nothing when all is well.
#[must_use]
pub fn judge(wanted: &[Requirements], facts: &Facts) -> Vec<Finding> {
    let mut findings = Findings::default();
    machine(facts, &mut findings);
    for service in wanted {
        scheduler(service, facts, &mut findings);
        forwarding(service, facts, &mut findings);
        reverse_path(service, facts, &mut findings);
        filters(service, facts, &mut findings);
        marks(service, facts, &mut findings);
        told(service, facts, &mut findings);
        ports(service, facts, &mut findings);
        tunnels(service, facts, &mut findings);
        if service.is_checked_through {
            through::judge(service, facts, &mut findings);
        }
    }
    findings.0
}

#[derive(Default)]
struct Findings(Vec<Finding>);

impl Findings {
    /// What two services have in common is said once.
    fn add(&mut self, about: &str, finding: impl Into<String>, remedy: impl Into<String>) {
        let finding = Finding { about: about.to_owned(), finding: finding.into(), remedy: remedy.into() };
        if !self.0.contains(&finding) {
            self.0.push(finding);
        }
    }
}

impl Facts {
    fn setting(&self, path: &str) -> Option<u32> {
        self.settings.get(path)?.trim().parse().ok()
    }
}

fn machine(facts: &Facts, findings: &mut Findings) {
    if let Some(why) = &facts.no_ipvs {
        findings.add("kernel", why, "modprobe ip_vs, and a line ip_vs in /etc/modules-load.d/weir.conf");
    }
    if let Some(why) = &facts.no_nf_tables {
        findings.add(
            "kernel",
            format!("packets cannot be marked: {why}"),
            "modprobe nf_tables; it takes CAP_NET_ADMIN",
        );
    }
}

fn scheduler(service: &Requirements, facts: &Facts, findings: &mut Findings) {
    let module = format!("ip_vs_{}", service.scheduler.replace('-', "_"));
    if facts.modules.as_ref().is_some_and(|modules| !modules.contains(&module)) {
        let finding = format!("the kernel has no scheduler {}: there is no module {module}", service.scheduler);
        findings.add(&service.name, finding, "install the kernel's modules, or set `scheduler` to one that is there");
    }
}

/// NAT passes packets on, and only for it the director is a router. What the balancer sets by itself is not amiss before.
fn forwarding(service: &Requirements, facts: &Facts, findings: &mut Findings) {
    if !service.methods.contains(&Method::Nat) || service.sets_sysctls {
        return;
    }
    let families = [("IPv4", true, "ipv4/ip_forward"), ("IPv6", false, "ipv6/conf/all/forwarding")];
    for (family, is_ipv4, path) in families {
        let is_used = service.addresses.iter().any(|address| address.is_ipv4() == is_ipv4);
        if is_used && facts.setting(path) == Some(0) {
            let name = path.replace('/', ".");
            let finding = format!("answers of {family} are not passed on to clients");
            findings.add(&service.name, finding, format!("sysctl -w net.{name}=1, or `set_sysctls = true`"));
        }
    }
}

/// Strict filtering drops answers that come by another way than they would be sent by.
fn reverse_path(service: &Requirements, facts: &Facts, findings: &mut Findings) {
    let is_one_way = service.methods.iter().all(|method| matches!(method, Method::Direct | Method::Local));
    if is_one_way || !service.addresses.iter().any(IpAddr::is_ipv4) {
        return;
    }
    let all = facts.setting("ipv4/conf/all/rp_filter").unwrap_or_default();
    for interface in facts.mtus.keys() {
        let own = facts.setting(&format!("ipv4/conf/{interface}/rp_filter")).unwrap_or_default();
        if own.max(all) == 1 {
            findings.add(
                interface,
                "rp_filter is strict: packets of clients or servers that come by another interface are dropped",
                format!("sysctl -w net.ipv4.conf.{interface}.rp_filter=2"),
            );
        }
    }
}

/// IPVS takes packets after the filters of what comes in.
fn filters(service: &Requirements, facts: &Facts, findings: &mut Findings) {
    for chain in &facts.dropping {
        let ports: Vec<String> = service.ports.iter().map(|(protocol, ports)| format!("{protocol} {ports}")).collect();
        findings.add(
            &service.name,
            format!("the chain {chain} drops what no rule lets through, before it is forwarded"),
            format!("have a rule in it accept {} to the service's addresses, if none does", ports.join(", ")),
        );
    }
    if facts.old_tables.contains("filter") {
        let finding = "rules of the old iptables are in use, which nobody else sees";
        findings.add(
            "packet filter",
            finding,
            "look at `iptables-legacy -L INPUT`: it must let the services' ports through",
        );
    }
}

fn marks(service: &Requirements, facts: &Facts, findings: &mut Findings) {
    if facts.old_tables.contains("mangle") {
        let finding = "rules of the old iptables may give packets other marks than Weir's";
        findings.add(
            "marks",
            finding,
            "look at `iptables-legacy -t mangle -S`: no rule may mark what goes to a service",
        );
    }
    for chain in &facts.marking {
        findings.add(
            "marks",
            format!("the chain {chain} gives packets marks, too: with another than Weir's they go to no service"),
            "drop the rules in it that mark what goes to a service: Weir marks that by itself",
        );
    }
    let mark = service.mark;
    if facts.marks.contains(&mark) && !facts.has_weir {
        let finding = format!("there is a service with the mark {mark} already, which Weir takes for its own");
        findings.add(
            &service.name,
            finding,
            "stop the program that made it, such as ldirectord, or choose another mark",
        );
    }
}

/// A real server that tells of the virtual address takes clients for itself.
fn told(service: &Requirements, facts: &Facts, findings: &mut Findings) {
    for address in &service.addresses {
        let Some(hardware) = facts.neighbours.get(address) else { continue };
        let teller = service.servers.iter().find(|server| facts.neighbours.get(server) == Some(hardware));
        if let Some(server) = teller {
            findings.add(
                &service.name,
                format!("the server {server} ({hardware}) tells others that it has {address}"),
                format!("on it: weir-agent direct-routing apply --address {address}"),
            );
        } else if facts.addresses.contains_key(address) {
            findings.add(
                &service.name,
                format!("{hardware} tells others that it has {address}, as this machine does"),
                "take the address from one of them, or have keepalived move it",
            );
        }
    }
}

/// Answers to the director's own connections must not look like what clients send.
fn ports(service: &Requirements, facts: &Facts, findings: &mut Findings) {
    let own = facts.settings.get("ipv4/ip_local_port_range");
    let own: Vec<u16> =
        own.map(|text| text.split_whitespace().filter_map(|port| port.parse().ok()).collect()).unwrap_or_default();
    let [first, last] = own[..] else { return };
    for (protocol, range) in &service.ports {
        let (from, to) = (range.first().max(first), range.last().min(last));
        if from <= to {
            findings.add(
                &service.name,
                format!("{protocol} {range} has ports that this machine's own connections begin at: {from}-{to}"),
                format!("sysctl -w net.ipv4.ip_local_reserved_ports={from}-{to}, without those that are there already"),
            );
        }
    }
}

fn tunnels(service: &Requirements, facts: &Facts, findings: &mut Findings) {
    // Bytes ahead of a packet: an IP header of the servers' family, and what stands between.
    let between = service.methods.iter().filter_map(|method| match method {
        Method::Ipip => Some(0),
        Method::Gre => Some(4),
        Method::Gue => Some(12),
        Method::Direct | Method::Nat | Method::Local => None,
    });
    let Some(between) = between.max() else { return };
    let ip = if service.servers.iter().any(IpAddr::is_ipv6) { 40 } else { 20 };
    let needed = USUAL_MTU + ip + between;
    if facts.mtus.values().max().is_some_and(|largest| *largest < needed) {
        let segment = USUAL_MTU - ip - between - 40;
        findings.add(
            &service.name,
            format!("packets of {USUAL_MTU} bytes do not fit into the tunnel: no interface takes {needed}"),
            format!("raise the MTU towards the servers to {needed}, or have them ask for segments of {segment}: `ip route change … advmss {segment}`"),
        );
    }
    for address in service.addresses.iter().filter(|address| address.is_ipv6()) {
        if facts.addresses.get(address) == Some(&true) {
            findings.add(
                &service.name,
                format!("{address} may be the source of tunnels, which servers drop since they have it, too"),
                format!("ip address change {address}/128 dev INTERFACE preferred_lft 0; keepalived does so by itself"),
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
            is_checked_through: false,
            sources: Vec::new(),
            sets_sysctls: false,
        }
    }

    fn abouts(method: Method, facts: &Facts) -> Vec<String> {
        judge(&[service(method)], facts).into_iter().map(|finding| finding.finding).collect()
    }

    #[test]
    fn nothing_known_is_nothing_wrong() {
        for method in [Method::Direct, Method::Nat, Method::Gue] {
            assert_eq!(abouts(method, &Facts::default()), Vec::<String>::new());
        }
    }

    #[test]
    fn each_fault_is_found_where_it_matters() {
        let setting = |path: &str, value: &str| Facts {
            settings: [(path.to_owned(), value.to_owned())].into(),
            mtus: [("eth0".to_owned(), 1500)].into(),
            ..Facts::default()
        };
        let (direct, nat, gue) = (Method::Direct, Method::Nat, Method::Gue);
        let vip: IpAddr = "192.0.2.10".parse().unwrap();
        let server: IpAddr = "192.0.2.21".parse().unwrap();
        let six: IpAddr = "2001:db8::10".parse().unwrap();
        let hardware = || "02:00:00:00:00:01".to_owned();
        for (facts, method, part) in [
            (Facts { no_ipvs: Some("no IPVS".to_owned()), ..Facts::default() }, direct, "no IPVS"),
            (Facts { no_nf_tables: Some("refused".to_owned()), ..Facts::default() }, direct, "refused"),
            (Facts { modules: Some(["ip_vs_rr".to_owned()].into()), ..Facts::default() }, direct, "ip_vs_wlc"),
            (setting("ipv4/ip_forward", "0"), nat, "not passed on"),
            (setting("ipv4/conf/all/rp_filter", "1"), nat, "rp_filter is strict"),
            (Facts { dropping: vec!["filter INPUT".to_owned()], ..Facts::default() }, direct, "filter INPUT drops"),
            (Facts { old_tables: ["mangle".to_owned()].into(), ..Facts::default() }, direct, "other marks"),
            (Facts { marks: [7].into(), ..Facts::default() }, direct, "the mark 7 already"),
            (
                Facts { marking: ["mangle PREROUTING".to_owned()].into(), ..Facts::default() },
                direct,
                "gives packets marks",
            ),
            (
                Facts { neighbours: [(vip, hardware()), (server, hardware())].into(), ..Facts::default() },
                direct,
                "the server 192.0.2.21",
            ),
            (
                Facts { neighbours: [(vip, hardware())].into(), addresses: [(vip, true)].into(), ..Facts::default() },
                direct,
                "as this machine does",
            ),
            (setting("ipv4/ip_local_port_range", "32768\t60999"), direct, "32768-40000"),
            (setting("", ""), gue, "no interface takes 1532"),
            (Facts { addresses: [(six, true)].into(), ..Facts::default() }, gue, "source of tunnels"),
        ] {
            let found = abouts(method, &facts);
            assert!(matches!(&found[..], [finding] if finding.contains(part)), "{part}: {found:?}");
        }
    }

    #[test]
    fn what_the_balancer_sets_by_itself_is_not_amiss() {
        let facts = Facts { settings: [("ipv4/ip_forward".to_owned(), "0".to_owned())].into(), ..Facts::default() };
        let by_itself = Requirements { sets_sysctls: true, ..service(Method::Nat) };
        assert_eq!(judge(&[by_itself], &facts), []);
        assert_eq!(judge(&[service(Method::Nat)], &facts).len(), 1);
    }
}
