//! One probe of one server.
//!
//! | module         | contents                                                        |
//! |----------------|-----------------------------------------------------------------|
//! | [`exchange`]   | text sent and expected over TCP and UDP                         |
//! | [`rtsp`]       | RTSP: OPTIONS or DESCRIBE                                       |
//! | [`http`]       | HTTP: GET                                                       |
//! | [`rtmp`]       | RTMP: handshake                                                 |
//! | [`exec`]       | a program                                                       |
//! | [`connection`] | TCP connections, with or without TLS                            |
//! | [`socket`]     | sockets with a mark, a hop limit and a source address           |
//! | [`tls`]        | TLS settings, with and without verification of certificates     |
//! | [`deadline`]   | the time limit of a probe                                       |

mod connection;
mod deadline;
mod exchange;
mod exec;
mod http;
mod rtmp;
mod rtsp;
mod socket;
mod tls;

use std::net::{IpAddr, SocketAddr};

use crate::Check;
use crate::Failure;
use crate::check::Probe;
use connection::Connection;
use deadline::Deadline;

/// Socket options of a probe. They do not apply to programs ([`Probe::Exec`]).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ProbeOptions {
    /// Firewall mark of the packets (`SO_MARK`), by which IPVS sends them to the one server under check when the
    /// virtual address is probed. Requires `CAP_NET_ADMIN`.
    pub mark: Option<u32>,
    /// Hop limit (`IP_TTL`, `IPV6_UNICAST_HOPS`): one more than the number of routers that the packets may pass. `None`
    /// for the system's default.
    pub hops: Option<u8>,
    /// Source address, which must be one of this machine's. For probes of the virtual address it must not be virtual:
    /// the kernel would choose the virtual address itself, and the server would respond to itself.
    pub source: Option<IpAddr>,
}

/// Probes the server at `target`. Takes at most `check.timeout`. Cancelling it leaves nothing behind.
///
/// # Errors
/// [`Failure`], when the server does not respond as expected, or the probe could not run.
pub async fn probe(target: SocketAddr, check: &Check, options: ProbeOptions) -> Result<(), Failure> {
    let deadline = Deadline::after(check.timeout);
    let open = async |tls| Connection::open(target, tls, options, deadline).await;
    match &check.probe {
        Probe::None => Ok(()),
        Probe::Udp(exchange) => exchange::datagram(target, exchange, options, deadline).await,
        Probe::Exec(program) => exec::run(target, program, deadline).await,
        Probe::Tcp { tls, exchange } => {
            let connection = open(tls.as_ref()).await?;
            deadline.response(exchange::converse(connection, exchange)).await
        }
        Probe::Rtsp { tls, request } => {
            let connection = open(tls.as_ref()).await?;
            deadline.response(rtsp::request(connection, target, tls.is_some(), request)).await
        }
        Probe::Http { tls, request } => {
            let connection = open(tls.as_ref()).await?;
            deadline.response(http::get(connection, target, tls.is_some(), request)).await
        }
        Probe::Rtmp { tls } => {
            let connection = open(tls.as_ref()).await?;
            deadline.response(rtmp::shake_hands(connection)).await
        }
    }
}

/// The authority in a request: host name or address, and the port unless it is the default.
fn authority(host: Option<&str>, target: SocketAddr, default_port: u16) -> String {
    let host = host.map_or_else(|| target.ip().to_string(), str::to_owned);
    let host = if host.contains(':') { format!("[{host}]") } else { host };
    if target.port() == default_port { host } else { format!("{host}:{}", target.port()) }
}

#[cfg(test)]
mod tests;
