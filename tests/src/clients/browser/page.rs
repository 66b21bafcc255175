//! The page with the player, and the server that receives its reports.

use std::fs;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use crate::{loopback, npm};

const PLAYER: &str = include_str!("player.html");
/// Maximum length of a report in bytes.
const REPORT_LIMIT: usize = 4096;

/// A server for the page, on its own loopback address.
#[derive(Debug)]
pub(super) struct Page {
    address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    hls_js: Vec<u8>,
    reports: Mutex<Vec<String>>,
}

impl Page {
    /// Starts a server, which runs until the test process ends; there is one per browser.
    pub(super) fn serve() -> Self {
        let hls_js = fs::read(npm::hls_js()).expect("hls.js");
        let shared = Arc::new(Shared { hls_js, reports: Mutex::default() });
        let address: Ipv4Addr = loopback::address();
        let listener = TcpListener::bind((address, 0)).expect("a free port");
        let address = listener.local_addr().expect("a bound socket has an address");
        let serving = Arc::clone(&shared);
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let shared = Arc::clone(&serving);
                // A browser opens several connections and leaves some idle.
                thread::spawn(move || shared.answer(stream));
            }
        });
        Self { address, shared }
    }

    /// The URL of the page that plays this stream.
    pub(super) fn url(&self, stream: &str) -> String {
        format!("http://{}/?play={stream}", self.address)
    }

    pub(super) fn reports(&self) -> Vec<String> {
        self.shared.reports.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Shared {
    /// Responds to one request; a browser that disconnects is not an error.
    fn answer(&self, stream: TcpStream) -> io::Result<()> {
        let mut reader = BufReader::new(stream);
        let mut request = String::new();
        reader.read_line(&mut request)?;
        let mut length = 0;
        loop {
            let mut line = String::new();
            reader.read_line(&mut line)?;
            match line.trim_end().split_once(": ") {
                Some((name, value)) if name.eq_ignore_ascii_case("content-length") => {
                    length = value.parse().unwrap_or_default();
                }
                Some(_) => {}
                None => break,
            }
        }
        let (kind, content) = match request.split(' ').nth(1).unwrap_or_default() {
            "/hls.js" => ("text/javascript", &*self.hls_js),
            "/report" => {
                self.keep(&mut reader, length)?;
                ("text/plain", &[][..])
            }
            _ => ("text/html", PLAYER.as_bytes()),
        };
        let stream = reader.get_mut();
        write!(
            stream,
            "HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
            content.len()
        )?;
        stream.write_all(content)
    }

    fn keep(&self, reader: &mut impl Read, length: usize) -> io::Result<()> {
        let mut report = vec![0; length.min(REPORT_LIMIT)];
        reader.read_exact(&mut report)?;
        let report = String::from_utf8_lossy(&report).into_owned();
        self.reports.lock().unwrap_or_else(PoisonError::into_inner).push(report);
        Ok(())
    }
}
