//! GStreamer, whose RTMP and RTSP clients are independent of ffmpeg.

use std::process::Command;
use std::time::Duration;

use super::task::{Client, FRAMES, LIMIT, Protocol, Room, Task};
use crate::binaries;
use crate::process::{self, Process};

/// GStreamer's own RTMP client as a player.
pub const RTMP2SRC: Client = Client {
    name: "GStreamer rtmp2src",
    run: |task| play(&["rtmp2src", &location(task), TRUST, "!", "flvdemux", "!", "h264parse"]),
};
/// librtmp in GStreamer as a player.
pub const RTMPSRC: Client = Client {
    name: "GStreamer rtmpsrc",
    run: |task| {
        // The options of librtmp follow the URL.
        play(&["rtmpsrc", &format!("{} live=1", location(task)), "!", "flvdemux", "!", "h264parse"])
    },
};
/// GStreamer's RTSP client as a player.
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
/// GStreamer's own RTMP client as a publisher.
pub const RTMP2SINK: Client = Client {
    name: "GStreamer rtmp2sink",
    run: |task| publish(&["flvmux", "streamable=true", "!", "rtmp2sink", &location(task), TRUST]),
};
/// librtmp in GStreamer as a publisher.
pub const RTMPSINK: Client = Client {
    name: "GStreamer rtmpsink",
    run: |task| publish(&["flvmux", "streamable=true", "!", "rtmpsink", &location(task)]),
};
/// GStreamer's RTSP client as a publisher.
pub const RTSPCLIENTSINK: Client = Client {
    name: "GStreamer rtspclientsink",
    run: |task| publish(&["rtspclientsink", &location(task), "protocols=tcp", TRUST]),
};

/// Disables verification: the certificates of tests are self-signed.
const TRUST: &str = "tls-validation-flags=0";
/// Two seconds of a live picture, H.264.
const PICTURE: &str = "videotestsrc is-live=true num-buffers=20 ! video/x-raw,width=320,height=240,framerate=10/1 \
                       ! x264enc tune=zerolatency speed-preset=ultrafast key-int-max=10 threads=1";
/// Prints a message once the whole video has passed.
const MARK: &str = "progressreport name=all-is-sent update-freq=86400";
/// Size in bytes of a decoded frame of 320×240 in YUV 4:2:0.
const DECODED: u64 = 320 * 240 * 3 / 2;

/// Plays until enough decoded frames are written: some of its clients fail at the end of the session.
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

/// Waits until the whole video has reached the sink. The end of the session is ignored: `rtspclientsink` 1.22 closes
/// the connection while another of its threads still writes to it, and occasionally fails; and for one stream in
/// fifteen it never reports the end and does not terminate, also without a balancer.
pub(super) fn until_all_is_sent(mut publisher: Process, within: Duration) -> Result<(), String> {
    let sent = publisher.stdout.await_text(within, |output| output.contains("all-is-sent (").then_some(()));
    let finished = publisher.kill();
    sent.map_err(|reason| format!("{}: {reason}\n{}\n{}", finished.name, finished.stdout, finished.stderr))
}

fn location(task: &Task) -> String {
    let url = match task.protocol {
        // GStreamer's scheme for RTSP over HTTP.
        Protocol::RtspInHttp => task.url.replacen("rtsp:", "rtsph:", 1),
        _ => task.url.clone(),
    };
    format!("location={url}")
}

/// Plays an H.264 stream of 320×240 over RTSP with these properties of `rtspsrc`, until some frames are decoded.
///
/// # Errors
/// Its output, when it ends before. The end of the session is ignored: `rtspsrc` 1.22 sends PAUSE while another of its
/// threads closes the connection, and often fails on a slow machine, also without a balancer.
pub fn play_rtsp(url: &str, properties: &[&str]) -> Result<(), String> {
    let location = format!("location={url}");
    play(&[&["rtspsrc", &location, "latency=0"], properties, &["!", "rtph264depay"]].concat())
}
