//! RTSP publishers do not follow redirects, so they are relayed to the selected edge.

use weir_tests::clients::rtsp::{ffmpeg_publishes, gstreamer_publishes};
use weir_tests::edges::PUBLISH_PATH;

use crate::rtsp_setup::FreeAndBusy;

impl FreeAndBusy {
    fn publish_url(&self) -> String {
        self.balancer.url("rtsp", PUBLISH_PATH)
    }

    /// Asserts that the media of one publisher has reached the free edge, and nothing the busy one.
    #[track_caller]
    fn assert_published_at_the_free_edge(&self) {
        self.assert_at_the_free_edge(&format!("RECORD {PUBLISH_PATH}"), &format!("MEDIA {PUBLISH_PATH}"));
    }
}

#[test]
fn ffmpeg_publishes_to_the_selected_edge() {
    let setup = FreeAndBusy::start("");
    let _ = ffmpeg_publishes(&setup.publish_url(), &["-rtsp_transport", "tcp"]).expect_success();
    setup.assert_published_at_the_free_edge();
}

#[test]
fn gstreamer_publishes_to_the_selected_edge() {
    let setup = FreeAndBusy::start("");
    gstreamer_publishes(&setup.publish_url(), "tcp").unwrap();
    setup.assert_published_at_the_free_edge();
}

#[test]
fn ffmpeg_that_prefers_udp_falls_back_to_tcp() {
    let setup = FreeAndBusy::start("");
    let _ = ffmpeg_publishes(&setup.publish_url(), &[]).expect_success();
    setup.assert_published_at_the_free_edge();
}

#[test]
fn publishers_that_offer_only_udp_are_refused() {
    let setup = FreeAndBusy::start("");
    let refused = ffmpeg_publishes(&setup.publish_url(), &["-rtsp_transport", "udp"]);
    assert!(!refused.status.success(), "{refused:?}");
    // A fault of GStreamer: it offers UDP, and if that is refused it does not offer TCP, whatever the server.
    assert!(gstreamer_publishes(&setup.publish_url(), "tcp+udp").is_err());
    assert!(!setup.free.events().contains(&format!("RECORD {PUBLISH_PATH}")), "{:?}", setup.free.events());
}

#[test]
fn publishers_are_refused_with_mode_redirect() {
    let setup = FreeAndBusy::start("[[application]]\nmode = \"redirect\"\n");
    let refused = ffmpeg_publishes(&setup.publish_url(), &["-rtsp_transport", "tcp"]);
    assert!(!refused.status.success() && refused.stderr.contains("405"), "{refused:?}");
    assert!(gstreamer_publishes(&setup.publish_url(), "tcp").is_err());
    for edge in [&setup.free, &setup.busy] {
        assert!(edge.events().is_empty(), "{:?}", edge.events());
    }
}
