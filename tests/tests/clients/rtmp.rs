//! RTMP: what no stock player or publisher follows is a redirect.

use weir_tests::clients::{
    Client, FFMPEG_5, FFMPEG_9, FLASH, MPLAYER, MPV, Protocol, RTMP2SINK, RTMP2SRC, RTMPDUMP, RTMPSINK, RTMPSRC, VLC,
};
use weir_tests::edges::Direction;

use crate::row::{Expected, Mode, Row};

const PLAYERS: [Client; 8] = [FFMPEG_5, FFMPEG_9, MPV, MPLAYER, VLC, RTMPDUMP, RTMP2SRC, RTMPSRC];
const PUBLISHERS: [Client; 5] = [FFMPEG_5, FFMPEG_9, VLC, RTMP2SINK, RTMPSINK];

pub(crate) fn rows() -> Vec<Row> {
    let row = |client, direction, mode, expected| Row { client, protocol: Protocol::Rtmp, direction, mode, expected };
    let fails = Expected::Fails("it follows no redirect");
    let mut rows = vec![row(FLASH, Direction::Play, Mode::Redirect, Expected::Arrives)];
    rows.extend(PLAYERS.map(|client| row(client, Direction::Play, Mode::Redirect, fails)));
    rows.extend(PUBLISHERS.map(|client| row(client, Direction::Publish, Mode::Redirect, fails)));
    rows
}
