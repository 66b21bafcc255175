//! Players that ask for the edge on the connection on which it was named get there all the same, and those that reconnect
//! are not kept.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use weir_tests::clients::media3::{self, Transport};
use weir_tests::clients::{play_frames, play_rtsp};
use weir_tests::wait::PATIENCE;

use crate::rtsp_stage::{OneEdge, PLAYED};

impl OneEdge {
    fn url(&self) -> String {
        self.balancer.url("rtsp", PLAYED)
    }

    #[track_caller]
    fn assert_played_once(&self) {
        self.edge.await_event(&format!("PLAY {PLAYED}"));
        let described = self.edge.events().iter().filter(|event| **event == format!("DESCRIBE {PLAYED}")).count();
        assert_eq!(described, 1, "{:?}", self.edge.events());
        assert_eq!(self.balancer.handouts("rtsp"), 1.0);
    }
}

#[test]
fn media3_asks_for_the_edge_on_the_old_connection_and_is_relayed() {
    let stage = OneEdge::set("");
    let visited = media3::play(&stage.url(), Transport::Tcp).expect("it plays");
    assert_eq!(visited, [stage.balancer.clients.to_string()]);
    stage.assert_played_once();
}

#[test]
fn media3_that_prefers_udp_goes_on_with_the_edge_itself() {
    let stage = OneEdge::set("");
    let visited = media3::play(&stage.url(), Transport::Udp).expect("it plays");
    assert_eq!(visited, [stage.balancer.clients.to_string(), format!("{}:{}", stage.edge.address, stage.edge.port)]);
    stage.assert_played_once();
}

#[test]
fn where_players_are_relayed_they_see_only_the_balancer() {
    let config = "[[application]]\nmode = \"relay\"\n";
    for play in [play_frames, play_rtsp] {
        let stage = OneEdge::set(config);
        let _ = play(&stage.url(), 5).expect_success();
        stage.assert_played_once();
    }
    let stage = OneEdge::set(config);
    let visited = media3::play(&stage.url(), Transport::Udp).expect("it plays");
    assert_eq!(visited, [stage.balancer.clients.to_string(), stage.balancer.clients.to_string()]);
    assert!(stage.edge.events().contains(&format!("PLAY {PLAYED}")), "{:?}", stage.edge.events());
}

#[test]
fn who_is_known_to_reconnect_is_closed_at_once_and_others_after_a_while() {
    let stage = OneEdge::set("[limits]\nlinger = \"1s\"\n");
    let until_closed = |agent: &str| {
        let mut client = TcpStream::connect(stage.balancer.clients).expect("the balancer listens");
        client.set_read_timeout(Some(PATIENCE)).expect("a time limit");
        let request = format!("DESCRIBE {} RTSP/1.0\r\nCSeq: 1\r\nUser-Agent: {agent}\r\n\r\n", stage.url());
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
