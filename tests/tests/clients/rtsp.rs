//! RTSP: players follow a redirect at DESCRIBE, plain or inside the HTTP tunnel.

use weir_tests::clients::{Client, FFMPEG_5, FFMPEG_9, MPLAYER, MPV, Protocol, RTSPCLIENTSINK, RTSPSRC};
use weir_tests::edges::Direction;

use crate::row::{Expected, Mode, Row};

const PLAYERS: [Client; 5] = [FFMPEG_5, FFMPEG_9, MPV, MPLAYER, RTSPSRC];
const PUBLISHERS: [Client; 3] = [FFMPEG_5, FFMPEG_9, RTSPCLIENTSINK];

pub(crate) fn rows() -> Vec<Row> {
    let row = |client, direction, mode, expected| Row { client, protocol: Protocol::Rtsp, direction, mode, expected };
    let fails = Expected::Fails("it follows no redirect");
    let mut rows = PLAYERS.map(|client| row(client, Direction::Play, Mode::Redirect, Expected::Arrives)).to_vec();
    rows.extend(PUBLISHERS.map(|client| row(client, Direction::Publish, Mode::Redirect, fails)));
    rows
}
