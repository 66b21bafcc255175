//! The loop that accepts clients, and what tells their protocol.

use std::future::Future;
use std::io;
use std::net::{SocketAddr, TcpStream};
use std::os::fd::{AsFd, OwnedFd};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::{SocketFlags, acceptfrom_with};
use tokio::io::Interest;
use tracing::{debug, error, warn};
use weir_fleet::Protocol;

use crate::detect::{Detection, Detector};
use crate::incoming::Incoming;
use crate::listener::{Port, Service};
use crate::permits::{OfAddress, Permit};
use crate::socket::Socket;
use crate::stream::Stream;
use crate::{Client, Front, http, proxied, relay, rtmp, rtsp};

/// How long to wait when no file descriptor is left for the next client, before looking again.
const EXHAUSTED_PAUSE: Duration = Duration::from_millis(50);

/// So many clients are accepted before those who were accepted earlier get their turn.
const BATCH: usize = 64;

/// Accepts clients on `port` until it is cancelled.
///
/// # Errors
/// When the socket cannot be used at all.
pub async fn accept(port: Port, front: Arc<Front>) -> io::Result<()> {
    // The runtime's own listener registers every client that it accepts. Its stream is a socket that can be waited for,
    // and no more: to epoll this one is like any other.
    let listener = tokio::net::TcpStream::from_std(OwnedFd::from(port.socket).into())?;
    loop {
        listener.readable().await?;
        let batch: io::Result<()> = (0..BATCH).try_for_each(|count| {
            let is_known = count == 0;
            let (stream, address) = listener.try_io(Interest::READABLE, || next(&listener, is_known))?;
            front.metrics().connections.inc();
            let client = Client { address, listener_port: port.number, is_secure: false, told: port.told };
            let is_proxy = port.proxies.iter().any(|proxies| proxies.contains(&address.ip()));
            start(&front, client, is_proxy, &port.service, stream);
            Ok(())
        });
        match batch {
            Ok(()) => tokio::task::yield_now().await,
            // To wait for the next one is to let the others run.
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => pause_if_exhausted(&front, &error).await,
        }
    }
}

/// The next client, in non-blocking mode. When it is not known that there is one, this asks first: accept(2) makes a socket
/// and a file before it looks for a client, and to throw them away again takes longer than to accept.
fn next(listener: impl AsFd, is_known: bool) -> io::Result<(TcpStream, SocketAddr)> {
    if !is_known && !is_readable(&listener)? {
        return Err(io::ErrorKind::WouldBlock.into());
    }
    let (stream, address) = acceptfrom_with(listener, SocketFlags::NONBLOCK | SocketFlags::CLOEXEC)?;
    let address = address.and_then(|address| SocketAddr::try_from(address).ok()).ok_or(Errno::AFNOSUPPORT)?;
    Ok((stream.into(), SocketAddr::new(address.ip().to_canonical(), address.port())))
}

fn is_readable(listener: impl AsFd) -> io::Result<bool> {
    let at_once = Timespec { tv_sec: 0, tv_nsec: 0 };
    Ok(poll(&mut [PollFd::new(&listener, PollFlags::IN)], Some(&at_once))? > 0)
}

/// Without a file descriptor for the next client, `accept` fails at once again and again: others need a chance to close.
async fn pause_if_exhausted(front: &Front, error: &io::Error) {
    let code = error.raw_os_error().map(Errno::from_raw_os_error);
    if matches!(code, Some(Errno::MFILE | Errno::NFILE | Errno::NOBUFS | Errno::NOMEM)) {
        if front.warnings().exhausted.is_due(front.now()) {
            warn!(%error, "no client can be accepted: raise the limit of open files, or lower [limits] connections");
        }
        tokio::time::sleep(EXHAUSTED_PAUSE).await;
    } else {
        // The client has gone already (accept(2), "Error handling").
        debug!(%error, "a client could not be accepted");
    }
}

/// Serves a client as far as that can be done at once, and in a task of its own if it has to be waited for.
fn start(front: &Arc<Front>, client: Client, is_proxy: bool, service: &Service, stream: TcpStream) {
    let mut serving = Box::pin(serve(Arc::clone(front), client, is_proxy, service.clone(), stream));
    match poll_once(serving.as_mut()) {
        Ok(Poll::Ready(())) => {}
        Ok(Poll::Pending) => match Permit::take(front, (!is_proxy).then_some(client.address.ip())) {
            Ok(place) => {
                tokio::spawn(async move {
                    serving.await;
                    drop(place);
                });
            }
            Err(refusal) => front.metrics().reject_client("unknown", refusal.reason()),
        },
        // A task of its own would have been ended by it, and so is this client; the others are not.
        Err(_) => error!(client = %client.address, "serving a client panicked"),
    }
}

/// Lets a future go as far as it can; whoever polls it again is woken then.
fn poll_once(future: Pin<&mut impl Future<Output = ()>>) -> std::thread::Result<Poll<()>> {
    let mut context = Context::from_waker(Waker::noop());
    catch_unwind(AssertUnwindSafe(|| future.poll(&mut context)))
}

/// Does for a client what is done at its listener.
async fn serve(front: Arc<Front>, mut client: Client, is_proxy: bool, service: Service, stream: TcpStream) {
    let mut incoming = Incoming::new(Stream::Plain(Socket::new(stream)), front.limits().decision_timeout);
    // Of the client behind a proxy, until it is served.
    let mut _place = None;
    if is_proxy {
        let rejected = |reason| front.metrics().reject_client("unknown", reason);
        let named = match proxied::unwrap(&mut incoming, client).await {
            Ok(named) => named,
            Err(error) => {
                debug!(proxy = %client.address, %error, "proxy protocol");
                return rejected("proxy-protocol");
            }
        };
        if named.address != client.address {
            _place = match OfAddress::take(&front, named.address.ip()) {
                Ok(place) => Some(place),
                Err(full) => return rejected(full.reason()),
            };
        }
        client = named;
    }
    match service {
        Service::Speak(admitted) => speak(front, client, admitted, incoming).await,
        Service::Relay(port) => relay::serve(&front, client, port, incoming).await,
    }
}

/// Tells the protocol of a connection, and hands it to that protocol's front.
async fn speak(front: Arc<Front>, mut client: Client, admitted: Arc<[Protocol]>, mut incoming: Incoming) {
    let rejected = |reason| front.metrics().reject_client("unknown", reason);
    let protocol = loop {
        let detection = match detect(&mut incoming).await {
            Ok(detection) => detection,
            Err(error) if error.kind() == io::ErrorKind::TimedOut => return rejected("timeout"),
            Err(_) => return,
        };
        match detection {
            Detection::Http => break Protocol::Http,
            Detection::Rtmp => break Protocol::Rtmp,
            Detection::Rtsp => break Protocol::Rtsp,
            Detection::Tls if !client.is_secure => {
                let Some(acceptor) = front.tls_acceptor() else { return rejected("tls") };
                incoming = match incoming.secure(&acceptor).await {
                    Ok(secure) => secure,
                    Err(error) => {
                        debug!(client = %client.address, %error, "tls");
                        return rejected("tls-handshake");
                    }
                };
                client.is_secure = true;
            }
            Detection::Tls | Detection::Unknown | Detection::NeedMore => return rejected("unknown-protocol"),
        }
    };
    if !admitted.contains(&protocol) {
        return front.metrics().reject_client(protocol.name(), "not-admitted");
    }
    // Each connection takes the room of the largest of these that is not boxed: RTMP and RTSP box what they need only until
    // a client is relayed themselves.
    match protocol {
        Protocol::Http => {
            let Some(tunnelled) = http::serve(Arc::clone(&front), client, incoming).await else { return };
            if !admitted.contains(&Protocol::Rtsp) {
                return front.metrics().reject_client(Protocol::Rtsp.name(), "not-admitted");
            }
            Box::pin(rtsp::tunnel::serve(front, client, tunnelled)).await;
        }
        Protocol::Rtmp => rtmp::serve(front, client, incoming).await,
        Protocol::Rtsp => rtsp::serve(front, client, incoming).await,
    }
}

/// Reads until the protocol is told.
///
/// # Errors
/// Those of [`Incoming::receive`], and [`io::ErrorKind::UnexpectedEof`] when the client has gone.
async fn detect(incoming: &mut Incoming) -> io::Result<Detection> {
    let mut detector = Detector::default();
    loop {
        match detector.advance(&incoming.received) {
            Detection::NeedMore => {}
            told => return Ok(told),
        }
        if !incoming.receive().await? {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
}

#[cfg(test)]
mod tests;
