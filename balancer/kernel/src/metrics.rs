//! Metrics of kernel mode, from its status at the time of the scrape. The kernel's counters are exported unchanged:
//! they restart at 0 when a server is deleted and added again.

use std::net::IpAddr;
use std::sync::Arc;

use arc_swap::ArcSwap;
use prometheus::core::{Collector, Desc};
use prometheus::proto::MetricFamily;
use weir_program::metrics::Family;

use super::desired::FamilyStatus;
use super::model::{Family as AddressFamily, Role};
use super::netlink::ipvs::ListedDestination;
use super::status::{ServerStatus, ServiceStatus, State, Status};

/// Collector for the metrics of kernel mode.
#[derive(Debug)]
pub struct Metrics {
    status: Arc<ArcSwap<Status>>,
    up: Family<0>,
    changes: Family<1>,
    failures: Family<0>,
    role: Family<1>,
    servers_up: Family<2>,
    sorry: Family<2>,
    condition: Family<3>,
    weight: Family<2>,
    headroom: Family<2>,
    open: Family<3>,
    connections: Family<2>,
    packets: Family<3>,
    bytes: Family<3>,
    checks: Family<3>,
}

impl Metrics {
    /// Creates a collector for this status.
    #[must_use]
    pub fn new(status: Arc<ArcSwap<Status>>) -> Self {
        let server = ["service", "server"];
        let by = |label| ["service", "server", label];
        Self {
            status,
            up: Family::gauge("weir_kernel_up", "1 while the kernel is in its desired state.", []),
            changes: Family::counter(
                "weir_kernel_changes_total",
                "Changes applied to the kernel, by cause.",
                ["cause"],
            ),
            failures: Family::counter(
                "weir_kernel_failures_total",
                "Changes refused by the kernel, and failures to read its state.",
                [],
            ),
            role: Family::gauge("weir_kernel_role", "1 for the role of this director: master or backup.", ["role"]),
            servers_up: Family::gauge(
                "weir_kernel_servers_up",
                "Servers of a service that are up.",
                ["service", "family"],
            ),
            sorry: Family::gauge(
                "weir_kernel_sorry_server_active",
                "1 while the sorry server of a service is active.",
                ["service", "family"],
            ),
            condition: Family::gauge(
                "weir_kernel_server_condition",
                "1 for the condition of a server.",
                by("condition"),
            ),
            weight: Family::gauge("weir_kernel_server_weight", "Weight of a server in the kernel.", server),
            headroom: Family::gauge(
                "weir_kernel_server_headroom_ratio",
                "Spare capacity (0 to 1) assumed when the weight was computed.",
                server,
            ),
            open: Family::gauge(
                "weir_kernel_connections",
                "Connections in the kernel's connection table, by state.",
                by("state"),
            ),
            connections: Family::counter("weir_kernel_connections_total", "Connections scheduled.", server),
            packets: Family::counter("weir_kernel_packets_total", "Packets forwarded.", by("direction")),
            bytes: Family::counter("weir_kernel_bytes_total", "Bytes forwarded.", by("direction")),
            checks: Family::counter("weir_kernel_checks_total", "Health checks, by result.", by("result")),
        }
    }
}

impl Collector for Metrics {
    fn desc(&self) -> Vec<&Desc> {
        let Self { up, changes, failures, role, servers_up, sorry, condition, weight, headroom, open, .. } = self;
        let Self { connections, packets, bytes, checks, .. } = self;
        vec![
            up.desc(),
            changes.desc(),
            failures.desc(),
            role.desc(),
            servers_up.desc(),
            sorry.desc(),
            condition.desc(),
            weight.desc(),
            headroom.desc(),
            open.desc(),
            connections.desc(),
            packets.desc(),
            bytes.desc(),
            checks.desc(),
        ]
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let status = self.status.load();
        let counts = status.counts;
        let roles = status.role.into_iter().flat_map(|known| Role::ALL.map(|role| ([role.name()], is(role == known))));
        let decisions = counts.changes.saturating_sub(counts.repaired);
        let servers = Servers::new(&status.services);
        let families = || status.services.iter().flat_map(families_of);
        vec![
            self.up.with_value(is(status.state == State::Running)),
            self.changes.with([(["drift"], count(counts.repaired)), (["decision"], count(decisions))]),
            self.failures.with_value(count(counts.failures)),
            self.role.with(roles),
            self.servers_up.with(families().map(|(service, family, up, _)| ([service, family.name()], up as f64))),
            self.sorry.with(families().map(|(service, family, _, sorry)| ([service, family.name()], is(sorry)))),
            self.condition.with(servers.each(|server| [(server.condition(), 1.0)])),
            self.weight.with(servers.listed(|listed| [("", listed.destination.weight.into())]).map(two_labels)),
            self.headroom.with(servers.each(|server| headroom(server).map(|ratio| ("", ratio))).map(two_labels)),
            self.open.with(
                servers.listed(|listed| [("active", listed.active.into()), ("inactive", listed.inactive.into())]),
            ),
            self.connections.with(servers.listed(|listed| [("", count(listed.counters.connections))]).map(two_labels)),
            self.packets.with(servers.listed(|listed| {
                [("in", count(listed.counters.packets_in)), ("out", count(listed.counters.packets_out))]
            })),
            self.bytes.with(
                servers.listed(|listed| {
                    [("in", count(listed.counters.bytes_in)), ("out", count(listed.counters.bytes_out))]
                }),
            ),
            self.checks.with(servers.each(|server| {
                server.check_results.iter().map(|(result, checks)| (*result, count(*checks))).collect::<Vec<_>>()
            })),
        ]
    }
}

/// The servers of all services: name of the service, address, status.
struct Servers<'a>(Vec<(&'a str, String, &'a ServerStatus)>);

impl<'a> Servers<'a> {
    fn new(services: &'a [ServiceStatus]) -> Self {
        let of = |service: &'a ServiceStatus| {
            let named =
                |(address, server): (&IpAddr, &'a ServerStatus)| (service.name.as_str(), address.to_string(), server);
            service.servers.iter().map(named).collect::<Vec<_>>()
        };
        Self(services.iter().flat_map(of).collect())
    }

    /// The samples of each server, with their third label.
    fn each<S: IntoIterator<Item = (&'a str, f64)>>(
        &self,
        samples: impl Fn(&'a ServerStatus) -> S,
    ) -> impl Iterator<Item = ([&str; 3], f64)> {
        self.0.iter().flat_map(move |(service, address, server)| {
            samples(server).into_iter().map(move |(label, value)| ([*service, address.as_str(), label], value))
        })
    }

    /// The samples of each server that the kernel has.
    fn listed<const M: usize>(
        &self,
        samples: impl Fn(&ListedDestination) -> [(&'static str, f64); M],
    ) -> impl Iterator<Item = ([&str; 3], f64)> {
        self.each(move |server| server.listed.as_ref().map(&samples).into_iter().flatten().collect::<Vec<_>>())
    }
}

fn two_labels(([service, server, _], value): ([&str; 3], f64)) -> ([&str; 2], f64) {
    ([service, server], value)
}

fn families_of(service: &ServiceStatus) -> impl Iterator<Item = (&str, AddressFamily, usize, bool)> {
    let of = |(family, status): (&AddressFamily, &FamilyStatus)| {
        let FamilyStatus { up, is_sorry_active } = status;
        (service.name.as_str(), *family, *up, *is_sorry_active)
    };
    service.families.iter().map(of)
}

fn headroom(server: &ServerStatus) -> Option<f64> {
    server.decision.as_ref()?.weighed?.headroom.map(f64::from)
}

fn is(value: bool) -> f64 {
    f64::from(u8::from(value))
}

/// The value of a counter, exact up to 2^53.
fn count(value: u64) -> f64 {
    value as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::status;

    fn metrics(status: Status) -> String {
        let registry = weir_program::metrics::Registry::default();
        registry.collect(Metrics::new(Arc::new(ArcSwap::from_pointee(status))));
        registry.text()
    }

    #[test]
    fn metrics_include_each_server_of_each_service() {
        let text = metrics(status());
        for line in [
            "weir_kernel_up 1",
            "weir_kernel_changes_total{cause=\"drift\"} 0",
            "weir_kernel_failures_total 0",
            "weir_kernel_servers_up{family=\"ipv4\",service=\"media\"} 1",
            "weir_kernel_server_condition{condition=\"measured\",server=\"10.0.0.1\",service=\"media\"} 1",
            "weir_kernel_server_weight{server=\"10.0.0.1\",service=\"media\"} 40",
            "weir_kernel_checks_total{result=\"ok\",server=\"10.0.0.1\",service=\"media\"} 5",
            "weir_kernel_checks_total{result=\"tls\",server=\"10.0.0.1\",service=\"media\"} 2",
            "weir_kernel_connections{server=\"10.0.0.1\",service=\"media\",state=\"active\"} 3",
            "weir_kernel_bytes_total{direction=\"out\",server=\"10.0.0.1\",service=\"media\"} 7",
        ] {
            assert!(text.lines().any(|found| found == line), "{line}: {text}");
        }
    }

    #[test]
    fn services_stay_in_the_metrics_when_the_kernel_cannot_be_read() {
        let failed = State::Failed("it cannot be read".to_owned());
        let services = status().services.into_iter().map(ServiceStatus::without_kernel_state).collect();
        let text = metrics(Status { state: failed, services, ..status() });
        assert!(text.contains("weir_kernel_up 0") && text.contains("\nweir_kernel_servers_up{"), "{text}");
        assert!(!text.contains("weir_kernel_server_weight"), "the weights are unknown");
    }

    #[test]
    fn a_director_of_a_pair_reports_its_role() {
        let text = metrics(Status { role: Some(Role::Backup), ..status() });
        for line in ["weir_kernel_role{role=\"backup\"} 1", "weir_kernel_role{role=\"master\"} 0"] {
            assert!(text.lines().any(|found| found == line), "{line}: {text}");
        }
        assert!(!metrics(status()).contains("weir_kernel_role"), "it is not one of a pair");
    }
}
