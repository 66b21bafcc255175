//! What runs on a real server: it tells clients who it is, and says after them what they say.

use std::io;
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::runtime;
use tokio::sync::oneshot;

use super::host::Host;

/// The longest datagram that is answered, in bytes.
const LONGEST: usize = 2048;

/// A running application. Over TCP it sends a line with its host's name, then whatever it gets; to a datagram it answers
/// with the name, a space and the datagram. When dropped it fails, as a process does that is killed: its connections are
/// closed, and new ones refused.
#[derive(Debug)]
pub struct Application {
    /// Ends the thread when dropped.
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Application {
    /// Listens on these addresses, over TCP and UDP.
    ///
    /// # Panics
    /// When one cannot be bound.
    #[must_use]
    pub fn start(host: &Host, addresses: &[SocketAddr]) -> Self {
        let bind = |address: &SocketAddr| Ok((TcpListener::bind(address)?, UdpSocket::bind(address)?));
        let sockets: io::Result<Vec<_>> = host.run(|| addresses.iter().map(bind).collect());
        let sockets = sockets.unwrap_or_else(|error| panic!("{} cannot listen on {addresses:?}: {error}", host.name()));
        let name: Arc<str> = host.name().into();
        let (stop, stopped) = oneshot::channel();
        let thread = thread::spawn(move || serve(sockets, &name, stopped));
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

fn serve(sockets: Vec<(TcpListener, UdpSocket)>, name: &Arc<str>, stopped: oneshot::Receiver<()>) {
    let runtime = runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        for (listener, socket) in sockets {
            listener.set_nonblocking(true).expect("a socket");
            socket.set_nonblocking(true).expect("a socket");
            tokio::spawn(greet(tokio::net::TcpListener::from_std(listener).expect("a socket"), Arc::clone(name)));
            tokio::spawn(answer(tokio::net::UdpSocket::from_std(socket).expect("a socket"), Arc::clone(name)));
        }
        // The sender is only ever dropped.
        let _ = stopped.await;
    });
}

async fn greet(listener: tokio::net::TcpListener, name: Arc<str>) {
    while let Ok((stream, _)) = listener.accept().await {
        tokio::spawn(echo(stream, Arc::clone(&name)));
    }
}

async fn echo(mut stream: TcpStream, name: Arc<str>) {
    if stream.write_all(format!("{name}\n").as_bytes()).await.is_ok() {
        let (mut from, mut to) = stream.split();
        // A client that is gone is no concern of the application's.
        let _ = tokio::io::copy(&mut from, &mut to).await;
    }
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
