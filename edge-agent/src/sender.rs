//! The reports to one target: resolve its name, seal, send.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use tokio::net::{UdpSocket, lookup_host};
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};
use tracing::{info, warn};
use weir_program::random;
use weir_protocol::{EdgeId, Report};

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
            sealer: weir_protocol::Sender::new(&target.key, edge, random::bytes()),
            names: Names::default(),
            socket: None,
            failures: 0,
            trouble: None,
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
            match socket.send(datagram).await {
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
