//! The exchange of a client and a server for one redirect.
//!
//! | module    | contents                                       |
//! |-----------|------------------------------------------------|
//! | [`drive`] | many exchanges with concurrent clients         |
//! | [`http`]  | `GET /loadbalancer`                            |
//! | [`rtsp`]  | `DESCRIBE`                                     |
//! | [`rtmp`]  | simple handshake, `connect`, and the rejection |

mod drive;
mod http;
mod rtmp;
mod rtsp;

use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

pub(super) use self::drive::{Tally, drive, drive_crowds};
use crate::fronts::fleet;

/// The reporting edges, each of which may be the target of a redirect.
pub(super) const EDGES: u32 = 1000;

/// Time without a response after which a server has failed.
const TIMEOUT: Duration = Duration::from_secs(5);
/// The maximum length of a response, in bytes.
const MAX_RESPONSE: usize = 65536;

/// A kind of redirect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Exchange {
    /// `GET /loadbalancer`, on one connection per request.
    HttpClose,
    /// `GET /loadbalancer`, on keep-alive connections.
    HttpKeepAlive,
    /// `DESCRIBE`, on one connection per request.
    Rtsp,
    /// Handshake, `connect` and rejection, on one connection per request.
    Rtmp,
}

/// The end of a response.
enum Extent {
    /// After this number of bytes.
    Bytes(usize),
    /// By its HTTP headers.
    Http,
    /// At the end of the connection.
    Connection,
}

/// The progress of an exchange after a turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Progress {
    /// The client has sent the request of another turn.
    More,
    /// The exchange is complete.
    Answered,
}

impl Exchange {
    pub(super) const ALL: [Self; 4] = [Self::HttpClose, Self::HttpKeepAlive, Self::Rtsp, Self::Rtmp];

    /// Returns its name in results and on the command line.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::HttpClose => "http-close",
            Self::HttpKeepAlive => "http-keep-alive",
            Self::Rtsp => "rtsp",
            Self::Rtmp => "rtmp",
        }
    }

    /// Returns a description for people.
    pub(super) fn title(self) -> &'static str {
        match self {
            Self::HttpClose => "GET /loadbalancer, a connection per request",
            Self::HttpKeepAlive => "GET /loadbalancer, keep-alive",
            Self::Rtsp => "RTSP DESCRIBE and 302, a connection per request",
            Self::Rtmp => "RTMP handshake, connect and rejection, a connection per request",
        }
    }

    /// Returns the requests of the client, turn by turn. The server responds to each.
    pub(super) fn turns(self) -> Vec<Vec<u8>> {
        match self {
            Self::HttpClose => vec![http::request("close")],
            Self::HttpKeepAlive => vec![http::request("keep-alive")],
            Self::Rtsp => vec![rtsp::request()],
            Self::Rtmp => rtmp::turns().into(),
        }
    }

    /// Changes the requests to those of another client, with the same length, where the stream matters.
    fn vary(self, turns: &mut [Vec<u8>], number: u32) {
        if self == Self::Rtsp {
            rtsp::set_stream(&mut turns[0], number);
        }
    }

    fn extent(self, turn: usize) -> Extent {
        match (self, turn) {
            (Self::HttpKeepAlive, _) => Extent::Http,
            (Self::Rtmp, 0) => Extent::Bytes(rtmp::HANDSHAKE_ANSWER),
            _ => Extent::Connection,
        }
    }

    /// Returns whether this is a correct response.
    fn is_correct(self, turn: usize, answer: &[u8]) -> bool {
        match (self, turn) {
            (Self::HttpClose | Self::HttpKeepAlive, _) => http::names_edge(answer),
            (Self::Rtsp, _) => rtsp::names_edge(answer),
            (Self::Rtmp, 0) => rtmp::is_handshake(answer),
            (Self::Rtmp, _) => rtmp::names_edge(answer),
        }
    }
}

/// Returns the responses of a server, turn by turn.
///
/// # Errors
/// When a response is incorrect.
pub(super) fn probe(exchange: Exchange, server: SocketAddr) -> io::Result<Vec<Vec<u8>>> {
    let turns = exchange.turns();
    let mut connection = Connection::open(server, &turns)?;
    let mut buffer = vec![0; MAX_RESPONSE];
    let mut answers = Vec::new();
    loop {
        let (progress, length) = connection.advance(exchange, &turns, &mut buffer)?;
        answers.push(buffer[..length].to_vec());
        if progress == Progress::Answered {
            return Ok(answers);
        }
    }
}

/// The connection of a client that waits for a response.
struct Connection {
    stream: TcpStream,
    turn: usize,
}

impl Connection {
    fn open(server: SocketAddr, turns: &[Vec<u8>]) -> io::Result<Self> {
        let mut stream = TcpStream::connect(server)?;
        stream.set_read_timeout(Some(TIMEOUT))?;
        stream.write_all(&turns[0])?;
        Ok(Self { stream, turn: 0 })
    }

    /// Receives a response into `buffer`, and sends the next request. Returns the length of the response.
    fn advance(&mut self, exchange: Exchange, turns: &[Vec<u8>], buffer: &mut [u8]) -> io::Result<(Progress, usize)> {
        let length = read_answer(&mut self.stream, &exchange.extent(self.turn), buffer)?;
        if !exchange.is_correct(self.turn, &buffer[..length]) {
            let answer = buffer[..length.min(300)].escape_ascii();
            return Err(io::Error::other(format!("turn {}: incorrect response: {answer}", self.turn + 1)));
        }
        self.turn += 1;
        let Some(next) = turns.get(self.turn) else { return Ok((Progress::Answered, length)) };
        self.stream.write_all(next)?;
        Ok((Progress::More, length))
    }

    /// Starts the exchange again on the same connection.
    fn restart(&mut self, turns: &[Vec<u8>]) -> io::Result<()> {
        self.turn = 0;
        self.stream.write_all(&turns[0])
    }
}

fn read_answer(stream: &mut TcpStream, extent: &Extent, buffer: &mut [u8]) -> io::Result<usize> {
    let mut length = 0;
    loop {
        let complete = match extent {
            Extent::Bytes(bytes) => length >= *bytes,
            Extent::Http => http::is_complete(&buffer[..length]),
            Extent::Connection => false,
        };
        if complete {
            return Ok(length);
        }
        match (stream.read(&mut buffer[length..])?, extent) {
            (0, Extent::Connection) if length < buffer.len() => return Ok(length),
            (0, _) => return Err(io::ErrorKind::UnexpectedEof.into()),
            (more, _) => length += more,
        }
    }
}

/// Returns the text after the name of an edge, if `text` starts with one.
fn split_edge(text: &[u8]) -> Option<&[u8]> {
    let (name, rest) = text.split_at_checked(fleet::name(0).len())?;
    fleet::is_edge(name, EDGES).then_some(rest)
}

/// Returns the text after the first `needle`.
fn after<'t>(text: &'t [u8], needle: &[u8]) -> Option<&'t [u8]> {
    let start = text.windows(needle.len()).position(|window| window == needle)?;
    Some(&text[start + needle.len()..])
}
