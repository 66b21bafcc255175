//! RTSP publishers, who follow no redirect, are relayed to the edge that was chosen for them.

use weir_tests::clients::rtsp::{ffmpeg_publishes, gstreamer_publishes};
use weir_tests::edges::RECORDED;

use crate::rtsp_stage::FreeAndBusy;

impl FreeAndBusy {
    fn publish_url(&self) -> String {
        self.balancer.url("rtsp", RECORDED)
    }

    /// Media of one publisher have come to the free edge, and nothing to the other.
    #[track_caller]
    fn assert_published_at_the_free_edge(&self) {
        self.assert_at_the_free_edge(&format!("RECORD {RECORDED}"), &format!("MEDIA {RECORDED}"));
    }
}

#[test]
fn ffmpeg_publishes_at_the_chosen_edge() {
    let stage = FreeAndBusy::set("");
    let _ = ffmpeg_publishes(&stage.publish_url(), &["-rtsp_transport", "tcp"]).expect_success();
    stage.assert_published_at_the_free_edge();
}

#[test]
fn gstreamer_publishes_at_the_chosen_edge() {
    let stage = FreeAndBusy::set("");
    gstreamer_publishes(&stage.publish_url(), "tcp").unwrap();
    stage.assert_published_at_the_free_edge();
}

#[test]
fn ffmpeg_that_prefers_udp_falls_back_to_tcp() {
    let stage = FreeAndBusy::set("");
    let _ = ffmpeg_publishes(&stage.publish_url(), &[]).expect_success();
    stage.assert_published_at_the_free_edge();
}

#[test]
fn who_comes_with_udp_alone_is_told_that_it_cannot_be() {
    let stage = FreeAndBusy::set("");
    let refused = ffmpeg_publishes(&stage.publish_url(), &["-rtsp_transport", "udp"]);
    assert!(!refused.status.success(), "{refused:?}");
    // It has an error of its own: it offers UDP, and where that is refused it offers nothing more, whatever the server.
    assert!(gstreamer_publishes(&stage.publish_url(), "tcp+udp").is_err());
    assert!(!stage.free.events().contains(&format!("RECORD {RECORDED}")), "{:?}", stage.free.events());
}

#[test]
fn where_nobody_is_relayed_publishers_are_refused() {
    let stage = FreeAndBusy::set("[[application]]\nmode = \"redirect\"\n");
    let refused = ffmpeg_publishes(&stage.publish_url(), &["-rtsp_transport", "tcp"]);
    assert!(!refused.status.success() && refused.stderr.contains("405"), "{refused:?}");
    assert!(gstreamer_publishes(&stage.publish_url(), "tcp").is_err());
    for edge in [&stage.free, &stage.busy] {
        assert!(edge.events().is_empty(), "{:?}", edge.events());
    }
}
