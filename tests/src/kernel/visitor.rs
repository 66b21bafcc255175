//! Clients: a connection over TCP, a question over UDP.

use std::io::{self, BufRead as _, BufReader, Write as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream, UdpSocket};
use std::time::Duration;

use super::application::{HTTP, Language, RTSP};
use super::host::Host;
use super::tally::Tally;

/// How long a client waits: three times as long as TCP takes to send again what was lost.
pub const PATIENCE: Duration = Duration::from_secs(4);

/// A connection to an [`Application`](super::application::Application), held until dropped.
#[derive(Debug)]
pub struct Visit {
    stream: BufReader<TcpStream>,
    language: Language,
    server: String,
    /// Questions so far.
    asked: u32,
}

impl Visit {
    /// Connects, and waits to be greeted.
    ///
    /// # Errors
    /// When nobody answers in time, or the connection is refused or ended.
    pub fn start(client: &Host, to: SocketAddr) -> io::Result<Self> {
        client.run(|| Self::connect(to))
    }

    /// Connects, and asks by RTSP who answers.
    ///
    /// # Errors
    /// When nobody answers in time, or the connection is refused or ended.
    pub fn rtsp(client: &Host, to: SocketAddr) -> io::Result<Self> {
        client.run(|| Self::request_first(Language::Rtsp, to))
    }

    /// Connects, and asks by HTTP who answers; of a thread that is on the client's machine.
    ///
    /// # Errors
    /// When nobody answers in time, or the connection is refused or ended.
    pub fn http(to: SocketAddr) -> io::Result<Self> {
        Self::request_first(Language::Http, to)
    }

    fn request_first(language: Language, to: SocketAddr) -> io::Result<Self> {
        let mut visit = Self::open(language, to)?;
        visit.server = visit.request()?;
        Ok(visit)
    }

    /// As [`Visit::start`], of a thread that is on the client's machine.
    pub(super) fn connect(to: SocketAddr) -> io::Result<Self> {
        let mut visit = Self::open(Language::Greeting, to)?;
        visit.server = visit.line()?;
        Ok(visit)
    }

    fn open(language: Language, to: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect_timeout(&to, PATIENCE)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        Ok(Self { stream: BufReader::new(stream), language, server: String::new(), asked: 0 })
    }

    /// The server that answered first.
    #[must_use]
    pub fn server(&self) -> &str {
        &self.server
    }

    /// Says something and waits for the answer: only a connection that is alive has one.
    ///
    /// # Errors
    /// When there is none in time, or the connection is ended.
    pub fn ask(&mut self) -> io::Result<()> {
        let (wanted, answer) = match self.language {
            Language::Greeting => {
                self.asked += 1;
                let question = self.asked.to_string();
                self.stream.get_mut().write_all(format!("{question}\n").as_bytes())?;
                (question, self.line()?)
            }
            Language::Rtsp | Language::Http => (self.server.clone(), self.request()?),
        };
        if answer == wanted { Ok(()) } else { Err(io::Error::other(format!("instead of {wanted}, {answer}"))) }
    }

    /// Asks by RTSP or HTTP, and returns the server's name.
    fn request(&mut self) -> io::Result<String> {
        self.asked += 1;
        let protocol = if self.language == Language::Http { HTTP } else { RTSP };
        let request = format!("OPTIONS * {protocol}\r\nHost: www.example.com\r\nCSeq: {}\r\n\r\n", self.asked);
        self.stream.get_mut().write_all(request.as_bytes())?;
        let mut head = Vec::new();
        loop {
            let line = self.line()?;
            match line.trim_end() {
                "" => break,
                line => head.push(line.to_owned()),
            }
        }
        let is_answer = head.first().is_some_and(|status| *status == format!("{protocol} 200 OK"))
            && head.contains(&format!("CSeq: {}", self.asked));
        let server = head.iter().find_map(|line| line.strip_prefix("Server: ")).filter(|_| is_answer);
        server.map(str::to_owned).ok_or_else(|| io::Error::other(format!("{request:?} was answered {head:?}")))
    }

    fn line(&mut self) -> io::Result<String> {
        let mut line = String::new();
        self.stream.read_line(&mut line)?;
        line.strip_suffix('\n').map(str::to_owned).ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
    }
}

/// Connects so many times, one after the other, and ends each connection once it was greeted.
///
/// # Panics
/// When one of them is not.
#[must_use]
#[track_caller]
pub fn visits(client: &Host, to: SocketAddr, count: usize) -> Tally {
    let visit =
        |number| Visit::start(client, to).unwrap_or_else(|error| panic!("connection {number} to {to}: {error}"));
    (0..count).map(|number| visit(number).server().to_owned()).collect()
}

/// Sends so many datagrams, each from a port of its own, and waits for each answer.
///
/// # Panics
/// When one is not answered.
#[must_use]
#[track_caller]
pub fn questions(client: &Host, to: SocketAddr, count: usize) -> Tally {
    let ask = |number| question(client, to).unwrap_or_else(|error| panic!("datagram {number} to {to}: {error}"));
    (0..count).map(ask).collect()
}

/// Sends a datagram and returns the name of the server that answered.
///
/// # Errors
/// When none does in time.
pub fn question(client: &Host, to: SocketAddr) -> io::Result<String> {
    let socket = client.run(|| UdpSocket::bind((unspecified(to), 0)))?;
    socket.connect(to)?;
    socket.set_read_timeout(Some(PATIENCE))?;
    socket.send(b"?")?;
    let mut buffer = [0; 64];
    let length = socket.recv(&mut buffer)?;
    let answer = String::from_utf8_lossy(&buffer[..length]);
    Ok(answer.split(' ').next().unwrap_or_default().to_owned())
}

/// The address of no host in particular, of the other's family.
pub(super) fn unspecified(other: SocketAddr) -> IpAddr {
    if other.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() }
}
