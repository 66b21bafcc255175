//! nginx with its RTMP module.

use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};

use super::nginx::Nginx;
use super::visit::{Direction, MediaServer, Visit, Visits};
use crate::http;
use crate::media;
use crate::process::{Process, complete_lines};
use crate::wait::{PATIENCE, until};

/// Minimum number of bytes of a session with media: commands take some hundreds, a key frame thousands.
const MEDIA_BYTES: u64 = 5000;

/// An RTMP edge with the application `live` and a status page.
#[derive(Debug)]
pub struct NginxRtmp {
    nginx: Nginx,
    /// Connections made by the test itself to feed the edge.
    feeders: usize,
}

impl NginxRtmp {
    /// Starts an edge.
    #[must_use]
    pub fn start() -> Self {
        let nginx = Nginx::start(None, |address, [status, rtmp]| {
            format!(
                "http {{\n@scratch@    access_log off;\n    server {{\n        listen {address}:{status};\n        \
                 location /stat {{ rtmp_stat all; }}\n    }}\n}}\n\
                 rtmp {{\n    log_format session '$command $app/$name $bytes_received $bytes_sent $tcurl';\n    \
                 access_log sessions.log session;\n    server {{\n        listen {address}:{rtmp};\n        \
                 application live {{ live on; record off; }}\n    }}\n}}\n"
            )
        });
        Self { nginx, feeders: 0 }
    }

    /// Publishes a video as `stream` to each of these edges until the process is dropped.
    #[must_use]
    pub fn feed(edges: &mut [&mut Self], stream: &str) -> Process {
        let urls: Vec<String> = edges.iter().map(|edge| edge.stream_url(stream)).collect();
        let feeder = media::publish_in_a_loop(&urls);
        for edge in edges {
            until("the edge has a stream", PATIENCE, || {
                assert!(!feeder.has_ended(), "the feeder has ended: {}", feeder.stderr.text());
                edge.status_page().contains("<publishing/>")
            });
            edge.feeders += 1;
        }
        feeder
    }

    /// Returns its loopback address.
    #[must_use]
    pub fn address(&self) -> Ipv4Addr {
        self.nginx.address
    }

    /// Returns its RTMP port.
    #[must_use]
    pub fn rtmp_port(&self) -> u16 {
        self.nginx.ports[1]
    }

    /// Returns the URL of a stream of `live`.
    #[must_use]
    pub fn stream_url(&self, stream: &str) -> String {
        format!("rtmp://{}:{}/live/{stream}", self.address(), self.rtmp_port())
    }

    /// Returns the URL of its status page.
    #[must_use]
    pub fn status_url(&self) -> String {
        format!("http://{}:{}/stat", self.address(), self.nginx.ports[0])
    }

    fn status_page(&self) -> String {
        let server = SocketAddr::V4(SocketAddrV4::new(self.address(), self.nginx.ports[0]));
        http::get(server, "/stat").expect("the status page").body
    }

    /// Returns the number of connections accepted on its RTMP port.
    #[must_use]
    pub fn accepted(&self) -> usize {
        let page = self.status_page();
        let (_, rest) = page.split_once("<naccepted>").expect("the count of accepted connections");
        rest.split('<').next().and_then(|count| count.parse().ok()).expect("a number")
    }

    /// Returns the arguments of each RTMP `connect` it received, as logged: `app='live' args='' …`.
    #[must_use]
    pub fn connects(&self) -> Vec<String> {
        let log = self.nginx.log("error.log");
        log.lines().filter_map(|line| line.split_once(" connect: ")).map(|(_, rest)| rest.to_owned()).collect()
    }
}

impl MediaServer for NginxRtmp {
    fn address(&self) -> Ipv4Addr {
        self.nginx.address
    }

    fn endpoint(&self) -> (&'static str, u16) {
        ("rtmp", self.rtmp_port())
    }

    /// Only sessions that have ended: nginx logs them then.
    fn visits(&self) -> Visits {
        let sessions = complete_lines(&self.nginx.log("sessions.log")).filter_map(session).collect();
        Visits { connections: self.accepted() - self.feeders, sessions }
    }

    fn requested_hosts(&self) -> Vec<String> {
        // The fifth word is tcUrl.
        let host = |line: &str| Some(line.split(' ').nth(4)?.split('/').nth(2)?.to_owned());
        complete_lines(&self.nginx.log("sessions.log")).filter_map(host).collect()
    }
}

/// Parses a line of `sessions.log`.
fn session(line: &str) -> Option<Visit> {
    let mut words = line.split(' ');
    let (command, stream) = (words.next()?, words.next()?);
    let mut bytes = || words.next()?.parse::<u64>().ok();
    let (received, sent) = (bytes()?, bytes()?);
    let (direction, bytes) = match command {
        "PLAY" => (Direction::Play, sent),
        "PUBLISH" => (Direction::Publish, received),
        _ => return None,
    };
    Some(Visit { direction, stream: stream.to_owned(), media: bytes >= MEDIA_BYTES })
}
