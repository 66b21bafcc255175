//! One question to one server.
//!
//! | module         | what it asks                                             |
//! |----------------|----------------------------------------------------------|
//! | [`exchange`]   | over TCP and UDP, whatever is written                    |
//! | [`rtsp`]       | for options, or a description                            |
//! | [`http`]       | for a page                                               |
//! | [`rtmp`]       | to shake hands                                           |
//! | [`exec`]       | by a program                                             |
//! | [`connection`] | … over what: TCP, with TLS if need be                    |
//! | [`socket`]     | … marked, and from which address                         |
//! | [`tls`]        | … and whether the certificate matters                    |
//! | [`deadline`]   | … within which time                                      |

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
use crate::check::Question;
use connection::Connection;
use deadline::Deadline;

/// How a server is reached. What a program sends that asks it ([`Question::Exec`]) is not under these.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ProbeOptions {
    /// The mark of what is sent (`SO_MARK`): by it the kernel sends it to the one server that is asked through the
    /// virtual address. Takes the right `CAP_NET_ADMIN`.
    pub mark: Option<u32>,
    /// How many routers what is sent may pass, and one more (`IP_TTL`, `IPV6_UNICAST_HOPS`); as many as any packet, if it
    /// is not said.
    pub hops: Option<u8>,
    /// The address that it is sent from, which must be one of this machine's. Through the virtual address it is to be the
    /// director's own: the kernel would take the virtual one, and the server would answer itself.
    pub source: Option<IpAddr>,
}

/// Asks the server at `target`, and waits for its answer for `check.timeout` at most. Nothing is left behind when it is
/// cancelled.
///
/// # Errors
/// [`Failure`], when it does not give a good answer, or could not be asked.
pub async fn probe(target: SocketAddr, check: &Check, options: ProbeOptions) -> Result<(), Failure> {
    let deadline = Deadline::after(check.timeout);
    let open = async |tls| Connection::open(target, tls, options, deadline).await;
    match &check.question {
        Question::Nothing => Ok(()),
        Question::Udp(exchange) => exchange::datagram(target, exchange, options, deadline).await,
        Question::Exec(command) => exec::run(target, command, deadline).await,
        Question::Tcp { tls, exchange } => {
            let connection = open(tls.as_ref()).await?;
            deadline.answer(exchange::converse(connection, exchange)).await
        }
        Question::Rtsp { tls, request } => {
            let connection = open(tls.as_ref()).await?;
            deadline.answer(rtsp::ask(connection, target, tls.is_some(), request)).await
        }
        Question::Http { tls, request } => {
            let connection = open(tls.as_ref()).await?;
            deadline.answer(http::ask(connection, target, tls.is_some(), request)).await
        }
        Question::Rtmp { tls } => {
            let connection = open(tls.as_ref()).await?;
            deadline.answer(rtmp::shake_hands(connection)).await
        }
    }
}

/// How a server is called in a request: by its name or address, and by its port unless that goes without saying.
fn authority(host: Option<&str>, target: SocketAddr, default_port: u16) -> String {
    let host = host.map_or_else(|| target.ip().to_string(), str::to_owned);
    let host = if host.contains(':') { format!("[{host}]") } else { host };
    if target.port() == default_port { host } else { format!("{host}:{}", target.port()) }
}

#[cfg(test)]
mod tests;
