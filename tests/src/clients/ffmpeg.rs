//! ffmpeg, as a player and as a publisher.

use std::process::Command;

use crate::binaries;
use crate::process::{self, Finished, Process};
use crate::wait::PATIENCE;

/// Decodes the first `frames` video frames of a URL; standard output holds one `framemd5` line for each.
#[track_caller]
#[must_use]
pub fn play_frames(url: &str, frames: usize) -> Finished {
    let mut command = player();
    if url.starts_with("rtsp:") {
        command.args(["-rtsp_transport", "tcp"]);
    }
    command.args(["-i", url, "-an", "-frames:v", &frames.to_string(), "-f", "framemd5", "-"]);
    process::run(command, PATIENCE)
}

/// Plays that many seconds of a URL, at the speed at which they were made.
#[track_caller]
#[must_use]
pub fn play_seconds(url: &str, seconds: usize) -> Finished {
    let mut command = player();
    command.args(["-re", "-i", url, "-t", &seconds.to_string(), "-f", "null", "-"]);
    process::run(command, PATIENCE * 2)
}

/// Publishes a test picture to each of these URLs, over a connection each, until the process is dropped.
#[must_use]
pub fn publish(urls: &[String]) -> Process {
    let mut command = quiet();
    command
        .args("-re -f lavfi -i testsrc=size=320x240:rate=5 -c:v libx264 -preset ultrafast -threads 1 -g 5".split(' '));
    // Encoded once, whatever the number of connections.
    let outputs: Vec<String> = urls.iter().map(|url| format!("[f=flv]{url}")).collect();
    command.args(["-map", "0:v", "-flags", "+global_header", "-f", "tee", &outputs.join("|")]);
    Process::start(command)
}

fn player() -> Command {
    let mut command = quiet();
    // By default it looks at five seconds of a live stream before it starts.
    command.args(["-analyzeduration", "1000000"]);
    command
}

fn quiet() -> Command {
    let mut command = process::command(binaries::installed("ffmpeg"));
    command.args(["-hide_banner", "-nostdin", "-loglevel", "error"]);
    command
}
