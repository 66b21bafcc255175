//! nginx that serves live HLS from ffmpeg and accepts WHIP offers.

use std::fs;
use std::net::Ipv4Addr;

use super::nginx::Nginx;
use super::visit::{Direction, MediaServer, Visit, Visits};
use crate::binaries;
use crate::process::{self, Process, complete_lines};
use crate::wait::{PATIENCE, until};

/// Minimum length in bytes of a request with an offer; one without has a few hundred.
const OFFER_LENGTH: usize = 1000;
/// Minimum number of segments fetched by a player that plays for a while.
const SEGMENTS: usize = 2;

/// An HLS edge with a live stream under `/live/camera/` and a WHIP endpoint, `/live/studio/whip`.
#[derive(Debug)]
pub struct HttpOrigin {
    nginx: Nginx,
    /// Produces the stream. It keeps running, so that players have to reload the playlist.
    encoder: Process,
}

impl HttpOrigin {
    /// Starts an edge and waits until its stream can be played.
    #[must_use]
    pub fn start() -> Self {
        let origin = Self::launch(None);
        origin.await_stream();
        origin
    }

    /// Starts two edges on the same port of different addresses: HLS content steering names hosts without a port.
    #[must_use]
    pub fn start_two() -> [Self; 2] {
        let first = Self::launch(None);
        let second = Self::launch(Some(first.port()));
        let origins = [first, second];
        origins.iter().for_each(Self::await_stream);
        origins
    }

    /// Adds a playlist to the folder of the stream.
    pub fn add_playlist(&self, name: &str, text: &str) {
        fs::write(self.nginx.html().join("live/camera").join(name), text).expect("write the playlist");
    }

    fn launch(port: Option<u16>) -> Self {
        // nginx reads a body only to proxy it, so it proxies offers to itself.
        let nginx = Nginx::start(port, |address, [port, _]| {
            format!(
                "http {{\n@scratch@    types {{\n        application/vnd.apple.mpegurl m3u8;\n        \
                 video/mp2t ts;\n    }}\n    log_format request '$status $request_method $request_length $http_host $request_uri';\n    \
                 access_log access.log request;\n    \
                 add_header Access-Control-Allow-Origin * always;\n    \
                 server {{\n        listen {address}:{port};\n        root html;\n        \
                 location /live/studio/whip {{ proxy_pass http://{address}:{port}/accepted; }}\n        \
                 location /accepted {{ access_log off; return 201; }}\n    }}\n}}\n"
            )
        });
        let folder = nginx.html().join("live/camera");
        fs::create_dir_all(&folder).expect("a folder for the stream");
        // Without a bitrate ffmpeg leaves the master playlist empty.
        let mut encoder = process::command(binaries::installed("ffmpeg"));
        encoder
            .current_dir(&folder)
            .args("-hide_banner -nostdin -loglevel error -re -f lavfi -i testsrc=size=320x240:rate=5".split(' '))
            .args("-c:v libx264 -b:v 200k -preset ultrafast -threads 1 -g 5".split(' '))
            .args("-f hls -hls_time 1 -hls_list_size 4 -master_pl_name master.m3u8 media.m3u8".split(' '));
        Self { encoder: Process::start(encoder), nginx }
    }

    fn await_stream(&self) {
        let folder = self.nginx.html().join("live/camera");
        // The master playlist is written with the first segment; a player needs a little more than one.
        until("ffmpeg has written two segments", PATIENCE, || {
            assert!(!self.encoder.has_ended(), "the encoder has ended");
            folder.join("master.m3u8").exists() && folder.join("media1.ts").exists()
        });
    }

    /// Returns its loopback address.
    #[must_use]
    pub fn address(&self) -> Ipv4Addr {
        self.nginx.address
    }

    /// Returns its HTTP port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.nginx.ports[0]
    }

    /// Returns the targets (path and query) of all successful requests.
    #[must_use]
    pub fn requests(&self) -> Vec<String> {
        self.served().into_iter().map(|request| request.target).collect()
    }

    fn served(&self) -> Vec<Served> {
        complete_lines(&self.nginx.log("access.log")).filter_map(Served::parse).collect()
    }
}

impl MediaServer for HttpOrigin {
    fn address(&self) -> Ipv4Addr {
        self.nginx.address
    }

    fn endpoint(&self) -> (&'static str, u16) {
        ("http", self.port())
    }

    /// A session is a fetched playlist, with media if segments were fetched, or a posted offer.
    fn visits(&self) -> Visits {
        let served = self.served();
        let segments = served.iter().filter(|request| request.target.ends_with(".ts")).count();
        let visit = |request: &Served| {
            let path = request.target.split('?').next().unwrap_or_default();
            let stream = |ending| path.strip_suffix(ending).map(|stream| stream.trim_start_matches('/').to_owned());
            let (direction, stream, media) = match &*request.method {
                "GET" => (Direction::Play, stream("/master.m3u8")?, segments >= SEGMENTS),
                "POST" => (Direction::Publish, stream("/whip")?, request.length >= OFFER_LENGTH),
                _ => return None,
            };
            Some(Visit { direction, stream, media })
        };
        // Requests are counted instead of connections, which are kept open.
        Visits { connections: served.len(), sessions: served.iter().filter_map(visit).collect() }
    }

    fn requested_hosts(&self) -> Vec<String> {
        self.served().into_iter().map(|request| request.host).collect()
    }
}

/// A successful request.
struct Served {
    method: String,
    /// Length of head and body in bytes.
    length: usize,
    host: String,
    target: String,
}

impl Served {
    /// Parses a line of `access.log`.
    fn parse(line: &str) -> Option<Self> {
        // 200, 201 for an offer, or 206 for the range from 0 that ffmpeg requests.
        let (_, rest) = line.strip_prefix("20")?.split_once(' ')?;
        let mut words = rest.splitn(4, ' ');
        let mut word = || words.next().map(str::to_owned);
        Some(Self { method: word()?, length: word()?.parse().ok()?, host: word()?, target: word()? })
    }
}
