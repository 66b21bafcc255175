//! The accept loop: accepts clients, detects their protocol, and passes each to its front.

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

use crate::client::Client;
use crate::detect::{Detection, Detector};
use crate::downstream::Downstream;
use crate::front::Front;
use crate::listener::{Port, Service};
use crate::permits::{AddressPermit, Permit};
use crate::socket::Socket;
use crate::stream::Stream;
use crate::{protocols, proxy_protocol, relay};

/// Pause before the next attempt when no file descriptor is left for a client.
const EXHAUSTED_PAUSE: Duration = Duration::from_millis(50);

/// Maximum number of clients that are accepted before those accepted earlier get their turn.
const BATCH: usize = 64;

/// Accepts clients on `port` until cancelled.
///
/// # Errors
/// When the socket is unusable.
pub async fn accept(port: Port, front: Arc<Front>) -> io::Result<()> {
    // tokio's TcpListener would register every accepted client with epoll. A TcpStream provides readiness without that,
    // and to epoll a listening socket is like any other.
    let listener = tokio::net::TcpStream::from_std(OwnedFd::from(port.socket).into())?;
    loop {
        listener.readable().await?;
        let batch: io::Result<()> = (0..BATCH).try_for_each(|count| {
            let is_ready = count == 0;
            let (stream, address) = listener.try_io(Interest::READABLE, || next(&listener, is_ready))?;
            front.metrics().connections.inc();
            let client = Client {
                address,
                listener_port: port.number,
                is_secure: false,
                redirect_defaults: port.redirect_defaults,
            };
            let is_proxy = port.proxies.iter().any(|proxies| proxies.contains(&address.ip()));
            start(&front, client, is_proxy, &port.service, stream);
            Ok(())
        });
        match batch {
            Ok(()) => tokio::task::yield_now().await,
            // Waiting for the next client lets other tasks run.
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => pause_if_exhausted(&front, &error).await,
        }
    }
}

/// Accepts the next client, in non-blocking mode. Polls first unless the listener `is_ready`: accept(2) creates a
/// socket and a file before it checks for a client, and discarding them takes longer than accepting.
fn next(listener: impl AsFd, is_ready: bool) -> io::Result<(TcpStream, SocketAddr)> {
    if !is_ready && !is_readable(&listener)? {
        return Err(io::ErrorKind::WouldBlock.into());
    }
    let (stream, address) = acceptfrom_with(listener, SocketFlags::NONBLOCK | SocketFlags::CLOEXEC)?;
    let address = address.and_then(|address| SocketAddr::try_from(address).ok()).ok_or(Errno::AFNOSUPPORT)?;
    Ok((stream.into(), SocketAddr::new(address.ip().to_canonical(), address.port())))
}

fn is_readable(listener: impl AsFd) -> io::Result<bool> {
    let no_wait = Timespec { tv_sec: 0, tv_nsec: 0 };
    Ok(poll(&mut [PollFd::new(&listener, PollFlags::IN)], Some(&no_wait))? > 0)
}

/// Pauses if no file descriptor is left: `accept` would fail again at once, and other clients need time to close.
async fn pause_if_exhausted(front: &Front, error: &io::Error) {
    let code = error.raw_os_error().map(Errno::from_raw_os_error);
    if matches!(code, Some(Errno::MFILE | Errno::NFILE | Errno::NOBUFS | Errno::NOMEM)) {
        if front.log_limits().accept_exhausted.permits(front.now()) {
            warn!(%error, "accept failed; raise the limit of open files or lower [limits] connections");
        }
        tokio::time::sleep(EXHAUSTED_PAUSE).await;
    } else {
        // The client has already gone (accept(2), "Error handling").
        debug!(%error, "accept failed");
    }
}

/// Serves a client as far as possible without waiting; spawns a task for the rest.
fn start(front: &Arc<Front>, client: Client, is_proxy: bool, service: &Service, stream: TcpStream) {
    let mut serving = Box::pin(serve(Arc::clone(front), client, is_proxy, service.clone(), stream));
    match poll_once(serving.as_mut()) {
        Ok(Poll::Ready(())) => {}
        Ok(Poll::Pending) => {
            let address = (!is_proxy).then_some(client.address.ip());
            match Permit::take(&front.shared.permits, front.limits(), address) {
                Ok(permit) => {
                    tokio::spawn(async move {
                        serving.await;
                        drop(permit);
                    });
                }
                Err(limit) => front.metrics().reject_client("unknown", limit.reason()),
            }
        }
        // As in a task, the panic ends this client's connection and no other.
        Err(_) => error!(client = %client.address, "panic while serving client; connection closed"),
    }
}

/// Polls a future once, without a waker: the next poll registers one.
fn poll_once(future: Pin<&mut impl Future<Output = ()>>) -> std::thread::Result<Poll<()>> {
    let mut context = Context::from_waker(Waker::noop());
    catch_unwind(AssertUnwindSafe(|| future.poll(&mut context)))
}

/// Serves a client: reads the PROXY protocol header if there must be one, and provides the listener's service.
async fn serve(front: Arc<Front>, mut client: Client, is_proxy: bool, service: Service, stream: TcpStream) {
    let mut downstream = Downstream::new(Stream::Plain(Socket::new(stream)), front.limits().decision_timeout);
    // Counts a client behind a proxy until it is served.
    let mut _address_permit = None;
    if is_proxy {
        let rejected = |reason| front.metrics().reject_client("unknown", reason);
        let proxied = match proxy_protocol::receive(&mut downstream, client).await {
            Ok(proxied) => proxied,
            Err(error) => {
                debug!(proxy = %client.address, %error, "PROXY protocol header missing or invalid; connection closed");
                return rejected("proxy-protocol");
            }
        };
        if proxied.address != client.address {
            let address = proxied.address.ip();
            _address_permit = match AddressPermit::take(&front.shared.permits, front.limits(), address) {
                Ok(permit) => Some(permit),
                Err(limit) => return rejected(limit.reason()),
            };
        }
        client = proxied;
    }
    match service {
        Service::Detect(admitted) => {
            let Some((protocol, client, downstream)) = identify(&front, client, downstream).await else { return };
            if !admitted.contains(&protocol) {
                return front.metrics().reject_client(protocol.name(), "not-admitted");
            }
            protocols::serve(protocol, front, client, admitted, downstream).await;
        }
        Service::Relay(port) => relay::serve(&front, client, port, downstream).await,
    }
}

/// Identifies the protocol of a connection, after accepting TLS if the client begins with it. Counts a connection that
/// cannot be served as rejected.
async fn identify(
    front: &Front,
    mut client: Client,
    mut downstream: Downstream,
) -> Option<(Protocol, Client, Downstream)> {
    let rejected = |reason| {
        front.metrics().reject_client("unknown", reason);
        None
    };
    loop {
        match detect(&mut downstream).await {
            Ok(Detection::Protocol(protocol)) => return Some((protocol, client, downstream)),
            Ok(Detection::Tls) if !client.is_secure => {
                let Some(acceptor) = front.tls_acceptor() else { return rejected("tls") };
                downstream = match downstream.accept_tls(&acceptor).await {
                    Ok(secure) => secure,
                    Err(error) => {
                        debug!(client = %client.address, %error, "TLS handshake failed");
                        return rejected("tls-handshake");
                    }
                };
                client.is_secure = true;
            }
            Ok(Detection::Tls | Detection::Unknown | Detection::NeedMore) => return rejected("unknown-protocol"),
            Err(error) if error.kind() == io::ErrorKind::TimedOut => return rejected("timeout"),
            Err(_) => return None,
        }
    }
}

/// Receives until the protocol is detected.
///
/// # Errors
/// Those of [`Downstream::receive`], and [`io::ErrorKind::UnexpectedEof`] when the client closes first.
async fn detect(downstream: &mut Downstream) -> io::Result<Detection> {
    let mut detector = Detector::default();
    loop {
        match detector.advance(&downstream.received) {
            Detection::NeedMore => {}
            detection => return Ok(detection),
        }
        if !downstream.receive().await? {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
}

#[cfg(test)]
mod tests;
