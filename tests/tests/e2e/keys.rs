//! Per-edge keys, cluster keys, key rotation, and passphrases.

use std::fs;
use std::path::Path;

use weir_tests::agent::{self, Agent, AgentBuilder};
use weir_tests::balancer::{Balancer, folder};
use weir_tests::clients::ask;
use weir_tests::process::{Process, run};
use weir_tests::server_info::ServerInfo;
use weir_tests::wait::{PATIENCE, eventually, until};
use weir_tests::{binaries, loopback, process, second_implementation};

const GUID: &str = "6f1c0d52-8a3e-4b97-9c41-d20e7b35a8f6";
const OTHER_GUID: &str = "0a7d2c94-51be-4e0f-8f63-9b1d7c2e4a85";

/// Returns the output of `weir-balancer keygen …`.
#[track_caller]
fn keygen(arguments: &[&str]) -> String {
    let mut command = process::command(binaries::balancer());
    command.arg("keygen").args(arguments);
    run(command, PATIENCE).expect_success().stdout.trim_end_matches('\n').to_owned()
}

#[track_caller]
fn edge_key(guid: &str, cluster_key: &Path) -> String {
    keygen(&["--edge", guid, "--key-file", &cluster_key.display().to_string()])
}

/// Waits until this number of edges uses the key with this id.
#[track_caller]
fn await_edges_with_key(balancer: &Balancer, key_id: &str, edges: f64) {
    eventually(&format!("{edges} edges use {key_id}"), PATIENCE, || {
        let used = balancer.metrics().sum("weir_key_edges", &[("key", key_id)]);
        if used == edges { Ok(()) } else { Err(used.to_string()) }
    });
}

/// Waits until the log contains this text at least this many times.
#[track_caller]
fn await_log(process: &Process, word: &str, times: usize) {
    process.await_output(&process.stderr, word, |log| (log.matches(word).count() >= times).then_some(()));
}

#[test]
fn an_edge_can_report_with_a_per_edge_key() {
    let balancer = Balancer::start();
    let key = edge_key(GUID, &balancer.key_file());
    let parts: Vec<&str> = key.split(':').collect();
    let [kind, guid, key_id, secret] = parts[..] else { panic!("{key}") };
    assert_eq!((kind, guid, key_id.len(), secret.len()), ("edge", GUID, 8, 44), "{key}");
    let cluster = fs::read_to_string(balancer.key_file()).unwrap();
    assert_ne!(secret, cluster.trim(), "the per-edge key differs from the cluster key");

    let agent = AgentBuilder::with_key(&balancer, &key).guid(GUID).start();
    balancer.await_running(1);
    assert_eq!(ask(&balancer), agent.address.to_string());
    let edges = balancer.edges();
    assert_eq!((edges[0].id.as_str(), edges[0].key_id.as_str()), (GUID, key_id));
    // The key is valid for acks as well.
    balancer.command(GUID, "pause");
    balancer.await_fleet("the edge is paused", |fleet| fleet[0].status == "PAUSED");
}

#[test]
fn the_key_of_another_edge_is_rejected_at_startup() {
    let balancer = Balancer::start();
    let state = folder();
    let file = state.path().join("key");
    fs::write(&file, edge_key(GUID, &balancer.key_file())).unwrap();
    fs::write(state.path().join("guid"), OTHER_GUID).unwrap();
    let mut command = agent::command(&state);
    command
        .args(["--redirect-address", "127.0.0.1", "--target", &balancer.reports.to_string(), "--key-file"])
        .arg(file);
    let refused = run(command, PATIENCE);
    assert_eq!(refused.status.code(), Some(64), "{refused:?}");
    assert_eq!(refused.stderr.trim_end().lines().count(), 1, "{}", refused.stderr);
    assert!(refused.stderr.contains(GUID) && refused.stderr.contains(OTHER_GUID), "{}", refused.stderr);
}

#[test]
fn a_per_edge_key_cannot_impersonate_another_edge() {
    let balancer = Balancer::start();
    let victim = AgentBuilder::of(&balancer).load(3).start();
    balancer.await_running(1);
    let before = balancer.server_info()[0].identity_and_load();
    // weir-agent refuses such a key, so this uses an agent that does not.
    let key = edge_key(GUID, &balancer.key_file());
    for claimed in [victim.guid(), OTHER_GUID.to_owned()] {
        let (key, rejected) = (key.replace(GUID, &claimed), balancer.reports_rejected("signature"));
        let (target, redirect) = (balancer.reports.to_string(), loopback::address().to_string());
        let options = ["--target", &target, "--key", &key, "--guid", &claimed];
        let options = [&options[..], &["--redirect-address", &redirect, "--interval", "100"]].concat();
        let _thief = second_implementation::start("agent.py", &options);
        until("its reports are rejected", PATIENCE, || balancer.reports_rejected("signature") >= rejected + 3.0);
    }
    let fleet: Vec<_> = balancer.server_info().iter().map(ServerInfo::identity_and_load).collect();
    assert_eq!(fleet, [before]);
}

/// A cluster with one key and two edges that use it.
struct Cluster {
    balancer: Balancer,
    agents: [Agent; 2],
    key: String,
    key_id: String,
}

impl Cluster {
    fn start() -> Self {
        let key = keygen(&[]);
        // Longer than two reports, and short enough for a test to wait for it.
        let balancer = Balancer::with_key(&key, Some("[reports]\ntimeout = \"2s\"\n"));
        let agents = [0, 30].map(|load| AgentBuilder::with_key(&balancer, &key).load(load).start());
        balancer.await_running(2);
        let key_id = balancer.edges()[0].key_id.clone();
        Self { balancer, agents, key, key_id }
    }
}

#[test]
fn a_key_can_be_rotated_while_the_cluster_runs() {
    let Cluster { balancer, mut agents, key, key_id } = Cluster::start();
    await_edges_with_key(&balancer, &key_id, 2.0);
    let new = keygen(&[]);
    balancer.set_keys(&[&new, &key]);
    await_log(&balancer.process, "keys reloaded", 1);
    await_edges_with_key(&balancer, &key_id, 2.0);

    let _ = agents[0].terminate().expect_success();
    agents[0].set_key(&new);
    agents[0].restart();
    await_edges_with_key(&balancer, &key_id, 1.0);
    balancer.await_running(2);
    let switched = eventually("the edge uses the new key", PATIENCE, || {
        let edge = balancer.edges().into_iter().find(|edge| edge.id == agents[0].guid()).expect("the edge is listed");
        if edge.key_id == key_id { Err(edge.key_id) } else { Ok(edge) }
    });
    await_edges_with_key(&balancer, &switched.key_id, 1.0);

    // The edge that still uses the old key is locked out.
    balancer.set_keys(&[&new]);
    await_log(&balancer.process, "keys reloaded", 2);
    until("the old key is rejected", PATIENCE, || balancer.reports_rejected("key-id") >= 2.0);
    let late = agents[1].address.to_string();
    balancer.await_fleet("its edge times out", |fleet| {
        fleet.iter().any(|edge| edge.redirect == late && edge.status == "MSGTIMEOUT")
    });
    await_edges_with_key(&balancer, &key_id, 0.0);
    await_edges_with_key(&balancer, &switched.key_id, 1.0);
    assert_eq!(ask(&balancer), agents[0].address.to_string());

    // It can still switch to the new key.
    let _ = agents[1].terminate().expect_success();
    agents[1].set_key(&new);
    agents[1].restart();
    await_edges_with_key(&balancer, &switched.key_id, 2.0);
    balancer.await_running(2);
}

#[test]
fn an_invalid_key_file_changes_nothing() {
    let Cluster { balancer, agents, key, key_id } = Cluster::start();
    balancer.set_keys(&[&key, "AAAA023D4FB4IS83="]);
    await_log(&balancer.process, "key reload failed; keeping current keys", 1);
    let log = balancer.process.stderr.text();
    assert!(log.contains(&format!("{}:2: ", balancer.key_file().display())), "the line is named: {log}");
    assert!(!log.contains("023D4FB4IS83"), "a key is not repeated: {log}");
    fs::remove_file(balancer.key_file()).unwrap();
    balancer.process.send_sighup();
    await_log(&balancer.process, "key reload failed; keeping current keys", 2);

    // Existing edges continue to report, and new ones can join.
    let accepted = balancer.metrics().sum("weir_reports_total", &[]);
    until("reports are accepted", PATIENCE, || balancer.metrics().sum("weir_reports_total", &[]) >= accepted + 4.0);
    let _third = AgentBuilder::with_key(&balancer, &key).start();
    balancer.await_running(3);
    await_edges_with_key(&balancer, &key_id, 3.0);
    assert_eq!(balancer.reports_rejected("key-id"), 0.0);
    drop(agents);
}

#[test]
fn a_passphrase_works_and_balancer_and_agent_warn() {
    const PASSPHRASE: &str = "023D4FB4IS83";

    let balancer = Balancer::with_key(PASSPHRASE, None);
    let (host, port) = (balancer.reports.ip(), balancer.reports.port());
    let agent = AgentBuilder::with_targets_file(&format!(
        "\u{feff}# [load-balancer-ip-address],[load-balancer-port],[encryption-key]\r\n{host},{port},{PASSPHRASE}"
    ));
    let agent = agent.start();
    balancer.await_running(1);
    assert_eq!(ask(&balancer), agent.address.to_string());
    for program in [&balancer.process, &agent.process] {
        let log = program.stderr.text();
        let warned = log.lines().any(|line| line.contains("WARN") && line.contains("passphrase"));
        assert!(warned && log.contains("weir-balancer keygen"), "no warning with advice: {log}");
        assert!(!log.contains(PASSPHRASE), "{log}");
    }
    let _other = AgentBuilder::with_targets_file(&format!("{host},{port},023D4FB4IS84")).start();
    until("another passphrase is another key", PATIENCE, || balancer.reports_rejected("key-id") >= 1.0);
}
