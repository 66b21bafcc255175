//! A short test video, encoded once, and ffmpeg as its publisher.

use std::path::PathBuf;
use std::process::Command;

use crate::binaries;
use crate::cache;
use crate::process::{self, Process};
use crate::wait::PATIENCE;

/// A low resolution and frame rate, so that several tests can run on two cores; one key frame per second.
const ENCODER_OPTIONS: &str = "-f lavfi -i testsrc=size=320x240:rate=10 -t 4 -c:v libx264 -preset ultrafast -tune zerolatency \
                      -threads 1 -g 10 -pix_fmt yuv420p";

/// Returns the path of an FLV file: four seconds of H.264, 320×240, 10 frames per second.
#[must_use]
pub fn sample() -> PathBuf {
    let file = "sample.flv";
    let folder = cache::folder("test-media", ENCODER_OPTIONS.as_bytes(), |folder| {
        let mut encode = ffmpeg();
        encode.current_dir(folder).args(ENCODER_OPTIONS.split_whitespace()).arg(file);
        let _ = process::run(encode, PATIENCE).expect_success();
    });
    folder.join(file)
}

/// Publishes the sample as FLV to each URL, in a loop until the process is dropped.
#[must_use]
pub fn publish_in_a_loop(urls: &[String]) -> Process {
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
