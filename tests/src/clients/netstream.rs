//! Playback after a successful `connect` (RTMP 1.0, sections 7.2.1.3 and 7.2.2.1).

use std::io;

use super::amf0::Value;
use super::rtmp::{Connection, Incoming};

/// Video messages after which a stream counts as played.
const PICTURES: usize = 5;
const CREATE_STREAM: f64 = 2.0;

/// How an attempt to play ended.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Ending {
    /// With video.
    Played,
    /// With an error status: its information object.
    Status(Value),
}

/// Plays a live stream until some video has been received or the server reports an error.
///
/// # Errors
/// When the connection ends or fails first, or the server creates no stream.
pub(super) fn play(connection: &mut Connection, stream: &str) -> io::Result<Ending> {
    connection.send("createStream", CREATE_STREAM, &[Value::Null])?;
    let number = match connection.answer(CREATE_STREAM)?.2.pop() {
        // Servers number streams from 1.
        Some(Value::Number(number @ 1.0..256.0)) => number as u8,
        other => return Err(io::Error::other(format!("no stream: {other:?}"))),
    };
    connection.send_on(
        number,
        "play",
        0.0,
        &[Value::Null, Value::String(stream.to_owned()), Value::Number(-1000.0)],
    )?;
    let mut pictures = 0;
    while pictures < PICTURES {
        match connection.receive_any()? {
            Incoming::Video => pictures += 1,
            Incoming::Command((_, _, mut arguments)) => {
                if let Some(information) = arguments.pop().filter(|last| last.text("level") == Some("error")) {
                    return Ok(Ending::Status(information));
                }
            }
        }
    }
    Ok(Ending::Played)
}
