//! Clients: TCP connections and single datagrams.

use std::io::{self, BufRead as _, BufReader, Write as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream, UdpSocket};
use std::time::Duration;

use super::application::{HTTP, Protocol, RTSP};
use super::host::Host;
use super::tally::Tally;

/// Time limit of a client: covers three retransmissions of TCP.
pub const PATIENCE: Duration = Duration::from_secs(4);

/// A connection to an [`Application`](super::application::Application), open until dropped.
#[derive(Debug)]
pub struct Connection {
    stream: BufReader<TcpStream>,
    protocol: Protocol,
    server: String,
    /// Number of requests so far.
    requests: u32,
}

impl Connection {
    /// Connects, and waits for the greeting.
    ///
    /// # Errors
    /// If the server does not respond in time, or the connection is refused or closed.
    pub fn open(client: &Host, to: SocketAddr) -> io::Result<Self> {
        client.run(|| Self::greeted(to))
    }

    /// Connects, and sends an RTSP request.
    ///
    /// # Errors
    /// If the server does not respond in time, or the connection is refused or closed.
    pub fn rtsp(client: &Host, to: SocketAddr) -> io::Result<Self> {
        client.run(|| Self::request_first(Protocol::Rtsp, to))
    }

    /// Connects, and sends an HTTP request. Must be called on the client's machine.
    ///
    /// # Errors
    /// If the server does not respond in time, or the connection is refused or closed.
    pub fn http(to: SocketAddr) -> io::Result<Self> {
        Self::request_first(Protocol::Http, to)
    }

    fn request_first(protocol: Protocol, to: SocketAddr) -> io::Result<Self> {
        let mut connection = Self::connect(protocol, to)?;
        connection.server = connection.request()?;
        Ok(connection)
    }

    /// As [`Connection::open`]. Must be called on the client's machine.
    pub(super) fn greeted(to: SocketAddr) -> io::Result<Self> {
        let mut connection = Self::connect(Protocol::Greeting, to)?;
        connection.server = connection.line()?;
        Ok(connection)
    }

    fn connect(protocol: Protocol, to: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect_timeout(&to, PATIENCE)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        Ok(Self { stream: BufReader::new(stream), protocol, server: String::new(), requests: 0 })
    }

    /// Name of the server.
    #[must_use]
    pub fn server(&self) -> &str {
        &self.server
    }

    /// Exchanges a message with the server, which shows that the connection is alive.
    ///
    /// # Errors
    /// If there is no response in time, or the connection is closed.
    pub fn exchange(&mut self) -> io::Result<()> {
        let (expected, response) = match self.protocol {
            Protocol::Greeting => {
                self.requests += 1;
                let message = self.requests.to_string();
                self.stream.get_mut().write_all(format!("{message}\n").as_bytes())?;
                (message, self.line()?)
            }
            Protocol::Rtsp | Protocol::Http => (self.server.clone(), self.request()?),
        };
        if response == expected { Ok(()) } else { Err(io::Error::other(format!("{response}, not {expected}"))) }
    }

    /// Sends an RTSP or HTTP request, and returns the server's name.
    fn request(&mut self) -> io::Result<String> {
        self.requests += 1;
        let protocol = if self.protocol == Protocol::Http { HTTP } else { RTSP };
        let request = format!("OPTIONS * {protocol}\r\nHost: www.example.com\r\nCSeq: {}\r\n\r\n", self.requests);
        self.stream.get_mut().write_all(request.as_bytes())?;
        let mut head = Vec::new();
        loop {
            let line = self.line()?;
            match line.trim_end() {
                "" => break,
                line => head.push(line.to_owned()),
            }
        }
        let is_response = head.first().is_some_and(|status| *status == format!("{protocol} 200 OK"))
            && head.contains(&format!("CSeq: {}", self.requests));
        let server = head.iter().find_map(|line| line.strip_prefix("Server: ")).filter(|_| is_response);
        server.map(str::to_owned).ok_or_else(|| io::Error::other(format!("response to {request:?}: {head:?}")))
    }

    fn line(&mut self) -> io::Result<String> {
        let mut line = String::new();
        self.stream.read_line(&mut line)?;
        line.strip_suffix('\n').map(str::to_owned).ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
    }
}

/// Opens `count` connections one after another, and closes each after the greeting.
///
/// # Panics
/// If one fails.
#[must_use]
#[track_caller]
pub fn open_connections(client: &Host, to: SocketAddr, count: usize) -> Tally {
    let open =
        |number| Connection::open(client, to).unwrap_or_else(|error| panic!("connection {number} to {to}: {error}"));
    (0..count).map(|number| open(number).server().to_owned()).collect()
}

/// Sends `count` datagrams, each from a new port, and waits for each reply.
///
/// # Panics
/// If there is no reply to one of them.
#[must_use]
#[track_caller]
pub fn send_datagrams(client: &Host, to: SocketAddr, count: usize) -> Tally {
    let send = |number| send_datagram(client, to).unwrap_or_else(|error| panic!("datagram {number} to {to}: {error}"));
    (0..count).map(send).collect()
}

/// Sends a datagram, and returns the name of the server that replied.
///
/// # Errors
/// If there is no reply in time.
pub fn send_datagram(client: &Host, to: SocketAddr) -> io::Result<String> {
    let socket = client.run(|| UdpSocket::bind((unspecified(to), 0)))?;
    socket.connect(to)?;
    socket.set_read_timeout(Some(PATIENCE))?;
    socket.send(b"?")?;
    let mut buffer = [0; 64];
    let length = socket.recv(&mut buffer)?;
    let reply = String::from_utf8_lossy(&buffer[..length]);
    Ok(reply.split(' ').next().unwrap_or_default().to_owned())
}

/// The unspecified address of the same family.
pub(super) fn unspecified(other: SocketAddr) -> IpAddr {
    if other.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() }
}
