//! nginx that serves live HLS made by ffmpeg, and takes what is posted as WHIP clients do.

use std::fs;
use std::net::Ipv4Addr;

use super::nginx::Nginx;
use super::visit::{Direction, MediaServer, Visit, Visits};
use crate::binaries;
use crate::process::{self, Process, complete_lines};
use crate::wait::{PATIENCE, until};

/// Bytes of a request with an offer in it; one without has a few hundred.
const OFFER: usize = 1000;
/// Segments that a player fetches who plays for a while.
const SEGMENTS: usize = 2;

/// An HLS edge with a live stream in `/live/camera/`, and a place to post to, `/live/studio/whip`.
#[derive(Debug)]
pub struct HttpOrigin {
    nginx: Nginx,
    /// Makes the stream; kept running, so that players have to reload the playlist.
    encoder: Process,
}

impl HttpOrigin {
    /// Starts one and waits until the stream can be played.
    #[must_use]
    pub fn start() -> Self {
        let origin = Self::launch(None);
        origin.await_stream();
        origin
    }

    /// Starts two at once, on the same port of two addresses: content steering for HLS names hosts without a port.
    #[must_use]
    pub fn start_two() -> [Self; 2] {
        let first = Self::launch(None);
        let second = Self::launch(Some(first.port()));
        let origins = [first, second];
        origins.iter().for_each(Self::await_stream);
        origins
    }

    /// Puts a playlist beside those of the stream.
    pub fn add_playlist(&self, name: &str, text: &str) {
        fs::write(self.nginx.html().join("live/camera").join(name), text).expect("write a playlist");
    }

    fn launch(port: Option<u16>) -> Self {
        // nginx reads a body only to pass it on, so it passes offers on to itself.
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
        // Without a bit rate ffmpeg leaves the master playlist empty.
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
        // The master playlist is written with the first segment; a player wants a little more than one.
        until("ffmpeg has made two segments", PATIENCE, || {
            assert!(!self.encoder.has_ended(), "the encoder has ended");
            folder.join("master.m3u8").exists() && folder.join("media1.ts").exists()
        });
    }

    /// Its own loopback address.
    #[must_use]
    pub fn address(&self) -> Ipv4Addr {
        self.nginx.address
    }

    /// Where it serves HTTP.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.nginx.ports[0]
    }

    /// The paths, with their queries, that it was asked for and had.
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

    /// A session is a playlist that was fetched with segments of it, or a body that was posted.
    fn visits(&self) -> Visits {
        let served = self.served();
        let segments = served.iter().filter(|request| request.target.ends_with(".ts")).count();
        let visit = |request: &Served| {
            let path = request.target.split('?').next().unwrap_or_default();
            let stream = |ending| path.strip_suffix(ending).map(|stream| stream.trim_start_matches('/').to_owned());
            let (direction, stream, media) = match &*request.method {
                "GET" => (Direction::Play, stream("/master.m3u8")?, segments >= SEGMENTS),
                "POST" => (Direction::Publish, stream("/whip")?, request.length >= OFFER),
                _ => return None,
            };
            Some(Visit { direction, stream, media })
        };
        // Connections are kept open, so that requests are what shows that somebody came.
        Visits { connections: served.len(), sessions: served.iter().filter_map(visit).collect() }
    }

    fn names(&self) -> Vec<String> {
        self.served().into_iter().map(|request| request.host).collect()
    }
}

/// A request that it had an answer to.
struct Served {
    method: String,
    /// Bytes of head and body.
    length: usize,
    host: String,
    target: String,
}

impl Served {
    /// A line of `access.log`.
    fn parse(line: &str) -> Option<Self> {
        // 200; 201 for what was posted; or, for the range from 0 that ffmpeg asks for, 206.
        let (_, rest) = line.strip_prefix("20")?.split_once(' ')?;
        let mut words = rest.splitn(4, ' ');
        let mut word = || words.next().map(str::to_owned);
        Some(Self { method: word()?, length: word()?.parse().ok()?, host: word()?, target: word()? })
    }
}
