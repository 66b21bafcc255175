//! nginx that serves live HLS made by ffmpeg.

use std::fs;
use std::net::Ipv4Addr;

use super::nginx::Nginx;
use crate::binaries;
use crate::process::{self, Process};
use crate::wait::{PATIENCE, until};

/// An HLS edge with a live stream in `/live/camera/`.
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
        let nginx = Nginx::start(|address, [port, _]| {
            format!(
                "http {{\n@scratch@    types {{\n        application/vnd.apple.mpegurl m3u8;\n        \
                 video/mp2t ts;\n    }}\n    log_format request '$status $request_uri';\n    \
                 access_log access.log request;\n    \
                 server {{\n        listen {address}:{port};\n        root html;\n    }}\n}}\n"
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
        let origin = Self { encoder: Process::start(encoder), nginx };
        // The master playlist is written with the first segment; a player wants a little more than one.
        until("ffmpeg has made two segments", PATIENCE, || {
            assert!(!origin.encoder.has_ended(), "the encoder has ended");
            folder.join("master.m3u8").exists() && folder.join("media1.ts").exists()
        });
        origin
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
        // 200 or, for the range from 0 that ffmpeg asks for, 206.
        let served = |line: &str| line.strip_prefix("20")?.split_once(' ').map(|(_, path)| path.to_owned());
        self.nginx.log("access.log").lines().filter_map(served).collect()
    }
}
