//! Relaying: forwards the bytes of clients that follow no redirect to their edge, and back.
//!
//! A front describes the session with a [`RelayRequest`], gets an [`Upstream`] from [`connect()`], and passes both
//! connections to [`forward()`].
//!
//! | module              | contents                                                              |
//! |---------------------|-----------------------------------------------------------------------|
//! | [`mod@serve`]       | listeners with a `relay_port`, which relay every connection           |
//! | [`mod@connect`]     | selects an edge and connects to it, or to another one if that fails   |
//! | [`dial`]            | connects to one edge                                                  |
//! | [`mod@unreachable`] | edges that were unreachable a moment ago                              |
//! | [`mod@forward`]     | forwards in both directions until both have ended                     |
//! | [`direction`]       | one direction of a session                                            |
//! | [`splice`]          | … between two plain connections                                       |
//! | [`copy`]            | … from or to a connection over TLS                                    |
//! | [`idle`]            | the idle timeout                                                      |
//! | [`pipe`]            | a kernel pipe, through which bytes pass without being copied          |
//! | [`write_buffer`]    | bytes that are written in several steps                               |
//! | [`pool`]            | spare pipes and buffers                                               |
//! | [`sessions`]        | the registry of relayed sessions: counts them, and ends them at a drain deadline |
//! | [`metrics`]         | their metrics                                                         |
//! | [`shared`]          | the state that all workers share                                      |

mod connect;
mod copy;
mod dial;
mod direction;
mod forward;
mod idle;
mod metrics;
mod pipe;
mod pool;
mod serve;
mod sessions;
mod shared;
mod splice;
mod unreachable;
mod write_buffer;

pub(crate) use connect::{EdgeEndpoint, RelayRequest, Upstream, connect, connect_assigned, connect_with};
pub(crate) use dial::Error;
pub(crate) use forward::forward;
pub use metrics::RelayMetrics;
pub(crate) use pool::Pool;
pub(crate) use serve::serve;
pub use sessions::{RelaySessions, Session};
pub use shared::Relay;

#[cfg(test)]
pub(crate) mod tests;
