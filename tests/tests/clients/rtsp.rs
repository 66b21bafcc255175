//! RTSP: players follow a redirect at DESCRIBE, plain, over TLS or inside the HTTP tunnel; publishers are relayed.

use weir_tests::clients::{
    Client, FFMPEG_5, FFMPEG_9, MEDIA3, MEDIA3_OVER_TCP, MPLAYER, MPV, Protocol, RTSPCLIENTSINK, RTSPSRC,
};
use weir_tests::edges::Direction::{Play, Publish};

use crate::row::{Expected, Mode, Row, Way, group};

const PLAYERS: [Client; 5] = [FFMPEG_5, FFMPEG_9, MPV, MPLAYER, RTSPSRC];
/// MPlayer knows no `rtsps://`, and no RTSP in HTTP.
const VERSATILE_PLAYERS: [Client; 4] = [FFMPEG_5, FFMPEG_9, MPV, RTSPSRC];
const PUBLISHERS: [Client; 3] = [FFMPEG_5, FFMPEG_9, RTSPCLIENTSINK];
/// ffmpeg publishes over plain TCP and TLS only.
const PUBLISHERS_IN_HTTP: [Client; 1] = [RTSPCLIENTSINK];

pub(crate) fn rows() -> Vec<Row> {
    let [redirected, relayed, on_the_old_connection] =
        [Way::Redirect, Way::Relay, Way::RelayAfterRedirect].map(Expected::Arrives);
    let fails = Expected::Fails("it follows no redirect");
    let mut rows = Vec::new();
    rows.extend(group(&PLAYERS, Protocol::Rtsp, Play, Mode::Auto, redirected));
    rows.extend(group(&[MEDIA3], Protocol::Rtsp, Play, Mode::Auto, redirected));
    rows.extend(group(&[MEDIA3_OVER_TCP], Protocol::Rtsp, Play, Mode::Auto, on_the_old_connection));
    rows.extend(group(&PUBLISHERS, Protocol::Rtsp, Publish, Mode::Auto, relayed));
    rows.extend(group(&VERSATILE_PLAYERS, Protocol::Rtsps, Play, Mode::Auto, redirected));
    rows.extend(group(&PUBLISHERS, Protocol::Rtsps, Publish, Mode::Auto, relayed));
    rows.extend(group(&VERSATILE_PLAYERS, Protocol::RtspInHttp, Play, Mode::Auto, redirected));
    rows.extend(group(&PUBLISHERS_IN_HTTP, Protocol::RtspInHttp, Publish, Mode::Auto, relayed));
    rows.extend(group(&PUBLISHERS, Protocol::Rtsp, Publish, Mode::Redirect, fails));
    rows.extend(group(&PLAYERS, Protocol::Rtsp, Play, Mode::Relay, relayed));
    rows.extend(group(&VERSATILE_PLAYERS, Protocol::Rtsps, Play, Mode::Relay, relayed));
    rows.extend(group(&VERSATILE_PLAYERS, Protocol::RtspInHttp, Play, Mode::Relay, relayed));
    rows
}
