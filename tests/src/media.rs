//! A short test picture, encoded once, and ffmpeg that sends it on.

use std::path::PathBuf;
use std::process::Command;

use crate::binaries;
use crate::once;
use crate::process::{self, Process};
use crate::wait::PATIENCE;

/// Small and slow, so that several tests fit on two cores; a key frame each second.
const RECIPE: &str = "-f lavfi -i testsrc=size=320x240:rate=10 -t 4 -c:v libx264 -preset ultrafast -tune zerolatency \
                      -threads 1 -g 10 -pix_fmt yuv420p";

/// An FLV file of four seconds of H.264, 320×240, 10 frames a second.
#[must_use]
pub fn sample() -> PathBuf {
    let file = "sample.flv";
    let folder = once::folder("test-media", RECIPE.as_bytes(), |folder| {
        let mut encode = ffmpeg();
        encode.current_dir(folder).args(RECIPE.split_whitespace()).arg(file);
        let _ = process::run(encode, PATIENCE).expect_success();
    });
    folder.join(file)
}

/// Publishes the sample again and again, as FLV, to each of these URLs, until the process is dropped.
#[must_use]
pub fn publish_for_ever(urls: &[String]) -> Process {
    let mut command = ffmpeg();
    command.args(["-re", "-stream_loop", "-1", "-i"]).arg(sample());
    for url in urls {
        command.args(["-c", "copy", "-f", "flv", url]);
    }
    Process::start(command)
}

fn ffmpeg() -> Command {
    let mut command = process::command(binaries::installed("ffmpeg"));
    command.args(["-hide_banner", "-nostdin", "-loglevel", "error"]);
    command
}
