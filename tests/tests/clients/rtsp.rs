//! RTSP: players follow a redirect at DESCRIBE, plain, over TLS or tunnelled in HTTP; publishers are relayed.

use weir_tests::clients::{
    Client, FFMPEG_5, FFMPEG_9, MEDIA3, MEDIA3_OVER_TCP, MPLAYER, MPV, Protocol, RTSPCLIENTSINK, RTSPSRC,
};
use weir_tests::edges::Direction::{Play, Publish};

use crate::row::{Expected, Method, Mode, Row, group};

const PLAYERS: [Client; 5] = [FFMPEG_5, FFMPEG_9, MPV, MPLAYER, RTSPSRC];
/// All but MPlayer, which supports neither `rtsps://` nor RTSP over HTTP.
const VERSATILE_PLAYERS: [Client; 4] = [FFMPEG_5, FFMPEG_9, MPV, RTSPSRC];
const PUBLISHERS: [Client; 3] = [FFMPEG_5, FFMPEG_9, RTSPCLIENTSINK];
/// Without ffmpeg, which publishes over plain TCP and TLS only.
const PUBLISHERS_IN_HTTP: [Client; 1] = [RTSPCLIENTSINK];

pub(crate) fn rows() -> Vec<Row> {
    let [redirected, relayed, relayed_after_redirect] =
        [Method::Redirect, Method::Relay, Method::RelayAfterRedirect].map(Expected::Arrives);
    let fails = Expected::Fails("follows no redirect");
    let mut rows = Vec::new();
    rows.extend(group(&PLAYERS, Protocol::Rtsp, Play, Mode::Auto, redirected));
    rows.extend(group(&[MEDIA3], Protocol::Rtsp, Play, Mode::Auto, redirected));
    rows.extend(group(&[MEDIA3_OVER_TCP], Protocol::Rtsp, Play, Mode::Auto, relayed_after_redirect));
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
