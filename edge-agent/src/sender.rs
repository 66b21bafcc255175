//! The socket for one target: resolves its name, seals and sends reports, receives and opens acks.

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

/// Maximum time for a name lookup.
const RESOLVE_TIMEOUT: Duration = Duration::from_secs(2);

/// Time after which the addresses of a name are looked up again.
const RESOLVE_INTERVAL: Duration = Duration::from_secs(60);

/// The sender of reports to one target.
#[derive(Debug)]
pub struct Sender {
    address: TargetAddress,
    sealer: weir_protocol::Sender,
    resolver: Resolver,
    /// Connected to the current address, so that the kernel reports ICMP errors; `None` after an error.
    socket: Option<(SocketAddr, UdpSocket)>,
    /// Whether an ICMP error since the last report said that the port is closed.
    is_refused: bool,
    /// The number of failures so far. After each, the next address is tried.
    failures: usize,
    /// The error of the last report, so that each error is logged once.
    last_error: Option<String>,
}

impl Sender {
    /// Creates a sender that has not sent anything yet.
    #[must_use]
    pub fn new(target: &Target, edge: EdgeId) -> Self {
        Self {
            address: target.address.clone(),
            sealer: weir_protocol::Sender::new(target.key.clone(), edge, random::bytes()),
            resolver: Resolver::default(),
            socket: None,
            is_refused: false,
            failures: 0,
            last_error: None,
        }
    }

    /// Returns why the last report could not be sent.
    #[must_use]
    pub fn last_error(&self) -> Option<&str> {
        self.last_error.as_deref()
    }

    /// Waits for the next valid ack. Cancel-safe.
    pub async fn next_ack(&mut self) -> ReceivedAck {
        // One byte more than the longest ack, so that a longer one is rejected for its length rather than cut.
        let mut buffer = [0; MAX_LENGTH + 1];
        loop {
            let Some((_, socket)) = &self.socket else {
                return std::future::pending().await;
            };
            let Ok(length) = socket.recv(&mut buffer).await else {
                // The port is closed. The next report notices, and tries another address.
                self.is_refused = true;
                return std::future::pending().await;
            };
            match self.sealer.open_ack(&mut buffer[..length]) {
                Ok(ack) => {
                    let balancer = ack.balancer.map(|name| name.as_str().to_owned());
                    let is_of_last = ack.counter == self.sealer.last_counter();
                    return ReceivedAck { balancer, command: ack.command, is_of_last };
                }
                Err(rejection) => debug!(target = %self.address, reason = %rejection, "ack rejected"),
            }
        }
    }

    /// Sends one report. A failure is logged; the next report tries again.
    pub async fn send(&mut self, report: &Report<'_>) {
        let error = match self.try_send(report).await {
            Ok(Sent::OnKnownSocket) => None,
            // The next report shows whether the error persists.
            Ok(Sent::OnNewSocket) => return,
            Err(error) => {
                self.failures = self.failures.wrapping_add(1);
                Some(error.to_string())
            }
        };
        if error != self.last_error {
            match &error {
                Some(error) => {
                    warn!(target = %self.address, %error, "report cannot be sent; retrying with each report");
                }
                None => info!(target = %self.address, "reports sent again"),
            }
            self.last_error = error;
        }
    }

    async fn try_send(&mut self, report: &Report<'_>) -> io::Result<Sent> {
        let datagram = self.sealer.seal(report).map_err(io::Error::other)?;
        let addresses = self.resolver.addresses(&self.address).await?;
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
                    return Ok(Sent::OnKnownSocket);
                }
                // Most often an ICMP error that the previous report caused. This report was not sent.
                Err(error) => failed = Some(error),
            }
            address = addresses[self.failures.wrapping_add(1) % addresses.len()];
        }
        let socket = connect(address).await?;
        socket.send(datagram).await?;
        self.socket = Some((address, socket));
        failed.map_or(Ok(Sent::OnNewSocket), Err)
    }
}

/// The contents of a valid ack.
#[derive(Clone, Debug)]
pub struct ReceivedAck {
    /// The balancer's name.
    pub balancer: Option<String>,
    /// The command of an operator.
    pub command: Option<Command>,
    /// Whether the ack answers the last report.
    pub is_of_last: bool,
}

/// How a report was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sent {
    /// On the same socket as the previous report, which caused no ICMP error.
    OnKnownSocket,
    /// As the first report on its socket, so that an ICMP error may still follow.
    OnNewSocket,
}

async fn connect(address: SocketAddr) -> io::Result<UdpSocket> {
    let any: IpAddr = if address.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let socket = UdpSocket::bind((any, 0)).await?;
    socket.connect(address).await?;
    Ok(socket)
}

/// The addresses of a name, looked up periodically in the background.
#[derive(Debug, Default)]
struct Resolver {
    /// Never empty after the first successful lookup.
    known: Vec<SocketAddr>,
    looked_up_at: Option<Instant>,
    lookup: Option<JoinHandle<io::Result<Vec<SocketAddr>>>>,
}

impl Resolver {
    /// Returns the addresses of `target`. Waits only until the first lookup has succeeded.
    async fn addresses(&mut self, target: &TargetAddress) -> io::Result<&[SocketAddr]> {
        let is_due = self.known.is_empty() || self.looked_up_at.is_none_or(|at| at.elapsed() >= RESOLVE_INTERVAL);
        if is_due && self.lookup.is_none() {
            self.looked_up_at = Some(Instant::now());
            self.lookup = Some(tokio::spawn(resolve(target.clone())));
        }
        if let Some(lookup) = self.lookup.take_if(|lookup| lookup.is_finished() || self.known.is_empty()) {
            match lookup.await.map_err(io::Error::other)? {
                Ok(addresses) => self.known = addresses,
                Err(error) if self.known.is_empty() => return Err(error),
                Err(error) => warn!(%target, %error, "name lookup failed; keeping previous addresses"),
            }
        }
        Ok(&self.known)
    }
}

async fn resolve(target: TargetAddress) -> io::Result<Vec<SocketAddr>> {
    let lookup = timeout(RESOLVE_TIMEOUT, lookup_host((target.host.as_str(), target.port)));
    let addresses: Vec<_> = lookup.await.map_err(|_| io::Error::other("name lookup timed out"))??.collect();
    if addresses.is_empty() { Err(io::Error::other("the name has no address")) } else { Ok(addresses) }
}
