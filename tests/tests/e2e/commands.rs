//! Pause, unpause and drain: given at any balancer or on the edge, obeyed and kept by the edge, seen everywhere.

use std::fs;
use std::time::Duration;

use weir_tests::agent::{Agent, AgentBuilder};
use weir_tests::balancer::{Balancer, folder};
use weir_tests::clients::{ask, fetch};
use weir_tests::operator::Edge;
use weir_tests::server_info::ServerInfo;
use weir_tests::udp_proxy::UdpProxy;
use weir_tests::wait::PATIENCE;

/// Far less than an interval of the [`Stage`]: whatever is known after this was reported ahead of time.
const SOON: Duration = Duration::from_secs(3);
/// More connections than a jump of load needs.
const JUMP: usize = 50;

/// Two balancers and an edge that reports to both, so seldom that only what cannot wait is reported at all. Another
/// edge, with much more load, takes the clients when the first does not.
struct Stage {
    balancers: [Balancer; 2],
    edge: Agent,
    guid: String,
    other: Agent,
}

impl Stage {
    fn set() -> Self {
        let config = |name| format!("name = \"{name}\"\n[reports]\ntimeout = \"180s\"\n");
        let north = Balancer::with_config(&config("north"));
        let key = fs::read_to_string(north.key_file()).expect("a key file in the state folder");
        let south = Balancer::with_key(key.trim(), Some(&config("south")));
        let edge = AgentBuilder::of(&north).target(south.reports).interval("60s").start();
        let other = AgentBuilder::of(&north).target(south.reports).interval("60s").load(10 * JUMP).start();
        let balancers = [north, south];
        balancers.iter().for_each(|balancer| balancer.await_running(2));
        let guid = edge.guid();
        Self { balancers, edge, guid, other }
    }

    /// Gives an order at a balancer. It goes out with the answer to the next report, so one is brought about.
    #[track_caller]
    fn order(&mut self, balancer: usize, order: &str) {
        self.balancers[balancer].order(&self.guid, order);
        let before = self.balancers[balancer].edges();
        let before = before.iter().find(|edge| edge.id == self.guid).and_then(|edge| edge.connections);
        self.edge.connections.set(if before == Some(0) { JUMP } else { 0 });
    }

    /// Waits until both balancers see the edge so, and send clients there or elsewhere.
    #[track_caller]
    fn await_everywhere(&self, state: &str, reasons: &[&str]) -> [Edge; 2] {
        let runs = state == "running";
        let (shown, chosen) = if runs { ("RUNNING", &self.edge) } else { ("PAUSED", &self.other) };
        self.balancers.each_ref().map(|balancer| {
            let edge = balancer.await_edge(SOON, &format!("the edge is {state} for {reasons:?}"), &self.guid, |edge| {
                edge.state == state && edge.reasons == reasons
            });
            assert_eq!(edge.available, runs, "{edge:?}");
            let fleet = balancer.server_info();
            let info = fleet.iter().find(|info| info.server_id == self.guid).expect("the edge is listed");
            assert_eq!(info.status, shown, "{fleet:?}");
            for _ in 0..5 {
                assert_eq!(ask(balancer), chosen.address.to_string());
            }
            edge
        })
    }
}

#[test]
fn an_order_given_at_one_balancer_is_seen_at_both() {
    let mut stage = Stage::set();
    stage.await_everywhere("running", &[]);
    stage.order(0, "pause");
    stage.await_everywhere("paused", &["operator"]);
    stage.order(1, "unpause");
    stage.await_everywhere("running", &[]);
}

#[test]
fn a_drain_ends_in_a_pause_at_its_deadline() {
    let mut stage = Stage::set();
    stage.order(0, "drain?deadline=10m");
    for edge in stage.await_everywhere("draining", &["operator"]) {
        let left = edge.drain_deadline.expect("a deadline");
        assert!((590_000..=600_000).contains(&left), "{left} ms");
    }
    // A later order takes the place of an earlier one, whichever balancer it was given at.
    stage.order(1, "drain?deadline=1s");
    for edge in stage.await_everywhere("paused", &["operator"]) {
        assert_eq!(edge.drain_deadline, None);
    }
    stage.order(1, "unpause");
    stage.await_everywhere("running", &[]);
}

#[test]
fn an_order_is_given_on_the_edge_itself() {
    let stage = Stage::set();
    let said = stage.edge.ask(&["pause"]).expect_success().stdout;
    assert_eq!(said, format!("edge {}: paused (operator)\n", stage.guid));
    stage.await_everywhere("paused", &["operator"]);

    let said = stage.edge.ask(&["drain", "--deadline", "10m"]).expect_success().stdout;
    assert!(said.starts_with(&format!("edge {}: draining (operator), empty within ", stage.guid)), "{said}");
    stage.await_everywhere("draining", &["operator"]);

    let said = stage.edge.ask(&["unpause"]).expect_success().stdout;
    assert_eq!(said, format!("edge {}: running\n", stage.guid));
    stage.await_everywhere("running", &[]);
}

#[test]
fn the_status_shows_how_the_edge_stands_with_each_balancer() {
    let stage = Stage::set();
    let status = stage.edge.await_status("both balancers have answered", |status| {
        status.targets.iter().all(|target| target.acked.is_some())
    });
    assert_eq!((&status.edge, status.status.as_str()), (&stage.guid, "running"));
    assert_eq!(status.targets.len(), 2);
    let table = stage.edge.ask(&["status"]).expect_success().stdout;
    for ((balancer, name), target) in stage.balancers.iter().zip(["north", "south"]).zip(&status.targets) {
        assert_eq!((&target.target, target.balancer.as_deref()), (&balancer.reports.to_string(), Some(name)));
        let round_trip = target.round_trip.expect("a round trip");
        assert!((1..1_000_000).contains(&round_trip), "{round_trip} µs over loopback");
        let words = [target.target.as_str(), name, " ago", " ms"];
        assert!(table.lines().any(|line| words.iter().all(|word| line.contains(word))), "{table}");
    }
}

#[test]
fn without_an_agent_there_is_nobody_to_ask() {
    let balancer = Balancer::start();
    let mut agent = AgentBuilder::of(&balancer).start();
    balancer.await_running(1);
    let _ = agent.terminate().expect_success();
    let refused = agent.ask(&["pause"]);
    assert_eq!(refused.status.code(), Some(69), "{refused:?}");
    assert!(refused.stderr.contains(&*agent.state().to_string_lossy()), "{}", refused.stderr);
}

#[test]
fn a_pause_survives_a_restart_of_the_agent() {
    let mut stage = Stage::set();
    stage.order(0, "pause");
    stage.await_everywhere("paused", &["operator"]);
    let _ = stage.edge.terminate().expect_success();
    let is_stopped = |info: &ServerInfo| info.server_id == stage.guid && info.status == "STOPPED";
    for balancer in &stage.balancers {
        balancer.await_fleet("the edge has stopped", |fleet| fleet.iter().any(is_stopped));
    }
    stage.edge.restart();
    for balancer in &stage.balancers {
        // Its very first words are that it is paused.
        let edge = balancer.await_edge(PATIENCE, "the edge is back", &stage.guid, |edge| edge.state != "stopping");
        assert_eq!((edge.state.as_str(), edge.reasons), ("paused", vec!["operator".to_owned()]));
    }
    stage.await_everywhere("paused", &["operator"]);
    let _ = stage.edge.ask(&["unpause"]).expect_success();
    stage.await_everywhere("running", &[]);
}

#[test]
fn reasons_do_not_cancel_each_other() {
    let balancer = Balancer::start();
    let mut agent = AgentBuilder::of(&balancer).max_connections(20).start();
    balancer.await_running(1);
    let guid = agent.guid();
    let await_state = |state: &str, reasons: &[&str]| {
        balancer.await_edge(PATIENCE, &format!("the edge is {state} for {reasons:?}"), &guid, |edge| {
            edge.state == state && edge.reasons == reasons
        });
    };
    agent.connections.set(20);
    await_state("paused", &["capacity"]);
    balancer.order(&guid, "pause");
    await_state("paused", &["operator", "capacity"]);
    agent.connections.set(0);
    await_state("paused", &["operator"]);
    agent.connections.set(20);
    await_state("paused", &["operator", "capacity"]);
    // No unpause opens an edge that is full.
    balancer.order(&guid, "unpause");
    await_state("paused", &["capacity"]);
    assert_eq!(ask(&balancer), "unknown");
    agent.connections.set(0);
    await_state("running", &[]);
}

#[test]
fn without_the_token_nothing_is_shown_or_done() {
    let balancer = Balancer::start();
    let mut agent = AgentBuilder::of(&balancer).start();
    balancer.await_running(1);
    let pause = format!("edges/{}/pause", agent.guid());
    let token = balancer.token();
    let wrong = [
        String::new(),
        "Authorization: Bearer 0123456789abcdef0123456789abcdef\r\n".to_owned(),
        format!("Authorization: Bearer {}\r\n", &token[1..]),
        format!("Authorization: Basic {token}\r\n"),
    ];
    for headers in &wrong {
        for (method, path) in [("POST", pause.as_str()), ("GET", "edges")] {
            let answer = balancer.call(method, path, headers);
            assert_eq!(answer.status, 401, "{method} {path} with {headers}: {answer:?}");
            assert!(!answer.body.contains(&agent.guid()), "{answer:?}");
        }
    }
    // A command would go out with the answer to one report and be seen with another; these two are sent after it.
    for load in [JUMP, 0] {
        agent.connections.set(load);
        let fleet = balancer.await_fleet("the load", |fleet| fleet[0].connect_count == load as u64);
        assert_eq!(fleet[0].status, "RUNNING");
    }
    assert_eq!(ask(&balancer), agent.address.to_string());
}

#[test]
fn orders_that_make_no_sense_are_refused() {
    let balancer = Balancer::start();
    let agent = AgentBuilder::of(&balancer).start();
    balancer.await_running(1);
    let guid = agent.guid();
    let stranger = "6f1c0d52-8a3e-4b97-9c41-d20e7b35a8f6";
    for (path, status, word) in [
        (format!("edges/{stranger}/pause"), 404, stranger),
        (format!("edges/{guid}/explode"), 404, ""),
        ("edges/edge1/pause".to_owned(), 400, "edge1"),
        (format!("edges/{guid}/drain?deadline=soon"), 400, "soon"),
        (format!("edges/{guid}/drain?dedline=10m"), 400, "dedline"),
    ] {
        let answer = balancer.call("POST", &path, &balancer.authorization());
        assert_eq!(answer.status, status, "{path}: {answer:?}");
        assert!(answer.body.contains(word), "{path}: {answer:?}");
    }
    // Clients come in at another port, where there is no API.
    assert_eq!(fetch(&balancer.url("http", "/api/v1/edges"), &[]).status, 404);
}

#[test]
fn an_order_that_nobody_obeys_in_time_is_given_up() {
    let balancer = Balancer::with_config("[reports]\ncommand_timeout = \"500ms\"\n");
    let mut agent = AgentBuilder::of(&balancer).start();
    balancer.await_running(1);
    let _ = agent.terminate().expect_success();
    balancer.order(&agent.guid(), "pause");
    balancer.process.await_output(&balancer.process.stderr, "that the order is given up", |log| {
        log.contains("given up").then_some(())
    });
    // An edge that comes back later is not surprised.
    agent.restart();
    balancer.await_running(1);
    agent.connections.set(JUMP);
    let fleet = balancer.await_fleet("the load", |fleet| fleet[0].connect_count == JUMP as u64);
    assert_eq!(fleet[0].status, "RUNNING");
}

#[test]
fn an_agent_behind_nat_gets_its_acks_and_orders() {
    let balancer = Balancer::with_config("name = \"outside\"\n");
    // As NAT does: what the balancer sees is an address of the proxy, which passes on what comes back to it.
    let nat = UdpProxy::before(balancer.reports);
    let agent = AgentBuilder::to(nat.address, &balancer.key_file()).start();
    balancer.await_running(1);
    let status = agent.await_status("the balancer has answered", |status| status.targets[0].acked.is_some());
    assert_eq!(status.targets[0].balancer.as_deref(), Some("outside"));
    balancer.order(&agent.guid(), "pause");
    balancer.await_fleet("the edge is paused", |fleet| fleet[0].status == "PAUSED");
    assert_eq!(ask(&balancer), "unknown");
}

#[test]
fn the_token_is_made_for_its_owner_only_and_kept() {
    use std::os::unix::fs::PermissionsExt as _;

    let first = Balancer::start();
    let (token, state) = (first.token(), first.key_file());
    let mode = fs::metadata(state.with_file_name("token")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let second = Balancer::start_in(first.stop(), None);
    assert_eq!(second.token(), token, "the second start keeps it");

    let own = folder();
    let file = own.path().join("operators");
    fs::write(&file, "a-token-of-our-own\n").unwrap();
    let configured = Balancer::with_config(&format!("[admin]\ntoken_file = \"{}\"\n", file.display()));
    let shown = configured.call("GET", "edges", "Authorization: Bearer a-token-of-our-own\r\n");
    assert_eq!(shown.status, 200, "{shown:?}");
}
