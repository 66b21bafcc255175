//! The application of a real server, which sends its host's name to clients.

use std::io;
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;
use tokio::runtime;
use tokio::sync::oneshot;

use super::host::Host;

/// Maximum length of a datagram, in bytes.
const MAX_DATAGRAM: usize = 2048;

/// Protocol versions.
pub(super) const RTSP: &str = "RTSP/1.0";
pub(super) const HTTP: &str = "HTTP/1.1";

/// Protocol over TCP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// The server sends a line with its host's name, then echoes whatever it receives.
    Greeting,
    /// RTSP: each response has the host's name in `Server`.
    Rtsp,
    /// HTTP: each response has the host's name in `Server`.
    Http,
}

/// A running application. Over TCP it uses a [`Protocol`]; it replies to a datagram with its host's name, a space and
/// the datagram. When dropped it fails like a killed process: its connections are closed, and new ones are refused.
#[derive(Debug)]
pub struct Application {
    /// Ends the thread when dropped.
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Application {
    /// Listens on these addresses, over TCP and UDP, and greets clients.
    ///
    /// # Panics
    /// If an address cannot be bound.
    #[must_use]
    pub fn start(host: &Host, addresses: &[SocketAddr]) -> Self {
        Self::with_protocol(Protocol::Greeting, host, addresses)
    }

    /// As [`start`](Self::start), with this protocol over TCP.
    ///
    /// # Panics
    /// If an address cannot be bound.
    #[must_use]
    pub fn with_protocol(protocol: Protocol, host: &Host, addresses: &[SocketAddr]) -> Self {
        let bind = |address: &SocketAddr| Ok((TcpListener::bind(address)?, UdpSocket::bind(address)?));
        let sockets: io::Result<Vec<_>> = host.run(|| addresses.iter().map(bind).collect());
        let sockets = sockets.unwrap_or_else(|error| panic!("{} cannot listen on {addresses:?}: {error}", host.name()));
        let name: Arc<str> = host.name().into();
        let (stop, stopped) = oneshot::channel();
        let thread = thread::spawn(move || serve(sockets, protocol, &name, stopped));
        Self { stop: Some(stop), thread: Some(thread) }
    }
}

impl Drop for Application {
    fn drop(&mut self) {
        drop(self.stop.take());
        // Its sockets are closed when the thread has ended. A panic of the thread has been printed to the console.
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

fn serve(sockets: Vec<(TcpListener, UdpSocket)>, protocol: Protocol, name: &Arc<str>, stopped: oneshot::Receiver<()>) {
    let runtime = runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        for (listener, socket) in sockets {
            listener.set_nonblocking(true).expect("a socket");
            socket.set_nonblocking(true).expect("a socket");
            let listener = tokio::net::TcpListener::from_std(listener).expect("a socket");
            tokio::spawn(accept(listener, protocol, Arc::clone(name)));
            tokio::spawn(reply(tokio::net::UdpSocket::from_std(socket).expect("a socket"), Arc::clone(name)));
        }
        // The sender is dropped, never used.
        let _ = stopped.await;
    });
}

async fn accept(listener: tokio::net::TcpListener, protocol: Protocol, name: Arc<str>) {
    while let Ok((stream, _)) = listener.accept().await {
        let name = Arc::clone(&name);
        tokio::spawn(async move {
            // A client that disconnects is not an error.
            let _ = match protocol {
                Protocol::Greeting => greet(stream, &name).await,
                Protocol::Rtsp => respond(stream, RTSP, &name).await,
                Protocol::Http => respond(stream, HTTP, &name).await,
            };
        });
    }
}

async fn greet(mut stream: TcpStream, name: &str) -> io::Result<()> {
    stream.write_all(format!("{name}\n").as_bytes()).await?;
    let (mut from, mut to) = stream.split();
    tokio::io::copy(&mut from, &mut to).await.map(drop)
}

/// Responds to each request with success (RFC 2326, sections 6 and 10.1; RFC 9112, section 4). HTTP clients ignore the
/// headers of RTSP.
async fn respond(mut stream: TcpStream, protocol: &str, name: &str) -> io::Result<()> {
    let (from, mut to) = stream.split();
    let mut lines = BufReader::new(from).lines();
    let mut number = String::new();
    while let Some(line) = lines.next_line().await? {
        if let Some(found) = line.strip_prefix("CSeq: ") {
            number = found.to_owned();
        } else if line.is_empty() {
            let head = format!(
                "{protocol} 200 OK\r\nCSeq: {number}\r\nServer: {name}\r\nPublic: OPTIONS\r\nContent-Length: 0\r\n\r\n"
            );
            to.write_all(head.as_bytes()).await?;
        }
    }
    Ok(())
}

async fn reply(socket: tokio::net::UdpSocket, name: Arc<str>) {
    let mut buffer = [0; MAX_DATAGRAM];
    loop {
        // An error reports that a client has closed its port.
        let Ok((length, client)) = socket.recv_from(&mut buffer).await else { continue };
        let reply = [name.as_bytes(), b" ", &buffer[..length]].concat();
        let _ = socket.send_to(&reply, client).await;
    }
}
