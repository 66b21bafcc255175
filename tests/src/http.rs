//! A minimal HTTP client for the balancer's own pages. Clients under test are in [`crate::clients`].

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};

use tokio::io::{AsyncRead, AsyncReadExt};

use crate::wait::PATIENCE;

/// A response, read until the connection is closed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// Status code.
    pub status: u16,
    /// Header lines.
    pub head: String,
    /// Body.
    pub body: String,
}

impl Answer {
    /// Returns the value of a header; `name` is case-insensitive.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.find(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }
}

/// Sends `GET target` on a new connection.
///
/// # Errors
/// If the connection fails or times out, or the response is not HTTP.
pub fn get(server: SocketAddr, target: &str) -> io::Result<Answer> {
    send(server, "GET", target, "")
}

/// Sends a request without a body; `headers` are complete lines with CRLF.
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
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, format!("{target}: not an HTTP response")))
}

/// Maximum length of a head in bytes; real ones have a few hundred.
const HEAD_LIMIT: usize = 8192;

/// Reads the head of a request or response, and any bytes received with it. For tests with thousands of connections;
/// the caller sets a time limit.
///
/// # Errors
/// If the connection fails or ends within the head, or the head exceeds [`HEAD_LIMIT`].
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
