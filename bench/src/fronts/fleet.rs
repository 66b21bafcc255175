//! Edges that report to the balancer as agents do.

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use weir_program::clock::unix_milliseconds;
use weir_protocol::report::Endpoint;
use weir_protocol::{Host, Report, Sender};

use crate::reports::load;

/// The time between two reports of an agent.
const INTERVAL: Duration = Duration::from_millis(2500);
/// The portions per interval in which reports are sent, since reports of independent agents arrive all the time.
const PORTIONS: u32 = 250;

/// Returns the host name of the edge with this number. All names have the same length, and so have all responses.
pub(super) fn name(number: u32) -> String {
    format!("edge-{number:04}.eu-west.example.com")
}

/// Returns whether this is the name of one of the first `edges` edges.
pub(super) fn is_edge(text: &[u8], edges: u32) -> bool {
    let number = || {
        let digits = text.strip_prefix(b"edge-")?.strip_suffix(b".eu-west.example.com")?;
        let digits = std::str::from_utf8(digits).ok().filter(|digits| digits.len() == 4)?;
        digits.parse::<u32>().ok()
    };
    number().is_some_and(|number| number < edges)
}

/// The description of an edge.
#[derive(Clone, Debug)]
pub(super) struct EdgeDescription {
    pub(super) host: String,
    /// Schemes and ports.
    pub(super) endpoints: Vec<(&'static str, u16)>,
}

impl EdgeDescription {
    /// Returns the edge with this number, which serves every protocol.
    pub(super) fn numbered(number: u32) -> Self {
        Self { host: name(number), endpoints: vec![("rtmp", 1935), ("rtsp", 554), ("http", 80)] }
    }

    fn report(&self, now: u64) -> Report<'_> {
        let mut report = load::report(now);
        report.redirect = Host::new(&self.host).ok();
        report.endpoints.clear();
        report.endpoints.extend(self.endpoints.iter().map(|&(scheme, port)| Endpoint::new(scheme, port)));
        report
    }
}

/// Edges that report until this is dropped.
#[derive(Debug)]
pub(super) struct Fleet {
    stop: Option<mpsc::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Fleet {
    /// Starts a thread, on the core of the calling thread, that sends the reports.
    ///
    /// # Errors
    /// When no socket can be opened.
    pub(super) fn report_to(balancer: SocketAddr, edges: Vec<EdgeDescription>) -> io::Result<Self> {
        let socket = UdpSocket::bind("127.0.0.1:0")?;
        socket.connect(balancer)?;
        socket.set_nonblocking(true)?;
        let (stop, stopped) = mpsc::channel();
        let thread = thread::spawn(move || report_all(&socket, &edges, &stopped));
        Ok(Self { stop: Some(stop), thread: Some(thread) })
    }
}

impl Drop for Fleet {
    fn drop(&mut self) {
        self.stop.take();
        // The thread returns nothing.
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

fn report_all(socket: &UdpSocket, edges: &[EdgeDescription], stopped: &mpsc::Receiver<()>) {
    let started = unix_milliseconds();
    let mut senders: Vec<Sender> = (0..).map(load::sender).take(edges.len()).collect();
    let portion = edges.len().div_ceil(PORTIONS as usize);
    let pause = INTERVAL / PORTIONS;
    let mut next = Instant::now();
    loop {
        let portions = edges.chunks(portion).zip(senders.chunks_mut(portion)).map(Some);
        // With fewer edges than portions, the rest of the interval is silent.
        let silence = std::iter::repeat_with(|| None);
        for portion in portions.chain(silence).take(PORTIONS as usize) {
            for (edge, sender) in portion.into_iter().flat_map(|(edges, senders)| edges.iter().zip(senders)) {
                let report = edge.report(unix_milliseconds()).with(|report| report.boot_time = started);
                // A lost report is followed by the next.
                let _ = sender.seal(&report).map(|datagram| socket.send(datagram));
            }
            while socket.recv(&mut [0; 1500]).is_ok() {}
            next += pause;
            let left = next.saturating_duration_since(Instant::now());
            if !matches!(stopped.recv_timeout(left), Err(RecvTimeoutError::Timeout)) {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_the_fleet_are_recognised() {
        assert!(is_edge(name(0).as_bytes(), 1000));
        assert!(is_edge(name(999).as_bytes(), 1000));
        for other in ["edge-1000.eu-west.example.com", "edge-1.eu-west.example.com", "unknown", "edge-0001.", ""] {
            assert!(!is_edge(other.as_bytes(), 1000), "{other}");
        }
    }
}
