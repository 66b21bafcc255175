//! ffmpeg as a player and as a publisher.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use super::task::{Client, FRAMES, Protocol, Room, Task};
use crate::edges::Direction;
use crate::process::{self, Finished, Process};
use crate::wait::PATIENCE;
use crate::{binaries, media, python};

/// The one of Debian.
pub const FFMPEG_5: Client = Client { name: "ffmpeg 5", run: |task| run(&binaries::installed("ffmpeg"), task) };
/// The one in a Python package, which is years newer.
pub const FFMPEG_9: Client = Client { name: "FFmpeg 9", run: |task| run(ffmpeg_9(), task) };

fn run(program: &Path, task: &Task) -> Result<(), String> {
    let mut command = quiet(program);
    if let Some(certificate) = &task.certificate {
        // Debian's version does not verify certificates; the other one reads this file.
        command.env("SSL_CERT_FILE", certificate);
    }
    match task.direction {
        Direction::Play => {
            analyse_briefly(&mut command);
            command.args(transport(task.protocol)).args(["-i", &task.url]);
            command.args(["-an", "-frames:v", &FRAMES.to_string(), "-f", "null", "-"]);
        }
        Direction::Publish => {
            command.args(["-re", "-i"]).arg(media::sample()).args(["-t", "2", "-c", "copy"]);
            let format = if task.url.starts_with("rtmp") { "flv" } else { "rtsp" };
            command.args(["-f", format]).args(transport(task.protocol)).arg(&task.url);
        }
    }
    Room::new().run(command)
}

fn transport(protocol: Protocol) -> &'static [&'static str] {
    match protocol {
        Protocol::Rtsp | Protocol::Rtsps => &["-rtsp_transport", "tcp"],
        Protocol::RtspInHttp => &["-rtsp_transport", "http"],
        _ => &[],
    }
}

fn ffmpeg_9() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        let requirements = Path::new(env!("CARGO_MANIFEST_DIR")).join("clients/requirements.txt");
        let mut command = process::command(python::with_packages("ffmpeg-venv", &requirements));
        command.args(["-c", "import imageio_ffmpeg; print(imageio_ffmpeg.get_ffmpeg_exe())"]);
        PathBuf::from(process::run(command, PATIENCE).expect_success().stdout.trim())
    })
}

/// Decodes the first `frames` video frames of a URL; standard output holds one `framemd5` line for each.
#[track_caller]
#[must_use]
pub fn play_frames(url: &str, frames: usize) -> Finished {
    let mut command = player();
    if url.starts_with("rtsp:") {
        command.args(transport(Protocol::Rtsp));
    }
    command.args(["-i", url, "-an", "-frames:v", &frames.to_string(), "-f", "framemd5", "-"]);
    process::run(command, PATIENCE)
}

/// Plays a number of seconds of a URL in real time.
#[track_caller]
#[must_use]
pub fn play_seconds(url: &str, seconds: usize) -> Finished {
    let mut command = player();
    command.args(["-re", "-i", url, "-t", &seconds.to_string(), "-f", "null", "-"]);
    process::run(command, PATIENCE * 2)
}

/// Publishes a test picture to each of these URLs over separate connections until the process is dropped.
#[must_use]
pub fn publish(urls: &[String]) -> Process {
    let mut command = quiet(&binaries::installed("ffmpeg"));
    command
        .args("-re -f lavfi -i testsrc=size=320x240:rate=5 -c:v libx264 -preset ultrafast -threads 1 -g 5".split(' '));
    // Encoded once for all connections.
    let outputs: Vec<String> = urls.iter().map(|url| format!("[f=flv]{url}")).collect();
    command.args(["-map", "0:v", "-flags", "+global_header", "-f", "tee", &outputs.join("|")]);
    Process::start(command)
}

fn player() -> Command {
    let mut command = quiet(&binaries::installed("ffmpeg"));
    analyse_briefly(&mut command);
    command
}

/// By default ffmpeg analyses five seconds of a live stream before it starts.
fn analyse_briefly(command: &mut Command) {
    command.args(["-analyzeduration", "1000000"]);
}

fn quiet(program: &Path) -> Command {
    let mut command = process::command(program);
    command.args(["-hide_banner", "-nostdin", "-loglevel", "error"]);
    command
}
