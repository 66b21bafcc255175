//! What a client and a server say to each other for one redirect.
//!
//! | module    | what it holds                                    |
//! |-----------|--------------------------------------------------|
//! | [`drive`] | many of them, some at a time, counted            |
//! | [`http`]  | `GET /loadbalancer`                              |
//! | [`rtsp`]  | `DESCRIBE`                                       |
//! | [`rtmp`]  | simple handshake, `connect`, and the rejection   |

mod drive;
mod http;
mod rtmp;
mod rtsp;

use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

pub(super) use self::drive::{Driven, drive, drive_crowds};
use crate::fronts::fleet;

/// Edges that report, each of which may be named.
pub(super) const EDGES: u32 = 1000;

/// A server that is silent for so long has failed.
const PATIENCE: Duration = Duration::from_secs(5);
/// No answer is as long.
const LONGEST_ANSWER: usize = 65536;

/// One redirect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Exchange {
    /// `GET /loadbalancer`, a connection for each.
    HttpClose,
    /// `GET /loadbalancer`, again and again on the same connections.
    HttpKeepAlive,
    /// `DESCRIBE`, a connection for each.
    Rtsp,
    /// Handshake, `connect` and rejection, a connection for each.
    Rtmp,
}

/// Where an answer ends.
enum Extent {
    /// After so many bytes.
    Bytes(usize),
    /// Where its HTTP headers say.
    Http,
    /// With the connection.
    Connection,
}

/// How far an exchange is after a turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Progress {
    /// There is another turn, whose words are sent.
    More,
    /// The client has what it wants.
    Answered,
}

impl Exchange {
    pub(super) const ALL: [Self; 4] = [Self::HttpClose, Self::HttpKeepAlive, Self::Rtsp, Self::Rtmp];

    /// Its name in results and on the command line.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::HttpClose => "http-close",
            Self::HttpKeepAlive => "http-keep-alive",
            Self::Rtsp => "rtsp",
            Self::Rtmp => "rtmp",
        }
    }

    /// What it is, for people.
    pub(super) fn title(self) -> &'static str {
        match self {
            Self::HttpClose => "GET /loadbalancer, a connection per request",
            Self::HttpKeepAlive => "GET /loadbalancer, keep-alive",
            Self::Rtsp => "RTSP DESCRIBE and 302, a connection per request",
            Self::Rtmp => "RTMP handshake, connect and rejection, a connection per request",
        }
    }

    /// What the client says, turn by turn; the server answers each.
    pub(super) fn turns(self) -> Vec<Vec<u8>> {
        match self {
            Self::HttpClose => vec![http::request("close")],
            Self::HttpKeepAlive => vec![http::request("keep-alive")],
            Self::Rtsp => vec![rtsp::request()],
            Self::Rtmp => rtmp::turns().into(),
        }
    }

    /// Makes of what the client says what another client says, as many bytes, where it matters who asks for what.
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

    /// Whether this is the answer that the client came for.
    fn is_right(self, turn: usize, answer: &[u8]) -> bool {
        match (self, turn) {
            (Self::HttpClose | Self::HttpKeepAlive, _) => http::names_edge(answer),
            (Self::Rtsp, _) => rtsp::names_edge(answer),
            (Self::Rtmp, 0) => rtmp::is_handshake(answer),
            (Self::Rtmp, _) => rtmp::names_edge(answer),
        }
    }
}

/// The answers that a server gives, turn by turn.
///
/// # Errors
/// When one is not what the client came for.
pub(super) fn probe(exchange: Exchange, server: SocketAddr) -> io::Result<Vec<Vec<u8>>> {
    let turns = exchange.turns();
    let mut connection = Connection::open(server, &turns)?;
    let mut buffer = vec![0; LONGEST_ANSWER];
    let mut answers = Vec::new();
    loop {
        let (progress, length) = connection.advance(exchange, &turns, &mut buffer)?;
        answers.push(buffer[..length].to_vec());
        if progress == Progress::Answered {
            return Ok(answers);
        }
    }
}

/// A client's connection, on which it has said something and not heard the answer.
struct Connection {
    stream: TcpStream,
    turn: usize,
}

impl Connection {
    fn open(server: SocketAddr, turns: &[Vec<u8>]) -> io::Result<Self> {
        let mut stream = TcpStream::connect(server)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.write_all(&turns[0])?;
        Ok(Self { stream, turn: 0 })
    }

    /// Hears an answer, `length` bytes in `buffer`, and says what is to be said next.
    fn advance(&mut self, exchange: Exchange, turns: &[Vec<u8>], buffer: &mut [u8]) -> io::Result<(Progress, usize)> {
        let length = read_answer(&mut self.stream, &exchange.extent(self.turn), buffer)?;
        if !exchange.is_right(self.turn, &buffer[..length]) {
            let answer = buffer[..length.min(300)].escape_ascii();
            return Err(io::Error::other(format!("turn {}: a wrong answer: {answer}", self.turn + 1)));
        }
        self.turn += 1;
        let Some(next) = turns.get(self.turn) else { return Ok((Progress::Answered, length)) };
        self.stream.write_all(next)?;
        Ok((Progress::More, length))
    }

    /// Asks once more on the same connection.
    fn ask_again(&mut self, turns: &[Vec<u8>]) -> io::Result<()> {
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

/// Whether `text` begins with the name of one of the edges, and what is behind it.
fn split_edge(text: &[u8]) -> Option<&[u8]> {
    let (name, rest) = text.split_at_checked(fleet::name(0).len())?;
    fleet::is_edge(name, EDGES).then_some(rest)
}

/// What is behind the first `needle`.
fn behind<'t>(text: &'t [u8], needle: &[u8]) -> Option<&'t [u8]> {
    let start = text.windows(needle.len()).position(|window| window == needle)?;
    Some(&text[start + needle.len()..])
}
