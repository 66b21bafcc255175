//! mpv, MPlayer, VLC and rtmpdump for the table of clients.

use std::fs;

use super::task::{Client, FRAMES, Protocol, Room, Task};
use crate::edges::Direction;
use crate::process;
use crate::{binaries, media};

/// Size in bytes that exceeds the headers of a stream.
const SOME_MEDIA: u64 = 10_000;
/// Size in bytes of a decoded frame of 320×240 in YUV 4:2:0.
const PICTURE: u64 = 320 * 240 * 3 / 2;

/// mpv.
pub const MPV: Client = Client { name: "mpv", run: mpv };
/// MPlayer.
pub const MPLAYER: Client = Client { name: "MPlayer", run: mplayer };
/// VLC.
pub const VLC: Client = Client { name: "VLC", run: vlc };
/// rtmpdump, the program of librtmp.
pub const RTMPDUMP: Client = Client { name: "rtmpdump", run: rtmpdump };

fn mpv(task: &Task) -> Result<(), String> {
    let mut command = process::command(binaries::installed("mpv"));
    command.args(["--no-config", "--no-terminal", "--vo=null", "--ao=null", &format!("--frames={FRAMES}")]);
    // By default mpv analyses five seconds of a live stream before it starts.
    command.arg("--demuxer-lavf-analyzeduration=1");
    match task.protocol {
        Protocol::Rtsp | Protocol::Rtsps => command.arg("--rtsp-transport=tcp"),
        Protocol::RtspInHttp => command.arg("--rtsp-transport=http"),
        _ => &mut command,
    };
    command.arg(&task.url);
    Room::new().run(command)
}

/// Its exit code is unreliable, so it writes the decoded frames.
fn mplayer(task: &Task) -> Result<(), String> {
    let room = Room::new();
    let mut command = process::command(binaries::installed("mplayer"));
    let output = format!("yuv4mpeg:file={}", room.received().display());
    command.args("-noconfig all -really-quiet -nolirc -benchmark -ao null -frames".split(' ')).arg(FRAMES.to_string());
    command.args(["-vo", &output, "-lavfdopts", "o=analyzeduration=1000000", "-rtsp-stream-over-tcp"]);
    // Its own HTTP and RTSP clients predate HLS; the prefix selects ffmpeg's, which it uses for RTMP in any case.
    command.arg(format!("ffmpeg://{}", task.url));
    room.run_until_received(u64::from(FRAMES) * PICTURE, command)
}

/// It refuses to run as root, and always exits with code 0.
fn vlc(task: &Task) -> Result<(), String> {
    let room = Room::new();
    let mut command = process::unprivileged_command(binaries::installed("vlc"));
    command.args(["--intf=dummy", "--no-video-title-show", "--no-keyboard-events"]);
    if let Some(certificate) = &task.certificate {
        // It trusts the certificates in a folder, which must be readable by all users.
        fs::copy(certificate, room.path().join("trusted.pem")).expect("copy the certificate");
        command.arg("--gnutls-dir-trust").arg(room.path());
    }
    match task.direction {
        Direction::Play => {
            let output = format!("#std{{access=file,mux=ts,dst={}}}", room.received().display());
            command.args(["--sout", &output, &task.url, "vlc://quit"]);
            room.run_until_received(SOME_MEDIA, command)
        }
        Direction::Publish => {
            let output = format!("#std{{access=rtmp,mux=ffmpeg{{mux=flv}},dst={}}}", task.url);
            command.arg("--run-time=2").arg(media::sample()).args(["--sout", &output, "vlc://quit"]);
            let log = room.finish(command).stderr;
            if log.contains("stream chain failed") { Err(log) } else { Ok(()) }
        }
    }
}

/// Runs until enough is received: rtmpdump does not stop on its own.
fn rtmpdump(task: &Task) -> Result<(), String> {
    let room = Room::new();
    let mut command = process::command(binaries::installed("rtmpdump"));
    command.args(["--quiet", "--live", "--rtmp", &task.url, "--flv"]).arg(room.received());
    room.run_until_received(SOME_MEDIA, command)
}
