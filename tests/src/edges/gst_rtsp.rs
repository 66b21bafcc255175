//! gst-rtsp-server, the RTSP server of GStreamer.

use std::net::Ipv4Addr;

use super::visit::{Direction, MediaServer, Visit, Visits};
use crate::binaries;
use crate::certificate::Certificate;
use crate::loopback;
use crate::process::{self, Process, complete_lines};
use crate::wait::{PATIENCE, eventually};

/// gst-rtsp-server is a library with Python bindings; this is a minimal server that uses it.
const SCRIPT: &str = include_str!("gst_rtsp.py");
/// The path for publishers.
pub const PUBLISH_PATH: &str = "/live/studio";

/// An RTSP edge with a live stream and a path to publish to.
#[derive(Debug)]
pub struct GstRtsp {
    process: Process,
    /// Its own loopback address.
    pub address: Ipv4Addr,
    /// Its RTSP port.
    pub port: u16,
    scheme: &'static str,
}

impl GstRtsp {
    /// Starts an edge that serves a test video (H.264, 320×240, 5 frames per second) under `path` and accepts a
    /// publisher under [`PUBLISH_PATH`].
    #[must_use]
    pub fn serving(path: &str) -> Self {
        Self::launch(path, loopback::address(), None)
    }

    /// Starts such an edge with TLS, on an address for which the certificate is valid.
    #[must_use]
    pub fn serving_over_tls(path: &str, address: Ipv4Addr, certificate: &Certificate) -> Self {
        Self::launch(path, address, Some(certificate))
    }

    fn launch(path: &str, address: Ipv4Addr, certificate: Option<&Certificate>) -> Self {
        let mut command = process::command(binaries::python());
        command.args(["-u", "-c", SCRIPT, &address.to_string(), path, PUBLISH_PATH]);
        if let Some(certificate) = certificate {
            command.arg(certificate.file()).arg(certificate.key_file());
        }
        let process = Process::start(command);
        let prefix = format!("listening {address} ");
        let port = process.await_output(&process.stdout, "its port", |text| {
            complete_lines(text).find_map(|line| line.strip_prefix(&prefix))?.parse().ok()
        });
        Self { process, address, port, scheme: if certificate.is_some() { "rtsps" } else { "rtsp" } }
    }

    /// Returns its events so far: `client` for a connection; `DESCRIBE path`, `PLAY path`, `ANNOUNCE path` and
    /// `RECORD path`; `NAME host:port` with the host and port of the requested URL; and `MEDIA path` once a stream has
    /// transported some packets.
    #[must_use]
    pub fn events(&self) -> Vec<String> {
        complete_lines(&self.process.stdout.text()).skip(1).map(str::to_owned).collect()
    }

    /// Waits for an event.
    #[track_caller]
    pub fn await_event(&self, event: &str) {
        eventually(event, PATIENCE, || {
            let events = self.events();
            if events.iter().any(|logged| logged == event) { Ok(()) } else { Err(format!("{events:?}")) }
        });
    }
}

impl MediaServer for GstRtsp {
    fn address(&self) -> Ipv4Addr {
        self.address
    }

    fn endpoint(&self) -> (&'static str, u16) {
        (self.scheme, self.port)
    }

    fn visits(&self) -> Visits {
        let events = self.events();
        let has_media = |path: &str| events.iter().any(|event| event.strip_prefix("MEDIA ") == Some(path));
        let visit = |event: &String| {
            let (direction, path) = match event.split_once(' ')? {
                ("PLAY", path) => (Direction::Play, path),
                ("RECORD", path) => (Direction::Publish, path),
                _ => return None,
            };
            Some(Visit { direction, stream: path.trim_start_matches('/').to_owned(), media: has_media(path) })
        };
        let connections = events.iter().filter(|event| *event == "client").count();
        Visits { connections, sessions: events.iter().filter_map(visit).collect() }
    }

    fn requested_hosts(&self) -> Vec<String> {
        self.events().iter().filter_map(|event| event.strip_prefix("NAME ").map(str::to_owned)).collect()
    }
}
