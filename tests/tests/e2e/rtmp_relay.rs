//! RTMP clients that do not follow redirects are relayed to their edge, with and without affinity.

use std::net::TcpListener;
use std::thread;

use weir_tests::agent::{Agent, AgentBuilder};
use weir_tests::balancer::Balancer;
use weir_tests::certificate::Certificate;
use weir_tests::clients::{
    Client, FFMPEG_5, MPV, Protocol, RTMP2SINK, RTMP2SRC, RTMPDUMP, RTMPSINK, RTMPSRC, Task, play_frames, publish,
    rtmpdump,
};
use weir_tests::edges::{Direction, MediaServer, NginxRtmp, Visit};
use weir_tests::loopback;
use weir_tests::wait::{PATIENCE, eventually};

const PLAYERS: [Client; 5] = [FFMPEG_5, MPV, RTMPDUMP, RTMP2SRC, RTMPSRC];
const PUBLISHERS: [Client; 3] = [FFMPEG_5, RTMP2SINK, RTMPSINK];

/// With affinity, the balancer has to know the stream before it selects an edge.
const BY_STREAM: &str = "[selection]\naffinity = true\n";

fn agent(balancer: &Balancer, edge: &NginxRtmp) -> Agent {
    AgentBuilder::of(balancer).address(edge.address()).endpoint("rtmp", edge.rtmp_port()).start()
}

/// Runs a client and returns its own result.
fn run(client: &Client, direction: Direction, url: &str) -> Result<(), String> {
    (client.run)(&Task { protocol: Protocol::Rtmp, direction, url: url.to_owned(), certificate: None })
}

/// Asserts that each client plays or publishes a stream through the balancer.
#[track_caller]
fn assert_all_arrive(config: &str, direction: Direction, clients: &[Client]) {
    let balancer = Balancer::with_config(config);
    let mut edge = NginxRtmp::start();
    let _agent = agent(&balancer, &edge);
    balancer.await_running(1);
    let _feeder = (direction == Direction::Play).then(|| NginxRtmp::feed(&mut [&mut edge], "camera"));
    for (index, client) in clients.iter().enumerate() {
        let stream =
            if direction == Direction::Play { "live/camera".to_owned() } else { format!("live/camera{index}") };
        let url = balancer.url("rtmp", &format!("/{stream}"));
        let outcome = run(client, direction, &url);
        assert_eq!(outcome, Ok(()), "{}", client.name);
        let expected = Visit { direction, stream, media: true };
        eventually(client.name, PATIENCE, || {
            let visits = edge.visits();
            let arrived =
                visits.sessions.len() > index && visits.sessions[index..].iter().all(|visit| *visit == expected);
            if arrived { Ok(()) } else { Err(format!("{visits:?}")) }
        });
    }
    assert!(balancer.assignments("rtmp") >= clients.len() as f64);
}

#[test]
fn players_are_relayed_to_the_edge() {
    assert_all_arrive("", Direction::Play, &PLAYERS);
}

#[test]
fn publishers_are_relayed_to_the_edge() {
    assert_all_arrive("", Direction::Publish, &PUBLISHERS);
}

#[test]
fn players_are_relayed_by_stream() {
    assert_all_arrive(BY_STREAM, Direction::Play, &PLAYERS);
}

#[test]
fn publishers_are_relayed_by_stream() {
    assert_all_arrive(BY_STREAM, Direction::Publish, &PUBLISHERS);
}

#[test]
fn viewers_of_a_stream_reach_the_edge_of_its_publisher() {
    let balancer = Balancer::with_config(BY_STREAM);
    let edges = [NginxRtmp::start(), NginxRtmp::start()];
    let _agents = edges.each_ref().map(|edge| agent(&balancer, edge));
    balancer.await_running(2);
    // A player that is relayed to the other edge would not find its stream there.
    let urls: Vec<String> = (0..4).map(|number| balancer.url("rtmp", &format!("/live/camera{number}"))).collect();
    let _publisher = publish(&urls);
    eventually("all streams are published", PATIENCE, || {
        let connects = edges.each_ref().map(|edge| edge.connects().len());
        if connects.iter().sum::<usize>() == urls.len() { Ok(()) } else { Err(format!("{connects:?}")) }
    });
    for url in &urls {
        let _ = play_frames(url, 2).expect_success();
        assert_eq!(run(&RTMP2SRC, Direction::Play, url), Ok(()));
    }
}

/// Asserts that a player is relayed to a busy edge that works when the free edge, at this address and port, does not.
fn assert_other_edge_takes_over(config: &str, address: std::net::Ipv4Addr, port: u16) {
    let balancer = Balancer::with_config(config);
    let mut edge = NginxRtmp::start();
    let working = AgentBuilder::of(&balancer).address(edge.address()).endpoint("rtmp", edge.rtmp_port());
    let _agents =
        [AgentBuilder::of(&balancer).address(address).endpoint("rtmp", port).start(), working.load(10).start()];
    balancer.await_running(2);
    let _feeder = NginxRtmp::feed(&mut [&mut edge], "camera");
    let _ = play_frames(&balancer.url("rtmp", "/live/camera"), 2).expect_success();
}

#[test]
fn another_edge_takes_over_when_the_first_is_unreachable() {
    let address = loopback::address();
    assert_other_edge_takes_over("", address, loopback::port(address));
}

#[test]
fn another_edge_takes_over_when_the_first_closes_the_connection() {
    for config in ["", BY_STREAM] {
        let address = loopback::address();
        let listener = TcpListener::bind((address, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        // Ends with the test process, since a blocking accept cannot be interrupted.
        thread::spawn(move || listener.incoming().for_each(drop));
        assert_other_edge_takes_over(config, address, port);
    }
}

#[test]
fn another_edge_takes_over_when_the_first_does_not_respond() {
    let address = loopback::address();
    // The kernel accepts the connection, but no program reads from it.
    let unresponsive = TcpListener::bind((address, 0)).unwrap();
    assert_other_edge_takes_over(
        "[relay]\nconnect_timeout = \"300ms\"\n",
        address,
        unresponsive.local_addr().unwrap().port(),
    );
}

#[test]
fn the_application_is_replaced_if_configured() {
    for selection in ["", BY_STREAM] {
        let balancer = Balancer::with_config(&format!("{selection}[[application]]\nname = \"door\"\napp = \"live\"\n"));
        let mut edge = NginxRtmp::start();
        let _agent = agent(&balancer, &edge);
        balancer.await_running(1);
        let _feeder = NginxRtmp::feed(&mut [&mut edge], "camera");
        for client in &PLAYERS {
            let url = balancer.url("rtmp", "/door/camera");
            assert_eq!(run(client, Direction::Play, &url), Ok(()), "{}", client.name);
        }
        for connect in edge.connects() {
            assert!(connect.contains("app='live'"), "{connect}");
        }
        let renamed = format!("tc_url='rtmp://{}/live'", balancer.clients);
        assert!(edge.connects()[1].replace("tcUrl", "tc_url").contains(&renamed), "{:?}", edge.connects());
    }
}

#[test]
fn without_an_edge_clients_fail_at_once() {
    for config in ["", BY_STREAM] {
        let balancer = Balancer::with_config(config);
        let url = balancer.url("rtmp", "/live/camera");
        assert!(!play_frames(&url, 1).status.success());
        assert!(!rtmpdump(&url, PATIENCE).status.success());
        for client in [RTMP2SRC, RTMP2SINK, RTMPSINK] {
            let direction = if client.name.ends_with("src") { Direction::Play } else { Direction::Publish };
            assert!(run(&client, direction, &url).is_err(), "{}", client.name);
        }
        assert_eq!(balancer.metrics().sum("weir_refusals_total", &[("protocol", "rtmp")]), 5.0);
    }
}

#[test]
fn players_over_tls_are_relayed_to_an_edge_without_tls() {
    let certificate = Certificate::new(&[]);
    for selection in ["", BY_STREAM] {
        let balancer = Balancer::with_config(&format!("{}{selection}", certificate.config()));
        let mut edge = NginxRtmp::start();
        let _agent = agent(&balancer, &edge);
        balancer.await_running(1);
        let _feeder = NginxRtmp::feed(&mut [&mut edge], "camera");
        let _ = play_frames(&balancer.url("rtmps", "/live/camera"), 2).expect_success();
    }
}

/// Starts a second balancer as an edge of the first.
fn second_balancer(first: &Balancer, config: &str) -> (Balancer, Agent) {
    let second = Balancer::with_config(config);
    let agent = AgentBuilder::of(first).redirect("127.0.0.1").endpoint("rtmp", second.clients.port()).start();
    first.await_running(1);
    (second, agent)
}

#[test]
fn relays_can_be_chained() {
    for config in ["", BY_STREAM] {
        let first = Balancer::with_config(config);
        let (second, _first_agent) = second_balancer(&first, config);
        let mut edge = NginxRtmp::start();
        let _second_agent = agent(&second, &edge);
        second.await_running(1);
        let _feeder = NginxRtmp::feed(&mut [&mut edge], "camera");
        let _ = play_frames(&first.url("rtmp", "/live/camera"), 2).expect_success();
        assert_eq!(edge.connects().len(), 2, "one feeder, one player");
    }
}

#[test]
fn clients_receive_the_error_of_an_edge_that_refuses_their_connect() {
    // A client that has not been answered yet gets the edge's own error; otherwise the balancer reports the failure.
    for (config, said, refused) in
        [("", "server is available", 0.0), (BY_STREAM, "The server refused the connection.", 2.0)]
    {
        let first = Balancer::with_config(config);
        let (_refuses_all, _agent) = second_balancer(&first, "");
        let url = first.url("rtmp", "/live/camera");
        let ended = play_frames(&url, 1);
        assert!(!ended.status.success());
        assert!(ended.stderr.contains(said), "{}", ended.stderr);
        assert!(!rtmpdump(&url, PATIENCE).status.success());
        assert_eq!(first.metrics().sum("weir_clients_rejected_total", &[("reason", "edge-refused")]), refused);
    }
}
