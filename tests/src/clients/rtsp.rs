//! RTSP clients that carry media in the ways that they are told.

use super::gstreamer::{publisher, until_all_is_sent};
use crate::process::{self, Finished, Process};
use crate::wait::PATIENCE;
use crate::{binaries, media};

/// Pictures that a player plays.
const FRAMES: &str = "5";

/// ffmpeg publishes two seconds of a picture, with these options of its RTSP muxer or none.
#[track_caller]
#[must_use]
pub fn ffmpeg_publishes(url: &str, options: &[&str]) -> Finished {
    let mut command = process::command(binaries::installed("ffmpeg"));
    command.args(["-hide_banner", "-nostdin", "-loglevel", "warning", "-re", "-i"]).arg(media::sample());
    command.args(["-t", "2", "-c", "copy", "-f", "rtsp"]).args(options).arg(url);
    process::run(command, PATIENCE)
}

/// GStreamer publishes two seconds of a picture over any of these `protocols`, such as `tcp` or `udp+tcp`.
///
/// # Errors
/// What it says when it ends before all is sent.
#[track_caller]
pub fn gstreamer_publishes(url: &str, protocols: &str) -> Result<(), String> {
    let sink = ["rtspclientsink", &format!("location={url}"), &format!("protocols={protocols}")];
    until_all_is_sent(Process::start(publisher(&sink)), PATIENCE)
}

/// ffmpeg plays some frames, with these options of its RTSP demuxer.
#[track_caller]
#[must_use]
pub fn ffmpeg_plays(url: &str, options: &[&str]) -> Finished {
    let mut command = process::command(binaries::installed("ffmpeg"));
    command.args(["-hide_banner", "-nostdin", "-loglevel", "warning", "-analyzeduration", "1000000"]).args(options);
    command.args(["-i", url, "-an", "-frames:v", FRAMES, "-f", "null", "-"]);
    process::run(command, PATIENCE)
}

/// GStreamer plays some frames, with these properties of `rtspsrc`.
#[track_caller]
#[must_use]
pub fn gstreamer_plays(url: &str, properties: &[&str]) -> Finished {
    let mut command = process::command(binaries::installed("gst-launch-1.0"));
    command.args(["-q", "rtspsrc", &format!("location={url}"), "latency=0"]).args(properties);
    command.args("! rtph264depay ! avdec_h264 ! identity".split(' '));
    command.args([&format!("eos-after={FRAMES}"), "!", "fakesink"]);
    process::run(command, PATIENCE)
}
