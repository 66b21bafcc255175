//! GStreamer, whose RTMP and RTSP clients are not ffmpeg's.

use std::process::Command;
use std::time::Duration;

use super::task::{Client, FRAMES, LIMIT, Protocol, Room, Task};
use crate::binaries;
use crate::process::{self, Finished, Process};
use crate::wait::PATIENCE;

/// GStreamer's own RTMP client, playing.
pub const RTMP2SRC: Client = Client {
    name: "GStreamer rtmp2src",
    run: |task| play(&["rtmp2src", &location(task), TRUST, "!", "flvdemux", "!", "h264parse"]),
};
/// librtmp in GStreamer, playing.
pub const RTMPSRC: Client = Client {
    name: "GStreamer rtmpsrc",
    run: |task| {
        // The options of librtmp follow the URL.
        play(&["rtmpsrc", &format!("{} live=1", location(task)), "!", "flvdemux", "!", "h264parse"])
    },
};
/// GStreamer's RTSP client, playing.
pub const RTSPSRC: Client = Client {
    name: "GStreamer rtspsrc",
    run: |task| play(&["rtspsrc", &location(task), "protocols=tcp", TRUST, "latency=0", "!", "rtph264depay"]),
};
/// GStreamer's HLS client.
pub const HLSDEMUX: Client = Client {
    name: "GStreamer hlsdemux",
    run: |task| {
        play(&["souphttpsrc", &location(task), "ssl-strict=false", "!", "hlsdemux", "!", "tsdemux", "!", "h264parse"])
    },
};
/// GStreamer's own RTMP client, publishing.
pub const RTMP2SINK: Client = Client {
    name: "GStreamer rtmp2sink",
    run: |task| publish(&["flvmux", "streamable=true", "!", "rtmp2sink", &location(task), TRUST]),
};
/// librtmp in GStreamer, publishing.
pub const RTMPSINK: Client = Client {
    name: "GStreamer rtmpsink",
    run: |task| publish(&["flvmux", "streamable=true", "!", "rtmpsink", &location(task)]),
};
/// GStreamer's RTSP client, publishing.
pub const RTSPCLIENTSINK: Client = Client {
    name: "GStreamer rtspclientsink",
    run: |task| publish(&["rtspclientsink", &location(task), "protocols=tcp", TRUST]),
};

/// Certificates of tests are signed by themselves.
const TRUST: &str = "tls-validation-flags=0";
/// Two seconds of a live picture, H.264.
const PICTURE: &str = "videotestsrc is-live=true num-buffers=20 ! video/x-raw,width=320,height=240,framerate=10/1 \
                       ! x264enc tune=zerolatency speed-preset=ultrafast key-int-max=10 threads=1";
/// Says so when all of the picture has gone by.
const MARK: &str = "progressreport name=all-is-sent update-freq=86400";
/// Decoded, 320×240 in YUV 4:2:0.
const DECODED: u64 = 320 * 240 * 3 / 2;

/// Until it has written enough of what it decodes: some of its clients fail when they say farewell.
fn play(source: &[&str]) -> Result<(), String> {
    let room = Room::new();
    let mut command = process::command(binaries::installed("gst-launch-1.0"));
    command.arg("-q").args(source).args(["!", "avdec_h264", "!", "filesink", "buffer-mode=unbuffered"]);
    command.arg(format!("location={}", room.received().display()));
    room.run_until_received(u64::from(FRAMES) * DECODED, command)
}

fn publish(sink: &[&str]) -> Result<(), String> {
    let room = Room::new();
    until_all_is_sent(room.start(publisher(sink)), LIMIT)
}

pub(super) fn publisher(sink: &[&str]) -> Command {
    let mut command = process::command(binaries::installed("gst-launch-1.0"));
    command.args(PICTURE.split_whitespace()).arg("!").args(MARK.split_whitespace()).arg("!").args(sink);
    command
}

/// Waits until all has gone to the sink. How that says farewell counts for nothing: `rtspclientsink` 1.22 closes the
/// connection while another thread of its own still writes there, and now and then fails; and of one stream in fifteen it never
/// says that it has ended, and goes on for ever, also where there is nobody between it and its server.
pub(super) fn until_all_is_sent(mut publisher: Process, within: Duration) -> Result<(), String> {
    let sent = publisher.stdout.await_text(within, |said| said.contains("all-is-sent (").then_some(()));
    let finished = publisher.kill();
    sent.map_err(|reason| format!("{}: {reason}\n{}\n{}", finished.name, finished.stdout, finished.stderr))
}

fn location(task: &Task) -> String {
    let url = match task.protocol {
        // Its own name for RTSP in HTTP.
        Protocol::RtspInHttp => task.url.replacen("rtsp:", "rtsph:", 1),
        _ => task.url.clone(),
    };
    format!("location={url}")
}

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
