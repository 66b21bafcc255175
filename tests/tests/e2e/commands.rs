//! Pause, unpause and drain: commands from any balancer or the edge itself are applied and stored by the edge, and
//! visible on every balancer.

use std::fs;
use std::time::Duration;

use weir_tests::agent::{Agent, AgentBuilder};
use weir_tests::balancer::{Balancer, folder};
use weir_tests::clients::{ask, fetch};
use weir_tests::operator::Edge;
use weir_tests::server_info::ServerInfo;
use weir_tests::udp_proxy::UdpProxy;
use weir_tests::wait::PATIENCE;

/// Much less than the report interval of [`Setup`]: a change seen within this time was reported early.
const SOON: Duration = Duration::from_secs(3);
/// More connections than are needed to trigger an early report.
const JUMP: usize = 50;

/// Two balancers and an edge that reports to both, at such a long interval that all reports in a test are early ones.
/// Another edge, with a much higher load, takes the clients while the first does not.
struct Setup {
    balancers: [Balancer; 2],
    edge: Agent,
    guid: String,
    other: Agent,
}

impl Setup {
    fn start() -> Self {
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

    /// Queues a command on a balancer. It is delivered with the ack of the next report, so this triggers one.
    #[track_caller]
    fn command(&mut self, balancer: usize, command: &str) {
        self.balancers[balancer].command(&self.guid, command);
        let before = self.balancers[balancer].edges();
        let before = before.iter().find(|edge| edge.id == self.guid).and_then(|edge| edge.connections);
        self.edge.connections.set(if before == Some(0) { JUMP } else { 0 });
    }

    /// Waits until both balancers show the edge in this state, and checks that clients are sent to the right edge.
    #[track_caller]
    fn await_everywhere(&self, state: &str, reasons: &[&str]) -> [Edge; 2] {
        let is_running = state == "running";
        let (shown, chosen) = if is_running { ("RUNNING", &self.edge) } else { ("PAUSED", &self.other) };
        self.balancers.each_ref().map(|balancer| {
            let edge = balancer.await_edge(SOON, &format!("the edge is {state} for {reasons:?}"), &self.guid, |edge| {
                edge.state == state && edge.reasons == reasons
            });
            assert_eq!(edge.available, is_running, "{edge:?}");
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
fn a_command_given_on_one_balancer_is_visible_on_both() {
    let mut setup = Setup::start();
    setup.await_everywhere("running", &[]);
    setup.command(0, "pause");
    setup.await_everywhere("paused", &["operator"]);
    setup.command(1, "unpause");
    setup.await_everywhere("running", &[]);
}

#[test]
fn a_draining_edge_is_paused_at_the_drain_deadline() {
    let mut setup = Setup::start();
    setup.command(0, "drain?deadline=10m");
    for edge in setup.await_everywhere("draining", &["operator"]) {
        let left = edge.drain_deadline.expect("a deadline");
        assert!((590_000..=600_000).contains(&left), "{left} ms");
    }
    // A later command replaces an earlier one, whichever balancer it was given on.
    setup.command(1, "drain?deadline=1s");
    for edge in setup.await_everywhere("paused", &["operator"]) {
        assert_eq!(edge.drain_deadline, None);
    }
    setup.command(1, "unpause");
    setup.await_everywhere("running", &[]);
}

#[test]
fn commands_can_be_given_on_the_edge_itself() {
    let setup = Setup::start();
    let output = setup.edge.cli(&["pause"]).expect_success().stdout;
    assert_eq!(output, format!("edge {}: paused (operator)\n", setup.guid));
    setup.await_everywhere("paused", &["operator"]);

    let output = setup.edge.cli(&["drain", "--deadline", "10m"]).expect_success().stdout;
    assert!(output.starts_with(&format!("edge {}: draining (operator), deadline in ", setup.guid)), "{output}");
    setup.await_everywhere("draining", &["operator"]);

    let output = setup.edge.cli(&["unpause"]).expect_success().stdout;
    assert_eq!(output, format!("edge {}: running\n", setup.guid));
    setup.await_everywhere("running", &[]);
}

#[test]
fn weir_agent_status_shows_each_balancer() {
    let setup = Setup::start();
    let status = setup.edge.await_status("both balancers have answered", |status| {
        status.targets.iter().all(|target| target.acked.is_some())
    });
    assert_eq!((&status.edge, status.status.as_str()), (&setup.guid, "running"));
    assert_eq!(status.targets.len(), 2);
    let table = setup.edge.cli(&["status"]).expect_success().stdout;
    for ((balancer, name), target) in setup.balancers.iter().zip(["north", "south"]).zip(&status.targets) {
        assert_eq!((&target.target, target.balancer.as_deref()), (&balancer.reports.to_string(), Some(name)));
        let round_trip = target.round_trip.expect("a round trip");
        assert!((1..1_000_000).contains(&round_trip), "{round_trip} µs over loopback");
        let words = [target.target.as_str(), name, " ago", " ms"];
        assert!(table.lines().any(|line| words.iter().all(|word| line.contains(word))), "{table}");
    }
}

#[test]
fn agent_commands_fail_while_no_agent_is_running() {
    let balancer = Balancer::start();
    let mut agent = AgentBuilder::of(&balancer).start();
    balancer.await_running(1);
    let _ = agent.terminate().expect_success();
    let refused = agent.cli(&["pause"]);
    assert_eq!(refused.status.code(), Some(69), "{refused:?}");
    assert!(refused.stderr.contains(&*agent.state().to_string_lossy()), "{}", refused.stderr);
}

#[test]
fn a_pause_survives_an_agent_restart() {
    let mut setup = Setup::start();
    setup.command(0, "pause");
    setup.await_everywhere("paused", &["operator"]);
    let _ = setup.edge.terminate().expect_success();
    let is_stopped = |info: &ServerInfo| info.server_id == setup.guid && info.status == "STOPPED";
    for balancer in &setup.balancers {
        balancer.await_fleet("the edge has stopped", |fleet| fleet.iter().any(is_stopped));
    }
    setup.edge.restart();
    for balancer in &setup.balancers {
        // Its very first report after the restart says that it is paused.
        let edge = balancer.await_edge(PATIENCE, "the edge is back", &setup.guid, |edge| edge.state != "stopping");
        assert_eq!((edge.state.as_str(), edge.reasons), ("paused", vec!["operator".to_owned()]));
    }
    setup.await_everywhere("paused", &["operator"]);
    let _ = setup.edge.cli(&["unpause"]).expect_success();
    setup.await_everywhere("running", &[]);
}

#[test]
fn reasons_for_a_pause_are_independent() {
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
    balancer.command(&guid, "pause");
    await_state("paused", &["operator", "capacity"]);
    agent.connections.set(0);
    await_state("paused", &["operator"]);
    agent.connections.set(20);
    await_state("paused", &["operator", "capacity"]);
    // Unpausing does not open an edge that is full.
    balancer.command(&guid, "unpause");
    await_state("paused", &["capacity"]);
    assert_eq!(ask(&balancer), "unknown");
    agent.connections.set(0);
    await_state("running", &[]);
}

#[test]
fn the_api_rejects_requests_without_the_token() {
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
            let answer = balancer.api(method, path, headers);
            assert_eq!(answer.status, 401, "{method} {path} with {headers}: {answer:?}");
            assert!(!answer.body.contains(&agent.guid()), "{answer:?}");
        }
    }
    // A command would be delivered with the ack of one report and be visible in the next; these two reports are sent
    // later.
    for load in [JUMP, 0] {
        agent.connections.set(load);
        let fleet = balancer.await_fleet("the load", |fleet| fleet[0].connect_count == load as u64);
        assert_eq!(fleet[0].status, "RUNNING");
    }
    assert_eq!(ask(&balancer), agent.address.to_string());
}

#[test]
fn invalid_commands_are_rejected() {
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
        let answer = balancer.api("POST", &path, &balancer.authorization());
        assert_eq!(answer.status, status, "{path}: {answer:?}");
        assert!(answer.body.contains(word), "{path}: {answer:?}");
    }
    // The port for clients does not offer the API.
    assert_eq!(fetch(&balancer.url("http", "/api/v1/edges"), &[]).status, 404);
}

#[test]
fn a_command_that_is_not_confirmed_in_time_expires() {
    let balancer = Balancer::with_config("[reports]\ncommand_timeout = \"500ms\"\n");
    let mut agent = AgentBuilder::of(&balancer).start();
    balancer.await_running(1);
    let _ = agent.terminate().expect_success();
    balancer.command(&agent.guid(), "pause");
    balancer.process.await_output(&balancer.process.stderr, "that the command expires", |log| {
        log.contains("command not confirmed within command_timeout; dropped").then_some(())
    });
    // The edge does not receive the command when it comes back later.
    agent.restart();
    balancer.await_running(1);
    agent.connections.set(JUMP);
    let fleet = balancer.await_fleet("the load", |fleet| fleet[0].connect_count == JUMP as u64);
    assert_eq!(fleet[0].status, "RUNNING");
}

#[test]
fn an_agent_behind_nat_receives_acks_and_commands() {
    let balancer = Balancer::with_config("name = \"outside\"\n");
    // As with NAT, the balancer sees an address of the proxy, which forwards the answers.
    let nat = UdpProxy::in_front_of(balancer.reports);
    let agent = AgentBuilder::reporting_to(nat.address, &balancer.key_file()).start();
    balancer.await_running(1);
    let status = agent.await_status("the balancer has answered", |status| status.targets[0].acked.is_some());
    assert_eq!(status.targets[0].balancer.as_deref(), Some("outside"));
    balancer.command(&agent.guid(), "pause");
    balancer.await_fleet("the edge is paused", |fleet| fleet[0].status == "PAUSED");
    assert_eq!(ask(&balancer), "unknown");
}

#[test]
fn the_token_is_private_to_its_owner_and_kept_over_restarts() {
    use std::os::unix::fs::PermissionsExt as _;

    let first = Balancer::start();
    let (token, state) = (first.token(), first.key_file());
    let mode = fs::metadata(state.with_file_name("token")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let second = Balancer::start_in(first.stop(), None);
    assert_eq!(second.token(), token, "the second start keeps the token");

    let own = folder();
    let file = own.path().join("operators");
    fs::write(&file, "a-token-of-our-own\n").unwrap();
    let configured = Balancer::with_config(&format!("[admin]\ntoken_file = \"{}\"\n", file.display()));
    let shown = configured.api("GET", "edges", "Authorization: Bearer a-token-of-our-own\r\n");
    assert_eq!(shown.status, 200, "{shown:?}");
}
