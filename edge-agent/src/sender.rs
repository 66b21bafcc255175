//! One target's socket: resolve its name, seal and send reports, receive and open acks.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use tokio::net::{UdpSocket, lookup_host};
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};
use tracing::{debug, info, warn};
use weir_program::random;
use weir_protocol::datagram::MAX_LENGTH;
use weir_protocol::{Command, EdgeId, Report};

use crate::targets::{Target, TargetAddress};

/// How long a name may take to resolve.
const RESOLVE_TIMEOUT: Duration = Duration::from_secs(2);

/// How long the addresses of a name are used before it is asked again.
const RESOLVE_INTERVAL: Duration = Duration::from_secs(60);

/// The reports to one target.
#[derive(Debug)]
pub struct Sender {
    address: TargetAddress,
    sealer: weir_protocol::Sender,
    names: Names,
    /// Connected to the address that is used now, so that it hears when nobody listens there; `None` after an error.
    socket: Option<(SocketAddr, UdpSocket)>,
    /// Whether the network said, since the last report, that nobody listens.
    is_refused: bool,
    /// How often sending has failed: each time the next address is tried.
    failures: usize,
    /// What was wrong the last time, so that each trouble is logged once.
    trouble: Option<String>,
}

impl Sender {
    /// A sender that has just started.
    #[must_use]
    pub fn new(target: &Target, edge: EdgeId) -> Self {
        Self {
            address: target.address.clone(),
            sealer: weir_protocol::Sender::new(target.key.clone(), edge, random::bytes()),
            names: Names::default(),
            socket: None,
            is_refused: false,
            failures: 0,
            trouble: None,
        }
    }

    /// What was wrong the last time.
    #[must_use]
    pub fn trouble(&self) -> Option<&str> {
        self.trouble.as_deref()
    }

    /// The next ack that can be believed. Nothing is lost when it is cancelled.
    pub async fn next_ack(&mut self) -> Acked {
        // One byte more than the longest ack, so that a longer one is seen to be too long rather than cut.
        let mut buffer = [0; MAX_LENGTH + 1];
        loop {
            let Some((_, socket)) = &self.socket else {
                return std::future::pending().await;
            };
            let Ok(length) = socket.recv(&mut buffer).await else {
                // Nobody listens there. The next report finds out, and tries another address.
                self.is_refused = true;
                return std::future::pending().await;
            };
            match self.sealer.open_ack(&mut buffer[..length]) {
                Ok(ack) => {
                    let balancer = ack.balancer.map(str::to_owned);
                    let is_of_last = ack.counter == self.sealer.last_counter();
                    return Acked { balancer, command: ack.command, is_of_last };
                }
                Err(rejection) => debug!(target = %self.address, %rejection, "an ack is not believed"),
            }
        }
    }

    /// Sends one report. What goes wrong is logged, and tried anew with the next.
    pub async fn send(&mut self, report: &Report<'_>) {
        let trouble = match self.try_send(report).await {
            Ok(Sent::Heard) => None,
            // Whether trouble is over shows with the next report.
            Ok(Sent::Unheard) => return,
            Err(error) => {
                self.failures = self.failures.wrapping_add(1);
                Some(error.to_string())
            }
        };
        if trouble != self.trouble {
            match &trouble {
                Some(error) => warn!(target = %self.address, error, "reports do not get through"),
                None => info!(target = %self.address, "reports are sent again"),
            }
            self.trouble = trouble;
        }
    }

    async fn try_send(&mut self, report: &Report<'_>) -> io::Result<Sent> {
        let datagram = self.sealer.seal(report).map_err(io::Error::other)?;
        let addresses = self.names.addresses(&self.address).await?;
        let mut address = addresses[self.failures % addresses.len()];
        let mut failed = None;
        if let Some((_, socket)) = self.socket.take_if(|(connected_to, _)| *connected_to == address) {
            let sent = if std::mem::take(&mut self.is_refused) {
                Err(io::ErrorKind::ConnectionRefused.into())
            } else {
                socket.send(datagram).await
            };
            match sent {
                Ok(_) => {
                    self.socket = Some((address, socket));
                    return Ok(Sent::Heard);
                }
                // Most often this is what the network said of the datagram before; this one was not sent.
                Err(error) => failed = Some(error),
            }
            address = addresses[self.failures.wrapping_add(1) % addresses.len()];
        }
        let socket = connect(address).await?;
        socket.send(datagram).await?;
        self.socket = Some((address, socket));
        failed.map_or(Ok(Sent::Unheard), Err)
    }
}

/// What an ack said.
#[derive(Clone, Debug)]
pub struct Acked {
    /// What the balancer calls itself.
    pub balancer: Option<String>,
    /// What an operator wants.
    pub command: Option<Command>,
    /// Whether it answers the report that was sent last.
    pub is_of_last: bool,
}

/// What is known of a datagram that was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sent {
    /// The one before, over the same socket, did not come back as undeliverable.
    Heard,
    /// It is the first over its socket.
    Unheard,
}

async fn connect(address: SocketAddr) -> io::Result<UdpSocket> {
    let any: IpAddr = if address.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let socket = UdpSocket::bind((any, 0)).await?;
    socket.connect(address).await?;
    Ok(socket)
}

/// The addresses of a name, asked again from time to time without anybody having to wait.
#[derive(Debug, Default)]
struct Names {
    /// Never empty once known.
    known: Vec<SocketAddr>,
    asked_at: Option<Instant>,
    lookup: Option<JoinHandle<io::Result<Vec<SocketAddr>>>>,
}

impl Names {
    /// What is known of `target`. Waits only while nothing is.
    async fn addresses(&mut self, target: &TargetAddress) -> io::Result<&[SocketAddr]> {
        let is_due = self.known.is_empty() || self.asked_at.is_none_or(|at| at.elapsed() >= RESOLVE_INTERVAL);
        if is_due && self.lookup.is_none() {
            self.asked_at = Some(Instant::now());
            self.lookup = Some(tokio::spawn(resolve(target.clone())));
        }
        if let Some(lookup) = self.lookup.take_if(|lookup| lookup.is_finished() || self.known.is_empty()) {
            match lookup.await.map_err(io::Error::other)? {
                Ok(addresses) => self.known = addresses,
                // An address that worked is better than none.
                Err(error) if self.known.is_empty() => return Err(error),
                Err(error) => warn!(%target, %error, "the name does not resolve any more; its last address is used"),
            }
        }
        Ok(&self.known)
    }
}

async fn resolve(target: TargetAddress) -> io::Result<Vec<SocketAddr>> {
    let lookup = timeout(RESOLVE_TIMEOUT, lookup_host((target.host.as_str(), target.port)));
    let addresses: Vec<_> = lookup.await.map_err(|_| io::Error::other("the name does not resolve in time"))??.collect();
    if addresses.is_empty() { Err(io::Error::other("the name has no address")) } else { Ok(addresses) }
}
