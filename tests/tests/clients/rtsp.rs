//! RTSP: players follow a redirect at DESCRIBE, plain or inside the HTTP tunnel.

use weir_tests::clients::{Client, FFMPEG_5, FFMPEG_9, MPLAYER, MPV, Protocol, RTSPCLIENTSINK, RTSPSRC};
use weir_tests::edges::Direction;

use crate::row::{Expected, Mode, Row, Way};

const PLAYERS: [Client; 5] = [FFMPEG_5, FFMPEG_9, MPV, MPLAYER, RTSPSRC];
/// MPlayer knows no `rtsps://`.
const PLAYERS_OVER_TLS: [Client; 4] = [FFMPEG_5, FFMPEG_9, MPV, RTSPSRC];
const PUBLISHERS: [Client; 3] = [FFMPEG_5, FFMPEG_9, RTSPCLIENTSINK];

pub(crate) fn rows() -> Vec<Row> {
    let row = |client, protocol, direction, mode, expected| Row { client, protocol, direction, mode, expected };
    let play = |client, protocol| row(client, protocol, Direction::Play, Mode::Auto, Expected::Arrives(Way::Redirect));
    let mut rows = PLAYERS.map(|client| play(client, Protocol::Rtsp)).to_vec();
    rows.extend(PLAYERS_OVER_TLS.map(|client| play(client, Protocol::Rtsps)));
    let fails = Expected::Fails("it follows no redirect");
    rows.extend(PUBLISHERS.map(|client| row(client, Protocol::Rtsp, Direction::Publish, Mode::Redirect, fails)));
    rows
}
