//! Relaying: clients that follow no redirect have their bytes carried to their edge and back.
//!
//! A front that has to relay a client says where to with [`Wanted`], gets an [`Upstream`] from [`connect()`], and gives
//! both ends to [`carry()`].
//!
//! | module              | what it holds                                           |
//! |---------------------|---------------------------------------------------------|
//! | [`mod@serve`]       | a listener whose every connection is relayed            |
//! | [`mod@connect`]     | which edge, and another one when it cannot be reached   |
//! | [`mod@reach`]       | a connection to one edge                                |
//! | [`edge_tls`]        | whom edges are believed to be that are reached over TLS |
//! | [`mod@unreachable`] | edges that could not be reached a moment ago            |
//! | [`mod@carry`]       | both ways until both have ended                         |
//! | [`direction`]       | one way                                                 |
//! | [`splice`]          | … from a plain connection to another                    |
//! | [`copy`]            | … from or to one over TLS                               |
//! | [`idle`]            | for how long nothing went either way                    |
//! | [`pipe`]            | a pipe of the kernel, which bytes go through uncopied   |
//! | [`chunk`]           | bytes that were read, and are written bit by bit        |
//! | [`supplies`]        | pipes and buffers that wait for a session to need one   |
//! | [`shared`]          | what the workers share to relay                         |

mod carry;
mod chunk;
mod connect;
mod copy;
mod direction;
pub mod edge_tls;
mod idle;
mod pipe;
mod reach;
mod serve;
mod shared;
mod splice;
mod supplies;
mod unreachable;

pub(super) use carry::carry;
pub(super) use connect::{Towards, Upstream, Wanted, connect, connect_and, connect_to};
pub(super) use reach::Error;
pub(super) use serve::serve;
pub use shared::Relay;
pub(super) use supplies::Supplies;

#[cfg(test)]
pub(super) mod tests;
