//! HTTP: everybody follows a redirect.

use weir_tests::clients::{CURL, Client, FFMPEG_5, FFMPEG_9, HLS_JS, HLSDEMUX, MPLAYER, MPV, Protocol, VLC};
use weir_tests::edges::Direction;

use crate::row::{Expected, Mode, Row};

const PLAYERS: [Client; 7] = [FFMPEG_5, FFMPEG_9, MPV, MPLAYER, VLC, HLSDEMUX, HLS_JS];

pub(crate) fn rows() -> Vec<Row> {
    let row = |client, protocol, direction| Row {
        client,
        protocol,
        direction,
        mode: Mode::Auto,
        expected: Expected::Arrives,
    };
    let mut rows = PLAYERS.map(|client| row(client, Protocol::Hls, Direction::Play)).to_vec();
    rows.extend(PLAYERS.map(|client| row(client, Protocol::HlsOverTls, Direction::Play)));
    rows.push(row(CURL, Protocol::Whip, Direction::Publish));
    rows
}
