//! RTSP clients that publish, and that carry media in the ways that they choose.

use crate::process::{self, Finished};
use crate::wait::PATIENCE;
use crate::{binaries, media};

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
