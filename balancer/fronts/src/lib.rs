//! The fronts: everything that clients talk to.
//!
//! # The story of a connection
//!
//! 1. Each worker thread has its own socket for each [`listener`], all of them bound to the same port. Its loop
//!    [`accept()`](accept::accept) accepts a client and serves it as far as possible without waiting. Most clients have
//!    sent their request by then, and are answered and closed before their [`socket`] is ever registered with the
//!    runtime. For a client that has to wait, the loop spawns a task if [`permits`] are left.
//! 2. A connection from a trusted proxy begins with a [PROXY protocol header](proxy_protocol), which replaces the
//!    address of the [`client`].
//! 3. [`detect`] identifies the protocol from the first bytes, with the table in [`protocols`]. If they are a TLS
//!    handshake, [`tls`] is accepted first. Until its session is decided, the connection is a [`downstream`]: bounded
//!    in bytes and time.
//! 4. The same table names the function that serves the protocol: in [`http`], [`rtmp`] or [`rtsp`]. RTMP and RTSP are
//!    an [`exchange`] of messages before the client can be redirected.
//! 5. That function asks the worker's [`Front`] for an assignment. The front reads the fleet's snapshot without a lock,
//!    has the selector select an edge or an overflow target, and counts the outcome in the [`metrics`]. A client that
//!    no edge can take, or that exceeds the [`loop_limit`], is refused.
//! 6. A client that follows redirects receives a URL at its destination ([`redirect`]), some also [`alternatives`], in
//!    its [`answer`].
//! 7. A client that does not is relayed: [`relay`] connects to the edge and forwards bytes in both directions.
//!
//! A listener with a `relay_port` skips steps 3 to 6 and relays every connection.
//!
//! # Modules
//!
//! | module             | contents                                                          |
//! |--------------------|-------------------------------------------------------------------|
//! | [`settings`]       | the sections of the configuration file                            |
//! | [`listener`]       | listening sockets                                                 |
//! | [`accept`]         | the accept loop                                                   |
//! | [`permits`]        | limits on the number of connections                               |
//! | [`socket`]         | a TCP connection that is registered only when it has to wait      |
//! | [`stream`]         | a connection: plain, over TLS, or in an RTSP tunnel               |
//! | [`rewind`]         | a stream with bytes that were read ahead                          |
//! | [`downstream`]     | a client's connection until its session is decided                |
//! | [`proxy_protocol`] | the PROXY protocol                                                |
//! | [`tls`]            | the balancer's certificate, and trust in edges                    |
//! | [`detect`]         | protocol detection                                                |
//! | [`protocols`]      | the table of protocols: start here to add one                     |
//! | [`http`]           | HTTP                                                              |
//! | [`rtmp`]           | RTMP                                                              |
//! | [`rtsp`]           | RTSP                                                              |
//! | [`exchange`]       | protocols that exchange several messages before the redirect      |
//! | [`answer`]         | sending an answer in time                                         |
//! | [`http_date`]      | dates in HTTP and RTSP headers                                    |
//! | [`client`]         | a connected client                                                |
//! | [`front`]          | one worker's view of the balancer                                 |
//! | [`shared`]         | the state that all workers share                                  |
//! | [`redirect`]       | from an assignment to a URL                                       |
//! | [`alternatives`]   | alternatives to an assignment                                     |
//! | [`loop_limit`]     | detection of redirect loops                                       |
//! | [`relay`]          | relayed sessions                                                  |
//! | [`metrics`]        | Prometheus metrics                                                |
//! | [`log_limits`]     | rate limits for log messages that clients can cause               |

#![forbid(unsafe_code)]

pub mod accept;
mod alternatives;
mod answer;
mod client;
pub mod detect;
mod downstream;
mod exchange;
#[cfg(test)]
mod fixtures;
mod front;
pub mod http;
mod http_date;
pub mod listener;
mod log_limits;
mod loop_limit;
pub mod metrics;
mod permits;
mod protocols;
pub mod proxy_protocol;
pub mod redirect;
pub mod relay;
mod rewind;
pub mod rtmp;
pub mod rtsp;
pub mod settings;
mod shared;
mod socket;
mod stream;
pub mod tls;

pub use front::Front;
pub use metrics::Metrics;
pub use settings::Settings;
pub use shared::{Environment, Shared};
