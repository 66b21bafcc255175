//! The reports to one target: resolve its name, seal, send.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use tokio::net::{UdpSocket, lookup_host};
use tokio::time::{Instant, timeout};
use tracing::{info, warn};
use weir_protocol::{EdgeId, Report};

use crate::clock::random_bytes;
use crate::targets::{Target, TargetAddress};

/// How long a name may take to resolve before the report is given up.
const RESOLVE_TIMEOUT: Duration = Duration::from_secs(2);

/// How long a resolved address is used before the name is asked again.
const RESOLVE_INTERVAL: Duration = Duration::from_secs(60);

/// The reports to one target.
#[derive(Debug)]
pub struct Sender {
    address: TargetAddress,
    sealer: weir_protocol::Sender,
    route: Option<Route>,
    /// What was wrong the last time, so that each trouble is logged once.
    trouble: Option<String>,
}

/// A resolved target.
#[derive(Debug)]
struct Route {
    socket: UdpSocket,
    address: SocketAddr,
    resolved_at: Instant,
}

impl Sender {
    /// A sender that has just started.
    #[must_use]
    pub fn new(target: &Target, edge: EdgeId) -> Self {
        Self {
            address: target.address.clone(),
            sealer: weir_protocol::Sender::new(&target.key, edge, random_bytes()),
            route: None,
            trouble: None,
        }
    }

    /// Sends one report. What goes wrong is logged, and tried anew with the next.
    pub async fn send(&mut self, report: &Report<'_>) {
        let outcome = self.try_send(report).await.map_err(|error| error.to_string());
        let trouble = outcome.err();
        if trouble != self.trouble {
            match &trouble {
                Some(error) => warn!(target = %self.address, error, "reports do not get through"),
                None => info!(target = %self.address, "reports are sent again"),
            }
            self.trouble = trouble;
        }
    }

    async fn try_send(&mut self, report: &Report<'_>) -> io::Result<()> {
        let route = match self.route.take().filter(|route| route.resolved_at.elapsed() < RESOLVE_INTERVAL) {
            Some(route) => route,
            None => Route::resolve(&self.address).await?,
        };
        let datagram = self.sealer.seal(report).map_err(io::Error::other)?;
        route.socket.send_to(datagram, route.address).await?;
        // Kept only when it works: after an error the name is asked again.
        self.route = Some(route);
        Ok(())
    }
}

impl Route {
    async fn resolve(target: &TargetAddress) -> io::Result<Self> {
        let lookup = timeout(RESOLVE_TIMEOUT, lookup_host((target.host.as_str(), target.port)));
        let mut addresses = lookup.await.map_err(|_| io::Error::other("the name does not resolve in time"))??;
        let address = addresses.next().ok_or_else(|| io::Error::other("the name has no address"))?;
        let any: IpAddr = if address.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
        let socket = UdpSocket::bind((any, 0)).await?;
        Ok(Self { socket, address, resolved_at: Instant::now() })
    }
}
