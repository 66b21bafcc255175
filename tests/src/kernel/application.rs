//! What runs on a real server: it tells clients who it is.

use std::io;
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;
use tokio::runtime;
use tokio::sync::oneshot;

use super::host::Host;

/// The longest datagram that is answered, in bytes.
const LONGEST: usize = 2048;

/// The versions that are spoken.
pub(super) const RTSP: &str = "RTSP/1.0";
pub(super) const HTTP: &str = "HTTP/1.1";

/// What is spoken over TCP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Language {
    /// The server says a line with its host's name, then whatever it gets.
    Greeting,
    /// RTSP: each answer has the host's name in `Server`.
    Rtsp,
    /// HTTP: the same.
    Http,
}

/// A running application. Over TCP it speaks a [`Language`]; to a datagram it answers with its host's name, a space and the
/// datagram. When dropped it fails, as a process does that is killed: its connections are
/// closed, and new ones refused.
#[derive(Debug)]
pub struct Application {
    /// Ends the thread when dropped.
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Application {
    /// Listens on these addresses, over TCP and UDP, and greets.
    ///
    /// # Panics
    /// When one cannot be bound.
    #[must_use]
    pub fn start(host: &Host, addresses: &[SocketAddr]) -> Self {
        Self::speaking(Language::Greeting, host, addresses)
    }

    /// The same in another language.
    ///
    /// # Panics
    /// When one cannot be bound.
    #[must_use]
    pub fn speaking(language: Language, host: &Host, addresses: &[SocketAddr]) -> Self {
        let bind = |address: &SocketAddr| Ok((TcpListener::bind(address)?, UdpSocket::bind(address)?));
        let sockets: io::Result<Vec<_>> = host.run(|| addresses.iter().map(bind).collect());
        let sockets = sockets.unwrap_or_else(|error| panic!("{} cannot listen on {addresses:?}: {error}", host.name()));
        let name: Arc<str> = host.name().into();
        let (stop, stopped) = oneshot::channel();
        let thread = thread::spawn(move || serve(sockets, language, &name, stopped));
        Self { stop: Some(stop), thread: Some(thread) }
    }
}

impl Drop for Application {
    fn drop(&mut self) {
        drop(self.stop.take());
        // Only then are its sockets closed. It has nothing to tell, and a panic of its own is on the console.
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

fn serve(sockets: Vec<(TcpListener, UdpSocket)>, language: Language, name: &Arc<str>, stopped: oneshot::Receiver<()>) {
    let runtime = runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        for (listener, socket) in sockets {
            listener.set_nonblocking(true).expect("a socket");
            socket.set_nonblocking(true).expect("a socket");
            let listener = tokio::net::TcpListener::from_std(listener).expect("a socket");
            tokio::spawn(accept(listener, language, Arc::clone(name)));
            tokio::spawn(answer(tokio::net::UdpSocket::from_std(socket).expect("a socket"), Arc::clone(name)));
        }
        // The sender is only ever dropped.
        let _ = stopped.await;
    });
}

async fn accept(listener: tokio::net::TcpListener, language: Language, name: Arc<str>) {
    while let Ok((stream, _)) = listener.accept().await {
        let name = Arc::clone(&name);
        tokio::spawn(async move {
            // A client that is gone is no concern of the application's.
            let _ = match language {
                Language::Greeting => greet(stream, &name).await,
                Language::Rtsp => answer_requests(stream, RTSP, &name).await,
                Language::Http => answer_requests(stream, HTTP, &name).await,
            };
        });
    }
}

async fn greet(mut stream: TcpStream, name: &str) -> io::Result<()> {
    stream.write_all(format!("{name}\n").as_bytes()).await?;
    let (mut from, mut to) = stream.split();
    tokio::io::copy(&mut from, &mut to).await.map(drop)
}

/// Every request is answered with success (RFC 2326, section 6 and 10.1; RFC 9112, section 4). What HTTP does not know of it
/// is passed over.
async fn answer_requests(mut stream: TcpStream, protocol: &str, name: &str) -> io::Result<()> {
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

async fn answer(socket: tokio::net::UdpSocket, name: Arc<str>) {
    let mut buffer = [0; LONGEST];
    loop {
        // A client that is gone is told by an error.
        let Ok((length, client)) = socket.recv_from(&mut buffer).await else { continue };
        let answer = [name.as_bytes(), b" ", &buffer[..length]].concat();
        let _ = socket.send_to(&answer, client).await;
    }
}
