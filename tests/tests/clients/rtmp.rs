//! RTMP: no stock player or publisher follows a redirect, so they are relayed.

use weir_tests::clients::{
    Client, FFMPEG_5, FFMPEG_9, FLASH, MPLAYER, MPV, Protocol, RTMP2SINK, RTMP2SRC, RTMPDUMP, RTMPSINK, RTMPSRC,
    SRS_EDGE, VLC,
};
use weir_tests::edges::Direction::{Play, Publish};

use crate::row::{Expected, Method, Mode, Row, group};

const PLAYERS: [Client; 8] = [FFMPEG_5, FFMPEG_9, MPV, MPLAYER, VLC, RTMPDUMP, RTMP2SRC, RTMPSRC];
const PUBLISHERS: [Client; 5] = [FFMPEG_5, FFMPEG_9, VLC, RTMP2SINK, RTMPSINK];
/// All but the clients with librtmp.
const PLAYERS_OVER_TLS: [Client; 6] = [FFMPEG_5, FFMPEG_9, MPV, MPLAYER, VLC, RTMP2SRC];
const PUBLISHERS_OVER_TLS: [Client; 4] = [FFMPEG_5, FFMPEG_9, VLC, RTMP2SINK];

pub(crate) fn rows() -> Vec<Row> {
    let [redirected, redirected_late, relayed] =
        [Method::Redirect, Method::LateRedirect, Method::Relay].map(Expected::Arrives);
    let fails = Expected::Fails("follows no redirect");
    let mut rows = Vec::new();
    for mode in [Mode::Auto, Mode::AutoWithAffinity] {
        rows.extend(group(&[FLASH], Protocol::Rtmp, Play, mode, redirected));
        rows.extend(group(&[SRS_EDGE], Protocol::Rtmp, Play, mode, redirected_late));
        rows.extend(group(&PLAYERS, Protocol::Rtmp, Play, mode, relayed));
        rows.extend(group(&PUBLISHERS, Protocol::Rtmp, Publish, mode, relayed));
    }
    rows.extend(group(&PLAYERS_OVER_TLS, Protocol::Rtmps, Play, Mode::Auto, relayed));
    rows.extend(group(&PUBLISHERS_OVER_TLS, Protocol::Rtmps, Publish, Mode::Auto, relayed));
    rows.extend(group(&[FLASH], Protocol::Rtmp, Play, Mode::Redirect, redirected));
    rows.extend(group(&[SRS_EDGE], Protocol::Rtmp, Play, Mode::Redirect, redirected_late));
    rows.extend(group(&PLAYERS, Protocol::Rtmp, Play, Mode::Redirect, fails));
    rows.extend(group(&PUBLISHERS, Protocol::Rtmp, Publish, Mode::Redirect, fails));
    rows.extend(group(&[FLASH, SRS_EDGE], Protocol::Rtmp, Play, Mode::Relay, relayed));
    rows
}
