//! The report protocol is as documented: a second implementation, written only from `docs/protocol.md`, interoperates
//! with both programs.

use std::fs;
use std::time::Duration;

use weir_tests::agent::AgentBuilder;
use weir_tests::balancer::{Balancer, folder};
use weir_tests::clients::ask;
use weir_tests::loopback;
use weir_tests::process::{Process, run};
use weir_tests::second_implementation::{self, await_event};
use weir_tests::wait::PATIENCE;

/// Time limit for its own tests, which start its programs and compute Argon2id in Python.
const TEST_TIME: Duration = Duration::from_secs(60);

const GUID: &str = "6f1c0d52-8a3e-4b97-9c41-d20e7b35a8f6";
const KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

#[test]
fn its_own_tests_pass() {
    let tests = run(second_implementation::python(&["-m", "unittest"]), TEST_TIME).expect_success();
    // unittest prints to standard error, and succeeds even if it finds no tests.
    assert!(tests.stderr.contains("\nOK") && !tests.stderr.contains("Ran 0 tests"), "{}", tests.stderr);
}

#[test]
fn it_agrees_with_the_test_vectors() {
    let checked = run(second_implementation::python(&["vectors.py", "../../docs/protocol-vectors.json"]), TEST_TIME)
        .expect_success();
    assert!(checked.stdout.ends_with(" vectors, 0 differences\n"), "{}", checked.stdout);
    assert!(!checked.stdout.starts_with("0 "), "{}", checked.stdout);
}

/// Starts its agent, which reports three connections.
fn agent_of(balancer: &Balancer, redirect: &str) -> Process {
    let key = fs::read_to_string(balancer.key_file()).expect("a key file in the state folder");
    let options = ["--target", &balancer.reports.to_string(), "--key", key.trim(), "--guid", GUID];
    let more = ["--redirect-address", redirect, "--connections", "3", "--interval", "300"];
    second_implementation::start("agent.py", &[&options[..], &more].concat())
}

#[test]
fn its_agent_reports_to_weir_balancer_and_executes_commands() {
    let balancer = Balancer::with_config("name = \"ours\"\n");
    let redirect = loopback::address().to_string();
    let mut agent = agent_of(&balancer, &redirect);
    balancer.await_running(1);
    let edge = &balancer.server_info()[0];
    assert_eq!((edge.server_id.as_str(), &edge.redirect, edge.connect_count), (GUID, &redirect, 3));
    assert_eq!(ask(&balancer), redirect);
    let _ = await_event(&agent, "ack", |event| event["balancer"] == "ours");

    for (command, kind, state) in
        [("pause", "pause", "paused"), ("drain?deadline=10m", "drain", "draining"), ("unpause", "unpause", "running")]
    {
        balancer.command(GUID, command);
        let _ = await_event(&agent, "command", |event| event["kind"] == kind);
        balancer.await_edge(PATIENCE, command, GUID, |edge| edge.state == state);
    }
    // Confirmed, so that it is not sent again.
    let confirmed = |log: &str| (log.matches("command confirmed").count() == 3).then_some(());
    balancer.process.await_output(&balancer.process.stderr, "that each command is confirmed", confirmed);

    let _ = agent.terminate().expect_success();
    balancer.await_fleet("the edge has stopped", |fleet| fleet[0].status == "STOPPED");
    assert!(!agent.stdout.text().contains("\"rejected\""), "an ack was rejected: {}", agent.stdout.text());
}

#[test]
fn weir_agent_reports_to_its_balancer_and_executes_commands() {
    let peer =
        second_implementation::start("balancer.py", &["--key", KEY, "--name", "peer", "--command", "drain:60000"]);
    let listening = await_event(&peer, "listening", |_| true);
    let port = listening["port"].as_u64().expect("a port");
    let state = folder();
    let key_file = state.path().join("key");
    fs::write(&key_file, KEY).unwrap();
    let target = format!("127.0.0.1:{port}").parse().unwrap();
    let mut agent =
        AgentBuilder::reporting_to(target, &key_file).load(7).max_connections(100).endpoint("rtmp", 1935).start();

    let first = await_event(&peer, "report", |_| true);
    assert_eq!(first["edge_id"], agent.guid(), "{first}");
    let first = &first["report"];
    assert_eq!(first["status"], "running", "{first}");
    assert_eq!((&first["redirect_address"], &first["interval"]), (&agent.address.to_string().into(), &500.into()));
    assert_eq!((&first["load"]["connections"], &first["capacity"]["connections"]), (&7.into(), &100.into()), "{first}");
    let endpoints = first["endpoints"].to_string();
    assert!(endpoints.contains("\"rtmp\"") && endpoints.contains("1935"), "{first}");

    let draining = await_event(&peer, "report", |event| event["report"]["last_command"] == 1);
    let draining = &draining["report"];
    assert_eq!(draining["status"], "draining", "{draining}");
    let left = draining["drain_deadline"].as_u64().expect("a deadline");
    assert!((50_000..=60_000).contains(&left), "{draining}");
    let status = agent.await_status("the balancer has answered", |status| status.targets[0].acked.is_some());
    assert_eq!((status.status.as_str(), status.targets[0].balancer.as_deref()), ("draining", Some("peer")));

    let _ = agent.terminate().expect_success();
    let _ = await_event(&peer, "report", |event| event["report"]["status"] == "stopping");
}
