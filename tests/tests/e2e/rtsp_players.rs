//! RTSP players that ask the balancer end up at the edge that it chose.

use weir_tests::agent::{Agent, AgentBuilder};
use weir_tests::balancer::Balancer;
use weir_tests::clients::{play_frames, play_rtsp};
use weir_tests::edges::GstRtsp;

const PATH: &str = "/live/camera";
const FRAMES: usize = 5;

/// A balancer with a free and a busy edge.
struct Stage {
    balancer: Balancer,
    free: GstRtsp,
    busy: GstRtsp,
    _agents: [Agent; 2],
}

impl Stage {
    fn set() -> Self {
        let balancer = Balancer::start();
        let (free, busy) = (GstRtsp::serving(PATH), GstRtsp::serving(PATH));
        let agents = [(&free, 0), (&busy, 30)].map(|(edge, load)| {
            AgentBuilder::of(&balancer).address(edge.address).endpoint("rtsp", edge.port).load(load).start()
        });
        balancer.await_running(2);
        Self { balancer, free, busy, _agents: agents }
    }

    fn url(&self) -> String {
        self.balancer.url("rtsp", PATH)
    }

    /// One player has come to the free edge, asked for this path, and played it there.
    #[track_caller]
    fn assert_played_at_the_free_edge(&self) {
        self.free.await_event(&format!("PLAY {PATH}"));
        assert!(self.free.events().contains(&format!("DESCRIBE {PATH}")), "{:?}", self.free.events());
        assert!(self.busy.events().is_empty(), "{:?}", self.busy.events());
        assert_eq!(self.balancer.handouts("rtsp"), 1.0);
    }
}

#[test]
fn ffmpeg_plays_from_the_chosen_edge() {
    let stage = Stage::set();
    let played = play_frames(&stage.url(), FRAMES).expect_success();
    let frames = played.stdout.lines().filter(|line| !line.starts_with('#')).count();
    assert_eq!(frames, FRAMES, "{}", played.stdout);
    stage.assert_played_at_the_free_edge();
}

#[test]
fn gstreamer_plays_from_the_chosen_edge() {
    let stage = Stage::set();
    let _ = play_rtsp(&stage.url(), FRAMES).expect_success();
    stage.assert_played_at_the_free_edge();
}

#[test]
fn without_an_edge_players_are_refused() {
    let balancer = Balancer::start();
    let refused = play_frames(&balancer.url("rtsp", PATH), FRAMES);
    assert!(!refused.status.success(), "{refused:?}");
    assert!(refused.stderr.contains("503"), "{}", refused.stderr);
}
