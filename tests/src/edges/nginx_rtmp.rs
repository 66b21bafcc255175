//! nginx with its RTMP module.

use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};

use super::nginx::Nginx;
use crate::http;

/// An RTMP edge with the application `live` and a status page.
#[derive(Debug)]
pub struct NginxRtmp {
    nginx: Nginx,
}

impl NginxRtmp {
    /// Starts one.
    #[must_use]
    pub fn start() -> Self {
        let nginx = Nginx::start(|address, [status, rtmp]| {
            format!(
                "http {{\n@scratch@    access_log off;\n    server {{\n        listen {address}:{status};\n        \
                 location /stat {{ rtmp_stat all; }}\n    }}\n}}\n\
                 rtmp {{\n    server {{\n        listen {address}:{rtmp};\n        \
                 application live {{ live on; record off; }}\n    }}\n}}\n"
            )
        });
        Self { nginx }
    }

    /// Its own loopback address.
    #[must_use]
    pub fn address(&self) -> Ipv4Addr {
        self.nginx.address
    }

    /// Where it serves RTMP.
    #[must_use]
    pub fn rtmp_port(&self) -> u16 {
        self.nginx.ports[1]
    }

    /// The URL of a stream of `live`.
    #[must_use]
    pub fn stream_url(&self, stream: &str) -> String {
        format!("rtmp://{}:{}/live/{stream}", self.address(), self.rtmp_port())
    }

    /// The URL of its status page.
    #[must_use]
    pub fn status_url(&self) -> String {
        format!("http://{}:{}/stat", self.address(), self.nginx.ports[0])
    }

    /// Connections that it has taken on its RTMP port since it started.
    #[must_use]
    pub fn accepted(&self) -> u64 {
        let page = SocketAddr::V4(SocketAddrV4::new(self.address(), self.nginx.ports[0]));
        let page = http::get(page, "/stat").expect("the status page").body;
        let (_, rest) = page.split_once("<naccepted>").expect("the count of accepted connections");
        rest.split('<').next().and_then(|count| count.parse().ok()).expect("a number")
    }

    /// The arguments of each RTMP `connect` that reached it, as it logs them: `app='live' args='' …`.
    #[must_use]
    pub fn connects(&self) -> Vec<String> {
        let log = self.nginx.log("error.log");
        log.lines().filter_map(|line| line.split_once(" connect: ")).map(|(_, rest)| rest.to_owned()).collect()
    }
}
