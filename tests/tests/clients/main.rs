//! What reaches the edge of each client that is sent to the balancer: the table in `docs/clients.md`.
//!
//! Each row of the table sets a stage of its own, a balancer with a free and a busy edge, and is judged by what reached
//! the edges. The rows of a client are one test; the last test compares the table with the one in the documentation,
//! and writes it when `WEIR_WRITE_DOCS=1`.

#![allow(clippy::expect_used, reason = "helpers of tests are test code, too")]

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

/// A test for each client, so that a failure has its name.
macro_rules! clients {
    ($($test:ident: $($client:expr),+;)+) => {
        $(#[test]
        fn $test() {
            table::check(&[$($client.name),+]);
        })+

        #[test]
        fn each_client_of_the_table_has_a_test() {
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
fn the_table_in_the_documentation_is_what_happened() {
    document::check(&table::all());
}
