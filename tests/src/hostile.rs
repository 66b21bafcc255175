//! Clients that mean harm, or are broken in the same way.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use crate::clients::rtmp::{Connection, command_chunks};
use crate::wait::PATIENCE;

/// How a connection ended.
#[derive(Debug)]
pub struct Ending {
    /// Whether the server closed it; otherwise it was still open when the client gave up.
    pub closed: bool,
    /// What the server said before.
    pub answer: Vec<u8>,
    /// How long it lasted.
    pub after: Duration,
    /// Bytes that the server took; a little less than what was sent, since the kernel buffers.
    pub sent: usize,
}

impl Ending {
    /// The first line of the answer.
    #[must_use]
    pub fn first_line(&self) -> String {
        String::from_utf8_lossy(&self.answer).lines().next().unwrap_or_default().to_owned()
    }
}

/// An RTMP handshake, then a `connect` of about `size` bytes whose argument is an object in an object in an object…
///
/// # Errors
/// When not even the handshake succeeds.
pub fn nested_connect(server: SocketAddr, size: usize) -> io::Result<Ending> {
    let mut body = Vec::with_capacity(size);
    body.extend(b"\x02\x00\x07connect\x00\x3f\xf0\0\0\0\0\0\0");
    // An object whose only property is named `a`: its value is what comes next.
    while body.len() < size {
        body.extend(b"\x03\x00\x01a");
    }
    let mut connection = Connection::open(server)?;
    let bytes = command_chunks(&body);
    Ok(send_until_closed(connection.stream(), bytes.chunks(16 << 10)))
}

/// Sends `start`, then `filler` again and again, `at_most` so many bytes.
///
/// # Errors
/// When the server cannot be reached.
pub fn flood(server: SocketAddr, start: &[u8], filler: &[u8], at_most: usize) -> io::Result<Ending> {
    let mut stream = TcpStream::connect_timeout(&server, PATIENCE)?;
    let pieces = std::iter::once(start).chain(std::iter::repeat_n(filler, at_most / filler.len()));
    Ok(send_until_closed(&mut stream, pieces))
}

/// Sends a byte, waits for `pause`, sends the next, as long as `at_most` and the bytes last.
///
/// # Errors
/// When the server cannot be reached.
pub fn drip(server: SocketAddr, bytes: &[u8], pause: Duration, at_most: Duration) -> io::Result<Ending> {
    let mut stream = TcpStream::connect_timeout(&server, PATIENCE)?;
    stream.set_read_timeout(Some(pause))?;
    stream.set_nodelay(true)?;
    let start = Instant::now();
    let mut ending = Ending { closed: false, answer: Vec::new(), after: Duration::ZERO, sent: 0 };
    let mut bytes = bytes.iter();
    while !ending.closed && start.elapsed() < at_most {
        if let Some(byte) = bytes.next() {
            match stream.write_all(&[*byte]) {
                Ok(()) => ending.sent += 1,
                Err(_) => ending.closed = true,
            }
        }
        // The pause: an answer or the end cuts it short.
        listen(&mut stream, &mut ending);
    }
    ending.after = start.elapsed();
    Ok(ending)
}

/// Sends this, and then nothing more.
///
/// # Errors
/// When the server cannot be reached.
pub fn stall(server: SocketAddr, start: &[u8]) -> io::Result<Ending> {
    flood(server, start, start, 0)
}

fn send_until_closed<'a>(stream: &mut TcpStream, pieces: impl Iterator<Item = &'a [u8]>) -> Ending {
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout above zero");
    stream.set_write_timeout(Some(PATIENCE)).expect("a timeout above zero");
    let start = Instant::now();
    let mut ending = Ending { closed: false, answer: Vec::new(), after: Duration::ZERO, sent: 0 };
    for piece in pieces {
        match stream.write_all(piece) {
            Ok(()) => ending.sent += piece.len(),
            // Closed, or (a timeout) no longer read: listening tells which.
            Err(_) => break,
        }
    }
    while listen(stream, &mut ending) {}
    ending.after = start.elapsed();
    ending
}

/// Reads once; false when nothing more will come, at least not in time.
fn listen(stream: &mut TcpStream, ending: &mut Ending) -> bool {
    let mut buffer = [0; 4096];
    match stream.read(&mut buffer) {
        Ok(length @ 1..) => {
            ending.answer.extend(&buffer[..length]);
            true
        }
        Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => false,
        // An end or, when the server has left bytes unread, a reset.
        Ok(0) | Err(_) => {
            ending.closed = true;
            false
        }
    }
}
