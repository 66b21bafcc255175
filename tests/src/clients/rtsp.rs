//! RTSP clients that carry media in the ways that they are told.

use crate::process::{self, Finished};
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
#[track_caller]
#[must_use]
pub fn gstreamer_publishes(url: &str, protocols: &str) -> Finished {
    let mut command = process::command(binaries::installed("gst-launch-1.0"));
    command.arg("-q").args("videotestsrc is-live=true num-buffers=20".split(' '));
    command.args("! video/x-raw,width=320,height=240,framerate=10/1 ! x264enc tune=zerolatency".split(' '));
    command.args("speed-preset=ultrafast key-int-max=10 threads=1 ! rtspclientsink".split(' '));
    command.args([format!("location={url}"), format!("protocols={protocols}")]);
    process::run(command, PATIENCE)
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
