//! What a client of the matrix is asked to do, and how it says that it went.

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

/// Pictures that a player plays.
pub(super) const FRAMES: u32 = 5;
/// For what takes a few seconds on an idle machine: all clients run side by side.
pub(super) const LIMIT: Duration = PATIENCE.saturating_mul(2);

/// How clients come to the balancer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// RTMP.
    Rtmp,
    /// RTMP over TLS.
    Rtmps,
    /// RTSP, with the media on the same connection.
    Rtsp,
    /// The same over TLS.
    Rtsps,
    /// RTSP inside a pair of HTTP connections.
    RtspInHttp,
    /// HLS over HTTP.
    Hls,
    /// HLS over HTTPS.
    HlsOverTls,
    /// A WebRTC session that is offered over HTTP (RFC 9725).
    Whip,
}

/// What a client is to do.
#[derive(Debug, Clone)]
pub struct Task {
    /// How.
    pub protocol: Protocol,
    /// Which way.
    pub direction: Direction,
    /// Where.
    pub url: String,
    /// The certificate to trust, for what goes over TLS.
    pub certificate: Option<PathBuf>,
}

/// A client that can be told to play or to publish.
#[derive(Clone, Copy)]
pub struct Client {
    /// What people call it, with the version where that makes a difference.
    pub name: &'static str,
    /// Does the task, and ends. An error is how the client itself says that it failed.
    pub run: fn(&Task) -> Result<(), String>,
}

/// A folder for one run of a client, open to any user.
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

    /// What people call it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Rtmp => "RTMP",
            Self::Rtmps => "RTMPS",
            Self::Rtsp => "RTSP",
            Self::Rtsps => "RTSPS",
            Self::RtspInHttp => "RTSP in HTTP",
            Self::Hls => "HLS",
            Self::HlsOverTls => "HLS, HTTPS",
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

    /// The file that a player writes what it received to.
    pub(super) fn received(&self) -> PathBuf {
        self.0.path().join("received")
    }

    fn received_bytes(&self) -> u64 {
        fs::metadata(self.received()).map_or(0, |file| file.len())
    }

    /// Runs a client that ends by itself, and whose exit code can be trusted.
    pub(super) fn run(&self, command: Command) -> Result<(), String> {
        let finished = self.finish(command);
        if finished.status.success() {
            return Ok(());
        }
        Err(format!("{}: {}\n{}", finished.name, finished.status, finished.stderr))
    }

    /// Runs a client that ends by itself.
    pub(super) fn finish(&self, command: Command) -> Finished {
        self.start(command).finish(LIMIT)
    }

    /// Runs a client until it has written so many bytes of what it received, or has ended without.
    pub(super) fn run_until_received(&self, bytes: u64, command: Command) -> Result<(), String> {
        let mut process = self.start(command);
        let enough = eventually("the player receives media, or ends", LIMIT, || {
            // Looked at in this order: what it wrote last is there when it has ended.
            let (ended, received) = (process.has_ended(), self.received_bytes());
            if ended || received >= bytes { Ok(received >= bytes) } else { Err(format!("{received} bytes")) }
        });
        if enough {
            return Ok(());
        }
        let finished = process.finish(PATIENCE);
        Err(format!("{}: received {} bytes\n{}", finished.name, self.received_bytes(), finished.stderr))
    }

    /// Clients keep settings and caches below their home, and leave other things behind elsewhere.
    pub(super) fn start(&self, mut command: Command) -> Process {
        command
            .env("HOME", self.path())
            .env("TMPDIR", self.path())
            .env("XDG_RUNTIME_DIR", self.path())
            .current_dir(self.path());
        Process::start(command)
    }
}
