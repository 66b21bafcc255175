//! Players that request the edge on the connection that redirected them are relayed to it. The connection is closed at
//! once for players that are known to reconnect.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use weir_tests::clients::media3::{self, Transport};
use weir_tests::clients::{play_frames, play_rtsp};
use weir_tests::wait::PATIENCE;

use crate::rtsp_setup::{OneEdge, PLAY_PATH};

impl OneEdge {
    fn url(&self) -> String {
        self.balancer.url("rtsp", PLAY_PATH)
    }

    #[track_caller]
    fn assert_played_once(&self) {
        self.edge.await_event(&format!("PLAY {PLAY_PATH}"));
        let described = self.edge.events().iter().filter(|event| **event == format!("DESCRIBE {PLAY_PATH}")).count();
        assert_eq!(described, 1, "{:?}", self.edge.events());
        assert_eq!(self.balancer.assignments("rtsp"), 1.0);
    }
}

#[test]
fn media3_requests_the_edge_on_the_old_connection_and_is_relayed() {
    let setup = OneEdge::start("");
    let visited = media3::play(&setup.url(), Transport::Tcp).expect("it plays");
    assert_eq!(visited, [setup.balancer.clients.to_string()]);
    setup.assert_played_once();
}

#[test]
fn media3_that_prefers_udp_connects_to_the_edge_itself() {
    let setup = OneEdge::start("");
    let visited = media3::play(&setup.url(), Transport::Udp).expect("it plays");
    assert_eq!(visited, [setup.balancer.clients.to_string(), format!("{}:{}", setup.edge.address, setup.edge.port)]);
    setup.assert_played_once();
}

#[test]
fn relayed_players_see_only_the_balancer() {
    let config = "[[application]]\nmode = \"relay\"\n";
    let setup = OneEdge::start(config);
    let _ = play_frames(&setup.url(), 5).expect_success();
    setup.assert_played_once();
    let setup = OneEdge::start(config);
    play_rtsp(&setup.url(), &["protocols=tcp"]).expect("it plays");
    setup.assert_played_once();
    let setup = OneEdge::start(config);
    let visited = media3::play(&setup.url(), Transport::Udp).expect("it plays");
    assert_eq!(visited, [setup.balancer.clients.to_string(), setup.balancer.clients.to_string()]);
    assert!(setup.edge.events().contains(&format!("PLAY {PLAY_PATH}")), "{:?}", setup.edge.events());
}

#[test]
fn connections_are_closed_at_once_for_clients_that_reconnect_and_after_linger_for_others() {
    let setup = OneEdge::start("[limits]\nlinger = \"1s\"\n");
    let until_closed = |agent: &str| {
        let mut client = TcpStream::connect(setup.balancer.clients).expect("the balancer listens");
        client.set_read_timeout(Some(PATIENCE)).expect("a time limit");
        let request = format!("DESCRIBE {} RTSP/1.0\r\nCSeq: 1\r\nUser-Agent: {agent}\r\n\r\n", setup.url());
        let asked = Instant::now();
        client.write_all(request.as_bytes()).expect("send");
        let mut answer = String::new();
        client.read_to_string(&mut answer).expect("an answer, and the end");
        assert!(answer.starts_with("RTSP/1.0 302 "), "{answer}");
        assert_eq!(answer.matches("RTSP/1.0").count(), 1, "{answer}");
        asked.elapsed()
    };
    let linger = Duration::from_secs(1);
    assert!(until_closed("Lavf59.27.100") < linger);
    assert!(until_closed("AndroidXMedia3/1.4.1") >= linger);
}
