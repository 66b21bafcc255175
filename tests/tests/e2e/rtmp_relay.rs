//! RTMP clients that follow no redirect are carried to their edge, whatever is chosen by.

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

/// The viewers of a stream are kept together: the balancer has to know the stream before it chooses.
const BY_STREAM: &str = "[selection]\naffinity = true\n";

fn agent(balancer: &Balancer, edge: &NginxRtmp) -> Agent {
    AgentBuilder::of(balancer).address(edge.address()).endpoint("rtmp", edge.rtmp_port()).start()
}

/// What the client itself says of how it went.
fn run(client: &Client, direction: Direction, url: &str) -> Result<(), String> {
    (client.run)(&Task { protocol: Protocol::Rtmp, direction, url: url.to_owned(), certificate: None })
}

/// Each of these plays or publishes a stream through the balancer.
#[track_caller]
fn all_arrive(config: &str, direction: Direction, clients: &[Client]) {
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
    assert!(balancer.handouts("rtmp") >= clients.len() as f64);
}

#[test]
fn players_are_carried_to_the_edge() {
    all_arrive("", Direction::Play, &PLAYERS);
}

#[test]
fn publishers_are_carried_to_the_edge() {
    all_arrive("", Direction::Publish, &PUBLISHERS);
}

#[test]
fn players_that_were_answered_before_go_on_at_the_edge() {
    all_arrive(BY_STREAM, Direction::Play, &PLAYERS);
}

#[test]
fn publishers_that_were_answered_before_go_on_at_the_edge() {
    all_arrive(BY_STREAM, Direction::Publish, &PUBLISHERS);
}

#[test]
fn viewers_of_a_stream_come_to_the_edge_that_it_is_published_to() {
    let balancer = Balancer::with_config(BY_STREAM);
    let edges = [NginxRtmp::start(), NginxRtmp::start()];
    let _agents = edges.each_ref().map(|edge| agent(&balancer, edge));
    balancer.await_running(2);
    // Over RTMP nothing says which edge has a stream, so a player that is sent to the other finds none.
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

/// A free edge that says that it serves RTMP on this port, and a busy one that does.
fn with_broken_edge(config: &str, address: std::net::Ipv4Addr, port: u16) {
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
fn another_edge_takes_over_when_the_first_cannot_be_reached() {
    let address = loopback::address();
    with_broken_edge("", address, loopback::port(address));
}

#[test]
fn another_edge_takes_over_when_the_first_hangs_up() {
    for config in ["", BY_STREAM] {
        let address = loopback::address();
        let listener = TcpListener::bind((address, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        // Ends with the test's process: nothing ends a blocking accept.
        thread::spawn(move || listener.incoming().for_each(drop));
        with_broken_edge(config, address, port);
    }
}

#[test]
fn another_edge_takes_over_when_the_first_is_stuck() {
    let address = loopback::address();
    // Its system takes the connection; nobody looks at it.
    let stuck = TcpListener::bind((address, 0)).unwrap();
    with_broken_edge("[relay]\nconnect_timeout = \"300ms\"\n", address, stuck.local_addr().unwrap().port());
}

#[test]
fn another_application_is_asked_for_if_so_configured() {
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
fn without_an_edge_clients_end_at_once() {
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
fn players_over_tls_are_carried_to_an_edge_without() {
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

/// An edge of the first balancer that is a balancer itself.
fn second_balancer(first: &Balancer, config: &str) -> (Balancer, Agent) {
    let second = Balancer::with_config(config);
    let agent = AgentBuilder::of(first).redirect("127.0.0.1").endpoint("rtmp", second.clients.port()).start();
    first.await_running(1);
    (second, agent)
}

#[test]
fn two_balancers_carry_one_after_the_other() {
    for config in ["", BY_STREAM] {
        let first = Balancer::with_config(config);
        let (second, _first_agent) = second_balancer(&first, config);
        let mut edge = NginxRtmp::start();
        let _second_agent = agent(&second, &edge);
        second.await_running(1);
        let _feeder = NginxRtmp::feed(&mut [&mut edge], "camera");
        let _ = play_frames(&first.url("rtmp", "/live/camera"), 2).expect_success();
        assert_eq!(edge.connects().len(), 2, "one feeds, one plays");
    }
}

#[test]
fn an_edge_that_refuses_a_connect_is_heard() {
    // Whoever was not answered hears the edge itself; whoever was, that it failed.
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
