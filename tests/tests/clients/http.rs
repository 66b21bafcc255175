//! HTTP: all clients follow redirects, and content steering moves running sessions.

use weir_tests::clients::{CURL, Client, FFMPEG_5, FFMPEG_9, HLS_JS, HLSDEMUX, MPLAYER, MPV, Protocol, VLC};
use weir_tests::edges::Direction;

use crate::row::{Expected, Method, Mode, Row};

const PLAYERS: [Client; 7] = [FFMPEG_5, FFMPEG_9, MPV, MPLAYER, VLC, HLSDEMUX, HLS_JS];

pub(crate) fn rows() -> Vec<Row> {
    let play = |client, protocol, mode, expected| Row { client, protocol, direction: Direction::Play, mode, expected };
    let redirected = Expected::Arrives(Method::Redirect);
    let mut rows = PLAYERS.map(|client| play(client, Protocol::Hls, Mode::Auto, redirected)).to_vec();
    rows.extend(PLAYERS.map(|client| play(client, Protocol::HlsOverTls, Mode::Auto, redirected)));
    rows.push(play(HLS_JS, Protocol::Hls, Mode::Steering, Expected::Moves));
    rows.push(Row { direction: Direction::Publish, ..play(CURL, Protocol::Whip, Mode::Auto, redirected) });
    rows
}
