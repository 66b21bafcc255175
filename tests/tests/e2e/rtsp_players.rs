//! RTSP players follow the redirect to the selected edge.

use weir_tests::balancer::Balancer;
use weir_tests::clients::{play_frames, play_rtsp};

use crate::rtsp_setup::{FreeAndBusy, PLAY_PATH};

const FRAMES: usize = 5;

impl FreeAndBusy {
    fn play_url(&self) -> String {
        self.balancer.url("rtsp", PLAY_PATH)
    }

    /// Asserts that one player has played from the free edge.
    #[track_caller]
    fn assert_played_at_the_free_edge(&self) {
        self.assert_at_the_free_edge(&format!("DESCRIBE {PLAY_PATH}"), &format!("PLAY {PLAY_PATH}"));
    }
}

#[test]
fn ffmpeg_plays_from_the_selected_edge() {
    let setup = FreeAndBusy::start("");
    let played = play_frames(&setup.play_url(), FRAMES).expect_success();
    let frames = played.stdout.lines().filter(|line| !line.starts_with('#')).count();
    assert_eq!(frames, FRAMES, "{}", played.stdout);
    setup.assert_played_at_the_free_edge();
}

#[test]
fn gstreamer_plays_from_the_selected_edge() {
    let setup = FreeAndBusy::start("");
    play_rtsp(&setup.play_url(), &["protocols=tcp"]).expect("it plays");
    setup.assert_played_at_the_free_edge();
}

#[test]
fn without_an_edge_players_are_refused() {
    let balancer = Balancer::start();
    let refused = play_frames(&balancer.url("rtsp", PLAY_PATH), FRAMES);
    assert!(!refused.status.success(), "{refused:?}");
    assert!(refused.stderr.contains("503"), "{}", refused.stderr);
}
