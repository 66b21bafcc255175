//! The least HTTP client that can ask the balancer about itself. Clients under test are in [`crate::clients`].

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};

use tokio::io::{AsyncRead, AsyncReadExt};

use crate::wait::PATIENCE;

/// An answer, read to the end of the connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// Such as 200.
    pub status: u16,
    /// The lines between the status line and the empty line.
    pub head: String,
    /// Everything after the empty line.
    pub body: String,
}

impl Answer {
    /// The value of a header, by its name in any case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.find(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }
}

/// `GET target`, on a connection of its own.
///
/// # Errors
/// When the connection fails, is silent for too long, or what comes back is not HTTP.
pub fn get(server: SocketAddr, target: &str) -> io::Result<Answer> {
    send(server, "GET", target, "")
}

/// A request without a body; `headers` are whole lines, each with its end.
///
/// # Errors
/// As [`get`].
pub fn send(server: SocketAddr, method: &str, target: &str, headers: &str) -> io::Result<Answer> {
    let mut stream = TcpStream::connect_timeout(&server, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    write!(stream, "{method} {target} HTTP/1.1\r\nHost: {server}\r\nConnection: close\r\n{headers}\r\n")?;
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes)?;
    parse(&String::from_utf8_lossy(&bytes))
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, format!("{target}: not an HTTP answer")))
}

/// Longest head that a test reads; those that it gets have a few hundred bytes.
const HEAD_LIMIT: usize = 8192;

/// The head that arrives on a connection, request or answer, and what came with it. For parts of a test that hold
/// thousands of connections; the caller bounds the time.
///
/// # Errors
/// When the connection fails or ends before the head does, or the head does not end.
pub async fn read_head(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<String> {
    let mut bytes = Vec::with_capacity(512);
    while !bytes.windows(4).any(|four| four == b"\r\n\r\n") {
        if bytes.len() > HEAD_LIMIT {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "a head without an end"));
        }
        if stream.read_buf(&mut bytes).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn parse(text: &str) -> Option<Answer> {
    let (head, body) = text.split_once("\r\n\r\n")?;
    let (first, head) = head.split_once("\r\n")?;
    let status = first.strip_prefix("HTTP/1.1 ")?.split(' ').next()?.parse().ok()?;
    Some(Answer { status, head: head.to_owned(), body: body.to_owned() })
}
