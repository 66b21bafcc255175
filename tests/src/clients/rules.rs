//! Clients of our own, as the matrix runs them, and curl as a WHIP publisher.

use std::io;

use super::media3::{self, Transport};
use super::task::{Client, Room, Task};
use super::{flash, srs};
use crate::binaries;
use crate::process;

/// What every Flash player did.
pub const FLASH: Client = Client { name: "Flash players' rule", run: |task| told(flash::play(&task.url)) };
/// What an SRS edge does that pulls.
pub const SRS_EDGE: Client =
    Client { name: "SRS edges' rule", run: |task| told(srs::pull(&task.url).map(|_visited| ())) };
/// What Android's player does.
pub const MEDIA3: Client = Client { name: "Media3's rule", run: |task| media3(task, Transport::Udp) };
/// The same, told to keep to one connection.
pub const MEDIA3_OVER_TCP: Client =
    Client { name: "Media3's rule, TCP forced", run: |task| media3(task, Transport::Tcp) };
/// Posts an offer as WHIP publishers do, and follows as their libraries do.
pub const CURL: Client = Client { name: "curl, posting an offer", run: curl };

/// As long as a browser's, which is what tells an offer from a request that lost its body.
const OFFER_LINES: usize = 60;

fn curl(task: &Task) -> Result<(), String> {
    let offer = format!("v=0\r\n{}", "a=fmtp:96 level-asymmetry-allowed=1\r\n".repeat(OFFER_LINES));
    let mut command = process::command(binaries::installed("curl"));
    command.args(["--silent", "--show-error", "--fail", "--location", "--max-time", "10", "--noproxy", "*"]);
    command.args(["--header", "Content-Type: application/sdp", "--data-binary", &offer, &task.url]);
    Room::new().run(command)
}

fn media3(task: &Task, transport: Transport) -> Result<(), String> {
    told(media3::play(&task.url, transport).map(|_visited| ()))
}

fn told(result: io::Result<()>) -> Result<(), String> {
    result.map_err(|error| error.to_string())
}
