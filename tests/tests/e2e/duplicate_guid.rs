//! Two containers from one image report with the same GUID: they appear as one stable edge, and a warning is logged.

use weir_tests::agent::AgentBuilder;
use weir_tests::balancer::Balancer;
use weir_tests::binaries;
use weir_tests::clients::ask;
use weir_tests::process::{self, run};
use weir_tests::wait::{PATIENCE, until};

const GUID: &str = "6f1c0d52-8a3e-4b97-9c41-d20e7b35a8f6";

#[test]
fn the_first_of_two_agents_with_the_same_guid_is_kept_until_it_stops() {
    let balancer = Balancer::start();
    let mut first = AgentBuilder::of(&balancer).guid(GUID).load(3).start();
    balancer.await_running(1);
    assert_eq!(balancer.edges()[0].duplicate, None);
    let copy = AgentBuilder::of(&balancer).guid(GUID).load(5).start();

    until("the copy is rejected", PATIENCE, || balancer.reports_rejected("duplicate") >= 3.0);
    let edge = balancer.await_edge(PATIENCE, "the duplicate is shown", GUID, |edge| edge.duplicate.is_some());
    assert_eq!(edge.duplicate.as_deref(), Some("127.0.0.1"));
    balancer.process.await_output(&balancer.process.stderr, "that there are two", |log| {
        log.lines().any(|line| line.contains("WARN") && line.contains(GUID) && line.contains("GUID file")).then_some(())
    });

    // However often both have reported, there is only one edge: the first.
    let reports = balancer.metrics().sum("weir_reports_total", &[]);
    let rejected = balancer.reports_rejected("duplicate");
    until("both continue to report", PATIENCE, || {
        let only_edge = balancer.server_info();
        assert_eq!(only_edge.len(), 1, "{only_edge:?}");
        let (guid, redirect, status, load) = only_edge[0].identity_and_load();
        let expected = (GUID, first.address.to_string(), "RUNNING", 3);
        assert_eq!((guid.as_str(), redirect, status.as_str(), load), expected);
        balancer.metrics().sum("weir_reports_total", &[]) >= reports + 2.0
            && balancer.reports_rejected("duplicate") >= rejected + 2.0
    });
    assert_eq!(ask(&balancer), first.address.to_string());
    let log = balancer.process.stderr.text();
    assert_eq!(log.matches("duplicate GUID").count(), 1, "logged once, not with each report: {log}");

    let _ = first.terminate().expect_success();
    balancer.await_fleet("the copy takes over", |fleet| {
        let redirects: Vec<_> = fleet.iter().map(|edge| (edge.redirect.as_str(), edge.status.as_str())).collect();
        redirects == [(copy.address.to_string().as_str(), "RUNNING")]
    });
    assert_eq!(ask(&balancer), copy.address.to_string());
    let edge = balancer.await_edge(PATIENCE, "the duplicate is gone", GUID, |edge| edge.duplicate.is_none());
    assert_eq!(edge.connections, Some(5));
}

#[test]
fn a_second_agent_with_the_same_state_folder_is_refused() {
    let balancer = Balancer::start();
    let first = AgentBuilder::of(&balancer).start();
    balancer.await_running(1);
    let mut second = process::command(binaries::agent());
    second.arg("--state").arg(first.state()).arg("--key-file").arg(balancer.key_file());
    second.args(["--target", &balancer.reports.to_string(), "--redirect-address", "127.0.0.1"]);
    let refused = run(second, PATIENCE);
    assert_eq!(refused.status.code(), Some(69), "{refused:?}");
    assert!(refused.stderr.contains(&*first.state().to_string_lossy()), "{}", refused.stderr);
    assert_eq!(first.status().status, "running", "the first agent is unaffected and still answers");
    assert_eq!(ask(&balancer), first.address.to_string());
}
