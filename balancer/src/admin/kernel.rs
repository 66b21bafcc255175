//! Kernel mode for operators and monitoring: `/api/v1/kernel`, its metrics, and its lines of `/healthz` and `/readyz`.

use std::fmt;

use prometheus::{GaugeVec, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry};
use serde::Serialize;

use crate::ipvs::desired::Standing;
use crate::ipvs::model::{Family, Role};
use crate::ipvs::netlink::ipvs::ListedDestination;
use crate::ipvs::status::{GroupStatus, ServerStatus, State, Status};
use crate::ipvs::sysctls::Finding;
use crate::metrics::register;

/// Whether kernel mode does what it should, in one line; `None` when it is not configured.
///
/// # Errors
/// A line that says what is wrong.
pub(super) fn health(status: &Status) -> Option<Result<&'static str, String>> {
    match &status.state {
        State::Off => None,
        State::Running => Some(Ok("kernel mode: ok\n")),
        State::Failed(reason) => Some(Err(format!("kernel mode: {reason}\n"))),
    }
}

/// Whether the kernel can serve clients, where it alone does.
///
/// # Errors
/// One line that says why it cannot.
pub(super) fn ready(status: &Status) -> Result<String, String> {
    match &status.state {
        State::Off => return Err("not ready: the kernel has not been told yet\n".to_owned()),
        State::Failed(reason) => return Err(format!("not ready: {reason}\n")),
        State::Running => {}
    }
    let unserved = |group: &GroupStatus| group.unserved().next().map(|family| (group.name.clone(), family));
    match status.groups.iter().find_map(unserved) {
        Some((name, family)) => Err(format!("not ready: nobody serves `{name}` over {family}\n")),
        None => Ok(format!("ready: {} services in the kernel\n", status.groups.len())),
    }
}

/// What `/api/v1/kernel` answers.
#[derive(Debug, Serialize)]
pub(super) struct Shown<'a> {
    /// `off`, `running` or `failed`.
    state: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    role: Option<&'static str>,
    changes: u64,
    drift_repaired: u64,
    failures: u64,
    services: Vec<Service<'a>>,
    sysctls: Vec<Sysctl<'a>>,
}

#[derive(Debug, Serialize)]
struct Service<'a> {
    name: &'a str,
    mark: u32,
    scheduler: &'a str,
    quorum: usize,
    families: Vec<FamilyOf>,
    servers: Vec<Server>,
}

#[derive(Debug, Serialize)]
struct FamilyOf {
    family: &'static str,
    up: usize,
    /// Whether the sorry server has taken over.
    sorry: bool,
}

#[derive(Debug, Serialize)]
struct Server {
    address: String,
    condition: &'static str,
    /// In the kernel; missing when it is not there.
    #[serde(skip_serializing_if = "Option::is_none")]
    weight: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    base_weight: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    headroom: Option<f32>,
    why: String,
    #[serde(flatten)]
    counted: Option<Counted>,
}

#[derive(Debug, Serialize)]
struct Counted {
    active_connections: u32,
    inactive_connections: u32,
    persistent_clients: u32,
    connections: u64,
    packets_in: u64,
    packets_out: u64,
    bytes_in: u64,
    bytes_out: u64,
}

#[derive(Debug, Serialize)]
struct Sysctl<'a> {
    name: String,
    wanted: &'static str,
    found: &'a str,
    right: bool,
    reason: &'static str,
}

impl<'a> Shown<'a> {
    pub(super) fn new(status: &'a Status) -> Self {
        let (state, reason) = match &status.state {
            State::Off => ("off", None),
            State::Running => ("running", None),
            State::Failed(reason) => ("failed", Some(reason.as_str())),
        };
        Self {
            state,
            reason,
            role: status.role.map(role_name),
            changes: status.tally.changes,
            drift_repaired: status.tally.repaired,
            failures: status.tally.failures,
            services: status.groups.iter().map(Service::new).collect(),
            sysctls: status.sysctls.iter().map(Sysctl::new).collect(),
        }
    }
}

fn role_name(role: Role) -> &'static str {
    match role {
        Role::Master => "master",
        Role::Backup => "backup",
    }
}

impl<'a> Service<'a> {
    fn new(group: &'a GroupStatus) -> Self {
        let servers = group.servers.iter().map(|(address, server)| Server::new(address, server));
        Self {
            name: &group.name,
            mark: group.mark,
            scheduler: &group.scheduler,
            quorum: group.quorum,
            families: group.standings.iter().map(FamilyOf::new).collect(),
            servers: servers.collect(),
        }
    }
}

impl FamilyOf {
    fn new((family, standing): (&Family, &Standing)) -> Self {
        Self { family: family.name(), up: standing.up, sorry: standing.is_sorry }
    }
}

impl Server {
    fn new(address: impl fmt::Display, server: &ServerStatus) -> Self {
        let decided = server.decided.as_ref();
        Self {
            address: address.to_string(),
            condition: condition(server),
            weight: server.listed.map(|listed| listed.destination.weight),
            base_weight: decided.map(|decided| decided.base).filter(|base| *base > 0),
            headroom: decided.and_then(|decided| decided.weighed).and_then(|weighed| weighed.headroom),
            why: server.reason(),
            counted: server.listed.as_ref().map(Counted::new),
        }
    }
}

fn condition(server: &ServerStatus) -> &'static str {
    match &server.decided {
        None => "sorry",
        Some(decided) => decided.condition.as_ref().map_or("leaving", |condition| condition.name()),
    }
}

impl Counted {
    fn new(listed: &ListedDestination) -> Self {
        Self {
            active_connections: listed.active,
            inactive_connections: listed.inactive,
            persistent_clients: listed.persistent,
            connections: listed.counters.connections,
            packets_in: listed.counters.packets_in,
            packets_out: listed.counters.packets_out,
            bytes_in: listed.counters.bytes_in,
            bytes_out: listed.counters.bytes_out,
        }
    }
}

impl<'a> Sysctl<'a> {
    fn new(finding: &'a Finding) -> Self {
        Self {
            name: finding.variable.name.replace('/', "."),
            wanted: finding.variable.value,
            found: finding.found.as_deref().unwrap_or_else(|error| error),
            right: finding.is_right(),
            reason: finding.variable.reason,
        }
    }
}

/// Kernel mode in Prometheus' text format; nothing when it is not configured. What the kernel has counted is passed on as it
/// is: a server that is deleted and added again begins anew, as any counter may.
pub(super) fn metrics(status: &Status) -> String {
    if status.state == State::Off {
        return String::new();
    }
    let registry = Registry::new();
    let gauges = |name, help, labels: &[&str]| register(&registry, IntGaugeVec::new(Opts::new(name, help), labels));
    let counters = |name, help, labels: &[&str]| register(&registry, IntCounterVec::new(Opts::new(name, help), labels));
    let server = ["service", "server"];
    let up = register(&registry, IntGauge::new("weir_kernel_up", "1 while the kernel is as it should be."));
    up.set((status.state == State::Running).into());
    let changes = counters("weir_kernel_changes_total", "Changes made in the kernel, by their cause.", &["cause"]);
    changes.with_label_values(&["drift"]).inc_by(status.tally.repaired);
    changes.with_label_values(&["decision"]).inc_by(status.tally.changes.saturating_sub(status.tally.repaired));
    let failures =
        counters("weir_kernel_failures_total", "Times that the kernel refused a change, or could not be read.", &[]);
    failures.with_label_values::<&str>(&[]).inc_by(status.tally.failures);
    let roles = gauges("weir_kernel_role", "1 for what this one of two directors is: master or backup.", &["role"]);
    if let Some(known) = status.role {
        for role in [Role::Master, Role::Backup] {
            roles.with_label_values(&[role_name(role)]).set((role == known).into());
        }
    }
    let family = ["service", "family"];
    let servers_up = gauges("weir_kernel_servers_up", "Servers of a service that are up.", &family);
    let sorry = gauges("weir_kernel_sorry", "1 while the sorry server has taken over.", &family);
    let conditions =
        gauges("weir_kernel_server", "1 for the condition that a server is in.", &["service", "server", "condition"]);
    let weight = gauges("weir_kernel_weight", "Weight of a server in the kernel.", &server);
    let headroom = register(
        &registry,
        GaugeVec::new(Opts::new("weir_kernel_headroom", "Share of a server that its weight takes for free."), &server),
    );
    let open = gauges(
        "weir_kernel_connections_open",
        "Connections that the kernel remembers, by state.",
        &["service", "server", "state"],
    );
    let connections = counters("weir_kernel_connections_total", "Connections scheduled.", &server);
    let direction = ["service", "server", "direction"];
    let packets = counters("weir_kernel_packets_total", "Packets forwarded.", &direction);
    let bytes = counters("weir_kernel_bytes_total", "Bytes forwarded.", &direction);
    let result = ["service", "server", "result"];
    let checks = counters("weir_kernel_checks_total", "Checks of servers, by what came of them.", &result);
    for group in &status.groups {
        let name = group.name.as_str();
        for (family, standing) in &group.standings {
            let labels = [name, family.name()];
            servers_up.with_label_values(&labels).set(i64::try_from(standing.up).unwrap_or(i64::MAX));
            sorry.with_label_values(&labels).set(standing.is_sorry.into());
        }
        for (address, server) in &group.servers {
            let address = address.to_string();
            let address = address.as_str();
            conditions.with_label_values(&[name, address, condition(server)]).set(1);
            if let Some(free) = server.decided.as_ref().and_then(|decided| decided.weighed?.headroom) {
                headroom.with_label_values(&[name, address]).set(free.into());
            }
            for (result, count) in &server.checked {
                checks.with_label_values(&[name, address, result]).inc_by(*count);
            }
            let Some(listed) = &server.listed else { continue };
            weight.with_label_values(&[name, address]).set(listed.destination.weight.into());
            open.with_label_values(&[name, address, "active"]).set(listed.active.into());
            open.with_label_values(&[name, address, "inactive"]).set(listed.inactive.into());
            connections.with_label_values(&[name, address]).inc_by(listed.counters.connections);
            packets.with_label_values(&[name, address, "in"]).inc_by(listed.counters.packets_in);
            packets.with_label_values(&[name, address, "out"]).inc_by(listed.counters.packets_out);
            bytes.with_label_values(&[name, address, "in"]).inc_by(listed.counters.bytes_in);
            bytes.with_label_values(&[name, address, "out"]).inc_by(listed.counters.bytes_out);
        }
    }
    // A family without a value is the only thing that this can fail on, and is not gathered.
    prometheus::TextEncoder::new().encode_to_string(&registry.gather()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ipvs::candidates::Condition;
    use crate::ipvs::desired::Decided;
    use crate::ipvs::model::{Destination, Forwarding, Server as RealServer};
    use crate::ipvs::weights::Weighed;

    fn status() -> Status {
        let address = [10, 0, 0, 1].into();
        let weighed = Some(Weighed { weight: 40, headroom: Some(0.4), is_ramping: false });
        let condition = Some(Condition::Utilised(0.6));
        let decided = Some(Decided { weight: Some(40), base: 100, weighed, condition });
        let mut listed = ListedDestination {
            server: RealServer::at(address),
            destination: Destination::new(Forwarding::Masquerade, 40),
            active: 3,
            inactive: 2,
            persistent: 1,
            counters: Default::default(),
        };
        listed.counters.bytes_out = 7;
        let checked = [("ok", 5), ("tls", 2)].into();
        let group = GroupStatus {
            name: "media".to_owned(),
            mark: 1,
            scheduler: "wlc".to_owned(),
            quorum: 1,
            standings: [(Family::V4, Standing { up: 1, is_sorry: false })].into(),
            servers: [(address, ServerStatus { decided, listed: Some(listed), checked })].into(),
        };
        Status { state: State::Running, groups: vec![group], ..Status::default() }
    }

    #[test]
    fn the_api_says_who_serves_with_what_weight_and_why() {
        let shown = serde_json::to_value(Shown::new(&status())).unwrap();
        let server = &shown["services"][0]["servers"][0];
        assert_eq!((&shown["state"], &server["address"]), (&"running".into(), &"10.0.0.1".into()));
        assert_eq!((server["weight"].as_u64(), server["base_weight"].as_u64()), (Some(40), Some(100)));
        assert_eq!((&server["condition"], &server["why"]), (&"measured".into(), &"forecast utilisation 60 %".into()));
        assert_eq!((server["active_connections"].as_u64(), server["bytes_out"].as_u64()), (Some(3), Some(7)));
    }

    #[test]
    fn metrics_have_each_server_of_each_service() {
        let text = metrics(&status());
        for line in [
            "weir_kernel_up 1",
            "weir_kernel_changes_total{cause=\"drift\"} 0",
            "weir_kernel_failures_total 0",
            "weir_kernel_servers_up{family=\"ipv4\",service=\"media\"} 1",
            "weir_kernel_server{condition=\"measured\",server=\"10.0.0.1\",service=\"media\"} 1",
            "weir_kernel_weight{server=\"10.0.0.1\",service=\"media\"} 40",
            "weir_kernel_checks_total{result=\"ok\",server=\"10.0.0.1\",service=\"media\"} 5",
            "weir_kernel_checks_total{result=\"tls\",server=\"10.0.0.1\",service=\"media\"} 2",
            "weir_kernel_connections_open{server=\"10.0.0.1\",service=\"media\",state=\"active\"} 3",
            "weir_kernel_bytes_total{direction=\"out\",server=\"10.0.0.1\",service=\"media\"} 7",
        ] {
            assert!(text.lines().any(|found| found == line), "{line}: {text}");
        }
        assert_eq!(metrics(&Status::default()), "");
    }

    #[test]
    fn services_stay_in_the_metrics_when_the_kernel_cannot_be_read() {
        let failed = State::Failed("it cannot be read".to_owned());
        let groups = status().groups.into_iter().map(GroupStatus::unread).collect();
        let text = metrics(&Status { state: failed, groups, ..status() });
        assert!(text.contains("weir_kernel_up 0") && text.contains("\nweir_kernel_servers_up{"), "{text}");
        assert!(!text.contains("weir_kernel_weight"), "nobody knows what the kernel has");
    }

    #[test]
    fn one_of_two_directors_says_which() {
        let text = metrics(&Status { role: Some(Role::Backup), ..status() });
        for line in ["weir_kernel_role{role=\"backup\"} 1", "weir_kernel_role{role=\"master\"} 0"] {
            assert!(text.lines().any(|found| found == line), "{line}: {text}");
        }
        assert!(!metrics(&status()).contains("weir_kernel_role"), "it is alone");
        let shown = serde_json::to_value(Shown::new(&Status { role: Some(Role::Master), ..status() })).unwrap();
        assert_eq!(shown["role"], "master");
    }

    #[test]
    fn health_and_readiness_say_what_is_wrong() {
        assert_eq!(health(&Status::default()), None);
        assert_eq!(ready(&status()), Ok("ready: 1 services in the kernel\n".to_owned()));
        let failed = Status { state: State::Failed("no IPVS".to_owned()), ..status() };
        assert_eq!(health(&failed), Some(Err("kernel mode: no IPVS\n".to_owned())));
        assert_eq!(ready(&failed), Err("not ready: no IPVS\n".to_owned()));
        let mut empty = status();
        empty.groups[0].servers.clear();
        assert_eq!(ready(&empty), Err("not ready: nobody serves `media` over IPv4\n".to_owned()));
    }
}
