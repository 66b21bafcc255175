//! The tasks of clients in the table, and how clients are run.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use tempfile::TempDir;

use crate::balancer::folder;
use crate::edges::Direction;
use crate::process::{Finished, Process};
use crate::wait::{PATIENCE, eventually};

/// Number of frames that a player plays.
pub(super) const FRAMES: u32 = 5;
/// Time limit for a client, which takes a few seconds on an idle machine: clients run concurrently.
pub(super) const LIMIT: Duration = PATIENCE.saturating_mul(2);

/// The protocol between client and balancer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// RTMP.
    Rtmp,
    /// RTMP over TLS.
    Rtmps,
    /// RTSP, with the media on the same connection.
    Rtsp,
    /// RTSP over TLS.
    Rtsps,
    /// RTSP tunnelled in a pair of HTTP connections.
    RtspInHttp,
    /// HLS over HTTP.
    Hls,
    /// HLS over HTTPS.
    HlsOverTls,
    /// WebRTC, offered over HTTP (RFC 9725).
    Whip,
}

/// The task of a client.
#[derive(Debug, Clone)]
pub struct Task {
    /// The protocol.
    pub protocol: Protocol,
    /// Whether to play or to publish.
    pub direction: Direction,
    /// The URL.
    pub url: String,
    /// The certificate to trust, for protocols over TLS.
    pub certificate: Option<PathBuf>,
}

/// A client that plays or publishes.
#[derive(Clone, Copy)]
pub struct Client {
    /// Its name in the table, with the version where that matters.
    pub name: &'static str,
    /// Performs the task. An error is a failure that the client itself reports.
    pub run: fn(&Task) -> Result<(), String>,
}

/// A folder for one run of a client, accessible to all users.
#[derive(Debug)]
pub(super) struct Room(TempDir);

impl Protocol {
    /// The scheme of its URLs.
    #[must_use]
    pub fn scheme(self) -> &'static str {
        match self {
            Self::Rtmp => "rtmp",
            Self::Rtmps => "rtmps",
            Self::Rtsp | Self::RtspInHttp => "rtsp",
            Self::Rtsps => "rtsps",
            Self::Hls | Self::Whip => "http",
            Self::HlsOverTls => "https",
        }
    }

    /// Whether the balancer needs a certificate for it.
    #[must_use]
    pub fn is_over_tls(self) -> bool {
        matches!(self, Self::Rtmps | Self::Rtsps | Self::HlsOverTls)
    }

    /// Its name in the table.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Rtmp => "RTMP",
            Self::Rtmps => "RTMPS",
            Self::Rtsp => "RTSP",
            Self::Rtsps => "RTSPS",
            Self::RtspInHttp => "RTSP over HTTP",
            Self::Hls => "HLS",
            Self::HlsOverTls => "HLS over HTTPS",
            Self::Whip => "WHIP",
        }
    }
}

impl Room {
    pub(super) fn new() -> Self {
        let room = Self(folder());
        fs::set_permissions(room.0.path(), fs::Permissions::from_mode(0o777)).expect("permissions of an own folder");
        room
    }

    pub(super) fn path(&self) -> &Path {
        self.0.path()
    }

    /// The file to which a player writes received media.
    pub(super) fn received(&self) -> PathBuf {
        self.0.path().join("received")
    }

    fn received_bytes(&self) -> u64 {
        fs::metadata(self.received()).map_or(0, |file| file.len())
    }

    /// Runs a client that terminates on its own with a reliable exit code.
    pub(super) fn run(&self, command: Command) -> Result<(), String> {
        let finished = self.finish(command);
        if finished.status.success() {
            return Ok(());
        }
        Err(format!("{}: {}\n{}", finished.name, finished.status, finished.stderr))
    }

    /// Runs a client that terminates on its own.
    pub(super) fn finish(&self, command: Command) -> Finished {
        self.start(command).finish(LIMIT)
    }

    /// Runs a client until it has written this many bytes of received media, or has terminated.
    pub(super) fn run_until_received(&self, bytes: u64, command: Command) -> Result<(), String> {
        let mut process = self.start(command);
        let enough = eventually("the player receives media or terminates", LIMIT, || {
            // In this order, so that the last bytes of a terminated client are counted.
            let (ended, received) = (process.has_ended(), self.received_bytes());
            if ended || received >= bytes { Ok(received >= bytes) } else { Err(format!("{received} bytes")) }
        });
        if enough {
            return Ok(());
        }
        let finished = process.finish(PATIENCE);
        Err(format!("{}: received {} bytes\n{}", finished.name, self.received_bytes(), finished.stderr))
    }

    /// Starts a client with its own home, since clients leave settings, caches and other files behind.
    pub(super) fn start(&self, mut command: Command) -> Process {
        command
            .env("HOME", self.path())
            .env("TMPDIR", self.path())
            .env("XDG_RUNTIME_DIR", self.path())
            .current_dir(self.path());
        Process::start(command)
    }
}
