//! mpv, MPlayer, VLC and rtmpdump, as the matrix runs them.

use std::fs;

use super::task::{Client, FRAMES, Protocol, Room, Task};
use crate::edges::Direction;
use crate::process;
use crate::{binaries, media};

/// What of a stream is certainly more than its headers.
const SOME_MEDIA: u64 = 10_000;
/// One decoded picture of 320×240 in YUV 4:2:0.
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
    // By default it looks at five seconds of a live stream before it starts.
    command.arg("--demuxer-lavf-analyzeduration=1");
    match task.protocol {
        Protocol::Rtsp | Protocol::Rtsps => command.arg("--rtsp-transport=tcp"),
        Protocol::RtspInHttp => command.arg("--rtsp-transport=http"),
        _ => &mut command,
    };
    command.arg(&task.url);
    Room::new().run(command)
}

/// Its exit code says little, so it writes what it decodes.
fn mplayer(task: &Task) -> Result<(), String> {
    let room = Room::new();
    let mut command = process::command(binaries::installed("mplayer"));
    let output = format!("yuv4mpeg:file={}", room.received().display());
    command.args("-noconfig all -really-quiet -nolirc -benchmark -ao null -frames".split(' ')).arg(FRAMES.to_string());
    command.args(["-vo", &output, "-lavfdopts", "o=analyzeduration=1000000", "-rtsp-stream-over-tcp"]);
    // Its own HTTP and RTSP clients are older than HLS; the prefix makes it use ffmpeg's, as it does for RTMP anyway.
    command.arg(format!("ffmpeg://{}", task.url));
    room.run_until_received(u64::from(FRAMES) * PICTURE, command)
}

/// It refuses to be run by root, and its exit code is 0 whatever happens.
fn vlc(task: &Task) -> Result<(), String> {
    let room = Room::new();
    let mut command = process::unprivileged_command(binaries::installed("vlc"));
    command.args(["--intf=dummy", "--no-video-title-show", "--no-keyboard-events"]);
    if let Some(certificate) = &task.certificate {
        // It trusts what is in a folder, which has to be one that anybody may read.
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
            let said = room.finish(command).stderr;
            if said.contains("stream chain failed") { Err(said) } else { Ok(()) }
        }
    }
}

/// Until it has enough: it does not end by itself.
fn rtmpdump(task: &Task) -> Result<(), String> {
    let room = Room::new();
    let mut command = process::command(binaries::installed("rtmpdump"));
    command.args(["--quiet", "--live", "--rtmp", &task.url, "--flv"]).arg(room.received());
    room.run_until_received(SOME_MEDIA, command)
}
