//! RTSP players that ask the balancer end up at the edge that it chose.

use weir_tests::balancer::Balancer;
use weir_tests::clients::{play_frames, play_rtsp};

use crate::rtsp_stage::{FreeAndBusy, PLAYED};

const FRAMES: usize = 5;

impl FreeAndBusy {
    fn play_url(&self) -> String {
        self.balancer.url("rtsp", PLAYED)
    }

    /// One player has come to the free edge, asked for this path, and played it there.
    #[track_caller]
    fn assert_played_at_the_free_edge(&self) {
        self.assert_at_the_free_edge(&format!("DESCRIBE {PLAYED}"), &format!("PLAY {PLAYED}"));
    }
}

#[test]
fn ffmpeg_plays_from_the_chosen_edge() {
    let stage = FreeAndBusy::set("");
    let played = play_frames(&stage.play_url(), FRAMES).expect_success();
    let frames = played.stdout.lines().filter(|line| !line.starts_with('#')).count();
    assert_eq!(frames, FRAMES, "{}", played.stdout);
    stage.assert_played_at_the_free_edge();
}

#[test]
fn gstreamer_plays_from_the_chosen_edge() {
    let stage = FreeAndBusy::set("");
    let _ = play_rtsp(&stage.play_url(), FRAMES).expect_success();
    stage.assert_played_at_the_free_edge();
}

#[test]
fn without_an_edge_players_are_refused() {
    let balancer = Balancer::start();
    let refused = play_frames(&balancer.url("rtsp", PLAYED), FRAMES);
    assert!(!refused.status.success(), "{refused:?}");
    assert!(refused.stderr.contains("503"), "{}", refused.stderr);
}
