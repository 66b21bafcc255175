//! Tests real clients against a balancer: the table in `docs/clients.md`.
//!
//! Each row of the table has its own stage, a balancer with an idle and a busy edge, and is judged by what reached the
//! edges. The rows of a client are one test. The last test compares all results with the table in the documentation, or
//! writes the table if `WEIR_WRITE_DOCS=1`.

#![allow(clippy::expect_used, reason = "test helpers are test code, too")]

mod document;
mod http;
mod row;
mod rtmp;
mod rtsp;
mod stage;
mod steering;
mod table;

use weir_tests::clients::{
    CURL, FFMPEG_5, FFMPEG_9, FLASH, HLS_JS, HLSDEMUX, MEDIA3, MEDIA3_OVER_TCP, MPLAYER, MPV, RTMP2SINK, RTMP2SRC,
    RTMPDUMP, RTMPSINK, RTMPSRC, RTSPCLIENTSINK, RTSPSRC, SRS_EDGE, VLC,
};

/// Defines a test per client, so that a failure names the client.
macro_rules! clients {
    ($($test:ident: $($client:expr),+;)+) => {
        $(#[test]
        fn $test() {
            table::check(&[$($client.name),+]);
        })+

        #[test]
        fn every_client_of_the_table_has_a_test() {
            table::assert_clients(&[$($($client.name),+),+]);
        }
    };
}

clients! {
    curl: CURL;
    ffmpeg_5: FFMPEG_5;
    ffmpeg_9: FFMPEG_9;
    flash_players: FLASH;
    gstreamer_hls: HLSDEMUX;
    gstreamer_rtmp: RTMP2SRC, RTMP2SINK;
    gstreamer_rtmp_by_librtmp: RTMPSRC, RTMPSINK;
    gstreamer_rtsp: RTSPSRC, RTSPCLIENTSINK;
    hls_js_in_chromium: HLS_JS;
    media3: MEDIA3, MEDIA3_OVER_TCP;
    mplayer: MPLAYER;
    mpv: MPV;
    rtmpdump: RTMPDUMP;
    srs_edges: SRS_EDGE;
    vlc: VLC;
}

#[test]
fn the_documented_table_matches_the_results() {
    document::check(&table::all());
}
