//! GStreamer, whose RTSP client is not ffmpeg's.

use crate::binaries;
use crate::process::{self, Finished};
use crate::wait::PATIENCE;

/// Plays an H.264 stream until `frames` frames are decoded; succeeds only then.
#[track_caller]
#[must_use]
pub fn play_rtsp(url: &str, frames: usize) -> Finished {
    let mut command = process::command(binaries::installed("gst-launch-1.0"));
    command.args(["-q", "rtspsrc", &format!("location={url}"), "protocols=tcp", "latency=0"]);
    command.args("! rtph264depay ! avdec_h264 ! identity".split(' '));
    command.arg(format!("eos-after={frames}")).args(["!", "fakesink"]);
    process::run(command, PATIENCE)
}
