//! RTSP clients with selectable transports.

use super::gstreamer::{publisher, until_all_is_sent};
use crate::process::{self, Finished, Process};
use crate::wait::PATIENCE;
use crate::{binaries, media};

/// Number of frames that a player plays.
const FRAMES: &str = "5";

/// Publishes two seconds of video with ffmpeg and these options of its RTSP muxer.
#[track_caller]
#[must_use]
pub fn ffmpeg_publishes(url: &str, options: &[&str]) -> Finished {
    let mut command = process::command(binaries::installed("ffmpeg"));
    command.args(["-hide_banner", "-nostdin", "-loglevel", "warning", "-re", "-i"]).arg(media::sample());
    command.args(["-t", "2", "-c", "copy", "-f", "rtsp"]).args(options).arg(url);
    process::run(command, PATIENCE)
}

/// Publishes two seconds of video with GStreamer over one of these `protocols`, such as `tcp` or `udp+tcp`.
///
/// # Errors
/// Its output, when it ends before everything is sent.
#[track_caller]
pub fn gstreamer_publishes(url: &str, protocols: &str) -> Result<(), String> {
    let sink = ["rtspclientsink", &format!("location={url}"), &format!("protocols={protocols}")];
    until_all_is_sent(Process::start(publisher(&sink)), PATIENCE)
}

/// Plays some frames with ffmpeg and these options of its RTSP demuxer.
#[track_caller]
#[must_use]
pub fn ffmpeg_plays(url: &str, options: &[&str]) -> Finished {
    let mut command = process::command(binaries::installed("ffmpeg"));
    command.args(["-hide_banner", "-nostdin", "-loglevel", "warning", "-analyzeduration", "1000000"]).args(options);
    command.args(["-i", url, "-an", "-frames:v", FRAMES, "-f", "null", "-"]);
    process::run(command, PATIENCE)
}
