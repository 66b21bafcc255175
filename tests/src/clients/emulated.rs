//! Emulated clients and curl as a WHIP publisher, for the table of clients.

use std::io;

use super::media3::{self, Transport};
use super::task::{Client, Room, Task};
use super::{flash, srs};
use crate::binaries;
use crate::process;

/// A Flash player.
pub const FLASH: Client = Client { name: "Flash player (emulated)", run: |task| outcome(flash::play(&task.url)) };
/// An SRS edge that pulls a stream.
pub const SRS_EDGE: Client =
    Client { name: "SRS edge (emulated)", run: |task| outcome(srs::pull(&task.url).map(|_visited| ())) };
/// Android's Media3.
pub const MEDIA3: Client = Client { name: "Media3 (emulated)", run: |task| media3(task, Transport::Udp) };
/// Android's Media3, configured to use one connection.
pub const MEDIA3_OVER_TCP: Client =
    Client { name: "Media3 (emulated), TCP forced", run: |task| media3(task, Transport::Tcp) };
/// Posts an offer as a WHIP publisher does, and follows redirects as their libraries do.
pub const CURL: Client = Client { name: "curl with a WHIP offer", run: curl };

/// Length of the offer: that of a browser's, so that a request without its body is recognised.
const OFFER_LINES: usize = 60;

fn curl(task: &Task) -> Result<(), String> {
    let offer = format!("v=0\r\n{}", "a=fmtp:96 level-asymmetry-allowed=1\r\n".repeat(OFFER_LINES));
    let mut command = process::command(binaries::installed("curl"));
    command.args(["--silent", "--show-error", "--fail", "--location", "--max-time", "10", "--noproxy", "*"]);
    command.args(["--header", "Content-Type: application/sdp", "--data-binary", &offer, &task.url]);
    Room::new().run(command)
}

fn media3(task: &Task, transport: Transport) -> Result<(), String> {
    outcome(media3::play(&task.url, transport).map(|_visited| ()))
}

fn outcome(result: io::Result<()>) -> Result<(), String> {
    result.map_err(|error| error.to_string())
}
