//! Malicious or broken clients.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use crate::clients::rtmp::{Connection, command_chunks};
use crate::wait::PATIENCE;

/// The outcome of a connection.
#[derive(Debug)]
pub struct Outcome {
    /// Whether the server closed it; otherwise it was still open when the client stopped waiting.
    pub closed: bool,
    /// Bytes received from the server.
    pub answer: Vec<u8>,
    /// Duration of the connection.
    pub duration: Duration,
    /// Bytes written, including those still in the kernel's buffers.
    pub sent: usize,
}

impl Outcome {
    /// Returns the first line of the answer.
    #[must_use]
    pub fn first_line(&self) -> String {
        String::from_utf8_lossy(&self.answer).lines().next().unwrap_or_default().to_owned()
    }
}

/// Performs an RTMP handshake, then sends a `connect` of about `size` bytes with deeply nested objects as its argument.
///
/// # Errors
/// If the handshake fails.
pub fn nested_connect(server: SocketAddr, size: usize) -> io::Result<Outcome> {
    let mut body = Vec::with_capacity(size);
    body.extend(b"\x02\x00\x07connect\x00\x3f\xf0\0\0\0\0\0\0");
    // The start of an object with the single property `a`, whose value is the next object.
    while body.len() < size {
        body.extend(b"\x03\x00\x01a");
    }
    let mut connection = Connection::open(server)?;
    let bytes = command_chunks(&body);
    Ok(send_until_closed(connection.stream(), bytes.chunks(16 << 10)))
}

/// Sends `start`, then `filler` repeatedly, up to `at_most` bytes.
///
/// # Errors
/// If the server cannot be reached.
pub fn flood(server: SocketAddr, start: &[u8], filler: &[u8], at_most: usize) -> io::Result<Outcome> {
    let mut stream = TcpStream::connect_timeout(&server, PATIENCE)?;
    let pieces = std::iter::once(start).chain(std::iter::repeat_n(filler, at_most / filler.len()));
    Ok(send_until_closed(&mut stream, pieces))
}

/// Sends `bytes` one at a time, with a `pause` after each, for `at_most`. The connection is kept open for that time.
///
/// # Errors
/// If the server cannot be reached.
pub fn drip(server: SocketAddr, bytes: &[u8], pause: Duration, at_most: Duration) -> io::Result<Outcome> {
    let mut stream = TcpStream::connect_timeout(&server, PATIENCE)?;
    stream.set_read_timeout(Some(pause))?;
    stream.set_nodelay(true)?;
    let start = Instant::now();
    let mut outcome = Outcome { closed: false, answer: Vec::new(), duration: Duration::ZERO, sent: 0 };
    let mut bytes = bytes.iter();
    while !outcome.closed && start.elapsed() < at_most {
        if let Some(byte) = bytes.next() {
            match stream.write_all(&[*byte]) {
                Ok(()) => outcome.sent += 1,
                Err(_) => outcome.closed = true,
            }
        }
        // Waits for the pause, or until an answer or the end arrives.
        receive(&mut stream, &mut outcome);
    }
    outcome.duration = start.elapsed();
    Ok(outcome)
}

/// Sends `start` and then nothing more.
///
/// # Errors
/// If the server cannot be reached.
pub fn stall(server: SocketAddr, start: &[u8]) -> io::Result<Outcome> {
    flood(server, start, start, 0)
}

fn send_until_closed<'a>(stream: &mut TcpStream, pieces: impl Iterator<Item = &'a [u8]>) -> Outcome {
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout above zero");
    stream.set_write_timeout(Some(PATIENCE)).expect("a timeout above zero");
    let start = Instant::now();
    let mut outcome = Outcome { closed: false, answer: Vec::new(), duration: Duration::ZERO, sent: 0 };
    for piece in pieces {
        match stream.write_all(piece) {
            Ok(()) => outcome.sent += piece.len(),
            // Closed, or (timeout) no longer read: reading shows which.
            Err(_) => break,
        }
    }
    while receive(stream, &mut outcome) {}
    outcome.duration = start.elapsed();
    outcome
}

/// Reads once; returns false if the connection has ended or nothing arrives in time.
fn receive(stream: &mut TcpStream, outcome: &mut Outcome) -> bool {
    let mut buffer = [0; 4096];
    match stream.read(&mut buffer) {
        Ok(length @ 1..) => {
            outcome.answer.extend(&buffer[..length]);
            true
        }
        Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => false,
        // The end, or a reset if the server closed with unread bytes.
        Ok(0) | Err(_) => {
            outcome.closed = true;
            false
        }
    }
}
