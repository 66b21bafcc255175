use weir_fleet::testing::{SOURCE, at, id, report, snapshot_at, snapshot_of, snapshot_on};
use weir_fleet::{FleetSettings, Origin};
use weir_protocol::report::{Reasons, Status};
use weir_protocol::{Host, Report};

use super::*;
use crate::config::tests::parse_services;

fn service(lines: &str) -> VirtualService {
    let text = format!("[[kernel.service]]\nname = \"media\"\naddresses = [\"192.0.2.10\"]\ntcp = [\"554\"]\n{lines}");
    parse_services(&text).remove(0)
}

const EDGES: &str = "edges = true";
const STATIC: &str = "[[kernel.service.server]]\naddress = \"10.0.0.1\"\n";

fn edge(address: &'static str) -> Report<'static> {
    let mut report = report();
    report.redirect = Host::new(address).ok();
    report.capacity.connections = Some(100);
    report.load.connections = Some(39);
    report
}

fn of(lines: &str, reports: &[Report<'_>], health: &Health, milliseconds: u64) -> BTreeMap<IpAddr, RealServer> {
    let snapshot = snapshot_on(&FleetSettings::default(), reports);
    AgentReports::new(&snapshot, at(milliseconds)).servers(&service(lines), |_| health.clone())
}

#[track_caller]
fn condition(lines: &str, report: Report<'_>, health: &Health, milliseconds: u64) -> Condition {
    let servers = of(lines, &[report], health, milliseconds);
    let [server] = servers.values().collect::<Vec<_>>()[..] else { panic!("{servers:?}") };
    server.condition.clone()
}

#[test]
fn an_edge_has_the_utilisation_that_it_reports_whatever_its_weight() {
    let mut heavy = edge("10.0.0.1");
    heavy.weight = Some(2.0);
    for report in [edge("10.0.0.1"), heavy] {
        let Condition::Utilised(utilisation) = condition(EDGES, report, &Health::Unchecked, 0) else { panic!() };
        assert!((utilisation - 0.39).abs() < 0.01, "39 clients of 100, not {utilisation}");
    }
    let mut heavy = edge("10.0.0.1");
    heavy.weight = Some(2.0);
    assert_eq!(of(EDGES, &[heavy], &Health::Up, 0)[&[10, 0, 0, 1].into()].base, 200);
}

#[test]
fn a_full_edge_has_no_headroom_and_is_up() {
    let mut full = edge("10.0.0.1");
    full.load.connections = Some(100);
    assert_eq!(condition(EDGES, full, &Health::Up, 0), Condition::Utilised(1.0));
}

#[test]
fn edges_report_that_they_are_paused_draining_or_stopping() {
    for (status, expected) in [
        (Status::Paused, Condition::Paused),
        (Status::Draining, Condition::Draining(None)),
        (Status::Stopping, Condition::Draining(None)),
    ] {
        let mut report = edge("10.0.0.1");
        report.status = status;
        assert_eq!(condition(EDGES, report, &Health::Up, 0), expected);
    }
    let mut stopped = edge("10.0.0.1");
    stopped.status = Status::Stopping;
    assert_eq!(
        condition(EDGES, stopped, &Health::Up, 6000),
        Condition::Unmeasured(Unmeasured::Stale),
        "only its agent has stopped"
    );
}

#[test]
fn a_silent_agent_is_a_failure_only_without_other_evidence() {
    let after = 60_000;
    let failed = Condition::Failed(Failure::Silent);
    let stale = Condition::Unmeasured(Unmeasured::Stale);
    assert_eq!(beside_others(EDGES, &edge("10.0.0.1"), &Health::Unchecked), failed);
    assert_eq!(condition(EDGES, edge("10.0.0.1"), &Health::Unchecked, after), stale, "no agent reports");
    let with_sorry = "edges = true\nsorry_server = \"10.0.0.9\"";
    assert_eq!(condition(with_sorry, edge("10.0.0.1"), &Health::Unchecked, after), failed, "there is a sorry server");
    assert_eq!(condition(EDGES, edge("10.0.0.1"), &Health::Up, after), stale);
    assert_eq!(condition(STATIC, edge("10.0.0.1"), &Health::Unchecked, after), stale);
}

/// The condition of an edge that has been silent for a minute, while another one reports.
#[track_caller]
fn beside_others(lines: &str, silent: &Report<'_>, health: &Health) -> Condition {
    let address = silent.redirect.unwrap().as_str().parse().unwrap();
    let other = edge("10.0.0.2");
    let snapshot = snapshot_at(&FleetSettings::default(), [(silent, at(0)), (&other, at(60_000))]);
    let servers = AgentReports::new(&snapshot, at(60_000)).servers(&service(lines), |_| health.clone());
    servers[&address].condition.clone()
}

#[test]
fn a_command_outlives_the_agent_that_confirmed_it() {
    for (status, reasons, expected) in [
        (Status::Paused, Reasons::OPERATOR, Condition::Paused),
        (Status::Draining, Reasons::OPERATOR, Condition::Draining(None)),
        (Status::Stopping, Reasons::OPERATOR, Condition::Draining(None)),
        (Status::Stopping, Reasons::NONE, Condition::Unmeasured(Unmeasured::Stale)),
    ] {
        for (lines, health) in [(STATIC, Health::Unchecked), (STATIC, Health::Up), (EDGES, Health::Up)] {
            let mut report = edge("10.0.0.1");
            (report.status, report.reasons) = (status, reasons);
            // Without a check, a server whose agent has stopped is assumed to have stopped as well.
            if status == Status::Stopping && reasons == Reasons::NONE && health == Health::Unchecked {
                continue;
            }
            assert_eq!(beside_others(lines, &report, &health), expected, "{status:?} {health:?}");
        }
    }
}

#[test]
fn a_draining_server_that_refuses_connections_keeps_those_that_it_has() {
    let down = Health::Down("refused".to_owned());
    let mut draining = edge("10.0.0.1");
    draining.status = Status::Draining;
    assert_eq!(condition(EDGES, draining, &down, 0), Condition::Draining(None));
    let mut stopping = edge("10.0.0.1");
    stopping.status = Status::Stopping;
    assert!(matches!(condition(EDGES, stopping, &down, 0), Condition::Failed(_)), "its machine may be shut down");
}

#[test]
fn a_failed_check_takes_precedence_over_reports() {
    let down = Health::Down("refused".to_owned());
    let expected = Condition::Failed(Failure::Check("refused".to_owned()));
    assert_eq!(condition(EDGES, edge("10.0.0.1"), &down, 0), expected);
    assert_eq!(condition(EDGES, edge("10.0.0.1"), &Health::Unknown, 0), Condition::Pending);
}

#[test]
fn a_configured_server_has_the_load_of_the_edge_at_its_address() {
    assert!(matches!(condition(STATIC, edge("10.0.0.1"), &Health::Unchecked, 0), Condition::Utilised(_)));
    assert_eq!(
        condition(STATIC, edge("10.0.0.2"), &Health::Unchecked, 0),
        Condition::Unmeasured(Unmeasured::NoAgent),
        "an edge with another address is not a server of this service"
    );
}

#[test]
fn edges_are_selected_by_zone_protocol_and_family() {
    let mut european = edge("10.0.0.1");
    european.zone = weir_protocol::Name::new("eu").ok();
    let six = edge("2001:db8::1");
    let reports = [european, edge("10.0.0.2"), six];
    let selected =
        |lines| -> Vec<String> { of(lines, &reports, &Health::Unchecked, 0).keys().map(ToString::to_string).collect() };
    assert_eq!(selected(EDGES), ["10.0.0.1", "10.0.0.2"]);
    assert_eq!(selected("edges = { zone = \"eu\" }"), ["10.0.0.1"]);
    assert_eq!(selected("edges = { zone = \"eu\", protocol = \"rtsp\" }"), ["10.0.0.1"]);
}

#[test]
fn an_edge_with_a_host_name_has_the_source_address_of_its_reports() {
    let source = [10, 0, 0, 7].into();
    let origin = Origin { source, ..SOURCE };
    let fleet =
        snapshot_of([Edge::new(id(1), &edge("edge1.example.com"), origin, &FleetSettings::default(), at(0).into())]);
    let agents = AgentReports::new(&fleet, at(0));
    let servers = agents.servers(&service(EDGES), |_| Health::Up);
    assert!(servers.keys().eq([&source]), "{servers:?}");
}

#[test]
fn an_edge_at_an_unusable_address_is_not_a_server_and_is_named() {
    let addresses = ["192.0.2.10", "127.0.0.1", "255.255.255.255", "0.0.0.1", "224.0.0.1", "10.0.0.1"];
    let reports = addresses.map(edge);
    let servers = of(EDGES, &reports, &Health::Up, 0);
    assert_eq!(servers.keys().map(ToString::to_string).collect::<Vec<_>>(), ["10.0.0.1"]);
    // The other three are rejected by the fleet, which logs them: no client could connect to them either.
    let mut others = addresses[..2].iter().map(|address| address.parse().unwrap()).collect::<Vec<IpAddr>>();
    others.sort();
    let fleet = snapshot_on(&FleetSettings::default(), &reports);
    let agents = AgentReports::new(&fleet, at(0));
    assert!(agents.unusable_edges(&service(EDGES)).into_iter().eq(others));
    assert!(agents.unusable_edges(&service(STATIC)).is_empty());
    let six = "[[kernel.service]]\nname = \"media\"\naddresses = [\"2001:db8::10\"]\ntcp = [\"554\"]\nedges = true";
    let six = parse_services(six).remove(0);
    for (address, can) in [("fe80::1", false), ("::ffff:10.0.0.1", false), ("::1", false), ("2001:db8::1", true)] {
        assert_eq!(six.can_have(address.parse().unwrap()), can, "{address}");
    }
}
