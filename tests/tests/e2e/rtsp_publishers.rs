//! RTSP publishers, who follow no redirect, are relayed to the edge that was chosen for them.

use weir_tests::agent::{Agent, AgentBuilder};
use weir_tests::balancer::Balancer;
use weir_tests::clients::rtsp::{ffmpeg_publishes, gstreamer_publishes};
use weir_tests::edges::{GstRtsp, RECORDED};

const PLAYED: &str = "/live/camera";

/// A balancer with a free and a busy edge.
struct Stage {
    balancer: Balancer,
    free: GstRtsp,
    busy: GstRtsp,
    _agents: [Agent; 2],
}

impl Stage {
    fn set(config: &str) -> Self {
        let balancer = Balancer::with_config(config);
        let (free, busy) = (GstRtsp::serving(PLAYED), GstRtsp::serving(PLAYED));
        let agents = [(&free, 0), (&busy, 30)].map(|(edge, load)| {
            AgentBuilder::of(&balancer).address(edge.address).endpoint("rtsp", edge.port).load(load).start()
        });
        balancer.await_running(2);
        Self { balancer, free, busy, _agents: agents }
    }

    fn url(&self) -> String {
        self.balancer.url("rtsp", RECORDED)
    }

    /// Media of one publisher have come to the free edge, and nothing to the other.
    #[track_caller]
    fn assert_published_at_the_free_edge(&self) {
        self.free.await_event(&format!("MEDIA {RECORDED}"));
        assert!(self.free.events().contains(&format!("RECORD {RECORDED}")), "{:?}", self.free.events());
        assert!(self.busy.events().is_empty(), "{:?}", self.busy.events());
        assert_eq!(self.balancer.handouts("rtsp"), 1.0);
    }
}

#[test]
fn ffmpeg_publishes_at_the_chosen_edge() {
    let stage = Stage::set("");
    let _ = ffmpeg_publishes(&stage.url(), &["-rtsp_transport", "tcp"]).expect_success();
    stage.assert_published_at_the_free_edge();
}

#[test]
fn gstreamer_publishes_at_the_chosen_edge() {
    let stage = Stage::set("");
    let _ = gstreamer_publishes(&stage.url(), "tcp").expect_success();
    stage.assert_published_at_the_free_edge();
}

#[test]
fn ffmpeg_that_prefers_udp_falls_back_to_tcp() {
    let stage = Stage::set("");
    let _ = ffmpeg_publishes(&stage.url(), &[]).expect_success();
    stage.assert_published_at_the_free_edge();
}

#[test]
fn who_comes_with_udp_alone_is_told_that_it_cannot_be() {
    let stage = Stage::set("");
    let refused = ffmpeg_publishes(&stage.url(), &["-rtsp_transport", "udp"]);
    assert!(!refused.status.success(), "{refused:?}");
    // It has an error of its own: it offers UDP, and where that is refused it offers nothing more, whatever the server.
    assert!(!gstreamer_publishes(&stage.url(), "tcp+udp").status.success());
    assert!(!stage.free.events().contains(&format!("RECORD {RECORDED}")), "{:?}", stage.free.events());
}

#[test]
fn where_nobody_is_relayed_publishers_are_refused() {
    let stage = Stage::set("[[application]]\nmode = \"redirect\"\n");
    let refused = ffmpeg_publishes(&stage.url(), &["-rtsp_transport", "tcp"]);
    assert!(!refused.status.success() && refused.stderr.contains("405"), "{refused:?}");
    assert!(!gstreamer_publishes(&stage.url(), "tcp").status.success());
    for edge in [&stage.free, &stage.busy] {
        assert!(edge.events().is_empty(), "{:?}", edge.events());
    }
}
